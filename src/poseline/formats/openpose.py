"""OpenPose: a folder with a JSON file for every frame, numbered from 0, as OpenPose's `--write_json` makes it.

Points are in the order of BODY_25. Pose2Sim reads the frames from 0 to the number of files, so frames that were
dropped, or in which nobody was seen, have a file too. OpenPose's neck and middle of the hips are by its own definition
the middles of shoulders and hips, so they are worked out; toes and heels are missing where the model knows none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from poseline.errors import OutputError, SourceError
from poseline.formats.arrays import numbered_frames, owners, skeleton_for
from poseline.formats.files import read_json, replacing_folder
from poseline.formats.gather import gathered
from poseline.formats.options import ExportOptions, ImportOptions
from poseline.formats.registry import Read
from poseline.log import Tracks
from poseline.log.tracks import Doubles, Rows
from poseline.pose import UNTRACKED
from poseline.skeleton import COCO17, Skeleton

_RIGHT_ARM, _LEFT_ARM, _RIGHT_LEG, _LEFT_LEG = (
    tuple(f"{side}_{part}" for part in parts)
    for parts in (("shoulder", "elbow", "wrist"), ("hip", "knee", "ankle"))
    for side in ("right", "left")
)
_FACE = ("right_eye", "left_eye", "right_ear", "left_ear")
_LEFT_FOOT, _RIGHT_FOOT = (
    tuple(f"{side}_{part}" for part in ("big_toe", "small_toe", "heel")) for side in ("left", "right")
)
BODY_25 = (
    "nose", "neck", *_RIGHT_ARM, *_LEFT_ARM, "mid_hip", *_RIGHT_LEG, *_LEFT_LEG, *_FACE, *_LEFT_FOOT, *_RIGHT_FOOT,
)  # fmt: skip
_LAYOUTS = {
    len(names): names
    for names in (
        BODY_25,
        ("nose", "neck", *_RIGHT_ARM, *_LEFT_ARM, *_RIGHT_LEG, *_LEFT_LEG, *_FACE),  # OpenPose's COCO
        ("head", "neck", *_RIGHT_ARM, *_LEFT_ARM, *_RIGHT_LEG, *_LEFT_LEG, "chest"),  # MPI
        COCO17.names,  # Pose2Sim's COCO_17, and its HALPE_26 below
        (
            *COCO17.names, "head", "neck", "mid_hip",
            *(f"{side}_{part}" for part in ("big_toe", "small_toe", "heel") for side in ("left", "right")),
        ),
    )
}  # fmt: skip
"""Names of the points by how many a person has."""
_MIDDLES = {"neck": ("left_shoulder", "right_shoulder"), "mid_hip": ("left_hip", "right_hip")}
_OTHERS = (
    "face_keypoints_2d", "hand_left_keypoints_2d", "hand_right_keypoints_2d", "pose_keypoints_3d",
    "face_keypoints_3d", "hand_left_keypoints_3d", "hand_right_keypoints_3d",
)  # fmt: skip
_NUMBER = re.compile(r"(\d+)\D*$")


def write(tracks: Tracks, target: Path, _: ExportOptions) -> Sequence[str]:
    """Write the folder `target`: `keypoints_000000000012_keypoints.json` is frame 12."""
    points = _in_order(tracks.rows, tracks.skeleton)
    count, places = numbered_frames(tracks)
    order = np.lexsort((tracks.rows.id, tracks.rows.frame))
    bounds = np.searchsorted(places[tracks.rows.frame[order]], np.arange(count + 1)).tolist()
    nothing: dict[str, Any] = {name: [] for name in _OTHERS}
    with replacing_folder(target) as folder:
        for number, (start, stop) in enumerate(pairwise(bounds)):
            people = [
                {"person_id": [tracks.rows.id[row]], "pose_keypoints_2d": points[row], **nothing}
                for row in order[start:stop]
            ]
            record = orjson.dumps({"version": 1.3, "people": people}, option=orjson.OPT_SERIALIZE_NUMPY)
            (folder / f"keypoints_{number:012d}_keypoints.json").write_bytes(record)
    lost = sorted(set(tracks.skeleton.names) - set(BODY_25))
    return [f"not part of BODY_25, and left out: {', '.join(lost)}"] if lost else []


def validate(target: Path) -> None:
    """Raise an OutputError unless files are numbered from 0 without a hole, and the last one is whole."""
    try:
        files = _numbered(target)
        if sorted(files) != list(range(len(files))):
            raise OutputError(f"{target}: frames are not numbered from 0 without a hole")
        _people(files[len(files) - 1])
    except SourceError as error:
        raise OutputError(str(error)) from None


def read(path: Path, options: ImportOptions) -> Read:
    """Read a folder of JSON files; the last number in a file's name is its frame's."""
    files = _numbered(path)
    numbers = sorted(files)
    frame, ids, points = [], [], []
    for place, number in enumerate(numbers):
        for person in _people(files[number]):
            frame.append(place)
            ids.append(person[0])
            points.append(person[1])
            if len(person[1]) != len(points[0]):
                raise SourceError(
                    f"{files[number]}: a person has {len(person[1]) // 3} points, and others have {len(points[0]) // 3}"
                )
    values = np.array(points, np.float64).reshape(len(points), -1, 3) if points else np.zeros((0, 25, 3))
    placed = values[..., :2][(values != 0).any(axis=2)]
    if len(placed) and np.abs(placed).max() <= 1:
        raise SourceError(f"{path}: coordinates are shares of the picture; run OpenPose with --keypoint_scale 0")
    values[(values[..., :2] == 0).all(axis=2), :2] = np.nan
    own, notes = owners(np.array(ids, np.int64), np.array(frame, np.intp))
    count = values.shape[1]
    skeleton = skeleton_for(path, options, _LAYOUTS.get(count) or Skeleton.numbered(count).names)
    return Read(gathered(np.array(numbers)[frame], values, skeleton, ids=own, all_frames=numbers), notes)


def _in_order(rows: Rows, skeleton: Skeleton) -> Doubles:
    """(N, 75) x, y, confidence of BODY_25's points; zeros where one is missing.

    Raises:
        OutputError: the skeleton has none of them.
    """
    place = {name: index for index, name in enumerate(skeleton.names)}
    if not place.keys() & set(BODY_25):
        raise OutputError(f"OpenPose's BODY_25 has none of the keypoints {', '.join(skeleton.names[:5])}")
    values = np.full((len(rows), len(BODY_25), 3), np.nan)
    for index, name in enumerate(BODY_25):
        pair = _MIDDLES.get(name, ())
        if name in place:
            values[:, index] = rows.keypoints[:, place[name]]
        elif pair and all(end in place for end in pair):
            ends = rows.keypoints[:, [place[end] for end in pair]]
            values[:, index] = ends.mean(axis=1)
            values[:, index, 2] = ends[..., 2].min(axis=1)
    values[~np.isfinite(values[..., :2]).all(axis=2)] = 0
    values = np.round(np.nan_to_num(values), 4)
    values[..., :2] = np.round(values[..., :2], 2)
    flat: Doubles = values.reshape(len(rows), -1)
    return flat


def _numbered(folder: Path) -> dict[int, Path]:
    """The files of a folder by the numbers of their frames."""
    if not folder.is_dir():
        raise SourceError(f"{folder}: OpenPose's output is a folder of JSON files, one for each frame")
    files: dict[int, Path] = {}
    for path in sorted(folder.glob("*.json")):
        found = _NUMBER.search(path.stem)
        if not found:
            raise SourceError(f"{path}: its name has no number of a frame")
        if int(found[1]) in files:
            raise SourceError(f"{path}: is frame {int(found[1])}, as {files[int(found[1])].name} is; one clip a folder")
        files[int(found[1])] = path
    if not files:
        raise SourceError(f"{folder}: no JSON file is in it")
    return files


def _people(path: Path) -> list[tuple[int, list[float]]]:
    """Id and flat points of each person in a file; those without points, as of Pose2Sim, are left out."""
    try:
        people = read_json(path)["people"]
        found = [(_id(person), person["pose_keypoints_2d"]) for person in people if person.get("pose_keypoints_2d")]
        if any(len(points) % 3 for _, points in found):
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError):
        raise SourceError(f"{path}: is not a file of OpenPose: it has no people with pose_keypoints_2d") from None
    return found


def _id(person: dict[str, Any]) -> int:
    number = person.get("person_id", UNTRACKED)
    number = number[0] if isinstance(number, list) and number else number
    return number if isinstance(number, int) and number >= 0 else UNTRACKED
