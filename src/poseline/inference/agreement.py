"""Agreement: how far a network in one precision finds what it finds in another."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from poseline.frame import Frame
from poseline.inference.estimator import PoseEstimator
from poseline.pose import Floats, Poses
from poseline.skeleton import body_areas, oks

_SURE = 0.5
"""Score from which a person of the reference counts, and confidence from which a keypoint of theirs does."""


@dataclass(frozen=True)
class Agreement:
    """What was compared, and what came of it."""

    oks: float
    """Mean over the reference's persons of the OKS of the most similar one found; 0 for one that was missed."""
    persons: int
    frames: int

    def __str__(self) -> str:
        return f"mean OKS {self.oks:.3f} over {self.persons} persons in {self.frames} frames"


def agreement(reference: PoseEstimator, candidate: PoseEstimator, frames: Iterable[Frame]) -> Agreement:
    """Compare what two estimators see in the same frames."""
    similar: list[float] = []
    count = 0
    for frame in frames:
        count += 1
        truth, found = reference.estimate(frame).poses, candidate.estimate(frame).poses
        similar += similarity(truth, found, np.array(reference.spec.skeleton.sigmas, np.float32)).tolist()
    return Agreement(float(np.mean(similar)) if similar else 0.0, len(similar), count)


def similarity(truth: Poses, found: Poses, sigmas: Floats) -> Floats:
    """(N,) the OKS of each sure person of `truth` with the most similar one of `found`; 0 for one that was missed."""
    sure = truth[(truth.scores >= _SURE) & (truth.keypoints[:, :, 2] > _SURE).any(axis=1)]
    best: Floats = oks(sure.keypoints, found.keypoints, body_areas(sure.boxes), sigmas, _SURE).max(axis=1, initial=0.0)
    return best
