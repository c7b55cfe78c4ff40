"""Skeleton: which keypoint is which body part, what is joined to what, and how exactly each can be placed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from poseline.errors import SettingsError
from poseline.plain_yaml import NotPlainError, load_plain
from poseline.pose import Floats

Side = Literal["left", "right", "middle"]

UNKNOWN_SIGMA = 0.05
"""Sigma of a keypoint that nobody has measured: between COCO's wrist (0.062) and its face (0.025..0.035)."""
BODY_SHARE = 0.53
"""A person's area as a share of their box's, as COCO's annotations have it on average, and ultralytics takes it."""


@dataclass(frozen=True)
class Skeleton:
    """The meaning of K keypoints.

    Raises:
        SettingsError: a name is empty or given twice, an edge joins what is not there, or sigmas are too few or many.
    """

    names: tuple[str, ...]
    """K names such as `left_knee`, no two of them equal: tables have columns by them."""
    edges: tuple[tuple[int, int], ...] = ()
    """Pairs of keypoint indices that a line joins."""
    sigmas: tuple[float, ...] = ()
    """K standard deviations of human labelling, in units of the square root of the instance's area (for OKS)."""

    def __post_init__(self) -> None:
        count = len(self.names)
        if not all(name.strip() for name in self.names):
            raise SettingsError(f"skeleton: name {[bool(name.strip()) for name in self.names].index(False)} is empty")
        if repeated := sorted({name for name in self.names if self.names.count(name) > 1}):
            raise SettingsError(
                f"skeleton: {', '.join(map(repr, repeated))} is the name of more than one keypoint; "
                "give each keypoint a name of its own"
            )
        if not self.sigmas:
            object.__setattr__(self, "sigmas", (UNKNOWN_SIGMA,) * count)
        if len(self.sigmas) != count:
            raise SettingsError(
                f"skeleton: {count} names but {len(self.sigmas)} sigmas; give one sigma a name, or none"
            )
        for edge in self.edges:
            if len(edge) != 2 or not all(0 <= end < count for end in edge):
                raise SettingsError(f"skeleton: edge {list(edge)} must join two keypoints from 0 to {count - 1}")

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        first = ", ".join((*self.names[:3], *["..."] * (len(self) > 3)))
        return f"Skeleton({len(self)} keypoints: {first}; {len(self.edges)} edges)"

    def side(self, keypoint: int) -> Side:
        """Which side of the body keypoint number `keypoint` is on, read off its name."""
        words = self.names[keypoint].lower().replace("-", "_").split("_")
        if "left" in words or words[0] == "l":
            return "left"
        return "right" if "right" in words or words[0] == "r" else "middle"

    def limb_side(self, first: int, second: int) -> Side:
        """Which side of the body the line between two keypoints is on; one that joins two sides is in the middle."""
        sides = {self.side(first), self.side(second)} - {"middle"}
        return sides.pop() if len(sides) == 1 else "middle"

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """(left, right) indices of keypoints that mirror each other."""
        place = {name: index for index, name in enumerate(self.names)}
        mirrored = ((name, name.replace("left", "right")) for name in self.names if "left" in name)
        return tuple((place[left], place[right]) for left, right in mirrored if right in place)

    @property
    def mirrored(self) -> tuple[int, ...]:
        """For each of the K keypoints, the index of the one on the other side; its own where it has no other side."""
        order = list(range(len(self)))
        for left, right in self.pairs:
            order[left], order[right] = right, left
        return tuple(order)

    @property
    def torso(self) -> tuple[int, int, int, int] | None:
        """Indices of left and right shoulder, left and right hip; None where one of them has no name."""
        place = {name: index for index, name in enumerate(self.names)}
        try:
            return place["left_shoulder"], place["right_shoulder"], place["left_hip"], place["right_hip"]
        except KeyError:
            return None

    @classmethod
    def numbered(cls, count: int) -> Skeleton:
        """A skeleton of `count` keypoints about which nothing is known: numbers for names and no edges."""
        return cls(tuple(f"keypoint_{index}" for index in range(count)))

    @classmethod
    def for_count(cls, count: int) -> Skeleton:
        """COCO's for 17 keypoints, else a numbered one."""
        return COCO17 if count == len(COCO17) else cls.numbered(count)

    @classmethod
    def load(cls, path: str | Path) -> Skeleton:
        """Read `names`, and if there `edges` (pairs of names or numbers) and `sigmas`, from a YAML file.

        Raises:
            SettingsError: the file cannot be read, or does not describe a skeleton.
        """
        try:
            content: Any = load_plain(Path(path).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, NotPlainError) as error:
            raise SettingsError(f"{path}: cannot be read as a skeleton: {error}") from error
        if not isinstance(content, dict) or not isinstance(content.get("names"), list):
            raise SettingsError(f"{path}: a skeleton needs a list of `names`, such as names: [nose, left_eye]")
        if unknown := set(content) - {"names", "edges", "sigmas"}:
            raise SettingsError(f"{path}: unknown key {sorted(unknown)[0]!r}; a skeleton has names, edges and sigmas")
        for index, name in enumerate(content["names"]):
            if not isinstance(name, str | int | float) or isinstance(name, bool):
                raise SettingsError(f"{path}: name {index} is {name!r}, not text; put it in quotes: '{name}'")
        names = tuple(str(name).strip() for name in content["names"])
        place = {name: index for index, name in enumerate(names)}
        try:
            edges = tuple((_index(a, place), _index(b, place)) for a, b in content.get("edges") or ())
            sigmas = tuple(float(sigma) for sigma in content.get("sigmas") or ())
        except (KeyError, TypeError, ValueError) as error:
            raise SettingsError(f"{path}: edges are pairs of names or numbers, sigmas are numbers: {error}") from error
        try:
            return cls(names, edges, sigmas)
        except SettingsError as error:
            raise SettingsError(f"{path}: {error}") from None


