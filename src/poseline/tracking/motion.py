"""Where each tracked box is going: a constant-velocity Kalman filter, for all tracks at once.

The four coordinates (centre x, centre y, width, height) are filtered independently, each with the state
(position, velocity), so a covariance is a symmetric 2x2 matrix, kept as its three entries, and every step is closed
form. Noise is in units of the box's height and of seconds, so the filter does the same at every picture size and
every frame rate. White-noise acceleration model: Bar-Shalom, Li and Kirubarajan, "Estimation with Applications to
Tracking and Navigation" (2001), section 6.2.2.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from poseline.pose import Floats

Doubles: TypeAlias = NDArray[np.float64]

COAST = 0.5
"""Seconds for which an unseen person is expected to go on moving; later they are looked for where that led."""

_MEASURED = np.array([0.03, 0.03, 0.04, 0.04])
"""Standard deviation of a detector's centre x, centre y, width and height, in box heights."""
_START_SPEED = np.array([1.5, 1.0, 0.5, 0.5])
"""Standard deviation of a new person's velocity, in box heights per second; walking is about 0.8."""
_JERKINESS = np.array([1.5, 1.5, 0.7, 0.7])
"""How much velocity wanders in one second, in box heights per second (the root of the acceleration's density)."""


def to_centres(boxes: Floats) -> Doubles:
    """(N, 4) corners x1 y1 x2 y2 to (N, 4) float64 centre x, centre y, width, height."""
    corners = boxes.astype(np.float64)
    low, high = corners[:, :2], corners[:, 2:]
    return np.concatenate(((low + high) / 2, high - low), axis=1)


def to_corners(centres: Doubles) -> Floats:
    """(N, 4) centre x, centre y, width, height to (N, 4) float32 corners x1 y1 x2 y2."""
    middle, half = centres[:, :2], centres[:, 2:] / 2
    return np.concatenate((middle - half, middle + half), axis=1).astype(np.float32)


class Motion:
    """The filtered boxes of T tracks. All arrays are (T, 4): centre x, centre y, width, height; pixels and seconds."""

    def __init__(self) -> None:
        self.position: Doubles = np.zeros((0, 4))
        self.velocity: Doubles = np.zeros((0, 4))
        self._pp: Doubles = np.zeros((0, 4))  # variance of position
        self._pv: Doubles = np.zeros((0, 4))  # covariance of position and velocity
        self._vv: Doubles = np.zeros((0, 4))  # variance of velocity

    def __len__(self) -> int:
        return len(self.position)

    def boxes(self) -> Floats:
        """(T, 4) float32 corners of the boxes as they are believed to be now."""
        return to_corners(self.position)

    def start(self, centres: Doubles) -> None:
        """Append one track for each row of `centres`, standing still as far as is known."""
        height = _heights(centres)
        added = (
            centres,
            np.zeros_like(centres),
            (height * _MEASURED) ** 2,
            np.zeros_like(centres),
            (height * _START_SPEED) ** 2,
        )
        self._set(*(np.concatenate(pair) for pair in zip(self._all(), added, strict=True)))

    def keep(self, chosen: NDArray[np.bool_]) -> None:
        """Drop the tracks that the (T,) mask does not choose."""
        self._set(*(values[chosen] for values in self._all()))

    def predict(self, seconds: float, unseen: Doubles) -> None:
        """Let `seconds` pass.

        Args:
            seconds: how long, not negative; two short steps come to the same as one long one.
            unseen: (T,) seconds since each track was last seen, before this step.
        """
        moving = np.minimum(unseen + seconds, COAST) - np.minimum(unseen, COAST)
        self.position = self.position + self.velocity * moving[:, None]
        self.position[:, 2:] = np.maximum(self.position[:, 2:], 1.0)  # a shrinking box stays a box
        density = (_heights(self.position) * _JERKINESS) ** 2
        self._pp = self._pp + 2 * seconds * self._pv + seconds**2 * self._vv + density * seconds**3 / 3
        self._pv = self._pv + seconds * self._vv + density * seconds**2 / 2
        self._vv = self._vv + density * seconds

    def update(self, tracks: NDArray[np.intp], centres: Doubles) -> None:
        """Correct `tracks` (M indices) by where they were seen, (M, 4)."""
        pp, pv, vv = self._pp[tracks], self._pv[tracks], self._vv[tracks]
        spread = pp + (_heights(centres) * _MEASURED) ** 2
        gain, speed_gain = pp / spread, pv / spread
        surprise = centres - self.position[tracks]
        self.position[tracks] += gain * surprise
        self.velocity[tracks] += speed_gain * surprise
        self._pp[tracks] = (1 - gain) * pp
        self._pv[tracks] = (1 - gain) * pv
        self._vv[tracks] = vv - speed_gain * pv

    def _all(self) -> tuple[Doubles, ...]:
        return self.position, self.velocity, self._pp, self._pv, self._vv

    def _set(self, *values: Doubles) -> None:
        self.position, self.velocity, self._pp, self._pv, self._vv = values


def _heights(centres: Doubles) -> Doubles:
    """(N, 1) heights, at least a pixel, so that noise never vanishes."""
    return np.maximum(centres[:, 3:4], 1.0)
