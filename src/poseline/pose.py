"""Poses: the keypoints found in one frame. Observation: a frame together with its poses."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from poseline.frame import Frame
from poseline.words import counted

Floats: TypeAlias = NDArray[np.float32]
Integers: TypeAlias = NDArray[np.int64]
States: TypeAlias = NDArray[np.uint8]

UNTRACKED = -1


def boxes_around(keypoints: NDArray[np.floating]) -> Floats:
    """(N, 4) float32 x1 y1 x2 y2 of the boxes around (N, K, 2 or 3) keypoints; 0 where all of a pose's are NaN."""
    places = keypoints[:, :, :2]
    known = np.isfinite(places)
    low = np.where(known, places, np.inf).min(axis=1, initial=np.inf)
    high = np.where(known, places, -np.inf).max(axis=1, initial=-np.inf)
    boxes = np.concatenate([low, high], axis=1)
    result: Floats = np.where(np.isfinite(boxes), boxes, 0).astype(np.float32)
    return result


class State(IntEnum):
    """Where a keypoint's position comes from."""

    MISSING = 0
    """There is none; it is NaN."""
    MEASURED = 1
    """The network found it."""
    FILLED = 2
    """Put there by a person or by a rule, such as a correction by hand."""
    INTERPOLATED = 3
    """Computed from the frames before and after it."""


@dataclass(frozen=True, eq=False)
class Poses:
    """N instances in one frame, best score first. Valid once built; its arrays are read-only."""

    boxes: Floats
    """(N, 4) float32 x1 y1 x2 y2, pixels of the upright source picture."""
    scores: Floats
    """(N,) float32, confidence of the instance, 0..1."""
    keypoints: Floats
    """(N, K, 3) float32 x, y in pixels of the upright source picture, and confidence 0..1."""
    classes: Integers
    """(N,) int64, index into the model's class names."""
    ids: Integers
    """(N,) int64, the track's id from 1, or `UNTRACKED`."""

    def __post_init__(self) -> None:
        boxes, scores, keypoints, classes, ids = self.boxes, self.scores, self.keypoints, self.classes, self.ids
        count = len(boxes)
        if boxes.shape != (count, 4) or not scores.shape == classes.shape == ids.shape == (count,):
            raise ValueError(self._misshapen(count))
        if keypoints.ndim != 3 or len(keypoints) != count or keypoints.shape[2] != 3:
            raise ValueError(f"keypoints must have shape ({count}, K, 3), got {keypoints.shape}")
        for array in (boxes, scores, keypoints, classes, ids):
            array.setflags(write=False)

    def _misshapen(self, count: int) -> str:
        """Which of the arrays, but for the keypoints, has another shape than `count` instances need."""
        each = (("boxes", self.boxes, (count, 4)), ("scores", self.scores, (count,)),
                ("classes", self.classes, (count,)), ("ids", self.ids, (count,)))  # fmt: skip
        return next(
            f"{name} must have shape {shape}, got {array.shape}" for name, array, shape in each if array.shape != shape
        )

    def __len__(self) -> int:
        return len(self.boxes)

    def __repr__(self) -> str:
        ids = [number for number in self.ids.tolist() if number != UNTRACKED]
        tracked = f", ids={ids}" if ids else ""
        return f"Poses({counted(len(self), 'person')}, {self.keypoints.shape[1]} keypoints each{tracked})"

    def __getitem__(self, chosen: NDArray[np.bool_] | NDArray[np.intp] | slice) -> Poses:
        """The instances that `chosen` (mask, indices or slice) picks, in its order."""
        return Poses(
            self.boxes[chosen], self.scores[chosen], self.keypoints[chosen], self.classes[chosen], self.ids[chosen]
        )

    def with_ids(self, ids: Integers) -> Poses:
        """The same poses under other ids, shape (N,)."""
        if ids.shape != self.ids.shape:
            raise ValueError(f"ids must have shape {self.ids.shape}, got {ids.shape}")
        ids.setflags(write=False)
        same = object.__new__(Poses)
        same.__dict__.update(self.__dict__, ids=ids)  # all the rest is valid already: to check it again takes longer
        return same

    @classmethod
    def of(cls, boxes: Floats, scores: Floats, keypoints: Floats, classes: Integers | None = None) -> Poses:
        """Untracked poses; `classes` default to 0."""
        count = len(boxes)
        return cls(
            boxes.astype(np.float32, copy=False),
            scores.astype(np.float32, copy=False),
            keypoints.astype(np.float32, copy=False),
            np.zeros(count, np.int64) if classes is None else classes,
            np.full(count, UNTRACKED, np.int64),
        )

    @classmethod
    def none(cls, keypoints: int) -> Poses:
        """No instance, of a skeleton with `keypoints` keypoints."""
        return cls.of(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros((0, keypoints, 3), np.float32))


def describe(poses: Poses, names: dict[int, str]) -> str:
    """How many of which class, such as `4 persons`; `(no detections)` of none."""
    counts = np.bincount(poses.classes, minlength=1) if len(poses) else np.zeros(1, np.int64)
    parts = [
        f"{count} {names.get(number, number)}{'s' * (count > 1)}"
        for number, count in enumerate(counts.tolist())
        if count
    ]
    return ", ".join(parts) or "(no detections)"


@dataclass(frozen=True, eq=False)
class Speed:
    """What one frame cost in the model, in milliseconds."""

    preprocess: float = 0.0
    inference: float = 0.0
    postprocess: float = 0.0


class MeanSpeed:
    """The mean cost of pictures, to be said at their end."""

    def __init__(self) -> None:
        self.count = 0
        self._total = np.zeros(3)
        self._shape = (0, 0)

    def add(self, speed: Speed, input_shape: tuple[int, int]) -> None:
        """Count one picture, and (height, width) of the network's input for it, of which the last is said."""
        self.count += 1
        self._total += speed.preprocess, speed.inference, speed.postprocess
        self._shape = input_shape

    def line(self, channels: int) -> str:
        """The line of one picture or more, as ultralytics has it, with the channels of the network's input."""
        preprocess, inference, postprocess = self._total / self.count
        height, width = self._shape
        return (
            f"Speed: {preprocess:.1f}ms preprocess, {inference:.1f}ms inference, {postprocess:.1f}ms postprocess "
            f"per image at shape (1, {channels}, {height}, {width})"
        )


@dataclass(frozen=True, eq=False)
class Observation:
    """A frame and what was seen in it."""

    frame: Frame
    poses: Poses
    speed: Speed = field(default_factory=Speed)
    input_shape: tuple[int, int] = (0, 0)
    """(height, width) of the network's input for this frame, in pixels."""
    colours: Floats | None = None
    """(N, 3) float32 what each wears (`tracking.torso_colours`), where it was read before the picture was let go."""
    smoothed: Poses | None = None
    """The same poses without their tremble, where that is asked for."""

    def __repr__(self) -> str:
        return f"Observation({self.frame}, {self.poses})"

    @property
    def shown(self) -> Poses:
        """What is drawn and sent; `poses` are what was measured."""
        return self.poses if self.smoothed is None else self.smoothed
