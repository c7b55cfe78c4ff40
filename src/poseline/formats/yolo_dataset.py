"""YOLO dataset: what its YAML says, and the pictures and labels that it leads to."""

from __future__ import annotations

import os
from collections.abc import Container, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from poseline.errors import SourceError
from poseline.formats.files import read_text
from poseline.formats.skeletons import skeleton_of
from poseline.home import expanded
from poseline.plain_yaml import NotPlainError, load_plain
from poseline.skeleton import Skeleton

SPLITS = "train", "val", "test"
_PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
"""Suffixes of what counts as a picture of a dataset."""
_FARTHEST = 1e9
"""No share of a picture is as large, and no id."""


class Label(NamedTuple):
    """One picture and its persons."""

    picture: Path
    """Its file; the file of labels as a `.jpg` where there is none."""
    file: Path
    """The labels; where they would be, of a picture without any."""
    lines: dict[int, list[str]]
    """Words by the number of their line, a line for each person."""

    def table(self, length: int) -> NDArray[np.float64]:
        """(N, length) the numbers in the lines.

        Raises:
            SourceError: a line has not `length` of them, or a word in it is no number, or none that a label can be.
        """
        for number, words in self.lines.items():
            if len(words) != length:
                raise SourceError(f"{self.file}, line {number}: has {len(words)} numbers, not {length}")
        try:
            table = np.array([*self.lines.values()], np.float64).reshape(-1, length)
        except ValueError as error:
            raise SourceError(f"{self.file}: holds a label that is no number: {error}") from None
        if not (np.abs(table) < _FARTHEST).all():
            raise SourceError(
                f"{self.file}: holds a label that is no number: nan, inf, or one of {_FARTHEST:g} or more"
            )
        return table


@dataclass(frozen=True)
class YoloDataset:
    """A dataset of poses, as its YAML describes it."""

    path: Path
    """The YAML file."""
    content: dict[str, Any]
    """What it holds."""
    keypoints: int
    """How many each person has ..."""
    dimensions: int
    """... and how many numbers stand for one: 2 (x, y) or 3 (and visibility)."""

    @classmethod
    def load(cls, path: Path) -> YoloDataset:
        """Read a YAML file.

        Raises:
            SourceError: it cannot be read, or is not that of a dataset of poses.
        """
        try:
            content = load_plain(read_text(path))
        except NotPlainError as error:
            raise SourceError(f"{path}: is not YAML: {error}") from None
        if not isinstance(content, dict):
            raise SourceError(f"{path}: is not the YAML of a dataset")
        try:
            count, dimensions = (int(number) for number in content["kpt_shape"])
        except (KeyError, TypeError, ValueError):
            count, dimensions = 0, 0
        if count < 1 or dimensions not in (2, 3):
            raise SourceError(f"{path}: has no kpt_shape such as [17, 3]: it is no dataset of poses")
        return cls(path, content, count, dimensions)

    @property
    def length(self) -> int:
        """How many numbers a line has: the class, the box, and the keypoints."""
        return 5 + self.keypoints * self.dimensions

    @cached_property
    def classes(self) -> dict[int, str]:
        """Names by the classes' numbers; none where the file states none.

        Raises:
            SourceError: they are no list, and no names by numbers.
        """
        names = self.content.get("names") or {}
        try:
            pairs = names.items() if isinstance(names, dict) else enumerate(names)
            return {int(number): str(name) for number, name in pairs}
        except (TypeError, ValueError):
            raise SourceError(f"{self.path}: names: {names!r} are no names of classes") from None

    def skeleton(self) -> Skeleton:
        """The keypoints by the names that the file has for them; each class may have its own: the first one's.

        Raises:
            SourceError: there are more names or fewer than keypoints, or two are alike.
        """
        named = self.content.get("kpt_names")
        names = next(iter(named.values()), None) if isinstance(named, dict) else named
        if not names:
            return Skeleton.for_count(self.keypoints)
        if len(names) != self.keypoints:
            raise SourceError(f"{self.path}: has {self.keypoints} keypoints, and {len(names)} names")
        return skeleton_of(self.path, [str(name) for name in names])

    def points(self, table: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, K, 3) the keypoints in (N, `length`) numbers: x and y as shares, and 0 missing, 1 hidden or 2 seen.

        Without visibilities a point below 0 is missing, as in ultralytics, and so is one at (0, 0).
        """
        points = table[:, 5:].reshape(len(table), self.keypoints, self.dimensions)
        if self.dimensions == 3:
            return points
        missing = (points < 0).any(axis=2) | (points == 0).all(axis=2)
        return np.dstack([points, np.where(missing, 0.0, 2.0)])

    def places(self, split: str) -> list[Path]:
        """The folders of pictures of a part, and lists of picture files, as the file states them."""
        root = self.path.parent / expanded(str(self.content.get("path") or "."))
        stated = self.content.get(split) or []
        root = root if os.path.isdir(root) else self.path.parent
        return [root / str(place) for place in (stated if isinstance(stated, list) else [stated])]

    def labels(self, split: str) -> Iterator[Label]:
        """The labels of every picture of a part, also of those without a file of labels.

        Raises:
            SourceError: a folder or a list of the part is not there, or a file cannot be read.
        """
        for place in self.places(split):
            if os.path.isfile(place):  # unlike Path.is_file, also says no to a name that is too long
                pictures = [place.parent / line.strip() for line in read_text(place).splitlines() if line.strip()]
                yield from (_label(picture, _text_of(picture)) for picture in pictures)
            elif os.path.isdir(place) or os.path.isdir(labels_of(place)):
                yield from (_label(each, _text_of(each)) for each in _files(place) if _is_picture(each))
            else:
                raise SourceError(
                    f"{self.path}: {split}: {place} is not there; `path` is relative to the file's own folder"
                )


def labels_of(images: Path) -> Path:
    """The folder of labels beside one of pictures, as ultralytics finds it: `images` in its path is `labels`."""
    parts = list(images.parts)
    for place in range(len(parts) - 1, -1, -1):
        if parts[place] == "images":
            parts[place] = "labels"
            break
    return Path(*parts)


def labels_in(folder: Path, known: Container[Path] = ()) -> list[Label]:
    """Files of labels below a folder, without pictures, but for those that are known."""
    files = (file for file in _files(folder) if file.suffix == ".txt" and file not in known)
    return [_label(file.with_suffix(".jpg"), file) for file in files]


def picture_size(path: Path) -> tuple[int, int] | None:
    """(width, height) of a picture as it is shown, in pixels; None where there is none.

    Raises:
        SourceError: it cannot be read.
    """
    if not _is_picture(path) or not os.path.isfile(path):
        return None
    from PIL import Image

    try:
        with Image.open(path) as image:
            turned = image.getexif().get(0x0112, 1) >= 5
            return (image.height, image.width) if turned else (image.width, image.height)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise SourceError(f"{path}: not a picture that can be read: {error}") from None


def _label(picture: Path, file: Path) -> Label:
    lines = read_text(file).splitlines() if os.path.isfile(file) else []
    return Label(picture, file, {number: words for number, line in enumerate(lines, 1) if (words := line.split())})


def _text_of(picture: Path) -> Path:
    return labels_of(picture.parent) / f"{picture.stem}.txt"


def _files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.*")) if os.path.isdir(folder) else []


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in _PICTURES
