"""Confidence: hips, knees and ankles that the model is unsure of, of somebody who is otherwise well seen."""

from __future__ import annotations

import numpy as np

from poseline.analysis.motion import Bools
from poseline.analysis.persons import shape
from poseline.inspection.marks.mark import Mark
from poseline.inspection.marks.sequences import BORDER, Sequences
from poseline.words import counted

_LOW, _GOOD = 0.5, 0.7
"""Confidence below which a point is doubtful, and that the middle one of a person's points must have."""
_SECONDS = 0.1
"""For how long."""
_PARTS = ("hip", "knee", "ankle")


def confidence_marks(poses: Sequences) -> list[Mark]:
    """Stretches in which points of the legs are doubtful."""
    names = [f"{side}_{part}" for part in _PARTS for side in ("left", "right")]
    names = [name for name in names if name in poses.columns]
    columns = [poses.columns[name] for name in names]
    well = np.median(poses.confidence, axis=1) >= _GOOD
    low: Bools = (poses.confidence[:, columns] < _LOW) & well[:, None] & _inside(poses)[:, columns]
    found = []
    for first, last in poses.runs(np.logical_or.reduce(low, axis=1), between=2):
        seconds = float(poses.times[last] - poses.times[first])
        if last - first < 2 or seconds < _SECONDS:
            continue
        often = low[first : last + 1].mean(axis=0)
        own = tuple(name for name, share in zip(names, often, strict=True) if share > often.max() / 2)
        mean = float(poses.confidence[first : last + 1, [poses.columns[name] for name in own]].mean())
        length = int(poses.frame[last] - poses.frame[first]) + 1
        text = " and ".join(name.replace("_", " ") for name in own)
        persons = tuple(dict.fromkeys(poses.ids[first : last + 1].tolist()))
        start, end, severity = (
            int(poses.frame[first]),
            int(poses.frame[last]),
            0.1 + 0.4 * min(1.0, seconds) * (1 - mean),
        )
        why = f"{text} of confidence {mean:.2f} for {counted(length, 'frame')}"
        found.append(Mark("low_confidence", persons, start, end, severity, why, own))
    return found


def _inside(poses: Sequences) -> Bools:
    """(N, K) points that lie in the picture and not at its border, where nobody could see them."""
    width, height, aspect = shape(poses.tracks)
    size = np.array([width * aspect, height])
    if not size.all():
        size = np.array([np.inf, np.inf])
    beyond = (poses.points <= np.nan_to_num(BORDER * size, posinf=-np.inf)) | (poses.points >= (1 - BORDER) * size)
    inside: Bools = ~np.logical_or.reduce(beyond, axis=2)
    return inside
