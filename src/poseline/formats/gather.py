"""Gather: what a reader found, in whatever order, as tracks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from poseline.log import Rows, State, Tracks
from poseline.pose import UNTRACKED, boxes_around
from poseline.skeleton import Skeleton


def gathered(
    frames: ArrayLike,
    keypoints: ArrayLike,
    skeleton: Skeleton,
    *,
    ids: ArrayLike | None = None,
    scores: ArrayLike | None = None,
    boxes: ArrayLike | None = None,
    all_frames: ArrayLike | None = None,
    times: ArrayLike | None = None,
    size: tuple[int, int] = (0, 0),
    sizes: ArrayLike | None = None,
    sources: Sequence[str] | None = None,
    header: dict[str, Any] | None = None,
) -> Tracks:
    """Tracks of N poses, sorted by frame, the best score first.

    Args:
        frames: (N,) the frame number of each pose.
        keypoints: (N, K, 3) x, y in pixels and confidence; a point that is missing is NaN.
        skeleton: names of the K keypoints.
        ids: (N,) track ids from 1, -1 for nobody's; None: nobody has one.
        scores: (N,) confidence of each person; where it is NaN, or None: the mean of the person's confidences.
        boxes: (N, 4) x1 y1 x2 y2; where it is NaN, or None: the box around the keypoints.
        all_frames: (T,) the numbers of all frames, ascending; None: those in which somebody is.
        times: (T,) seconds; None: not known.
        size: (width, height) of the picture in pixels; (0, 0) where it is not known.
        sizes: (T, 2) the same of each frame, where they differ.
        sources: the T picture files, where pictures are separate.
        header: what the file says of its clip: `source`, and `video` with `fps`.
    """
    numbers = np.asarray(frames, np.int64).reshape(-1)
    points = _floats(keypoints).reshape(len(numbers), len(skeleton), 3)
    found = present(points)
    points[~found] = np.nan
    every = np.unique(numbers) if all_frames is None else np.asarray(all_frames, np.int64)
    given = _floats(np.full(len(numbers), np.nan) if scores is None else scores)
    score = _instead(given, _means(points[:, :, 2]))
    held = _floats(np.full((len(numbers), 4), np.nan) if boxes is None else boxes)
    box = _instead(held.reshape(-1, 4), boxes_around(points))
    named = np.full(len(numbers), UNTRACKED, np.int64) if ids is None else np.asarray(ids, np.int64)
    place = np.searchsorted(every, numbers)
    rows = Rows(place, named, score, box, points, np.where(found, State.MEASURED, State.MISSING).astype(np.uint8))
    shapes = None if sizes is None else np.column_stack([np.asarray(sizes, np.float64), np.ones(len(every))])
    return Tracks(
        np.full(len(every), np.nan) if times is None else np.asarray(times, np.float64),
        every,
        rows[np.lexsort((-score, place))],
        skeleton,
        size=size,
        header=header or {},
        shapes=shapes,
        sources=sources,
    )


def _floats(values: ArrayLike) -> NDArray[np.float32]:
    """A copy in float32; what is too large for that, or infinite, is NaN."""
    with np.errstate(over="ignore"):
        result = np.array(values, np.float64).astype(np.float32)
    result[~np.isfinite(result)] = np.nan
    return result


def present(keypoints: NDArray[np.floating]) -> NDArray[np.bool_]:
    """(N, K) which of (N, K, 2 or 3) keypoints are there."""
    found: NDArray[np.bool_] = np.isfinite(keypoints[:, :, 0]) & np.isfinite(keypoints[:, :, 1])
    return found


def _instead(values: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    """`values`, and `others` where they are NaN."""
    result: NDArray[np.float32] = np.where(np.isnan(values), others, values)
    return result


def _means(confidences: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N,) the mean of each row without NaN; 0 where all are."""
    known = np.isfinite(confidences)
    total: NDArray[np.float32] = np.where(known, confidences, 0).sum(axis=1)
    result: NDArray[np.float32] = total / np.maximum(known.sum(axis=1), 1).astype(np.float32)
    return result
