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
        raw: without the corrections that were made by hand.
        corrected: take those frames only in which something was corrected by hand.
    """

    def __init__(self, path: Path, every: int = 1, *, raw: bool = False, corrected: bool = False) -> None:
        self.path = path
        self.raw = raw
        self._corrected = corrected
        self._every = every

    @cached_property
    def tracks(self) -> Tracks:
        """All of it as arrays; raises a SourceError where it cannot be read."""
        tracks = read_tracks(self.path, raw=self.raw)
        if self._corrected:
            from poseline.corrections import corrected_frames

            raw = read_tracks(self.path, raw=True)
            tracks = tracks.kept(corrected_frames(raw, tracks))
        every = min(self._every, max(len(tracks), 1))  # numpy knows 64 bits
        return tracks if every == 1 else tracks.kept(np.arange(len(tracks)) % every == 0)
