"""SourceClock: time stamps as the source gives them, in seconds from its first frame."""

from __future__ import annotations

from fractions import Fraction

_FALLBACK_RATE = Fraction(30)


class SourceClock:
    """Turns a stream's pts into (pts, seconds), and stands in for stamps that are missing."""

    def __init__(self, time_base: Fraction | None, frame_rate: Fraction | None) -> None:
        self.time_base = time_base or Fraction(1, 90_000)
        self._step = max(1, round(1 / (self.time_base * (frame_rate or _FALLBACK_RATE))))
        self._first: int | None = None
        self._last = -self._step
        self.missing = 0
        """Frames that came without a stamp."""

    def stamp(self, pts: int | None) -> tuple[int, float]:
        """The frame's pts, and its time in seconds from the first frame's."""
        if pts is None:
            pts = self._last + self._step
            self.missing += 1
        if self._first is None:
            self._first = pts
        self._last = pts
        ticks = (pts - self._first) * self.time_base.numerator
        return pts, ticks / self.time_base.denominator  # rounded as the fraction would be, in a tenth of its time
