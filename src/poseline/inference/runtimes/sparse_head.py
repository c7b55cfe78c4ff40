"""The sparse head: a YOLO pose network that works out boxes and keypoints only where somebody is.

A YOLO head asks three questions at each of thousands of anchors: is somebody here (class branch), how large (box
branch), and where are their keypoints (keypoint branch). The published networks answer all three everywhere, and nearly
all answers are thrown away because the first was no. Here the class branch runs everywhere, and the other two only at
the anchors that it says yes to: their second convolution of 3 x 3 there alone, and their first one at the cells that
the second sees. The answers are the dense head's own but for the rounding of sums; it saves a third of YOLO11n-pose's
arithmetic.

Formulas of the decoding: ultralytics' Pose head (distribution focal loss, Li et al. 2020; anchors at cell centres).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import openvino
from openvino import opset13 as ov

from poseline.inference.runtimes.constants import added, constant
from poseline.pose import Floats

_BRANCH = re.compile(r"(?<!one2one_)\bcv(?P<branch>[234])\.(?P<level>\d+)\.(?P<place>\d+)(?:\.(?P<inner>\d+))?")
"""How ultralytics names a head's convolutions: cv2 boxes, cv3 classes, cv4 keypoints; level; place in the branch."""
_BINS = 16
"""Bins of a box side's distance, one cell each (DFL)."""
_LEAST = 16
"""Cells are worked on in groups of so many, or of its double, and so on: an engine makes code for each size it meets,
which takes as long as a frame, and a crowd comes in all sizes. A level without a cell is not worked on at all."""
_LANES = 32
"""Answers of a layer are rounded up to a multiple of this, which is what matrix units work on."""


@dataclass(frozen=True)
class _Convolution:
    """One convolution with its bias; (out, in, height, width) and (out,) float32."""

    weights: Floats
    bias: Floats
    output: Any
    """What it gives, bias added, before any activation."""


@dataclass(frozen=True)
class _Level:
    """One scale of the head."""

    feature: Any
    logits: Any
    boxes: list[_Convolution]
    keypoints: list[_Convolution]
    stride: int


