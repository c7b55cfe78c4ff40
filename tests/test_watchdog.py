"""The second signal ends a process whose main thread is lost in native code, and all processes that belong to it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from media_worlds import WAIT, over, until, write_clip
from output_worlds import CHILD, decoded, lines
from poseline import watchdog

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")

SIGINT, SIGTERM, KILLED = signal.SIGINT, signal.SIGTERM, -signal.SIGKILL
ENDED = "poseline: ended before its files were finished; `poseline recover FOLDER` makes a .part video playable\n"

BLOCKED = """
import ctypes, os, sys, time

def block(kind):
    'Wait for ever in native code, for a lock that this thread has itself; no signal wakes it. PyDLL keeps the GIL.'
    libc = getattr(ctypes, kind)(None)
    lock = ctypes.create_string_buffer(256)
    libc.pthread_mutex_init(lock, None)
    libc.pthread_mutex_lock(lock)
    os.write(1, b"blocked\\n")
    libc.pthread_mutex_lock(lock)
"""
COMMAND = (
    BLOCKED
    + """
from poseline.interruption import exit_with

def command(interruption):
    {body}
    return 0

exit_with(command)
"""
)


class Started:
    """A Python process, of which so many processes have said that they are blocked."""

    def __init__(self, code: str, *arguments: object, blocked: int = 1) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, *map(str, arguments)], env=CHILD, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )  # fmt: skip
        assert self.process.stdout is not None
        while blocked:
            blocked -= self.process.stdout.readline() == "blocked\n"
        own = psutil.Process(self.process.pid)
        assert until(lambda: rests([own, *own.children(recursive=True)])), "it does not come to the call itself"
        self.family = psutil.Process(self.process.pid).children(recursive=True)

    def send(self, *numbers: signal.Signals) -> None:
        """Signals, each after the one before was heard."""
        for number in numbers:
            self.process.send_signal(number)
            assert until(lambda: not pending(self.process.pid))
            time.sleep(0.1)

    def end(self) -> tuple[int, str]:
        """Exit code, and stderr; it would wait for ever if nobody ended it."""
        self.process.wait(WAIT)
        _, told = self.process.communicate(timeout=WAIT)
        return self.process.returncode, told


def rests(processes: list[psutil.Process]) -> bool:
    """Whether none of the processes has anything to do for a fifth of a second."""

    def used() -> list[tuple[float, float]]:
        times = [process.cpu_times() for process in processes]
        return [(each.user, each.system) for each in times]

    before = used()
    time.sleep(0.2)
    return used() == before and all(process.status() == psutil.STATUS_SLEEPING for process in processes)


def pending(process: int) -> bool:
    """Whether a signal has been sent to the process that it has not taken yet, on Linux; it may have ended by it."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return False
    return any(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("ShdPnd"))


@contextmanager
def started(code: str, *arguments: object, blocked: int = 1) -> Iterator[Started]:
    """The process; all that it started must be gone soon after it."""
    running = Started(code, *arguments, blocked=blocked)
    try:
        yield running
        assert until(lambda: all(map(over, running.family))), "a process is left behind"
    finally:
        running.process.kill()
        for child in running.family:
            if not over(child):
                child.kill()
        running.process.communicate()


@pytest.mark.parametrize(
    ("kind", "numbers", "code"),
    [("CDLL", (SIGTERM, SIGINT), 130), ("PyDLL", (SIGINT, SIGINT), KILLED)],
)
def test_the_second_signal_ends_a_process_that_is_blocked_in_native_code(
    kind: str, numbers: tuple[signal.Signals, signal.Signals], code: int
) -> None:
    with started(COMMAND.format(body=f"block({kind!r})")) as running:
        began = time.monotonic()
        running.send(*numbers)
        assert running.end() == (code, ENDED)
        assert time.monotonic() - began > 1, "it had time to end by itself"


class Clock:
    """Stands still but for who sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_what_does_not_end_is_killed_two_seconds_after_the_second_signal_at_the_latest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By a clock of the test's own, as the watchdog's process would take it: a real one is late on a busy machine."""
    clock, killed = Clock(), list[tuple[float, int, int]]()
    monkeypatch.setattr(watchdog, "time", clock)
    for name in ("setsid", "closerange"):  # of a process of its own
        monkeypatch.setattr(os, name, lambda *_: None)
    monkeypatch.setattr(os, "kill", lambda process, number: killed.append((clock.now, process, number)))
    (signals_read, signals_write), (exit_read, exit_write) = os.pipe(), os.pipe()
    os.write(signals_write, bytes([SIGINT, SIGTERM]))
    watchdog._watch({SIGINT, SIGTERM}, signals_read, exit_write, 1234, quiet=True)
    assert os.read(exit_read, 2) == b"!", "it is told to exit first"
    for pipe in (signals_read, signals_write, exit_read, exit_write):
        os.close(pipe)
    [(moment, process, number)] = killed
    assert (process, number) == (1234, signal.SIGKILL)
    assert 1 < moment < 1.9, "and what the system takes to end a process"


def test_the_first_signal_waits_for_good_order() -> None:
    with started(COMMAND.format(body="block('CDLL')")) as running:
        running.send(SIGINT)
        time.sleep(1.7)
        assert running.process.poll() is None
        running.process.kill()


