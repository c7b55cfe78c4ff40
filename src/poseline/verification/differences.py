"""Differences: the persons of two estimators in the same frames, paired, and how far apart they are."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from poseline.analysis.angles import angles, definitions, split_side
from poseline.analysis.facing import Facing
from poseline.analysis.motion import Doubles, Motion
from poseline.pose import Poses
from poseline.skeleton import Skeleton, body_areas, oks
from poseline.tracking.match import likeness, pair

_ALIKE = 0.3
"""Likeness (mean of box overlap and OKS) from which two poses may be the same person."""
_SEEN = 0.5
"""Confidence above which a keypoint counts."""


@dataclass(frozen=True)
class Spread:
    """Absolute differences of one quantity over all pairs in which it is known."""

    count: int
    mean: float
    median: float
    most: float
    """95 % are not above it."""
    worst: float
    frame: int
    """Where the worst one is."""

    @classmethod
    def of(cls, differences: Doubles, frames: NDArray[np.int64]) -> Spread | None:
        """Of (N,) differences in (N,) frames; NaN is left out. None where nothing is known."""
        known = np.isfinite(differences)
        if not known.any():
            return None
        values, where = np.abs(differences[known]), frames[known]
        last = int(values.argmax())
        return cls(
            len(values), float(values.mean()), float(np.median(values)), float(np.percentile(values, 95)),
            float(values[last]), int(where[last]),
        )  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """How a model's persons differ from a reference's in the same frames."""

    frames: int
    pairs: int
    """Persons whom both find with at least `conf`."""
    near: int
    """Persons whom one finds, and the other with a score just below `conf`: a difference of the threshold alone."""
    only_model: int
    """Persons whom the model alone finds ..."""
    only_reference: int
    """... and the reference alone."""
    oks: float
    """Mean object keypoint similarity over all persons; one whom only one of them finds counts 0."""
    lowest_oks: float
    """Of the pairs; 1 where there is none."""
    scores: Spread | None
    """Confidence of the persons."""
    keypoints: dict[str, Spread]
    """Pixels of the source picture, by keypoint, where both see it ..."""
    points: Spread | None
    """... and of all keypoints together."""
    angles: dict[str, Spread]
    """Degrees, by joint, both sides together."""

    @property
    def persons(self) -> int:
        """Everybody who was found."""
        return self.pairs + self.near + self.only_model + self.only_reference

    @property
    def alone(self) -> float:
        """The share of persons whom only one of them finds."""
        return (self.only_model + self.only_reference) / self.persons if self.persons else 0.0


@dataclass(frozen=True, eq=False)
class FrameDifference:
    """One frame's persons, paired."""

    model: Poses
    """Those whom the model finds, with the number of their pair (from 1) as id, UNTRACKED without one."""
    reference: Poses
    """Likewise, of the reference."""
    alone: int
    """Persons whom only one of them finds."""
    oks: float
    """The lowest of its pairs; 1 where there is none."""

    @property
    def badness(self) -> tuple[int, float]:
        """What the worst frame has most of."""
        return self.alone, 1 - self.oks


