"""Worker: a process of ours that works on one unit after another. Every child process of our own code is one.

Parent and worker exchange pickles over the worker's stdin and stdout. The worker is not forked, which would share the
parent's threads and GPU, and not started by `multiprocessing`, which would run the user's script again.

- Progress: the work calls `Context.report_progress`.
- Result: an `Outcome`, also where the work raises, or where the process dies; then with its exit code and last line.
- Stop: SIGTERM asks the work to stop gracefully, and so does the end of its input, which also comes when the parent
  dies. A worker that has not ended `stop_timeout` seconds later is killed.

Three kinds of child process are started in another way. A benchmark's is a foreign command, timed as its user sees it;
the doctor's may crash at any import; the window's must not import PyAV, which this package does.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from queue import Queue
from typing import Any, BinaryIO, TypeAlias

from poseline.errors import PoselineError, redact
from poseline.interruption import SIGNALS, Interruption, exit_now, exit_with

STOP_TIMEOUT = 60.0
"""Seconds that a worker may take to finish its files after it was asked to stop."""
_START = (
    "import sys; sys.path = [path for path in sys.path if path]; import pickle; "  # no module of the current folder
    "sys.path[:] = pickle.load(sys.stdin.buffer); from poseline.workers.worker import serve; serve()"
)
_PARENT_SECONDS = 0.5
"""How long a signal of the parent is waited for when the input has ended, before the worker stops by itself."""
_in_worker = False


class UnitLost(PoselineError):
    """What worked on a unit came to an end before the unit did, which may be the unit's fault or not."""


class WorkerDied(UnitLost):
    """A worker's process ended in the middle of a unit."""

    def __init__(self, process_exit_code: int, last_line: str) -> None:
        super().__init__(f"its process ended with {process_exit_code}" + (f": {last_line}" if last_line else ""))
        self.process_exit_code = process_exit_code
        """Negative for a signal."""
        self.last_line = redact(last_line)
        """What it wrote last on stderr."""

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.process_exit_code, self.last_line)


@dataclass(frozen=True)
class Outcome:
    """How one unit ended."""

    result: Any = None
    """What the work returned."""
    error: PoselineError | None = None
    """What it raised, or a `UnitLost`."""
    traceback: str = ""
    """Where it was raised in a worker, if it is a bug; no password is in it."""
    started: bool = True
    """False for a unit that was never begun, or had nothing to finish, when all was stopped."""


@dataclass(frozen=True)
class Context:
    """What work can use besides its unit."""

    report_progress: Callable[[Any], None]
    """Takes anything that can be pickled, except an `Outcome`."""
    interruption: Interruption
    """Receives the signals that ask the work to stop."""
    inputs: Iterator[Any] = field(default_factory=lambda: iter(()))
    """Further objects that the parent sends to the unit."""


Work: TypeAlias = Callable[[Any, Context], Any]


def attempt(work: Work, unit: Any, context: Context) -> Outcome:
    """Work on one unit; a PoselineError is its outcome, other exceptions are raised."""
    try:
        return Outcome(work(unit, context))
    except PoselineError as error:
        return Outcome(error=error)


def in_worker() -> bool:
    """Whether this process is a worker."""
    return _in_worker


