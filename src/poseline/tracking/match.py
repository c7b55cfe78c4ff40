"""How alike a track and a detection are, and who is paired with whom."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from poseline.pose import Floats
from poseline.tracking.assignment import Pairs, assign
from poseline.tracking.motion import Doubles

SEEN = 0.5
"""Confidence above which a keypoint counts."""
_ENOUGH = 3
"""Keypoints that both sides must see before OKS has a say: fewer can lie together by chance."""
SAME = 0.65
"""Likeness above which two detections of one frame are one person, and one from frame to frame, whatever they wear."""
_TOUCHING = 0.05
"""Likeness from which one of two detections may stand before the other."""
_REACH = (0.25, 0.75, 1.5)
"""How far from its predicted place a person is looked for, in box heights: at once, more each second, at most."""
_GROWTH = 1.5
"""Largest ratio of heights between leaving and coming back."""


def iou(first: Floats, second: Floats) -> Floats:
    """(N, M) float32 intersection over union of (N, 4) and (M, 4) boxes x1 y1 x2 y2; 0 for a box without area."""
    return _overlap(first, _areas(first), second, _areas(second))


def _overlap(first: Floats, areas: Floats, second: Floats, other_areas: Floats) -> Floats:
    """`iou` of boxes whose areas are known."""
    # Axis by axis in memory, or numpy takes three times as long.
    corners, others = np.ascontiguousarray(first.T)[:, :, None], np.ascontiguousarray(second.T)[:, None]
    width, height = np.maximum(np.minimum(corners[2:], others[2:]) - np.maximum(corners[:2], others[:2]), 0)
    common = width * height
    union = areas[:, None] + other_areas - common
    result: Floats = np.divide(common, union, out=np.zeros(common.shape, np.float32), where=union > 0)
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
    areas = _areas(boxes)
    overlap = _overlap(boxes, areas, other_boxes, _areas(other_boxes))
    rows, columns = overlap.nonzero()  # of hundreds of people few overlap: only those pairs are looked at
    ours, theirs = keypoints.take(rows, axis=0), other_keypoints.take(columns, axis=0)
    # OKS, as skeleton.oks has it, but of pairs: each track with the few detections near it
    scale = np.maximum(areas, 1).take(rows)[:, None] * (-8 * sigmas**2)
    with np.errstate(invalid="ignore", over="ignore"):  # what is not a place is unseen
        apart = ours - theirs  # of x, y and, for nothing, confidence: numpy is slow where rows have gaps
        apart *= apart
        squared = apart[:, :, 0] + apart[:, :, 1]
        exponents = squared / scale
    both = (np.minimum(ours[:, :, 2], theirs[:, :, 2]) > SEEN) & (squared < np.inf)
    similar = np.add.reduce(np.exp(exponents, out=np.zeros(squared.shape, np.float32), where=both), axis=1)
    count = np.add.reduce(both, axis=1)
    near = overlap[rows, columns]
    similarity = np.divide(similar, count, out=near.astype(np.float64), where=count >= _ENOUGH)
    overlap[rows, columns] = (near + similarity) / 2
    return overlap


def spread_out(alike: Floats) -> bool:
    """Whether none of N detections, (N, N) `alike`, has another in its box: nobody is a duplicate, nobody crowded."""
    touching = alike > _TOUCHING
    return bool(np.count_nonzero(touching) == np.count_nonzero(touching.diagonal()))


def duplicates(alike: Floats) -> NDArray[np.bool_]:
    """Which of N detections, best first and (N, N) `alike`, show a person that a better one shows already: (N,) bool.

    Two people close together overlap in their boxes but not in their keypoints; one person seen twice does in both.
    """
    rank = np.arange(len(alike))
    repeated: NDArray[np.bool_] = np.logical_or.reduce((alike > SAME) & (rank[:, None] < rank), axis=0)
    return repeated


def crowded(alike: Floats) -> NDArray[np.bool_]:
    """Which of N detections, (N, N) `alike`, have another in their box: (N,) bool."""
    touching: NDArray[np.bool_] = np.add.reduce(alike > _TOUCHING, axis=1) > 1  # everybody is like themselves
    return touching


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
    good = scores >= least if least > 0 else scores > 0
    rows = np.logical_or.reduce(good, axis=1).nonzero()[0]
    if not len(rows):
        return rows, rows
    weights = scores * good
    best = weights.argmax(axis=1).take(rows)
    if len(set(best.tolist())) == len(best):  # everybody's first choice is their own: nothing can be greater
        return rows, best
    rows, columns = assign(weights)
    kept = good[rows, columns]
    return rows[kept], columns[kept]


def _areas(boxes: Floats) -> Floats:
    sides: Floats = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    return sides[:, 0] * sides[:, 1]