@dataclass(eq=False)
class Differences:
    """Collects what differs, frame by frame.

    Args:
        skeleton: of both.
        conf: score from which a person counts as found. `add` wants poses of scores down to half of it.
        pixel_aspect: width of a pixel over its height, for angles.
    """

    skeleton: Skeleton
    conf: float
    pixel_aspect: float = 1.0
    _frames: int = 0
    _near: int = 0
    _only: list[int] = field(default_factory=lambda: [0, 0])
    """Persons of the model alone, and of the reference alone."""
    _rows: list[tuple[NDArray[np.int64], Doubles, Doubles, Doubles, Doubles]] = field(default_factory=list)
    """Of each frame's pairs: frame, OKS, score, distance of each keypoint, difference of each angle."""

    def add(self, index: int, model: Poses, reference: Poses) -> FrameDifference:
        """Take in one frame's poses; `index` is its number in the clip."""
        self._frames += 1
        ours, theirs = self._paired(model, reference)
        found = (model.scores >= self.conf)[ours], (reference.scores >= self.conf)[theirs]
        both, either = found[0] & found[1], found[0] | found[1]
        single = [
            int(np.count_nonzero(np.delete(poses.scores, rows) >= self.conf))
            for poses, rows in ((model, ours), (reference, theirs))
        ]
        self._near += int(np.count_nonzero(either & ~both))
        self._only = [before + now for before, now in zip(self._only, single, strict=True)]
        similar = self._measure(index, model[ours[both]], reference[theirs[both]])
        return FrameDifference(
            self._numbered(model, ours[either]), self._numbered(reference, theirs[either]),
            sum(single), float(np.nanmin(similar, initial=1.0)),
        )  # fmt: skip

    def total(self) -> Comparison:
        """All frames together."""
        joints = [split_side(name)[1] for name in self._angle_names()]
        if self._rows:
            frames, similar, scores, apart, turned = (np.concatenate(part) for part in zip(*self._rows, strict=True))
        else:
            frames, similar, scores = np.zeros(0, np.int64), np.zeros(0), np.zeros(0)
            apart, turned = np.zeros((0, len(self.skeleton))), np.zeros((0, len(joints)))
        alone = sum(self._only)
        counted = similar[np.isfinite(similar)]
        by_keypoint = {name: Spread.of(apart[:, k], frames) for k, name in enumerate(self.skeleton.names)}
        by_joint = {
            joint: Spread.of(turned[:, columns].ravel(), np.repeat(frames, len(columns)))
            for joint in dict.fromkeys(joints)
            if (columns := [column for column, name in enumerate(joints) if name == joint])
        }
        return Comparison(
            frames=self._frames,
            pairs=len(frames),
            near=self._near,
            only_model=self._only[0],
            only_reference=self._only[1],
            oks=float(counted.sum() / max(len(counted) + alone, 1)),
            lowest_oks=float(counted.min(initial=1.0)),
            scores=Spread.of(scores, frames),
            keypoints={name: spread for name, spread in by_keypoint.items() if spread},
            points=Spread.of(apart.ravel(), np.repeat(frames, len(self.skeleton))),
            angles={joint: spread for joint, spread in by_joint.items() if spread},
        )

    def _paired(self, model: Poses, reference: Poses) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        sigmas = np.array(self.skeleton.sigmas, np.float32)
        alike = likeness(model.boxes, model.keypoints, reference.boxes, reference.keypoints, sigmas)
        pairs = pair(alike * (model.classes[:, None] == reference.classes), _ALIKE)
        rows, columns = np.array(pairs, np.intp).reshape(-1, 2).T
        return rows, columns

    def _measure(self, index: int, model: Poses, reference: Poses) -> Doubles:
        """Keep what differs between N pairs; returns their OKS, NaN where the reference sees no keypoint."""
        if not len(model):
            return np.zeros(0)
        areas = body_areas(reference.boxes)
        sigmas = np.array(self.skeleton.sigmas, np.float32)
        seen = reference.keypoints[:, :, 2] > _SEEN
        similar = np.diagonal(oks(reference.keypoints, model.keypoints, areas, sigmas, _SEEN)).astype(np.float64)
        similar = np.where(seen.any(axis=1), similar, np.nan)
        places = [
            np.where((poses.keypoints[:, :, 2] > _SEEN)[:, :, None], poses.keypoints[:, :, :2], np.nan).astype(float)
            for poses in (model, reference)
        ]
        turned = self._angles(places[0]) - self._angles(places[1])
        self._rows.append((
            np.full(len(model), index),
            similar,
            (model.scores - reference.scores).astype(float),
            np.linalg.norm(places[0] - places[1], axis=2),
            (turned + 180) % 360 - 180,
        ))  # fmt: skip
        return similar

    def _motion(self, places: Doubles) -> Motion:
        """Poses of several persons as if they were one person's motion: an angle looks at one row alone."""
        rows = np.arange(float(len(places)))
        confidence = np.ones(places.shape[:2])
        return Motion(rows, places, confidence, self.skeleton.names, 1, 1, pixel_aspect=self.pixel_aspect).square()

    def _angles(self, places: Doubles) -> Doubles:
        """(N, A) degrees of the joints of N poses, seen as if everybody faced right: differences are the same."""
        motion = self._motion(places)
        joints = [definition.kind == "joint" for definition in definitions(motion)]
        found: Doubles = angles(motion, np.full(len(places), Facing.RIGHT, np.int8))[:, joints]
        return found

    def _angle_names(self) -> list[str]:
        motion = self._motion(np.zeros((1, len(self.skeleton), 2)))
        return [definition.name for definition in definitions(motion) if definition.kind == "joint"]

    def _numbered(self, poses: Poses, paired: NDArray[np.intp]) -> Poses:
        """Those who are found or paired, with the number of their pair as id."""
        ids = poses.ids.copy()
        ids[paired] = np.arange(1, len(paired) + 1)
        shown = poses.scores >= self.conf
        shown[paired] = True
        return poses.with_ids(ids)[shown]
