"""Following: a run's log, read while it is written, segment by segment, before old segments are removed."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

_ROUNDED = 1e-5
"""Seconds by which times of frames are rounded in the log."""


class Following(threading.Thread):
    """Counts what the log says; what does not fit together is a fault."""

    def __init__(self, folder: Path) -> None:
        super().__init__(name="following", daemon=True)
        self._folder = folder
        self._ended = threading.Event()
        self._part, self._place, self._rest = 1, 0, b""
        self.frames = self.dropped = self.persons = 0
        """Frame records; frames that they say were given up; persons in them."""
        self.next_index = 0
        self.time = 0.0
        """The newest frame's, in seconds."""
        self.gaps: list[dict[str, Any]] = []
        self.sizes: list[tuple[int, int]] = []
        """Each that differs from the one before it, without the first."""
        self._size = self._last_size = (0, 0)
        self.end: dict[str, Any] | None = None
        self.parts = 0
        self.faults: list[str] = []

    def run(self) -> None:
        """Take in what is new, until `finish`."""
        while not self._ended.wait(0.1):
            self._read()

    def finish(self) -> None:
        """Take in the rest, after the run has ended."""
        self._ended.set()
        self.join()
        self._read()

    def _read(self) -> None:
        while self._read_part():
            pass

    def _read_part(self) -> bool:
        """What is new in this part; whether it ended and another one follows."""
        path = self._folder / ("keypoints.jsonl" if self._part == 1 else f"keypoints-{self._part}.jsonl")
        if not path.exists():
            return False
        with path.open("rb") as file:
            file.seek(self._place)
            content = file.read()
        self._place += len(content)
        *lines, self._rest = (self._rest + content).split(b"\n")
        for line in lines:
            record = json.loads(line)
            if record["type"] == "next":
                self._part, self._place, self._rest = self._part + 1, 0, b""
                return True
            self._take(record)
        return False

    def _take(self, record: dict[str, Any]) -> None:
        kind = record["type"]
        if kind == "frame":
            self._take_frame(record)
        elif kind == "gap":
            if not self.time - _ROUNDED <= record["from"] < record["to"]:
                self.faults.append(f"a gap from {record['from']} to {record['to']} after {self.time}")
            self.gaps.append(record)
        elif kind == "size":
            self._size = record["width"], record["height"]
        elif kind == "run":
            self.parts += 1
            self._size = record["video"]["width"], record["video"]["height"]  # the run's first, until a `size` record
        elif kind == "end":
            self.end = record

    def _take_frame(self, record: dict[str, Any]) -> None:
        before = record["dropped_before"]
        if self._size != self._last_size:
            self.sizes += [self._size] if self.frames else []
            self._last_size = self._size
        if record["frame"] != self.next_index + before:
            self.faults.append(f"frame {record['frame']} after {self.next_index - 1}, with {before} dropped between")
        if self.frames and record["time"] <= self.time:
            self.faults.append(f"frame {record['frame']} at {record['time']} s after one at {self.time} s")
        self.frames, self.dropped, self.persons = (
            self.frames + 1, self.dropped + before, self.persons + len(record["persons"]),
        )  # fmt: skip
        self.next_index, self.time = record["frame"] + 1, record["time"]
