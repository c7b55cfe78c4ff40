"""Effects: what acts make of poses. The same code works on some frames of a stream and on all poses of a log at once.

Every act is about each frame by itself (what is between set frames follows from the act alone), so a log is corrected
while it is read, some frames at a time, in bounded memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from poseline.corrections.acts import (
    Act,
    Add,
    Box,
    Change,
    Delete,
    Drop,
    Hide,
    Identify,
    Join,
    Place,
    Point,
    Split,
    SwapPersons,
    SwapSides,
)  # fmt: skip
from poseline.pose import UNTRACKED, Floats, Integers, Poses, State, States, boxes_around
from poseline.skeleton import Skeleton

Bools: TypeAlias = NDArray[np.bool_]

HIDDEN_CONFIDENCE = 0.25
"""Of a keypoint that was marked as hidden: below what other formats call seen, and above 0, for its place is known."""


_GONE = int(np.iinfo(np.int64).min)
"""The id of rows that were deleted, until they are removed together."""


@dataclass(eq=False)
class Table:
    """N poses of one frame or of many, in columns that effects change."""

    frame: Integers
    """(N,) frame numbers of the log."""
    id: Integers
    score: Floats
    box: Floats
    keypoints: Floats
    """(N, K, 3), NaN where a keypoint is missing."""
    state: States
    """(N, K) a `State` each."""
    kind: Integers
    """(N,) the model's class."""
    order: Integers
    """(N,) which of its frame's poses it was, -1 for a new one."""

    def __len__(self) -> int:
        return len(self.frame)

    def keep(self, rows: Bools | NDArray[np.intp]) -> None:
        """Leave these rows alone, in their order."""
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name)[rows])

    def extend(self, other: Table) -> None:
        """Add rows at the end."""
        for each in fields(self):
            setattr(self, each.name, np.concatenate([getattr(self, each.name), getattr(other, each.name)]))

    def __getitem__(self, rows: slice) -> Table:
        """Some of the rows."""
        return Table(*(getattr(self, each.name)[rows] for each in fields(self)))

    @classmethod
    def of(cls, frames: Sequence[int], seen: Sequence[Poses]) -> Table:
        """The poses of frames with these numbers."""
        counts = [len(poses) for poses in seen]
        keypoints = np.concatenate([poses.keypoints for poses in seen])
        return cls(
            np.repeat(np.array(frames, np.int64), counts),
            np.concatenate([poses.ids for poses in seen]),
            np.concatenate([poses.scores for poses in seen]),
            np.concatenate([poses.boxes for poses in seen]),
            keypoints,
            measured(keypoints),
            np.concatenate([poses.classes for poses in seen]),
            np.concatenate([np.arange(count, dtype=np.int64) for count in counts]),
        )

    def poses(self) -> Poses:
        """Back as poses, of one frame."""
        return Poses(self.box, self.score, self.keypoints, self.kind, self.id)


def measured(keypoints: Floats) -> States:
    """(N, K) a `State` for each of (N, K, 3) keypoints that a network found, or did not."""
    found = np.isfinite(keypoints[:, :, :2]).all(axis=2)
    return np.where(found, State.MEASURED, State.MISSING).astype(np.uint8)


class Effects:
    """Acts, ready to be applied to the poses of a log with this skeleton.

    Args:
        acts: those in force, in their order.
        skeleton: the log's.
    """

    def __init__(self, acts: Sequence[Act], skeleton: Skeleton) -> None:
        self._changes = [act.change for act in acts if type(act.change) in _APPLY]
        spans = [change.span for change in self._changes]
        self._start = np.array([-1 if start is None else start for start, _ in spans], np.int64)
        self._end = np.array([np.iinfo(np.int64).max if end is None else end for _, end in spans], np.int64)
        self._body = _Body.of(skeleton)

    def frames(self, frames: Sequence[int], seen: Sequence[Poses]) -> list[Table] | None:
        """The poses of each of some frames after all acts, best score first; None where no act is about them.

        Args:
            frames: their numbers, rising; at least one.
            seen: their poses, before.
        """
        due = np.flatnonzero((self._start <= frames[-1]) & (frames[0] <= self._end))
        if not len(due):
            return None
        table, numbers = Table.of(frames, seen), np.array(frames, np.int64)
        self._apply([self._changes[number] for number in due.tolist()], table, numbers)
        bounds = np.searchsorted(table.frame, [*frames, frames[-1] + 1]).tolist()
        return [table[start:end] for start, end in pairwise(bounds)]

    def table(self, table: Table, frames: Integers) -> None:
        """Apply all acts to the poses of a whole log, whose frame numbers are `frames` (T,), rising."""
        self._apply(self._changes, table, frames)

    def _apply(self, changes: Sequence[Change], table: Table, frames: Integers) -> None:
        table.id, table.keypoints, table.state = table.id.copy(), table.keypoints.copy(), table.state.copy()
        for change in changes:
            _APPLY[type(change)](table, change, self._body, frames)
        if (gone := table.id == _GONE).any():
            table.keep(~gone)
        if len(table) and (table.order < 0).any():
            table.keep(np.lexsort((-table.score, table.frame)))


