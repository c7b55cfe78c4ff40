"""Read: a keypoint log back as arrays. A line that a crash tore, or that is not ours, is skipped and counted."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from poseline.errors import SourceError
from poseline.frame import Gap
from poseline.output.keylog import SCHEMA
from poseline.pose import Poses


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
    """Frames given up just before this one."""
    corrupt: bool
    """The decoder patched over damage."""
    source: str
    """Path or URL that it came from."""


class LogReader:
    """The records of a log one after another, in bounded memory.

    Raises:
        SourceError: the file cannot be read, or does not begin as a keypoint log of this schema.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.gaps: list[Gap] = []
        """Outages, as far as the log has been read."""
        self.end: dict[str, Any] | None = None
        """The last line (counts, elapsed, fps, error); None until it is reached, or where the run was interrupted."""
        self.skipped = 0
        """Lines that were torn, not UTF-8, not a record, or a frame again that had been before."""
        self.run = self._first()
        """The first line: source, model, skeleton and so on."""
        self._last_index: dict[str, int] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the K keypoints."""
        return tuple(self.run["skeleton"]["names"])

    @property
    def classes(self) -> tuple[str, ...]:
        """The model's class names, where it has more than one."""
        return tuple(self.run.get("classes", ()))

    def frames(self) -> Iterator[LoggedFrame]:
        """The frames in their order; `gaps`, `end` and `skipped` are whole when it is at its end."""
        return (frame for _, frame in self._walk())

    def records(self) -> Iterator[dict[str, Any]]:
        """The frames' records as they stand in the file, under the same rules as `frames`."""
        return (record for record, _ in self._walk())

    def _walk(self) -> Iterator[tuple[dict[str, Any], LoggedFrame]]:
        self.gaps, self.end, self.skipped, self._last_index = [], None, 0, {}
        try:
            with self.path.open("rb") as lines:
                next(lines, None)
                for line in lines:
                    if (taken := self._take(line)) is not None:
                        yield taken
        except OSError as error:
            raise SourceError(f"{self.path}: the keypoint log cannot be read: {error.strerror}") from error

    def _first(self) -> dict[str, Any]:
        try:
            with self.path.open("rb") as lines:
                first = lines.readline(16_000_000)
        except OSError as error:
            raise SourceError(f"{self.path}: the keypoint log cannot be read: {error.strerror}") from error
        try:
            run: dict[str, Any] = json.loads(first.decode("utf-8"))
            schema = run["schema"] if run["type"] == "run" else None
            names = [str(name) for name in run["skeleton"]["names"]]
        except (ValueError, KeyError, TypeError):
            raise SourceError(f"{self.path}: not a keypoint log: its first line is no run record") from None
        if schema != SCHEMA or not names:
            raise SourceError(f"{self.path}: a keypoint log of schema {schema}; this version reads schema {SCHEMA}")
        return run

    def _take(self, line: bytes) -> tuple[dict[str, Any], LoggedFrame] | None:
        """What a frame's line holds; other lines leave what they hold in `gaps` or `end`, or are skipped."""
        try:
            return self._parse(line)
        except (ValueError, KeyError, TypeError, AttributeError):  # whatever a broken line can be mistaken for
            self.skipped += 1
            return None

    def _parse(self, line: bytes) -> tuple[dict[str, Any], LoggedFrame] | None:
        if not line.endswith(b"\n"):
            raise ValueError("torn: a line counts only when it is whole")
        record = json.loads(line.decode("utf-8"))
        kind = record["type"]
        if kind == "frame":
            return record, self._frame(record)
        if kind == "gap":
            self.gaps.append(Gap(float(record["from"]), float(record["to"]), str(record["reason"])))
        elif kind == "end":
            self.end = record
        else:
            raise ValueError(f"unknown record {kind!r}")
        return None

    def _frame(self, record: dict[str, Any]) -> LoggedFrame:
        source, index = str(record.get("source", self.run["source"])), int(record["frame"])
        frame = LoggedFrame(
            index,
            int(record["pts"]),
            _number(record["time"]),
            _poses(record["persons"], len(self.names)),
            int(record["dropped_before"]),
            bool(record["corrupt"]),
            source,
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
    """The last line: counts, elapsed, fps, error."""
    skipped: int = 0
    """Lines that were torn, not UTF-8, not a record, or a frame again that had been before."""

    @property
    def interrupted(self) -> bool:
        """Whether the run never came to its end."""
        return self.end is None


def read_log(path: str | Path) -> Log:
    """Read a keypoint log.

    Raises:
        SourceError: the file cannot be read, or is not a keypoint log of this schema.
    """
    reader = LogReader(path)
    frames = list(reader.frames())
    return Log(reader.run, reader.names, frames, reader.gaps, reader.end, reader.skipped)


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
