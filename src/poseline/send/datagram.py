"""Datagrams: a UDP socket that never waits."""

from __future__ import annotations

import socket

from poseline.errors import OutputError
from poseline.send.destination import Destination
from poseline.words import counted

SAFE = 1472
"""Bytes that go through Ethernet in one piece: 1500 without the headers of IP and UDP."""
MOST = 8192
"""Bytes that every system and the usual receivers take; macOS refuses more than 9,216."""


class Datagrams:
    """Sends datagrams to one place.

    Raises:
        OutputError: the host cannot be found.
    """

    def __init__(self, destination: Destination) -> None:
        self._name = str(destination)
        self.refused = False
        """Whether the last datagrams found nobody; the next may."""
        self._refusals = 0
        found = destination.resolved(socket.SOCK_DGRAM)
        # Most receivers listen on IPv4 alone, and `localhost` is both.
        family, kind, protocol, _, address = min(found, key=lambda one: one[0] != socket.AF_INET)
        try:
            self._socket = socket.socket(family, kind, protocol)
            self._socket.setblocking(False)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            # Connected, so that a machine where nobody listens can say so.
            self._socket.connect(address)
        except OSError as error:
            raise OutputError(f"--send {destination}: cannot be sent to: {error}") from error

    def send(self, datagram: bytes) -> bool:
        """Send it now; False where it cannot go: it is too large, the system's buffer is full, the network is down."""
        if len(datagram) > MOST:
            return False
        for _ in range(2):
            try:
                self._socket.send(datagram)
            except ConnectionRefusedError:  # what became of the datagram before; this one was not sent yet
                self.refused = True
                self._refusals += 1
                continue
            except OSError:
                return False
            return True
        return False

    def close(self) -> list[str]:
        """Give the socket back; returns what the user should know."""
        self._socket.close()
        refusals = self._refusals
        return [f"{self._name}: nobody listened, as its machine said {counted(refusals, 'time')}"] if refusals else []
