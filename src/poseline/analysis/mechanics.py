"""Speeds, accelerations, the centre of mass and the way gone.

Masses and centres of mass of segments as shares of the body's mass and of the segment's length from its upper end:
D. A. Winter, "Biomechanics and Motor Control of Human Movement", 4th edition (2009), table 4.1, after Dempster. Its
ends are points that keypoints mark (the trunk from the hips to the shoulders, the head at the ear canal), and it has
forearm with hand, and shank with foot, for skeletons that know neither hands nor feet.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from poseline.analysis.motion import Doubles, Motion
from poseline.analysis.scale import Scale
from poseline.analysis.smoothing import Smoothed
from poseline.short_repr import short_repr

_ENOUGH = 0.9
"""Share of the body's mass that must be seen for its centre to be told."""


@dataclass(frozen=True)
class Segment:
    """A part of the body, between two points."""

    upper: str
    lower: str
    mass: float
    """Share of the body's mass."""
    centre: float
    """Share of the way from the upper to the lower point, at which its centre of mass is."""


SEGMENTS: tuple[Segment, ...] = (
    Segment("mid_ear", "mid_ear", 0.081, 0.0),
    Segment("mid_shoulder", "mid_hip", 0.497, 0.5),
    *(
        Segment(f"{side}_{upper}", f"{side}_{lower}", mass, centre)
        for side in ("left", "right")
        for upper, lower, mass, centre in (
            ("shoulder", "elbow", 0.028, 0.436),
            ("elbow", "wrist", 0.022, 0.682),
            ("hip", "knee", 0.100, 0.433),
            ("knee", "ankle", 0.061, 0.606),
        )
    ),
)
"""Winter's table: head and neck; trunk; upper arms; forearms with hands; thighs; shanks with feet. They add up to 1."""


@dataclass(frozen=True, eq=False)
class Mechanics:
    """How a person moved; in square pixels of the level picture, y down, and in metres where they are known."""

    centre_of_mass: Doubles
    """(T, 2) square pixels; NaN where less than 0.9 of the body's mass is seen."""
    centre_velocity: Doubles
    """(T, 2) px/s."""
    centre_acceleration: Doubles
    """(T, 2) px/s²."""
    points_m: Doubles | None
    """(T, K, 2) metres, x right from the picture's middle, y up from the floor; None where metres are not known."""
    velocity_m: Doubles | None
    """(T, K, 2) m/s, x right, y up: of movement in the picture's plane."""
    acceleration_m: Doubles | None
    """(T, K, 2) m/s²."""
    centre_m: Doubles | None
    """(T, 2) metres, of the centre of mass."""
    centre_velocity_m: Doubles | None
    """(T, 2) m/s."""
    centre_acceleration_m: Doubles | None
    """(T, 2) m/s²."""
    distance_m: float | None
    """Metres that the hips went to and fro across the picture, over the time that they are seen."""
    displacement_m: float | None
    """Metres from where the hips were first seen to where they were last, across the picture; + to the right."""

    __repr__ = short_repr


def mechanics(smoothed: Smoothed, scale: Scale | None) -> Mechanics:
    """How a person moved.

    Args:
        smoothed: level with the floor, in square pixels.
        scale: None where there are no metres.
    """
    motion = smoothed.motion
    centre, speed, push = (
        centre_of_mass(motion, values) for values in (None, smoothed.velocity, smoothed.acceleration)
    )
    if scale is None:
        return Mechanics(centre, speed, push, None, None, None, None, None, None, None, None)
    points, velocity, acceleration = _metric(
        motion.times, motion.points, smoothed.velocity, smoothed.acceleration, scale
    )
    own = _metric(motion.times, centre[:, None], speed[:, None], push[:, None], scale)
    hips = motion.with_points(points).place("mid_hip")[:, 0] if motion.has("mid_hip") else np.full(len(motion), np.nan)
    distance, displacement = way(hips)
    centre_m, speed_m, push_m = (values[:, 0] for values in own)
    body = (centre_m, speed_m, push_m, distance, displacement)
    return Mechanics(centre, speed, push, points, velocity, acceleration, *body)


def centre_of_mass(motion: Motion, values: Doubles | None = None) -> Doubles:
    """(T, 2) the centre of mass; or, with `values` (T, K, 2) in the points' place, its velocity and so on.

    Segments that are not seen are left out, up to a tenth of the body's mass; then NaN.
    """
    source = motion if values is None else motion.with_points(values)
    total, mass = np.zeros((len(motion), 2)), np.zeros(len(motion))
    for segment in SEGMENTS:
        if not motion.has(segment.upper, segment.lower):
            continue
        upper, lower = source.place(segment.upper), source.place(segment.lower)
        centre = upper + segment.centre * (lower - upper)
        seen = np.isfinite(centre).all(axis=1)
        total[seen] += segment.mass * centre[seen]
        mass[seen] += segment.mass
    result: Doubles = np.where(mass >= _ENOUGH - 1e-9, 1, np.nan)[:, None] * total / np.maximum(mass, 1e-9)[:, None]
    return result


def way(x: Doubles) -> tuple[float | None, float | None]:
    """How far along x (T,) somebody went to and fro, and from first to last; None where they are not seen twice."""
    known = x[np.isfinite(x)]
    if len(known) < 2:
        return None, None
    return float(np.abs(np.diff(known)).sum()), float(known[-1] - known[0])


def _metric(
    times: Doubles, points: Doubles, velocity: Doubles, acceleration: Doubles, scale: Scale
) -> tuple[Doubles, Doubles, Doubles]:
    speeds = scale.speeds(times, points, velocity)
    if scale.varies and len(times) > 1:
        return scale.metres(points), speeds, np.gradient(speeds, times, axis=0)
    return scale.metres(points), speeds, acceleration * [1.0, -1.0] / scale.px_per_m[:, None, None]
