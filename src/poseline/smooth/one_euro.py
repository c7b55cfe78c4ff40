"""One-Euro filter for every keypoint of every person at once, in units of the person's own size and of seconds.

A low-pass filter whose cut-off frequency grows with speed (Casiez, Roussel and Vogel, CHI 2012): whoever stands still
is calm, whoever moves is not late. Speed is in body sizes a second (a body's size is the root of its box's area), so
that the same constants hold for people near and far and for every size of picture: constants in pixels cost those who
are small in the picture tens of milliseconds. Speeds below `rest` count as none: a model's noise looks like one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from poseline.pose import UNTRACKED, Poses
from poseline.settings import SmoothingSettings

_GAP = 0.25
"""Seconds without a person after which they begin anew: they may have gone anywhere."""
_LEAST_SIZE = 8.0
"""Pixels; smaller boxes count as this large."""

Doubles = NDArray[np.float64]


class OneEuro:
    """The filter, with its memory of everybody who was there a moment ago, by their ids.

    A person is K keypoints and two corners of a box: P = K + 2 points.
    """

    def __init__(self, settings: SmoothingSettings) -> None:
        self._settings = settings
        self._ids = np.zeros(0, np.int64)  # ascending
        self._times: Doubles = np.zeros(0)
        self._points: Doubles = np.zeros((0, 0, 2))
        """(N, P, 2) as they were given last."""
        self._speeds: Doubles = np.zeros((0, 0, 2))
        """(N, P, 2) body sizes a second."""

    def forget(self) -> None:
        """Begin anew with everybody."""
        self._ids = self._ids[:0]

    def update(self, poses: Poses, time: float) -> Poses:
        """The same persons with calm keypoints and boxes; those without an id as they are. Confidences stay.

        Args:
            poses: of one frame, in pixels.
            time: of the frame, in seconds.
        """
        rows = np.flatnonzero(poses.ids != UNTRACKED)
        rows = rows[np.argsort(poses.ids[rows])]
        ids, boxes = poses.ids[rows], poses.boxes[rows]
        points = np.concatenate((poses.keypoints[rows, :, :2], boxes.reshape(-1, 2, 2)), axis=1, dtype=np.float64)
        speeds = np.zeros_like(points)
        old, new = self._known(ids, time)
        if old.size:
            sizes = np.sqrt(np.maximum(boxes[new, 2:] - boxes[new, :2], 0).prod(axis=1, dtype=np.float64))
            passed = time - self._times[old]
            points[new], speeds[new] = self._filtered(points[new], old, passed, np.maximum(sizes, _LEAST_SIZE))
        self._remember(ids, points, speeds, time)
        return _replaced(poses, rows, points)

    def _known(self, ids: NDArray[np.int64], time: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Who of `ids` was there a moment ago: rows of the memory, and of `ids`."""
        _, old, new = np.intersect1d(self._ids, ids, assume_unique=True, return_indices=True)
        passed = time - self._times[old]
        recent = (passed > 0) & (passed <= _GAP)
        return old[recent], new[recent]

    def _filtered(
        self, points: Doubles, old: NDArray[np.intp], passed: Doubles, sizes: Doubles
    ) -> tuple[Doubles, Doubles]:
        """The next state of those in the rows `old`; `passed` seconds ago is theirs, `sizes` are in pixels."""
        constants, seconds, size = self._settings, passed[:, None, None], sizes[:, None, None]
        before, speeds = self._points[old], self._speeds[old]
        with np.errstate(invalid="ignore", over="ignore"):  # of points that are not finite
            moved = points - before
            speeds = speeds + _share(constants.d_cutoff, seconds) * (moved / size / seconds - speeds)
            moving = np.maximum(np.linalg.norm(speeds, axis=2, keepdims=True) - constants.rest, 0)
            calm = before + _share(constants.min_cutoff + constants.beta * moving, seconds) * moved
        known = np.isfinite(calm).all(axis=2, keepdims=True)
        return np.where(known, calm, points), np.where(known, speeds, 0.0)

    def _remember(self, ids: NDArray[np.int64], points: Doubles, speeds: Doubles, time: float) -> None:
        """Keep who is here, and who was a moment ago."""
        passed = time - self._times[: len(self._ids)]
        gone = np.flatnonzero(~np.isin(self._ids, ids) & (passed >= 0) & (passed <= _GAP))
        if not gone.size:
            self._ids, self._times, self._points, self._speeds = ids, np.full(len(ids), time), points, speeds
            return
        together = np.concatenate((self._ids[gone], ids))
        order = np.argsort(together)
        self._ids = together[order]
        self._times = np.concatenate((self._times[gone], np.full(len(ids), time)))[order]
        self._points = np.concatenate((self._points[gone], points))[order]
        self._speeds = np.concatenate((self._speeds[gone], speeds))[order]


def _share(cutoff: Doubles | float, seconds: Doubles) -> Doubles:
    """How much of the new value a low-pass filter takes, 0..1."""
    angle = 2 * np.pi * cutoff * seconds
    share: Doubles = angle / (1 + angle)
    return share


def _replaced(poses: Poses, rows: NDArray[np.intp], points: Doubles) -> Poses:
    """The poses with other points in some rows."""
    keypoints, boxes = poses.keypoints.copy(), poses.boxes.copy()
    keypoints[rows, :, :2] = points[:, :-2]
    boxes[rows] = points[:, -2:].reshape(-1, 4)
    return Poses(boxes, poses.scores, keypoints, poses.classes, poses.ids)
