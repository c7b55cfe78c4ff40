"""How alike a track and a detection are, and who is paired with whom."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from math import hypot
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from poseline.pose import Floats
from poseline.tracking.assignment import assign

Indices: TypeAlias = NDArray[np.intp]
Candidate: TypeAlias = tuple[int, int, float]
"""Row, column and score of a pair."""

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


class Shapes(NamedTuple):
    """N persons, laid out as they are compared."""

    corners: Floats
    """(4, N) of their boxes: -x1, -y1, x2, y2, so that the least of two is where both are."""
    areas: Floats
    """(N,) of their boxes, at least a pixel."""
    points: Floats
    """(N, 3 K) x, y and confidence of each keypoint; one that is not a place has no confidence, and is at 0."""

    @classmethod
    def of(cls, boxes: Floats, points: Floats) -> Shapes:
        """Of (N, 4) boxes x1 y1 x2 y2 in pixels, and (N, 3 K) x, y in the same pixels, and confidence."""
        corners = _OUTWARDS.dot(boxes.T)
        sides = np.maximum(corners[:2] + corners[2:], 0)
        return cls(corners, np.maximum(sides[0] * sides[1], 1), _placed(points))

    def since(self, first: int) -> Shapes:
        """Those from the index `first` on."""
        return Shapes(self.corners[:, first:], self.areas[first:], self.points[first:])


_OUTWARDS = np.diag((-1.0, -1.0, 1.0, 1.0)).astype(np.float32)
_FARTHEST = 1e9
"""Pixels from the origin from which a place is none: products of such numbers would overflow."""


def _placed(points: Floats) -> Floats:
    """(N, 3 K) the same keypoints, where all are places; else a copy in which the others are unseen."""
    right = np.abs(points) < _FARTHEST
    if np.count_nonzero(right) == right.size:
        return points
    each = right.reshape(-1, 3).all(axis=1).reshape(len(points), -1)
    return np.where(each.repeat(3, axis=1), points, np.float32(0))


def flattened(keypoints: Floats) -> Floats:
    """(N, K, 3) keypoints as (N, 3 K)."""
    return keypoints.reshape(len(keypoints), 3 * keypoints.shape[1])


def iou(first: Floats, second: Floats) -> Floats:
    """(N, M) float32 intersection over union of (N, 4) and (M, 4) boxes x1 y1 x2 y2; 0 for a box without area.

    A box smaller than a pixel counts as one.
    """
    return _overlap(Shapes.of(first, first[:, :0]), Shapes.of(second, second[:, :0]))


def _overlap(ours: Shapes, theirs: Shapes) -> Floats:
    """See `iou`."""
    common = np.minimum(ours.corners[:, :, None], theirs.corners[:, None])
    sides = np.maximum(common[:2] + common[2:], 0)
    overlap: Floats = sides[0] * sides[1]
    overlap /= ours.areas[:, None] + theirs.areas - overlap
    return overlap


def oks_weights(sigmas: Floats) -> Floats:
    """(3 K, K) float32 by which squared differences of `Shapes.points` become exponents of OKS, times the area.

    `sigmas` are the skeleton's.
    """
    weights = np.zeros((len(sigmas), 3, len(sigmas)), np.float32)
    weights[:, 0] = weights[:, 1] = np.diag(-1 / (8 * sigmas**2))  # of x and y; confidence counts nothing
    return weights.reshape(3 * len(sigmas), len(sigmas))


def alike_pairs(ours: Shapes, theirs: Shapes, weights: Floats) -> tuple[Indices, Indices, Floats]:
    """The P pairs whose boxes overlap, rows rising, and the `likeness` of each, by `oks_weights`: each (P,)."""
    overlap = _overlap(ours, theirs)
    rows, columns = overlap.nonzero()  # of hundreds of people few overlap: only those pairs are looked at
    mine, other = ours.points.take(rows, axis=0), theirs.points.take(columns, axis=0)
    both = (np.minimum(mine, other)[:, 2::3] > SEEN).astype(np.float32)
    apart = mine - other
    apart *= apart
    similar = np.exp(apart.dot(weights) / ours.areas.take(rows)[:, None])
    similar *= both
    each = _ones(both.shape[1])
    total, count = similar.dot(each), both.dot(each)  # quicker than sums
    near = overlap[rows, columns]
    similarity = total / np.maximum(count, 1)
    few = count < _ENOUGH
    if np.count_nonzero(few):
        similarity[few] = near[few]
    similarity += near
    similarity *= 0.5
    return rows, columns, similarity


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
    shapes = Shapes.of(boxes, flattened(keypoints)), Shapes.of(other_boxes, flattened(other_keypoints))
    rows, columns, found = alike_pairs(*shapes, oks_weights(sigmas))
    alike = np.zeros((len(boxes), len(other_boxes)), np.float32)
    alike[rows, columns] = found
    return alike


@cache
def _ones(count: int) -> Floats:
    return np.ones(count, np.float32)


def crowding(pairs: Iterable[Candidate]) -> tuple[set[int], set[int]]:
    """Who of the detections of one frame, best first, repeats a better one, and who has another in their box.

    Two people close together overlap in their boxes but not in their keypoints; one person seen twice does in both.
    """
    repeated, crowded = set(), set()
    for one, other, alike in pairs:
        if alike > _TOUCHING and one != other:
            crowded.add(one)
            if alike > SAME and one < other:
                repeated.add(other)
    return repeated, crowded


def nearness(predicted: Sequence[float], centre: Sequence[float], unseen: float) -> float:
    """How well a detection could be a person who went out of sight, by place and size alone, 0..1.

    Falls from 1 at the predicted place to 0 at the edge of a circle that widens with the time unseen, and is
    weighted by the ratio of heights.

    Args:
        predicted: centre x, centre y, width, height where the track is expected, pixels.
        centre: those of the detection.
        unseen: seconds since the track was last seen.
    """
    now, later, most = _REACH
    x, y, _, height = predicted
    reach = max(min(now + later * unseen, most) * height, 1.0)
    distance = hypot(x - centre[0], y - centre[1])
    if distance >= reach:
        return 0.0
    heights = max(height, 1.0), max(centre[3], 1.0)
    ratio = min(heights) / max(heights)
    return (1 - distance / reach) * ratio if ratio * _GROWTH >= 1 else 0.0


def pair(scores: Floats, least: float) -> list[tuple[int, int]]:
    """(row, column) of the pairing with the greatest sum of `scores`, (N, M), leaving out those below `least`."""
    rows, columns = (scores >= least if least > 0 else scores > 0).nonzero()
    return best_pairs(list(zip(rows.tolist(), columns.tolist(), scores[rows, columns].tolist(), strict=True)))


def best_pairs(candidates: Sequence[Candidate]) -> list[tuple[int, int]]:
    """(row, column) of the pairing with the greatest sum of scores, all above 0."""
    first: dict[int, Candidate] = {}
    for candidate in candidates:
        row = candidate[0]
        if row not in first or candidate[2] > first[row][2]:
            first[row] = candidate
    if len({column for _, column, _ in first.values()}) == len(first):  # everybody's first choice is their own
        return [(row, column) for row, column, _ in first.values()]
    scores = np.zeros((1 + max(first), 1 + max(column for _, column, _ in candidates)))
    for row, column, score in candidates:
        scores[row, column] = score
    rows, columns = assign(scores)
    return [each for each in zip(rows.tolist(), columns.tolist(), strict=True) if scores[each] > 0]
