"""Jobs: several sources at once, each in a process of its own, so that their Python runs side by side.

A worker keeps its model from job to job. SIGTERM tells it to stop, and it stops by itself when its parent is gone.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, TypeAlias

from poseline.interruption import Interruption, exit_with

OnProgress: TypeAlias = Callable[[Any], None]
Work: TypeAlias = Callable[[Any, OnProgress, Interruption], Any]

_TICK = 0.2
"""Seconds between two looks at what cannot wake us."""
_STOP_TIMEOUT = 60.0
"""Seconds for which a worker that was told to stop may finish its files."""


@dataclass(frozen=True)
class Outcome:
    """How one job ended."""

    result: Any = None
    """What the work returned."""
    exitcode: int | None = None
    """Of a worker that ended in the middle of it, negative for a signal; None where it did not."""
    started: bool = True
    """False for a job that nobody began, because all was stopped before."""


@dataclass(eq=False)
class _Worker:
    process: SpawnProcess
    pipe: Connection
    job: int | None = None
    """Which job it is at; None when it is free."""

    ended: bool = False
    """All that it said was heard, and there will be no more."""

    def messages(self) -> Iterator[tuple[str, Any]]:
        """What it has said since, without waiting."""
        try:
            while self.pipe.poll():
                yield self.pipe.recv()
        except (EOFError, OSError):  # the pipe ends with the process, and not before all was read
            self.ended = True


def run_jobs(
    jobs: Sequence[Any], most: int, work: Work, interruption: Interruption,
    on_progress: Callable[[int, Any], None], on_done: Callable[[int, Outcome], bool | None],
) -> list[Outcome]:  # fmt: skip
    """Run all jobs, at most so many at once, and return their outcomes in their order.

    Args:
        jobs: each is given to `work`; they are pickled.
        most: workers, at least 1.
        work: called as work(job, report_progress, interruption) in a worker; pickled once for each worker, so what it
            keeps is the worker's own.
        interruption: hears the signals: each reaches every worker, and no job is begun after the first.
        on_progress: called here with a job's index and what its work reports.
        on_done: called here with a job's index and outcome, as they end; if it returns False, no more jobs are begun.
    """
    waiting, outcomes = deque(range(len(jobs))), [Outcome(started=False)] * len(jobs)
    workers: list[_Worker] = []
    deadline = math.inf

    def stop() -> None:
        nonlocal deadline
        deadline = time.monotonic() + _STOP_TIMEOUT
        _terminate(workers)

    try:
        with interruption.stopping(stop):
            while True:
                while waiting and not interruption.signal_count and (worker := _idle_worker(workers, most, work)):
                    worker.job = waiting.popleft()
                    _send(worker, jobs[worker.job])
                busy = [worker for worker in workers if worker.job is not None]
                if not busy:
                    return outcomes
                for index, outcome in _finished_jobs(busy, on_progress):
                    outcomes[index] = outcome
                    if on_done(index, outcome) is False:
                        waiting.clear()
                workers[:] = [worker for worker in workers if not worker.ended]
                if time.monotonic() > deadline:
                    _kill(workers)
    finally:
        _shut_down(workers)


def _idle_worker(workers: list[_Worker], most: int, work: Work) -> _Worker | None:
    """A worker who has nothing to do, hired if need be; None where all are busy."""
    for worker in workers:
        if worker.job is None:
            return worker
    if len(workers) == most:
        return None
    context = multiprocessing.get_context("spawn")  # a fork would share the threads and the device of this process
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, work), daemon=True)
    process.start()
    theirs.close()
    workers.append(_Worker(process, ours))
    return workers[-1]


def _send(worker: _Worker, message: Any) -> None:
    with suppress(OSError):  # it has ended; the next look at it tells how
        worker.pipe.send(message)


def _finished_jobs(busy: list[_Worker], on_progress: Callable[[int, Any], None]) -> Iterator[tuple[int, Outcome]]:
    """Wait a little for what workers say; yield the jobs that ended."""
    wait([handle for worker in busy for handle in (worker.pipe, worker.process.sentinel)], _TICK)
    for worker in busy:
        assert worker.job is not None
        index = worker.job
        for kind, content in worker.messages():
            if kind == "progress":
                on_progress(index, content)
            else:
                worker.job = None
                yield index, Outcome(content)
        if worker.ended and worker.job is not None:
            worker.process.join(_STOP_TIMEOUT)
            worker.job = None
            yield index, Outcome(exitcode=worker.process.exitcode)


def _terminate(workers: list[_Worker]) -> None:
    for worker in workers:
        if worker.process.is_alive():
            worker.process.terminate()


def _kill(workers: list[_Worker]) -> None:
    for worker in workers:
        worker.process.kill()


def _shut_down(workers: list[_Worker]) -> None:
    """Wait for all to go, which they do when their pipe ends; those still at work are told, and at last made to."""
    for worker in workers:
        worker.pipe.close()
    _terminate([worker for worker in workers if worker.job is not None])
    deadline = time.monotonic() + _STOP_TIMEOUT
    for worker in workers:
        worker.process.join(max(0.0, deadline - time.monotonic()))
    _kill(workers)


def _serve(pipe: Connection, work: Work) -> None:
    """A worker's life."""
    if hasattr(os, "setsid"):
        os.setsid()  # the terminal's Ctrl-C is for the parent, which passes it on
    exit_with(lambda interruption: _run_jobs_of(pipe, work, interruption), quiet=True)


def _run_jobs_of(pipe: Connection, work: Work, interruption: Interruption) -> int:
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    while (job := _next(pipe)) is not None:
        result = work(job, lambda content: pipe.send(("progress", content)), interruption)
        pipe.send(("done", result))
    return 0


def _next(pipe: Connection) -> Any:
    try:
        return pipe.recv()
    except (EOFError, OSError):
        return None


def _leave_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_STOP_TIMEOUT)
    os.kill(os.getpid(), signal.SIGTERM)  # the second, which ends it in any case
