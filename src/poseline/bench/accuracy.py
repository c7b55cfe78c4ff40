"""Accuracy: how far the keypoints of two runs on one clip are from each other."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from poseline.bench.schema import Accuracy
from poseline.output import read_log
from poseline.pose import Floats, Poses
from poseline.skeleton import Skeleton, oks

_SEEN = 0.5
"""Confidence above which a keypoint of the reference counts."""


def compare(reference: Path, journal: Path) -> Accuracy | None:
    """The likeness of the persons in `journal` to those in `reference`, frame by frame; None where that has none.

    Each person of the reference is paired with at most one of the same frame, so that the sum of the likenesses is the
    greatest; whoever is left without a partner counts 0. Persons without a keypoint that is clearly seen are left out.
    """
    truth, other = read_log(reference), read_log(journal)
    sigmas = np.array(Skeleton.for_count(len(truth.names)).sigmas, np.float32)
    guesses = {frame.index: frame.poses for frame in other.frames}
    none = Poses.none(len(truth.names))
    likenesses = np.concatenate(
        [
            np.zeros(0, np.float32),
            *(_likenesses(frame.poses, guesses.get(frame.index, none), sigmas) for frame in truth.frames),
        ]
    )
    if not len(likenesses):
        return None
    found = sum(len(frame.poses) for frame in other.frames)
    return Accuracy(oks=float(likenesses.mean()), persons=len(likenesses), found=found)


def _likenesses(truth: Poses, guess: Poses, sigmas: Floats) -> Floats:
    """(N,) the OKS of each clearly seen person of `truth` with its partner in `guess`."""
    from scipy.optimize import linear_sum_assignment  # a second that no other part of a benchmark need wait

    seen = truth[np.flatnonzero((truth.keypoints[:, :, 2] > _SEEN).any(axis=1))]
    similar = oks(seen.keypoints, guess.keypoints, _areas(seen.boxes), sigmas, _SEEN)
    likenesses = np.zeros(len(seen), np.float32)
    rows, columns = linear_sum_assignment(similar, maximize=True)
    likenesses[rows] = similar[rows, columns]
    return likenesses


def _areas(boxes: Floats) -> Floats:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
