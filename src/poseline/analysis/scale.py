"""Metres: how many pixels one is at the person's distance, and where the person was on the floor.

One camera sees directions, not distances, so something must be known: the person's height, the pixels of a metre, or
two points whose distance is known. Metres are right at the distance from the camera that they were taken at. By height,
a person who comes nearer takes the scale along where it shows (they grow, and their feet sink, together); movement
towards the camera is not in the metres then, only movement across.

Metric frame: x to the right from the picture's middle, y up from the floor under the person.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from poseline.analysis.motion import Doubles, Motion, percentile
from poseline.analysis.size import ANKLE, rolling
from poseline.errors import SettingsError
from poseline.short_repr import short_repr

_NEARER = 1.08
"""Ratio of a person's largest size to their smallest from which they are taken to come nearer or go away ..."""
_SINKS = 0.3
"""... if their feet sink by so many torsos meanwhile ..."""
_TOGETHER = 0.9
"""... and the two go together with such a correlation."""
_BUILD = 0.02
"""Relative standard uncertainty of a height's scale: people's proportions differ."""
_SCALES = 0.01, 1e6
"""Pixels of a metre, from a valley to what a microscope sees."""
_CLICK = 1.0
"""Standard uncertainty in pixels of a point that somebody marks."""


@dataclass(frozen=True)
class Known:
    """What is known of lengths; at most one of the three."""

    height: float | None = None
    """Of the person, in metres."""
    px_per_m: float | None = None
    """Square pixels of a metre at the person's distance."""
    points: tuple[float, float, float, float, float] | None = None
    """x1, y1, x2, y2 in pixels of the picture, and the metres between the two points."""

    def __post_init__(self) -> None:
        given = [value for value in (self.height, self.px_per_m, self.points) if value is not None]
        if len(given) > 1:
            raise SettingsError("scale: give the height, the pixels of a metre or two points, not several of them")
        if self.height is not None and not 0.3 < self.height < 3:
            raise SettingsError(f"scale: a height is in metres, such as 1.75, got {self.height:g}")
        if self.px_per_m is not None:
            _check_scale(self.px_per_m)
        if self.points is not None:
            x1, y1, x2, y2, metres = self.points
            apart = np.hypot(x2 - x1, y2 - y1)
            if not (np.isfinite(self.points).all() and metres > 0 and apart > 1):
                raise SettingsError("scale: two points more than a pixel apart, and a distance above 0 m, are needed")
            _check_scale(apart / metres)

    @property
    def anything(self) -> bool:
        """Whether one of the three is known."""
        return self != Known()


def _check_scale(px_per_m: float) -> None:
    least, most = _SCALES
    if not least <= px_per_m <= most:
        raise SettingsError(f"scale: a metre has {least:g} to {most:g} pixels, got {px_per_m:g}")


@dataclass(frozen=True, eq=False)
class Scale:
    """Pixels of a metre, and where the floor is."""

    px_per_m: Doubles
    """(T,) square pixels."""
    floor: Doubles
    """(T,) y of the floor under the person, in square pixels of the level picture."""
    centre: float
    """x of the picture's middle, in square pixels."""
    source: Literal["height", "px_per_m", "points"]
    sigma: float
    """Relative standard uncertainty of `px_per_m`, at the distance that it was taken at."""
    varies: bool
    """Whether it follows a person who comes nearer or goes away."""
    drift: float
    """Share by which the person's size changes though the scale stays: metres are off by as much; else 0."""

    __repr__ = short_repr

    def metres(self, points: Doubles) -> Doubles:
        """(T, K, 2) x right, y up, of points in square pixels of the level picture, y down."""
        away = np.stack([points[..., 0] - self.centre, self.floor[:, None] - points[..., 1]], axis=-1)
        result: Doubles = away / self.px_per_m[:, None, None]
        return result

    def speeds(self, times: Doubles, points: Doubles, velocity: Doubles) -> Doubles:
        """(T, K, 2) m/s, x right, y up, of points and velocities in square pixels of the level picture, y down."""
        up = np.array([1.0, -1.0])
        if not self.varies:
            still: Doubles = velocity * up / self.px_per_m[:, None, None]
            return still
        growth = np.gradient(np.log(self.px_per_m), times)[:, None, None]
        sinking = np.stack([np.zeros(len(times)), -np.gradient(self.floor, times)], axis=-1)[:, None]
        result: Doubles = (velocity * up - sinking) / self.px_per_m[:, None, None] - self.metres(points) * growth
        return result


def approach(motion: Motion, sizes: Doubles) -> Doubles | None:
    """(T,) the stature in pixels of somebody who comes nearer or goes away, by how far their feet sink; None: do not.

    Of a camera at rest above a level floor, size is a linear function of the height of the feet in the picture.

    Args:
        motion: smoothed, in square pixels, level with the floor.
        sizes: (T,) how tall they appear at each time, in square pixels.
    """
    ground = _ground(motion)
    if not (np.isfinite(sizes).all() and np.isfinite(ground).all()) or len(sizes) < 2:
        return None
    low, high = np.percentile(sizes, [5, 95])
    sunk = np.ptp(np.percentile(ground, [5, 95]))
    if high < _NEARER * low or sunk < _SINKS * motion.torso or np.corrcoef(ground, sizes)[0, 1] < _TOGETHER:
        return None
    slope, start = np.polyfit(ground, sizes, 1)
    result: Doubles = np.clip(start + slope * ground, 0.5 * low, 1.5 * high)
    return result


def scale(motion: Motion, known: Known, size: float, nearer: Doubles | None, pixel_aspect: float = 1.0) -> Scale | None:
    """The scale of a motion; None where nothing is known, or the person is not seen well enough to take their height.

    Args:
        motion: smoothed, in square pixels, level with the floor.
        known: what is known.
        size: how tall the person is in square pixels, NaN where it could not be told.
        nearer: what `approach` says.
        pixel_aspect: of the picture in which `known.points` were marked.
    """
    level = percentile(_lower_ankle(motion), 75)
    count = len(motion)
    drift = float(np.ptp(nearer) / np.median(nearer)) if nearer is not None else 0.0
    if known.height is not None:
        if not size > 0:
            return None
        tall = np.full(count, size) if nearer is None else nearer
        floor = (np.full(count, level) if nearer is None else _ground(motion)) + ANKLE * tall
        return Scale(tall / known.height, floor, motion.width / 2, "height", _BUILD, nearer is not None, 0.0)
    if known.px_per_m is not None:
        pixels, sigma, source = known.px_per_m, 0.0, "px_per_m"
    elif known.points is not None:
        x1, y1, x2, y2, metres = known.points
        apart = float(np.hypot((x2 - x1) * pixel_aspect, y2 - y1))
        pixels, sigma, source = apart / metres, _CLICK * 2**0.5 / apart, "points"
    else:
        return None
    floor = np.full(count, level + ANKLE * np.nan_to_num(size))
    kind: Literal["px_per_m", "points"] = "px_per_m" if source == "px_per_m" else "points"
    return Scale(np.full(count, pixels), floor, motion.width / 2, kind, sigma, False, drift)


def _lower_ankle(motion: Motion) -> Doubles:
    """(T,) y of the lower ankle, NaN where neither is seen; of the picture's edge without ankles."""
    if not motion.has("mid_ankle"):
        return np.full(len(motion), float(motion.height))
    return np.fmax(motion.place("left_ankle")[:, 1], motion.place("right_ankle")[:, 1])


def _ground(motion: Motion) -> Doubles:
    """(T,) y on which the ankles come down at about each time."""
    return rolling(motion.times, _lower_ankle(motion), 75, 1.0)
