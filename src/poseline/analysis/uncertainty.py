"""How sure an angle is: what the points' noise makes of it, and whether it can be seen from where the camera stands.

Two different things. `sigma` is how far an angle may jitter: the variance that smoothing leaves in its points, carried
to the angle to first order. It knows nothing of a bias that lasts, such as a network that always puts a hip too high;
`bias` adds what is known of that. `foreshortening` is about projection: a segment that looks shorter than it can points
towards the camera or away from it, and the angle seen is then not the angle that is (for a thigh that is 30 degrees out
of the picture's plane, by up to 8 degrees; at 60, by up to 30).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from poseline.analysis.angles import Arms
from poseline.analysis.motion import Bools, Doubles, Motion, percentile
from poseline.short_repr import short_repr

OUT_OF_PLANE = 30.0
"""Degrees that a segment may point out of the picture's plane before its angles are warned of."""
_LONGEST = 75.0
"""Percentile of a segment's projected lengths that is taken for its length; more would be the network's errors."""


def sigma(motion: Motion, variance: Doubles, bias: float = 0.0) -> Doubles:
    """(T, A) standard deviation in degrees of each angle of `definitions(motion)`.

    Args:
        motion: in square pixels.
        variance: (T, K) px², of a point along one axis.
        bias: standard deviation along one axis, in torsos, that every point has besides, such as 0.08 of a network
            that is off by 0.1 torsos on average.
    """
    arms = Arms.of(motion)
    first, second = _shares(motion, arms)
    whole = np.where(np.isfinite(variance), variance + (bias * motion.torso) ** 2, 0)  # an angle without is NaN anyway
    long, wide = (arms.first**2).sum(axis=2), (arms.second**2).sum(axis=2)
    long, wide = np.where(long > 0, long, np.nan), np.where(wide > 0, wide, np.nan)
    along = (arms.first * arms.second).sum(axis=2)
    spread = whole @ (first**2).T / long + whole @ (second**2).T / wide
    spread -= 2 * (whole @ (first * second).T) * along / (long * wide)
    result: Doubles = np.degrees(np.sqrt(np.maximum(spread, 0)))
    return result


@dataclass(frozen=True, eq=False)
class Plane:
    """How far the arms of each angle point out of the picture's plane."""

    tilt: Doubles
    """(T, A) degrees by which the more foreshortened of an angle's two arms points out of the plane; NaN: not seen."""
    share: Doubles
    """(A,) share of the frames seen in which that is more than `OUT_OF_PLANE`; NaN: never seen."""

    __repr__ = short_repr

    @property
    def away(self) -> Bools:
        """(T, A) where an angle is to be warned of."""
        with np.errstate(invalid="ignore"):
            result: Bools = self.tilt > OUT_OF_PLANE
        return result


def foreshortening(motion: Motion, size: Doubles | None = None) -> Plane:
    """How far each angle's arms point out of the picture's plane, by their lengths against their own longest.

    A segment that never lies in the plane cannot be found out this way: its longest is too short.

    Args:
        motion: in square pixels, smoothed.
        size: (T,) how large the person appears at each time, in any unit, where that changes; None: always the same.
    """
    arms = Arms.of(motion)
    tilts = []
    for vectors, fixed in ((arms.first, False), (arms.second, True)):
        length = np.linalg.norm(vectors, axis=2) / (1 if size is None else size[:, None])
        longest = np.array([percentile(column, _LONGEST) for column in length.T])
        tilt = np.degrees(np.arccos(np.clip(length / np.where(longest > 0, longest, np.nan), 0, 1)))
        if fixed:
            tilt[:, [definition.second is None for definition in arms.definitions]] = 0
        tilts.append(tilt)
    tilt = np.maximum(*tilts)
    seen = np.isfinite(tilt)
    out = (np.where(seen, tilt, 0) > OUT_OF_PLANE).sum(axis=0)
    share = out / np.where(seen.any(axis=0), seen.sum(axis=0), np.nan)
    return Plane(tilt, share)


def _shares(motion: Motion, arms: Arms) -> tuple[Doubles, Doubles]:
    """(A, K) by how much each keypoint moves the first and the second arm of each angle."""
    first, second = (np.zeros((len(arms.definitions), len(motion.names))) for _ in range(2))
    for row, definition in enumerate(arms.definitions):
        for matrix, ends in ((first, definition.first), (second, definition.second)):
            for name, way in zip(ends or (), (-1, 1), strict=False):
                parts = list(motion.parts(name))
                matrix[row, parts] += way / len(parts)
    return first, second
