"""Lines: bytes to a pipe or a connection whose reader may be slow, never more than it takes, and no line torn."""

from __future__ import annotations

import select
import sys
import time
from collections.abc import Callable

_PIECE = 4096
"""Bytes that a pipe takes without waiting once it says that it takes any (PIPE_BUF of Linux)."""
_PATIENCE = 0.25
"""Seconds to wait for a reader, until it counts as stalled; after that there is no waiting until it reads again."""


class Lines:
    """Sends lines. Those that find a stalled reader are given up whole.

    Args:
        file: its descriptor.
        write: sends some of the bytes and says how many; may raise BlockingIOError.
    """

    def __init__(self, file: int, write: Callable[[bytes], int]) -> None:
        self._file, self._write = file, write
        self._rest = b""
        """What is left of a line that was begun."""
        self._stalled = False

    def send(self, line: bytes) -> bool:
        """Send a line, or give it up: False.

        Raises:
            OSError: the other end has gone.
        """
        deadline = time.monotonic() + (0.0 if self._stalled else _PATIENCE)
        self._rest = self._sent(self._rest, deadline)
        if self._rest:
            self._stalled = True
            return False
        rest = self._sent(line, deadline)
        self._stalled = bool(rest)
        if len(rest) == len(line):
            return False
        self._rest = rest
        return True

    def finish(self, seconds: float) -> bool:
        """Send what is left of a begun line within `seconds`; whether nothing is left."""
        self._rest = self._sent(self._rest, time.monotonic() + seconds)
        return not self._rest

    def _sent(self, data: bytes, deadline: float) -> bytes:
        """What could not be sent until `deadline`."""
        while data and self._ready(max(0.0, deadline - time.monotonic())):
            try:
                data = data[self._write(data[:_PIECE]) :]
            except BlockingIOError:
                continue
        return data

    def _ready(self, seconds: float) -> bool:
        if sys.platform == "win32":
            return _ready_on_windows(self._file, seconds)
        poll = select.poll()
        poll.register(self._file, select.POLLOUT)
        return bool(poll.poll(1000 * seconds))


def _ready_on_windows(file: int, seconds: float) -> bool:
    """Sockets can be asked, pipes cannot: those are written to, and may wait."""
    try:
        return bool(select.select([], [file], [], seconds)[1])
    except (OSError, ValueError):
        return True
