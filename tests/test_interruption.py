"""What signals do where: stop, break off once, or only count."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from poseline.interruption import Interruption


def test_outside_a_run_the_first_signal_breaks_off_and_the_next_only_count() -> None:
    interruption = Interruption()
    with pytest.raises(KeyboardInterrupt):
        interruption()
    interruption()
    assert (interruption.signal_count, interruption.aborted) == (2, True)


def test_in_a_run_the_first_stops_and_the_second_breaks_off_the_wait_for_an_item() -> None:
    interruption = Interruption()
    told: list[str] = []

    def items() -> Iterator[int]:
        yield 0
        interruption()
        assert told == ["stop"]
        yield 1
        interruption()
        yield 2  # never reached

    taken: list[int] = []
    with interruption.shielded(), interruption.stopping(lambda: told.append("stop")), pytest.raises(KeyboardInterrupt):
        taken.extend(interruption.interruptible(items()))
    assert taken == [0, 1]
    assert told == ["stop"]


def test_nothing_is_broken_off_while_an_item_is_worked_on() -> None:
    interruption = Interruption()
    whole: list[int] = []
    with interruption.shielded(), interruption.stopping(lambda: None), pytest.raises(KeyboardInterrupt):
        for item in interruption.interruptible(iter(range(3))):
            interruption()
            interruption()
            interruption()
            whole.append(item)
    assert whole == [0], "what was begun is finished, and the wait for the next is broken off"


def test_a_signal_that_came_while_files_were_opened_stops_what_follows() -> None:
    interruption = Interruption()
    told: list[str] = []
    with interruption.shielded():
        interruption()
        assert not interruption.aborted
        with interruption.stopping(lambda: told.append("stop")):
            assert list(interruption.interruptible(iter(range(2)))) == [0, 1], "what is on its way is drained"
        interruption()
    assert told == ["stop"]
    assert not interruption.aborted


LATE = """
import os, signal, sys
from poseline.interruption import exit_with

class Late:
    def __del__(self):  # as Python ends
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)

def command(interruption):
    global late
    late = Late()
    {body}
    return 0

exit_with(command)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("pass", 0),
        ("interruption.disarm(); os.kill(os.getpid(), signal.SIGTERM)", 130),
        ("os.kill(os.getpid(), signal.SIGINT)", 130),
        ("exec('os.kill(os.getpid(), signal.SIGTERM)')", 130),  # Python would end itself by SIGINT for this one
        ("return 3", 3),
    ],
)
def test_the_exit_code_is_ours_whenever_a_signal_comes(body: str, code: int) -> None:
    done = subprocess.run([sys.executable, "-c", LATE.format(body=body)], capture_output=True, text=True, timeout=280)
    assert (done.returncode, done.stderr) == (code, "")


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_a_lock_that_an_import_left_behind_does_not_keep_the_process() -> None:
    body = "import threading, _imp; threading.Thread(target=lambda: (gate.wait(), __import__('wave'))).start(); "
    body += "_imp.acquire_lock(); gate.set(); os.kill(os.getpid(), signal.SIGINT)"
    code = LATE.format(body=body).replace("class Late", "import threading\ngate = threading.Event()\nclass Late")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=280)
    assert (done.returncode, done.stderr) == (130, "")


LET_GO = """
import signal, threading
from poseline.inference import load_estimator
from poseline.settings import InferenceSettings
held = [load_estimator(InferenceSettings(model="builtin"))]
thread = threading.Thread(target=held.clear)
thread.start()
thread.join()
signal.signal(signal.SIGINT, lambda *_: print("heard"))
signal.raise_signal(signal.SIGINT)
"""


def test_a_signal_finds_its_stack_after_another_thread_let_the_network_go() -> None:
    child = subprocess.run([sys.executable, "-c", LET_GO], capture_output=True, text=True, timeout=280)
    assert (child.returncode, child.stdout, child.stderr) == (0, "heard\n", "")
