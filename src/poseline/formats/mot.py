"""MOTChallenge: whose box is where, a line for each, as trackers are evaluated by.

`frame, id, left, top, width, height, confidence, -1, -1, -1`: frames and pixels are counted from 1, so the first frame
is 1 and the picture's outer corner (1, 1). There are no keypoints. Ground truth (`gt.txt`) has whether a box counts in
place of the confidence, then its class and how visible it is; `seqinfo.ini` has the rate and the picture's size.
"""

from __future__ import annotations

from collections.abc import Sequence
from configparser import ConfigParser, SectionProxy
from configparser import Error as ConfigError
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from poseline.errors import OutputError, SourceError
from poseline.formats.arrays import without_id
from poseline.formats.clip import MOST_FRAMES
from poseline.formats.files import read_text, write_text
from poseline.formats.gather import gathered
from poseline.formats.options import ExportOptions, ImportOptions
from poseline.formats.registry import Read
from poseline.log import Tracks
from poseline.pose import UNTRACKED, Integers
from poseline.skeleton import COCO17
from poseline.words import counted

_PEDESTRIAN = 1
_LARGEST = 2**53
"""The largest frame or id: floats hold all whole numbers up to it."""

_FARTHEST = 1e9
"""Pixels; no picture is larger."""


def write(tracks: Tracks, target: Path, _: ExportOptions) -> Sequence[str]:
    """Write the boxes of everybody who has an id."""
    chosen = tracks.rows[tracks.rows.id != UNTRACKED]
    boxes = chosen.box.astype(np.float64)
    frames = tracks.frames[chosen.frame] + 1
    table = np.column_stack([boxes[:, :2] + 1, boxes[:, 2:] - boxes[:, :2], np.nan_to_num(chosen.score)])
    lines = [
        f"{frame},{number},{left:.2f},{top:.2f},{width:.2f},{height:.2f},{score:.4f},-1,-1,-1\n"
        for frame, number, (left, top, width, height, score) in zip(
            frames.tolist(), chosen.id.tolist(), table.tolist(), strict=True
        )
    ]
    write_text(target, "".join(lines))
    note = "boxes only: no keypoints and no times; frames in which nobody is are not in it"
    return [note, *without_id(tracks)]


def validate(target: Path) -> None:
    """Raise an OutputError unless each line is a box with whole numbers for frame and id, none of them twice."""
    try:
        table = _table(target)
    except SourceError as error:
        raise OutputError(str(error)) from None
    keys = {(frame, number) for frame, number in table[:, :2].tolist()}
    if len(keys) < len(table) or (len(table) and table[:, :2].min() < 1):
        raise OutputError(f"{target}: an id is twice in a frame, or a frame or an id is less than 1")


def read(path: Path, options: ImportOptions) -> Read:
    """Read a file of boxes, or the folder of a sequence with `gt/gt.txt` and `seqinfo.ini`."""
    skeleton = options.skeleton or COCO17
    file = path / "gt" / "gt.txt" if path.is_dir() else path
    found, info = read_boxes(file), read_info(file)
    notes = ["boxes only: all keypoints are missing"]
    chosen, scores = np.ones(len(found.frames), np.bool_), found.scores
    if (found.classes > 0).all():  # ground truth, whose scores say what counts
        chosen, scores = found.counts, np.ones(len(found.frames))
        if not chosen.all():
            notes.append(f"left out what is not to count: {counted(int((~chosen).sum()), 'line')}")
    if found.from_zero:
        notes.append("frames are counted from 0 in it")
    every = None if info.length is None else _all_frames(file, found, info.length)
    tracks = gathered(
        found.frames[chosen],
        np.full((int(chosen.sum()), len(skeleton), 3), np.nan),
        skeleton,
        ids=found.ids[chosen],
        scores=scores[chosen],
        boxes=found.boxes[chosen],
        size=info.size,
        all_frames=every,
        times=None if every is None or info.rate is None else every / info.rate,
        header={"source": info.name, **({"video": {"fps": info.rate}} if info.rate is not None else {})},
    )
    return Read(tracks, notes, sparse=True)


