"""Pace: when each frame of a live source is due, so that frames that arrive in a burst are given at their own times."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

_TOLERANCE = 0.05
"""Seconds by which a frame may come late before later ones are made to wait for it."""
_CATCH_UP = 0.5
"""Seconds of delay given up with each second of film, where less delay would do: the film then runs at double speed."""
_SPAN = 0.25
"""Seconds of arrivals that are remembered together."""
_LONGEST_MEMORY = 60.0
"""Seconds after which the slowest arrivals are forgotten in any case."""
_PERIODS = 3
"""Bursts that are remembered, where they come again and again."""


@dataclass
class _Span:
    """Arrivals of a quarter of a second."""

    begin: float
    latest: float
    """The largest of arrival minus time: how late the latest frame was."""
    pause: float
    """The longest silence before one of them."""


class Pace:
    """Delays frames just as much as the latest of them needs, and gives up delay that is needed no longer.

    Two clocks meet here: `time` is a frame's own, in seconds of the film; `at` and `due` are `time.monotonic()`.
    A frame that comes late is due at once, and those behind it keep their distance to it. So a camera whose frames come
    evenly is not delayed at all, and a stream that sends four seconds at once is delayed by about four seconds.

    Args:
        memory: seconds for which a late arrival counts; longer by itself where bursts come at longer intervals.
    """

    def __init__(self, memory: float = 2.0) -> None:
        self._memory = memory
        self._spans: deque[_Span] = deque()
        self._last_arrival = 0.0
        self._latest = 0.0
        self._delay: float | None = None
        self._given = 0.0

    def arrived(self, time: float, at: float) -> None:
        """Note that the frame of `time` came at `at`; called in the order of arrival, by one thread."""
        pause = at - self._last_arrival if self._spans else 0.0
        self._last_arrival = at
        if self._spans and at < self._spans[-1].begin + _SPAN:
            newest = self._spans[-1]
            newest.latest, newest.pause = max(newest.latest, at - time), max(newest.pause, pause)
        else:
            self._spans.append(_Span(at, at - time, pause))
        memory = self._needed_memory()
        while self._spans[0].begin < at - memory:
            self._spans.popleft()
        self._latest = max(span.latest for span in self._spans)

    def now(self, at: float) -> float | None:
        """The time of a frame that would come neither early nor late at `at`; None before the first frame."""
        return at - self._latest if self._spans else None

    def due(self, time: float) -> float:
        """When the frame of `time` is to be given; called in the order of the film, by one thread."""
        needed = self._latest - _TOLERANCE
        if self._delay is not None:
            needed = max(needed, self._delay - _CATCH_UP * max(0.0, time - self._given))
        self._delay, self._given = needed, time
        return time + needed

    def _needed_memory(self) -> float:
        """Several periods of a source whose silences come again: a single one is no rhythm."""
        pauses = sorted(span.pause for span in self._spans)
        recurring = pauses[-2] if len(pauses) > 1 else 0.0
        return min(_LONGEST_MEMORY, max(self._memory, _PERIODS * recurring))
