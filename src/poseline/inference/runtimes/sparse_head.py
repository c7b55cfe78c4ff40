"""The sparse head: a YOLO pose network that works out boxes and keypoints only where somebody is.

A YOLO head asks three questions at each of thousands of anchors: is somebody here (class branch), how large (box
branch), and where are their keypoints (keypoint branch). The published networks answer all three everywhere, and nearly
all answers are thrown away because the first was no. Here the class branch runs everywhere, and the other two only at
the anchors that it says yes to: their second convolution of 3 x 3 there alone, and their first one at the cells that
the second sees. The answers are the dense head's own but for the rounding of sums; it saves a third of YOLO11n-pose's
arithmetic.

The size of the picture may be open: all that follows from it is worked out in the network, and becomes constant where
the size is known when the network is compiled.

Formulas of the decoding: ultralytics' Pose heads (distribution focal loss, Li et al. 2020; anchors at cell centres).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from openvino import opset13 as ov

from poseline.pose import Floats

CONF, ROWS = "conf", "rows"
"""Names of the input and the output that a network with a sparse head has."""
_LEAST = 16
"""Cells are worked on in groups of so many, or of its double, and so on: an engine makes code for each size it meets,
which takes as long as a frame, and a crowd comes in all sizes. A level without a cell is not worked on at all."""
_GROUPS = np.array([0, *(_LEAST << np.arange(20))], np.int32)
_LANES = 32
"""Answers of a layer are rounded up to a multiple of this, which is what matrix units work on."""


@dataclass(frozen=True)
class Convolution:
    """A convolution's numbers; (out, in, height, width) and (out,) float32."""

    weights: Floats
    bias: Floats


@dataclass(frozen=True)
class Level:
    """One scale of the head. Each branch has convolutions of 3 x 3, 3 x 3 and 1 x 1, with SiLU between them."""

    feature: Any
    """(1, C, H, W) what the head sees."""
    logits: Any
    """(1, classes, H, W) what its class branch gives, before the sigmoid."""
    boxes: Sequence[Convolution]
    keypoints: Sequence[Convolution]
    stride: float
    """Input pixels of a cell."""


@dataclass(frozen=True)
class Decoding:
    """How the branches' answers become pixels."""

    values: int
    """Numbers per keypoint, 2 or 3."""
    bins: int = 16
    """Bins of a box side's distance, one cell each (DFL); 1: the distance itself."""
    centred: bool = False
    """Keypoints are offsets in cells from the anchor (YOLO26), not in half cells from its cell's corner."""
    corners: bool = False
    """Boxes are x1 y1 x2 y2, not centre and size."""


def sparse_rows(levels: Sequence[Level], decoding: Decoding, conf: Any) -> Any:
    """Build a head on these levels.

    Args:
        levels: from fine to coarse.
        decoding: of their answers.
        conf: (1,) float32, an input of the network.

    Returns:
        (M, 4 + classes + K·values) rows of a box, scores and keypoints, in input pixels. These are the anchors with a
        score above `conf`, and rows whose score is 0 that fill a level's group up.
    """
    outputs = [_level_outputs(level, conf) for level in levels]
    raw, scores, places = (ov.concat(list(parts), 0) for parts in zip(*outputs, strict=True))
    box, points = ov.variadic_split(raw, np.int32(1), _ints(4 * decoding.bins, -1)).outputs()
    cell, stride = ov.variadic_split(places, np.int32(1), _ints(2, 1)).outputs()
    boxes = ov.multiply(_boxes(box, cell, decoding), stride)
    return ov.concat([boxes, scores, _keypoints(points, cell, stride, decoding)], 1)


