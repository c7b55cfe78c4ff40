"""Forked processes: a word instead of a wait for threads that are not there, and results where there can be some.

Every case is a process of its own, which forks while pytest does not. A case that waits is killed by its own alarm.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from poseline import PoseModel, forks

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

SQUAT = Path(__file__).parents[1] / "samples" / "squat.mp4"

# `forked(work)` prints what `work` returns or raises in a forked process, or that it was still waiting after 60 s.
PRELUDE = """
import gc, multiprocessing, os, signal, sys, warnings
warnings.simplefilter("ignore")  # a fork beside threads, which is what this is about
import numpy as np
from poseline import PoseModel, stream
picture = np.full((96, 128, 3), 90, np.uint8)

def forked(work, leave=os._exit):
    child = os.fork()
    if not child:
        signal.alarm(60)
        try:
            print(work(), flush=True)
        except Exception as error:
            print(f"{type(error).__name__}: {error}", flush=True)
        leave(0)
    code = os.waitpid(child, 0)[1]
    if code:
        print("WAITED" if code == signal.SIGALRM else f"ended with {code}", flush=True)

def count(model, picture=picture):
    return len(model(picture, verbose=False)[0])

def fresh():
    return f"found {count(PoseModel('builtin'))}"
"""


def told(code: str) -> list[str]:
    """What a process prints, line by line."""
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + code], capture_output=True, text=True, timeout=280, check=True
    )
    return done.stdout.splitlines()


def test_a_model_that_was_used_says_what_to_do_and_a_new_one_works() -> None:
    used, new, unused, *_ = told("""
model, idle = PoseModel("builtin"), PoseModel("builtin")
count(model)
forked(lambda: count(model))
forked(fresh)
forked(lambda: f"found {count(idle)}")
""")
    assert used.startswith("ModelError: poseline-builtin.pt: was used before this process was forked")
    assert "load the model in the worker" in used
    assert "'spawn'" in used
    assert new == unused == "found 0"


def test_a_new_model_does_not_wait_for_the_threads_of_a_released_one() -> None:
    (answer,) = told("""
model = PoseModel("builtin")
count(model)
del model
gc.collect()
forked(fresh)
""")
    assert answer.startswith("ModelError: OpenVINO cannot be used here: this process was forked from one that had re")
    assert "'spawn'" in answer


def test_the_parents_model_may_be_replaced_in_the_fork() -> None:
    assert told("""
model = PoseModel("builtin")
count(model)
def replaced():
    global model
    model = PoseModel("builtin")
    gc.collect()
    small = count(model), count(model, picture[:, :48])
    model = None
    gc.collect()
    return *small, fresh()
forked(replaced)
""") == ["(0, 0, 'found 0')"]


def test_a_fork_of_a_fork_is_told_apart() -> None:
    first, second = told("""
def inner():
    model = PoseModel("builtin")
    count(model)
    forked(lambda: count(model))
    return "outer"
forked(inner)
""")
    assert first.startswith("ModelError: poseline-builtin.pt: was used before")
    assert second == "outer"


def test_a_fork_ends_although_it_has_a_model_of_its_parent() -> None:
    assert told("""
model = PoseModel("builtin")
count(model)
forked(lambda: "end", sys.exit)
forked(fresh, sys.exit)
""") == ["end", "found 0"]


def test_a_pool_passes_the_error_on() -> None:
    (answer,) = told("""
model = PoseModel("builtin")
count(model)
def work(_):
    return count(model)
signal.alarm(60)
with multiprocessing.get_context("fork").Pool(2) as pool:
    try:
        print(pool.map(work, range(4)))
    except Exception as error:
        print(f"{type(error).__name__}: {error}")
""")
    assert answer.startswith("ModelError: poseline-builtin.pt: was used before this process was forked")


def test_a_stream_stays_with_its_parent() -> None:
    *answers, rest = told(f"""
running = stream({str(SQUAT)!r}, "builtin")
next(running)
forked(lambda: next(running))
forked(running.close)
forked(lambda: "end", sys.exit)
print(1 + sum(1 for _ in running))
""")
    assert "begun before this process was forked" in answers[0]
    assert answers[0].startswith("PoselineError: ")
    assert answers[1:] == ["None", "end"]
    assert rest == "210", "and there it goes on"


def test_torch_is_used_with_one_thread() -> None:
    pytest.importorskip("torch")
    used, new, unused = told("""
model, idle = PoseModel("builtin", runtime="torch"), PoseModel("builtin", runtime="torch")
count(model)
import torch
forked(lambda: count(model))
forked(lambda: (count(PoseModel("builtin", runtime="torch")), torch.get_num_threads()))
forked(lambda: (count(idle), torch.get_num_threads()))
""")
    assert used.startswith("ModelError: poseline-builtin.pt: was used before this process was forked")
    assert new == unused == "(0, 1)"


def test_a_model_is_not_sent_to_another_process() -> None:
    with pytest.raises(TypeError, match="load it there"):
        pickle.dumps(PoseModel("builtin"))


def test_generations_count_forks() -> None:
    assert forks.generation() == 0
    assert not forks.inherited("sys")
    assert told("""
from poseline import PoseModel, forks
forked(lambda: (forks.generation(), forks.inherited("numpy"), forks.inherited("sqlite3")))
""") == ["(1, True, False)"]


def test_a_fork_that_began_before_openvino_was_imported_ends_without_a_word() -> None:
    """As where another thread imports it meanwhile."""
    code = (
        "import importlib, logging, os, concurrent.futures.thread\n"  # which say something in such a fork too
        "os.register_at_fork(before=lambda: importlib.import_module('poseline.openvino_core'))\n"
        "child = os.fork()\n"
        "if not child:\n    os._exit(0)\n"
        "os.waitpid(child, 0)\n"
        "from poseline.openvino_core import core\n"
        "print(len(core().available_devices) > 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=280, check=True)
    assert (done.stdout, done.stderr) == ("True\n", "")
