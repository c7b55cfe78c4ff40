"""Decoding: a network's raw output to poses in source pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from poseline.errors import ModelError
from poseline.inference.letterbox import Letterbox
from poseline.inference.spec import ModelSpec
from poseline.pose import Floats, Integers, Poses
from poseline.settings import InferenceSettings

_MOST_CANDIDATES = 30_000
_CLASS_OFFSET = 7680.0
"""Moves boxes of different classes apart before suppression; wider than any network input."""


@np.errstate(invalid="ignore")  # a network that overflowed says NaN; who is seen well beside it stays
def decode(output: Floats, spec: ModelSpec, letterbox: Letterbox, settings: InferenceSettings) -> Poses:
    """Poses of one picture.

    Args:
        output: YOLOv8 and YOLO11: (4 + classes + K·values, A) with boxes as centre and size; end-to-end (YOLO26):
            (N, 6 + K·values) rows of x1 y1 x2 y2 score class. In pixels of the network's input.
        spec: the model's shape.
        letterbox: the way back to the source's pixels.
        settings: `conf`, `iou`, `max_det` and `classes`.

    Raises:
        ModelError: the output is not of the shape that `spec` promises.
    """
    count, values = spec.keypoint_shape
    if spec.end2end:
        boxes, scores, classes, keypoints = _final(output, 6 + count * values, settings)
    else:
        boxes, scores, classes, keypoints = _suppressed(output, len(spec.names), count * values, settings)
    points = keypoints.reshape(-1, count, values)
    places = letterbox.to_source(np.concatenate([boxes.reshape(-1, 2, 2), points[:, :, :2]], axis=1))
    found = np.ones((len(points), count, 3), np.float32)
    found[:, :, :2] = places[:, 2:]
    if values == 3:
        found[:, :, 2] = points[:, :, 2]
    return Poses.of(places[:, :2].reshape(-1, 4), scores, found, classes)


def _final(output: Floats, columns: int, settings: InferenceSettings) -> tuple[Floats, Floats, Integers, Floats]:
    if output.ndim != 2 or output.shape[1] != columns:
        raise ModelError(f"the network gives {output.shape}, not (N, {columns}); is its metadata of another model?")
    rows = output[(output[:, 4] > settings.conf) & (output[:, 5] >= 0)]
    if settings.classes is not None:
        rows = rows[np.isin(rows[:, 5], settings.classes)]
    rows = rows[np.argsort(-rows[:, 4], kind="stable")][: settings.max_det]
    return rows[:, :4], rows[:, 4], rows[:, 5].astype(np.int64), rows[:, 6:]


def _suppressed(
    output: Floats, class_count: int, values: int, settings: InferenceSettings
) -> tuple[Floats, Floats, Integers, Floats]:
    if output.ndim != 2 or output.shape[0] != 4 + class_count + values:
        raise ModelError(
            f"the network gives {output.shape}, not ({4 + class_count + values}, A); is its metadata of another model?"
        )
    by_class = output[4 : 4 + class_count]
    best = by_class[0] if class_count == 1 else by_class.max(axis=0)
    candidates = np.flatnonzero(best > settings.conf)
    order = np.argsort(-best[candidates], kind="stable")[:_MOST_CANDIDATES]
    rows = output[:, candidates[order]].T  # the few candidates, not all anchors
    scores = rows[:, 4 : 4 + class_count].max(axis=1)
    classes = rows[:, 4 : 4 + class_count].argmax(axis=1)
    if settings.classes is not None:
        wanted = np.isin(classes, settings.classes)
        rows, scores, classes = rows[wanted], scores[wanted], classes[wanted]
    half = rows[:, 2:4] / 2
    boxes = np.concatenate([rows[:, :2] - half, rows[:, :2] + half], axis=1)
    kept = suppress(boxes + (classes * _CLASS_OFFSET).astype(np.float32)[:, None], settings.iou, settings.max_det)
    return boxes[kept], scores[kept], classes[kept].astype(np.int64), rows[kept, 4 + class_count :]


def suppress(boxes: Floats, iou: float, most: int) -> NDArray[np.intp]:
    """Greedy non-maximum suppression: indices of the boxes that stay.

    Args:
        boxes: (N, 4) x1 y1 x2 y2, best first.
        iou: a box that overlaps a better one by more than this goes.
        most: how many may stay.
    """
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    waiting = np.arange(len(boxes))
    kept: list[int] = []
    while waiting.size and len(kept) < most:  # turns once for each person that stays
        best, rest = waiting[0], waiting[1:]
        kept.append(int(best))
        corner = np.minimum(boxes[best, 2:], boxes[rest, 2:]) - np.maximum(boxes[best, :2], boxes[rest, :2])
        shared = np.clip(corner, 0, None).prod(axis=1)
        waiting = rest[~(shared > iou * (areas[best] + areas[rest] - shared))]  # a box of NaN takes nobody with it
    return np.array(kept, np.intp)
