"""Markers: keypoints under the names, and with the depth, that programs for markers in space expect.

Names are those of the marker sets of Pose2Sim's OpenSim models: `left_knee` is `LKnee`. One camera knows no depth, and
inverse kinematics of points that all lie in one plane goes wrong by tens of degrees, so markers get the depth that they
have in a body of usual breadth: z to the right of somebody who faces along x. Half the distances between both sides,
as shares of the stature: shoulders after Drillis and Contini (in Winter 2009, figure 4.1: 0.259 across, of which the
joints' centres are 0.02 inside on each side), hips after their place in OpenSim's generic models.
"""

from __future__ import annotations

import numpy as np

from poseline.analysis.angles import split_side
from poseline.analysis.facing import Facing, Facings
from poseline.analysis.motion import Doubles
from poseline.analysis.result import Person

_ACROSS = {
    "eye": 0.018, "ear": 0.042, "shoulder": 0.11, "elbow": 0.125, "wrist": 0.125, "hip": 0.06, "knee": 0.055,
    "ankle": 0.05, "heel": 0.05, "big_toe": 0.055, "small_toe": 0.085,
}  # fmt: skip
"""Of somebody seen from the side: from the middle of the body to the point, as a share of the stature."""
_USUAL = 1.7
"""Metres, where a scale is given but the person's height is not to be told."""
_AHEAD = {"nose": 0.07, "eye": 0.055, "big_toe": 0.1, "small_toe": 0.09}
"""Of somebody seen from the front: from the frontal plane of the body to the point."""


def marker_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """K names without blanks, such as `LKnee` for `left_knee`; no two of them equal."""
    made: list[str] = []
    for name in names:
        side, bare = split_side(name)
        words = "".join(word[:1].upper() + word[1:] for word in bare.replace("-", "_").replace(" ", "_").split("_"))
        marker = {"left": "L", "right": "R", "middle": ""}[side] + words
        made.append(marker if marker not in made else f"{marker}_{len(made)}")
    return tuple(made)


def pixel_markers(person: Person) -> Doubles:
    """(T, K, 3) pixels of the picture: x right, y down, z 0; NaN where a point is missing."""
    return np.concatenate([person.points, _unseen(person.points)], axis=2)


def metric_markers(person: Person) -> Doubles:
    """(T, K, 3) metres: x right, y up, z towards the camera; NaN where a point is missing.

    Raises:
        ValueError: the person has no metres.
    """
    if person.points_m is None:
        raise ValueError("there are no metres")
    depth = np.stack([_depth(name, person.facings) for name in person.names], axis=1)
    tall = person.stature_m or float("nan")
    tall = tall if np.isfinite(tall) else _USUAL
    return np.concatenate([person.points_m, (depth * tall)[:, :, None]], axis=2) + _unseen(person.points_m)


def _unseen(points: Doubles) -> Doubles:
    """(T, K, 1) NaN where a point is missing, else 0: a depth without a place means nothing."""
    return np.where(np.isfinite(points).all(axis=2, keepdims=True), 0.0, np.nan)


def _depth(name: str, facings: Facings) -> Doubles:
    """(T,) share of the stature by which a point is nearer to the camera than the middle of the body."""
    side, bare = split_side(name)
    across, ahead = _ACROSS.get(bare, 0.0), _AHEAD.get(bare, 0.0)
    out = {"left": -across, "right": across, "middle": 0.0}[side]
    by_facing = {Facing.RIGHT: out, Facing.LEFT: -out, Facing.FRONT: ahead, Facing.BACK: -ahead}
    return np.array([by_facing[Facing(number)] for number in range(4)])[facings]
