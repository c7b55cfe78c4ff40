"""Atomic files: a reader finds the old content or all of the new, never a half. And the folders that they go to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from poseline.errors import OutputError, PoselineError


def cause(error: BaseException) -> str:
    """Why the system refused, in words and without the path, which the caller names itself."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def make_folder(folder: Path) -> None:
    """Create a folder for results, and those above it, where they are missing.

    Raises:
        OutputError: it cannot be created; the message names `-o`.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: the folder cannot be created: {cause(error)}; try another one with -o") from error


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` to write to; on leaving it is flushed to the disk and takes its place.

    Raises:
        OutputError: it cannot be written; the file that was there stays, and no temporary one does.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
    except OSError as error:
        if isinstance(error, PoselineError):
            raise
        raise OutputError(f"{path}: cannot be written: {cause(error)}") from error
    finally:
        with suppress(OSError):
            temporary.unlink()