def _index(end: str | int, place: dict[str, int]) -> int:
    return end if isinstance(end, int) else place[end]


def body_areas(boxes: Floats) -> Floats:
    """(N,) areas of the persons in (N, 4) boxes x1 y1 x2 y2, in square pixels, for `oks` where nobody has measured."""
    areas: Floats = BODY_SHARE * (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    return areas


def oks(truth: Floats, guess: Floats, areas: Floats, sigmas: Floats, seen: float = 0.5) -> Floats:
    """Object keypoint similarity of every pair, over the keypoints that `truth` sees.

    mean over seen i of exp(-d_i² / (2 · area · (2·sigma_i)²)), as COCO's evaluation defines it
    (cocodataset.org/#keypoints-eval).

    Args:
        truth: (N, K, 3) x, y and confidence.
        guess: (M, K, 3) in the same pixels.
        areas: (N,) area of each true instance in square pixels.
        sigmas: (K,) the skeleton's.
        seen: confidence above which a keypoint of `truth` counts.

    Returns:
        (N, M) float32 in 0..1; 0 where `truth` sees no keypoint.
    """
    squared = ((truth[:, None, :, :2] - guess[None, :, :, :2]) ** 2).sum(axis=3)
    scale = 2.0 * np.maximum(areas, 1.0)[:, None, None] * (2.0 * sigmas) ** 2
    counted = (truth[:, :, 2] > seen)[:, None, :]
    similar = np.where(counted, np.exp(-squared / scale), 0.0).sum(axis=2)
    result: Floats = (similar / np.maximum(counted.sum(axis=2), 1)).astype(np.float32)
    return result


COCO17 = Skeleton(
    names=(
        "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder",
        "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip",
        "left_knee", "right_knee", "left_ankle", "right_ankle",
    ),
    edges=(
        (15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 11), (6, 12), (5, 6), (5, 7), (6, 8),
        (7, 9), (8, 10), (1, 2), (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6),
    ),
    sigmas=(
        0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072, 0.062, 0.062, 0.107, 0.107,
        0.087, 0.087, 0.089, 0.089,
    ),
)  # fmt: skip
"""The 17 keypoints of COCO persons; edges and sigmas from the COCO keypoint annotations and evaluation."""
