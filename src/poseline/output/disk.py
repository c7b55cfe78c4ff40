"""Disk: is there room, and is the file that is being written still there?"""

from __future__ import annotations

import errno
import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

START_RESERVE = 200 * 1000**2
"""Free bytes without which a run does not begin: some minutes of 720p video."""
RUN_RESERVE = 50 * 1000**2
"""Free bytes at which a recording is closed while there is still room to close it well."""
_INTERVAL = 1.0
"""Seconds between two looks; a power loss costs about this much of the video."""

_LOST = (errno.EIO, errno.ENOSPC, errno.EDQUOT)
"""What a system says where bytes that it had taken are lost, as on a network file system that turns out to be full."""


def free_bytes(folder: Path) -> int:
    """Bytes that may still be written into `folder`."""
    return shutil.disk_usage(folder).free


class DiskSync:
    """Sends what was written to one file to its disk, on a thread of its own: a slow disk may take seconds for it.

    Args:
        handle: the file's number; it must stay open until `close` has returned.
    """

    def __init__(self, handle: int) -> None:
        self.error: OSError | None = None
        """What was written is lost, and why; nothing is sent after that."""
        self._handle = handle
        self._sync: Callable[[int], object] = getattr(os, "fdatasync", os.fsync)  # not every system has the first
        self._asked = threading.Event()
        self._closing = False
        self._thread: threading.Thread | None = None

    def ask(self) -> None:
        """Have all that was written until now sent, soon; returns at once."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="disk-sync", daemon=True)
            self._thread.start()
        self._asked.set()

    def close(self) -> None:
        """End the thread, after what it is sending now."""
        self._closing = True
        self._asked.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while self._asked.wait() and not self._closing:
            self._asked.clear()
            try:
                self._sync(self._handle)
            except OSError as error:
                if error.errno in _LOST:  # else a network file system refuses; the file is as safe as that makes it
                    self.error = error
                    return


class DiskWatch:
    """Looks after one file that another library writes: about once a second, sent to the disk and checked."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("rb")
        self._due = time.monotonic() + _INTERVAL
        self._sync = DiskSync(self._file.fileno())

    def deleted(self) -> bool:
        """Nobody could find the file any more, though writing to it still succeeds."""
        return os.fstat(self._file.fileno()).st_nlink == 0

    def trouble(self) -> str | None:
        """What is wrong in words, or None; looks once in an interval."""
        if self._sync.error is not None:
            return f"could not be sent to its disk: {self._sync.error.strerror}"
        if time.monotonic() < self._due:
            return None
        if self.deleted():
            return "was deleted while it was being written"
        if os.name == "posix":  # elsewhere only a writable handle can be flushed
            self._sync.ask()
        self._due = time.monotonic() + _INTERVAL
        free = free_bytes(self._path.parent)
        return None if free >= RUN_RESERVE else f"only {free / 1e6:.0f} MB are free on its disk"

    def close(self) -> None:
        """Let go of the file.

        Raises:
            OSError: a part of what was written did not reach the disk.
        """
        self._sync.close()
        self._file.close()
        if self._sync.error is not None:
            raise self._sync.error
