"""StreamClock: one time for a whole run from the time stamps of a live stream, which may begin anew at any moment."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from poseline.capture.pace import Pace

_STEP_BACK = 1.0
"""Seconds by which a stamp may lie before the last one: pictures are sent in another order than they are shown."""
_LEAP = 2.0
"""Seconds by which stamps may run ahead of the time that has passed; beyond it they are broken."""
_SEGMENTED_LEAP = 10.0
"""The same of a stream in segments, of which some may be missing; all that comes is held back for as long."""
_SEGMENTED_MEMORY = 30.0
"""Seconds for which the pace of a stream in segments is remembered: a slow connection spreads each segment out."""
_SEGMENTED_HELD = 2
"""Frames of a segment that FFmpeg gives when the next segment is there."""
_LEAST_STEP = 0.001
"""Seconds between two frames of the same stamp that come at once."""
_USUAL_STEP = 0.04
"""Seconds between two frames, until the stream's own interval is known."""
_LONGEST_STEP = 1.0
"""Seconds between two frames, at most, for the interval to be taken as the stream's own."""
_NOTED_SILENCE = 1.0
"""Seconds without a frame, at least, for a new beginning of the stamps to count as an interruption."""


@dataclass(frozen=True)
class _Series:
    """Stamps that belong together, up to the newest packet."""

    offset: float
    """Seconds to add to a stamp."""
    shown: float | None
    """Presentation time stamp of the newest packet."""
    time: float
    """Its time in the run, in decoding order."""
    at: float
    """When it came, in `time.monotonic()` seconds."""


class StreamClock:
    """Gives each packet its time in the run, in seconds from the first; it goes on over outages and broken stamps.

    The stream's own stamps count. Where they break, time goes on by as much as has passed meanwhile, and by one frame's
    interval at least. A single stamp that lies far from its neighbours is replaced. A stream without stamps has the
    times of arrival.

    Args:
        segmented: the stream comes in segments of seconds.
    """

    def __init__(self, segmented: bool = False) -> None:
        self.pace = Pace(_SEGMENTED_MEMORY, _SEGMENTED_HELD) if segmented else Pace()
        """When frames are due."""
        self._segmented, self._leap = segmented, _SEGMENTED_LEAP if segmented else _LEAP
        self.interruptions: deque[float] = deque()
        """Times at which frames go on after a silence in which the stamps began anew; the reader takes them out."""
        self.restarts = 0
        """How often the stamps began anew within a connection."""
        self.replaced = 0
        """Single stamps that were replaced."""
        self._series: _Series | None = None
        self._before: _Series | None = None
        """The series that the newest packet broke, until the next packet shows which of the two goes on."""
        self._step = _USUAL_STEP
        self._stamped = self._from_zero = self._anchored = self._first = False
        self._missing: list[float] = []
        """Times of the connection's packets before its first stamp."""

    def connected(self, stamped: bool = True, from_zero: bool = False) -> None:
        """A connection begins.

        Args:
            stamped: its packets have time stamps of their own.
            from_zero: these count from the first packet, whose own may be missing: FFmpeg's way with RTP.
        """
        self._stamped, self._from_zero = stamped, from_zero
        self._anchored, self._first, self._before, self._missing = False, True, None, []

    def time_of(self, pts: float | None, dts: float | None, duration: float, at: float) -> float:
        """When the packet's picture is to be shown, in seconds of the run.

        Args:
            pts: its presentation time stamp in seconds; None where there is none.
            dts: its decoding time stamp.
            duration: seconds that it lasts; 0 where that is unknown.
            at: when it came, in `time.monotonic()` seconds.
        """
        if not self._stamped:
            pts = dts = None
        stamp, shown = (pts if dts is None else dts), (dts if pts is None else pts)
        ahead = shown - stamp if shown is not None and stamp is not None else 0.0
        last = self._series
        if last is None:
            offset, time = (0.0, 0.0) if stamp is None else (-stamp - ahead, -ahead)
            self._anchored = stamp is not None
        elif stamp is None or shown == last.shown:
            offset, time = last.offset, self._without_stamp(last, stamp, duration, at)
        else:
            offset = self._offset(last, stamp, duration, at)
            time = stamp + offset
        if stamp is None and not self._anchored:
            self._missing.append(time)
        if last is not None and _LEAST_STEP < time - last.time <= _LONGEST_STEP:
            self._step = time - last.time
        self._series = _Series(offset, shown, time, at)
        if self._first:
            self._first = False
            self.pace.begin_anew()
        self.pace.arrived(time + ahead, at)
        return time + ahead

    def notes(self) -> list[str]:
        """What the user should know of the stamps."""
        times = "once" if self.restarts == 1 else f"{self.restarts} times"
        count = "1 time stamp" if self.replaced == 1 else f"{self.replaced} time stamps"
        restarts = f"the stream's time stamps began anew {times}; the log's time goes on"
        replaced = f"{count} of the stream out of line; such a frame stands one frame's interval after the one before"
        return [restarts] * bool(self.restarts) + [replaced] * bool(self.replaced)

    def _offset(self, last: _Series, stamp: float, duration: float, at: float) -> float:
        """What to add to a stamp, so that time goes on."""
        if not self._anchored:
            return self._first_offset(last, stamp, duration, at)
        if self._goes_on(last, stamp, at, _STEP_BACK):
            if self._before is not None:  # the second stamp after the break agrees with the first
                self._before, self.restarts = None, self.restarts + 1
            return last.offset
        if self._before is not None and self._goes_on(self._before, stamp, at):  # it was a single one
            offset, self._before, self.replaced = self._before.offset, None, self.replaced + 1
            return offset
        self._before = self._before or last
        time = self._next(last, self._step, at)
        if time - last.time > _NOTED_SILENCE:
            self.interruptions.append(time)
        return time - stamp

    def _goes_on(self, series: _Series, stamp: float, at: float, back: float = 0.0) -> bool:
        """Whether a packet that came at `at` may be the next of a series."""
        time, passed = stamp + series.offset, series.time + at - series.at
        if self._segmented and time > passed + self._leap:  # a segment's last packets come with the next one: late
            passed = max(passed, self.pace.now(at) or passed)
        return series.time - back < time <= passed + self._leap

    def _first_offset(self, last: _Series, stamp: float, duration: float, at: float) -> float:
        """The same for the first stamp of a connection."""
        self._anchored = True
        if self._missing:  # packets of this connection came before it
            zero = self._from_zero and 0 <= stamp <= _LONGEST_STEP
            return self._missing[0] - (0 if zero else stamp - len(self._missing) * (duration or self._step))
        if self._goes_on(last, stamp, at):  # a broadcast, whose stamps are older than this connection
            return last.offset
        return self._next(last, self._step, at) - stamp

    def _without_stamp(self, last: _Series, stamp: float | None, duration: float, at: float) -> float:
        """The time of a packet whose stamp says nothing: it is missing, or the last one's again."""
        if stamp is None and self._stamped and (self._anchored or self._missing):
            return last.time + (duration or self._step)
        return self._next(last, _LEAST_STEP, at)

    def _next(self, last: _Series, step: float, at: float) -> float:
        """One step after the last packet, or as much as has passed since it was due, if that is more."""
        passed = self.pace.now(at)
        return last.time + step if passed is None else max(last.time + step, passed)
