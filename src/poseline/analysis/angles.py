"""Joint angles and segment directions: what each is made of, as a table, and how it is worked out.

Every angle is between two directions in the picture, or between one and the horizontal. Directions are seen in the
person's own frame: x points where the person faces, y down; a person who faces left is mirrored first, so that flexion
is positive whichever way they face. Seen from the front or the back, x points outwards for a limb of either side, and
to the picture's right for the middle of the body. Conventions are those that Sports2D and Pose2Sim use (Pagnon,
"Sports2D", JOSS 9 (2024) 6849; table in docs/sports.md), with these differences: the hip and the shoulder are measured
against the line from mid hip to mid shoulder, middles are plain means, points that coincide give no angle, and flexion
is never unwrapped.

Angles of joints are from -180 up to, not including, 180: 0 is straight (elbow, knee) or neutral (hip, shoulder, ankle),
positive is flexed. The included angle that many papers state is 180 minus the flexion of knee or elbow. Directions of
segments are unwrapped by whole turns, so that a somersault goes on past 180.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from poseline.analysis.facing import Facings, outward
from poseline.analysis.motion import Doubles, Motion
from poseline.short_repr import short_repr
from poseline.skeleton import Side

Kind = Literal["joint", "segment", "line"]
_SIDES: tuple[Side, ...] = ("left", "right")


def split_side(name: str) -> tuple[Side, str]:
    """The name of a point or an angle as its side and the rest: `left_knee` is `left` and `knee`.

    What is on neither side, such as `nose`, is `middle`, and its name whole.
    """
    for side in _SIDES:
        if name.startswith(f"{side}_") and len(name) > len(side) + 1:
            return side, name[len(side) + 1 :]
    return "middle", name


@dataclass(frozen=True)
class Definition:
    """How an angle is worked out: `factor` · (direction of `first` - direction of `second`) + `offset`."""

    name: str
    kind: Kind
    """joint: between two segments; segment: from the horizontal, unwrapped; line: slope, modulo half a turn."""
    first: tuple[str, str]
    """The point that the first direction starts from, and the point that it leads to."""
    second: tuple[str, str] | None
    """Likewise; None: the horizontal."""
    offset: float
    factor: int
    meaning: str
    """What 0 and positive mean, in words."""

    @property
    def points(self) -> tuple[str, ...]:
        """The points that it takes; middles such as `mid_hip` among them."""
        return self.first + (self.second or ())

    @property
    def side(self) -> Side:
        """Of the body."""
        return split_side(self.name)[0]


_TRUNK = ("mid_hip", "mid_shoulder")


def _both(
    name: str,
    kind: Kind,
    first: tuple[str, str],
    second: tuple[str, str] | None,
    offset: float,
    factor: int,
    meaning: str,
) -> tuple[Definition, ...]:
    """The definition for the left and the right side; points without a `mid_` are of the side."""

    def own(points: tuple[str, str] | None, side: str) -> tuple[str, str] | None:
        if points is None or points == _TRUNK:
            return points
        return f"{side}_{points[0]}", f"{side}_{points[1]}"

    return tuple(
        Definition(f"{side}_{name}", kind, own(first, side) or first, own(second, side), offset, factor, meaning)
        for side in ("left", "right")
    )


DEFINITIONS: tuple[Definition, ...] = (
    *_both("knee", "joint", ("knee", "ankle"), ("knee", "hip"), -180, 1,
           "0 straight, + flexed, - hyperextended"),
    *_both("hip", "joint", ("knee", "hip"), _TRUNK, 0, -1,
           "0 thigh in line with the trunk, + thigh forward, - thigh backward"),
    *_both("shoulder", "joint", ("elbow", "shoulder"), _TRUNK, 0, -1,
           "0 arm along the trunk, + raised forward, 180 overhead, - backward"),
    *_both("elbow", "joint", ("elbow", "wrist"), ("elbow", "shoulder"), 180, -1,
           "0 straight, + flexed"),
    *_both("ankle", "joint", ("knee", "ankle"), ("big_toe", "heel"), 90, 1,
           "0 foot at right angles to the shank, + toes up, - toes down"),
    *_both("wrist", "joint", ("wrist", "elbow"), ("wrist", "index"), -180, 1,
           "0 hand in line with the forearm"),
    Definition("trunk", "segment", _TRUNK, None, 0, -1, "90 upright, below 90 leaning forward"),
    Definition("lean", "segment", _TRUNK, None, 90, 1, "0 upright, + leaning forward"),
    *_both("thigh", "segment", ("hip", "knee"), None, 0, -1,
           "-90 hanging down, above -90 knee forward"),
    *_both("shank", "segment", ("knee", "ankle"), None, 0, -1,
           "-90 hanging down, above -90 ankle forward of the knee"),
    *_both("arm", "segment", ("shoulder", "elbow"), None, 0, -1,
           "-90 hanging down, above -90 elbow forward"),
    *_both("forearm", "segment", ("elbow", "wrist"), None, 0, -1,
           "-90 hanging down, above -90 wrist forward"),
    *_both("foot", "segment", ("heel", "big_toe"), None, 0, -1,
           "0 flat, + toes up"),
    Definition("pelvis", "line", ("right_hip", "left_hip"), None, 0, -1,
               "0 level, + rising towards x: left hip higher seen from the front, right hip higher from behind"),
    Definition("shoulders", "line", ("right_shoulder", "left_shoulder"), None, 0, -1,
               "0 level, + rising towards x: left shoulder higher seen from the front, right one from behind"),
)  # fmt: skip
"""Every angle there is. The wrist bends to either side: which of them is flexion depends on how the palm is turned."""


@dataclass(frozen=True, eq=False)
class Angles:
    """A angles over T frames."""

    definitions: tuple[Definition, ...]
    """A definitions, those of `DEFINITIONS` whose points the skeleton has."""
    degrees: Doubles
    """(T, A) NaN where a point was missing, or two coincided; segments unwrapped."""
    velocity: Doubles
    """(T, A) degrees a second, NaN likewise."""
    sigma: Doubles
    """(T, A) standard deviation in degrees that the points' noise leaves, to first order; see `uncertainty`."""

    __repr__ = short_repr

    @property
    def names(self) -> tuple[str, ...]:
        """A names, such as `left_knee`."""
        return tuple(definition.name for definition in self.definitions)

    def __getitem__(self, name: str) -> Doubles:
        """(T,) degrees of one angle.

        Raises:
            KeyError: the skeleton lacks its points, or there is no such angle.
        """
        if name not in self.names:
            raise KeyError(name)
        return self.degrees[:, self.names.index(name)]


