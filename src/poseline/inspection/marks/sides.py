"""Sides: where left and right may be taken for each other.

Three signs, from the surest to the faintest, each of which leaves out what a surer one has marked:

- the repair of `analysis.swaps`, at lower prices, exchanges a pair: the frames are known exactly;
- the vector from a limb's right to its left points turns round faster than it usually moves;
- both legs of somebody who walks or runs lie on one another for longer than a crossing takes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from poseline.analysis import Motion
from poseline.analysis.motion import Bools, Doubles, middle
from poseline.analysis.persons import shape
from poseline.analysis.swaps import Prices, repair
from poseline.inspection.marks.mark import Mark
from poseline.inspection.marks.sequences import BREAK, Sequences
from poseline.words import counted

_PRICES = Prices(limb=(1.0, 0.3))
"""Of the repair: less than half of what an analysis asks for, since a person looks at what is found."""
_LIMBS = {"leg": ("knee", "ankle"), "arm": ("elbow", "wrist")}
_CERTAIN = 0.3
"""Confidence that both points of a pair must have to be judged."""
_LEAST, _USUAL = 0.3, 2.5
"""A vector that turns round within a frame moves at least so many torsos, and so many times what is usual."""
_TWO = 1.5
"""How many times as much within two frames."""
_BOTH = 0.2
"""Where names are exchanged, the points of each side move at least this share of how far the other side's do."""
_AROUND = 6
"""Poses before and after a doubtful one that the repair is shown."""
_LYING, _SECONDS, _SWING, _AFTER = 0.45, 0.17, 0.5, 2.0
"""Legs lie on one another: knees and ankles nearer than this, in torsos, for so many seconds, of somebody whose left
ankle is so far to the right of the right one, and so far to its left, within so many seconds."""


def side_marks(poses: Sequences) -> list[Mark]:
    """Frames in which left and right points may carry each other's names."""
    apart = {limb: _apart(poses, parts) for limb, parts in _LIMBS.items() if _has(poses, parts)}
    turns = {limb: _turning(poses, vectors) for limb, vectors in apart.items()}
    swapped = _repaired(poses, turns)
    certain: list[Mark] = []
    found: list[Mark] = []
    for limb, vectors in apart.items():
        exchanged: Bools = np.logical_or.reduce(swapped[:, _columns(poses, limb)], axis=1)
        certain += _exchanged(poses, limb, swapped, exchanged, vectors)
        doubtful = _changing(poses, turns[limb]) & ~poses.near(exchanged, 3)
        found += _changed(poses, limb, doubtful, vectors)
        if limb == "leg":
            found += _lying(poses, vectors, poses.near(exchanged | doubtful, 2))
    return [*_whole(certain), *found]


def _has(poses: Sequences, parts: tuple[str, ...]) -> bool:
    return all(f"{side}_{part}" in poses.columns for part in parts for side in ("left", "right"))


def _apart(poses: Sequences, parts: tuple[str, ...]) -> Doubles:
    """(N, 2, 2) from the right to the left point of both pairs, in torsos; NaN where one is not certain."""
    vectors = []
    for part in parts:
        left, right = poses.columns[f"left_{part}"], poses.columns[f"right_{part}"]
        certain = np.minimum(poses.confidence[:, left], poses.confidence[:, right]) >= _CERTAIN
        vectors.append(np.where(certain[:, None], poses.points[:, left] - poses.points[:, right], np.nan))
    return np.stack(vectors, axis=1) / poses.torso[:, None, None]


def _columns(poses: Sequences, limb: str) -> list[int]:
    """The keypoints of a limb's both sides; shoulders and hips go with what hangs on them."""
    parts = {"leg": ("hip", "knee", "ankle"), "arm": ("shoulder", "elbow", "wrist")}[limb]
    names = (f"{side}_{part}" for part in parts for side in ("left", "right"))
    return [poses.columns[name] for name in names if name in poses.columns]


# Turning round


