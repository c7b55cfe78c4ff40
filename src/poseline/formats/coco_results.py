"""COCO keypoints, results: what pycocotools' `loadRes` takes, to be compared with a ground truth.

A list of persons, each with the number of its picture, as the format `coco` writes it, x, y and confidence of each
keypoint, and a score. There is no `bbox`: with one, evaluation by size would go by it rather than by the keypoints. A
point that is missing is 0, 0, 0, since NaN makes pycocotools count a person as found.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from poseline.errors import OutputError, SourceError
from poseline.formats.coco import image_ids
from poseline.formats.files import read_json, write_json
from poseline.formats.gather import gathered, present
from poseline.formats.options import ExportOptions, ImportOptions
from poseline.formats.registry import Read
from poseline.log import Tracks
from poseline.skeleton import Skeleton


def write(tracks: Tracks, target: Path, _: ExportOptions) -> Sequence[str]:
    """Write results: every person that has a keypoint."""
    rows, ids = tracks.rows, image_ids(tracks)
    points = rows.keypoints.astype(np.float64)
    there = present(points)
    points[:, :, :2], points[:, :, 2] = np.round(points[:, :, :2], 2), np.round(np.nan_to_num(points[:, :, 2]), 4)
    flat = np.where(there[:, :, None], points, 0.0).reshape(len(points), -1)
    seen = np.count_nonzero(there, axis=1)
    scores = np.round(np.nan_to_num(rows.score.astype(np.float64)), 4).tolist()
    persons = zip(rows.frame.tolist(), rows.id.tolist(), flat, scores, seen.tolist(), strict=True)
    write_json(
        target,
        [
            {
                "image_id": ids[frame],
                "category_id": 1,
                "keypoints": keypoints,
                "score": score,
                **({"track_id": track} if track >= 0 else {}),
            }
            for frame, track, keypoints, score, count in persons
            if count
        ],
    )
    return ["no times, no names of keypoints, no picture sizes, no boxes; frames in which nobody is are not in it"]


def validate(target: Path) -> None:
    """Raise an OutputError unless the file is a list of COCO's keypoint results, all of one length."""
    try:
        _persons(target)
    except SourceError as error:
        raise OutputError(str(error)) from None


def read(path: Path, options: ImportOptions) -> Read:
    """Read results; picture n is frame n - 1, as `write` numbers them."""
    persons = _persons(path)
    if not persons:
        raise SourceError(f"{path}: holds nobody")
    count = len(persons[0]["keypoints"]) // 3
    skeleton = options.skeleton or Skeleton.for_count(count)
    if len(skeleton) != count:
        raise SourceError(f"{path}: has {count} keypoints, and --skeleton names {len(skeleton)}")
    points = np.array([each["keypoints"] for each in persons], np.float64).reshape(len(persons), count, 3)
    points[(points == 0).all(axis=2)] = np.nan
    tracks = gathered(
        [int(each["image_id"]) - 1 for each in persons],
        points,
        skeleton,
        ids=[int(each.get("track_id", -1)) for each in persons],
        scores=[float(each["score"]) for each in persons],
    )
    notes = ["boxes are those around the keypoints", "picture n is taken for frame n - 1"]
    if options.skeleton is None:
        notes.append(
            "the file does not name its keypoints: they are taken for COCO's 17"
            if count == 17
            else f"the file does not name its keypoints: they are called {skeleton.names[0]} and so on"
        )
    return Read(tracks, notes, sparse=True)


def _persons(path: Path) -> list[dict[str, Any]]:
    """What the file lists, each with keypoints, all of one length, a score and the number of a picture."""
    try:
        persons = read_json(path)
        lengths = {len(each["keypoints"]) for each in persons if float(each["score"]) >= 0 and each["image_id"] > 0}
    except (SourceError, KeyError, TypeError, ValueError) as error:
        raise SourceError(f"{path}: is no list of COCO's keypoint results: {error}") from None
    if not isinstance(persons, list) or len(lengths) > 1 or any(length % 3 for length in lengths):
        raise SourceError(f"{path}: is no list of COCO's keypoint results: lengths of keypoints {sorted(lengths)}")
    return persons
