"""Jumps: take-off, landing, and how high, told twice.

By flight: a body in the air falls as all do, so the time in the air gives the height that its centre rises after
take-off, g t² / 8. By the hips: how far they rise above where they are when standing; that needs metres, and has the
stretched feet at take-off in it, so it is the larger of the two.

In the air are feet that are higher than feet on the floor can be. Toes tell it best. Of ankles alone nobody can say
when the toes leave: they rise before, while the heels do. They count as in the air from 0.05 statures, where an ankle
is when somebody stands on their toes, which is sure to within 0.02.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from poseline.analysis.event import Event, Movement, Quantity, event_finder
from poseline.analysis.moments import crossing, stretches, turning
from poseline.analysis.motion import Doubles, percentile
from poseline.analysis.size import rolling

GRAVITY = 9.81
"""m/s²."""
_SHORTEST, _LONGEST = 0.12, 1.2
"""Seconds in the air; longer flights are no jumps."""
_RISE = 0.04
"""Statures by which hips must rise above standing."""
_NEAR = 1.5
"""Seconds before and after a flight in which the feet, and the standing hips, are looked at."""
_GROUND = 20.0
"""Percentile of the feet's height at which they are on the floor."""
_SPLIT = 0.5
"""Most statures between the ankles in the air: of a stride it is more, of one who runs nearly always."""


@dataclass(frozen=True)
class _Sole:
    """Which points tell whether a foot is in the air."""

    part: str
    lift: float
    """Statures above where it rests, from which it is."""
    doubt: float
    """Standard uncertainty of that, in statures."""


_SOLES = (_Sole("big_toe", 0.015, 0.008), _Sole("ankle", 0.05, 0.02))


@event_finder("jump")
def jumps(movement: Movement) -> list[Event]:
    """Every jump from both feet or one: `time` is the highest point of the hips, `start` take-off, `end` landing."""
    motion = movement.smoothed.motion
    sole = next((sole for sole in _SOLES if motion.has(f"mid_{sole.part}")), None)
    if sole is None or not motion.has("mid_hip", "mid_ankle") or not movement.stature > 0:
        return []
    feet = -np.fmax(*(motion.place(f"{side}_{sole.part}")[:, 1] for side in ("left", "right")))
    lift = (feet - rolling(motion.times, feet, _GROUND, _NEAR)) / movement.stature
    hips = -motion.place("mid_hip")[:, 1]
    split = np.linalg.norm(motion.place("left_ankle") - motion.place("right_ankle"), axis=1)
    found = (_jump(movement, sole, lift, hips, split, *rows) for rows in stretches(lift, sole.lift, sole.lift))
    return [event for event in found if event is not None]


def _jump(
    movement: Movement, sole: _Sole, lift: Doubles, hips: Doubles, split: Doubles, start: int, end: int
) -> Event | None:
    """What happened while a foot was in the air, from row `start` to before `end`; None where it was no jump."""
    motion, times, stature = movement.smoothed.motion, movement.smoothed.motion.times, movement.stature
    if start == 0 or end == len(lift) or not np.isfinite(lift[[start - 1, end]]).all():
        return None
    off, down = crossing(times, lift, sole.lift, start - 1), crossing(times, lift, sole.lift, end - 1)
    flight = down - off
    if not (_SHORTEST <= flight <= _LONGEST and percentile(split[start:end], 50) < _SPLIT * stature):
        return None
    before, after = np.searchsorted(times, [off - _NEAR, down + _NEAR])
    standing = percentile(np.concatenate([hips[before:start], hips[end:after]]), 90)
    apex = start + int(np.nan_to_num(hips[start:end], nan=-np.inf).argmax())
    time, top = turning(times, hips, apex)
    if not top - standing > _RISE * stature:
        return None
    sigma = float(np.hypot(_edge(movement, sole, lift, start - 1), _edge(movement, sole, lift, end - 1)))
    values = {
        "flight": Quantity(flight, sigma, "s"),
        "height_by_flight": Quantity(GRAVITY * flight**2 / 8, GRAVITY * flight * sigma / 4, "m"),
    }
    if movement.scale is not None:
        pixels = float(movement.scale.px_per_m[apex])
        rise = (top - standing) / pixels
        noise = np.sqrt(movement.smoothed.variance[apex, list(motion.parts("mid_hip"))].mean()) / pixels
        values["height_by_hips"] = Quantity(rise, float(np.hypot(noise, rise * movement.scale.sigma)), "m")
    return Event("jump", off, time, down, motion.step / 12**0.5, None, values)


def _edge(movement: Movement, sole: _Sole, lift: Doubles, row: int) -> float:
    """Seconds, of a crossing between rows: by the doubt of the level, the point's noise and the frames' interval."""
    motion = movement.smoothed.motion
    noise = np.sqrt(np.nanmax(movement.smoothed.variance[row, list(motion.parts(f"mid_{sole.part}"))]))
    speed = abs(lift[row + 1] - lift[row]) / (motion.times[row + 1] - motion.times[row])
    doubt = np.hypot(sole.doubt, noise / movement.stature)
    return float(np.hypot(doubt / max(speed, 0.2), motion.step / 12**0.5))
