"""Identities: how well ids are kept, by TrackEval: HOTA, IDF1, MOTA and the switches of ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from poseline.errors import SettingsError
from poseline.evaluation.extra import needed
from poseline.evaluation.tracked import Tracked, TrackedFrame
from poseline.pose import Floats
from poseline.skeleton import COCO17, Skeleton, body_areas, oks
from poseline.tracking.assignment import assign
from poseline.tracking.match import iou

Measure: TypeAlias = Literal["oks", "box"]
"""What makes a person found: keypoints, or the overlap of boxes."""
MATCHED = 0.5
"""OKS or overlap from which a person is found, for IDF1 and MOTA; HOTA takes the mean over 0.05 to 0.95."""
_FARTHEST = np.float32(1e6)
"""Pixels; no picture is larger."""
_FEWEST = 3
"""Keypoints of one name that both must have."""


@dataclass(frozen=True)
class Identities:
    """TrackEval's measures; shares are 0..1."""

    frames: int
    people: int
    """Of the truth."""
    ids: int
    """Given."""
    measure: Measure
    hota: float
    """Higher order tracking accuracy: the geometric mean of the next two, ..."""
    detection: float
    """... DetA: who is found ..."""
    association: float
    """... and AssA: how well those keep their ids."""
    idf1: float
    """The share of persons under the one id that serves them best."""
    idp: float
    idr: float
    mota: float
    switches: int
    """Times that a person's id changed."""
    missed: int
    """Persons of the truth, over all frames, who are not found ..."""
    false: int
    """... and persons who are not of the truth."""


def identities(truth: Tracked, found: Tracked, measure: Measure | None = None) -> Identities:
    """Compare.

    Args:
        truth: who was where.
        found: what was found.
        measure: None: keypoints where the truth has them, else boxes.

    Raises:
        SettingsError: TrackEval is not installed, or the two have too few keypoints in common.
    """
    metrics = needed("trackeval.metrics", "HOTA and IDF1")
    measure = measure or ("box" if truth.skeleton is None else "oks")
    columns = _common(truth.skeleton, found.skeleton) if measure == "oks" else None
    data = _data(truth, found, columns)
    quietly = {"THRESHOLD": MATCHED, "PRINT_CONFIG": False}
    hota = metrics.HOTA().eval_sequence(data)
    identity = metrics.Identity(quietly).eval_sequence(data)
    clear = metrics.CLEAR(quietly).eval_sequence(data)
    return Identities(
        frames=data["num_timesteps"], people=data["num_gt_ids"], ids=data["num_tracker_ids"], measure=measure,
        hota=float(np.mean(hota["HOTA"])), detection=float(np.mean(hota["DetA"])),
        association=float(np.mean(hota["AssA"])), idf1=float(identity["IDF1"]), idp=float(identity["IDP"]),
        idr=float(identity["IDR"]), mota=float(clear["MOTA"]), switches=int(clear["IDSW"]),
        missed=int(clear["CLR_FN"]), false=int(clear["CLR_FP"]),
    )  # fmt: skip


def _common(truth: Skeleton | None, found: Skeleton | None) -> tuple[list[int], list[int], Floats]:
    """Columns of the keypoints that both have, by their names, and their sigmas."""
    names = [name for name in (truth.names if truth else ()) if found and name in found.names]
    if truth is None or found is None or len(names) < _FEWEST:
        raise SettingsError(
            f"the two have {len(names)} keypoints of one name, and {_FEWEST} are needed to tell persons by them; "
            "--measure box compares their boxes"
        )
    known = dict(zip(found.names, found.sigmas, strict=True)) | dict(zip(COCO17.names, COCO17.sigmas, strict=True))
    sigmas = np.array([known[name] for name in names], np.float32)
    return [truth.names.index(name) for name in names], [found.names.index(name) for name in names], sigmas


