"""StreamHoles: where a stream in segments has no frames, although its time goes on."""

from __future__ import annotations

from collections import deque

from poseline.frame import Gap
from poseline.words import counted, often

_REASON = "the stream has no frames here; a segment may be missing or cut short"
_LEAST = 1.0
"""Seconds without a frame, at least, for a hole."""
_INTERVALS = 5.0
"""The same in intervals of the frames before it: a stream may have one frame in two seconds."""
_COMPARED = 2
"""So many intervals before it, of which the longest counts: frames may come in pairs, or become rare."""
_ROUNDED = 0.05
"""Part of its length by which a list may be wrong: old ones have whole seconds for each segment."""
LONGEST_HOLE = 60.0
"""Seconds without a frame beyond which the time stamps have begun anew, or are broken; some segments may be missing."""
SEGMENTED = "hls"
"""FFmpeg's name of the format."""


class StreamHoles:
    """Finds such places by the times of the frames: FFmpeg passes over a segment that it cannot read, without an error.

    It may also be a stream that had nothing new to show: between two frames there is no telling.
    """

    def __init__(self) -> None:
        self._intervals: deque[float] = deque(maxlen=_COMPARED)
        self._found, self._seconds = 0, 0.0

    def begin_anew(self) -> None:
        """Another connection begins, and its first frame is no measure."""
        self._intervals.clear()

    def between(self, before: float, time: float) -> Gap | None:
        """The hole between two frames that follow each other, at these seconds of the run; None if there is none."""
        step = time - before
        hole = bool(self._intervals) and step > max(_LEAST, _INTERVALS * max(self._intervals))
        self._intervals.append(step)
        if not hole:
            return None
        self._found, self._seconds = self._found + 1, self._seconds + step
        return Gap(before, time, _REASON)

    def notes(self) -> list[str]:
        """What the user should know of them."""
        if not self._found:
            return []
        return [f"no frames for {self._seconds:.1f} s, {often(self._found)}: a segment may be missing or cut short"]

    def ends_early(self, count: int, reached: float, stated: float) -> str:
        """In words, that the frames end before the time that the list states; empty if they do not.

        Args:
            count: frames that came.
            reached: seconds of the last one, which stands as long as those before it.
            stated: seconds of the list.
        """
        if stated - reached - max(self._intervals, default=0.0) <= _LEAST + _ROUNDED * stated:
            return ""
        frames = counted(count, "frame")
        return f"read {frames}: the list of segments states {stated:.1f} s, and frames end at {reached:.1f} s"
