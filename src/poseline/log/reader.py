"""Read: a keypoint log back as arrays. A line that a crash tore, or that is not ours, is skipped and counted."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, TypeAlias

import numpy as np
import orjson

from poseline.errors import SourceError, redact
from poseline.frame import Gap
from poseline.log.records import SCHEMA, rounded_person
from poseline.log_files import first_record, log_file, part_after
from poseline.pose import Poses, States
from poseline.short_repr import short_repr
from poseline.skeleton import Skeleton

if TYPE_CHECKING:
    from poseline.corrections import Corrections, Effects, Facts, Table

Ending: TypeAlias = Literal["complete", "interrupted", "failed", "killed", "unknown"]
"""How a log's run ended: as its end record says; `killed` without one.

`unknown`: its end record has no `ended`, as in old logs, and names no error: a complete run or an interrupted one. Or
the log goes on in a part that is not there.
"""

_BEGINNING = 32
"""Bytes of a line in which its type stands."""
_NEXT = b'{"type":"next"'
_CHUNK = 250
"""Frames that are corrected together."""
_MOST_PIXELS = 1 << 20
"""Of a picture's side."""
_LAST = 65_536
"""Bytes at the end of a log that hold its last line."""


@dataclass(frozen=True, eq=False)
class LoggedFrame:
    """One frame of a log."""

    index: int
    """Which frame of its source it was, from 0."""
    pts: int
    """Presentation time stamp in the source's own units."""
    time: float
    """Seconds from the source's first frame."""
    poses: Poses
    """Who was seen; NaN where the log holds null."""
    dropped_before: int
    """Frames dropped just before this one."""
    corrupt: bool
    """The decoder patched over damage."""
    source: str
    """Path or URL that it came from."""
    width: int | None = None
    """Width of its picture in pixels; None where the log does not say, as old logs of separate pictures do not."""
    height: int | None = None
    """Height of its picture in pixels; None as `width`."""
    pixel_aspect: float = 1.0
    """Width of its pixels over their height, as the picture is to be shown."""
    states: States | None = None
    """(N, K) a `State` for each keypoint, where the frame was corrected by hand; else those that are there were
    measured."""

    __repr__ = short_repr


