"""Start-up: what makes our own processes start fast, and that a process which only imports Poseline stays as it is."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from poseline.telemetry import without_telemetry

OPENVINO = "from poseline.telemetry import without_telemetry\nwith without_telemetry():\n    import openvino\n"
STATE = """
import gc, locale, logging, os, signal, sys, threading, warnings
import av, cv2, numpy, PIL.Image, pydantic, scipy.optimize, yaml

def state():
    return {
        "modules": {name: id(module) for name, module in sys.modules.items() if name in KNOWN},
        "barred": sorted(name for name, module in sys.modules.items() if module is None),
        "warnings": list(warnings.filters),
        "logging": (logging.root.level, list(logging.root.handlers), logging.lastResort, logging.raiseExceptions),
        "signals": {number: signal.getsignal(number) for number in signal.valid_signals()},
        "wakeup": WAKEUP(),
        "environment": dict(os.environ),
        "gc": (gc.get_threshold(), gc.isenabled(), gc.get_freeze_count(), gc.get_debug()),
        "paths": (list(sys.path), list(sys.meta_path), list(sys.path_hooks)),
        "hooks": (sys.excepthook, sys.unraisablehook, threading.excepthook, sys.stdout, sys.stderr),
        "numbers": (numpy.geterr(), cv2.getNumThreads(), locale.setlocale(locale.LC_ALL)),
        "threads": threading.active_count(),
    }

def WAKEUP():
    descriptor = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(descriptor)
    return descriptor

def changed(before, *but):
    after = state()
    return {name: (before[name], after[name]) for name in after if name not in but and before[name] != after[name]}

KNOWN = set(sys.modules)
before = state()
"""


def child(code: str) -> str:
    """What a Python process prints; what it states of itself is checked there."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=280, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "use",
    [
        "import poseline",
        "import poseline; poseline.PoseModel",
        "import poseline; [getattr(poseline, name) for name in poseline.__all__]",
    ],
)
def test_importing_it_changes_nothing_in_the_process(use: str) -> None:
    assert child(f"{STATE}\n{use}\nprint(changed(before))") == "{}\n"


def test_using_a_model_changes_nothing_in_the_process() -> None:
    use = "import poseline; poseline.PoseModel('builtin')(numpy.zeros((64, 64, 3), numpy.uint8), verbose=False)"
    assert child(f"{OPENVINO}{STATE}\n{use}\nprint(changed(before, 'threads'))") == "{}\n"


def test_openvinos_reports_are_not_sent_and_their_sender_stays_importable() -> None:
    code = (
        "import sys, importlib.util\n"
        "import poseline; poseline.PoseModel('builtin')\n"
        "print('openvino' in sys.modules, 'openvino_telemetry' in sys.modules)\n"
        "print(importlib.util.find_spec('openvino_telemetry') is not None)\n"
        "try:\n    import openvino_telemetry as found\nexcept ModuleNotFoundError:\n    found = None\n"
        "print(found is not None)\n"
    )
    there = find_spec("openvino_telemetry") is not None
    assert child(code).split() == ["True", "False", str(there), str(there)]


def test_a_sender_that_is_imported_already_is_given_back() -> None:
    ours = sys.modules.get("openvino_telemetry")
    sys.modules["openvino_telemetry"] = mine = type(sys)("openvino_telemetry")
    try:
        with without_telemetry(), pytest.raises(ImportError):
            import_module("openvino_telemetry")
        assert sys.modules["openvino_telemetry"] is mine
    finally:
        del sys.modules["openvino_telemetry"]
        sys.modules.update({"openvino_telemetry": ours} if ours else {})


def test_our_own_process_is_tuned() -> None:
    code = (
        "import gc, os, sys\nfrom poseline import startup\nstartup.tune_process()\nimport openvino\n"
        "print(gc.get_threshold()[0] > 700, 'openvino.tools.ovc.cli_parser' in sys.modules)"
    )
    assert child(code).split() == ["True", "False"]


def test_a_live_run_lets_no_garbage_wait_for_long() -> None:
    """Every connection to the page is a reference cycle, which nothing else would free for days."""
    code = (
        "import gc\nfrom poseline import startup\nstartup.tune_process()\nimport openvino\nstartup.settle_process()\n"
        "class Cycle:\n"
        "    alive = most = 0\n"
        "    def __init__(self):\n"
        "        self.me = self\n"
        "        Cycle.alive += 1\n"
        "        Cycle.most = max(Cycle.most, Cycle.alive)\n"
        "    def __del__(self):\n"
        "        Cycle.alive -= 1\n"
        "for _ in range(50_000): Cycle()\n"
        "print(Cycle.most < 10_000)\n"
        "print(gc.get_freeze_count() > 0)"
    )
    assert child(code).split() == ["True", "True"]


ARENAS = """
import ctypes, threading
libc = ctypes.CDLL(None)
libc.malloc.restype = libc.fopen.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]

def take(barrier):
    libc.malloc(50_000)
    barrier.wait()

def arenas():
    barrier = threading.Barrier(7)
    for _ in range(6):
        threading.Thread(target=take, args=(barrier,)).start()
    barrier.wait()
    file = libc.fopen(FILE, b"w")
    libc.malloc_info(0, ctypes.c_void_p(file))
    libc.fclose(ctypes.c_void_p(file))
    return open(FILE).read().count("<heap ")
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="arenas are glibc's")
@pytest.mark.parametrize(("tuned", "one"), [(True, True), (False, False)])
def test_threads_of_a_live_run_take_memory_from_one_arena(tuned: bool, one: bool, tmp_path: Path) -> None:
    """Else what decoders and encoders leave free, outage by outage, lies in eight for each core."""
    code = (
        f"FILE = {os.fsencode(tmp_path / 'info')!r}\n{ARENAS}\nfrom poseline import startup\n"
        f"if {tuned}: startup.tune_process()\nstartup.tune_malloc()\nprint(arenas() == 1)"
    )
    assert child(code).split() == [str(one)]


BLOCKS = """
import ctypes
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]

class Info(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in
        "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()]

libc.mallinfo2.restype = Info

def own_pages(size):
    before = libc.mallinfo2().hblkhd
    libc.malloc(size)
    return libc.mallinfo2().hblkhd > before
"""


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc" or platform.libc_ver() < ("glibc", "2.33"),
    reason="asks glibc's mallinfo2, which 2.33 brought",
)
@pytest.mark.parametrize("tuned", [True, False])
def test_a_picture_of_a_live_run_has_pages_of_its_own_after_a_larger_one_too(tuned: bool) -> None:
    """Else it leaves a gap among small blocks, which some that stay fill: memory grows with each change of size."""
    code = (
        f"{BLOCKS}\nfrom poseline import startup\nif {tuned}: startup.tune_process()\nstartup.tune_malloc()\n"
        "libc.free(libc.malloc(8_000_000))\nprint(own_pages(1_000_000), own_pages(100_000))"
    )
    assert child(code).split() == [str(tuned), "False"]


def test_a_process_that_was_not_tuned_is_not_settled_either() -> None:
    code = (
        "import gc\nfrom poseline import startup\n"
        "def state(): return gc.get_threshold(), gc.get_freeze_count()\n"  # Python 3.12 begins with some frozen
        "before = state()\nstartup.settle_process()\nprint(state() == before)"
    )
    assert child(code).split() == ["True"]
