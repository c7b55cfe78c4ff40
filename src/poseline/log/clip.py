"""Clip: the recording that a keypoint log is of."""

from __future__ import annotations

from pathlib import Path

from poseline.errors import SourceError
from poseline.log.reader import LogReader


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