class LogReader:
    """The records of a log one after another, in bounded memory; of one that is cut into parts, from `path` on.

    Args:
        path: a log or a part of one, or the folder of a run, which has all parts that are still there.
        raw: as the network measured it, without the corrections beside it (docs/corrections.md).

    Raises:
        SourceError: the file cannot be read, or does not begin as a keypoint log of this schema; or its corrections.
    """

    def __init__(self, path: str | Path, *, raw: bool = False) -> None:
        self.path = log_file(path)
        self.gaps: list[Gap] = []
        """Outages, as far as the log has been read."""
        self.end: dict[str, Any] | None = None
        """The last line (ended, counts, elapsed, fps, error); None until it is reached, or where the run was killed."""
        self.skipped = 0
        """Lines that were torn, not UTF-8, not a record, or a frame again that had been before."""
        self.run = self._first()
        """The first line: source, model, skeleton and so on."""
        self.goes_on = False
        """The log goes on in a part that is not there; known once `frames` is at its end."""
        self._last_index: dict[str, int] = {}
        self._size: tuple[int | None, int | None] = _first_size(self.run)
        self._aspect = self.pixel_aspect
        self.corrections: Corrections | None = None
        """What was corrected by hand, and is applied to the frames; None where nothing was."""
        if not raw:
            from poseline.corrections import corrections_of  # which a run goes without: its start is quicker

            self.corrections = corrections_of(self.path, self.run)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the K keypoints."""
        return tuple(str(name) for name in self.run["skeleton"]["names"])

    @property
    def skeleton(self) -> Skeleton:
        """Names, edges and, where the log has them, sigmas of the keypoints."""
        return _skeleton(self.run)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the picture at the start, in pixels; (0, 0) for separate pictures."""
        width, height = _first_size(self.run)
        return width or 0, height or 0

    @property
    def classes(self) -> tuple[str, ...]:
        """The model's class names, where it has more than one."""
        return tuple(self.run.get("classes", ()))

    @property
    def pixel_aspect(self) -> float:
        """A pixel's width over its height, as the picture is to be shown: see `Log.pixel_aspect`."""
        return _pixel_aspect(self.run)

    @property
    def ended(self) -> Ending:
        """How the run ended; known once `frames` is at its end."""
        return _ending(self.end, self.goes_on)

    def differing(self) -> tuple[bool, bool]:
        """Whether pictures differ in size, and whether their pixels do in shape; looks through the file once."""
        records = list(self._size_records())
        sizes = {(record["width"], record["height"]) for record in records}
        aspects_differ = any(record.get("pixel_aspect") for record in records)
        return len(sizes | {_first_size(self.run)} - {(None, None)}) > 1, aspects_differ

    def frames(self) -> Iterator[LoggedFrame]:
        """The frames in their order; `gaps`, `end` and `skipped` are whole when it is at its end."""
        if self.corrections is None:
            return (frame for _, frame in self._records())
        return (_corrected(frame, table) for _, frame, table in self._tables(self.corrections.effects))

    def records(self) -> Iterator[tuple[dict[str, Any], LoggedFrame]]:
        """Each frame's record as it stands in the file, but for its corrections, and the frame that it holds."""
        if self.corrections is None:
            return self._records()
        return (
            (_corrected_record(record, frame.poses, table), _corrected(frame, table))
            for record, frame, table in self._tables(self.corrections.effects)
        )

    def _tables(self, effects: Effects) -> Iterator[tuple[dict[str, Any], LoggedFrame, Table | None]]:
        """Each frame before corrections, and what they make of its poses; None where they are not about it."""
        records = self._records()
        while chunk := list(islice(records, _CHUNK)):
            frames = [frame for _, frame in chunk]
            tables = effects.frames([frame.index for frame in frames], [frame.poses for frame in frames])
            for place, (record, frame) in enumerate(chunk):
                yield record, frame, None if tables is None else tables[place]

    def _records(self) -> Iterator[tuple[dict[str, Any], LoggedFrame]]:
        self.gaps, self.end, self.skipped, self._last_index = [], None, 0, {}
        self._size, self._aspect = _first_size(self.run), self.pixel_aspect
        self.goes_on = False
        for line in self._lines():
            try:
                taken = self._parse(line)
            except (
                ValueError,
                KeyError,
                TypeError,
                AttributeError,
                OverflowError,
            ):  # whatever a broken line can be mistaken for
                self.skipped += 1
            else:
                if taken is not None:
                    yield taken

    def _size_records(self) -> Iterator[dict[str, Any]]:
        for line in self._lines():
            if b'"size"' in line[:_BEGINNING] and (record := _size_record(line)) is not None:
                yield record

    def _lines(self) -> Iterator[bytes]:
        """All lines of all parts; of the first part without the first one."""
        part: Path | None = self.path
        while part is not None:
            line = b""
            with self._opened(part) as lines:
                if part is self.path:
                    next(lines, None)
                for line in lines:
                    yield line
            part = part_after(part) if line.startswith(_NEXT) else None

    @contextmanager
    def _opened(self, part: Path) -> Iterator[BinaryIO]:
        try:
            with part.open("rb") as lines:
                yield lines
        except OSError as error:
            raise SourceError(f"{part}: the keypoint log cannot be read: {error.strerror}") from error

    def _first(self) -> dict[str, Any]:
        run = first_record(self.path)
        if (schema := run.get("schema")) != SCHEMA:
            raise SourceError(f"{self.path}: a keypoint log of schema {schema}; this version reads schema {SCHEMA}")
        try:
            _check_header(run)
        except (ValueError, TypeError, AttributeError, OverflowError) as error:
            raise SourceError(
                f"{self.path}: the keypoint log's first line is garbled: {redact(str(error))[:200]}"
            ) from error
        return run

    def _parse(self, line: bytes) -> tuple[dict[str, Any], LoggedFrame] | None:
        """A frame's record and the frame in it; what other lines hold stays in the reader."""
        if not line.endswith(b"\n"):
            raise ValueError("torn: a line counts only when it is whole")
        record: dict[str, Any] = orjson.loads(line)
        kind = record["type"]
        self.goes_on = kind == "next"
        if kind == "frame":
            return record, self._frame(record)
        if kind == "gap":
            self.gaps.append(Gap(float(record["from"]), float(record["to"]), str(record["reason"])))
        elif kind == "size":
            self._size = int(record["width"]), int(record["height"])
            self._aspect = float(record.get("pixel_aspect") or self._aspect)
        elif kind == "end":
            self.end = record
        elif kind == "run" and "segment" in record:  # of the next part, which states sizes anew
            self._size, self._aspect = _first_size(record), _pixel_aspect(record)
        elif kind != "next":
            raise ValueError(f"unknown record {kind!r}")
        return None

    def _frame(self, record: dict[str, Any]) -> LoggedFrame:
        source, index = str(record.get("source", self.run["source"])), _tick(record["frame"])
        frame = LoggedFrame(
            index,
            _tick(record["pts"]),
            _number(record["time"]),
            _poses(record["persons"], len(self.names)),
            int(record["dropped_before"]),
            bool(record["corrupt"]),
            source,
            *self._size,
            self._aspect,
        )
        if index <= self._last_index.get(source, -1):
            raise ValueError(f"frame {index} again")
        self._last_index[source] = index
        return frame


