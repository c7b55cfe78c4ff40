"""RecentPackets: the newest packets of a video, from a key frame on, to decode its end a second time."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import av
from av.video.stream import VideoStream

from poseline.capture.nal import length_size, units_of

MOST_IN_FLIGHT = 64
"""Packets that a decoder may hold at most: 16 threads, and 16 pictures to reorder, each of two fields."""
_MOST_BYTES = 64 << 20
"""Of packets kept, where key frames are far apart or pictures are large."""
_SLICES = frozenset({1, 2, 3, 4, 5, 20, 21})
"""Types of NAL units that hold a picture or a part of one (ITU-T H.264, table 7-1)."""
_END_OF_SEQUENCE = 10


class RecentPackets:
    """Packets in decoding order, from a key frame that lies at least `MOST_IN_FLIGHT` packets back, or from the first.

    Fewer, or none, where that would be more than `_MOST_BYTES`.
    """

    def __init__(self) -> None:
        self._packets: deque[av.Packet[VideoStream]] = deque()
        self._keys: deque[tuple[int, int]] = deque()
        """Number of each key frame among them, and how many packets before it were bad."""
        self._bytes = self._sent = self._excused = 0

    def __iter__(self) -> Iterator[av.Packet[VideoStream]]:
        return iter(self._packets)

    @property
    def bad_before(self) -> int | None:
        """How many packets before these were bad; None where these do not begin with a key frame."""
        return self._keys[0][1] if self._keys and self._keys[0][0] == self._sent - len(self._packets) else None

    def add(self, packet: av.Packet[VideoStream], bad: int) -> None:
        """Add the next packet; `bad` ones have been among those before."""
        if packet.is_keyframe or not self._sent:  # decoding can only begin at the first one, whatever it is
            self._keys.append((self._sent, bad))
        self._packets.append(packet)
        self._sent += 1
        self._bytes += packet.size
        while len(self._keys) > 1 and (self._sent - self._keys[1][0] >= MOST_IN_FLIGHT or self._bytes > _MOST_BYTES):
            self._keys.popleft()
            self._drop(self._keys[0][0])
        if self._bytes > _MOST_BYTES:
            self._keys.clear()
            self._drop(self._sent)

    def excuse(self) -> bool:
        """Whether an error that a decoder just raised is that of a packet without a picture, and so no loss.

        The decoder's threads raise an error some packets late. Each packet without a picture excuses one.
        """
        first = self._sent - len(self._packets)
        for number, packet in enumerate(self._packets, first):
            if number >= self._excused and has_no_picture(packet):
                self._excused = number + 1
                return True
        return False

    def _drop(self, until: int) -> None:
        """Drop the packets before number `until`."""
        while self._packets and self._sent - len(self._packets) < until:
            self._bytes -= self._packets.popleft().size


def has_no_picture(packet: av.Packet[VideoStream]) -> bool:
    """Whether an H.264 packet is whole and holds settings or messages alone, which FFmpeg's decoder calls an error."""
    context = packet.stream.codec_context
    if context.name != "h264":
        return False
    size = length_size(context)
    units = units_of(bytes(packet), size)
    types = {unit[0] & 31 for unit in (units if size else units[1:]) if unit}
    return bool(types) and not types & (_SLICES | {_END_OF_SEQUENCE})
