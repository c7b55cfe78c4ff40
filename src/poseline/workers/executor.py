"""Executors: run units of work, one after another in this process or several at once in workers, in the same way."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from functools import partial
from queue import Empty, Queue
from typing import Any, Protocol

from poseline.interruption import Interruption
from poseline.workers.worker import STOP_TIMEOUT, Context, Outcome, Work, Worker, WorkerDied, attempt

_POLL_SECONDS = 0.2


class Executor(Protocol):
    """Runs units of work."""

    def run(
        self, units: Sequence[Any], work: Work, interruption: Interruption,
        on_progress: Callable[[int, Any], None], on_done: Callable[[int, Outcome], bool | None],
    ) -> list[Outcome]:  # fmt: skip
        """Run all units and return their outcomes in the units' order.

        Args:
            units: each is given to `work`; they can be pickled.
            work: called as work(unit, context); it can be pickled, and each worker has a copy of its own.
            interruption: receives the signals: all units in progress are asked to stop, and no more are begun.
            on_progress: called here with a unit's index and what its work reports.
            on_done: called here with a unit's index and outcome as it ends; if it returns False, no more are begun.
        """


class SerialExecutor:
    """Runs one unit after another in this process; an exception that is no PoselineError is raised."""

    def run(
        self, units: Sequence[Any], work: Work, interruption: Interruption,
        on_progress: Callable[[int, Any], None], on_done: Callable[[int, Outcome], bool | None],
    ) -> list[Outcome]:  # fmt: skip
        """See `Executor`."""
        outcomes = [Outcome(started=False)] * len(units)
        for index, unit in enumerate(units):
            outcomes[index] = attempt(work, unit, Context(partial(on_progress, index), interruption))
            if on_done(index, outcomes[index]) is False or interruption.signal_count:
                break
        return outcomes


class ProcessExecutor:
    """Runs several units at once, each in a worker, which goes on to the next one.

    Args:
        most: workers at the same time.
    """

    def __init__(self, most: int) -> None:
        self._most = most

    def run(
        self, units: Sequence[Any], work: Work, interruption: Interruption,
        on_progress: Callable[[int, Any], None], on_done: Callable[[int, Outcome], bool | None],
    ) -> list[Outcome]:  # fmt: skip
        """See `Executor`."""
        waiting, outcomes = deque(range(len(units))), [Outcome(started=False)] * len(units)
        events: Queue[tuple[Worker, Any]] = Queue()
        idle: list[Worker] = []
        busy: dict[Worker, int] = {}
        stopped: set[Worker] = set()
        deadline = math.inf

        def stop() -> None:
            for worker in [*busy]:
                if worker not in stopped:
                    stopped.add(worker)
                    worker.process.terminate()

        try:
            with interruption.stopping(stop):
                while True:
                    if interruption.signal_count:
                        stop()  # also one that was just starting
                        waiting.clear()
                        deadline = min(deadline, time.monotonic() + STOP_TIMEOUT)
                    while waiting and len(busy) < self._most:
                        worker = idle.pop() if idle else Worker(work, events=events)
                        busy[worker] = waiting.popleft()
                        worker.send(units[busy[worker]])
                    if not busy:
                        return outcomes
                    if time.monotonic() > deadline:
                        for worker in busy:
                            worker.process.kill()
                    try:
                        worker, content = events.get(timeout=_POLL_SECONDS)
                    except Empty:
                        continue
                    index = busy.get(worker)
                    if index is None:  # it died while it was idle
                        idle.remove(worker)
                        worker.close()
                    elif not isinstance(content, Outcome):
                        on_progress(index, content)
                    else:
                        outcomes[index] = content
                        del busy[worker]
                        if isinstance(content.error, WorkerDied):
                            worker.close()
                        else:
                            idle.append(worker)
                        if on_done(index, content) is False:
                            waiting.clear()
        finally:
            _close([*idle, *busy], busy)


def _close(workers: Sequence[Worker], busy: Collection[Worker]) -> None:
    for worker in busy:  # left by an error, or by a second signal
        worker.process.terminate()
    for worker in workers:
        worker.end_input()
    deadline = time.monotonic() + STOP_TIMEOUT
    for worker in workers:
        worker.close(max(0.0, deadline - time.monotonic()))