class _Grid:
    """The cells of a level, numbered row by row, and one beyond the last: it is what fills a group up.

    All of it is constant where the level's size is known.
    """

    def __init__(self, feature: Any) -> None:
        sizes = ov.shape_of(feature, "i32")
        self.height, self.width = (ov.gather(sizes, _ints(axis), np.int32(0)) for axis in (2, 3))
        self.count = ov.multiply(self.height, self.width)
        behind = ov.squeeze(ov.add(self.count, _ints(1)), _ints(0))
        self.number = ov.range(np.int32(0), behind, np.int32(1), "i32")
        self.y = ov.divide(self.number, self.width)
        self.x = ov.subtract(self.number, ov.multiply(self.y, self.width))

    def places(self, stride: float) -> Any:
        """(cells + 1, 3) each cell's x, y and stride."""
        columns = [ov.unsqueeze(ov.convert(part, "f32"), _ints(1)) for part in (self.x, self.y)]
        same = ov.broadcast(np.array([[stride]], np.float32), ov.shape_of(columns[0], "i32"))
        return ov.concat([*columns, same], 1)

    def neighbours(self) -> tuple[Any, Any]:
        """(cells + 1, 9) the numbers of each cell's 3 x 3 neighbours, and (cells + 1, 9, 1) 1 where there is one, or 0.

        The cell beyond the last one has none.
        """
        down, right = np.divmod(np.arange(9, dtype=np.int32), 3)
        y, x = (ov.add(ov.unsqueeze(at, _ints(1)), step[None] - 1) for at, step in ((self.y, down), (self.x, right)))
        inside = ov.unsqueeze(ov.less(self.number, self.count), _ints(1))
        for at, size in ((y, self.height), (x, self.width)):
            inside = ov.logical_and(inside, ov.logical_and(ov.greater_equal(at, np.int32(0)), ov.less(at, size)))
        near = ov.select(inside, ov.add(ov.multiply(y, self.width), x), np.int32(0))
        return near, ov.unsqueeze(ov.convert(inside, "f32"), _ints(2))

    def numbers(self, chosen: Any) -> Any:
        """The numbers of the chosen cells, then the number beyond the last cell to fill the group up."""
        found = ov.reshape(ov.non_zero(chosen, "i32"), _ints(-1), False)
        count = ov.shape_of(found, "i32")
        enough = ov.select(ov.greater_equal(_GROUPS, count), _GROUPS, _GROUPS[-1])
        group = ov.minimum(ov.reduce_min(enough, _ints(0), True), ov.maximum(self.count, np.int32(_LEAST)))
        beyond = ov.squeeze(self.count, _ints(0))
        return ov.pad(found, np.array([0], np.int32), ov.subtract(group, count), "constant", beyond)


def _level_outputs(level: Level, conf: Any) -> tuple[Any, Any, Any]:
    """What the head says of one level's chosen anchors.

    Returns (m, boxes + keypoints) raw answers of its two branches, (m, classes) scores, and (m, 3) the anchors' x, y
    and stride.
    """
    grid = _Grid(level.feature)
    classes = level.logits.get_partial_shape()[1].get_length()
    scores = ov.reshape(ov.sigmoid(level.logits), _ints(classes, -1), False)
    chosen = ov.greater(ov.reduce_max(scores, _ints(0), False), conf)
    anchors = grid.numbers(chosen)
    # Nobody is at the cell beyond the last one, which fills a group up.
    scores = ov.gather(ov.pad(scores, _ints(0, 0), _ints(0, 1), "constant", np.float32(0)), anchors, np.int32(1))
    places = ov.gather(grid.places(level.stride), anchors, np.int32(0))
    return _answers(level, grid, chosen, anchors), ov.transpose(scores, _ints(1, 0)), places


def _answers(level: Level, grid: _Grid, chosen: Any, anchors: Any) -> Any:
    """(m, boxes + keypoints) what the box and the keypoint branch say at the anchors."""
    near, inside = grid.neighbours()
    channels = level.boxes[0].weights.shape[1]

    def seen(values: Any, rows: Any, at: Any) -> Any:
        """(n, 9·C) the rows of `values` (_, C) at the 3 x 3 neighbours of each of the cells `at`; zeros outside."""
        values = ov.multiply(ov.gather(values, rows, np.int32(0)), ov.gather(inside, at, np.int32(0)))
        return ov.reshape(values, _ints(0, -1), True)

    # A cell is wanted where its 3 x 3 neighbours hold an anchor.
    map_ = ov.reshape(ov.convert(chosen, "f32"), ov.concat([_ints(1), _ints(1), grid.height, grid.width], 0), False)
    wanted = ov.reshape(ov.max_pool(map_, [1, 1], [1, 1], [1, 1], [1, 1], [3, 3]).output(0), _ints(-1), False)
    first, second, third = (
        _side_by_side(*branches, place) for place, branches in enumerate(zip(level.boxes, level.keypoints, strict=True))
    )
    feature = ov.reshape(ov.transpose(level.feature, _ints(0, 2, 3, 1)), _ints(-1, channels), False)
    at = grid.numbers(ov.greater(wanted, np.float32(0.5)))
    value = ov.swish(_linear(seen(feature, ov.gather(near, at, np.int32(0)), at), first))
    row = ov.cumsum(ov.convert(wanted, "i32"), np.int32(0), True, False)  # where a wanted cell's answer lies
    value = seen(value, ov.gather(row, ov.gather(near, anchors, np.int32(0)), np.int32(0)), anchors)
    return _linear(ov.swish(_linear(value, second)), third)


