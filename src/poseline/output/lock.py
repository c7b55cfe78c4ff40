"""Lock: one process at a time writes into a results folder."""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from pathlib import Path

from poseline.atomic import cause
from poseline.errors import OutputError

LOCK_NAME = ".poseline.lock"
_POLL_SECONDS = 0.1


class FolderInUse(OutputError):
    """Another process writes into the folder."""


class FolderLock:
    """Held from its construction until `release`, or until the process ends, however it ends.

    Args:
        folder: that is written into.

    Raises:
        FolderInUse: another process holds it.
        OutputError: the folder cannot be written to.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOCK_NAME
        try:
            self._handle = _acquire(self._path)
        except BlockingIOError:
            raise FolderInUse(
                f"{folder} is in use by process {_owner(self._path)}; wait for it, or try another -o"
            ) from None
        except OSError as error:
            raise OutputError(f"{folder}: cannot be written to: {cause(error)}; try another folder with -o") from error

    def release(self) -> None:
        """Give the folder free; a second call does nothing."""
        if self._handle < 0:
            return
        handle, self._handle = self._handle, -1
        if sys.platform == "win32":  # an open file cannot be removed there
            os.close(handle)
            self._path.unlink(missing_ok=True)
            return
        with suppress(OSError):  # the folder may be gone; what counts is that the lock is
            self._path.unlink(missing_ok=True)
        os.close(handle)


def wait_until_free(folder: Path, seconds: float) -> None:
    """Wait while another process holds the folder's lock, for so many seconds at most."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and _is_held(folder):
        time.sleep(_POLL_SECONDS)


def _is_held(folder: Path) -> bool:
    try:
        FolderLock(folder).release()
    except FolderInUse:
        return True
    except OutputError:  # it is not there, or cannot be written to: whoever prepares it says so
        return False
    return False


def _owner(path: Path) -> str:
    with suppress(OSError):
        return path.read_text(encoding="ascii", errors="replace").strip() or "(unknown)"
    return "(unknown)"


if sys.platform == "win32":

    def _acquire(path: Path) -> int:
        import psutil

        owner = _owner(path)
        if owner.isdigit() and not psutil.pid_exists(int(owner)):
            path.unlink(missing_ok=True)  # left behind by a process that was killed
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        except FileExistsError:
            raise BlockingIOError from None
        os.write(handle, str(os.getpid()).encode())
        return handle

else:
    import fcntl

    def _acquire(path: Path) -> int:
        while True:
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _same_file(handle, path):
                    with suppress(OSError):  # a full disk; the lock holds without our number in it
                        os.ftruncate(handle, 0)
                        os.write(handle, str(os.getpid()).encode())
                    return handle
            except BaseException:
                os.close(handle)
                raise
            os.close(handle)  # its holder removed it between our open and our lock: what we locked is nobody's


def _same_file(handle: int, path: Path) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(handle), path.stat())
    return False
