"""Arrays: poses as other programs hold them, by frame and person; and back to tracks."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from poseline.errors import OutputError, SourceError
from poseline.formats.gather import gathered
from poseline.formats.options import ImportOptions
from poseline.formats.registry import Reader
from poseline.formats.skeletons import skeleton_of
from poseline.log import Tracks
from poseline.log.tracks import Doubles
from poseline.pose import UNTRACKED, Floats, Integers
from poseline.skeleton import Skeleton
from poseline.words import counted

PERSON = "person_"
"""What a person is called where a format has names: `person_7` has the id 7."""
ALIKE = 1e-4
"""Seconds by which the times of one frame may differ between files of several persons."""
MOST_VALUES = 200_000_000
"""Numbers in an array over all frames and persons: more of them would take gigabytes of memory."""


def tracked(tracks: Tracks) -> Tracks:
    """The same tracks for a format that knows a pose only as somebody's: each row has an id.

    A log without ids, such as one of a run with `--no-track`, in which nobody is beside anybody else is taken for one
    person's, number 1. Poses without an id beside others with one are left out.

    Raises:
        OutputError: nobody has an id, and somewhere two persons are seen at once.
    """
    rows = tracks.rows
    known = rows.id != UNTRACKED
    if known.all():
        return tracks
    if known.any():
        return replace(tracks, rows=rows[known])
    if len(np.unique(rows.frame)) < len(rows):
        raise OutputError(
            "nobody in this log has a track id, and this format can tell people apart by nothing else; "
            "run without --no-track"
        )
    return replace(tracks, rows=replace(rows, id=np.ones_like(rows.id)))


def numbered_frames(tracks: Tracks) -> tuple[int, Integers]:
    """How many frames a file with one entry for every frame of the clip has, and which of them each frame is.

    Frames that were dropped or left out count too, so that an entry's place is the number of the clip's frame.
    Separate pictures are numbered as they follow each other.

    Raises:
        OutputError: numbers are so far apart that the file would hold nearly nothing but gaps.
    """
    numbers = tracks.frames
    if len(numbers) == 0:
        return 0, numbers
    if tracks.sources is not None or (np.diff(numbers) <= 0).any() or numbers[0] < 0:
        return len(numbers), np.arange(len(numbers))
    count = int(numbers[-1]) + 1
    if count > 1_000_000 + 100 * len(numbers):
        raise OutputError(f"the last frame's number is {count - 1:,}, though there are only {len(numbers):,} frames")
    return count, numbers


def person_name(tracks: Tracks, number: int) -> str:
    """What a person is called: `person_7`, or `Ann_7` of somebody to whom a name was given; the id is at the end."""
    given = "" if tracks.corrections is None else tracks.corrections.name(number)
    plain = re.sub(r"[^\w.-]+", "-", given)
    return f"{plain}_{number}" if plain else f"{PERSON}{number}"


class Spread(NamedTuple):
    """Poses of P persons in F frames, for a format that has a place for everybody in every frame."""

    ids: list[int]
    """The P persons; somebody who is never there where nobody is."""
    points: Floats
    """(F, P, K, 3) float32 x, y, confidence; all NaN for a keypoint that is missing, or whose person is not there."""
    scores: Floats
    """(F, P) float32 confidence of the person; NaN where they are not there."""
    names: list[str]
    """P names: see `person_name`."""

    @property
    def there(self) -> NDArray[np.bool_]:
        """(F, P) whether a person has a keypoint in a frame."""
        found: NDArray[np.bool_] = np.any(np.isfinite(self.points[..., 0]), axis=-1)
        return found


def spread(tracks: Tracks, *, every_frame: bool) -> Spread:
    """Everybody's poses.

    Args:
        tracks: of a log.
        every_frame: a place for each frame of the clip, see `numbered_frames`; else for each frame of the log.

    Raises:
        OutputError: nobody has an id, see `tracked`; or it would take gigabytes.
    """
    own = tracked(tracks)
    count, places = numbered_frames(own) if every_frame else (len(own), np.arange(len(own)))
    ids = own.ids if len(own.ids) else np.ones(1, np.int64)
    shape = (count, len(ids), len(own.skeleton), 3)
    if math.prod(shape) > MOST_VALUES:
        raise OutputError(
            f"{count:,} frames with {len(ids):,} persons are too many for a format that has a place for everybody in "
            "every frame; try --every N, or a format of single poses such as coco or sleap"
        )
    points, scores = np.full(shape, np.nan, np.float32), np.full(shape[:2], np.nan, np.float32)
    place = places[own.rows.frame], np.searchsorted(ids, own.rows.id)
    points[place], scores[place] = cleaned(own.rows.keypoints), own.rows.score
    return Spread(ids.tolist(), points, scores, [person_name(own, number) for number in ids.tolist()])


def cleaned(points: Floats) -> Floats:
    """(..., 3) the same points; all three numbers of those that are missing are NaN."""
    there = np.isfinite(points[..., :2]).all(axis=-1, keepdims=True)
    result: Floats = np.where(there, points, np.float32(np.nan))
    return result


def ids_of(names: Sequence[str]) -> Integers:
    """(P,) int64 ids of persons with these names: the numbers at their ends, from 1; else 1, 2, 3 in their order."""
    numbers = [re.search(r"\d{1,15}$", name) for name in names]
    found = [int(number.group()) for number in numbers if number]
    if len(set(found)) < len(names):
        return np.arange(1, len(names) + 1, dtype=np.int64)
    return np.array(found, np.int64) + (1 if 0 in found else 0)


def owners(ids: Integers, frame: NDArray[np.intp]) -> tuple[Integers, list[str]]:
    """(N,) ids of poses from a file, from 1, and what there is to say of them.

    Where nobody has an id, and nobody is beside anybody else, all are one person's.

    Args:
        ids: (N,) as in the file, from 0 or from 1; `UNTRACKED` where there is none.
        frame: (N,) the frame that each pose is in.
    """
    known = ids != UNTRACKED
    if not known.any() and len(np.unique(frame)) == len(frame):
        return np.ones_like(ids), []
    numbers = np.where(known, ids + (ids[known] == 0).any(), UNTRACKED)
    lost = len(ids) - int(known.sum())
    return numbers, [f"without an id, and in nobody's track: {counted(lost, 'pose')}"] if lost else []


def skeleton_for(
    path: Path, options: ImportOptions, names: Sequence[str], edges: Sequence[tuple[int, int]] = ()
) -> Skeleton:
    """The skeleton that the user gave, else that of the file's names.

    Raises:
        SourceError: the user's has another number of keypoints.
    """
    chosen = options.skeleton or skeleton_of(path, names, edges)
    if len(chosen) != len(names):
        raise SourceError(f"{path}: has {counted(len(names), 'keypoint')}, and the skeleton has {len(chosen)}")
    return chosen


def one_clock(clocks: Sequence[Doubles]) -> tuple[Doubles, list[NDArray[np.intp]]]:
    """The times of several persons' rows together, each once, and where each person's rows are among them."""
    if len(clocks) == 1:
        return clocks[0], [np.arange(len(clocks[0]))]
    every = np.sort(np.concatenate(clocks))
    times = every[np.diff(every, prepend=-np.inf) > ALIKE]
    return times, [np.searchsorted(times, clock + ALIKE / 2, side="right") - 1 for clock in clocks]


def check(read: Reader, target: Path) -> None:
    """Raise an OutputError unless `read` can read what is at `target`."""
    try:
        read(target, ImportOptions())
    except SourceError as error:
        raise OutputError(str(error)) from None


def from_arrays(
    points: NDArray[np.floating[Any]],
    ids: Sequence[int] | Integers,
    skeleton: Skeleton,
    *,
    times: Doubles | None = None,
    frames: Integers | None = None,
    scores: NDArray[np.floating[Any]] | None = None,
    size: tuple[int, int] = (0, 0),
    header: dict[str, Any] | None = None,
) -> Tracks:
    """Tracks of persons who have a place in every frame.

    Args:
        points: (T, P, K, 3) x, y and confidence; NaN where a keypoint is missing, or its confidence is not known.
        ids: of the P persons.
        skeleton: of the K keypoints.
        times: (T,) seconds; None: not known.
        frames: (T,) numbers of the frames; None: 0, 1, 2.
        scores: (T, P) confidence of each person; None: the mean of the keypoints'.
        size: (width, height) of the picture in pixels; (0, 0) where it is not known.
        header: what the file says of its clip.
    """
    numbers = np.arange(len(points)) if frames is None else frames
    frame, person = np.nonzero(np.isfinite(points[..., :2]).all(axis=-1).any(axis=-1))
    return gathered(
        numbers[frame],
        sure(points[frame, person]),
        skeleton,
        ids=np.asarray(ids, np.int64)[person],
        scores=None if scores is None else scores[frame, person],
        all_frames=numbers,
        times=times,
        size=size,
        header=header,
    )


def sure(points: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """(..., 3) the same points, whose confidence is 1 where it is not known."""
    result = points.copy()
    result[..., 2] = np.where(np.isnan(points[..., 2]), 1, points[..., 2])
    return result


def without_id(tracks: Tracks) -> list[str]:
    """What a format left out that holds nobody without an id, in words."""
    lost = int((tracks.rows.id == UNTRACKED).sum())
    return [f"{counted(lost, 'person')} without an id left out"] if lost else []


def left_out(tracks: Tracks) -> list[str]:
    """What `tracked` left out, in words."""
    known = tracks.rows.id != UNTRACKED
    lost = len(known) - int(known.sum())
    return [f"left out: {counted(lost, 'pose')} without an id"] if lost and known.any() else []
