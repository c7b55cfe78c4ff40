"""Which way a person faces: right, left, to the camera (front) or away from it (back).

Each frame votes with what it shows. Sideways: how far the nose stands out in front of the ears and the shoulders, the
toes in front of the heels, which way the hips travel, and which way the knees bend. Frontal: how wide the shoulders and
hips are, and which of them is on which side. From both follows how far the person is turned from the camera; within
`_FRONTAL` degrees of it they face it, or face away, and else right or left. The sequence is chosen over the whole
motion at once, with a price for each change, so that a few odd frames change nothing and somebody who turns round is
followed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from poseline.analysis.best_path import best_path
from poseline.analysis.motion import Doubles, Motion
from poseline.short_repr import short_repr

Facings: TypeAlias = NDArray[np.int8]
"""(T,) of `Facing`."""


class Facing(IntEnum):
    """Where a person faces, as the camera sees it."""

    RIGHT = 0
    LEFT = 1
    FRONT = 2
    """Towards the camera."""
    BACK = 3
    """Away from it."""


FacingOption = Literal["auto", "right", "left", "front", "back"]

_NOSE_TO_EARS, _NOSE_TO_SHOULDERS, _SHOULDERS, _HIPS = 0.27, 0.31, 0.72, 0.43
"""In torsos: how far the nose is in front of the ears and the shoulders, and how far shoulders and hips are apart."""
_HEEL_TO_TOE = 0.4
"""In torsos likewise."""
_TRAVEL = 1.0
"""Torsos a second from which travel votes fully; half as fast, by half ..."""
_STANDS = 0.2
"""... and below this share not at all."""
_BENT = 0.3
"""Sine of the knees' mean bend from which it votes."""
_FRONTAL = 20.0
"""Degrees from the camera's line of sight up to which a person faces it, or faces away."""
_NEVER = 1e6
"""What another facing costs than the one that somebody said."""
_PRICE = 0.8
"""Seconds of full agreement that a change of facing must win."""


@dataclass(frozen=True, eq=False)
class FacingChoice:
    """Where a person faces, and how sure that is."""

    facings: Facings
    """(T,) of `Facing`."""
    agreement: float
    """Share of the frames that show something whose own vote is the choice; 1 where it was set, NaN: none shows any."""

    __repr__ = short_repr


def facing(motion: Motion, option: FacingOption = "auto") -> FacingChoice:
    """Decide where a person faces in each frame, or take `option`.

    Args:
        motion: in square pixels.
        option: `auto`, or one facing for all frames; with `auto`, what was said by hand stands.
    """
    if option != "auto":
        return FacingChoice(np.full(len(motion), Facing[option.upper()], np.int8), 1.0)
    across, towards = _sideways(motion), _frontal(motion)
    towards = towards * np.tan(np.radians(_FRONTAL))
    length = np.hypot(across, towards)
    known = length > 0
    across, towards = across / np.where(known, length, 1), towards / np.where(known, length, 1)
    votes = np.stack([across, -across, towards, -towards], axis=1)
    seconds = np.gradient(motion.times) if len(motion) > 1 else np.ones(1)
    costs = -votes * seconds[:, None]
    if motion.by_hand is not None:
        said = motion.by_hand.facing >= 0
        costs[said] += _NEVER * (np.arange(4) != motion.by_hand.facing[said][:, None])
        known, votes = known | said, np.where(said[:, None], -costs, votes)
    facings = best_path(costs, _PRICE * (1 - np.eye(4)))
    agreement = float((votes.argmax(axis=1) == facings)[known].mean()) if known.any() else float("nan")
    return FacingChoice(facings.astype(np.int8), agreement)


def outward(facings: Facings) -> dict[str, Doubles]:
    """(T,) +1 or -1 for limbs of the left, of the right, and for the middle: by what x is multiplied to face +x.

    Seen from the front or the back, a limb's x points outwards.
    """
    side = np.array([1, -1, 1, 1])[facings].astype(float)
    right = np.array([1, -1, -1, 1])[facings].astype(float)
    left = np.array([1, -1, 1, -1])[facings].astype(float)
    return {"left": left, "right": right, "middle": side}


