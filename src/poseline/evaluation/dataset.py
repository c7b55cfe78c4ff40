"""Dataset: pictures with labelled persons, from a YOLO dataset's YAML file or from COCO's JSON.

Both become what COCO's evaluation reads: ids from 1, boxes as x y width height, keypoints as x, y and visibility (0 not
labelled, 1 labelled but hidden, 2 seen), all in pixels.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from poseline.errors import SettingsError, SourceError
from poseline.formats.files import read_json, reading
from poseline.formats.skeletons import skeleton_of
from poseline.formats.yolo_dataset import Label, YoloDataset, picture_size
from poseline.skeleton import BODY_SHARE, Skeleton

_FARTHEST = 1e12
"""Of a coordinate or an area in pixels: no picture is larger."""


@dataclass(frozen=True)
class Labelled:
    """One picture."""

    id: int
    """As the truth has it."""
    path: Path


@dataclass(frozen=True, eq=False)
class Dataset:
    """Pictures and the truth of them."""

    name: str
    pictures: tuple[Labelled, ...]
    coco: dict[str, Any]
    """`images`, `annotations` and `categories` as in COCO's keypoint annotations."""
    classes: dict[int, str]
    """Names by the categories' ids."""
    skeleton: Skeleton
    """Of the labels."""

    @property
    def persons(self) -> int:
        """Labelled persons."""
        return len(self.coco["annotations"])


def read_dataset(path: Path, pictures: Path | None = None, split: str = "val") -> Dataset:
    """Read a dataset.

    Args:
        path: a YOLO dataset's .yaml, or COCO's .json.
        pictures: the folder of COCO's pictures; None: beside the file, or where its names lead from there.
        split: which part of a YOLO dataset.

    Raises:
        SourceError: a file is missing or is not what it should be; the text says which and where.
    """
    if path.suffix.lower() in (".yaml", ".yml"):
        with reading(path, "the YAML of a dataset of poses"):
            return _yolo(path, split)
    return coco_dataset(path, read_json(path), pictures)


# YOLO


def _yolo(path: Path, split: str) -> Dataset:
    source = YoloDataset.load(path)
    if not source.classes:
        raise SourceError(f"{path}: not a YOLO pose dataset: it needs `names`, `kpt_shape` and `{split}`")
    if not source.places(split):
        raise SourceError(f"{path}: has no {split!r}; name another part with --split")
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    pictures: list[Labelled] = []
    for label in source.labels(split):
        size = picture_size(label.picture)
        if size is None:
            raise SourceError(f"{path}: {split}: {label.picture} is not there, or is no picture")
        number = len(images) + 1
        images.append({"id": number, "file_name": label.picture.name, "width": size[0], "height": size[1]})
        pictures.append(Labelled(number, label.picture))
        annotations += _annotations(source, label, number, size)
    if not images:
        raise SourceError(f"{path}: {split}: holds no picture")
    for number, annotation in enumerate(annotations, 1):
        annotation["id"] = number
    skeleton = _scored(source.skeleton(), _sigmas(source))
    categories = [
        {"id": number, "name": name, "keypoints": list(skeleton.names)} for number, name in source.classes.items()
    ]
    coco = {"images": images, "annotations": annotations, "categories": categories}
    return Dataset(path.name, tuple(pictures), coco, source.classes, skeleton)


def _sigmas(source: YoloDataset) -> tuple[float, ...]:
    """Those that the file states; none where it states none."""
    sigmas = tuple(float(sigma) for sigma in source.content.get("kpt_oks_sigmas") or ())
    if len(sigmas) not in (0, source.keypoints):
        raise SourceError(f"{source.path}: has {source.keypoints} keypoints, and {len(sigmas)} kpt_oks_sigmas")
    if not all(0 < sigma < math.inf for sigma in sigmas):
        raise SourceError(f"{source.path}: kpt_oks_sigmas: each is a number above 0")
    return sigmas


def _annotations(source: YoloDataset, label: Label, picture: int, size: tuple[int, int]) -> list[dict[str, Any]]:
    """The persons in one picture, (width, height) in pixels, as COCO has them."""
    table = label.table(source.length)
    found = []
    for line, row, points in zip(label.lines, table, source.points(table), strict=True):
        if int(row[0]) not in source.classes:
            raise SourceError(f"{label.file}, line {line}: a class that the dataset does not name: {row[0]:g}")
        x, y, width, height = (row[1:5] * (*size, *size)).tolist()
        places = np.where(points[:, 2:] > 0, points[:, :2] * size, 0)
        found.append({
            "image_id": picture, "category_id": int(row[0]), "bbox": [x - width / 2, y - height / 2, width, height],
            "area": width * height * BODY_SHARE, "iscrowd": 0,
            "keypoints": np.column_stack((places, points[:, 2])).ravel().tolist(),
            "num_keypoints": int(np.count_nonzero(points[:, 2])),
        })  # fmt: skip
    return found


# COCO


def coco_dataset(path: Path, content: Any, folder: Path | None) -> Dataset:
    """The dataset that the content of COCO's JSON is, which is changed; `path` is where it lies.

    Raises:
        SourceError: it is not COCO's, or a picture is not there.
    """
    with reading(path, "COCO's labels of keypoints"):
        return _coco(path, content, folder)


