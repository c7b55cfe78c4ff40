"""TCP: the log's records as lines of JSON, to a receiver that this end connects to, and connects to again."""

from __future__ import annotations

import logging
import random
import socket
import time
from contextlib import suppress

from poseline.capture import SourceInfo
from poseline.log import Records, RunHeader
from poseline.pose import Observation
from poseline.send.destination import Destination
from poseline.send.lines import Lines
from poseline.send.sender import Sender
from poseline.words import counted

log = logging.getLogger("poseline")

_CONNECT_SECONDS = 2.0
"""How long one attempt may take."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 10.0
"""Seconds between two attempts."""
_UNSENT = 16 * 1024
"""Bytes that may wait in the system for a slow reader: what waits there is old when it arrives."""
_FINISHING = 2.0
"""Seconds for the last line at the end of a run."""


def check(destination: Destination) -> None:
    """Nothing is needed but what Python has."""
    del destination


def make(destination: Destination, camera: str) -> TcpSender:
    """A sender to `destination`."""
    return TcpSender(destination, camera)


class TcpSender(Sender):
    """Sends lines. Where nobody listens yet, or the receiver goes away, it is tried again while the run goes on."""

    def connect(self, header: RunHeader, info: SourceInfo) -> None:
        """Find the host, and try for the first time."""
        del info
        self._header = header
        self._socket: socket.socket | None = None
        self._due, self._pause = 0.0, _FIRST_PAUSE
        self._reason = ""
        self._connections = 0
        self.destination.resolved(socket.SOCK_STREAM)  # a name that nobody knows is an error, a machine that is off not
        if not self._connected():
            log.warning("%s: %s; the run goes on, and it is tried again", self.name, self._reason)

    def send(self, observation: Observation) -> bool:
        """Send one frame, if there is a connection."""
        if not self._connected():
            return False
        try:
            return self._lines.send(self._records.lines(observation))
        except OSError as error:
            self._lose(error)
            log.warning("%s: the receiver has gone (%s); it is tried again", self.name, self._reason)
            return False

    def disconnect(self) -> list[str]:
        """End the connection behind a whole line."""
        if self._socket is None:
            return [f"{self.name}: not connected at the end: {self._reason}"]
        with suppress(OSError):
            self._lines.finish(_FINISHING)
            self._socket.shutdown(socket.SHUT_WR)
        self._socket.close()
        again = self._connections - 1
        return [f"{self.name}: connected again {counted(again, 'time')}"] if again else []

    def _connected(self) -> bool:
        """Whether there is a connection, after an attempt where one is due."""
        if self._socket is not None:
            return True
        if time.monotonic() < self._due:
            return False
        try:
            self._socket = socket.create_connection((self.destination.host, self.destination.port), _CONNECT_SECONDS)
            _prepare(self._socket)
            self._lines = Lines(self._socket.fileno(), self._socket.send)
            self._records = Records(self._header, shown=True)
            self._lines.send(self._records.run)
        except OSError as error:
            self._lose(error)
            return False
        if self._connections:
            log.info("%s: connected again", self.name)
        self._connections += 1
        self._pause = _FIRST_PAUSE
        return True

    def _lose(self, error: OSError) -> None:
        """Give the connection up, and say when the next attempt is due."""
        self._reason = error.strerror or str(error)
        if self._socket is not None:
            self._socket.close()
        self._socket = None
        self._due = time.monotonic() + self._pause * random.uniform(0.8, 1.2)  # noqa: S311 # spreads clients
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)


def _prepare(connection: socket.socket) -> None:
    """No waiting, and little that waits in the system's buffers."""
    connection.setblocking(False)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8 * _UNSENT)
    low = getattr(socket, "TCP_NOTSENT_LOWAT", None)
    if low is not None:
        with suppress(OSError):  # an old kernel
            connection.setsockopt(socket.IPPROTO_TCP, low, _UNSENT)
