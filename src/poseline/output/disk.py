"""Disk: is there room, and is the file that is being written still there?"""

from __future__ import annotations

import os
import shutil
import time
from contextlib import suppress
from pathlib import Path

START_RESERVE = 200 * 1000**2
"""Free bytes without which a run does not begin: some minutes of 720p video."""
RUN_RESERVE = 50 * 1000**2
"""Free bytes at which a recording is closed while there is still room to close it well."""
_INTERVAL = 1.0
"""Seconds between two looks; a power loss costs about this much of the video."""


def free_bytes(folder: Path) -> int:
    """Bytes that may still be written into `folder`."""
    return shutil.disk_usage(folder).free


class DiskWatch:
    """Looks after one file that another library writes: about once a second, sent to the disk and checked."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("rb")
        self._due = time.monotonic() + _INTERVAL
        self._sync = getattr(os, "fdatasync", os.fsync)

    def deleted(self) -> bool:
        """Nobody could find the file any more, though writing to it still succeeds."""
        return os.fstat(self._file.fileno()).st_nlink == 0

    def trouble(self) -> str | None:
        """What is wrong in words, or None; does nothing between two intervals."""
        if time.monotonic() < self._due:
            return None
        if self.deleted():
            return "was deleted while it was being written"
        if os.name == "posix":  # elsewhere only a writable handle can be flushed
            with suppress(OSError):  # network file systems may refuse; the video is then as safe as they make it
                self._sync(self._file.fileno())
        self._due = time.monotonic() + _INTERVAL
        free = free_bytes(self._path.parent)
        return None if free >= RUN_RESERVE else f"only {free / 1e6:.0f} MB are free on its disk"

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()