@dataclass(frozen=True, eq=False)
class Log:
    """A whole log in memory."""

    run: dict[str, Any]
    """The first line: source, model, skeleton and so on."""
    names: tuple[str, ...]
    """The names of the K keypoints."""
    frames: list[LoggedFrame]
    gaps: list[Gap] = field(default_factory=list)
    end: dict[str, Any] | None = None
    """The last line: ended, counts, elapsed, fps, error."""
    skipped: int = 0
    """Lines that were torn, not UTF-8, not a record, or a frame again that had been before."""
    goes_on: bool = False
    """It goes on in a part that is not there."""
    corrections: Facts | None = None
    """What was corrected by hand, beside the poses of `frames`; None where nothing was."""

    def __repr__(self) -> str:
        poses = sum(len(frame.poses) for frame in self.frames)
        return f"Log({len(self.frames)} frames, {poses} poses, source={self.run['source']!r}, ended={self.ended!r})"

    @property
    def ended(self) -> Ending:
        """How the run ended; `end["error"]` says why one failed."""
        return _ending(self.end, self.goes_on)

    @property
    def interrupted(self) -> bool:
        """Whether somebody ended the run before its source did: the user (`interrupted`), or who `killed` it."""
        return self.ended in ("interrupted", "killed")

    @property
    def pixel_aspect(self) -> float:
        """A pixel's width over its height at the start, as the picture is to be shown; 1 for square pixels.

        Lengths and angles come out right when x is multiplied by it; by each frame's own where it changes on the way.
        """
        return _pixel_aspect(self.run)


def read_log(path: str | Path, *, raw: bool = False) -> Log:
    """Read a keypoint log, or the one in a run's folder; one that is cut into parts is one log.

    Args:
        path: the log, or the folder.
        raw: as the network measured it, without the corrections that were made by hand.

    Raises:
        SourceError: the file or its corrections cannot be read, or it is not a keypoint log of this schema.
    """
    reader = LogReader(path, raw=raw)
    frames = list(reader.frames())
    facts = None if reader.corrections is None else reader.corrections.facts
    return Log(reader.run, reader.names, frames, reader.gaps, reader.end, reader.skipped, reader.goes_on, facts)


def last_record(path: Path) -> dict[str, Any]:
    """The last line of a log, where that is a whole record; else an empty one, as where a run was killed."""
    part, record = path, _last_line(path)
    while record.get("type") == "next" and (following := part_after(part)) is not None:
        part, record = following, _last_line(following)
    return record


