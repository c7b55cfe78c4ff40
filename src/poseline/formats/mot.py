"""MOTChallenge: whose box is where, a line for each, as trackers are evaluated by.

`frame, id, left, top, width, height, confidence, -1, -1, -1`: frames and pixels are counted from 1, so the first frame
is 1 and the picture's outer corner (1, 1). There are no keypoints. Ground truth (`gt.txt`) has whether a box counts in
place of the confidence, then its class and how visible it is; `seqinfo.ini` has the rate and the picture's size.
"""

from __future__ import annotations

from collections.abc import Sequence
from configparser import ConfigParser
from configparser import Error as ConfigError
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from poseline.errors import OutputError, SourceError
from poseline.formats.arrays import without_id
from poseline.formats.files import read_text, write_text
from poseline.formats.gather import gathered
from poseline.formats.options import ExportOptions, ImportOptions
from poseline.formats.registry import Read
from poseline.log import Tracks
from poseline.pose import UNTRACKED
from poseline.skeleton import COCO17
from poseline.words import counted

_PEDESTRIAN = 1
_LARGEST = 2**53
"""The largest frame or id: floats hold all whole numbers up to it."""


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
    table = _table(file)
    if not len(table):
        raise SourceError(f"{file}: holds no box")
    notes = ["boxes only: all keypoints are missing"]
    if table.shape[1] >= 8 and (table[:, 7] > 0).all():  # ground truth: whether it counts, and the class
        counts = (table[:, 6] > 0) & (table[:, 7] == _PEDESTRIAN)
        if not counts.all():
            notes.append(f"left out what is not to count: {counted(int((~counts).sum()), 'line')}")
        table = table[counts]
        table[:, 6] = 1
    if table[:, 0].min() == 0:
        notes.append("frames are counted from 0 in it")
        table[:, 0] += 1
    scores = table[:, 6] if table.shape[1] > 6 else np.ones(len(table))
    boxes = np.hstack([table[:, 2:4], table[:, 2:4] + table[:, 4:6]]) - 1
    info = _info(file)
    tracks = gathered(
        table[:, 0].astype(np.int64) - 1,
        np.full((len(table), len(skeleton), 3), np.nan),
        skeleton,
        ids=np.where(table[:, 1] >= 0, table[:, 1], UNTRACKED).astype(np.int64),
        scores=scores,
        boxes=boxes,
        size=(int(info.get("imwidth", 0)), int(info.get("imheight", 0))),
        all_frames=np.arange(int(info["seqlength"])) if "seqlength" in info else None,
        times=np.arange(int(info["seqlength"])) / float(info["framerate"])
        if {"seqlength", "framerate"} <= set(info)
        else None,
        header={"source": info.get("name", ""), "video": {"fps": float(info["framerate"])}} if info else {},
    )
    return Read(tracks, notes, sparse=True)


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
        whole = np.isfinite(row).all() and not any(number % 1 or abs(number) >= _LARGEST for number in row[:2])
        if not whole or len(row) < 6 or (rows and len(row) != len(rows[0])):
            raise SourceError(f"{path}, line {number}: is no line of MOTChallenge: {line[:60]!r}")
        rows.append(row)
    return np.array(rows, np.float64).reshape(len(rows), len(rows[0]) if rows else 10)


def _info(file: Path) -> dict[str, str]:
    """What `seqinfo.ini` in the sequence's folder says, by names in lower case; nothing where there is none."""
    path = file.parent.parent / "seqinfo.ini"
    if file.parent.name not in ("gt", "det") or not path.is_file():
        return {}
    parser = ConfigParser(interpolation=None)
    try:
        parser.read_string(read_text(path))
        found = dict(parser["Sequence"])
        if not all(float(found[name]) > 0 for name in ("framerate", "seqlength", "imwidth", "imheight")):
            raise ValueError("a number is missing")
    except (ConfigError, KeyError, ValueError) as error:
        raise SourceError(f"{path}: does not say a sequence's rate, length and size: {error}") from None
    return found