@dataclass(frozen=True, eq=False)
class _Body:
    """What effects know of the skeleton."""

    place: Mapping[str, int]
    mirrored: NDArray[np.intp]
    """(K,) the keypoint on the other side."""

    @classmethod
    def of(cls, skeleton: Skeleton) -> _Body:
        place = {name: number for number, name in enumerate(skeleton.names)}
        return cls(place, np.array(skeleton.mirrored, np.intp))

    def columns(self, names: Sequence[str]) -> list[int]:
        return [self.place[name] for name in names if name in self.place]


def _rows(table: Table, person: int, change: Change) -> NDArray[np.intp]:
    """The rows of a person in the span of a change."""
    start, end = change.span
    chosen = table.id == person
    if start is not None:
        chosen = chosen & (table.frame >= start)
    if end is not None:
        chosen = chosen & (table.frame <= end)
    return np.flatnonzero(chosen)


def _set_points(table: Table, rows: NDArray[np.intp], columns: Sequence[int], values: Any, states: Any) -> None:
    """Give keypoints other values, (R, C, 3), and states, (R, C); None leaves them."""
    where = rows[:, None], np.asarray(columns)
    table.keypoints[where] = values
    if states is not None:
        table.state[where] = states


def _place(table: Table, change: Place, body: _Body, _: Integers) -> None:
    rows, columns = _rows(table, change.person, change), body.columns([change.keypoint])
    if len(rows) and columns:
        points = _between(table.frame[rows], change.at)
        sure = np.ones((len(rows), 1))
        _set_points(
            table, rows, columns, np.hstack([points, sure])[:, None], _how(table.frame[rows], change.at)[:, None]
        )


def _hide(table: Table, change: Hide, body: _Body, _: Integers) -> None:
    rows, columns = _rows(table, change.person, change), body.columns(change.keypoints)
    if len(rows) and columns:
        values = table.keypoints[rows[:, None], np.asarray(columns)]
        there = np.isfinite(values[:, :, :2]).all(axis=2)
        values[:, :, 2] = np.where(there, HIDDEN_CONFIDENCE, values[:, :, 2])
        _set_points(table, rows, columns, values, None)


def _drop(table: Table, change: Drop, body: _Body, _: Integers) -> None:
    rows, columns = _rows(table, change.person, change), body.columns(change.keypoints)
    if len(rows) and columns:
        _set_points(table, rows, columns, np.nan, State.MISSING)


def _swap_sides(table: Table, change: SwapSides, body: _Body, _: Integers) -> None:
    rows = _rows(table, change.person, change)
    if len(rows):
        every = range(len(body.mirrored))
        values, states = table.keypoints[rows][:, body.mirrored], table.state[rows][:, body.mirrored]
        _set_points(table, rows, every, values, states)


def _swap_persons(table: Table, change: SwapPersons, _: _Body, __: Integers) -> None:
    first, second = (_rows(table, person, change) for person in change.persons)
    table.id[first], table.id[second] = change.persons[1], change.persons[0]


def _join(table: Table, change: Join, _: _Body, __: Integers) -> None:
    _renumber(table, _rows(table, change.person, change), change.into)


def _split(table: Table, change: Split, _: _Body, __: Integers) -> None:
    _renumber(table, _rows(table, change.person, change), change.new)


