"""UDP: the log's records as JSON, one a datagram."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from poseline.capture import SourceInfo
from poseline.log import Records, RunHeader
from poseline.pose import Observation
from poseline.send.datagram import MOST, Datagrams
from poseline.send.destination import Destination
from poseline.send.sender import Sender

_HEADER_SECONDS = 2.0
"""How often the `run` record is sent, for receivers that come later."""
_SOONER = 0.2
"""How often it is sent while nobody listens: whoever begins to will know it at once."""


def check(destination: Destination) -> None:
    """Nothing is needed but what Python has."""
    del destination


def make(destination: Destination, camera: str) -> UdpSender:
    """A sender to `destination`."""
    return UdpSender(destination, camera)


class UdpSender(Sender):
    """Sends datagrams of up to 8 KiB: a frame that is larger is sent in several, each with some of its persons."""

    def connect(self, header: RunHeader, info: SourceInfo) -> None:
        """Open the socket."""
        del info
        self._header = header
        self._records = Records(header, shown=True)
        self._run = self._records.run
        if len(self._run) > MOST:
            short = replace(header, settings={}, versions={})  # what a receiver can do without
            self._run = Records(short, shown=True).run
        self._run_due = 0.0
        self._socket = Datagrams(self.destination)

    def send(self, observation: Observation) -> bool:
        """Send one frame, and now and then the `run` record before it."""
        now = time.monotonic()
        if now >= self._run_due or (self._socket.refused and now >= self._run_due - _HEADER_SECONDS + _SOONER):
            self._run_due, self._socket.refused = now + _HEADER_SECONDS, False
            self._records = Records(self._header, shown=True)  # a receiver that comes now needs a changed size as well
            self._socket.send(self._run)
        frame = observation.frame
        if frame.gap is not None:
            self._socket.send(self._records.gap(frame.gap))
        sent = [self._socket.send(line) for line in self._lines(observation)]
        return all(sent)

    def disconnect(self) -> list[str]:
        """Give the socket back."""
        return self._socket.close()

    def _lines(self, observation: Observation) -> Iterator[bytes]:
        poses = observation.shown
        lines = self._records.frame(observation).splitlines(keepends=True)
        if len(lines[-1]) <= MOST or len(poses) < 2:
            yield from lines
            return
        yield from lines[:-1]
        parts = len(lines[-1]) // (MOST // 2) + 1  # persons' records differ in length
        for some in np.array_split(np.arange(len(poses)), min(parts, len(poses))):
            yield from self._lines(replace(observation, poses=poses[some], smoothed=None))
