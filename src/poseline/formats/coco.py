"""COCO keypoints, ground truth: pictures, persons and the names of keypoints in one JSON file.

By the data format of cocodataset.org. A point is [x, y, v]: v is 2 for a point that is seen, 1 for one that is hidden,
and 0 (with x = y = 0) for one that is not labelled. What COCO has no place for stands in keys of our own, which other
programs ignore: `time` and `frame_id` of a picture, `track_id`, `score` and `confidences` of a person.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poseline.atomic import make_folder
from poseline.errors import OutputError, SourceError
from poseline.formats.files import read_json, write_json
from poseline.formats.gather import gathered, present
from poseline.formats.options import ExportOptions, ImportOptions
from poseline.formats.pictures import clip_name, numbered, picture_names, picture_sizes, write_pictures
from poseline.formats.registry import Read
from poseline.formats.skeletons import skeleton_of
from poseline.log import Tracks
from poseline.skeleton import COCO17, Skeleton
from poseline.words import counted

SEEN = 0.5
"""Confidence from which on a point counts as seen, and below which as hidden."""
OF_SEEN, OF_HIDDEN = 1.0, 0.25
"""Confidence of a point of which a file says only that it is seen, or hidden."""


def write(tracks: Tracks, target: Path, options: ExportOptions) -> Sequence[str]:
    """Write ground truth: the picture of every frame, also of those in which nobody is, and all persons.

    Where a clip is given, the pictures themselves go into a folder beside the file, `pictures_beside(target)`.
    """
    name = clip_name(tracks)
    videos = [{"id": 1, "name": name, "file_name": name, "width": tracks.size[0], "height": tracks.size[1]}]
    write_json(
        target,
        {
            "info": {"description": f"Keypoints of {name}", "version": "1.0"},
            "licenses": [],
            **({} if tracks.sources is not None else {"videos": videos}),
            "images": _images(tracks),
            "categories": [category(tracks.skeleton.names, tracks.skeleton.edges)],
            "annotations": _annotations(tracks),
        },
    )
    notes = [f"points with a confidence below {SEEN:g} are hidden (v = 1); the area is the box's"]
    if options.pictures_of is not None:
        folder = pictures_beside(target)
        places = [folder / PurePath(each).name for each in picture_names(tracks)]
        if len(set(places)) < len(places):
            raise OutputError(f"{folder}: two pictures have one name; export them without --pictures")
        make_folder(folder)
        notes += write_pictures(tracks, options.pictures_of, places.__getitem__)
        notes.append(f"its pictures are in {folder.name}/")
    return notes


def pictures_beside(target: Path) -> Path:
    """The folder of the pictures of a file: `keypoints.coco_images` of `keypoints.coco.json`."""
    return target.with_name(f"{target.stem}_images")


def validate(target: Path) -> None:
    """Raise an OutputError unless the file is COCO's ground truth with keypoints."""
    try:
        content = read_json(target)
        images = {image["id"] for image in content["images"]}
        sizes = {category["id"]: 3 * len(category["keypoints"]) for category in content["categories"]}
        for each in content["annotations"]:
            if each["image_id"] not in images or len(each["keypoints"]) != sizes[each["category_id"]]:
                raise OutputError(f"{target}: annotation {each['id']} is of no picture, or has not all keypoints")
    except (SourceError, KeyError, TypeError) as error:
        raise OutputError(f"{target}: is not COCO's ground truth with keypoints: {error}") from None


def read(path: Path, options: ImportOptions) -> Read:
    """Read ground truth, ours or that of another program."""
    return read_content(path, read_json(path), options)


def image_ids(tracks: Tracks) -> list[int]:
    """A number for each picture, from 1: that of its frame and 1; those in the names of pictures named as COCO's."""
    if tracks.sources is not None:
        stems = [name.rpartition(".")[0] for name in picture_names(tracks)]
        numbers = [int(stem) if stem.isdecimal() else 0 for stem in stems]
        named = all(numbers) and len(set(numbers)) == len(numbers)
        return numbers if named else list(range(1, len(tracks) + 1))
    found: list[int] = (tracks.frames + 1).tolist()
    return found