def _renumber(table: Table, rows: NDArray[np.intp], number: int) -> None:
    """Give rows another id, but for those in whose frame somebody has it: nobody is in a frame twice."""
    if len(rows):
        rows = rows[~np.isin(table.frame[rows], table.frame[table.id == number])]
        table.id[rows] = number


def _delete(table: Table, change: Delete, _: _Body, __: Integers) -> None:
    table.id[_rows(table, change.person, change)] = _GONE


def _add(table: Table, change: Add, body: _Body, frames: Integers) -> None:
    start, end = min(change.at), max(change.at)
    lacking = frames[(frames >= start) & (frames <= end)]
    lacking = lacking[~np.isin(lacking, table.frame[table.id == change.person])]
    if not len(lacking):
        return
    points = np.full((len(lacking), len(body.mirrored), 3), np.nan, np.float32)
    states = np.zeros(points.shape[:2], np.uint8)
    for name in {name for pose in change.at.values() for name in pose} & {*body.place}:
        keypoint = body.place[name]
        own = {frame: pose.get(name, (np.nan, np.nan)) for frame, pose in change.at.items()}
        places = _between(lacking, own)
        there = np.isfinite(places).all(axis=1)
        points[there, keypoint] = np.hstack([places[there], np.ones((int(there.sum()), 1))])
        states[there, keypoint] = _how(lacking[there], change.at)
    count = len(lacking)
    table.extend(
        Table(
            lacking, np.full(count, change.person, np.int64), np.ones(count, np.float32),
            _boxes(lacking, change.boxes, points), points, states,
            np.zeros(count, np.int64), np.full(count, -1, np.int64),
        )
    )  # fmt: skip


def _identify(table: Table, change: Identify, _: _Body, __: Integers) -> None:
    for frame, (x, y) in change.at.items():
        rows = np.flatnonzero((table.frame == frame) & (table.id == UNTRACKED))
        box = table.box[rows]
        inside = (box[:, 0] <= x) & (x <= box[:, 2]) & (box[:, 1] <= y) & (y <= box[:, 3])
        rows, box = rows[inside], box[inside]
        if len(rows):
            away = np.hypot((box[:, 0] + box[:, 2]) / 2 - x, (box[:, 1] + box[:, 3]) / 2 - y)
            _renumber(table, rows[away.argmin() :][:1], change.person)


def _boxes(frames: Integers, given: Mapping[int, Box], points: Floats) -> Floats:
    """(N, 4) the boxes of added poses: between those that are given, else around the keypoints."""
    boxes = boxes_around(points)
    if not given:
        return boxes
    inside = (frames >= min(given)) & (frames <= max(given))
    result: Floats = np.nan_to_num(np.where(inside[:, None], _between(frames, given), boxes)).astype(np.float32)
    return result


def _between(frames: Integers, at: Mapping[int, Point] | Mapping[int, Box]) -> NDArray[np.float64]:
    """(N, 2 or 4) what is set in frames `at`, linear between them; NaN where a neighbour is NaN."""
    set_frames = np.array(list(at), np.int64)
    values = np.array(list(at.values()), np.float64)
    after = np.clip(np.searchsorted(set_frames, frames), 0, len(set_frames) - 1)
    before = np.where(set_frames[after] == frames, after, np.maximum(after - 1, 0))
    length = np.maximum(set_frames[after] - set_frames[before], 1)
    share = ((frames - set_frames[before]) / length)[:, None]
    result: NDArray[np.float64] = values[before] + share * (values[after] - values[before])
    return result


def _how(frames: Integers, at: Mapping[int, Any]) -> States:
    """(N,) FILLED in frames that were set, INTERPOLATED between them."""
    return np.where(np.isin(frames, list(at)), State.FILLED, State.INTERPOLATED).astype(np.uint8)


_APPLY: dict[type[Change], Callable[[Table, Any, _Body, Integers], None]] = {
    Place: _place, Hide: _hide, Drop: _drop, SwapSides: _swap_sides, SwapPersons: _swap_persons, Join: _join,
    Split: _split, Delete: _delete, Add: _add, Identify: _identify,
}  # fmt: skip
"""What each kind does; those that are missing are not about poses."""
