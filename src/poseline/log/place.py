"""Place: where a run's keypoint log lies."""

from __future__ import annotations

from pathlib import Path

from poseline.errors import SourceError

LOG_NAME = "keypoints.jsonl"
"""The log in a run's folder."""


def journal_of(path: str | Path) -> Path:
    """The log that is meant by `path`: itself, or the one in a run's folder.

    Raises:
        SourceError: there is none.
    """
    path = Path(path)
    if path.is_dir():
        if not (path / LOG_NAME).is_file():
            raise SourceError(f"{path}: this folder holds no {LOG_NAME}; give the folder of a run, or a log")
        return path / LOG_NAME
    if not path.is_file():
        raise SourceError(f"{path}: no such log, and no folder of a run")
    return path
