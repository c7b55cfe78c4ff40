"""Tracked: who is where in each frame, from a truth that somebody made, from a run's log, or from a model and a clip.

Truths are read from our own keypoint log (the samples' `.truth.jsonl`), from MOTChallenge's `gt.txt` and from
PoseTrack's JSON. Boxes are x1 y1 x2 y2, keypoints x, y and visibility, in pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from poseline.capture import locate, read_image
from poseline.errors import SourceError
from poseline.evaluation.dataset import first_file
from poseline.formats import mot, posetrack
from poseline.formats.files import read_json, reading
from poseline.formats.skeletons import skeleton_of
from poseline.frame import Frame
from poseline.inference import PoseEstimator, infer
from poseline.log import LogReader
from poseline.pose import UNTRACKED, Floats, Integers, Observation, boxes_around
from poseline.request import RunRequest
from poseline.session import Models, Session
from poseline.settings import CaptureSettings, Settings
from poseline.skeleton import Skeleton
from poseline.tracking import Tracker, track

Bools: TypeAlias = NDArray[np.bool_]

_FARTHEST = 1e6
"""Pixels; no picture is larger."""
_HIDDEN = 0.1
"""Share of a person that is seen, below which the truth does not ask for them."""


@dataclass(frozen=True, eq=False)
class TrackedFrame:
    """N persons in one frame."""

    ids: Integers
    """(N,) int64."""
    boxes: Floats
    """(N, 4)."""
    keypoints: Floats | None = None
    """(N, K, 3); None where there are boxes alone."""
    ignored: Bools | None = None
    """(N,) persons of the truth who need not be found, nor count as false when they are; None: nobody."""


@dataclass(frozen=True, eq=False)
class Tracked:
    """Everybody in a clip."""

    name: str
    frames: dict[int, TrackedFrame]
    """By the frame's number, from 0; frames without anybody may be missing."""
    skeleton: Skeleton | None = None
    """None where there are boxes alone."""
    clip: Path | None = None
    """The video of a truth, or the folder of its pictures, where it is known and there."""
    pictures: tuple[Path, ...] = ()
    """The pictures, frame after frame, where the clip is a row of them."""
    rate: float | None = None
    """Frames a second of the pictures."""
    length: int = 0
    """Frames, where that is known; else 0."""
    unlabelled: frozenset[int] = frozenset()
    """Numbers of the frames of a truth of which it does not say who is in them; they are not compared."""


def read_truth(path: Path, clip: Path | None = None) -> Tracked:
    """The truth in a file: `.jsonl` of ours, `.txt` of MOTChallenge, `.json` of PoseTrack.

    Args:
        path: the file; or the folder of a MOTChallenge sequence.
        clip: the video or the folder of pictures that it is of; None: where the file says, or its place suggests.

    Raises:
        SourceError: it cannot be read, or is none of these.
    """
    if path.is_dir() and (path / "gt" / "gt.txt").is_file():
        path = path / "gt" / "gt.txt"
    if path.suffix == ".jsonl":
        return _of_log(path, clip)
    if path.suffix == ".txt":
        return _of_mot(path, clip)
    if path.suffix == ".json":
        return posetrack_truth(path, read_json(path), clip)
    raise SourceError(f"{path}: a truth of identities is a .jsonl of ours, MOTChallenge's gt.txt or PoseTrack's .json")


def tracked_in_run(log: Path, *, raw: bool = False) -> Tracked:
    """What a run logged; persons without an id are left out. With `raw`, without corrections that were made by hand.

    Raises:
        SourceError: the log cannot be read.
    """
    reader = LogReader(log, raw=raw)
    frames = {}
    for number, frame in enumerate(reader.frames()):
        # The pictures of a sequence are sources of their own, and number 0 to N as a video's frames do.
        kept = frame.poses[frame.poses.ids != UNTRACKED]
        frames[frame.index if frame.index not in frames else number] = TrackedFrame(
            kept.ids, kept.boxes, kept.keypoints
        )
    return Tracked(str(log), frames, reader.skeleton, length=len(frames))


def tracked_by_model(
    estimator: PoseEstimator,
    truth: Tracked,
    settings: Settings,
    on_frame: Callable[[Observation], object] | None = None,
) -> Tracked:
    """Run the model and the tracker on the truth's clip.

    Raises:
        SourceError: the clip is not known or cannot be read.
    """
    frames = {}
    for index, seen in enumerate(_observations(estimator, truth, settings)):
        kept = seen.poses[seen.poses.ids != UNTRACKED]
        frames[index] = TrackedFrame(kept.ids, kept.boxes, kept.keypoints)
        if on_frame is not None:
            on_frame(seen)
    return Tracked(estimator.spec.name, frames, estimator.spec.skeleton, length=len(frames))


def _observations(estimator: PoseEstimator, truth: Tracked, settings: Settings) -> Iterator[Observation]:
    if truth.pictures:
        tracker = Tracker(settings.tracking, estimator.spec.skeleton.sigmas, settings.inference.conf)
        seen = infer(_as_clip(truth), estimator, settings.inference, low=settings.tracking.low)
        yield from track(seen, tracker, estimator.spec.skeleton.torso)
        return
    if truth.clip is None:
        raise SourceError(f"{truth.name}: its clip is not beside it; name it with --clip, or give a run of it")
    with Session(RunRequest(locate([truth.clip])[0], settings), Models(loaded=estimator)) as session:
        yield from session.observations()


