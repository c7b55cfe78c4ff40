"""From a log's tracks to the motion of each person: fragments joined, frames without them as rows of NaN."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from poseline.analysis.facing import Facing
from poseline.analysis.motion import BODY, Bools, ByHand, Doubles, Integers, Motion
from poseline.analysis.stitching import Fragment, stitch
from poseline.corrections import Stretch
from poseline.errors import SourceError
from poseline.log import State, Tracks
from poseline.pose import UNTRACKED


@dataclass(frozen=True, eq=False)
class LoggedPerson:
    """Somebody whom a log holds, under one id or several."""

    id: int
    """The id under which they are seen most; `UNTRACKED` where the log has no ids."""
    ids: tuple[int, ...]
    """All their ids, in order of time."""
    rows: Integers
    """(N,) indices into `Tracks.rows`, one a frame, rising by frame."""
    prominence: float
    """How long and how large they are seen: see the function `prominence`."""


def usable(tracks: Tracks) -> Tracks:
    """The frames of a log that can be analysed: those whose time rises.

    Raises:
        SourceError: the log is of separate pictures, holds no frame or nobody, or its skeleton has no torso.
    """
    if tracks.header and not tracks.header.get("video"):
        raise SourceError("the log is of separate pictures, which have no times; analyse needs a video")
    lacking = [name for name in BODY if name not in tracks.skeleton.names]
    if lacking:
        raise SourceError(
            f"the log's skeleton has no {', '.join(lacking)}, which every analysis needs; it has "
            f"{', '.join(tracks.skeleton.names[:20])}. If these are the points under other names, run again with "
            "--skeleton and a file that names them"
        )
    known = np.isfinite(tracks.times)
    highest = np.maximum.accumulate(np.where(known, tracks.times, -np.inf))
    rising = known & (tracks.times > np.r_[-np.inf, highest[:-1]])
    if not rising.any():
        raise SourceError("the log holds no frame")
    if not np.isfinite(tracks.rows.keypoints[:, :, :2]).all(axis=2).any():
        raise SourceError("nobody was seen in any frame of the log")
    return tracks if rising.all() else tracks.kept(rising)


def people(tracks: Tracks) -> list[LoggedPerson]:
    """Everybody whom a log holds, the most prominent first.

    Raises:
        SourceError: the log has no ids, and several people in a frame.
    """
    rows = _one_a_frame(tracks)
    ids = tracks.rows.id[rows]
    if not (ids != UNTRACKED).any():
        return [_without_ids(tracks)]
    square = tracks.rows.keypoints[:, :, :2].astype(float) * [tracks.pixel_aspect, 1.0]
    parts = [rows[ids == number] for number in np.unique(ids) if number != UNTRACKED]
    parts += [rows[index : index + 1] for index in np.flatnonzero(ids == UNTRACKED)]
    frames = [tracks.rows.frame[part] for part in parts]
    fragments = [
        Fragment(int(tracks.rows.id[part[0]]), frame, tracks.times[frame], square[part])
        for part, frame in zip(parts, frames, strict=True)
    ]
    apart = () if tracks.corrections is None else tracks.corrections.apart
    found = [
        _person(tracks, [parts[index] for index in members])
        for members in stitch(fragments, tracks.skeleton.names, apart).persons
    ]
    return sorted(found, key=lambda person: -person.prominence)


def motion(tracks: Tracks, rows: Integers) -> tuple[Motion, Integers, Bools]:
    """The motion of one person.

    Args:
        tracks: of the log; all pictures of one shape, or `shapes` None and the one that counts as `size`.
        rows: (N,) indices into `tracks.rows`, one a frame, rising by frame; at least one.

    Returns:
        The motion from their first to their last frame; (T,) frame numbers of the clip; (T,) where the log has them.
    """
    place = tracks.rows.frame[rows]
    first, last = int(place[0]), int(place[-1]) + 1
    row = place - first
    count, size = last - first, len(tracks.skeleton)
    points, confidence = np.full((count, size, 2), np.nan), np.zeros((count, size))
    boxes, scores, found = np.full((count, 4), np.nan), np.full(count, np.nan), np.zeros(count, bool)
    keypoints = tracks.rows.keypoints[rows].astype(float)
    points[row] = np.where(np.isfinite(keypoints[:, :, :2]).all(axis=2, keepdims=True), keypoints[:, :, :2], np.nan)
    confidence[row] = np.nan_to_num(keypoints[:, :, 2])
    boxes[row], scores[row], found[row] = tracks.rows.box[rows], tracks.rows.score[rows], True
    width, height, aspect = shape(tracks)
    made = Motion(
        tracks.times[first:last], points, confidence, tracks.skeleton.names, width, height, boxes, scores, aspect,
        _by_hand(tracks, rows, first, last),
    )  # fmt: skip
    return made, tracks.frames[first:last], found


def _by_hand(tracks: Tracks, rows: Integers, first: int, last: int) -> ByHand | None:
    """What was corrected of the person in `rows`, in the frames from row `first` of the tracks to before `last`."""
    facts = tracks.corrections
    if facts is None:
        return None
    count, row = last - first, tracks.rows.frame[rows] - first
    points = np.zeros((count, len(tracks.skeleton)), bool)
    points[row] = np.isin(tracks.rows.state[rows], (State.FILLED, State.INTERPOLATED))
    own = tracks.rows.id[rows]
    ids = np.full(count, UNTRACKED)
    ids[row] = own
    numbers = tracks.frames[first:last]

    def inside(where: Stretch) -> Bools:
        there = (ids == where.person) | ((ids == UNTRACKED) & bool((own == where.person).any()))
        within: Bools = there & (numbers >= where.start) & (numbers <= where.end)
        return within

    sided = [keypoint for pair in tracks.skeleton.pairs for keypoint in pair]
    sides: Bools = np.any(points[:, sided], axis=1)
    facing = np.full(count, -1, np.int8)
    for where in facts.sides:
        sides |= inside(where)
    for said in facts.facings:
        facing[inside(said.where)] = Facing[said.facing.upper()]
    return ByHand(points, sides, facing)


def shape(tracks: Tracks) -> tuple[int, int, float]:
    """(width, height) in pixels and pixel aspect of the pictures.

    Raises:
        SourceError: they are not all of one shape.
    """
    if tracks.shapes is None or not len(tracks.shapes):
        return *tracks.size, tracks.pixel_aspect
    known = np.where(np.isfinite(tracks.shapes), tracks.shapes, [*tracks.size, tracks.pixel_aspect])
    changes = np.flatnonzero((np.diff(known, axis=0) != 0).any(axis=1))
    if len(changes):
        row = int(changes[0])
        before, after = (f"{width:g}x{height:g}" for width, height, _ in known[row : row + 2])
        time = float(tracks.times[row + 1])
        raise SourceError(
            f"the picture changes from {before} to {after} at {time:.3f} s, or its pixels' shape does; "
            f"choose a part of one shape with --to {tracks.times[row]:.3f} or --from {time:.3f}"
        )
    return int(known[0, 0]), int(known[0, 1]), float(known[0, 2])


def _without_ids(tracks: Tracks) -> LoggedPerson:
    """The one person of a log without ids."""
    rows = _one_a_frame(tracks, by_id=False)
    if len(rows) < len(tracks.rows):
        raise SourceError("the log has no ids, and several people in a frame; run again with tracking")
    return _person(tracks, [rows])


def _one_a_frame(tracks: Tracks, by_id: bool = True) -> Integers:
    """Indices of rows by frame, without those whose frame has the same id, or anybody, before."""
    count = np.arange(len(tracks.rows))
    if not by_id:
        return np.unique(tracks.rows.frame, return_index=True)[1].astype(np.int64)
    alone = np.where(tracks.rows.id == UNTRACKED, -1 - count, tracks.rows.id)  # each is a person of its own
    keys = np.stack([tracks.rows.frame, alone], axis=1)
    return np.sort(np.unique(keys, axis=0, return_index=True)[1]).astype(np.int64)


def _person(tracks: Tracks, parts: list[Integers]) -> LoggedPerson:
    """Of rows that are one person's, a list for each id, in order of time."""
    rows = np.concatenate(parts)
    rows = rows[np.argsort(tracks.rows.frame[rows], kind="stable")]
    ids, counts = np.unique(tracks.rows.id[rows], return_counts=True)
    best = ids[np.argmax(np.where(ids == UNTRACKED, 0, counts))]
    own = tuple(dict.fromkeys(int(tracks.rows.id[part[0]]) for part in parts))
    known = tuple(number for number in own if number != UNTRACKED) or own
    return LoggedPerson(int(best), known, rows.astype(np.int64), prominence(tracks, rows))


def prominence(tracks: Tracks, rows: Integers) -> float:
    """How long and how large somebody is seen in `rows`: the sum of their boxes' heights, in pixels."""
    boxes = tracks.rows.box[rows].astype(float)
    return float(np.nan_to_num(boxes[:, 3] - boxes[:, 1]).sum())


def within(tracks: Tracks, rows: Integers, start: float, end: float) -> Integers:
    """Those of `rows` whose time is in start..end seconds, both included."""
    times: Doubles = tracks.times[tracks.rows.frame[rows]]
    chosen: Integers = rows[(times >= start) & (times <= end)]
    return chosen
