"""Detections: what a model, or a run that was made before, finds in the pictures of a dataset."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

from poseline.capture import read_image
from poseline.errors import SettingsError, SourceError
from poseline.evaluation.dataset import Dataset
from poseline.frame import Frame
from poseline.inference import PoseEstimator
from poseline.log import LogReader
from poseline.pose import Poses
from poseline.settings import CaptureSettings


def of_model(
    estimator: PoseEstimator, dataset: Dataset, on_picture: Callable[[], object] | None = None
) -> dict[int, Poses]:
    """The poses in each picture, by its id.

    Raises:
        SettingsError: the model has another number of keypoints. SourceError: a picture cannot be read.
    """
    check_keypoints(len(estimator.spec.skeleton), estimator.spec.name, dataset)
    found = {}
    for picture in dataset.pictures:
        pixels = read_image(picture.path, CaptureSettings().max_pixels)
        found[picture.id] = estimator.estimate(Frame(pixels, 0, 0, Fraction(1), 0.0, 0.0, str(picture.path))).poses
        if on_picture is not None:
            on_picture()
    return found


def of_run(log: Path, dataset: Dataset, *, raw: bool = False) -> dict[int, Poses]:
    """The poses that a run of the dataset's pictures logged, by the pictures' ids; pictures are known by their names.

    With `raw`, without the corrections that were made by hand.

    Raises:
        SourceError: the log cannot be read, or is of none of the pictures.
        SettingsError: it has another number of keypoints.
    """
    reader = LogReader(log, raw=raw)
    check_keypoints(len(reader.names), str(log), dataset)
    by_path = {str(picture.path.resolve()): picture.id for picture in dataset.pictures}
    by_name = dict(_unique((picture.path.name, picture.id) for picture in dataset.pictures))
    found = {}
    for frame in reader.frames():
        number = by_path.get(str(Path(frame.source).resolve()), by_name.get(Path(frame.source).name))
        if number is not None:
            found[number] = frame.poses
    if not found:
        raise SourceError(f"{log}: is of none of the pictures of {dataset.name}; run them first: poseline run FOLDER")
    return found


def check_keypoints(count: int, name: str, dataset: Dataset) -> None:
    """Raise a SettingsError where the labels have another number of keypoints."""
    if count != len(dataset.skeleton):
        raise SettingsError(
            f"{name} has {count} keypoints, and the labels of {dataset.name} have {len(dataset.skeleton)}"
        )


def _unique(pairs: Iterator[tuple[str, int]]) -> Iterator[tuple[str, int]]:
    """Those whose name no other picture has."""
    kept: dict[str, int | None] = {}
    for name, number in pairs:
        kept[name] = None if name in kept else number
    return ((name, number) for name, number in kept.items() if number is not None)
