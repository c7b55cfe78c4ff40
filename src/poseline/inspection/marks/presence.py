"""Presence: who is missing for a while, and who is seen for a moment only."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from poseline.inspection.marks.mark import Mark
from poseline.inspection.marks.sequences import Sequences
from poseline.words import counted

_MISSING, _FRAMES = 0.12, 3
"""A gap lasts at least so many seconds and frames: what is shorter is filled by an analysis without harm."""
_BRIEF = 0.5
"""Seconds: whoever is seen for less in all is seen briefly."""


def presence_marks(persons: Sequences) -> list[Mark]:
    """Gaps between the frames in which somebody is seen, and people who are hardly seen at all."""
    return [*_gaps(persons), *_brief(persons)]


def _gaps(persons: Sequences) -> Iterator[Mark]:
    seconds = persons.gap
    missing = np.zeros(len(seconds), np.int64)
    missing[1:] = np.diff(persons.place) - 1
    for row in np.flatnonzero(np.isfinite(seconds) & (seconds > _MISSING) & (missing >= _FRAMES)).tolist():
        if persons.ids[row] != persons.ids[row - 1]:
            continue  # the mark of the id that breaks says so
        first, last = persons.place[row - 1] + 1, persons.place[row] - 1
        away = bool(persons.at_side[row - 1] and persons.at_side[row])
        yield Mark(
            "gap", (int(persons.ids[row]),), int(persons.tracks.frames[first]), int(persons.tracks.frames[last]),
            (0.1 if away else 0.2) + 0.3 * min(1.0, float(seconds[row]) / 2),
            f"{'left the picture, and back after' if away else 'not seen for'} {counted(int(missing[row]), 'frame')}",
        )  # fmt: skip


def _brief(persons: Sequences) -> Iterator[Mark]:
    times = persons.tracks.times
    step = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    if times[-1] - times[0] + step < 2 * _BRIEF:
        return
    for start, end in zip(persons.starts[:-1].tolist(), persons.starts[1:].tolist(), strict=True):
        seconds = (end - start) * step
        if seconds >= _BRIEF:
            continue
        often = "once" if end - start == 1 else f"in {end - start} frames"
        ids = tuple(dict.fromkeys(persons.ids[start:end].tolist()))
        first, last, severity = int(persons.frame[start]), int(persons.frame[end - 1]), 0.45 - 0.2 * seconds / _BRIEF
        yield Mark("brief", ids, first, last, severity, f"seen {often} only")