def test_who_ends_in_good_order_after_the_second_is_let_be() -> None:
    body = "interruption._shielded = True; os.write(1, b'blocked\\n'); time.sleep(1); time.sleep(1); return 3"
    patient = "import poseline.watchdog\nposeline.watchdog.GRACE = 60\n"  # as long as this machine may need to end
    with started(patient + COMMAND.format(body=body)) as running:
        running.send(SIGINT, SIGINT)
        assert running.end() == (3, "")


def test_the_guard_leaves_with_a_process_that_is_killed() -> None:
    with started(COMMAND.format(body="block('CDLL')")) as running:
        assert len(running.family) == 1
        running.process.kill()
        running.end()


@pytest.mark.parametrize("missing", ["never there", "killed"])
def test_without_a_guard_a_thread_keeps_watch(missing: str) -> None:
    before = "import os\ndel os.fork\n" if missing == "never there" else ""
    with started(before + COMMAND.format(body="block('CDLL')")) as running:
        assert len(running.family) == (missing == "killed")
        for guard in running.family:
            guard.kill()
        assert until(lambda: all(map(over, running.family)))
        running.send(SIGINT, SIGINT)
        assert running.end() == (130, ENDED)


def test_an_import_that_never_ends_is_ended(tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text(BLOCKED + "block('PyDLL')")
    code = "import sys\nsys.path.insert(0, sys.argv.pop(1))\nfrom poseline.__main__ import main\nmain()"
    with started(code, tmp_path, "run", "clip.mp4") as running:
        running.send(SIGINT, SIGINT)
        assert running.end() == (KILLED, ENDED)


RUN = (
    BLOCKED
    + """
from poseline.session import Session
from poseline.log import KeypointLog
from poseline.__main__ import main

kind, apart = sys.argv.pop(1), sys.argv.pop(1) == "apart"
if apart:  # as beside a GPU: a second process draws
    entered = Session.__enter__
    def enter(session):
        entered(session)
        session._render_in_subprocess = True
        return session
    Session.__enter__ = enter
frame = KeypointLog.frame

def blocking(log, observation, *more):
    frame(log, observation, *more)
    if observation.frame.index == 40:
        block(kind)

KeypointLog.frame = blocking
if __name__ == "__main__":
    main()
"""
)


CHILD_OF_A_RUN = """
import time
from pathlib import Path

def convert():
    Path(__file__).with_name("begun").touch()
    time.sleep(300)
"""


def test_a_child_that_converts_a_model_leaves_with_its_parent(tmp_path: Path) -> None:
    (tmp_path / "converting.py").write_text(CHILD_OF_A_RUN)
    code = BLOCKED + (
        "import threading\nfrom poseline.inference.subprocess_task import run_in_subprocess\n"
        "sys.path.insert(0, sys.argv[1])\nfrom converting import convert\n"
        "given = dict(seconds=300, environment={})\n"
        "threading.Thread(target=run_in_subprocess, args=('convert', convert), kwargs=given, daemon=True).start()\n"
        "import os\nwhile not os.path.exists(sys.argv[1] + '/begun'): time.sleep(0.01)\nblock('CDLL')"
    )
    with started(code, tmp_path) as running:
        assert [child for child in running.family if "poseline.workers" in child.cmdline()[-1] and not over(child)]
        running.process.kill()


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", range(90), size=(160, 120))


def test_a_blocked_run_leaves_its_journal_and_a_video_to_be_recovered(clip: Path, tmp_path: Path) -> None:
    with started(RUN, "PyDLL", "one", "run", clip, "-m", "builtin", "-o", tmp_path / "out") as running:
        running.send(SIGINT, SIGINT)
        assert running.end() == (KILLED, ENDED)
    records = lines(tmp_path / "out" / "keypoints.jsonl")
    assert [record["type"] for record in records] == ["run"] + ["frame"] * 41
    assert (tmp_path / "out" / "annotated.mp4.part").exists()
    mended = [sys.executable, "-m", "poseline", "recover", str(tmp_path / "out")]
    subprocess.run(mended, check=True, capture_output=True, timeout=WAIT)
    assert 20 < decoded(tmp_path / "out" / "annotated.mp4") <= 41


def test_the_process_that_draws_finishes_the_video_and_goes(clip: Path, tmp_path: Path) -> None:
    with started(RUN, "CDLL", "apart", "run", clip, "-m", "builtin", "-o", tmp_path / "out") as running:
        assert len(running.family) > 1
        running.send(SIGINT, SIGINT)
        assert running.end() == (130, ENDED)
    assert 32 <= decoded(tmp_path / "out" / "annotated.mp4") <= 41


JOBS = (
    BLOCKED
    + """
from poseline.interruption import exit_with
from poseline.workers import ProcessExecutor

def work(job, context):
    context.report_progress("blocked")
    block(job)

def command(interruption):
    ProcessExecutor(2).run(["CDLL", "PyDLL"], work, interruption, lambda _, word: print(word, flush=True), print)
    return 0
"""
)


def test_blocked_workers_end_with_the_second_signal_too(tmp_path: Path) -> None:
    (tmp_path / "blocked_jobs.py").write_text(JOBS)
    code = (
        "import sys\nsys.path.insert(0, sys.argv[1])\nimport blocked_jobs\nblocked_jobs.exit_with(blocked_jobs.command)"
    )
    with started(code, tmp_path, blocked=2) as running:
        assert len(running.family) >= 1 + 2 * 2, "two workers, and a watchdog each"
        running.send(SIGTERM, SIGTERM)
        assert running.end() == (130, ENDED)
