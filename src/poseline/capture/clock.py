"""SourceClock: the time stamps that a source states, made into times that only move on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import TypeAlias

from poseline.frame import Gap
from poseline.words import counted, often

_FALLBACK_RATE = Fraction(30)
_LONGEST_INTERVAL = 1
"""Seconds: a longer step between two frames is a pause, and no frame's interval."""
_LOOK_AHEAD = 4
"""Frames, at most, that are looked at beyond a stamp that looks wrong: so many outliers in a row are known as such."""
_LONGEST_LAST_STEP = 10
"""Seconds by which a stamp at the end may jump ahead where no duration confirms it."""
_MUCH_LONGER = 10
"""How many times the longest step so far it may be as well."""

LookAhead: TypeAlias = Callable[[int], Sequence["int | None"]]
"""Gives the next so many frames' stamps, or as many as are left; None stands for one that is missing."""


class SourceClock:
    """Turns the time stamps of one source into presentation times that only move on.

    `stamp` is called once for each frame, in presentation order. A time stamp is believed where it is later than the
    one before by no more than `longest_pause`: then the frame's time is what the source states. Others are repaired:

    - **missing** (None): the frame stands one frame's interval after the one before;
    - **outlier**: a stamp that is out of line, or repeated, while one of the next is in line again; and one at
      the end that jumps far ahead, beyond the stated duration. The frame stands one frame's interval after the one
      before, or sooner where the next would not have room; others keep their times;
    - **break**: the stamps step back or jump ahead, and go on from there. The frame stands one frame's interval after
      the one before, and all later ones are shifted by as much. `gap` records it.

    One frame's interval is 1 / `frame_rate`, or the last step where that is unknown.

    Args:
        time_base: seconds per tick; 1/90000 if None.
        frame_rate: frames a second, if known.
        longest_pause: seconds. A later stamp that goes on from there is a break; without it no pause is too long.
        duration: seconds from the first frame to the end, as stated.
        wrap: ticks after which the source's own counter begins anew, where it does: 2^33 in MPEG-TS.
        origin: stamp of the source's first frame, where `stamp` is called for later ones only; they must have stamps.
    """

    def __init__(
        self, time_base: Fraction | None, frame_rate: Fraction | None, longest_pause: float | None = None,
        duration: float | None = None, wrap: int | None = None, origin: int | None = None,
    ) -> None:  # fmt: skip
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
        self._longest_last = self._in_ticks(_LONGEST_LAST_STEP)
        self._duration = None if duration is None else self._in_ticks(duration) + self._in_ticks(_LONGEST_INTERVAL)
        self._wrap = wrap
        self._longest_step = 0
        self._first = self._origin = origin
        self._stated: int | None = None
        self._shift = 0
        self._numerator, self._denominator = self.time_base.numerator, self.time_base.denominator

    def stamp(self, pts: int | None, ahead: LookAhead | None = None) -> tuple[int, float]:
        """The frame's pts as stated, and its repaired time in seconds from the first frame's.

        Args:
            pts: the frame's stamp in units of `time_base`; None where it has none. A stand-in is returned then.
            ahead: a look at the next frames; taken only where `pts` looks wrong, and at the first frame. Without it, as
                for a live source, an outlier counts as two breaks.
        """
        self.gap = None
        if pts is None:
            self.missing += 1
            ticks = self._one_later()
            pts = ticks - self._shift
        elif self._stated is None:
            ticks = self._begin(pts, ahead)
        elif 0 < pts - self._stated <= 2 * self._interval:
            ticks = self._believe(pts, self._stated)
        else:
            ticks = self._judge(pts, self._stated, ahead)
        if self._first is None:
            self._first = ticks
        self.ticks = ticks
        return pts, self._seconds(ticks)

    @property
    def seconds(self) -> float:
        """Repaired time of the last frame, from the first one."""
        return self._seconds(self.ticks)

    @property
    def longest_step(self) -> float:
        """Seconds between two frames whose stamps are believed, at most so far."""
        return float(self._longest_step * self.time_base)

    def forget_repairs(self) -> None:
        """Count anew, and forget repairs so far: what comes next is the first frame that counts."""
        self.missing = self.outliers = self.breaks = 0
        self.gap = None

    def notes(self) -> list[str]:
        """What the user should know at the end of what was repaired; missing stamps are common, and no fault."""
        notes = []
        if self.outliers:
            stamps = counted(self.outliers, "time stamp")
            notes.append(f"{stamps} out of line or repeated: such a frame stands one interval later")
        if self.breaks:
            notes.append(
                f"the time stamps break {often(self.breaks)}: time goes on one frame later there, "
                "and the log has a gap record"
            )
        return notes

    def _begin(self, pts: int, ahead: LookAhead | None) -> int:
        following = next(iter(ahead(1)), None) if ahead else None
        if self._first is not None and self._origin is None:  # only stamps that were missing came before
            self._shift = self._one_later() - pts
        elif following is not None and following < pts:
            self.outliers += 1
            self._stated = following - self._interval
            return self._stated
        self._stated = pts
        return pts + self._shift

    def _judge(self, pts: int, before: int, ahead: LookAhead | None) -> int:
        """Where a frame stands whose stamp is no usual step after the one `before`."""
        step = pts - before
        if ahead and (room := self._room(step, before, ahead)) is not None:
            return self._pass_over(room)
        if step == 0:
            return self._pass_over()
        if step > 0 and (self._longest_pause is None or step <= self._longest_pause):
            wild = ahead is not None and self._wild_at_the_end(pts, step, ahead)
            return self._pass_over() if wild else self._believe(pts, before)
        return self._break(pts, step)

    def _room(self, step: int, before: int, ahead: LookAhead) -> int | None:
        """Ticks for a frame that is an outlier, as the next one in line without it leaves them; None for no outlier.

        The next frame need only fit better than this one. One behind it must be in line, so that two breaks in a short
        time are not taken for outliers.
        """
        following = next(iter(ahead(1)), None)
        if following is not None and following > before:
            off, next_off = abs(step - self._interval), abs(following - before - 2 * self._interval)
            if step <= 0 or (following <= before + step and next_off < off):
                return (following + self._shift - self.ticks) // 2
        if abs(step) <= self._longest_interval:
            return None
        for frames, later in enumerate(ahead(_LOOK_AHEAD)[1:], 3):
            if later is not None and 0 < later - before <= min(2 * frames * self._interval, abs(step)):
                return (later + self._shift - self.ticks) // frames
        return None

    def _wild_at_the_end(self, pts: int, step: int, ahead: LookAhead) -> bool:
        """Whether a stamp jumps ahead as no other did, beyond the stated duration; without one, only the very last."""
        if step <= max(self._longest_last, _MUCH_LONGER * self._longest_step):
            return False
        if self._duration is None:
            return not ahead(1)
        return pts + self._shift - (self._first or 0) > self._duration and len(ahead(_LOOK_AHEAD)) < _LOOK_AHEAD

    def _believe(self, pts: int, before: int) -> int:
        if pts + self._shift <= self.ticks:  # stand-ins for missing stamps have come further
            self._shift = self._one_later() - pts
        step = pts - before
        if step > self._longest_step:
            self._longest_step = step
        if not self._steady and step <= self._longest_interval:
            self._interval = step
        self._stated = pts
        return pts + self._shift

    def _pass_over(self, room: int = 0) -> int:
        self.outliers += 1
        later = self._one_later()
        return min(later, self.ticks + room) if room > 0 else later

    def _break(self, pts: int, step: int) -> int:
        self.breaks += 1
        ticks = self._one_later()
        self._stated, self._shift = pts, ticks - pts
        if self._wrap:  # FFmpeg takes a step back for the end of a turn, and adds a whole one
            step = (step + self._wrap // 2) % self._wrap - self._wrap // 2
        how = "step back" if step < 0 else "jump ahead"
        reason = f"the source's time stamps {how} by {float(abs(step) * self.time_base):.3f} s"
        self.gap = Gap(self._seconds(self.ticks), self._seconds(ticks), reason)
        return ticks

    def _one_later(self) -> int:
        return 0 if self._first is None else self.ticks + self._interval

    def _seconds(self, ticks: int) -> float:
        elapsed = (ticks - (self._first or 0)) * self._numerator
        return elapsed / self._denominator  # rounded as the fraction would be, in a tenth of its time

    def _in_ticks(self, seconds: float | Fraction) -> int:
        return max(1, round(Fraction(seconds) / self.time_base))
