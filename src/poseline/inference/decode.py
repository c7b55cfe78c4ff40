"""Decoding: a network's raw output to poses in source pixels."""

from __future__ import annotations

from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from poseline.errors import ModelError
from poseline.inference.letterbox import Letterbox
from poseline.inference.spec import ModelSpec
from poseline.pose import Floats, Poses
from poseline.settings import InferenceSettings

_MOST_CANDIDATES = 30_000
_BLOCK = 128
"""Boxes compared each with each at once in suppression; most pictures have fewer candidates."""
_CLASS_OFFSET = np.float32(7680)
"""Moves boxes of different classes apart before suppression; wider than any network input."""


def decode(output: Floats, spec: ModelSpec, letterbox: Letterbox, settings: InferenceSettings) -> Poses:
    """Poses of one picture, as `decode_batch` has them of many; `output` has one axis less."""
    return decode_batch(output[None], spec, letterbox, settings)[0]


@np.errstate(invalid="ignore")  # a network that overflowed says NaN; who is seen well beside it stays
def decode_batch(outputs: Floats, spec: ModelSpec, letterbox: Letterbox, settings: InferenceSettings) -> list[Poses]:
    """Poses of each of B pictures that lie in the network's input alike, all at once.

    Args:
        outputs: YOLOv8 and YOLO11: (B, 4 + classes + K·values, A) with boxes as centre and size; end-to-end (YOLO26):
            (B, N, 6 + K·values) rows of x1 y1 x2 y2 score class. In pixels of the network's input.
        spec: the model's shape.
        letterbox: the way back to the source's pixels.
        settings: `conf`, `iou`, `max_det` and `classes`.

    Raises:
        ModelError: the outputs are not of the shape that `spec` promises.
    """
    count, values = spec.keypoint_shape
    if not spec.end2end:
        each = [_suppressed(output, len(spec.names), count * values, settings) for output in outputs]
        return [_poses(rows, count, values, letterbox) for rows in each]
    rows, counts = _final(outputs, 6 + count * values, settings)
    everybody = _poses(rows, count, values, letterbox)
    begins = accumulate(counts, initial=0)
    return [everybody[at : at + min(own, settings.max_det)] for at, own in zip(begins, counts, strict=False)]


def _poses(rows: Floats, count: int, values: int, letterbox: Letterbox) -> Poses:
    """Poses in source pixels of rows as an end-to-end network gives them."""
    points = rows[:, 6:].reshape(-1, count, values)
    places = letterbox.to_source(np.concatenate((rows[:, :4].reshape(-1, 2, 2), points[:, :, :2]), axis=1))
    keypoints = np.empty((len(points), count, 3), np.float32)
    keypoints[:, :, :2] = places[:, 2:]
    keypoints[:, :, 2] = points[:, :, 2] if values == 3 else 1
    return Poses.of(places[:, :2].reshape(-1, 4), rows[:, 4], keypoints, rows[:, 5].astype(np.int64))


def _final(outputs: Floats, columns: int, settings: InferenceSettings) -> tuple[Floats, list[int]]:
    """The rows that count, the best of each picture first, and how many each has; there may be more than `max_det`."""
    if outputs.ndim != 3 or outputs.shape[2] != columns:
        raise ModelError(
            f"the network gives {outputs.shape[1:]}, not (N, {columns}); is its metadata of another model?"
        )
    scores, classes = outputs[:, :, 4], outputs[:, :, 5]
    chosen = (scores > settings.conf) & (classes >= 0)
    if settings.classes is not None:
        chosen &= np.isin(classes, settings.classes)
    pictures, rows = chosen.nonzero()[0], outputs[chosen]
    order = np.lexsort((-rows[:, 4], pictures))
    return rows.take(order, axis=0), np.bincount(pictures, minlength=len(outputs)).tolist()


def _suppressed(output: Floats, class_count: int, values: int, settings: InferenceSettings) -> Floats:
    """The rows of one picture that an end-to-end network would give."""
    if output.ndim != 2 or output.shape[0] != 4 + class_count + values:
        raise ModelError(
            f"the network gives {output.shape}, not ({4 + class_count + values}, A); is its metadata of another model?"
        )
    by_class = output[4 : 4 + class_count]
    best = by_class[0] if class_count == 1 else by_class.max(axis=0)
    candidates = (best > settings.conf).nonzero()[0]
    order = (-best.take(candidates)).argsort(kind="stable")[:_MOST_CANDIDATES]
    columns = output.take(candidates.take(order), axis=1)  # the few candidates, not all anchors
    by_class = columns[4 : 4 + class_count]
    centre, half = columns[:2], columns[2:4] / 2
    scores, classes = by_class.max(axis=0, keepdims=True), by_class.argmax(axis=0)[None].astype(np.float32)
    parts: tuple[Floats, ...] = (centre - half, centre + half, scores, classes, columns[4 + class_count :])
    rows = np.concatenate(parts).T
    if settings.classes is not None:
        rows = rows[np.isin(rows[:, 5], settings.classes)]
    kept = suppress(rows[:, :4] + rows[:, 5:6] * _CLASS_OFFSET, settings.iou, settings.max_det)
    return rows.take(kept, axis=0)


def suppress(boxes: Floats, iou: float, most: int) -> NDArray[np.intp]:
    """Greedy non-maximum suppression (NMS): indices of the boxes that stay.

    Args:
        boxes: (N, 4) x1 y1 x2 y2, best first.
        iou: a box that overlaps a better one by more than this goes.
        most: how many may stay.
    """
    waiting = np.arange(len(boxes))
    kept: list[int] = []
    while waiting.size and len(kept) < most:
        block, waiting = waiting[:_BLOCK], waiting[_BLOCK:]
        chosen = boxes.take(block, axis=0)
        winners = _winners(_covers(chosen, chosen, iou))
        kept += block.take(winners).tolist()
        if waiting.size:
            waiting = waiting[~_covers(chosen[winners], boxes[waiting], iou).any(axis=0)]
    return np.array(kept[:most], np.intp)


def _covers(boxes: Floats, others: Floats, iou: float) -> NDArray[np.bool_]:
    """(N, M) whether each of N boxes overlaps each of M others by more than `iou`; a box of NaN overlaps nobody."""
    # Axis by axis in memory, or numpy takes three times as long.
    one, other = np.ascontiguousarray(boxes.T)[:, :, None], np.ascontiguousarray(others.T)[:, None]
    width, height = np.maximum(np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2]), 0)
    shared = width * height
    area, area2 = ((sides[2] - sides[0]) * (sides[3] - sides[1]) for sides in (one, other))
    covers: NDArray[np.bool_] = shared > iou * (area + area2 - shared)
    return covers


def _winners(beats: NDArray[np.bool_]) -> list[int]:
    """Who stays of N, best first, if all who stay take away those whom they beat, (N, N)."""
    stay, lost = [], np.zeros(len(beats), np.bool_)
    for index in range(len(beats)):
        if not lost[index]:
            stay.append(index)
            lost |= beats[index]
    return stay
