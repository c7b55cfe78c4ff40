"""The sparse head: a YOLO pose network that works out boxes and keypoints only where somebody is.

A YOLO head asks three questions at each of thousands of anchors: is somebody here (class branch), how large (box
branch), and where are their keypoints (keypoint branch). The published networks answer all three everywhere, and nearly
all answers are thrown away because the first was no. Here the class branch runs everywhere, and the other two only at
the anchors that it says yes to, on the 5 x 5 places of the feature map that their two 3 x 3 convolutions see. The
answers are the dense head's own but for the rounding of sums; it saves a third of YOLO11n-pose's arithmetic.

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

from poseline.pose import Floats

_BRANCH = re.compile(r"(?<!one2one_)\bcv(?P<branch>[234])\.(?P<level>\d+)\.(?P<place>\d+)(?:\.(?P<inner>\d+))?")
"""How ultralytics names a head's convolutions: cv2 boxes, cv3 classes, cv4 keypoints; level; place in the branch."""
_BINS = 16
"""Distances of a box side that the network tells apart, in cells."""
_BLOCK = 8
"""Anchors are worked on in multiples of this, so that the engine meets few different shapes."""
_SIDE = 5
"""Side of the square of cells that an answer depends on: two convolutions of 3 x 3."""
_RIM = _SIDE // 2


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
        values: numbers that tell of a keypoint, 2 or 3.

    Returns:
        A model with a second input `conf`, (1,) float32, and rows (M, 4 + classes + K·values) of centre x, centre y,
        width, height, scores and keypoints, in input pixels. M is the number of anchors with a score above `conf`, and
        a few more whose score is 0.
    """
    levels = _levels(model)
    if not levels:
        return None
    conf = ov.parameter([1], np.float32, name="conf")
    conf.output(0).tensor.set_names({"conf"})
    rows = ov.concat([_rows(level, conf, values) for level in levels], 0)
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
        weights, biased = _constant(node.input(1).get_source_output().get_node()), _biased(node)
        if weights is None or biased is None or weights.shape[2:] != (size, size):
            return None
        bias = _bias(biased.get_node())
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


def _bias(addition: Any) -> Floats | None:
    constants = (_constant(given.get_source_output().get_node()) for given in addition.inputs())
    return next((constant for constant in constants if constant is not None), None)


def _constant(node: Any) -> Floats | None:
    """The numbers of a constant, also of one that is kept in half precision."""
    if node.get_type_name() == "Convert":
        node = node.input(0).get_source_output().get_node()
    if node.get_type_name() != "Constant":
        return None
    return np.asarray(node.data, np.float32)


def _rows(level: _Level, conf: Any, values: int) -> Any:
    """(m, 4 + classes + K·values) the answers of one level's chosen anchors."""
    width = level.feature.get_shape()[3]
    classes = level.logits.get_shape()[1]
    scores = ov.reshape(ov.sigmoid(level.logits), _ints(classes, -1), False)
    anchors, real = _chosen(scores, conf)
    y = ov.divide(anchors, _ints(width))
    x = ov.subtract(anchors, ov.multiply(y, _ints(width)))
    seen, inside = _neighbourhood(level.feature, x, y)
    box, keypoints = (_branch(convolutions, seen, inside) for convolutions in (level.boxes, level.keypoints))
    place = ov.concat([ov.unsqueeze(ov.convert(axis, "f32"), _ints(1)) for axis in (x, y)], 1)
    return ov.concat(
        [
            ov.multiply(_boxes(box, place), np.float32(level.stride)),
            ov.transpose(ov.multiply(ov.gather(scores, anchors, _ints(1)), real), _ints(1, 0)),
            _keypoints(keypoints, place, level.stride, values),
        ],
        1,
    )


def _chosen(scores: Any, conf: Any) -> tuple[Any, Any]:
    """(m,) the anchors with a score above `conf`, then the first one to fill the last block; (m,) 1, then 0."""
    best = ov.reduce_max(scores, _ints(0), False)
    found = ov.reshape(ov.non_zero(ov.greater(best, conf), "i32"), _ints(-1), False)
    count = ov.shape_of(found, "i32")
    spare = ov.subtract(np.array([_BLOCK], np.int32), ov.floor_mod(count, np.array([_BLOCK], np.int32)))
    none = np.array([0], np.int32)
    real = ov.broadcast(np.float32(1), count)
    return ov.pad(found, none, spare, "constant", np.int32(0)), ov.pad(real, none, spare, "constant", np.float32(0))


