"""Part: which frames of a recording are wanted, by their times; what has no times to go by is refused."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from poseline.errors import SourceError

if TYPE_CHECKING:
    from poseline.settings import CaptureSettings


def microseconds(seconds: float) -> int:
    """A time in whole microseconds, as times are compared and as the log has them: one read there names its frame."""
    return round(seconds * 1_000_000)


class NoPart(SourceError):
    """What was opened has no such part: it has no times to choose one by, or no frame in it."""


class Part:
    """The frames from `start` on, which is included, to `end`, which is not; seconds from the clip's first frame."""

    def __init__(self, settings: CaptureSettings) -> None:
        self.start = settings.start or 0.0
        """Seconds."""
        self.end = settings.end
        """Seconds; None: to the last frame."""
        self._first = microseconds(self.start)
        self._stop = inf if self.end is None else microseconds(self.end)

    def is_before(self, time: float) -> bool:
        """Whether the frame at `time`, in seconds, comes before the part."""
        return microseconds(time) < self._first

    def is_behind(self, time: float) -> bool:
        """Whether the frame at `time`, in seconds, comes behind the part."""
        return microseconds(time) >= self._stop

    def length(self, duration: float | None) -> float | None:
        """Seconds of the part of a clip of `duration` seconds; None where that is not known."""
        ends = [end for end in (self.end, duration) if end is not None]
        return max(0.0, min(ends) - self.start) if ends else None


def refuse_part(settings: CaptureSettings, name: str, kind: str) -> None:
    """Raise NoPart where a part is asked for of `name`, which is `kind`, such as `a camera`."""
    if settings.in_part:
        raise NoPart(f"{name}: --from and --to choose a part of a recording, and this is {kind}; leave them out")


def nothing_there(settings: CaptureSettings, name: str, duration: float | None) -> NoPart:
    """The error where a clip of `duration` seconds has no frame in the part that is asked for."""
    end = f" to {settings.end:g} s" if settings.end is not None else " on"
    length = f"; it is {duration:.2f} s long" if duration is not None else ""
    return NoPart(f"{name}: has no frame from {settings.start or 0:g} s{end}{length}")
