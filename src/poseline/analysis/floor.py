"""The floor's slope in the picture, by where the feet of somebody who walks across it rest.

Footprints of a level floor lie on a level line, but for two things: a camera that is turned about its axis, which is
asked for, and distance, for feet nearer to the camera are lower in the picture. How large the person appears tells the
distance, and feet sink in proportion to it; so the height of footprints is fitted by their place across, by the size of
the person, and by which foot it is, and the slope across is the camera's roll.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from poseline.analysis.feet import Footprint
from poseline.analysis.motion import Doubles

_WIDE = 0.6
"""Statures across that footprints must span; standing on a spot says nothing of the floor."""
_FEWEST = 4
_GROWS = 0.03
"""Share by which a person's size must change for distance to matter."""
_SURE = 0.6
"""Degrees of standard error above which a slope is not told."""
_PERSPECTIVE = 0.3
"""Degrees, of a slope however many the footprints: a path that seems straight across seldom quite is."""


@dataclass(frozen=True)
class Floor:
    """The slope of the floor in the picture."""

    degrees: float
    """By which the floor rises to the picture's right; 0 where it is not known."""
    sigma: float
    """Standard error in degrees; NaN where it was set, inf where it is not known."""
    footprints: int
    """That it rests on; 0 where it was set or is not known."""

    @property
    def known(self) -> bool:
        """Whether it was set or found."""
        return bool(self.sigma != np.inf)


UNKNOWN = Floor(0.0, float("inf"), 0)


def floor(footprints: Sequence[Footprint]) -> Floor:
    """The floor's slope by one person's footprints, or `UNKNOWN` where they do not tell it."""
    if len(footprints) < _FEWEST:
        return UNKNOWN
    x, y, size = (np.array([getattr(print_, name) for print_ in footprints]) for name in ("x", "y", "stature"))
    if not np.isfinite(size).all() or np.ptp(x) < _WIDE * np.median(size):
        return UNKNOWN
    columns = [np.ones(len(x)), x]
    if np.ptp(size) > _GROWS * np.median(size):
        columns.append(size)
    sides = np.array([footprint.side == "left" for footprint in footprints], float)
    if len(x) > len(columns) + 3 and 0 < sides.sum() < len(x):
        columns.append(sides)
    slope, error = _fit(np.stack(columns, axis=1), y)
    degrees, sigma = -np.degrees(np.arctan(slope)), float(np.degrees(error))
    if not sigma <= _SURE:
        return UNKNOWN
    return Floor(float(degrees), float(np.hypot(sigma, _PERSPECTIVE)), len(x))


def together(floors: Sequence[Floor]) -> Floor:
    """One slope of what several people's footprints say, weighed by how sure each is."""
    known = [each for each in floors if each.footprints]
    if not known:
        return UNKNOWN
    weights = np.array([1 / each.sigma**2 for each in known])
    degrees = float((weights * [each.degrees for each in known]).sum() / weights.sum())
    return Floor(degrees, float(weights.sum() ** -0.5), sum(each.footprints for each in known))


def levelled(points: Doubles, degrees: float, centre: tuple[float, float] = (0.0, 0.0)) -> Doubles:
    """Points (..., 2), y down, turned about `centre` so that a floor rising by `degrees` to the right is level.

    Velocities are turned by the same function, about the origin.
    """
    if degrees == 0:
        return points
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    result: Doubles = (points - centre) @ turn + centre
    return result


def _fit(columns: Doubles, values: Doubles) -> tuple[float, float]:
    """Coefficient of the second column and its standard error, by a regression that outliers hardly move."""
    weight = np.ones(len(values))
    for _ in range(10):
        scaled = columns * weight[:, None]
        answer = np.linalg.lstsq(scaled, values * weight, rcond=None)[0]
        left = values - columns @ answer
        usual = 1.4826 * np.median(np.abs(left)) + 1e-6
        weight = 1 / np.sqrt(1 + (left / (2 * usual)) ** 2)
    spare = max(1, len(values) - columns.shape[1])
    spread = ((weight * left) ** 2).sum() / spare * np.linalg.pinv(scaled.T @ scaled)[1, 1]
    return float(answer[1]), float(np.sqrt(spread))
