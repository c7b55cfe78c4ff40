"""Dataset: pictures with labelled persons, from a YOLO dataset's YAML file or from COCO's JSON.

Both become what COCO's evaluation reads: ids from 1, boxes as x y width height, keypoints as x, y and visibility (0 not
labelled, 1 labelled but hidden, 2 seen), all in pixels.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from poseline.capture import read_image
from poseline.errors import SettingsError, SourceError
from poseline.formats.yolo import PICTURES, keypoint_names, labels_of
from poseline.home import expanded
from poseline.settings import CaptureSettings, read_yaml
from poseline.skeleton import BODY_SHARE, Skeleton


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
        return _yolo(path, split)
    return _coco(path, pictures)


# YOLO


def _yolo(path: Path, split: str) -> Dataset:
    try:
        content = read_yaml(path, "the dataset")
    except SettingsError as error:
        raise SourceError(str(error)) from None
    if not isinstance(content, dict) or "kpt_shape" not in content or "names" not in content:
        raise SourceError(f"{path}: not a YOLO pose dataset: it needs `names`, `kpt_shape` and `{split}`")
    if not content.get(split):
        raise SourceError(f"{path}: has no {split!r}; name another part with --split")
    count, values = (int(number) for number in content["kpt_shape"])
    names = content["names"]
    classes = {
        int(number): str(name)
        for number, name in (names if isinstance(names, dict) else dict(enumerate(names))).items()
    }
    files = _yolo_pictures(path, content, split)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    pictures: list[Labelled] = []
    for number, file in enumerate(files, 1):
        height, width = read_image(file, CaptureSettings().max_pixels).shape[:2]
        images.append({"id": number, "file_name": file.name, "width": width, "height": height})
        pictures.append(Labelled(number, file))
        for row in _yolo_rows(labels_of(file.parent) / f"{file.stem}.txt", count, values, classes):
            annotations.append(_annotation(len(annotations) + 1, number, row, width, height, values))
    skeleton = _yolo_skeleton(content, count)
    categories = [{"id": number, "name": name, "keypoints": list(skeleton.names)} for number, name in classes.items()]
    coco = {"images": images, "annotations": annotations, "categories": categories}
    return Dataset(path.name, tuple(pictures), coco, classes, skeleton)


def _yolo_pictures(path: Path, content: dict[str, Any], split: str) -> list[Path]:
    """The pictures of a part: of folders, of lists of files, or of several of them."""
    root = path.parent / expanded(str(content.get("path") or "."))
    if not root.is_dir():
        root = path.parent
    places = content[split] if isinstance(content[split], list) else [content[split]]
    files: list[Path] = []
    for place in (root / str(place) for place in places):
        if place.is_dir():
            files += sorted(file for file in place.rglob("*") if file.suffix.lower() in PICTURES)
        elif place.is_file():
            lines = place.read_text(encoding="utf-8").splitlines()
            files += [place.parent / line.strip() for line in lines if line.strip()]
        else:
            raise SourceError(f"{path}: {split}: {place} is not there; `path` is relative to the file's own folder")
    if not files:
        raise SourceError(f"{path}: {split}: holds no picture")
    return files


def _yolo_rows(path: Path, count: int, values: int, classes: dict[int, str]) -> list[np.ndarray[Any, Any]]:
    """Class, box and keypoints of each labelled instance, as shares of the picture; none where there is no file."""
    if not path.is_file():
        return []
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = np.array([float(word) for word in line.split()])
        except ValueError:
            raise SourceError(f"{path}, line {number}: not numbers alone: {line[:60]!r}") from None
        if len(row) != 5 + count * values:
            raise SourceError(
                f"{path}, line {number}: has {len(row)} numbers, and kpt_shape asks for {5 + count * values}"
            )
        if not np.isfinite(row).all() or int(row[0]) not in classes:
            raise SourceError(
                f"{path}, line {number}: a class that the dataset does not name, or a number that is none"
            )
        rows.append(row)
    return rows


def _annotation(
    number: int, picture: int, row: np.ndarray[Any, Any], width: int, height: int, values: int
) -> dict[str, Any]:
    x, y, across, down = row[1:5] * (width, height, width, height)
    points = row[5:].reshape(-1, values)
    seen = points[:, 2] if values == 3 else np.where((points[:, :2] > 0).any(axis=1), 2, 0)
    places = np.where(seen[:, None] > 0, points[:, :2] * (width, height), 0)
    return {
        "id": number,
        "image_id": picture,
        "category_id": int(row[0]),
        "bbox": [x - across / 2, y - down / 2, across, down],
        "area": across * down * BODY_SHARE,
        "iscrowd": 0,
        "keypoints": np.column_stack((places, seen)).ravel().tolist(),
        "num_keypoints": int(np.count_nonzero(seen)),
    }


def _yolo_skeleton(content: dict[str, Any], count: int) -> Skeleton:
    """Names and sigmas of the labels, where the file states them; COCO's for 17 keypoints."""
    standard = Skeleton.for_count(count)
    names = tuple(keypoint_names(content))
    sigmas = tuple(float(sigma) for sigma in content.get("kpt_oks_sigmas") or standard.sigmas)
    return Skeleton(names if len(names) == count else standard.names, standard.edges, sigmas)


# COCO


def _coco(path: Path, folder: Path | None) -> Dataset:
    content = read_json(path, "the labels")
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
    classes = {int(each["id"]): str(each["name"]) for each in categories}
    annotations = [each for each in content["annotations"] if each["category_id"] in classes]
    for each in annotations:
        visible = np.array(each["keypoints"], float).reshape(-1, 3)[:, 2]
        each.setdefault("num_keypoints", int(np.count_nonzero(visible > 0)))
        each.setdefault("iscrowd", 0)
        each.setdefault("area", float(each["bbox"][2] * each["bbox"][3] * BODY_SHARE))
    pictures = tuple(
        Labelled(int(each["id"]), _picture(path, folder, str(each["file_name"]))) for each in content["images"]
    )
    count = counts.pop()
    standard = Skeleton.for_count(count)
    skeleton = Skeleton(tuple(map(str, categories[0]["keypoints"])), standard.edges, standard.sigmas)
    coco = {"images": content["images"], "annotations": annotations, "categories": categories}
    return Dataset(path.name, pictures, coco, classes, skeleton)


def read_json(path: Path, what: str) -> Any:
    """The content of a JSON file, which is `what`, in words.

    Raises:
        SourceError: it cannot be read, or is no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path}: {what} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{path}: {what}: not valid JSON: {error}") from error


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
            if candidate.is_file():
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
