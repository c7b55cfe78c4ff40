"""SourceClock: the time stamps that a source states, made into times that only move on."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from poseline.frame import Gap
from poseline.words import counted, often

_FALLBACK_RATE = Fraction(30)
_LONGEST_INTERVAL = 1
"""Seconds: a longer step between two frames is a pause, and no frame's interval."""


class SourceClock:
    """Turns the time stamps of one source into presentation times that only move on.

    `stamp` is called once for each frame, in presentation order. A time stamp is believed where it is later than the
    one before by no more than `longest_pause`: then the frame's time is what the source states. Others are repaired:

    - **missing** (None): the frame stands one frame's interval after the one before;
    - **outlier**: a stamp that is out of line, or repeated, while the next one is in line again. The frame stands one
      frame's interval after the one before, or half way to the next where that is sooner; others keep their times;
    - **break**: the stamps step back or jump ahead, and go on from there. The frame stands one frame's interval after
      the one before, and all later ones are shifted by as much. `gap` tells of it.

    One frame's interval is 1 / `frame_rate`, or the last step where that is unknown.

    Args:
        time_base: seconds per tick; 1/90000 if None.
        frame_rate: frames a second, if known.
        longest_pause: seconds. A later stamp that goes on from there is a break; without it no pause is too long.
    """

    def __init__(
        self, time_base: Fraction | None, frame_rate: Fraction | None, longest_pause: float | None = None
    ) -> None:
        self.time_base = time_base or Fraction(1, 90_000)
        self.ticks = 0
        """Repaired presentation time of the last frame, in units of `time_base`: its pts unless it was repaired."""
        self.gap: Gap | None = None
        """The break of the time stamps at the last frame, in repaired seconds; None if there is none."""
        self.missing = 0
        """Frames that came without a stamp."""
        self.outliers = 0
        """Frames whose stamp was out of line or repeated."""
        self.breaks = 0
        """How often the stamps broke."""
        self._interval = self._in_ticks(1 / (frame_rate or _FALLBACK_RATE))
        self._steady = frame_rate is not None
        self._longest_interval = self._in_ticks(_LONGEST_INTERVAL)
        self._longest_pause = None if longest_pause is None else self._in_ticks(longest_pause)
        self._first: int | None = None
        self._stated: int | None = None
        self._shift = 0

    def stamp(self, pts: int | None, following: Callable[[], int | None] | None = None) -> tuple[int, float]:
        """The frame's pts as stated, and its repaired time in seconds from the first frame's.

        Args:
            pts: the frame's stamp in units of `time_base`; None where it has none. A stand-in is returned then.
            following: gives the next frame's stamp (None at the end); called only where `pts` looks wrong, and for the
                first frame. Without it, as for a live source, an outlier counts as two breaks.
        """
        self.gap = None
        if pts is None:
            self.missing += 1
            ticks = self._one_later()
            pts = ticks - self._shift
        elif self._stated is None:
            ticks = self._begin(pts, following() if following else None)
        elif 0 < pts - self._stated <= 2 * self._interval:
            ticks = self._believe(pts, self._stated)
        else:
            ticks = self._judge(pts, self._stated, following() if following else None)
        if self._first is None:
            self._first = ticks
        self.ticks = ticks
        return pts, self._seconds(ticks)

    def notes(self) -> list[str]:
        """What the user should know at the end of what was repaired; missing stamps are common, and no fault."""
        notes = []
        if self.outliers:
            stamps = counted(self.outliers, "time stamp")
            notes.append(f"{stamps} out of line or repeated: such a frame stands one interval later")
        if self.breaks:
            notes.append(
                f"the time stamps break {often(self.breaks)}: time goes on one frame later there, and the log has a gap record"
            )
        return notes

    def _begin(self, pts: int, following: int | None) -> int:
        if self._first is not None:  # only stamps that were missing came before
            self._shift = self._one_later() - pts
        elif following is not None and following < pts:
            self.outliers += 1
            self._stated = following - self._interval
            return self._stated
        self._stated = pts
        return pts + self._shift

    def _judge(self, pts: int, before: int, following: int | None) -> int:
        """Where a frame stands whose stamp is no usual step after the one `before`."""
        step = pts - before
        if following is not None and following > before:  # it continues the line without this one
            off, next_off = abs(step - self._interval), abs(following - before - 2 * self._interval)
            if step <= 0 or (following <= pts and next_off < off):
                return self._pass_over(following)
        if step == 0:
            return self._pass_over(None)
        if step > 0 and (self._longest_pause is None or step <= self._longest_pause):
            return self._believe(pts, before)
        return self._break(pts, step)

    def _believe(self, pts: int, before: int) -> int:
        if pts + self._shift <= self.ticks:  # stand-ins for missing stamps have come further
            self._shift = self._one_later() - pts
        if not self._steady and pts - before <= self._longest_interval:
            self._interval = pts - before
        self._stated = pts
        return pts + self._shift

    def _pass_over(self, following: int | None) -> int:
        self.outliers += 1
        later = self._one_later()
        room = 0 if following is None else following + self._shift - self.ticks
        return min(later, self.ticks + room // 2) if room > 1 else later

    def _break(self, pts: int, step: int) -> int:
        self.breaks += 1
        ticks = self._one_later()
        self._stated, self._shift = pts, ticks - pts
        how = "step back" if step < 0 else "jump ahead"
        reason = f"the source's time stamps {how} by {float(abs(step) * self.time_base):.3f} s"
        self.gap = Gap(self._seconds(self.ticks), self._seconds(ticks), reason)
        return ticks

    def _one_later(self) -> int:
        return 0 if self._first is None else self.ticks + self._interval

    def _seconds(self, ticks: int) -> float:
        elapsed = (ticks - (self._first or 0)) * self.time_base.numerator
        return elapsed / self.time_base.denominator  # rounded as the fraction would be, in a tenth of its time

    def _in_ticks(self, seconds: float | Fraction) -> int:
        return max(1, round(Fraction(seconds) / self.time_base))
