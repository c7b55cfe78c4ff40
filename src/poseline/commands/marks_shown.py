"""What `poseline inspect --list` says: a line a mark, as a table or as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import orjson
from rich.markup import escape

from poseline import terminal

if TYPE_CHECKING:
    from poseline.inspection import Mark
    from poseline.log import Tracks


def show_marks(marks: Sequence[Mark], tracks: Tracks, as_json: bool = False) -> None:
    """Show them, in their order; as JSON one record a line: the fields of `Mark`, and `time` in seconds."""
    times = dict(zip(tracks.frames.tolist(), tracks.times.tolist(), strict=True))
    if as_json:
        for mark in marks:
            terminal.console.out(orjson.dumps({"time": times[mark.start], **asdict(mark)}).decode(), highlight=False)
        return
    if not marks:
        terminal.console.print("nothing in this run deserves a look")
        return
    rows = [("time", "frames", "person", "kind", "severity", "why"), *(_row(mark, times[mark.start]) for mark in marks)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:  # a line a mark, however narrow the terminal
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        terminal.console.print(escape(line.rstrip()), soft_wrap=True)


def _row(mark: Mark, time: float) -> tuple[str, ...]:
    frames = f"{mark.start}" if mark.start == mark.end else f"{mark.start} to {mark.end}"
    persons = ", ".join(map(str, mark.persons))
    return f"{time:.2f} s", frames, persons, mark.kind, f"{mark.severity:.2f}", mark.why
