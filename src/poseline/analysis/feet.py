"""Feet at rest: where a person stood, told by ankles that hardly move for a while."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from poseline.analysis.motion import Bools, Doubles, middle
from poseline.analysis.smoothing import Smoothed

SIDES = ("left", "right")
_SLOW, _SLOWER = 0.3, 0.3
"""A resting ankle's most speed: torsos a second, or a share of how fast the legs swing."""
_LEAST = 0.08
"""Seconds that a foot must rest."""


@dataclass(frozen=True)
class Footprint:
    """A foot that rested."""

    side: str
    start: float
    """Seconds."""
    end: float
    x: float
    """Of the ankle, in the square pixels of the motion it was found in."""
    y: float
    stature: float
    """How large the person appeared then, in square pixels."""


def swing(smoothed: Smoothed) -> Doubles:
    """(T, 2) velocity in px/s of the ankle that moves faster relative to the hips, relative to them; NaN: not seen."""
    motion = smoothed.motion
    if not motion.has("mid_hip", "mid_ankle"):
        return np.full((len(motion), 2), np.nan)
    still = motion.with_points(smoothed.velocity)
    hips = still.place("mid_hip")
    left, right = (still.place(f"{side}_ankle") - hips for side in SIDES)
    faster = np.linalg.norm(left, axis=1) >= np.linalg.norm(right, axis=1)
    result: Doubles = np.where(faster[:, None], left, right)
    return result


def resting(smoothed: Smoothed) -> Bools:
    """(T, 2) whether the left and the right foot rest: slow in the picture, and not much faster than the other."""
    motion = smoothed.motion
    if not motion.has("mid_ankle"):
        return np.zeros((len(motion), 2), bool)
    moving = motion.with_points(smoothed.velocity)
    speeds = np.stack([np.linalg.norm(moving.place(f"{side}_ankle"), axis=1) for side in SIDES], axis=1)
    slow = _SLOW * motion.torso
    limit = max(slow, _SLOWER * np.nan_to_num(middle(np.linalg.norm(swing(smoothed), axis=1))))
    with np.errstate(invalid="ignore"):
        rest: Bools = (speeds < limit) & ((speeds < slow) | (speeds <= speeds[:, ::-1]))
    return rest


def footprints(smoothed: Smoothed, stature: Doubles) -> list[Footprint]:
    """Where feet rested, one for each stay, in order of time.

    Args:
        smoothed: in square pixels.
        stature: (T,) square pixels, how large the person appears.
    """
    motion, rest = smoothed.motion, resting(smoothed)
    result = []
    for column, side in enumerate(SIDES):
        for start, end in runs(rest[:, column]):
            if motion.times[end - 1] - motion.times[start] < _LEAST:
                continue
            x, y = np.median(motion.place(f"{side}_ankle")[start:end], axis=0)
            size = float(np.median(stature[start:end]))
            result.append(
                Footprint(side, float(motion.times[start]), float(motion.times[end - 1]), float(x), float(y), size)
            )
    return sorted(result, key=lambda footprint: footprint.start)


def runs(mask: Bools) -> list[tuple[int, int]]:
    """Stretches of True in (T,), as pairs of first index and the index after the last."""
    edges = np.flatnonzero(np.diff(np.r_[False, mask, False]))
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]
