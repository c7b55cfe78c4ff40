"""Place: where a run's keypoint log lies, and the clip that it is of."""

from __future__ import annotations

from pathlib import Path

from poseline.errors import SourceError
from poseline.log.reader import LogReader

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


def clip_of(log: LogReader) -> Path:
    """The file that the log says it is of: as it was given to the run, or beside the log.

    Raises:
        SourceError: it is not there, or was no file.
    """
    source = str(log.run["source"])
    if "://" in source:
        raise SourceError(f"{log.path}: is of {source}; give a recording of it with --clip")
    path = Path(source)
    for place in (path, log.path.parent / path, log.path.parent / path.name, log.path.parent.parent / path.name):
        if place.is_file():
            return place
    raise SourceError(f"{log.path}: is of {source}, and no such file is here; give the clip with --clip")