def _side_by_side(box: Convolution, keypoint: Convolution, place: int) -> tuple[Floats, Floats]:
    """One matrix (9·in or in, out) and one bias (out,) for both branches' layers at this place, 0 to 2.

    At place 0 both see the same; later ones see the box branch's answers, the keypoint branch's, and zeros behind.
    """
    boxes, keypoints = (np.moveaxis(c.weights, (0, 1), (3, 2)) for c in (box, keypoint))
    height, width, seen, out = boxes.shape
    if place == 0:
        weights = np.concatenate([boxes, keypoints], 3)
    else:
        weights = np.zeros((height, width, _lanes(seen + keypoints.shape[2]), out + keypoints.shape[3]), np.float32)
        weights[:, :, :seen, :out] = boxes
        weights[:, :, seen : seen + keypoints.shape[2], out:] = keypoints
    bias = np.concatenate([box.bias, keypoint.bias])
    spare = _lanes(len(bias)) - len(bias) if place < 2 else 0
    weights = np.pad(weights, ((0, 0), (0, 0), (0, 0), (0, spare)))
    return weights.reshape(-1, len(bias) + spare), np.pad(bias, (0, spare))


def _lanes(count: int) -> int:
    return -(-count // _LANES) * _LANES


def _linear(value: Any, layer: tuple[Floats, Floats]) -> Any:
    weights, bias = layer
    return ov.add(ov.matmul(value, ov.constant(np.ascontiguousarray(weights)), False, False), bias[None])


def _boxes(raw: Any, cell: Any, decoding: Decoding) -> Any:
    """(M, 4) in cells, from (M, 4·bins) distributions of the distances to left, top, right and bottom."""
    if decoding.bins > 1:
        shares = ov.softmax(ov.reshape(raw, _ints(0, 4, decoding.bins), True), 2)
        raw = ov.reduce_sum(ov.multiply(shares, np.arange(decoding.bins, dtype=np.float32)), _ints(2), False)
    before, behind = ov.split(raw, np.int32(1), 2).outputs()
    anchor = ov.add(cell, np.float32(0.5))
    if decoding.corners:
        return ov.concat([ov.subtract(anchor, before), ov.add(anchor, behind)], 1)
    centre = ov.add(anchor, ov.multiply(ov.subtract(behind, before), np.float32(0.5)))
    return ov.concat([centre, ov.add(before, behind)], 1)


def _keypoints(raw: Any, cell: Any, stride: Any, decoding: Decoding) -> Any:
    """(M, K·values) in input pixels, from offsets and visibility logits."""
    values = decoding.values
    points = ov.reshape(raw, _ints(0, -1, values), True)
    parts = ov.variadic_split(points, np.int32(2), _ints(2, values - 2)).outputs() if values == 3 else [points]
    place, size = ov.unsqueeze(cell, _ints(1)), ov.unsqueeze(stride, _ints(1))
    if decoding.centred:
        xy = ov.multiply(ov.add(ov.add(place, np.float32(0.5)), parts[0]), size)
    else:
        xy = ov.multiply(ov.add(ov.multiply(parts[0], np.float32(2)), place), size)
    return ov.reshape(ov.concat([xy, *(ov.sigmoid(part) for part in parts[1:])], 2), _ints(0, -1), True)


def _ints(*numbers: int) -> np.ndarray[Any, Any]:
    return np.array(numbers, np.int32)