def _turning(poses: Sequences, vectors: Doubles) -> tuple[Doubles, Doubles]:
    """(N,) each: how far the vectors turn round into each pose from the one before, and from the one before that.

    As a share of what is possible for this person, and no more than their movement changes thereby: a limb that passes
    the other one fast does so at a steady speed. 0 where they do not turn round.
    """
    first, second = (_turn(poses, vectors, span) for span in (1, 2))
    usual = poses.each(np.where(first[0] > 0, first[0], np.nan), middle)[poses.person]
    limit = np.maximum(_LEAST, _USUAL * np.nan_to_num(usual))
    sharp = _sharpness(poses, vectors)
    one, two = np.minimum(first[0], sharp) / limit, np.minimum(second[0] / _TWO, sharp) / limit
    return np.where(first[1], one, 0), np.where(second[1], two, 0)


def _sharpness(poses: Sequences, vectors: Doubles) -> Doubles:
    """(N,) the largest change of movement from one pose to the next, in torsos, at a pose or the ones beside it."""
    step = np.zeros((len(vectors), 4))
    step[1:] = np.nan_to_num((vectors[1:] - vectors[:-1]).reshape(-1, 4))
    step[poses.gap >= BREAK] = 0
    change = np.zeros(len(vectors))
    change[1:] = np.linalg.norm(step[1:] - step[:-1], axis=1)
    sharp: Doubles = np.max([np.roll(change, shift) for shift in (-1, 0, 1)], axis=0)
    return sharp


def _turn(poses: Sequences, vectors: Doubles, span: int) -> tuple[Doubles, Bools]:
    """(N,) torsos by which the vectors moved within `span` poses, and whether they turned round."""
    moved, turned = np.zeros(len(vectors)), np.zeros(len(vectors), bool)
    new, old = vectors[span:].reshape(-1, 4), vectors[:-span].reshape(-1, 4)
    known = np.isfinite(new) & np.isfinite(old) & (poses.since(span)[span:] < BREAK)[:, None]
    new, old = np.where(known, new, 0), np.where(known, old, 0)
    moved[span:] = np.linalg.norm(new - old, axis=1)
    turned[span:] = (new * old).sum(axis=1) < 0
    return moved, turned


def _changing(poses: Sequences, turns: tuple[Doubles, Doubles], above: float = 1.0) -> Bools:
    """(N,) the poses from before to after each turn that is more than possible."""
    result = np.zeros(len(poses.rows), bool)
    for span, share in enumerate(turns, start=1):
        rows = np.flatnonzero(share > above)
        for before in range(span + 1):
            result[rows - before] = True
    return result


def _changed(poses: Sequences, limb: str, doubtful: Bools, vectors: Doubles) -> Iterator[Mark]:
    for first, last in poses.runs(doubtful, between=2):
        if first == last or _one_moves(poses, limb, first, last):
            continue
        moved = float(np.nanmax(np.linalg.norm(np.diff(vectors[first : last + 1], axis=0), axis=2), initial=0))
        yield _mark(
            poses, first, last, 0.25 + 0.3 * min(1.0, moved / 1.5), _pair_names(_LIMBS[limb]),
            f"left and right {limb} change places faster than they move",
        )  # fmt: skip


def _one_moves(poses: Sequences, limb: str, first: int, last: int) -> bool:
    """Whether the points of one side stay where they are, so that the other side's jump, and no names are exchanged."""
    far = []
    for side in ("left", "right"):
        columns = [poses.columns[f"{side}_{part}"] for part in _LIMBS[limb]]
        places = poses.points[first : last + 1, columns] - poses.centre[first : last + 1, None]
        far.append(float(np.nanmax(np.linalg.norm(np.diff(places, axis=0), axis=2), initial=0)))
    return min(far) < _BOTH * max(far)


# Exchanged


