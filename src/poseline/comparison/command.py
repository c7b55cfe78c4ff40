"""What the command needs beside the comparison: where its files go, and what the two are called."""

from __future__ import annotations

from pathlib import Path

from poseline.atomic import make_folder
from poseline.comparison.compare import FILES
from poseline.errors import OutputError
from poseline.log import part_number

VIDEO = "compare.mp4"


def names_of(first: Path, second: Path) -> tuple[str, str]:
    """Short names of two logs: their folders' or their own; A and B where those are the same."""
    names = [log.absolute().parent.name if part_number(log.name) else log.name.split(".")[0] for log in (first, second)]
    return (names[0], names[1]) if names[0] != names[1] else (f"{names[0]} (A)", f"{names[1]} (B)")


def folder_for(output: Path | None, first: Path, second: Path, overwrite: bool) -> Path:
    """The folder of the files, made if it is missing.

    Raises:
        OutputError: it cannot be made, or holds a comparison and `overwrite` is off.
    """
    folder = output or first.parent / f"compare-{names_of(first, second)[1]}"
    make_folder(folder)
    there = [name for name in (*FILES, VIDEO) if (folder / name).exists()]
    if there and not overwrite:
        raise OutputError(f"{folder} holds a comparison already ({there[0]}); --overwrite replaces it")
    return folder
