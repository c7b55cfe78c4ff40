"""Accuracy: how far the keypoints of two runs on one clip are from each other."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from poseline.bench.schema import Accuracy
from poseline.inference.agreement import similarity
from poseline.log import read_log
from poseline.pose import Poses
from poseline.skeleton import Skeleton


def compare(reference: Path, journal: Path) -> Accuracy | None:
    """The likeness of the persons in `journal` to those in `reference`, frame by frame, by the measure of `agreement`.

    None where `reference` has nobody of whom it is sure.
    """
    truth, other = read_log(reference), read_log(journal)
    sigmas = np.array(Skeleton.for_count(len(truth.names)).sigmas, np.float32)
    guesses = {frame.index: frame.poses for frame in other.frames}
    nobody = Poses.none(len(truth.names))
    alike = [similarity(frame.poses, guesses.get(frame.index, nobody), sigmas) for frame in truth.frames]
    each = np.concatenate(alike) if alike else np.zeros(0, np.float32)
    return Accuracy(oks=float(each.mean()), persons=len(each)) if len(each) else None
