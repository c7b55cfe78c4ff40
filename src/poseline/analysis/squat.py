"""Squats, by the height of the hips over the ankles: more certain than the knees' angles, which the network gets wrong.

A repetition begins when the hips leave the height of standing and ends when they are back; feet stay where they are.
To sit down on a chair and get up looks the same from here.
"""

from __future__ import annotations

import numpy as np

from poseline.analysis.event import Event, Movement, Quantity, event_finder
from poseline.analysis.jump import jumps
from poseline.analysis.moments import crossing, spanned, stretches, turning
from poseline.analysis.motion import Doubles, percentile

_DEEP, _BACK = 0.25, 0.10
"""Share of the standing hip height by which hips sink in a squat, and up to which they are back."""
_BOTTOM = 0.02
"""Share of the depth within which hips are at the bottom."""
_SLIP = 0.12
"""Statures by which an ankle may move meanwhile; a heel that lifts is less."""
_STANDING = 0.3
"""Statures that the hips of somebody who stands are at least above the ankles."""
_UNSEEN = 0.5
"""Seconds for which hips may be unseen within a repetition."""
_LEAP = 0.3
"""Seconds before take-off and after landing in which hips that sink belong to the jump."""
_LONGEST = 15.0
"""Seconds that a repetition takes at most."""


@event_finder("squat")
def squats(movement: Movement) -> list[Event]:
    """Every squat: `time` is the lowest point of the hips."""
    motion = movement.smoothed.motion
    if not motion.has("mid_hip", "mid_ankle") or not movement.stature > 0:
        return []
    height = (motion.place("mid_ankle") - motion.place("mid_hip"))[:, 1]
    standing = percentile(height, 90)
    if not standing > _STANDING * movement.stature:
        return []
    depth = spanned(motion.times, 1 - height / standing, _UNSEEN)
    found = (_squat(movement, depth, standing, start, end) for start, end in stretches(depth, _DEEP, _BACK))
    leaps = jumps(movement)
    return [event for event in found if event is not None and not any(_of_jump(event, leap) for leap in leaps)]


def _of_jump(squat: Event, leap: Event) -> bool:
    """Whether hips sank to jump off, or to land."""
    return squat.end > leap.start - _LEAP and squat.start < leap.end + _LEAP


def _squat(movement: Movement, depth: Doubles, standing: float, start: int, end: int) -> Event | None:
    motion, times = movement.smoothed.motion, movement.smoothed.motion.times
    if start == 0 or end == len(depth) or not np.isfinite(depth[[start - 1, end]]).all():
        return None  # begun before, or not over: not a whole repetition
    rows = slice(start, end)
    slips = [_range(motion.place(f"{side}_ankle")[rows]) for side in ("left", "right")]
    travel = _range(motion.place("mid_hip")[rows, :1])
    began, ended = crossing(times, depth, _BACK, start - 1), crossing(times, depth, _BACK, end - 1)
    if max(slips) > _SLIP * movement.stature or travel > 0.5 * movement.stature or ended - began > _LONGEST:
        return None
    lowest = start + int(depth[rows].argmax())
    _, deepest = turning(times, depth, lowest)
    time, sigma = _bottom(movement, depth, lowest, start, end)
    values = {
        "depth": Quantity(deepest, _noise(movement, lowest) / standing, ""),
        "down": Quantity(time - began, sigma, "s"),
        "up": Quantity(ended - time, sigma, "s"),
    }
    if movement.scale is not None:
        pixels = float(movement.scale.px_per_m[lowest])
        metres = deepest * standing / pixels
        values["descent"] = Quantity(
            metres, float(np.hypot(_noise(movement, lowest) / pixels, metres * movement.scale.sigma)), "m"
        )
    for side in ("left", "right"):
        name = f"{side}_knee"
        if name in movement.angles.names:
            column = movement.angles.names.index(name)
            angle, spread = movement.angles.degrees[lowest, column], movement.angles.sigma[lowest, column]
            values[name] = Quantity(float(angle), float(spread), "deg")
    return Event("squat", began, time, ended, sigma, None, values)


def _noise(movement: Movement, row: int) -> float:
    """Standard deviation in pixels of the height of the hips over the ankles."""
    motion = movement.smoothed.motion
    parts = [*motion.parts("mid_hip"), *motion.parts("mid_ankle")]
    return float(np.sqrt(np.nansum(movement.smoothed.variance[row, parts]) / 4))


def _range(points: Doubles) -> float:
    """The most that points (N, D) differ along one axis, of those that are seen."""
    seen = points[np.isfinite(points).all(axis=1)]
    return float(np.ptp(seen, axis=0).max()) if len(seen) else 0.0


def _bottom(movement: Movement, depth: Doubles, lowest: int, start: int, end: int) -> tuple[float, float]:
    """The middle of the time at the bottom, and its standard uncertainty, in seconds.

    Who stays at the bottom has no lowest moment but the noise's; so the bottom is what is nearly as low.
    """
    times, level = movement.smoothed.motion.times, depth[lowest] * (1 - _BOTTOM)
    first, last = lowest, lowest
    while first > start and depth[first - 1] > level:
        first -= 1
    while last < end - 1 and depth[last + 1] > level:
        last += 1
    reached, left = crossing(times, depth, level, first - 1), crossing(times, depth, level, last)
    return (reached + left) / 2, float(np.hypot((left - reached) / 6, movement.smoothed.motion.step / 12**0.5))
