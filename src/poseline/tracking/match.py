"""How alike a track and a detection are, and who is paired with whom."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from poseline.pose import Floats
from poseline.skeleton import oks
from poseline.tracking.motion import Doubles

Pairs: TypeAlias = tuple[NDArray[np.intp], NDArray[np.intp]]

SEEN = 0.5
"""Confidence above which a keypoint counts."""
_ENOUGH = 3
"""Keypoints that both sides must see before OKS has a say: fewer can lie together by chance."""
_REPEATED = 0.65
"""Likeness above which two detections of one frame are one person."""
_REACH = (0.25, 0.75, 1.5)
"""How far from its predicted place a person is looked for, in box heights: at once, more each second, at most."""
_GROWTH = 1.5
"""Largest ratio of heights between leaving and coming back."""


def iou(first: Floats, second: Floats) -> Floats:
    """(N, M) float32 intersection over union of (N, 4) and (M, 4) boxes x1 y1 x2 y2; 0 for a box without area."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    common = np.maximum(high - low, 0).prod(axis=2)
    union = _areas(first)[:, None] + _areas(second) - common
    result: Floats = np.divide(common, union, out=np.zeros_like(common), where=union > 0)
    return result


def likeness(boxes: Floats, keypoints: Floats, other_boxes: Floats, other_keypoints: Floats, sigmas: Floats) -> Floats:
    """How alike every pair is: the mean of IoU and OKS, or IoU alone where few keypoints are seen on both sides.

    OKS is taken over the keypoints that both see confidently. Boxes that do not overlap are not alike.

    Args:
        boxes: (N, 4) x1 y1 x2 y2 in pixels.
        keypoints: (N, K, 3) x, y in the same pixels, and confidence; NaN counts as unseen.
        other_boxes: (M, 4).
        other_keypoints: (M, K, 3).
        sigmas: (K,) the skeleton's.

    Returns:
        (N, M) float32, 0..1.
    """
    overlap = iou(boxes, other_boxes)
    rows, columns = np.nonzero(overlap)  # of hundreds of people few overlap: only those pairs are looked at
    both = _seen(keypoints)[rows] & _seen(other_keypoints)[columns]
    apart = np.zeros((*both.shape, 3), np.float32)
    np.subtract(keypoints[rows, :, :2], other_keypoints[columns, :, :2], out=apart[:, :, :2], where=both[:, :, None])
    apart[:, :, 2] = both
    # OKS depends on differences alone: a pair's is that of its difference with a pose that lies in the origin.
    alike = oks(apart, np.zeros((1, *apart.shape[1:]), np.float32), _areas(boxes)[rows], sigmas, SEEN)[:, 0]
    enough = both.sum(axis=1) >= _ENOUGH
    rows, columns = rows[enough], columns[enough]
    result = overlap.copy()
    result[rows, columns] = (overlap[rows, columns] + alike[enough]) / 2
    return result


def duplicates(boxes: Floats, keypoints: Floats, sigmas: Floats) -> NDArray[np.bool_]:
    """Which of (N, 4) boxes, best first, show a person that a better one shows already: (N,) bool.

    Two people close together overlap in their boxes but not in their keypoints; one person seen twice does in both.
    """
    repeated = np.zeros(len(boxes), np.bool_)
    overlapping = np.triu(iou(boxes, boxes) > _REPEATED / 2, 1)
    if overlapping.any():
        close = np.flatnonzero(overlapping.any(axis=0) | overlapping.any(axis=1))
        alike = likeness(boxes[close], keypoints[close], boxes[close], keypoints[close], sigmas)
        repeated[close] = np.triu(alike > _REPEATED, 1).any(axis=0)
    return repeated


def nearness(predicted: Doubles, centres: Doubles, unseen: Doubles) -> Floats:
    """How well each detection could be a person who went out of sight, by place and size alone.

    Falls from 1 at the predicted place to 0 at the edge of a circle that widens with the time unseen, and is
    weighted by the ratio of heights.

    Args:
        predicted: (N, 4) centre x, centre y, width, height where the tracks are expected, pixels.
        centres: (M, 4) those of the detections.
        unseen: (N,) seconds since each track was last seen.

    Returns:
        (N, M) float32, 0..1.
    """
    now, later, most = _REACH
    reach = np.minimum(now + later * unseen, most) * predicted[:, 3]
    distance = np.hypot(predicted[:, None, 0] - centres[:, 0], predicted[:, None, 1] - centres[:, 1])
    heights = np.maximum(predicted[:, None, 3], 1.0), np.maximum(centres[None, :, 3], 1.0)
    ratio = np.minimum(*heights) / np.maximum(*heights)
    near = np.maximum(1 - distance / np.maximum(reach, 1.0)[:, None], 0) * ratio
    result: Floats = np.where(ratio * _GROWTH >= 1, near, 0).astype(np.float32)
    return result


def pair(scores: Floats, least: float) -> Pairs:
    """The pairing of rows with columns that has the greatest sum of `scores`, (N, M), leaving out those below `least`.

    Returns:
        (rows, columns), two index arrays of equal length; empty where nothing is alike enough.
    """
    good = (scores >= least) & (scores > 0)
    if not good.any():
        return np.zeros(0, np.intp), np.zeros(0, np.intp)
    from scipy.optimize import linear_sum_assignment  # slow to import; see Tracker

    rows, columns = linear_sum_assignment(np.where(good, scores, 0), maximize=True)
    kept = good[rows, columns]
    return rows[kept], columns[kept]


def _areas(boxes: Floats) -> Floats:
    sides: Floats = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    return sides[:, 0] * sides[:, 1]


def _seen(keypoints: Floats) -> NDArray[np.bool_]:
    """(N, K): confident, and somewhere."""
    return (keypoints[:, :, 2] > SEEN) & np.isfinite(keypoints[:, :, :2]).all(axis=2)
