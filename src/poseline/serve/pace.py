"""Pace: how large and how good the pictures of one viewer are, by how soon the viewer has drawn them."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from poseline.serve.picture import Variant

MOST_IN_FLIGHT = 2
"""Pictures sent and not yet drawn: with one the link would rest meanwhile, more would only wait in it."""
_STEPS = (1.0, 0.75, 0.5, 0.375, 0.25, 0.1875, 0.125)
"""Sizes that are served, of the source's own: few, so that viewers share them."""


class _Level(NamedTuple):
    scale: float
    quality: int


_LEVELS = (
    _Level(1.0, 80), _Level(1.0, 65), _Level(0.75, 60), _Level(0.5, 60), _Level(0.375, 50), _Level(0.25, 45),
    _Level(0.1875, 40), _Level(0.125, 35),
)  # fmt: skip
"""From the best to the least; each has about two thirds of the bytes of the one before it."""
_PERIOD = 1.0
"""Seconds over which delay and frames passed over are judged."""
_SLOW, _QUICK = 0.2, 0.1
"""Seconds until a picture is drawn, above which the next are smaller, and below which they may be larger."""
_STARVED, _FED = 0.3, 0.1
"""Share of frames that no credit was left for, likewise."""
_FIRST_WAIT, _LONGEST_WAIT = 3.0, 60.0
"""Seconds that all must be well before a better level is tried; twice as long after each try that failed."""


class Pace:
    """Credit and quality of one camera's pictures for one viewer. Times are `time.monotonic()` seconds."""

    def __init__(self, now: float, h264: bool = False) -> None:
        self.level = 0
        """Index of the level in use; 0 is the best."""
        self.h264 = h264
        """Whether the viewer can decode H.264, which comes in place of JPEG where level 0 is too slow."""
        self.coded = False
        """Whether it gets H.264."""
        self.delay = 0.0
        """Seconds from sending a picture until the viewer had drawn it: the median of the last period."""
        self.rate = 0.0
        """Pictures a second that the viewer drew, over the last period."""
        self._in_flight: deque[tuple[int, float]] = deque()
        self._delays: list[float] = []
        self._passed_over = 0
        self._judged, self._well_since = now, now
        self._wait, self._raised = _FIRST_WAIT, -_LONGEST_WAIT

    @property
    def credit(self) -> bool:
        """Whether the viewer takes another picture."""
        return len(self._in_flight) < MOST_IN_FLIGHT

    def sent(self, number: int, now: float) -> None:
        """A picture of this number went out."""
        self._in_flight.append((number, now))

    def passed_over(self, frames: int) -> None:
        """So many frames were not sent, since there was no credit when they came."""
        self._passed_over += frames

    def acknowledged(self, number: int, now: float) -> None:
        """The viewer has drawn the picture of this number, and so is done with all before it."""
        while self._in_flight and self._in_flight[0][0] <= number:
            shown, sent = self._in_flight.popleft()
            if shown == number:
                self._delays.append(now - sent)

    def judge(self, now: float) -> None:
        """Go to a lower or higher level, once in a period."""
        passed = now - self._judged
        if passed < _PERIOD:
            return
        waiting = [now - sent for _, sent in self._in_flight if now - sent > _SLOW]
        delays = sorted(self._delays + waiting)
        self.rate = len(self._delays) / passed
        if not delays:
            self._begin_period(now)
            return
        self.delay = delays[len(delays) // 2]
        missed = self._passed_over / (self._passed_over + len(delays))
        if self.delay > _SLOW or missed > _STARVED:
            self._lower(now, 2 if self.delay > 2 * _SLOW else 1)
        elif self.delay > _QUICK or missed > _FED:
            self._well_since = now
        elif self.level and now - self._well_since >= self._wait:
            self._raise(now)
        self._begin_period(now)

    def variant(self, width: int, height: int, wanted: int) -> Variant:
        """How to encode a frame of this size for a place of `wanted` pixels across; all in pixels."""
        level = _LEVELS[self.level]
        needed = min((step for step in _STEPS if step * width >= wanted), default=1.0)
        scale = min(level.scale, needed)
        return Variant.scaled(width, height, scale, level.quality)

    def _lower(self, now: float, levels: int) -> None:
        if now - self._raised < 2 * _PERIOD + _SLOW:  # the try failed
            self._wait = min(2 * self._wait, _LONGEST_WAIT)
        self._well_since = now
        if self.h264 and not (self.level or self.coded):
            self.coded = True
        else:
            self.level, self.coded = min(self.level + levels, len(_LEVELS) - 1), False

    def _raise(self, now: float) -> None:
        """To the next better level: of H.264, where the viewer can decode it, which stays then."""
        self.level, self._well_since, self._raised = self.level - 1, now, now
        self.coded = self.h264 and not self.level

    def _begin_period(self, now: float) -> None:
        self._delays.clear()
        self._passed_over, self._judged = 0, now