def _last_line(path: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError, IndexError, RecursionError), path.open("rb") as file:  # IndexError: it is empty
        file.seek(max(0, path.stat().st_size - _LAST))
        found = json.loads(file.read().splitlines()[-1])
        return found if isinstance(found, dict) else {}
    return {}


def _ending(end: Mapping[str, Any] | None, goes_on: bool) -> Ending:
    if end is None:
        return "unknown" if goes_on else "killed"
    stated: Any = end.get("ended")
    if stated in ("complete", "interrupted", "failed"):
        ending: Ending = stated
        return ending
    return "failed" if end.get("error") else "unknown"


def _pixel_aspect(run: Mapping[str, Any]) -> float:
    return float((run.get("video") or {}).get("pixel_aspect") or 1)


def _first_size(run: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """(width, height) that the header states; (None, None) for separate pictures."""
    video = run.get("video") or {}
    return video.get("width"), video.get("height")


def _size_record(line: bytes) -> dict[str, Any] | None:
    """A whole `size` record."""
    try:
        record: dict[str, Any] = json.loads(line)
        return record if record["type"] == "size" and int(record["width"]) and int(record["height"]) else None
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None


def _corrected(frame: LoggedFrame, table: Table | None) -> LoggedFrame:
    return frame if table is None else replace(frame, poses=table.poses(), states=table.state)


def _corrected_record(record: dict[str, Any], poses: Poses, table: Table | None) -> dict[str, Any]:
    """A frame's record with the persons that are left; what nobody corrected of them stays as it stands in the file."""
    if table is None:
        return record
    return {**record, "persons": [_person(record["persons"], poses, table, row) for row in range(len(table))]}


def _person(persons: Sequence[dict[str, Any]], poses: Poses, table: Table, row: int) -> dict[str, Any]:
    place, number = int(table.order[row]), int(table.id[row])
    kept = persons[place] if place >= 0 else {}
    if place >= 0 and np.array_equal(poses.keypoints[place], table.keypoints[row], equal_nan=True):
        return {**kept, "id": number}
    return {**kept, **rounded_person(number, float(table.score[row]), table.box[row], table.keypoints[row])}


def _check_header(run: Mapping[str, Any]) -> None:
    """Raise an error of Python's own where something in a log's first line is not of its kind."""
    _skeleton(run)
    if not 0 < _pixel_aspect(run) < float("inf"):
        raise ValueError("its pixel_aspect is no ratio")
    if not all(each is None or (isinstance(each, int) and 0 <= each < _MOST_PIXELS) for each in _first_size(run)):
        raise ValueError("its width and height are no numbers of pixels")
    if not isinstance(run.get("source", ""), str):
        raise TypeError("its source is no text")
    if not isinstance(run.get("classes", ()), list | tuple):
        raise TypeError("its classes are no list")


def _skeleton(run: Mapping[str, Any]) -> Skeleton:
    stated = run["skeleton"]
    edges = tuple((int(a), int(b)) for a, b in stated.get("edges") or ())
    sigmas = tuple(float(sigma) for sigma in stated.get("sigmas") or ())
    return Skeleton(tuple(str(name) for name in stated["names"]), edges, sigmas)


def _tick(value: Any) -> int:
    """A whole number that an array of 64 bits can hold."""
    number = int(value)
    if not -(2**63) <= number < 2**63:
        raise OverflowError(f"{number} is no frame's number or time stamp")
    return number


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def _poses(persons: Sequence[dict[str, Any]], keypoints: int) -> Poses:
    if not persons:
        return Poses.none(keypoints)
    return Poses(
        np.array([person["box"] for person in persons], np.float32),
        np.array([person["score"] for person in persons], np.float32),
        np.array([person["keypoints"] for person in persons], np.float32).reshape(len(persons), keypoints, 3),
        np.array([person.get("class", 0) for person in persons], np.int64),
        np.array([person["id"] for person in persons], np.int64),
    )