def _neighbourhood(feature: Any, x: Any, y: Any) -> tuple[Any, Any]:
    """What the first convolution sees at the 3 x 3 places that the second one asks for.

    Returns (m·9, 9·C) its inputs, and (m·9, 1): 1 for the places inside the feature map, where it has an answer.
    """
    _, channels, height, width = feature.get_shape()
    cells = ov.reshape(ov.transpose(feature, _ints(0, 2, 3, 1)), _ints(-1, channels), False)
    inside = ov.constant(np.pad(np.ones((height, width), np.float32), _RIM).reshape(-1))  # a cell's share of the map
    pitch, side = width + 2 * _RIM, np.arange(_SIDE)
    known = ov.gather(inside, _around(x, y, pitch, side[:, None] * pitch + side), _ints(0))
    below = _around(x, y, width, (side[:, None] - _RIM) * width + side - _RIM)
    below = ov.clamp(below, 0, height * width - 1)  # what lies outside counts as zero, whatever is read
    square = ov.multiply(ov.gather(cells, below, _ints(0)), ov.unsqueeze(known, _ints(2)))
    three = np.arange(3)
    kernel = (three[:, None] * _SIDE + three).reshape(-1)
    seen = ov.gather(square, (kernel[:, None] + kernel).reshape(-1).astype(np.int32), _ints(1))
    middle = ov.gather(known, (kernel + _SIDE + 1).astype(np.int32), _ints(1))
    return ov.reshape(seen, _ints(-1, 9 * channels), False), ov.reshape(middle, _ints(-1, 1), False)


def _around(x: Any, y: Any, pitch: int, offsets: np.ndarray[Any, Any]) -> Any:
    """(m, len(offsets)) flat indices into rows of `pitch` cells."""
    corner = ov.add(ov.multiply(y, _ints(pitch)), x)
    return ov.add(ov.unsqueeze(corner, _ints(1)), offsets.reshape(1, -1).astype(np.int32))


def _branch(convolutions: list[_Convolution], seen: Any, inside: Any) -> Any:
    """(m, out) a branch's three convolutions as products of matrices."""
    first, second, third = convolutions
    hidden = len(first.bias)
    # Beyond the map's border the second convolution sees zeros, not what the first would say there.
    value = ov.multiply(ov.swish(_linear(seen, first)), inside)
    value = ov.swish(_linear(ov.reshape(value, _ints(-1, 9 * hidden), False), second))
    return _linear(value, third)


def _linear(value: Any, convolution: _Convolution) -> Any:
    weights = convolution.weights.transpose(2, 3, 1, 0).reshape(-1, len(convolution.bias))
    return ov.add(ov.matmul(value, ov.constant(np.ascontiguousarray(weights)), False, False), convolution.bias[None])


def _boxes(logits: Any, place: Any) -> Any:
    """(m, 4) centre and size in cells, from (m, 64) distributions of the distances to left, top, right and bottom."""
    shares = ov.softmax(ov.reshape(logits, _ints(-1, 4, _BINS), False), 2)
    distances = ov.reshape(
        ov.matmul(shares, np.arange(_BINS, dtype=np.float32)[:, None], False, False), _ints(-1, 4), False
    )
    split = ov.split(distances, _ints(1), 2)
    before, behind = split.output(0), split.output(1)
    centre = ov.add(ov.add(place, np.float32(0.5)), ov.multiply(ov.subtract(behind, before), np.float32(0.5)))
    return ov.concat([centre, ov.add(before, behind)], 1)


def _keypoints(raw: Any, place: Any, stride: int, values: int) -> Any:
    """(m, K·values) in input pixels, from offsets in half cells and visibility logits."""
    points = ov.reshape(raw, _ints(0, -1, values), True)
    parts = ov.variadic_split(points, _ints(2), _ints(2, values - 2)) if values == 3 else None
    xy = parts.output(0) if parts else points
    xy = ov.multiply(ov.add(ov.multiply(xy, np.float32(2)), ov.unsqueeze(place, _ints(1))), np.float32(stride))
    seen = [ov.sigmoid(parts.output(1))] if parts else []
    return ov.reshape(ov.concat([xy, *seen], 2), _ints(0, -1), True)


def _ints(*numbers: int) -> np.ndarray[Any, Any]:
    return np.array(numbers[0] if len(numbers) == 1 and numbers[0] >= 0 else numbers, np.int32)
