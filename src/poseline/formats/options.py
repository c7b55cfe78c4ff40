"""Options: what an export or an import is told, beside the files; a format uses of it what it needs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from poseline.skeleton import Skeleton


@dataclass(frozen=True)
class ExportOptions:
    """Of an export."""

    pictures_of: Path | None = None
    """Write the frames of this clip as pictures beside the keypoints, as formats with `takes_pictures` can; of a log of
    separate pictures, the folder from which their paths go on."""


@dataclass(frozen=True)
class ImportOptions:
    """Of an import: what is known of the clip, for formats that do not say it."""

    size: tuple[int, int] | None = None
    """(width, height) of the clip's picture in pixels."""
    skeleton: Skeleton | None = None
    """The names of the keypoints, in the file's order."""
