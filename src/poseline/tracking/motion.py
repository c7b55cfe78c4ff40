"""Where each tracked box is going: a constant-velocity Kalman filter, for all tracks at once.

The four coordinates (centre x, centre y, width, height) are filtered independently, each with the state
(position, velocity), so a covariance is a symmetric 2x2 matrix, kept as its three entries, and every step is closed
form. Noise is in units of the box's height and of seconds, so the filter does the same at every picture size and
every frame rate. White-noise acceleration model: Bar-Shalom, Li and Kirubarajan, "Estimation with Applications to
Tracking and Navigation" (2001), section 6.2.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from poseline.pose import Floats

Doubles: TypeAlias = NDArray[np.float64]

COAST = 0.5
"""Seconds for which an unseen person is expected to go on moving; later they are looked for where that led."""


def _of_height(*shares: float) -> Doubles:
    """(4, 4) by which `centres.dot` gives each box's height times `shares`: a broadcast product takes twice as long."""
    return np.vstack((np.zeros((3, 4)), shares))


_MEASURED = _of_height(0.03, 0.03, 0.04, 0.04)
"""Standard deviation of a detector's centre x, centre y, width and height, in box heights."""
_WRONG = np.array([[0.0, 0, 0, 0], [0, 0, 0, 0], [1, 0, 2, 0], [0, 1, 0, 2]])
"""How much centre x, centre y, width and height (columns) are wrong by what width and height (rows) differ from what
is expected, by how often that is taken: twice, since a box stays cut off for many frames, which would otherwise be
believed as independent ones."""
_START_SPEED = _of_height(1.5, 1.0, 0.5, 0.5)
"""Standard deviation of a new person's velocity, in box heights per second; walking is about 0.8."""
_JERKINESS = _of_height(1.5, 1.5, 0.7, 0.7)
"""How much velocity wanders in one second, in box heights per second (the root of the acceleration's density)."""
_FIRST, _SECOND = np.array([0, 1, 0, 0, 1]), np.array([2, 2, 0, 1, 1])
"""Whose product each of position, velocity and their three covariances loses."""
_LEAST = np.array([-np.inf, -np.inf, 1, 1])
_TO_CENTRES = np.array([[0.5, 0, -1, 0], [0, 0.5, 0, -1], [0.5, 0, 1, 0], [0, 0.5, 0, 1]])
_TO_CORNERS = np.array([[1, 0, 1, 0], [0, 1, 0, 1], [-0.5, 0, 0.5, 0], [0, -0.5, 0, 0.5]])
"""By rows x1 y1 x2 y2, and centre and size: how much each adds to each of the others."""


def to_centres(boxes: Floats) -> Doubles:
    """(N, 4) corners x1 y1 x2 y2 to (N, 4) float64 centre x, centre y, width, height."""
    centres: Doubles = boxes.astype(np.float64).dot(_TO_CENTRES)
    return centres


def to_corners(centres: Doubles) -> Floats:
    """(N, 4) centre x, centre y, width, height to (N, 4) float32 corners x1 y1 x2 y2."""
    corners: Floats = centres.dot(_TO_CORNERS).astype(np.float32)
    return corners


class Motion:
    """The filtered boxes of T tracks: centre x, centre y, width, height; pixels and seconds."""

    def __init__(self) -> None:
        self._belief: Doubles = np.zeros((6, 0, 4))
        """Position, velocity, the covariance of position, of both, and of velocity, and how much velocity wanders."""

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
        centres, nothing = _sized(centres.copy()), np.zeros_like(centres)
        variance, of_velocity = centres.dot(_MEASURED) ** 2, centres.dot(_START_SPEED) ** 2
        belief = np.stack((centres, nothing, variance, nothing, of_velocity, nothing))
        self._belief = np.concatenate((self._belief, belief), axis=1)

    def keep(self, rows: Sequence[int]) -> None:
        """Drop all tracks but these."""
        self._belief = self._belief.take(rows, axis=1)

    def predict(self, seconds: float, unseen: Doubles | None) -> Doubles:
        """Let `seconds` pass, and return how far the centres go, (T, 2) pixels.

        Args:
            seconds: how long, not negative; two short steps come to the same as one long one.
            unseen: (T,) seconds since each track was last seen, before this step; None where all were seen just then.
        """
        belief = self._belief
        position, velocity, wandering = belief[0], belief[1], belief[5]
        if unseen is None:
            moved = velocity * min(COAST, seconds)
        else:
            moved = velocity * np.minimum(np.maximum(COAST - unseen, 0), seconds)[:, None]
        position += moved
        _sized(position)  # a shrinking box stays a box
        position.dot(_JERKINESS, out=wandering)
        wandering *= wandering
        spread = _passing(round(seconds, 9)).dot(belief[2:].reshape(4, -1))
        belief[2:5] = spread.reshape(3, -1, 4)
        centres: Doubles = moved[:, :2]
        return centres

    def update(self, tracks: NDArray[np.intp], centres: Doubles) -> None:
        """Correct `tracks` (M indices, rising) by where they were seen, (M, 4).

        A box of another size than expected is cut off, by the picture's edge or by whoever stands before it, or holds
        two persons: its size is wrong by the difference, and its centre by half of it, and so they count for less.

        With u = (covariance of position, of position and velocity, expected - seen position) and s the variance of
        what is seen, every part of the belief loses one of the products u u / s.
        """
        belief = self._belief.take(tracks, axis=1)
        difference = belief[0] - centres
        variance, wrong = centres.dot(_MEASURED), difference.dot(_WRONG)
        variance *= variance
        wrong *= wrong
        variance += wrong
        variance += belief[2]
        factors = np.concatenate((belief[2:4], difference[None]))
        believed = belief[:5]
        believed -= factors.take(_FIRST, axis=0) * (factors / variance).take(_SECOND, axis=0)
        if len(tracks) == len(self):
            self._belief = belief
        else:
            self._belief[:, tracks] = belief


@lru_cache(maxsize=64)  # the steps of a video are all the same, but for the last digits of its times
def _passing(seconds: float) -> Doubles:
    """(3, 4) how a covariance spreads in `seconds`, and how much the wandering of velocity adds."""
    return np.array([
        [1, 2 * seconds, seconds**2, seconds**3 / 3], [0, 1, seconds, seconds**2 / 2], [0, 0, 1, seconds],
    ])  # fmt: skip


def _sized(centres: Doubles) -> Doubles:
    """The same (N, 4) centres, in place, with a width and height of at least a pixel, so that noise never vanishes."""
    sized: Doubles = np.maximum(centres, _LEAST, out=centres)
    return sized
