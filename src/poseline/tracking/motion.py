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
    """The filtered boxes of T tracks: centre x, centre y, width, height; pixels and seconds."""

    def __init__(self) -> None:
        self._state: Doubles = np.zeros((2, 0, 4))  # position, velocity
        self._covariance: Doubles = np.zeros((3, 0, 4))  # of position, of both, of velocity

    def __len__(self) -> int:
        return int(self._state.shape[1])

    @property
    def position(self) -> Doubles:
        """(T, 4) where the boxes are believed to be now; a view."""
        position: Doubles = self._state[0]
        return position

    @property
    def velocity(self) -> Doubles:
        """(T, 4) a second; a view."""
        velocity: Doubles = self._state[1]
        return velocity

    def boxes(self) -> Floats:
        """(T, 4) float32 corners of the boxes as they are believed to be now."""
        return to_corners(self.position)

    def start(self, centres: Doubles) -> None:
        """Append one track for each row of `centres`, standing still as far as is known."""
        height, nothing = _heights(centres), np.zeros_like(centres)
        covariance = ((height * _MEASURED) ** 2, nothing, (height * _START_SPEED) ** 2)
        self._state = np.concatenate((self._state, np.stack((centres, nothing))), axis=1)
        self._covariance = np.concatenate((self._covariance, np.stack(covariance)), axis=1)

    def keep(self, chosen: NDArray[np.bool_]) -> None:
        """Drop the tracks that the (T,) mask does not choose."""
        self._state, self._covariance = self._state[:, chosen], self._covariance[:, chosen]

    def predict(self, seconds: float, unseen: Doubles) -> Doubles:
        """Let `seconds` pass, and return how far the centres go, (T, 2) pixels.

        Args:
            seconds: how long, not negative; two short steps come to the same as one long one.
            unseen: (T,) seconds since each track was last seen, before this step.
        """
        moved = self.velocity * np.clip(COAST - unseen, 0, seconds)[:, None]
        position = self.position
        position += moved
        np.maximum(position[:, 2:], 1.0, out=position[:, 2:])  # a shrinking box stays a box
        spreading = np.array([[1, 2 * seconds, seconds**2], [0, 1, seconds], [0, 0, 1]])
        wandering = np.array([seconds**3 / 3, seconds**2 / 2, seconds])
        density = (_heights(position) * _JERKINESS) ** 2
        flat = spreading @ self._covariance.reshape(3, -1) + np.outer(wandering, density)
        self._covariance = flat.reshape(self._covariance.shape)
        return moved[:, :2]

    def update(self, tracks: NDArray[np.intp], centres: Doubles) -> None:
        """Correct `tracks` (M indices) by where they were seen, (M, 4)."""
        covariance = self._covariance[:, tracks]
        gain = covariance[:2] / (covariance[0] + (_heights(centres) * _MEASURED) ** 2)
        self._state[:, tracks] += gain * (centres - self._state[0, tracks])
        self._covariance[:, tracks] = covariance - gain[[0, 0, 1]] * covariance[[0, 1, 1]]


def _heights(centres: Doubles) -> Doubles:
    """(N, 1) heights, at least a pixel, so that noise never vanishes."""
    return np.maximum(centres[:, 3:4], 1.0)
