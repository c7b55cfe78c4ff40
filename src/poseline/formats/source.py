"""LogFile: the log that is exported, whose arrays are read once for all formats."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from poseline.log import Tracks, read_tracks


class LogFile:
    """A keypoint log."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def tracks(self) -> Tracks:
        """All of it as arrays; raises a SourceError where it cannot be read."""
        return read_tracks(self.path)
