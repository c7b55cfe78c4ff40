"""RunReport: what a run came to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from poseline.errors import exit_code_of
from poseline.frame import Frame
from poseline.interruption import INTERRUPTED
from poseline.log import Counts, Ended
from poseline.pipeline.meter import Meter
from poseline.pose import Observation
from poseline.short_repr import short_repr

_FEW_DROPS = 0.05
"""Share of a live source's frames: where fewer are dropped, the pipeline keeps pace with it."""
_BUSY = 0.8
"""Share of the time from which a stage counts as working without rest."""


@dataclass
class RunReport:
    """Counts, times and files of one run."""

    source: str
    counts: Counts = field(default_factory=Counts)
    elapsed: float = 0.0
    """Seconds from the first frame asked for to the last file closed."""
    first_recorded: float = 0.0
    """`time.monotonic()` when the first frame was recorded, and with `last_recorded` the last; 0 before it."""
    last_recorded: float = 0.0
    meters: list[Meter] = field(default_factory=list)
    cpu: float = 0.0
    """Seconds of all threads of the process on cores, meanwhile."""
    queues: dict[str, float] = field(default_factory=dict)
    """How full each stage found the queue before it, 0..1."""
    ages: list[float] = field(default_factory=list)
    """Seconds from a frame's arrival to the end of its recording, of the newest frames."""
    drawn_ages: list[float] = field(default_factory=list)
    """The same until it is drawn, before it is encoded; empty where nothing is drawn."""
    live: bool = False
    total: int | None = None
    """Frames that the source announces."""
    outages: float = 0.0
    """Seconds for which a live source was gone, between frames that it gave."""
    start: float = 0.0
    """Time of the source's first frame; beyond 0 where only a part of a recording is read."""
    duration: float | None = None
    """Seconds of video that the source announces."""
    timed: bool = True
    """Whether the times mean anything: a handful of pictures of different sizes has none worth a table."""
    files: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    error: BaseException | None = None
    """What ended the run, if not the end of the source."""
    interrupted: bool = False
    """The user ended it."""

    __repr__ = short_repr

    @property
    def ended(self) -> Ended:
        """How the run ended; an error counts for more than an interruption."""
        if self.failure is not None:
            return "failed"
        return "interrupted" if self.interrupted else "complete"

    @property
    def exit_code(self) -> int:
        """What the command ends with after this run."""
        if self.failure is None:
            return INTERRUPTED if self.interrupted else 0
        assert self.error is not None
        return exit_code_of(self.error)

    @property
    def failure(self) -> str | None:
        """What went wrong, in words; an interruption is nothing that went wrong."""
        if self.error is None or isinstance(self.error, KeyboardInterrupt):
            return None
        return str(self.error) or type(self.error).__name__

    @property
    def fps(self) -> float:
        """Frames processed a second of the whole run."""
        return self.counts.processed / self.elapsed if self.elapsed > 0 else 0.0

    @property
    def steady_fps(self) -> float | None:
        """Frames a second from the first recorded to the last: what a longer run would come to."""
        seconds = self.last_recorded - self.first_recorded
        return (self.counts.processed - 1) / seconds if seconds > 0 else None

    def expected(self, frame: Frame) -> int | None:
        """How many frames will be processed in all, `frame` being the last so far; None if unknown.

        Where frames are not counted beforehand, it is reckoned from the time that has passed of all there is.
        """
        done = self.counts.processed
        if self.total:
            return max(done, round(self.total * done / (frame.index + 1)))  # fewer where not every frame is taken
        if self.duration and frame.time > self.start and done > 1:
            return max(done, round((done - 1) * self.duration / (frame.time - self.start)))
        return None

    @property
    def slowest(self) -> Meter | None:
        """The stage whose own work took the longest; a live source only waits for its next frame."""
        working = [meter for meter in self.meters[self.live :] if meter.waited_for]
        return max(working, key=lambda meter: meter.wall, default=None)

    @property
    def bottleneck(self) -> Meter | None:
        """The stage for which the others wait; None where a live source's frames come no faster than they are taken.

        Frames of a live source are also dropped when many come at once, as after an outage: no stage is to blame for
        that, so one that has time to rest while the source gives frames is no bottleneck.
        """
        slowest = self.slowest
        if slowest is None or not slowest.items or (self.live and (self._keeps_pace or self._busy(slowest) < _BUSY)):
            return None
        return slowest

    @property
    def advice(self) -> str:
        """The bottleneck in words, and what would help."""
        slowest = self.slowest
        if slowest is None or not slowest.items:
            return ""
        if self.bottleneck is not None:
            return f"bottleneck: {slowest.name}" + (f"; what would help: {slowest.advice}" if slowest.advice else "")
        if self._keeps_pace:
            return "bottleneck: none here; every stage waits for the source's next frame"
        return (
            f"bottleneck: none here; {slowest.name}, the slowest stage, was busy for {self._busy(slowest):.0%} of the "
            "time: the dropped frames came too many at once, as after an outage"
        )

    @property
    def _keeps_pace(self) -> bool:
        return self.counts.dropped < _FEW_DROPS * self.counts.read

    def _busy(self, meter: Meter) -> float:
        """Share of the time in which the source gave frames that the stage worked, 0..1; 1 where no time is known."""
        seconds = self.last_recorded - self.first_recorded - self.outages
        return min(1.0, meter.wall / seconds) if seconds > 0 else 1.0

    def as_dict(self) -> dict[str, Any]:
        """What `summary.json` holds; times in milliseconds a frame."""
        return {
            "source": self.source,
            "ended": self.ended,
            "counts": self.counts.as_dict(),
            "elapsed": round(self.elapsed, 3),
            "fps": round(self.fps, 2),
            "steady_fps": None if self.steady_fps is None else round(self.steady_fps, 2),
            "cpu": round(self.cpu, 3),
            "stages": [
                {
                    "name": meter.name,
                    "work": meter.work or meter.name,
                    "ms": milliseconds(meter.wall / max(meter.items, 1)),
                    "p50": percentile(list(meter.recent), 50),
                    "p95": percentile(list(meter.recent), 95),
                    "cpu_ms": milliseconds(meter.cpu / max(meter.items, 1)),
                    "cpu_p50": percentile(list(meter.recent_cpu), 50),
                    "cpu_p95": percentile(list(meter.recent_cpu), 95),
                    "busy": round(meter.wall / self.elapsed, 3) if self.elapsed else 0.0,
                    **({"dropped": meter.dropped} if meter.dropped else {}),
                }
                for meter in self.meters
            ],
            "queues": {name: round(fill, 3) for name, fill in self.queues.items()},
            "bottleneck": self.bottleneck.name if self.bottleneck else None,
            "latency_ms": _spread(self.ages) if self.live else None,
            "drawn_ms": _spread(self.drawn_ages) if self.live else None,
            "files": [str(path) for path in self.files],
            "notes": self.notes,
            "error": self.failure,
            "interrupted": self.ended == "interrupted",
        }


def _spread(seconds: list[float]) -> dict[str, float | None]:
    return {"p50": percentile(seconds, 50), "p95": percentile(seconds, 95)}


def milliseconds(seconds: float) -> float:
    """Seconds as milliseconds, to the microsecond."""
    return round(1e3 * seconds, 3)


def percentile(seconds: list[float], rank: float) -> float | None:
    """The percentile in milliseconds; None of nothing."""
    # Not np.percentile, which imports numpy.ma for it.
    places = np.linspace(0, 100, len(seconds))
    return milliseconds(float(np.interp(rank, places, np.sort(seconds)))) if seconds else None


OnFrame: TypeAlias = Callable[[Observation, RunReport], None]
"""What a run calls after each frame was recorded."""
