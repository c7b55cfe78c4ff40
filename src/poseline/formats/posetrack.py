"""PoseTrack (2018 and 2021): a video's persons with their tracks, in a JSON file like COCO's.

It has 17 keypoints of its own: like COCO's, but the bottom and the top of the head in place of the eyes. Keypoints are
found by name, so those two are missing (0, 0, 0) and the eyes are lost. `scores` are the confidences of the keypoints.
Pictures are numbered 1VVVVVVFFFF, by video and frame. `time` is a key of our own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from poseline.errors import OutputError, SourceError
from poseline.formats import coco
from poseline.formats.arrays import without_id
from poseline.formats.files import read_json, write_json
from poseline.formats.options import ExportOptions, ImportOptions
from poseline.formats.pictures import clip_name
from poseline.formats.registry import Read
from poseline.formats.skeletons import by_name
from poseline.log import Tracks
from poseline.pose import UNTRACKED

NAMES = (
    "nose", "head_bottom", "head_top", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle",
    "right_ankle",
)  # fmt: skip
_EDGES = (
    (1, 2), (0, 1), (0, 2), (1, 3), (2, 4), (5, 6), (5, 7), (7, 9), (6, 8), (8, 10), (5, 11), (6, 12), (11, 12),
    (11, 13), (13, 15), (12, 14), (14, 16),
)  # fmt: skip
_VIDEO = 1
_FIRST = 10_000_000_000 + 10_000 * _VIDEO
"""The number of the first picture."""


def write(tracks: Tracks, target: Path, _: ExportOptions) -> Sequence[str]:
    """Write every frame, and everybody who has an id."""
    known = tracks.rows.id != UNTRACKED
    points, lost = by_name(tracks, NAMES)
    labelled, scores = coco.labelled(points[known])
    rows = tracks.rows[known]
    boxes = coco.bboxes(rows.box)
    folder = f"images/val/{_VIDEO:06d}_{PurePath(clip_name(tracks)).stem}"
    frames = tracks.frames.tolist()
    moments = zip(frames, tracks.times.tolist(), strict=True)
    images = [
        {
            "id": _FIRST + frame,
            "frame_id": _FIRST + frame,
            "vid_id": f"{_VIDEO:06d}",
            "nframes": len(tracks),
            "is_labeled": True,
            "file_name": f"{folder}/{frame:06d}.jpg",
            "time": round(time, 6),
        }
        for frame, time in moments
    ]
    annotations = [
        {
            "id": place + 1,
            "image_id": _FIRST + frames[frame],
            "category_id": 1,
            "track_id": track,
            "person_id": track,
            "keypoints": labelled[place],
            "scores": scores[place],
            "score": score,
            "bbox": boxes[place],
            "bbox_head": [],
        }
        for place, (frame, track, score) in enumerate(
            zip(rows.frame.tolist(), rows.id.tolist(), np.round(rows.score.astype(float), 4).tolist(), strict=True)
        )
    ]
    categories = [coco.category(NAMES, _EDGES)]
    write_json(target, {"images": images, "annotations": annotations, "categories": categories})
    return [*([f"without {', '.join(lost)}"] if lost else []), *without_id(tracks)]


def validate(target: Path) -> None:
    """Raise an OutputError unless the file is PoseTrack's: all persons with 17 keypoints and a track."""
    try:
        content = read_json(target)
        images = {image["frame_id"] for image in content["images"]}
        tracks = {
            (each["image_id"], each["track_id"])
            for each in content["annotations"]
            if len(each["keypoints"]) == 3 * len(NAMES) and each["image_id"] in images
        }
    except (SourceError, KeyError, TypeError) as error:
        raise OutputError(f"{target}: is not PoseTrack's: {error}") from None
    if len(tracks) < len(content["annotations"]):
        raise OutputError(f"{target}: a person is of no picture, twice in one, or has not {len(NAMES)} keypoints")


def read(path: Path, options: ImportOptions) -> Read:
    """Read a file of annotations, or of results, of one video; frames that nobody has labelled are left out."""
    content = as_coco(read_json(path))
    labelled = {image["id"] for image in content["images"] if is_labelled(image)}
    content["images"] = [image for image in content["images"] if image["id"] in labelled]
    content["annotations"] = [each for each in content["annotations"] if each["image_id"] in labelled]
    for image in content["images"]:
        image["frame_id"] = int(re.findall(r"\d+", PurePath(image["file_name"]).stem)[-1])
    return coco.read_content(path, content, options)


def as_coco(content: Any) -> dict[str, Any]:
    """The content of a file of annotations, or of results, changed to what COCO's has; to be called within `reading`.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: it is not PoseTrack's.
    """
    for each in content["annotations"]:
        _prepare(each)
    if not any(kind.get("keypoints") for kind in content.get("categories", ())):
        content["categories"] = [{"id": 1, "name": "person", "keypoints": NAMES, "skeleton": []}]
    found: dict[str, Any] = content
    return found


def is_labelled(image: dict[str, Any]) -> bool:
    """Whether somebody has labelled the persons in a picture; a part of the frames of a video is left out."""
    return bool(image.get("is_labeled", True))


def _prepare(person: dict[str, Any]) -> None:
    """Name a person's parts as COCO does; in results, which have scores, v says nothing."""
    person.setdefault("category_id", 1)
    if scores := person.get("scores"):
        person["confidences"] = scores
        points = np.array(person["keypoints"], float).reshape(-1, 3)
        points[:, 2] = np.where((points[:, :2] == 0).all(axis=1), 0, 2)
        person["keypoints"] = points.ravel().tolist()
