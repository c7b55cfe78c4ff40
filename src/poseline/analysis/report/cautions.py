"""What a reader must know before they believe a number: the notes of the analysis, and what else its data say."""

from __future__ import annotations

import numpy as np

from poseline.analysis.angles import DEFINITIONS
from poseline.analysis.report.numbers import percent
from poseline.analysis.report.subject import Subject

_MANY = 0.1
"""Share of frames, or of points, that is worth a word."""
_FEW_FRAMES = 3


def cautions(subject: Subject) -> list[str]:
    """Of one subject, the analysis's own first; in words."""
    found = subject.found
    told = [plain(note) for note in found.notes]
    if len(subject.times) < _FEW_FRAMES:
        told.append("There are too few frames to tell speeds or repetitions; angles are those of single pictures.")
    if subject.frontal > _MANY:
        told.append(
            f"Seen from the front or the back in {percent(subject.frontal)} of the frames: the angles of knees, hips "
            "and arms are there sideways deviations in the frontal plane, not flexion."
        )
    if subject.unsure > _MANY:
        told.append(
            f"Low confidence: {percent(subject.unsure)} of the measured points were seen badly or hidden, and are "
            "partly guessed by the network."
        )
    if not np.isfinite(found.angles.degrees).any():
        told.append("No angle could be measured: too few points of this person were seen.")
    if found.scale is None and not any("no metres" in note for note in found.notes):
        told.append("No metres and no speeds are given, since no length is known in this clip.")
    return list(dict.fromkeys(told))


def plain(note: str) -> str:
    """A note with `left knee` for `left_knee`."""
    for name in _NAMES:
        note = note.replace(name, name.replace("_", " "))
    return note


_NAMES = sorted({name for definition in DEFINITIONS for name in (definition.name, *definition.points) if "_" in name}
                | {"big_toe", "small_toe"}, key=len, reverse=True)  # fmt: skip
"""Of angles and points, the longest first."""
