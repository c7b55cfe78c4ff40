"""Meter: what each stage costs, without any stage knowing."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from poseline.pipeline.chain import Flow, Stage, Work
from poseline.pipeline.channel import Cancelled
from poseline.pipeline.newest import Newest


@dataclass
class Meter:
    """Time that one stage spent on its own work, not waiting for its neighbours."""

    name: str
    work: str = ""
    """What takes the stage's time, in words."""
    advice: str = ""
    """What would help where the other stages wait for it."""
    items: int = 0
    """Items that it gave."""
    wall: float = 0.0
    """Seconds of the clock, in all."""
    cpu: float = 0.0
    """Seconds of its own thread on a core; threads of native libraries are not in it."""
    recent: Newest = field(default_factory=Newest)
    """Wall seconds of the newest items."""
    recent_cpu: Newest = field(default_factory=Newest)
    """Their seconds on a core."""
    dropped: int = 0
    """Items that an output did not get, or gave up, because newer ones came."""
    waited_for: bool = True
    """Whether the other stages wait for it; not for an output that drops frames instead."""
    taken: int = 0
    """Items that it got from the stage before it."""
    ended: bool = False
    """Whether it came to the end of its items, or to the error that ended them.

    One that was left early, or failed by itself, may have had some in hand.
    """

    @property
    def discarded(self) -> int:
        """Items that a stage of one output for each input had in hand when it was left early or failed.

        A stage that came to its end has none to account for: what it did not give then, it has lost.
        """
        return 0 if self.ended else max(0, self.taken - self.items)

    @classmethod
    def of(cls, stage: Stage) -> Meter:
        """A meter for `stage`, under its words."""
        return cls(stage.name, stage.work, stage.advice)

    def measured(self, work: Work) -> Work:
        """The same work, timed."""

        def run(items: Iterator[Any]) -> Flow:
            source = _Waiting(items, self)
            return self._timed(work(iter(source)), source)

        return run

    def source(self, flow: Flow) -> Flow:
        """The same flow, with its work timed; it has nobody to wait for."""
        return self._timed(flow, _Waiting(iter(()), self))

    def _timed(self, flow: Flow, source: _Waiting) -> Generator[Any, None, None]:
        try:
            while True:
                wall, cpu = time.perf_counter() - source.seconds, time.thread_time() - source.cpu
                try:
                    item = next(flow)
                except StopIteration:
                    self.ended = True
                    return
                except Exception as error:
                    self.ended = error is source.error and not isinstance(error, Cancelled)
                    raise
                self.add(time.perf_counter() - source.seconds - wall, time.thread_time() - source.cpu - cpu)
                yield item
        finally:
            flow.close()
            source.error = None  # its traceback refers to `source`: they would keep each other, and what is in hand

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Count what is done within as one item."""
        wall, cpu = time.perf_counter(), time.thread_time()
        yield
        self.add(time.perf_counter() - wall, time.thread_time() - cpu)

    def include(self, other: Meter) -> None:
        """Count what another meter of the same stage has counted in too."""
        self.items += other.items
        self.taken += other.taken
        self.wall += other.wall
        self.cpu += other.cpu
        self.recent.extend(other.recent)
        self.recent_cpu.extend(other.recent_cpu)

    def add(self, wall: float, cpu: float) -> None:
        """Count one item's seconds."""
        self.items += 1
        self.wall += wall
        self.cpu += cpu
        self.recent.append(wall)
        self.recent_cpu.append(cpu)


def measured(stages: Sequence[Stage]) -> tuple[list[Stage], list[Meter]]:
    """The same stages, each timed, and their meters."""
    meters = [Meter.of(stage) for stage in stages]
    return [stage._replace(run=meter.measured(stage.run)) for stage, meter in zip(stages, meters, strict=True)], meters


class _Waiting:
    """An iterator that notes what it cost its reader to wait, and counts what it got."""

    def __init__(self, items: Iterator[Any], meter: Meter) -> None:
        self._items, self._meter = items, meter
        self.seconds = self.cpu = 0.0
        """Of the clock, and on a core: those of the stages before it too, where they run on the same thread."""
        self.error: Exception | None = None
        """What ended the items too early."""

    def __iter__(self) -> Iterator[Any]:
        while True:
            wall, cpu = time.perf_counter(), time.thread_time()
            try:
                item = next(self._items)
            except StopIteration:
                return
            except Exception as error:
                self.error = error
                raise
            finally:
                self.seconds += time.perf_counter() - wall
                self.cpu += time.thread_time() - cpu
            self._meter.taken += 1
            yield item