def _data(truth: Tracked, found: Tracked, columns: tuple[list[int], list[int], Floats] | None) -> dict[str, Any]:
    """What TrackEval's measures read: ids from 0, and how alike everybody is, frame by frame."""
    length = max(truth.length, max(truth.frames, default=-1) + 1)
    nobody = TrackedFrame(np.zeros(0, np.int64), np.zeros((0, 4), np.float32), np.zeros((0, 0, 3), np.float32))
    asked, given, alike = [], [], []
    numbers = {*truth.frames, *found.frames} - truth.unlabelled
    for index in sorted(number for number in numbers if 0 <= number < length):  # in the others nobody is
        here, there = truth.frames.get(index, nobody), found.frames.get(index, nobody)
        similar = _similarity(here, there, columns)
        keep_truth, keep_found = _asked_for(here, similar)
        asked.append(here.ids[keep_truth])
        given.append(there.ids[keep_found])
        alike.append(similar[keep_truth][:, keep_found].astype(float))
    asked, people = _from_zero(asked)
    given, ids = _from_zero(given)
    return {
        "num_timesteps": length - sum(0 <= number < length for number in truth.unlabelled),
        "num_gt_ids": people,
        "num_tracker_ids": ids,
        "num_gt_dets": sum(map(len, asked)),
        "num_tracker_dets": sum(map(len, given)),
        "gt_ids": asked,
        "tracker_ids": given,
        "similarity_scores": alike,
    }


def _similarity(here: TrackedFrame, there: TrackedFrame, columns: tuple[list[int], list[int], Floats] | None) -> Floats:
    """(N, M) 0..1; by boxes where a person of the truth has no keypoint. One that is missing is like none."""
    if not (len(here.ids) and len(there.ids)):
        return np.zeros((len(here.ids), len(there.ids)), np.float32)
    boxes, found_boxes = _within(here.boxes), _within(there.boxes)
    if columns is None:
        return iou(boxes, found_boxes)
    ours, theirs, sigmas = columns
    assert here.keypoints is not None
    assert there.keypoints is not None
    asked = np.where(_known(here.keypoints[:, ours]), _within(here.keypoints[:, ours]), 0)
    given = there.keypoints[:, theirs]
    given = np.where(_known(given), _within(given), _FARTHEST)
    similar = oks(asked, given, body_areas(boxes), sigmas, seen=0.0)
    most = asked[:, :, 2].max(axis=1, keepdims=True)  # who has no keypoint at all has 0
    return similar if most.all() else np.where(most > 0, similar, iou(boxes, found_boxes))


def _known(keypoints: Floats) -> NDArray[np.bool_]:
    """(N, K, 1) which of (N, K, 3) keypoints have a place."""
    known: NDArray[np.bool_] = np.isfinite(keypoints[:, :, :1]) & np.isfinite(keypoints[:, :, 1:2])
    return known


def _within(numbers: Floats) -> Floats:
    """The same as pixels that float32 can measure by; 0 for what is missing."""
    result: Floats = np.clip(np.nan_to_num(numbers), -_FARTHEST, _FARTHEST)
    return result


def _asked_for(here: TrackedFrame, similar: Floats) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Masks of the truth's and the found persons that count.

    As MOTChallenge has it: whoever is best paired with a person that need not be found is left out with them.
    """
    ignored = np.zeros(len(here.ids), np.bool_) if here.ignored is None else here.ignored
    kept = np.ones(similar.shape[1], np.bool_)
    if ignored.any() and similar.size:
        rows, columns = assign(np.where(similar >= MATCHED, similar, 0))
        good = (similar[rows, columns] >= MATCHED) & ignored[rows]
        kept[columns[good]] = False
    return ~ignored, kept


def _from_zero(frames: Sequence[NDArray[np.int64]]) -> tuple[list[NDArray[np.int64]], int]:
    """The same with ids counted from 0, and how many there are."""
    known = np.unique(np.concatenate(frames)) if frames else np.zeros(0, np.int64)
    return [np.searchsorted(known, ids) for ids in frames], len(known)
