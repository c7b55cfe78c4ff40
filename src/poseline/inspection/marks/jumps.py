"""Jumps: points that move farther from one frame to the next than a limb can."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from poseline.analysis.motion import Bools, Doubles, middle
from poseline.inspection.marks.mark import Mark
from poseline.inspection.marks.sequences import BREAK, Sequences
from poseline.words import counted

_LEAST, _USUAL = 0.5, 8.0
"""A jump is at least so many torsos, and so many times what the point's movement usually changes by."""
_CERTAIN = 0.3
"""Confidence that a point must have before and after."""
_BACK = 0.5
"""Seconds within which a point that jumped may jump back."""


class _Jump(NamedTuple):
    first: int
    """Row of the first pose that is off ..."""
    last: int
    """... and of the last: the same where the point does not jump back."""
    back: bool
    column: int
    """Which keypoint."""
    torsos: float


def jump_marks(poses: Sequences, others: Sequence[Mark]) -> list[Mark]:
    """Jumps of single points, but for those that one of the `others` explains."""
    step = _steps(poses)
    size = _changes(poses, step)
    explained = _explained(poses, others)
    found: dict[tuple[int, int, bool], list[_Jump]] = {}
    for column in range(size.shape[1]):
        usual = np.nan_to_num(poses.each(size[:, column], middle))[poses.person]
        far = (size[:, column] > np.maximum(_LEAST, _USUAL * usual)) & ~explained[:, column]
        for jump in _there_and_back(poses, np.flatnonzero(far).tolist(), column, size, step):
            found.setdefault(jump[:3], []).append(jump)
    return [_mark(poses, jumps) for jumps in found.values()]


def _steps(poses: Sequences) -> Doubles:
    """(N, K, 2) torsos that each point moved since the pose before, as seen from the torso's middle; NaN: unknown."""
    points = np.where((poses.confidence >= _CERTAIN)[:, :, None], poses.points - poses.centre[:, None], np.nan)
    step = np.full(points.shape, np.nan)
    step[1:] = (points[1:] - points[:-1]) / poses.torso[1:, None, None]
    step[poses.gap >= BREAK] = np.nan
    return step


def _changes(poses: Sequences, step: Doubles) -> Doubles:
    """(N, K) torsos by which each point jumps into each pose.

    A jump is no movement that goes on: it differs from the movement before it and from the one after it. The lesser of
    both differences is taken.
    """
    seconds = poses.gap[:, None]
    speed: Doubles = step / np.where(np.isfinite(seconds), seconds, np.nan)[..., None]
    before = np.full(step.shape[:2], np.nan)
    before[1:] = np.linalg.norm(speed[1:] - speed[:-1], axis=2)
    after = np.roll(before, -1, axis=0)
    size: Doubles = np.minimum(before, after) * seconds
    return size


def _explained(poses: Sequences, others: Sequence[Mark]) -> Bools:
    """(N, K) points that another mark is about, a frame before and after it too."""
    result = np.zeros(poses.confidence.shape, bool)
    owners: dict[int, set[int]] = {}
    for number, person in np.unique(np.stack([poses.ids, poses.person], axis=1), axis=0).tolist():
        owners.setdefault(number, set()).add(person)
    for mark in others:
        first, last = np.searchsorted(poses.tracks.frames, [mark.start, mark.end])
        for person in set().union(*(owners.get(number, set()) for number in mark.persons)):
            begin, end = poses.starts[person], poses.starts[person + 1]
            rows = begin + np.searchsorted(poses.place[begin:end], [first - 1, last + 2])
            columns = [poses.columns[name] for name in mark.keypoints] or slice(None)
            result[rows[0] : rows[1], columns] = True
    return result


def _there_and_back(
    poses: Sequences, rows: Sequence[int], column: int, size: Doubles, step: Doubles
) -> Iterator[_Jump]:
    """Jumps of one point; one that leads back is the end of the one before it."""
    place = 0
    while place < len(rows):
        row, following = rows[place], rows[min(place + 1, len(rows) - 1)]
        near = poses.person[row] == poses.person[following] and poses.times[following] - poses.times[row] <= _BACK
        back = bool(following > row and near and (step[row, column] * step[following, column]).sum() < 0)
        yield _Jump(row, following - 1 if back else row, back, column, float(size[row, column]))
        place += 2 if back else 1


def _mark(poses: Sequences, jumps: Sequence[_Jump]) -> Mark:
    """Of points that jump together."""
    names = tuple(poses.tracks.skeleton.names[jump.column] for jump in jumps)
    first, last, back, *_ = jumps[0]
    start, end, torsos = int(poses.frame[first]), int(poses.frame[last]), max(jump.torsos for jump in jumps)
    text = " and ".join(name.replace("_", " ") for name in names[:3]) + (" and others" if len(names) > 3 else "")
    returns = f", back after {counted(end - start + 1, 'frame')}" if back else ""
    why = f"{text} {'jumps' if len(names) == 1 else 'jump'} by {torsos:.1f} torsos{returns}"
    return Mark("jump", (int(poses.ids[first]),), start, end, 0.3 + 0.4 * min(1.0, torsos / 2), why, names)
