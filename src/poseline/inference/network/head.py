"""Head: the pose heads of YOLOv8, 11 and 12 (`Pose`) and of YOLO26 (`Pose26`), built as sparse heads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from openvino import opset13 as ov

from poseline.inference.network.checkpoint import is_end2end, keypoint_shape
from poseline.inference.network.graph import ints, reshaped, split
from poseline.inference.network.layers import kernel
from poseline.inference.network.module import Module, UnknownNetworkError, Value, build, builds
from poseline.inference.runtimes.sparse_head import Convolution, Decoding, Level, sparse_rows

_ATTRIBUTES = (
    "nc nl reg_max no stride cv2 cv3 cv4 dfl kpt_shape nk legacy shape anchors strides one2one_cv2 one2one_cv3 "
    "one2one_cv4 _end2end end2end export dynamic format max_det xyxy agnostic_nms detect"
)


@builds("Pose", attributes=_ATTRIBUTES)
@builds("Pose26", attributes=f"{_ATTRIBUTES} flow_model cv4_kpts cv4_sigma nk_sigma one2one_cv4_kpts one2one_cv4_sigma")
def _by_itself(module: Module, value: Value) -> Value:
    del value
    raise UnknownNetworkError(f"{module.name}: a head that is not the last layer")


@builds("DFL", attributes="conv c1")
def _dfl(module: Module, value: Value) -> Value:
    del value
    raise UnknownNetworkError(f"{module.name}: a DFL outside of a head")


def build_head(module: Module, features: Sequence[Value], conf: Value) -> Value:
    """The rows that a head gives for these maps.

    Returns:
        (M, 4 + classes + K·values) rows of `sparse_rows`; those of an end-to-end head are final: (1, N, 6 + K·values).

    Raises:
        UnknownNetworkError: it is a head of another make.
    """
    module.check()
    if module.get("xyxy") or module.get("agnostic_nms"):
        raise UnknownNetworkError(f"{module.name}: a head with options of its own")
    end2end, (count, values) = is_end2end(module), keypoint_shape(module)
    classes, bins = module.integer("nc"), module.get("reg_max", 16)
    before = "one2one_" if end2end else ""
    strides = module.tensor("stride").tolist()
    if len(features) != len(strides):
        raise UnknownNetworkError(f"{module.name}: {len(features)} maps and {len(strides)} strides")
    _check_bins(module, bins)
    boxes, scores, points = (list(module.child(f"{before}cv{n}").children()) for n in (2, 3, 4))
    last = list(module.child(f"{before}cv4_kpts").children()) if module.kind == "Pose26" else [None] * len(points)
    levels = []
    for feature, box, score, point, end, stride in zip(features, boxes, scores, points, last, strides, strict=True):
        sees = feature.get_partial_shape()[1].get_length()
        box_branch, point_branch = _branch(box, None, sees, 4 * bins), _branch(point, end, sees, count * values)
        levels.append(Level(feature, build(score, feature), box_branch, point_branch, stride))
    rows = sparse_rows(levels, Decoding(values, bins, module.kind == "Pose26", end2end), conf)
    return _best(rows, classes, count * values, module.get("max_det", 300)) if end2end else rows.output(0)


def _check_bins(module: Module, bins: Any) -> None:
    """That the distribution's mean is taken over 0, 1, 2 and so on."""
    if not isinstance(bins, int) or not 1 <= bins <= 64:
        raise UnknownNetworkError(f"{module.name}: reg_max is {bins}")
    if bins > 1:
        weights = module.child("dfl").child("conv").tensor("weight")
        if not np.array_equal(weights.reshape(-1), np.arange(bins)):
            raise UnknownNetworkError(f"{module.name}: a distribution over other distances")


def _branch(module: Module, last: Module | None, sees: int, gives: int) -> list[Convolution]:
    """The branch's convolutions of 3 x 3, 3 x 3 and 1 x 1, the last of which may lie elsewhere."""
    parts = [*module.children(), *([] if last is None else [last])]
    if [part.kind for part in parts] != ["Conv", "Conv", "Conv2d"]:
        raise UnknownNetworkError(f"{module.name}: a branch of {', '.join(part.kind for part in parts)}")
    kernels = []
    for part, side in zip(parts, (3, 3, 1), strict=True):
        part.check()
        convolution = part if side == 1 else part.child("conv")
        act = None if side == 1 else part.child("act").kind
        numbers = kernel(part)
        steps = [convolution.pair(name) for name in ("stride", "dilation", "padding")]
        usual = numbers.weights.shape[2:] == (side, side) and steps == [[1, 1], [1, 1], [side // 2, side // 2]]
        if not usual or act not in (None, "SiLU"):
            raise UnknownNetworkError(f"{part.name}: a convolution of another make")
        if convolution.get("groups", 1) != 1 or numbers.weights.shape[1] != sees:
            raise UnknownNetworkError(f"{part.name}: a convolution of other channels")
        sees = len(numbers.weights)
        kernels.append(numbers)
    if sees != gives:
        raise UnknownNetworkError(f"{module.name}: gives {sees} numbers, not {gives}")
    return kernels


def _best(rows: Value, classes: int, rest: int, most: Any) -> Value:
    """(1, N, 6 + rest) the rows of the best scores, at most `most`, as ultralytics' end-to-end heads give them."""
    if not isinstance(most, int) or most < 1:
        raise UnknownNetworkError(f"a head of at most {most} rows")
    box, scores, points = split(rows.output(0), 1, 4, classes, rest)
    best = ov.reduce_max(scores, ints(1), False)
    there = ov.squeeze(ov.shape_of(best, "i64"), ints(0))
    size = ov.minimum(there, np.int64(most))
    first = ov.topk(best, size, 0, "max", "value", "i64").output(1)
    pairs = reshaped(ov.gather(scores, first, np.int64(0)).output(0), -1)
    size = ov.minimum(ov.multiply(size, np.int64(classes)), np.int64(most))
    top = ov.topk(pairs, size, 0, "max", "value", "i64")
    place = ov.gather(first, ov.divide(top.output(1), np.int64(classes)), np.int64(0))
    kind = ov.convert(ov.mod(top.output(1), np.int64(classes)), "f32")
    columns = [ov.unsqueeze(part, ints(1)) for part in (top.output(0), kind)]
    boxes, points = (ov.gather(part, place, np.int64(0)) for part in (box, points))
    return ov.unsqueeze(ov.concat([boxes, *columns, points], 1), ints(0)).output(0)
