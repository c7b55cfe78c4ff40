"""Motion: one person's keypoints over time, the input of every analysis here.

Frames of reference used in this package:

- **picture**: pixels of the upright picture, x to the right, y down; a pixel may be wider than high (`pixel_aspect`).
- **square pixels**: the same with x multiplied by `pixel_aspect`, so that lengths and angles are true. `Motion.square`
  makes it, and everything past it works there.
- **metres**: x to the right and y up along the floor, see `scale`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from poseline.short_repr import short_repr

Doubles: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]
Integers: TypeAlias = NDArray[np.int64]

BODY = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")
"""The points that every analysis needs."""


@dataclass(frozen=True, eq=False)
class ByHand:
    """What somebody corrected in a motion of T frames and K keypoints; nothing here overrules it."""

    points: Bools
    """(T, K) keypoints whose place was set."""
    sides: Bools
    """(T,) frames in which left and right are known to be right."""
    facing: NDArray[np.int8]
    """(T,) where the person faces, a `Facing`; -1 where nobody said."""

    __repr__ = short_repr

    def __getitem__(self, chosen: slice | Bools) -> ByHand:
        """The frames that `chosen` picks."""
        return ByHand(self.points[chosen], self.sides[chosen], self.facing[chosen])


@dataclass(frozen=True, eq=False)
class Motion:
    """One person over T frames: a row for each frame of the clip from the person's first to their last.

    A frame in which the person was not found is a row of NaN points (and NaN box), so that short gaps can be filled;
    such rows may also be left out, then nothing is filled there.

    Raises:
        ValueError: no frame or no keypoint, shapes that do not fit together, times that do not rise, infinite points.
    """

    times: Doubles
    """(T,) seconds, strictly rising: the true presentation times, at any intervals."""
    points: Doubles
    """(T, K, 2) x, y in pixels of the upright picture; NaN where a point was not seen."""
    confidence: Doubles
    """(T, K) 0..1; NaN counts as 0. A point of confidence 0 counts as not seen."""
    names: tuple[str, ...]
    """K keypoint names as in `poseline.skeleton.COCO17`, such as `left_knee`; points are looked up by them."""
    width: int
    """Of the picture, in pixels."""
    height: int
    """Of the picture, in pixels."""
    boxes: Doubles | None = None
    """(T, 4) x1 y1 x2 y2 in pixels of the upright picture, NaN where there is none."""
    scores: Doubles | None = None
    """(T,) confidence of the person, 0..1, NaN where there is none."""
    pixel_aspect: float = 1.0
    """Width of a pixel over its height."""
    by_hand: ByHand | None = None
    """What was corrected by hand; None where nothing was."""

    __repr__ = short_repr

    def __post_init__(self) -> None:
        count, size = len(self.times), len(self.names)
        shapes = {
            "times": (self.times, (count,)),
            "points": (self.points, (count, size, 2)),
            "confidence": (self.confidence, (count, size)),
            "boxes": (self.boxes, (count, 4)),
            "scores": (self.scores, (count,)),
            "by_hand.points": (None if self.by_hand is None else self.by_hand.points, (count, size)),
        }
        for name, (array, shape) in shapes.items():
            if array is not None and array.shape != shape:
                raise ValueError(f"{name} must have shape {shape}, got {array.shape}")
        if not count or not size:
            raise ValueError("a motion needs at least one frame and one keypoint")
        if np.isinf(self.points).any():
            raise ValueError("points must be finite, or NaN where a point was not seen")
        if not np.isfinite(self.times).all() or (np.diff(self.times) <= 0).any():
            raise ValueError("times must be finite and strictly rising")
        if not (self.pixel_aspect > 0 and np.isfinite(self.pixel_aspect)):
            raise ValueError(f"pixel_aspect must be above 0, got {self.pixel_aspect}")
        if len(set(self.names)) < size:
            raise ValueError("two keypoints have the same name; points are looked up by name")

    def __len__(self) -> int:
        return len(self.times)

    def __getitem__(self, chosen: slice | Bools) -> Motion:
        """The rows that `chosen` picks."""
        boxes = None if self.boxes is None else self.boxes[chosen]
        scores = None if self.scores is None else self.scores[chosen]
        return replace(
            self,
            times=self.times[chosen],
            points=self.points[chosen],
            confidence=self.confidence[chosen],
            boxes=boxes,
            scores=scores,
            by_hand=None if self.by_hand is None else self.by_hand[chosen],
        )

    @cached_property
    def index(self) -> dict[str, int]:
        """Which keypoint has which name."""
        return {name: index for index, name in enumerate(self.names)}

    @cached_property
    def seen(self) -> Bools:
        """(T, K) where a point was measured at all."""
        return np.isfinite(self.points).all(axis=2) & (np.nan_to_num(self.confidence) > 0)

    @cached_property
    def step(self) -> float:
        """The median interval between frames, in seconds; 0 for a single frame."""
        return float(np.median(np.diff(self.times))) if len(self) > 1 else 0.0

    @cached_property
    def torso(self) -> float:
        """The median distance from mid hip to mid shoulder in square pixels: the unit of a body's size.

        Where it is never seen, 0.3 of the box's median height, as of a person who stands; else 0.15 of the picture's.
        """
        if self.has("mid_hip", "mid_shoulder"):
            square = self.square()
            length = middle(np.linalg.norm(square.place("mid_shoulder") - square.place("mid_hip"), axis=1))
            if length > 0:
                return length
        tall = float("nan") if self.boxes is None else middle(self.boxes[:, 3] - self.boxes[:, 1])
        return 0.3 * tall if tall > 0 else 0.15 * self.height

    def has(self, *names: str) -> bool:
        """Whether the skeleton has these points; `mid_hip` is there when both hips are."""
        return all(name in self.index or bool(self._halves(name)) for name in names)

    def place(self, name: str) -> Doubles:
        """(T, 2) a point by its name; `mid_hip` is the mean of `left_hip` and `right_hip`, and so on.

        Raises:
            KeyError: the skeleton lacks it.
        """
        parts = self.parts(name)
        if not parts:
            raise KeyError(name)
        mean: Doubles = self.points[:, parts[0]] if len(parts) == 1 else self.points[:, parts].mean(axis=1)
        return mean

    def parts(self, name: str) -> tuple[int, ...]:
        """The keypoints whose mean is the point of this name: itself, or both halves of a middle; none if unknown."""
        return (self.index[name],) if name in self.index else self._halves(name)

    def _halves(self, name: str) -> tuple[int, ...]:
        """`mid_hip` to the indices of `left_hip` and `right_hip`."""
        sides = [f"{side}_{name.removeprefix('mid_')}" for side in ("left", "right")] if name.startswith("mid_") else []
        known = tuple(self.index[side] for side in sides if side in self.index)
        return known if len(known) == 2 else ()

    def only_seen(self) -> Motion:
        """The same with NaN for points that do not count as seen."""
        return self.with_points(np.where(self.seen[:, :, None], self.points, np.nan))

    def with_points(self, points: Doubles) -> Motion:
        """The same with other points, (T, K, 2)."""
        return replace(self, points=points)

    def square(self) -> Motion:
        """The same in square pixels: x multiplied by the pixel aspect, which is 1 from then on."""
        if self.pixel_aspect == 1:
            return self
        wide = np.array([self.pixel_aspect, 1.0])
        boxes = None if self.boxes is None else self.boxes * np.tile(wide, 2)
        width = round(self.width * self.pixel_aspect)
        return replace(self, points=self.points * wide, boxes=boxes, width=width, pixel_aspect=1.0)


def middle(values: Doubles) -> float:
    """The median of what is not NaN, NaN where there is nothing."""
    known = np.sort(values[np.isfinite(values)], axis=None)  # on few values a tenth of the time of numpy's median
    count = len(known)
    return float((known[(count - 1) // 2] + known[count // 2]) / 2) if count else float("nan")


def percentile(values: Doubles, share: float) -> float:
    """The `share` (0..100) percentile of what is not NaN, NaN where there is nothing."""
    known = values[np.isfinite(values)]
    return float(np.percentile(known, share)) if len(known) else float("nan")
