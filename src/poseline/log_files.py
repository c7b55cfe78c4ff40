"""Log files: where a run's keypoint log lies, in one file or, of a run that is cut into segments, in several."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from poseline.errors import SourceError

LOG_NAME = "keypoints.jsonl"
"""The log in a run's folder, or the first part of it."""
CORRECTIONS_NAME = "corrections.jsonl"
"""What was corrected by hand in a run's log, beside it."""
_LONGEST_RECORD = 16_000_000
"""Bytes at most of a log's first record."""
_PART = re.compile(r"keypoints(?:-([2-9]|[1-9]\d+))?\.jsonl")


def part_number(name: str) -> int | None:
    """Which part of a run's log is called so, from 1; None for another file."""
    found = _PART.fullmatch(name)
    return found and int(found[1] or 1)


def part_name(number: int) -> str:
    """What the part of this number is called, from 1."""
    return LOG_NAME if number == 1 else f"keypoints-{number}.jsonl"


def part_after(path: Path) -> Path | None:
    """The part that follows the one at `path`; None where there is none."""
    number = part_number(path.name)
    following = path.with_name(part_name(number + 1)) if number else None
    return following if following is not None and following.is_file() else None


def parts_from(path: Path) -> Iterator[Path]:
    """The log, or part of one, at `path`, and all parts that follow it."""
    part: Path | None = path
    while part is not None:
        yield part
        part = part_after(part)


def first_record(path: Path) -> dict[str, Any]:
    """The first record of a log or of a part of one, which names at least one keypoint; `LogReader` checks the rest.

    Raises:
        SourceError: the file cannot be read, or does not begin as a keypoint log.
    """
    try:
        with path.open("rb") as lines:
            run: dict[str, Any] = json.loads(lines.readline(_LONGEST_RECORD).decode("utf-8"))
        if run["type"] != "run" or not list(run["skeleton"]["names"]):
            raise ValueError
    except OSError as error:
        raise SourceError(f"{path}: the keypoint log cannot be read: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, RecursionError):
        raise SourceError(f"{path}: not a keypoint log: its first line is no run record") from None
    return run


def journal_of(path: str | Path) -> Path:
    """The log that is meant by `path`: itself, or the one in a run's folder: its first part that is still there.

    Raises:
        SourceError: there is none.
    """
    path = Path(path)
    if path.is_dir():
        parts = [(number, entry) for entry in path.iterdir() if (number := part_number(entry.name)) and entry.is_file()]
        if not parts:
            raise SourceError(f"{path}: this folder holds no {LOG_NAME}; give the folder of a run, or a log")
        return min(parts)[1]
    if not path.is_file():
        raise SourceError(f"{path}: no such log, and no folder of a run")
    return path


def log_file(path: str | Path) -> Path:
    """A log as it was given, or the one in a run's folder.

    Raises:
        SourceError: the folder holds none.
    """
    return journal_of(path) if Path(path).is_dir() else Path(path)