def definitions(motion: Motion) -> tuple[Definition, ...]:
    """The angles that a skeleton has the points for; those of feet and hands only where it has these."""
    return tuple(definition for definition in DEFINITIONS if motion.has(*definition.points))


@dataclass(frozen=True, eq=False)
class Arms:
    """The two arms of each of A angles over T frames: the vectors that it is between, as the picture shows them."""

    definitions: tuple[Definition, ...]
    first: Doubles
    """(T, A, 2) square pixels, y down; NaN where one of its points is missing."""
    second: Doubles
    """(T, A, 2) likewise; (1, 0) where the definition has none."""

    @classmethod
    def of(cls, motion: Motion, values: Doubles | None = None) -> Arms:
        """The arms of `definitions(motion)`; or, with `values` (T, K, 2) in the points' place, their differences."""
        source = motion if values is None else motion.with_points(values)
        table = definitions(motion)
        names = sorted({name for definition in table for name in definition.points})
        place = {name: index for index, name in enumerate(names)}
        points = np.stack([source.place(name) for name in names], axis=1) if names else np.zeros((len(motion), 0, 2))
        tails, heads = ([place[definition.first[end]] for definition in table] for end in (0, 1))
        first = points[:, heads] - points[:, tails]
        second = np.broadcast_to(np.array([1.0, 0.0]), first.shape).copy()
        for column, definition in enumerate(table):
            if definition.second is not None:
                tail, head = definition.second
                second[:, column] = points[:, place[head]] - points[:, place[tail]]
        return cls(table, first, second)


def signs(table: tuple[Definition, ...], facings: Facings) -> Doubles:
    """(T, A) +1 or -1, by which x is multiplied so that it points where the person faces, or outwards."""
    way = outward(facings)
    return np.stack([way[definition.side] for definition in table], axis=1) if table else np.zeros((len(facings), 0))


