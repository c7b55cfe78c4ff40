"""Receiver: reads the packets of a live stream as they come, and keeps them until they are wanted."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

from av.video.stream import VideoStream

from poseline.capture.container import Opened
from poseline.capture.decoder import Decoder
from poseline.capture.stream_clock import StreamClock

if TYPE_CHECKING:
    from av.packet import Packet

_MOST_BYTES = 64 * 2**20
_MOST_PACKETS = 4000
"""Of a stream that runs ahead of its own time; with so many waiting, the reading waits too."""


class Receiver:
    """One connection of a live stream: a thread reads it, so that each packet's arrival is known.

    The packets' stamps are replaced by their time in the run, in the stream's own ticks. They are kept encoded, which
    takes little memory. Whoever is the last to be done with the container closes it: the thread or `close`.

    Args:
        opened: the connection; from now on the receiver's.
        decoder: reads its packets here; whoever decodes them may do so on another thread.
        clock: knows when they are to be shown.
    """

    def __init__(self, opened: Opened, decoder: Decoder, clock: StreamClock) -> None:
        self.arrival = 0.0
        """When the packet that was taken last came, in `time.monotonic()` seconds."""
        self._container, self._decoder, self._clock = opened.container, decoder, clock
        self._waiting: deque[tuple[Packet[VideoStream], float]] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._ended = self._stopped = self._released = False
        self._error: BaseException | None = None
        threading.Thread(target=self._read, name="receiver", daemon=True).start()

    def packets(self) -> Iterator[Packet[VideoStream]]:
        """The packets in the order of their arrival, until the connection ends, or `stop`."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._ended or self._stopped)
                if self._stopped:
                    return
                if not self._waiting:
                    if self._error is not None:
                        raise self._error
                    return
                packet, self.arrival = self._waiting.popleft()
                self._bytes -= packet.size
                self._changed.notify()
            yield packet

    def stop(self) -> None:
        """No more packets are wanted; from any thread."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def close(self) -> None:
        """Nobody uses the container any more. A read that still waits for the network ends at its time-out."""
        self.stop()
        with self._changed:
            self._waiting.clear()
            self._released = True
            if self._ended:
                self._container.close()

    def _read(self) -> None:
        error: BaseException | None = None
        try:
            for packet in self._decoder.read(float(self._container.read_timeout or math.inf)):
                if not self._keep(packet, time.monotonic()):
                    break
        except Exception as failure:  # noqa: BLE001 # carried to whoever takes the packets
            error = failure
        with self._changed:
            self._ended, self._error = True, error
            if self._released:
                self._container.close()
            self._changed.notify_all()

    def _keep(self, packet: Packet[VideoStream], at: float) -> bool:
        """Whether more is wanted."""
        tick = packet.time_base
        seconds = float(tick)
        pts, dts = (None if stamp is None else stamp * seconds for stamp in (packet.pts, packet.dts))
        packet.pts = round(self._clock.time_of(pts, dts, (packet.duration or 0) * seconds, at) / seconds)
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or not self._full())
            self._waiting.append((packet, at))
            self._bytes += packet.size
            self._changed.notify()
            return not self._stopped

    def _full(self) -> bool:
        return self._bytes >= _MOST_BYTES or len(self._waiting) >= _MOST_PACKETS