def _repaired(poses: Sequences, turns: dict[str, tuple[Doubles, Doubles]]) -> Bools:
    """(N, K) points that the repair would give another name, looked for around turns that are half possible."""
    swapped = np.zeros(poses.confidence.shape, bool)
    suspect = np.zeros(len(poses.rows), bool)
    for each in turns.values():
        suspect |= _changing(poses, each, above=0.7)
    suspect = poses.near(suspect, _AROUND)
    width, height, _ = shape(poses.tracks)
    boxes = poses.tracks.rows.box[poses.rows].astype(float)
    times = poses.times + 10 * np.cumsum(np.bincount(poses.cuts, minlength=len(poses.rows)))  # a cut is a gap
    for start, end in zip(poses.starts[:-1], poses.starts[1:], strict=True):
        rows = np.arange(start, end)[suspect[start:end]]
        if len(rows) > 2:
            motion = Motion(
                times[rows],
                poses.points[rows],
                poses.confidence[rows],
                poses.tracks.skeleton.names,
                width,
                max(height, 1),
                boxes[rows],
            )
            swapped[rows] = repair(motion, _PRICES).swapped
    return swapped


def _exchanged(poses: Sequences, limb: str, swapped: Bools, exchanged: Bools, vectors: Doubles) -> Iterator[Mark]:
    for first, last in poses.runs(exchanged, between=1):
        parts: Bools = np.logical_or.reduce(swapped[first : last + 1], axis=0)
        names = tuple(poses.tracks.skeleton.names[column] for column in _columns(poses, limb) if parts[column])
        pairs = " and ".join(dict.fromkeys(name.partition("_")[2] for name in names))
        which = [part in pairs for part in _LIMBS[limb]]
        turned = max(_gain(poses, vectors, which, row) for row in (first, last + 1))
        length = int(poses.frame[last] - poses.frame[first]) + 1
        yield _mark(
            poses, first, last, 0.5 + 0.5 * min(1.0, turned / 1.5), names,
            f"left and right {pairs} exchanged for {counted(length, 'frame')}",
        )  # fmt: skip


def _whole(marks: list[Mark]) -> Iterator[Mark]:
    """One mark where legs and arms are exchanged in the same frames."""
    together: dict[tuple[tuple[int, ...], int, int], list[Mark]] = {}
    for mark in marks:
        together.setdefault((mark.persons, mark.start, mark.end), []).append(mark)
    for (_, start, end), same in together.items():
        if len(same) == 1:
            yield same[0]
            continue
        names = tuple(name for mark in same for name in mark.keypoints)
        why = f"left and right of the whole body exchanged for {counted(end - start + 1, 'frame')}"
        yield replace(same[0], severity=max(mark.severity for mark in same), why=why, keypoints=names)


def _gain(poses: Sequences, vectors: Doubles, which: list[bool], row: int) -> float:
    """Torsos by which these of a limb's vectors move less into `row` when they are turned round there."""
    if not 0 < row < len(vectors) or poses.person[row] != poses.person[row - 1]:
        return 0.0
    new, old = vectors[row, which], vectors[row - 1, which]
    kept, turned = (float(np.nansum(np.linalg.norm(new + sign * old, axis=1))) for sign in (-1, 1))
    return max(0.0, kept - turned)


# Lying on one another


def _lying(poses: Sequences, vectors: Doubles, marked: Bools) -> Iterator[Mark]:
    wide = np.linalg.norm(vectors, axis=2)
    across = np.nan_to_num(vectors[:, 1, 0])
    swings = poses.within(across > _SWING, _AFTER) & poses.within(across < -_SWING, _AFTER)
    together: Bools = (np.nan_to_num(wide, nan=np.inf).max(axis=1) < _LYING) & swings & ~marked
    for first, last in poses.runs(together, between=1):
        seconds, length = float(poses.times[last] - poses.times[first]), int(poses.frame[last] - poses.frame[first]) + 1
        if seconds >= _SECONDS:
            yield _mark(
                poses, first, last, 0.15 + 0.1 * min(1.0, seconds), _pair_names(_LIMBS["leg"]),
                f"left and right leg lie on one another for {counted(length, 'frame')}",
            )  # fmt: skip


def _pair_names(parts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{side}_{part}" for part in parts for side in ("left", "right"))


def _mark(poses: Sequences, first: int, last: int, severity: float, names: tuple[str, ...], why: str) -> Mark:
    persons = tuple(dict.fromkeys(poses.ids[first : last + 1].tolist()))
    return Mark("sides", persons, int(poses.frame[first]), int(poses.frame[last]), severity, why, names)
