"""Whether the camera moved, as far as one person's points can tell.

A log holds no picture of the background. But somebody who walks or runs before a camera at rest gets on, about as fast
as their feet swing past their hips; and somebody who stands has feet that rest. Legs that swing without a foot that
ever rests, while the hips stay where they are in the picture, mean a camera that goes with the person, or a treadmill
or a bicycle: of none of them a speed over the floor can be told. Slow or small movements of a camera are not found this
way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from poseline.analysis.feet import SIDES, swing
from poseline.analysis.motion import Doubles, middle, percentile
from poseline.analysis.smoothing import Smoothed

Verdict = Literal["still", "moving", "unknown"]
CameraOption = Literal["auto", "still", "moving"]

_STRIDING = 1.2
"""Torsos a second, across the picture, from which legs are taken to walk or run."""
_STAYS, _GETS_ON = 0.2, 0.4
"""Speed of the hips over that of the swinging foot: below, the picture goes along; above, the person gets on."""
_SLIDES = 0.12
"""Speed of the slower ankle over that of the swinging one, for a tenth of the time, above which no foot rests."""
_OVER = 1.0
"""Seconds over which the hips' speed is taken."""
_RESTS = 0.3
"""Torsos a second below which the slower ankle of somebody who stands is for at least a tenth of the time."""
_DRIFTS = 0.5
"""Torsos a second at which hips and both ankles go together, most of the time, where the picture moves."""


@dataclass(frozen=True)
class Camera:
    """What is known of the camera."""

    verdict: Verdict
    """`unknown` where the points do not tell."""
    reason: str
    """In words, for a report."""


def camera(smoothed: Smoothed, option: CameraOption = "auto") -> Camera:
    """Whether the camera moved, or `option`.

    Args:
        smoothed: in square pixels.
        option: `auto`, or what is known.
    """
    if option != "auto":
        return Camera(option, "set")
    motion = smoothed.motion
    if not motion.has("mid_hip", "mid_ankle") or not np.isfinite(swing(smoothed)).any():
        return Camera("unknown", "hips and ankles are not seen together")
    swinging = middle(np.abs(swing(smoothed)[:, 0])) / motion.torso
    moving = motion.with_points(smoothed.velocity)
    ankles = np.stack([moving.place(f"{side}_ankle") for side in SIDES], axis=1) / motion.torso
    slower = np.linalg.norm(ankles, axis=2).min(axis=1)
    if swinging > _STRIDING:
        travel = _travel(motion.times, motion.place("mid_hip")[:, 0]) / motion.torso / swinging
        if travel < _STAYS and percentile(slower, 10) < _SLIDES * swinging:
            return Camera("still", "the person strides in place, and feet rest in the picture")
        if travel < _STAYS:
            return Camera("moving", "the legs stride, no foot rests and the person stays in place, as on a treadmill")
        if travel > _GETS_ON:
            return Camera("still", "the person gets on as fast as their legs stride")
        return Camera("unknown", "the person gets on more slowly than their legs stride")
    if percentile(slower, 10) < _RESTS:
        return Camera("still", "feet rest in the picture")
    common = np.stack([*ankles.transpose(1, 0, 2), moving.place("mid_hip") / motion.torso])
    if middle(np.linalg.norm(common.mean(axis=0), axis=1)) > _DRIFTS:
        return Camera("moving", "hips and feet go across the picture together: the camera moves, or the person glides")
    return Camera("unknown", "no foot rests")


def _travel(times: Doubles, x: Doubles) -> float:
    """Median speed of x over stretches of `_OVER` seconds, or over all where that is shorter; NaN: not seen twice."""
    known = np.flatnonzero(np.isfinite(x))
    if len(known) < 2:
        return float("nan")
    later = np.searchsorted(times[known], times[known] + _OVER)
    inside = later < len(known)
    first, last = (known[inside], known[later[inside]]) if inside.any() else (known[:1], known[-1:])
    return middle(np.abs(x[last] - x[first]) / (times[last] - times[first]))