def _coco(path: Path, content: Any, folder: Path | None) -> Dataset:
    if not isinstance(content, dict) or not all(
        isinstance(content.get(key), list) for key in ("images", "annotations")
    ):
        raise SourceError(f"{path}: not COCO's labels: it needs the lists `images`, `annotations` and `categories`")
    categories = [each for each in content.get("categories") or [] if each.get("keypoints")]
    if not categories:
        raise SourceError(f"{path}: none of its categories has keypoints; give the file of person_keypoints")
    counts = {len(each["keypoints"]) for each in categories}
    if len(counts) > 1:
        raise SourceError(
            f"{path}: its categories have {sorted(counts)} keypoints; poseline evaluates one number of them"
        )
    classes = {_whole(each["id"]): str(each["name"]) for each in categories}
    persons = [each for each in content["annotations"] if each["category_id"] in classes]
    annotations = [_person(path, each, number, *counts) for number, each in enumerate(persons, 1)]
    images = [{**each, "id": _whole(each["id"])} for each in content["images"]]
    if len({each["id"] for each in images}) < len(images):
        raise SourceError(f"{path}: two of its images have one id")
    pictures = tuple(Labelled(each["id"], _picture(path, folder, str(each["file_name"]))) for each in images)
    skeleton = _scored(skeleton_of(path, [str(name) for name in categories[0]["keypoints"]]), ())
    coco = {"images": images, "annotations": annotations, "categories": categories}
    return Dataset(path.name, pictures, coco, classes, skeleton)


def _person(path: Path, stated: dict[str, Any], number: int, count: int) -> dict[str, Any]:
    """What COCO's evaluation, which checks nothing, reads of an annotation; it takes one numbered 0 for none."""
    keypoints, box = np.array(stated["keypoints"], float), np.array(stated["bbox"], float)
    area, crowd = float(stated.get("area", np.prod(box[2:]) * BODY_SHARE)), stated.get("iscrowd", 0)
    whole = keypoints.shape == (3 * count,) and box.shape == (4,) and area >= 0 and crowd in (0, 1)
    if not whole or not _are_places([*keypoints, *box, area]):
        raise SourceError(
            f"{path}: annotation {stated.get('id', number)}: a person has 3 numbers for each of {count} "
            "keypoints, a box of 4, an area, and an iscrowd of 0 or 1"
        )
    labelled = _whole(stated.get("num_keypoints", np.count_nonzero(keypoints[2::3] > 0)))
    return {
        "id": number, "image_id": _whole(stated["image_id"]), "category_id": int(stated["category_id"]),
        "bbox": box.tolist(), "area": area, "iscrowd": int(crowd), "keypoints": keypoints.tolist(),
        "num_keypoints": labelled,
    }  # fmt: skip


def _whole(value: Any) -> int:
    """A number of 64 bits, which is all that COCO's evaluation knows; raises an OverflowError for others."""
    return int(np.int64(int(value)))


def _are_places(numbers: ArrayLike) -> bool:
    """Whether all numbers are finite, and of a size that squares of them are."""
    return bool((np.abs(numbers) < _FARTHEST).all())


def _scored(skeleton: Skeleton, sigmas: tuple[float, ...]) -> Skeleton:
    """The same with the sigmas that OKS is computed with: those stated, COCO's for 17 keypoints, else one for all."""
    return replace(skeleton, sigmas=sigmas or Skeleton.for_count(len(skeleton)).sigmas)


def _picture(path: Path, folder: Path | None, name: str) -> Path:
    """Where a picture lies: in the folder that was given, beside the file, in images/ there, or one folder up."""
    places = (
        [folder] if folder else [path.parent, path.parent / "images", path.parent.parent, path.parent.parent / "images"]
    )
    found = first_file(places, name)
    if found is None:
        raise SourceError(f"{name}: not found in {places[0]}; name the folder of the pictures with --pictures")
    return found


def first_file(folders: Sequence[Path], name: str) -> Path | None:
    """The file `name`, with the folders that it states or without them, in the first of `folders` that has it."""
    for folder in folders:
        for candidate in (folder / name, folder / Path(name).name):
            if os.path.isfile(candidate):  # unlike Path.is_file, also says no to a name that is too long
                return candidate
    return None


def matched_classes(dataset: Dataset, names: dict[int, str]) -> dict[int, int]:
    """From a model's class numbers to the dataset's categories: by name, or the only one to the only one.

    Raises:
        SettingsError: they have no class in common.
    """
    by_name = {name: number for number, name in dataset.classes.items()}
    found = {number: by_name[name] for number, name in names.items() if name in by_name}
    if not found and len(names) == len(dataset.classes) == 1:
        found = {next(iter(names)): next(iter(dataset.classes))}
    if not found:
        raise SettingsError(
            f"the model has the classes {_listed(names.values())}, and {dataset.name} {_listed(by_name)}"
        )
    return found


def _listed(names: Sequence[str] | Any) -> str:
    return ", ".join(list(names)[:5])