class Worker:
    """A worker as its parent sees it.

    Args:
        work: called as work(unit, context) for each unit; pickled once, so what it keeps is the worker's own.
        environment: variables added to those of this process.
        cores: the numbers of the cores that it may use; None for all that this process may.
        ignore_signals: whether nothing but the end of its input stops it.
        stop_timeout: seconds it may take to stop.
        events: where its messages go as (worker, content); several workers may share one.
    """

    def __init__(
        self, work: Work, *, environment: Mapping[str, str] | None = None, cores: Collection[int] | None = None,
        ignore_signals: bool = False,
        stop_timeout: float = STOP_TIMEOUT, events: Queue[tuple[Worker, Any]] | None = None,
    ) -> None:  # fmt: skip
        self._stop_timeout, self.cores, self.environment = stop_timeout, cores, dict(environment or {})
        self.events: Queue[tuple[Worker, Any]] = Queue() if events is None else events
        """Its messages: progress, and the `Outcome` of each unit."""
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 # closed in `_read`
        command = [sys.executable, "-c", _START, *(["ignore-signals"] if ignore_signals else [])]
        with _signals_blocked(), _on_cores(cores):  # signals: until the worker has its handlers
            self.process = subprocess.Popen(  # noqa: S603 # our own interpreter and module
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._stderr,
                env={**os.environ, **self.environment}, start_new_session=True,  # Ctrl-C is for the parent alone
            )  # fmt: skip
        threading.Thread(target=self._read, name="worker", daemon=True).start()
        self._send(sys.path)
        self._send((work, stop_timeout))

    def send(self, unit: Any) -> None:
        """Send it a unit. That the worker has died is an event, and no error here."""
        self._send((True, unit))

    def send_input(self, content: Any) -> None:
        """Send a further object to the unit in progress, or None as the end of them; waits while the pipe is full."""
        self._send((False, content))

    def _send(self, content: Any) -> None:
        assert self.process.stdin is not None
        with suppress(OSError):
            pickle.dump(content, self.process.stdin, pickle.HIGHEST_PROTOCOL)
            self.process.stdin.flush()

    def end_input(self) -> None:
        """Let it end: at once if it is idle, else gracefully."""
        assert self.process.stdin is not None
        with suppress(OSError):
            self.process.stdin.close()

    def close(self, timeout: float | None = None) -> None:
        """End it, by force if it takes longer than `timeout` seconds (by default, its `stop_timeout`)."""
        self.end_input()
        try:
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(self._stop_timeout if timeout is None else timeout)
        finally:
            self.process.kill()
            self.process.wait()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with suppress(EOFError, OSError, pickle.UnpicklingError), self.process.stdout as messages:
            while True:
                self.events.put((self, pickle.load(messages)))  # noqa: S301 # from a process of ours
        code = self.process.wait()
        with self._stderr as file:
            file.seek(0)
            last_line = file.read().decode(errors="replace").strip().rpartition("\n")[2]
        self.events.put((self, Outcome(error=WorkerDied(code, last_line))))


@contextmanager
def _signals_blocked() -> Iterator[None]:
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _on_cores(cores: Collection[int] | None) -> Iterator[None]:
    """Let the process that this thread starts have these cores alone, where the system can."""
    if cores is None or not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)  # of this thread; a process has those of the thread that starts it
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def serve() -> None:
    """The life of a worker, in its process; never returns."""
    global _in_worker  # what this process is, from its start to its end
    _in_worker = True
    received, sent = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no message of ours
    if not sys.argv[1:]:
        exit_with(lambda interruption: _work(received, sent, interruption), quiet=True)
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    exit_now(_work(received, sent, Interruption()))


def _work(received: BinaryIO, sent: BinaryIO, interruption: Interruption) -> int:
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    work, stop_timeout = pickle.load(received)  # noqa: S301 # from our parent
    units: Queue[tuple[Any, Queue[Any]] | None] = Queue()
    threading.Thread(target=_receive, args=(received, units, interruption, stop_timeout), daemon=True).start()

    def send(content: Any) -> None:
        with suppress(BrokenPipeError):  # the parent has died; what can be finished is finished
            sent.write(pickle.dumps(content, pickle.HIGHEST_PROTOCOL))
            sent.flush()

    while (received_unit := units.get()) is not None:
        unit, inputs = received_unit
        try:
            outcome = attempt(work, unit, Context(send, interruption, iter(inputs.get, None)))
        except Exception as error:  # noqa: BLE001 # raised in the parent
            fault = PoselineError(f"{type(error).__name__}: {error}")
            outcome = Outcome(error=fault, traceback=redact(traceback.format_exc()))
        send(outcome)
    return 0


def _receive(
    received: BinaryIO, units: Queue[tuple[Any, Queue[Any]] | None], interruption: Interruption, stop_timeout: float
) -> None:
    """Queue units, each with a queue of its inputs; when all input has ended, see to it that this process ends."""
    inputs: Queue[Any] = Queue()
    with suppress(EOFError, OSError):
        while True:
            is_unit, content = pickle.load(received)  # noqa: S301 # from our parent
            if is_unit:
                inputs = Queue()
                units.put((content, inputs))
            else:
                inputs.put(content)
    inputs.put(None)
    units.put(None)
    time.sleep(_PARENT_SECONDS)
    if not interruption.signal_count:
        os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(stop_timeout)
    os._exit(1)
