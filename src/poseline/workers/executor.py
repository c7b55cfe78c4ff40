"""Executors: run units of work, one after another in this process or several at once in workers, in the same way."""

from __future__ import annotations

import math
import os
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Collection, Generator, Sequence
from contextlib import closing
from functools import partial
from itertools import cycle, islice
from queue import Empty, Queue
from typing import Any, TypeAlias

from poseline.interruption import INTERRUPTED, Interruption
from poseline.workers.worker import STOP_TIMEOUT, Context, Outcome, Work, Worker, WorkerDied, attempt

POLL_SECONDS = 0.2
"""How often an executor that waits for its units looks whether all are to be stopped."""
Ended: TypeAlias = Generator[tuple[int, Outcome], None, None]
OnProgress: TypeAlias = Callable[[int, Any], None]


class Executor(ABC):
    """Runs units of work. A new kind, such as one for a cluster, is a subclass with `_run`."""

    def run(
        self, units: Sequence[Any], work: Work, interruption: Interruption, on_progress: OnProgress,
        on_done: Callable[[int, Outcome], bool | None],
    ) -> list[Outcome]:  # fmt: skip
        """Run all units and return their outcomes in the units' order.

        Args:
            units: each is given to `work`; they can be pickled.
            work: called as work(unit, context); it can be pickled, and each worker has a copy of its own.
            interruption: receives the signals: all units in progress are asked to stop, and no more are begun.
            on_progress: called here with a unit's index and what its work reports.
            on_done: called here with a unit's index and outcome as it ends; if it returns False, no more are begun.
        """
        waiting, outcomes = deque(range(len(units))), [Outcome(started=False)] * len(units)
        with closing(self._run(waiting, units, work, interruption, on_progress)) as ended:
            for index, outcome in ended:
                outcomes[index] = outcome
                if on_done(index, outcome) is False or interruption.signal_count:
                    waiting.clear()
        return outcomes

    @abstractmethod
    def _run(
        self, waiting: deque[int], units: Sequence[Any], work: Work, interruption: Interruption, on_progress: OnProgress
    ) -> Ended:
        """Run the units whose indices are in `waiting`, taking each out as it begins; yield them as they end."""


class SerialExecutor(Executor):
    """Runs one unit after another in this process; an exception that is no PoselineError is raised."""

    def _run(
        self, waiting: deque[int], units: Sequence[Any], work: Work, interruption: Interruption, on_progress: OnProgress
    ) -> Ended:
        while waiting:
            index = waiting.popleft()
            yield index, attempt(work, units[index], Context(partial(on_progress, index), interruption))


class ProcessExecutor(Executor):
    """Runs several units at once, each in a worker, which goes on to the next one.

    Args:
        most: workers at the same time.
        divide_cores: give each worker cores of its own, where there are as many as workers.
        cards: GPUs, as CUDA_VISIBLE_DEVICES calls them, of which each worker sees one, as its first; none: all see all.
        may_begin: asked with a unit's index, again and again while a worker has nothing to do, before the unit is
            begun.
    """

    def __init__(
        self, most: int, *, divide_cores: bool = False, cards: Sequence[str] = (),
        may_begin: Callable[[int], bool] = lambda _: True,
    ) -> None:  # fmt: skip
        self._most, self._may_begin = most, may_begin
        shares = _shares(most) if divide_cores else [None] * most
        seen = islice(cycle([{"CUDA_VISIBLE_DEVICES": card} for card in cards] or [{}]), most)
        self._places = deque(zip(shares, seen, strict=True))
        """Cores and variables for the next worker; there are never more workers than these."""

    def _run(
        self, waiting: deque[int], units: Sequence[Any], work: Work, interruption: Interruption, on_progress: OnProgress
    ) -> Ended:
        pool = _Pool(work, self._places)
        try:
            with interruption.stopping(pool.stop):
                while True:
                    if interruption.signal_count:
                        pool.stop()  # also one that was just starting
                        waiting.clear()
                    while waiting and len(pool.busy) < self._most and self._may_begin(waiting[0]):
                        index = waiting.popleft()
                        pool.begin(index, units[index])
                    if not pool.busy and not waiting:
                        return
                    pool.kill_if_late()
                    if (message := pool.message()) is None:
                        continue
                    index, content = message
                    if isinstance(content, Outcome):
                        yield index, content
                    else:
                        on_progress(index, content)
        finally:
            pool.close()


class _Pool:
    """The workers of one `ProcessExecutor` while it runs.

    Args:
        work: of each worker.
        places: cores and variables for each that is started; it gives back what it took.
    """

    def __init__(self, work: Work, places: deque[tuple[Collection[int] | None, dict[str, str]]]) -> None:
        self.busy: dict[Worker, int] = {}
        """Which unit each works on."""
        self._work, self._places = work, places
        self._events: Queue[tuple[Worker, Any]] = Queue()
        self._idle: list[Worker] = []
        self._stopped: set[Worker] = set()
        self._deadline = math.inf

    def begin(self, index: int, unit: Any) -> None:
        """Give a unit to a worker that is idle, or to a new one."""
        if self._idle:
            worker = self._idle.pop()
        else:
            cores, environment = self._places.popleft()
            worker = Worker(self._work, events=self._events, cores=cores, environment=environment)
        self.busy[worker] = index
        worker.send(unit)

    def message(self) -> tuple[int, Any] | None:
        """A unit's index with its progress or its `Outcome`; None where none came for a while."""
        try:
            worker, content = self._events.get(timeout=POLL_SECONDS)
        except Empty:
            return None
        if not isinstance(content, Outcome):
            return self.busy[worker], content
        index = self.busy.pop(worker, None)
        if isinstance(content.error, WorkerDied):
            self._idle = [other for other in self._idle if other is not worker]
            self._end(worker)
            if worker in self._stopped and content.error.process_exit_code == INTERRUPTED:
                return None  # before it had anything to finish: as a unit that was never begun
        else:
            self._idle.append(worker)
        return None if index is None else (index, content)

    def stop(self) -> None:
        """Ask all that are busy to stop, each once; from a signal's handler too."""
        self._deadline = min(self._deadline, time.monotonic() + STOP_TIMEOUT)
        for worker in [*self.busy]:
            if worker not in self._stopped:
                self._stopped.add(worker)
                worker.process.terminate()

    def kill_if_late(self) -> None:
        """End by force what was asked to stop long ago."""
        if time.monotonic() > self._deadline:
            for worker in self.busy:
                worker.process.kill()

    def close(self) -> None:
        """End all workers."""
        for worker in self.busy:  # left by an error, or by a second signal
            worker.process.terminate()
        workers = [*self._idle, *self.busy]
        for worker in workers:
            worker.end_input()
        deadline = time.monotonic() + STOP_TIMEOUT
        for worker in workers:
            self._end(worker, max(0.0, deadline - time.monotonic()))

    def _end(self, worker: Worker, timeout: float | None = None) -> None:
        worker.close(timeout)
        self._places.append((worker.cores, worker.environment))


def _shares(most: int) -> list[Collection[int] | None]:
    """The cores of this process dealt out to `most` workers; None for each where there are too few, or nobody knows."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(cores) < most:
        return [None] * most
    # Neighbours stay together: numbers that follow each other often share a core's caches.
    return [set(cores[len(cores) * part // most : len(cores) * (part + 1) // most]) for part in range(most)]