def _sideways(motion: Motion) -> Doubles:
    """(T,) -1..1: left to right, 0 where nothing tells."""
    head = _mean([_ahead(motion, "nose", "ear", _NOSE_TO_EARS), _ahead(motion, "nose", "shoulder", _NOSE_TO_SHOULDERS)])
    feet = _mean([_ahead(motion, f"{side}_big_toe", f"{side}_heel", _HEEL_TO_TOE) for side in ("left", "right")])
    knees = _mean([_bend(motion, side) for side in ("left", "right")])  # opposite, of one who is seen from the front
    bent = np.where(np.abs(knees) > _BENT, np.sign(knees), np.nan)
    travel = np.clip(_travel(motion) / (_TRAVEL * motion.torso), -1, 1)
    going = np.where(np.abs(travel) > _STANDS, travel, np.nan)
    # feet and knees count twice: a head turns more easily
    return np.nan_to_num(_mean([head, going, feet, feet, bent, bent]))


def _ahead(motion: Motion, front: str, behind: str, distance: float) -> Doubles:
    """(T,) -1..1 by how far one point is to the right of another, or the middle of two, NaN where it is not seen."""
    if not motion.has(front) or not (behind in motion.index or motion.has(f"mid_{behind}")):
        return np.full(len(motion), np.nan)
    ahead = motion.place(front)[:, 0] - _level(motion, behind)
    result: Doubles = np.clip(ahead / (distance * motion.torso), -1, 1)
    return result


def _travel(motion: Motion) -> Doubles:
    """(T,) px/s of the hips across the picture, over 0.4 s; NaN where that is not seen."""
    speed = np.full(len(motion), np.nan)
    reach = max(1, round(0.2 / motion.step)) if motion.step else 1
    if motion.has("mid_hip") and len(motion) > 2 * reach:
        hip = motion.place("mid_hip")[:, 0]
        seconds = motion.times[2 * reach :] - motion.times[: -2 * reach]
        speed[reach:-reach] = (hip[2 * reach :] - hip[: -2 * reach]) / seconds
    return speed


def _bend(motion: Motion, side: str) -> Doubles:
    """(T,) sine of a knee's bend, + where the shank points to the left of the thigh's line: of one who faces right."""
    if not motion.has(f"{side}_hip", f"{side}_knee", f"{side}_ankle"):
        return np.full(len(motion), np.nan)
    hip, knee, ankle = (motion.place(f"{side}_{part}") for part in ("hip", "knee", "ankle"))
    thigh, shank = knee - hip, ankle - knee
    lengths = np.linalg.norm(thigh, axis=1) * np.linalg.norm(shank, axis=1)
    across = thigh[:, 0] * shank[:, 1] - thigh[:, 1] * shank[:, 0]
    result: Doubles = across / np.where(lengths > 0, lengths, np.nan)
    return result


def _frontal(motion: Motion) -> Doubles:
    """(T,) -1..1: facing away to facing the camera, 0 where nothing tells."""
    votes = [
        np.clip((motion.place(f"left_{part}") - motion.place(f"right_{part}"))[:, 0] / (width * motion.torso), -1, 1)
        for part, width in (("shoulder", _SHOULDERS), ("hip", _HIPS))
        if motion.has(f"mid_{part}")
    ]
    return np.nan_to_num(_mean(votes)) if votes else np.zeros(len(motion))


def _level(motion: Motion, part: str) -> Doubles:
    """(T,) x of a point, or the mean of both sides, or of the one that is seen."""
    if part in motion.index:
        return motion.place(part)[:, 0]
    sides = np.stack([motion.place(f"{side}_{part}")[:, 0] for side in ("left", "right")])
    result: Doubles = np.where(np.isfinite(sides).all(axis=0), sides.mean(axis=0), np.fmin(sides[0], sides[1]))
    return result


def _mean(votes: list[Doubles]) -> Doubles:
    """(T,) mean of the votes that are given, NaN where none is."""
    stacked = np.stack(votes)
    given = np.isfinite(stacked)
    count = given.sum(axis=0)
    result: Doubles = np.where(given, stacked, 0).sum(axis=0) / np.where(count > 0, count, np.nan)
    return result
