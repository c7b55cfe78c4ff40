"""LogFile: the log that is exported, whose arrays are read once for all formats."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np

from poseline.log import Tracks, read_tracks


class LogFile:
    """A keypoint log.

    Args:
        path: of the log.
        every: take each n-th of its frames only, from the first.
    """

    def __init__(self, path: Path, every: int = 1) -> None:
        self.path = path
        self._every = every

    @cached_property
    def tracks(self) -> Tracks:
        """All of it as arrays; raises a SourceError where it cannot be read."""
        tracks = read_tracks(self.path)
        return tracks if self._every == 1 else tracks.kept(np.arange(len(tracks)) % self._every == 0)