def _images(tracks: Tracks) -> list[dict[str, Any]]:
    images = []
    sizes = picture_sizes(tracks).astype(int)
    names, frames, times = picture_names(tracks), tracks.frames.tolist(), tracks.times.tolist()
    for number, name, (width, height), frame, time in zip(
        image_ids(tracks), names, sizes.tolist(), frames, times, strict=True
    ):
        image = {"id": number, "file_name": name, "width": width, "height": height}
        if tracks.sources is None:
            image |= {"video_id": 1, "frame_id": frame, "time": round(time, 6)}
        images.append(image)
    return images


def _annotations(tracks: Tracks) -> list[dict[str, Any]]:
    rows, ids = tracks.rows, image_ids(tracks)
    points, confidences = labelled(rows.keypoints)
    boxes = bboxes(rows.box)
    areas = np.round(boxes[:, 2] * boxes[:, 3], 2).tolist()
    scores = np.round(np.nan_to_num(rows.score.astype(np.float64)), 4).tolist()
    counts = (points[:, 2::3] > 0).sum(axis=1).tolist()
    return [
        {
            "id": place + 1,
            "image_id": ids[frame],
            "category_id": 1,
            "iscrowd": 0,
            "num_keypoints": counts[place],
            "keypoints": points[place],
            "bbox": boxes[place],
            "area": areas[place],
            "score": scores[place],
            "confidences": confidences[place],
            **({"track_id": track} if track >= 0 else {}),
        }
        for place, (frame, track) in enumerate(zip(rows.frame.tolist(), rows.id.tolist(), strict=True))
    ]


def category(names: Sequence[str], edges: Sequence[tuple[int, int]]) -> dict[str, Any]:
    """The category `person`, number 1, with these keypoints; its `skeleton` counts them from 1."""
    return {
        "id": 1, "name": "person", "supercategory": "person", "keypoints": names,
        "skeleton": [[first + 1, second + 1] for first, second in edges],
    }  # fmt: skip


def bboxes(boxes: NDArray[np.float32]) -> NDArray[np.float64]:
    """(N, 4) x, y, width and height of (N, 4) boxes x1 y1 x2 y2, to two digits; 0 for what is missing."""
    found = np.nan_to_num(boxes.astype(np.float64)).round(2)
    found[:, 2:] = (found[:, 2:] - found[:, :2]).round(2)
    return found


