"""Pace: when each frame of a live source is due, so that frames that arrive in a burst are given at their own times."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

_TOLERANCE = 0.05
"""Seconds by which a frame may come late, where all come evenly, before later ones are made to wait for it."""
_EVEN = 0.1
"""Seconds between the latest and the earliest frames of a source whose frames come evenly."""
_CATCH_UP = 1 / 3
"""Seconds of delay given up with each second of film, where less would do: the film then runs 1.5 times as fast."""
_HELD_BACK = 0.1
"""Seconds by which a frame counts as later than the next, at most.

FFmpeg gives a picture when the next one begins: the last before a pause comes as late as the pause is long.
"""
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
    earliest: float
    """The smallest of them."""
    pause: float
    """The longest silence after one of them."""


@dataclass
class _Arrival:
    """One frame's."""

    late: float
    """Arrival minus time: how late it came."""
    at: float
    pause: float = 0.0
    """Silence behind it."""


class Pace:
    """Delays frames just as much as the latest of them needs, and gives up delay that is needed no longer.

    Two clocks meet here: `time` is a frame's own, in seconds of the film; `at` and `due` are `time.monotonic()`.
    A frame that comes late is due at once, and those behind it keep their distance to it. So a camera whose frames come
    evenly is not delayed at all, and a stream that sends four seconds at once is delayed by about four seconds.

    Args:
        memory: seconds for which a late arrival counts; longer by itself where bursts come at longer intervals.
        held: frames that FFmpeg gives only when the next ones begin.
    """

    def __init__(self, memory: float = 2.0, held: int = 1) -> None:
        self._memory, self._held = memory, held
        self._spans: deque[_Span] = deque()
        self._newest: deque[_Arrival] = deque()
        """The newest frames; each counts when as many as may be `held` have come behind it."""
        self._latest = self._earliest = self._needed = 0.0
        self._delay: float | None = None
        self._given = 0.0

    def arrived(self, time: float, at: float) -> None:
        """Note that the frame of `time` came at `at`; called in the order of arrival, by one thread."""
        late, newest = at - time, self._newest
        if newest:
            newest[-1].pause = at - newest[-1].at
        else:
            self._count(_Arrival(late, at))
        for arrival in newest:
            arrival.late = min(arrival.late, late + _HELD_BACK)
        newest.append(_Arrival(late, at))
        if len(newest) > self._held:
            self._count(newest.popleft())

    def begin_anew(self) -> None:
        """Forget the arrivals so far: another connection begins; called by the thread of `arrived`."""
        self._spans.clear()
        self._newest.clear()

    def now(self, at: float) -> float | None:
        """The time of a frame that would come neither early nor late at `at`; None before the first two frames.

        A connection's last frames are no measure: FFmpeg may have kept them until it was sure that no more come.
        """
        latest = sorted(span.latest for span in self._spans)
        return at - latest[(len(latest) - 1) // 2] if latest else None

    def due(self, time: float) -> float:
        """When the frame of `time` is to be given; called in the order of the film, by one thread."""
        needed = self._needed
        if self._delay is not None:
            needed = max(needed, self._delay - _CATCH_UP * max(0.0, time - self._given))
        self._delay, self._given = needed, time
        return time + needed

    def _count(self, arrival: _Arrival) -> None:
        """Remember a frame that came."""
        late, at, pause = arrival.late, arrival.at, arrival.pause
        if self._spans and at < self._spans[-1].begin + _SPAN:
            newest = self._spans[-1]
            newest.latest, newest.earliest = max(newest.latest, late), min(newest.earliest, late)
            newest.pause = max(newest.pause, pause)
            self._latest, self._earliest = max(self._latest, late), min(self._earliest, late)
        else:
            self._spans.append(_Span(at, late, late, pause))
            self._forget(at)
        evenly = self._latest - self._earliest < _EVEN
        self._needed = self._latest - (_TOLERANCE if evenly else 0.0)

    def _forget(self, at: float) -> None:
        """Let go of what came too long ago: where silences come again and again, several of their periods are kept."""
        pauses = sorted(span.pause for span in self._spans)
        recurring = pauses[-2] if len(pauses) > 1 else 0.0  # a single one is no rhythm
        memory = min(_LONGEST_MEMORY, max(self._memory, _PERIODS * recurring))
        while self._spans[0].begin < at - memory:
            self._spans.popleft()
        self._latest = max(span.latest for span in self._spans)
        self._earliest = min(span.earliest for span in self._spans)