class Boxes(NamedTuple):
    """The N lines of a file."""

    frames: Integers
    """(N,) from 0."""
    ids: Integers
    """(N,) -1 for nobody's."""
    boxes: NDArray[np.float64]
    """(N, 4) x1 y1 x2 y2 in pixels."""
    scores: NDArray[np.float64]
    """(N,) confidences; in ground truth 0 for a box that does not count."""
    classes: NDArray[np.float64]
    """(N,) of ground truth, -1 where a line has none."""
    from_zero: bool
    """Whether the file counts frames from 0 rather than from 1."""

    @property
    def counts(self) -> NDArray[np.bool_]:
        """(N,) of ground truth, which boxes are asked for: pedestrians who are not marked by 0."""
        asked: NDArray[np.bool_] = (self.scores != 0) & np.isin(self.classes, (_PEDESTRIAN, -1))
        return asked


class SequenceInfo(NamedTuple):
    """What a `seqinfo.ini` says; the defaults where it says nothing, or is not there."""

    name: str = ""
    rate: float | None = None
    """Frames a second."""
    length: int | None = None
    """Frames."""
    size: tuple[int, int] = (0, 0)
    """(width, height) of the picture in pixels."""


def read_boxes(path: Path) -> Boxes:
    """Read the lines of results or of ground truth.

    Raises:
        SourceError: the file cannot be read, a line is none of MOTChallenge, or there is none.
    """
    table = _table(path)
    if not len(table):
        raise SourceError(f"{path}: holds no box")
    first = table[:, 0].min()
    if first < 0:
        raise SourceError(f"{path}: has a frame {first:.0f}; frames are counted from 1, or from 0")
    from_zero = bool(first == 0)
    columns = table.shape[1]
    return Boxes(
        frames=table[:, 0].astype(np.int64) - (not from_zero),
        ids=np.where(table[:, 1] >= 0, table[:, 1], UNTRACKED).astype(np.int64),
        boxes=np.hstack([table[:, 2:4], table[:, 2:4] + table[:, 4:6]]) - 1,
        scores=table[:, 6] if columns > 6 else np.ones(len(table)),
        classes=table[:, 7] if columns > 7 else np.full(len(table), -1.0),
        from_zero=from_zero,
    )


def read_info(file: Path) -> SequenceInfo:
    """Read the `seqinfo.ini` of the sequence whose boxes are in `file`, its `gt/gt.txt` or `det/det.txt`.

    Raises:
        SourceError: it is not as it should be.
    """
    path = file.parent.parent / "seqinfo.ini"
    if file.parent.name not in ("gt", "det") or not path.is_file():
        return SequenceInfo()
    parser = ConfigParser(interpolation=None)
    try:
        parser.read_string(read_text(path))
        stated = parser["Sequence"]
    except (ConfigError, KeyError) as error:
        raise SourceError(f"{path}: is no sequence's description: {error}") from None
    rate, length, width, height = (
        _positive(path, stated, key) for key in ("frameRate", "seqLength", "imWidth", "imHeight")
    )
    size = (int(width), int(height)) if width and height else (0, 0)
    return SequenceInfo(stated.get("name", ""), rate, None if length is None else int(length), size)


def _all_frames(path: Path, found: Boxes, length: int) -> Integers:
    """(T,) numbers of the `length` frames of a sequence, and of those behind them that have boxes."""
    count = max(length, int(found.frames.max()) + 1)
    if count > MOST_FRAMES:
        raise SourceError(f"{path}: no clip has {count} frames: a frame's number, or seqLength, is too large")
    return np.arange(count)


def _positive(path: Path, stated: SectionProxy, key: str) -> float | None:
    """A number of `seqinfo.ini`; None where it is not there."""
    text = stated.get(key)
    if text is None:
        return None
    with suppress(ValueError):
        if 0 < (number := float(text)) < _LARGEST:
            return number
    raise SourceError(f"{path}: {key}={text} is not a number above 0")


def _table(path: Path) -> NDArray[np.float64]:
    """The lines as numbers, all of one length."""
    rows: list[list[float]] = []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = [float(word) for word in line.replace(",", " ").split()]
        except ValueError:
            raise SourceError(f"{path}, line {number}: is no line of MOTChallenge: {line[:60]!r}") from None
        whole = not any(number % 1 or abs(number) >= _LARGEST for number in row[:2])
        whole = whole and all(abs(number) < _FARTHEST for number in row[2:])
        if not whole or len(row) < 6 or (rows and len(row) != len(rows[0])):
            raise SourceError(f"{path}, line {number}: is no line of MOTChallenge: {line[:60]!r}")
        rows.append(row)
    return np.array(rows, np.float64).reshape(len(rows), len(rows[0]) if rows else 10)