def labelled(keypoints: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(N, 3 K) x, y and v of (N, K, 3) keypoints, and (N, K) their confidences; 0 for what is missing."""
    points = keypoints.astype(np.float64)
    there = present(points)
    confidences = np.where(there, np.round(np.nan_to_num(points[:, :, 2]), 4), 0.0)
    places = np.where(there[:, :, None], np.round(points[:, :, :2], 2), 0.0)
    seen = np.where(there, np.where(confidences >= SEEN, 2.0, 1.0), 0.0)
    return np.concatenate([places, seen[:, :, None]], axis=2).reshape(len(points), -1), confidences


def read_content(path: Path, content: dict[str, Any], options: ImportOptions) -> Read:
    """Read what a file of ground truth holds; `path` is for errors."""
    images = content["images"]
    if len({image.get("video_id", 0) for image in images}) > 1:
        raise SourceError(f"{path}: is of several videos; give a file of one")
    skeleton, kinds = _skeleton(path, content, options)
    frames, timed = _frames(images)
    images = [images[place] for place in np.argsort(frames, kind="stable")]
    number_of = dict(zip((image["id"] for image in images), sorted(frames), strict=True))
    if len(number_of) < len(images):
        raise SourceError(f"{path}: two pictures have one id")
    persons = [each for each in content["annotations"] if each["category_id"] in kinds]
    kept = [each for each in persons if any(each.get("keypoints", ())[2::3]) and not each.get("iscrowd")]
    points = np.array([each["keypoints"] for each in kept], np.float64).reshape(len(kept), len(skeleton), 3)
    ours = all("confidences" in each for each in kept)
    seen = points[:, :, 2].copy()
    if ours:
        confidence = np.array([each["confidences"] for each in kept], np.float64).reshape(seen.shape)
    else:
        confidence = np.where(seen >= 2, OF_SEEN, OF_HIDDEN)
    points[:, :, 2] = confidence
    points[seen <= 0] = np.nan
    boxes = np.array([each.get("bbox") or [np.nan] * 4 for each in kept], np.float64).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    sizes = [(int(image.get("width") or 0), int(image.get("height") or 0)) for image in images]
    one_size, sized = len(set(sizes)) == 1, all(min(size) > 0 for size in sizes)
    tracks = gathered(
        [number_of[each["image_id"]] for each in kept],
        points,
        skeleton,
        ids=[int(each.get("track_id", -1)) for each in kept],
        scores=[float(each.get("score", 1.0)) for each in kept],
        boxes=boxes,
        all_frames=sorted(frames),
        times=[float(image["time"]) for image in images] if timed else None,
        size=sizes[0] if one_size else (0, 0),
        sizes=sizes if sized else None,
        sources=None if timed else [str(image["file_name"]) for image in images],
        header={"source": _clip(content)} if timed else {},
    )
    return Read(tracks, _notes(len(persons) - len(kept), ours, any("track_id" in each for each in kept)))


def _skeleton(path: Path, content: dict[str, Any], options: ImportOptions) -> tuple[Skeleton, set[int]]:
    """The keypoints, and the categories that have them."""
    kinds = [each for each in content["categories"] if each.get("keypoints")]
    if options.skeleton is not None:
        counts = {len(each["keypoints"]) for each in kinds} - {len(options.skeleton)}
        if counts:
            raise SourceError(f"{path}: has {counts.pop()} keypoints, and --skeleton names {len(options.skeleton)}")
        return options.skeleton, {each["id"] for each in kinds or content["categories"]}
    if not kinds:
        lengths = {len(each.get("keypoints") or ()) // 3 for each in content["annotations"]} - {0}
        if lengths != {len(COCO17)}:
            raise SourceError(f"{path}: does not name its keypoints; give their names with --skeleton")
        return COCO17, {each["id"] for each in content["categories"]}
    names = tuple(str(name) for name in kinds[0]["keypoints"])
    if any(tuple(each["keypoints"]) != names for each in kinds):
        raise SourceError(f"{path}: has categories of different keypoints; give a file of one")
    edges = tuple((int(first) - 1, int(second) - 1) for first, second in kinds[0].get("skeleton") or ())
    return skeleton_of(path, names, edges), {each["id"] for each in kinds}


def _frames(images: Sequence[dict[str, Any]]) -> tuple[list[int], bool]:
    """A number for each picture, by its frame or its name, and whether they have times."""
    timed = all("time" in image for image in images)
    for key in ("frame_id", "frame_number"):
        if all(key in image for image in images):
            numbers = [int(image[key]) for image in images]
            if len(set(numbers)) == len(numbers):
                return numbers, timed
    by_name = numbered([str(image["file_name"]) for image in images])
    return by_name or list(range(len(images))), timed


def _clip(content: dict[str, Any]) -> str:
    videos = content.get("videos") or [{}]
    return str(videos[0].get("file_name") or videos[0].get("name") or "")


def _notes(left_out: int, ours: bool, tracked: bool) -> list[str]:
    notes = [f"{counted(left_out, 'person')} without keypoints left out"] if left_out else []
    if not ours:
        notes.append(f"no confidences: a point that is seen has {OF_SEEN:g}, one that is hidden {OF_HIDDEN:g}")
    if not tracked:
        notes.append("no ids of persons (track_id)")
    return notes