def _as_clip(truth: Tracked) -> Iterator[Frame]:
    """Pictures as the frames of one clip: the same people in each, at the clip's own rate."""
    rate = truth.rate or 25.0
    step = Fraction(1 / rate).limit_denominator(90_000)
    for index, path in enumerate(truth.pictures):
        pixels = read_image(path, CaptureSettings().max_pixels)
        yield Frame(pixels, index, index, step, float(index * step), 0.0, truth.name)


# Ours


def _of_log(path: Path, clip: Path | None) -> Tracked:
    reader = LogReader(path)
    frames = {}
    with reading(path, "a keypoint log of a truth"):
        for record, frame in reader.records():
            seen = np.array([float(person.get("visible", 1)) for person in record["persons"]])
            ids, boxes, keypoints = frame.poses.ids, frame.poses.boxes, frame.poses.keypoints
            frames[frame.index] = TrackedFrame(ids, boxes, keypoints, seen < _HIDDEN)
    found = clip or first_file([path.parent], Path(str(reader.run.get("source"))).name)
    return Tracked(path.name, frames, reader.skeleton, found, length=len(frames))


# MOTChallenge


def _of_mot(path: Path, clip: Path | None) -> Tracked:
    found, info = mot.read_boxes(path), mot.read_info(path)
    frames = {}
    for number in np.unique(found.frames).tolist():
        chosen = found.frames == number
        boxes = found.boxes[chosen].astype(np.float32)
        frames[number] = TrackedFrame(found.ids[chosen], boxes, None, ~found.counts[chosen])
    folder = path.parent.parent
    pictures = tuple[Path, ...]()
    if clip is None and (folder / "img1").is_dir():
        pictures = _pictures(folder / "img1")
    elif clip is not None and clip.is_dir():
        pictures = _pictures(clip)
    length = max(max(frames) + 1, info.length or 0, len(pictures))
    return Tracked(folder.name or path.name, frames, None, clip, pictures, info.rate, length)


def _pictures(folder: Path) -> tuple[Path, ...]:
    return tuple(sorted(file for file in folder.iterdir() if file.suffix.lower() in (".jpg", ".jpeg", ".png")))


# PoseTrack


def posetrack_truth(path: Path, content: Any, clip: Path | None) -> Tracked:
    """The truth that the content of PoseTrack's JSON is, which is changed; `path` is where it lies.

    Raises:
        SourceError: it is not PoseTrack's.
    """
    with reading(path, "PoseTrack's JSON"):
        return _of_posetrack(path, posetrack.as_coco(content), clip)


def _of_posetrack(path: Path, content: dict[str, Any], clip: Path | None) -> Tracked:
    annotations: list[dict[str, Any]] = content["annotations"]
    if not annotations or "track_id" not in annotations[0]:
        raise SourceError(f"{path}: not PoseTrack's JSON: its annotations have no `track_id`")
    skeleton = skeleton_of(path, [str(name) for name in content["categories"][0]["keypoints"]])
    images: list[dict[str, Any]] = sorted(content["images"], key=lambda image: str(image["file_name"]))
    places = {int(image["id"]): place for place, image in enumerate(images)}
    by_frame: dict[int, list[dict[str, Any]]] = {}
    for annotation in annotations:
        by_frame.setdefault(places[int(annotation["image_id"])], []).append(annotation)
    frames = {place: _posetrack_frame(persons, len(skeleton)) for place, persons in by_frame.items()}
    unlabelled = frozenset(place for place, image in enumerate(images) if not posetrack.is_labelled(image))
    files = tuple(_beside(path, clip, str(image["file_name"])) for image in images)
    pictures = tuple(file for file in files if file is not None)
    pictures = pictures if len(pictures) == len(images) else ()
    video = clip if clip is not None and clip.is_file() else None
    return Tracked(
        path.stem, frames, skeleton, video, () if video else pictures, length=len(images), unlabelled=unlabelled
    )


def _posetrack_frame(persons: list[dict[str, Any]], count: int) -> TrackedFrame:
    keypoints = _places([person["keypoints"] for person in persons]).reshape(len(persons), count, 3)
    labelled = keypoints[:, :, 2:] > 0
    sides = _places([person.get("bbox") or [np.nan] * 4 for person in persons])
    stated = np.concatenate((sides[:, :2], sides[:, :2] + sides[:, 2:]), axis=1)
    boxes = np.where(np.isnan(stated), boxes_around(np.where(labelled, keypoints, np.nan)), stated)
    ignored: Bools = np.logical_not(labelled.any(axis=(1, 2)))
    return TrackedFrame(np.array([int(person["track_id"]) for person in persons]), boxes, keypoints, ignored)


def _places(numbers: Any) -> Floats:
    """Pixels in float32; what is too large for that, or infinite, is NaN."""
    places = np.array(numbers, np.float64)
    return np.where(np.abs(places) < _FARTHEST, places, np.nan).astype(np.float32)


def _beside(path: Path, clip: Path | None, name: str) -> Path | None:
    """Where a picture lies: in the folder that was given, or up from the file."""
    return first_file([clip] if clip is not None else list(path.parents)[:4], name)