def angles(motion: Motion, facings: Facings) -> Doubles:
    """(T, A) degrees of each of `definitions(motion)`, NaN where a point is missing or two coincide.

    Joints and segments are within [-180, 180), lines within (-90, 90]; segments are not unwrapped yet.

    Args:
        motion: in square pixels, level with the floor.
        facings: (T,) where the person faces.
    """
    arms = Arms.of(motion)
    sign = signs(arms.definitions, facings)
    first = _direction(arms.first, sign)
    second = np.where([definition.second is None for definition in arms.definitions], 0, _direction(arms.second, sign))
    factor = np.array([definition.factor for definition in arms.definitions])
    offset = np.array([definition.offset for definition in arms.definitions])
    degrees = np.degrees(first - second) * factor + offset
    line = np.array([definition.kind == "line" for definition in arms.definitions])
    half: Doubles = np.where(line, 90 - (90 - degrees) % 180, (degrees + 180) % 360 - 180)
    return half


def velocities(motion: Motion, degrees: Doubles, velocity: Doubles, facings: Facings) -> Doubles:
    """(T, A) degrees a second, at true intervals: by the angles of the frames before and after.

    On noisy points this is nearer to the truth than the points' own velocities are (12 against 13 degrees/s RMS on the
    seeded squat of docs/sports.md, 103 against 130 on the sprint), which stand in where both neighbours are missing.

    Args:
        motion: in square pixels, level with the floor.
        degrees: (T, A) as `angles` gives them; jumps by whole turns do not matter.
        velocity: (T, K, 2) px/s, as level.
        facings: (T,) where the person faces.
    """
    own = rates_by_points(motion, velocity, facings)
    if len(motion) < 2:
        return own
    half = np.array([90 if definition.kind == "line" else 180 for definition in definitions(motion)])
    seconds = np.diff(motion.times)[:, None]
    rates = ((np.diff(degrees, axis=0) + half) % (2 * half) - half) / seconds
    rates[np.diff(facings) != 0] = np.nan  # angles of two views are not to be compared
    nothing = np.full((1, rates.shape[1]), np.nan)
    before, after = np.concatenate([nothing, rates]), np.concatenate([rates, nothing])
    since, until = np.concatenate([[[np.nan]], seconds]), np.concatenate([seconds, [[np.nan]]])
    middle = (before * until + after * since) / (since + until)
    beside = np.where(np.isfinite(before), before, after)
    return np.where(np.isfinite(middle), middle, np.where(np.isfinite(beside), beside, own))


def rates_by_points(motion: Motion, velocity: Doubles, facings: Facings) -> Doubles:
    """(T, A) degrees a second, by how fast the points move."""
    arms, change = Arms.of(motion), Arms.of(motion, velocity)
    sign = signs(arms.definitions, facings)
    moving = np.array([definition.second is not None for definition in arms.definitions])
    turn = _turning(arms.first, change.first) - np.where(moving, _turning(arms.second, change.second), 0)
    factor = np.array([definition.factor for definition in arms.definitions])
    result: Doubles = np.degrees(turn) * factor * sign
    return result


def unwrapped(times: Doubles, degrees: Doubles, facings: Facings, max_gap: float) -> Doubles:
    """(T, A) segment directions without jumps: each value within half a turn of the one before.

    Where there is none for longer than `max_gap` seconds, nobody knows the turns, and where the person faces another
    way the frame is another: counting begins anew, within [-180, 180).

    Args:
        times: (T,) seconds.
        degrees: (T, A) within [-180, 180); NaN where missing.
        facings: (T,).
        max_gap: seconds, as in `smoothing`.
    """
    result = degrees.copy()
    step = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    for column in range(degrees.shape[1]):
        known = np.flatnonzero(np.isfinite(degrees[:, column]))
        if len(known) < 2:
            continue
        turns = np.cumsum(np.r_[0, -np.round(np.diff(degrees[known, column]) / 360)])
        anew = np.diff(times[known]) > max_gap + step + 1e-6
        anew |= facings[known][1:] != facings[known][:-1]
        start = np.maximum.accumulate(np.where(np.r_[True, anew], np.arange(len(known)), 0))
        result[known, column] += 360 * (turns - turns[start])
    return result


def _direction(arm: Doubles, sign: Doubles) -> Doubles:
    """(T, A) radians, from x towards y, of vectors whose x is multiplied by `sign`; NaN for a vector of no length."""
    x, y = arm[:, :, 0] * sign, arm[:, :, 1]
    return np.where((x == 0) & (y == 0), np.nan, np.arctan2(y, x))


def _turning(arm: Doubles, change: Doubles) -> Doubles:
    """(T, A) radians a second by which vectors turn, whose ends move apart by `change` a second."""
    squared = (arm**2).sum(axis=2)
    across = arm[:, :, 0] * change[:, :, 1] - arm[:, :, 1] * change[:, :, 0]
    return across / np.where(squared > 0, squared, np.nan)
