"""Where each tracked box is going: a constant-velocity Kalman filter, for all tracks at once.

The four coordinates (centre x, centre y, width, height) are filtered independently, each with the state
(position, velocity), so a covariance is a symmetric 2x2 matrix, kept as its three entries, and every step is closed
form. Noise is in units of the box's height and of seconds, so the filter does the same at every picture size and
every frame rate. White-noise acceleration model: Bar-Shalom, Li and Kirubarajan, "Estimation with Applications to
Tracking and Navigation" (2001), section 6.2.2.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from poseline.pose import Floats

Doubles: TypeAlias = NDArray[np.float64]

COAST = 0.5
"""Seconds for which an unseen person is expected to go on moving; later they are looked for where that led."""

_MEASURED = np.array([0.03, 0.03, 0.04, 0.04])
"""Standard deviation of a detector's centre x, centre y, width and height, in box heights."""
_SIZES, _WRONG = np.array([2, 3, 2, 3]), np.array([1.0, 1.0, 2.0, 2.0])
"""Whose difference from what is expected tells how wrong centre x, centre y, width and height are, and how often it is
taken: twice, since a box stays cut off for many frames, which would otherwise be believed as independent ones."""
_START_SPEED = np.array([1.5, 1.0, 0.5, 0.5])
"""Standard deviation of a new person's velocity, in box heights per second; walking is about 0.8."""
_JERKINESS = np.array([1.5, 1.5, 0.7, 0.7])
"""How much velocity wanders in one second, in box heights per second (the root of the acceleration's density)."""
_TO_CENTRES = np.array([[0.5, 0, -1, 0], [0, 0.5, 0, -1], [0.5, 0, 1, 0], [0, 0.5, 0, 1]])
_TO_CORNERS = np.array([[1, 0, 1, 0], [0, 1, 0, 1], [-0.5, 0, 0.5, 0], [0, -0.5, 0, 0.5]])
"""By rows x1 y1 x2 y2, and centre and size: how much each adds to each of the others."""


def to_centres(boxes: Floats) -> Doubles:
    """(N, 4) corners x1 y1 x2 y2 to (N, 4) float64 centre x, centre y, width, height."""
    centres: Doubles = boxes.astype(np.float64) @ _TO_CENTRES
    return centres


def to_corners(centres: Doubles) -> Floats:
    """(N, 4) centre x, centre y, width, height to (N, 4) float32 corners x1 y1 x2 y2."""
    corners: Floats = (centres @ _TO_CORNERS).astype(np.float32)
    return corners


class Motion:
    """The filtered boxes of T tracks: centre x, centre y, width, height; pixels and seconds."""

    def __init__(self) -> None:
        self._belief: Doubles = np.zeros((5, 0, 4))
        """Position, velocity, and the covariance of position, of both, and of velocity: one array, taken and put at
        once."""

    def __len__(self) -> int:
        return int(self._belief.shape[1])

    @property
    def position(self) -> Doubles:
        """(T, 4) where the boxes are believed to be now; a view."""
        position: Doubles = self._belief[0]
        return position

    @property
    def velocity(self) -> Doubles:
        """(T, 4) a second; a view."""
        velocity: Doubles = self._belief[1]
        return velocity

    def boxes(self) -> Floats:
        """(T, 4) float32 corners of the boxes as they are believed to be now."""
        return to_corners(self.position)

    def start(self, centres: Doubles) -> None:
        """Append one track for each row of `centres`, standing still as far as is known."""
        height, nothing = _heights(centres), np.zeros_like(centres)
        belief = np.stack((centres, nothing, (height * _MEASURED) ** 2, nothing, (height * _START_SPEED) ** 2))
        self._belief = np.concatenate((self._belief, belief), axis=1)

    def keep(self, chosen: NDArray[np.bool_]) -> None:
        """Drop the tracks that the (T,) mask does not choose."""
        self._belief = self._belief[:, chosen]

    def predict(self, seconds: float, unseen: Doubles) -> Doubles:
        """Let `seconds` pass, and return how far the centres go, (T, 2) pixels.

        Args:
            seconds: how long, not negative; two short steps come to the same as one long one.
            unseen: (T,) seconds since each track was last seen, before this step.
        """
        position, covariance = self._belief[0], self._belief[2:]
        moved = self.velocity * np.minimum(np.maximum(COAST - unseen, 0), seconds)[:, None]
        position += moved
        sizes = position[:, 2:]
        np.maximum(sizes, 1.0, out=sizes)  # a shrinking box stays a box
        density = (position[:, 3:] * _JERKINESS) ** 2
        spreading, wandering = _passing(seconds)
        spread = (spreading @ covariance.reshape(3, -1)).reshape(covariance.shape)
        np.add(spread, wandering * density, out=covariance)
        return moved[:, :2]

    def update(self, tracks: NDArray[np.intp], centres: Doubles) -> None:
        """Correct `tracks` (M indices) by where they were seen, (M, 4).

        A box of another size than expected is cut off, by the picture's edge or by whoever stands before it, or holds
        two persons: its size is wrong by the difference, and its centre by half of it, and so they count for less.
        """
        belief = self._belief.take(tracks, axis=1)
        state, covariance = belief[:2], belief[2:]
        to_position, to_velocity = covariance[:2]
        wrong = (centres - state[0]).take(_SIZES, axis=1) * _WRONG
        gain = covariance[:2] / (to_position + (_heights(centres) * _MEASURED) ** 2 + wrong**2)
        state += gain * (centres - state[0])
        covariance[2] -= gain[1] * to_velocity  # before the others, which it is told by
        covariance[:2] -= gain[0] * covariance[:2]
        self._belief[:, tracks] = belief


@lru_cache(maxsize=64)  # the steps of a video are all the same, but for the last digits of its times
def _passing(seconds: float) -> tuple[Doubles, Doubles]:
    """How a covariance spreads in `seconds`, (3, 3), and how much the wandering of velocity adds, (3, 1, 1)."""
    spreading = np.array([[1, 2 * seconds, seconds**2], [0, 1, seconds], [0, 0, 1]])
    wandering = np.array([seconds**3 / 3, seconds**2 / 2, seconds])
    return spreading, wandering[:, None, None]


def _heights(centres: Doubles) -> Doubles:
    """(N, 1) heights, at least a pixel, so that noise never vanishes."""
    return np.maximum(centres[:, 3:4], 1.0)