def sparse_head(model: openvino.Model, values: int) -> openvino.Model | None:
    """`model` with a sparse head, or None where its head is of another make.

    Args:
        model: a network for one picture of one size, as ultralytics exports it; left as it is.
        values: numbers per keypoint, 2 or 3.

    Returns:
        A model with a second input `conf`, (1,) float32, and rows (M, 4 + classes + K·values) of centre x, centre y,
        width, height, scores and keypoints, in input pixels. These are the anchors with a score above `conf`,
        and rows whose score is 0 that fill a level's group up.
    """
    levels = _levels(model)
    if not levels:
        return None
    conf = ov.parameter([1], np.float32, name="conf")
    conf.output(0).tensor.set_names({"conf"})
    outputs = [_level_outputs(level, conf) for level in levels]
    raw, scores, places = (ov.concat(list(parts), 0) for parts in zip(*outputs, strict=True))
    rows = _rows(raw, scores, places, levels[0].keypoints[-1].bias.size // values, values)
    rows.output(0).tensor.set_names({"rows"})
    return openvino.Model([ov.result(rows)], [*model.get_parameters(), conf], "sparse_head")


def _levels(model: openvino.Model) -> list[_Level]:
    """The scales of the head from fine to coarse; empty where it is not the head that we know."""
    shape = model.input(0).partial_shape
    if shape.is_dynamic or shape[0].get_length() != 1 or len(model.outputs) != 1:
        return []
    found: dict[tuple[int, int], list[tuple[tuple[int, int], Any]]] = {}
    for node in model.get_ordered_ops():
        name = _BRANCH.search(node.get_friendly_name())
        if name and node.get_type_name() in ("Convolution", "GroupConvolution"):
            place = (int(name["place"]), int(name["inner"] or 0))
            found.setdefault((int(name["level"]), int(name["branch"])), []).append((place, node))
    branches = {key: [node for _, node in sorted(places, key=lambda p: p[0])] for key, places in found.items()}
    count = len({level for level, _ in branches})
    levels = []
    for level in range(count):
        boxes, classes, keypoints = (branches.get((level, branch), []) for branch in (2, 3, 4))
        box, keypoint = _plain(boxes), _plain(keypoints)
        logits = _biased(classes[-1]) if classes else None
        if box is None or keypoint is None or logits is None or box[-1].weights.shape[0] != 4 * _BINS:
            return []
        feature = boxes[0].input(0).get_source_output()
        if feature != keypoints[0].input(0).get_source_output():
            return []
        stride = shape[2].get_length() // feature.get_shape()[2]
        levels.append(_Level(feature, logits, box, keypoint, stride))
    return levels


def _plain(nodes: Sequence[Any]) -> list[_Convolution] | None:
    """The branch's convolutions of 3 x 3, 3 x 3 and 1 x 1 with plain weights; None if it is anything else."""
    if len(nodes) != 3 or any(node.get_type_name() != "Convolution" for node in nodes):
        return None
    convolutions = []
    for node, size in zip(nodes, (3, 3, 1), strict=True):
        weights, biased = constant(node.input(1).get_source_output().get_node()), _biased(node)
        if weights is None or biased is None or weights.shape[2:] != (size, size):
            return None
        addend = added(biased.get_node())
        bias = None if addend is None else constant(addend.get_node())
        if bias is None:
            return None
        convolutions.append(_Convolution(weights, bias.reshape(-1), biased))
    activations = [next(iter(c.output.get_target_inputs())).get_node().get_type_name() for c in convolutions[:2]]
    return convolutions if activations == ["Swish", "Swish"] else None


def _biased(node: Any) -> Any | None:
    """The output of the addition that follows a convolution."""
    for target in node.output(0).get_target_inputs():
        if target.get_node().get_type_name() == "Add":
            return target.get_node().output(0)
    return None


def _level_outputs(level: _Level, conf: Any) -> tuple[Any, Any, Any]:
    """What the head says of one level's chosen anchors.

    Returns (m, 64 + K·values) raw answers of its box and keypoint branches, (m, classes) scores, and (m, 3) the
    anchors' x, y and stride.
    """
    _, _, height, width = level.feature.get_shape()
    cells = height * width
    scores = ov.reshape(ov.sigmoid(level.logits), _ints(level.logits.get_shape()[1], cells), False)
    chosen = ov.greater(ov.reduce_max(scores, _ints(0), False), conf)
    anchors = _numbers(chosen, cells)
    # Nobody is at the cell beyond the last one, which fills a group up.
    scores = ov.gather(ov.pad(scores, _ints(0, 0), _ints(0, 1), "constant", np.float32(0)), anchors, _ints(1))
    y, x = np.divmod(np.arange(cells + 1), width)
    places = ov.constant(np.stack([x, y, np.full_like(x, level.stride)], 1).astype(np.float32))
    return _answers(level, chosen, anchors), ov.transpose(scores, _ints(1, 0)), ov.gather(places, anchors, _ints(0))


def _answers(level: _Level, chosen: Any, anchors: Any) -> Any:
    """(m, 64 + K·values) what the box and the keypoint branch say at the anchors."""
    _, channels, height, width = level.feature.get_shape()
    near, inside = _neighbours(height, width)

    def seen(values: Any, rows: Any, at: Any) -> Any:
        """(n, 9·C) the rows of `values` (_, C) at the 3 x 3 neighbours of each of the cells `at`; zeros outside."""
        values = ov.multiply(ov.gather(values, rows, _ints(0)), ov.gather(inside, at, _ints(0)))
        return ov.reshape(values, _ints(0, -1), True)

    # A cell is wanted where its 3 x 3 neighbours hold an anchor.
    map_ = ov.convert(ov.reshape(chosen, _ints(1, 1, height, width), False), "f32")
    wanted = ov.reshape(ov.max_pool(map_, [1, 1], [1, 1], [1, 1], [1, 1], [3, 3]).output(0), _ints(-1), False)
    first, second, third = (
        _side_by_side(*branches, place) for place, branches in enumerate(zip(level.boxes, level.keypoints, strict=True))
    )
    feature = ov.reshape(ov.transpose(level.feature, _ints(0, 2, 3, 1)), _ints(-1, channels), False)
    at = _numbers(ov.greater(wanted, np.float32(0.5)), height * width)
    value = ov.swish(_linear(seen(feature, ov.gather(near, at, _ints(0)), at), first))
    row = ov.cumsum(ov.convert(wanted, "i32"), _ints(0), True, False)  # where a wanted cell's answer lies
    value = seen(value, ov.gather(row, ov.gather(near, anchors, _ints(0)), _ints(0)), anchors)
    return _linear(ov.swish(_linear(value, second)), third)


def _numbers(chosen: Any, cells: int) -> Any:
    """The numbers of the chosen cells, then the number beyond the last cell to fill the group up."""
    found = ov.reshape(ov.non_zero(chosen, "i32"), _ints(-1), False)
    count = ov.shape_of(found, "i32")
    groups = _LEAST * 2 ** np.ceil(np.log2(np.maximum(np.arange(cells + 1) / _LEAST, 1)))
    groups = np.minimum(groups, max(cells, _LEAST))
    groups[0] = 0
    spare = ov.subtract(ov.gather(groups.astype(np.int32), count, _ints(0)), count)
    return ov.pad(found, np.array([0], np.int32), spare, "constant", np.int32(cells))


def _neighbours(height: int, width: int) -> tuple[Any, Any]:
    """(cells + 1, 9) the numbers of each cell's 3 x 3 neighbours, and (cells + 1, 9, 1) which of them there are.

    The last row is of the cell beyond the last one: it has none.
    """
    number = np.pad(np.arange(height * width).reshape(height, width), 1, constant_values=-1)
    near = np.lib.stride_tricks.sliding_window_view(number, (3, 3)).reshape(-1, 9)
    near = np.concatenate([near, np.full((1, 9), -1)])
    return ov.constant(np.maximum(near, 0).astype(np.int32)), ov.constant((near >= 0)[..., None].astype(np.float32))


def _side_by_side(box: _Convolution, keypoint: _Convolution, place: int) -> tuple[Floats, Floats]:
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


def _rows(raw: Any, scores: Any, places: Any, keypoints: int, values: int) -> Any:
    """(M, 4 + classes + K·values) in input pixels, from the outputs of all levels."""
    box, points = ov.variadic_split(raw, _ints(1), _ints(4 * _BINS, keypoints * values)).outputs()
    cell, stride = ov.variadic_split(places, _ints(1), _ints(2, 1)).outputs()
    return ov.concat([ov.multiply(_boxes(box, cell), stride), scores, _keypoints(points, cell, stride, values)], 1)


def _boxes(logits: Any, cell: Any) -> Any:
    """(M, 4) centre and size in cells, from (M, 64) distributions of the distances to left, top, right and bottom."""
    shares = ov.softmax(ov.reshape(logits, _ints(0, 4, _BINS), True), 2)
    distances = ov.reduce_sum(ov.multiply(shares, np.arange(_BINS, dtype=np.float32)), _ints(2), False)
    before, behind = ov.split(distances, _ints(1), 2).outputs()
    centre = ov.add(ov.add(cell, np.float32(0.5)), ov.multiply(ov.subtract(behind, before), np.float32(0.5)))
    return ov.concat([centre, ov.add(before, behind)], 1)


def _keypoints(raw: Any, cell: Any, stride: Any, values: int) -> Any:
    """(M, K·values) in input pixels, from offsets in half cells and visibility logits."""
    points = ov.reshape(raw, _ints(0, -1, values), True)
    parts = ov.variadic_split(points, _ints(2), _ints(2, values - 2)).outputs() if values == 3 else [points]
    place, size = ov.unsqueeze(cell, _ints(1)), ov.unsqueeze(stride, _ints(1))
    xy = ov.multiply(ov.add(ov.multiply(parts[0], np.float32(2)), place), size)
    return ov.reshape(ov.concat([xy, *(ov.sigmoid(part) for part in parts[1:])], 2), _ints(0, -1), True)


def _ints(*numbers: int) -> np.ndarray[Any, Any]:
    return np.array(numbers[0] if len(numbers) == 1 and numbers[0] >= 0 else numbers, np.int32)
