"""DamageCheck: the CPU decodes a file's packets too, since a card's decoder does not report damage."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeAlias

from poseline.capture.container import DAMAGE, Opened
from poseline.capture.recent import MOST_IN_FLIGHT, RecentPackets
from poseline.capture.sei import without_sei
from poseline.machine import cores

if TYPE_CHECKING:
    import av
    from av.video.stream import VideoStream

    Packet: TypeAlias = av.Packet[VideoStream]

_READ_AHEAD = 128
"""Packets read before the oldest of them is passed on, so that the check always has work."""
_MOST_BYTES = 64 << 20
"""Of packets read ahead, where pictures are large."""
_MOST_THREADS = 8
"""As many check twice as many pictures a second as one card's decoder gives."""
_OPTIONS = {"err_detect": "explode", "skip_loop_filter": "all"}
"""Raise each error that FFmpeg notices; leave out what takes time and cannot fail. The pictures are not used."""


class DamageCheck:
    """Passes packets on once the CPU has decoded them, and those that its decoder may still hold, without an error.

    What FFmpeg's decoders cannot notice is not found: flipped bits that still make a valid stream, as most do in HEVC,
    VP8 and VP9. Such a packet gives much the same picture on the CPU as on a card. SEI messages are not looked at.

    Args:
        open_for_cpu: opens the file that the packets come from.
    """

    def __init__(self, open_for_cpu: Callable[[], Opened]) -> None:
        self._opened = open_for_cpu()
        self._context = self._opened.stream.codec_context
        self._context.thread_count = min(_MOST_THREADS, cores())
        self._context.options = {**self._context.options, **_OPTIONS}
        self._recent = RecentPackets()
        self._begun = False
        self.held: deque[Packet] = deque()
        """Packets that were read but not passed on."""
        self.damaged: Packet | None = None
        """A packet at the damage, or a few behind it; None while none is found."""

    def passed(self, packets: Iterator[Packet]) -> Iterator[Packet]:
        """Those of `packets` that stand before any damage; it ends there, and the rest is in `held` and `packets`."""
        checks, read_ahead = deque[Future[bool]](), 0
        checker = ThreadPoolExecutor(1, "damage check")
        try:
            for packet in packets:
                self.held.append(packet)
                checks.append(checker.submit(self._is_sound, packet))
                read_ahead += packet.size
                while len(checks) > _READ_AHEAD or (read_ahead > _MOST_BYTES and len(checks) > MOST_IN_FLIGHT):
                    if not checks[MOST_IN_FLIGHT - 1].result():
                        return
                    checks.popleft()
                    read_ahead -= self.held[0].size
                    yield self.held.popleft()
            if checker.submit(self._is_sound, None).result():
                while self.held:
                    yield self.held.popleft()
        finally:
            checker.shutdown(cancel_futures=True)
            self._opened.container.close()

    def _is_sound(self, packet: Packet | None) -> bool:
        """Whether neither this packet, None for the end, nor one before it is damaged."""
        if self.damaged is not None:
            return False
        checked = packet
        if packet is not None:
            # What stands before the first key frame cannot be decoded by anybody.
            self._begun = self._begun or packet.is_keyframe
            checked = without_sei(packet)
            if checked is None:
                return True
            self._recent.add(packet, 0)
        if self._begun and not self._decodes(checked):
            self.damaged = packet or self.held[-1]
        return self.damaged is None

    def _decodes(self, packet: Packet | None) -> bool:
        try:
            return not any(frame.is_corrupt for frame in self._context.decode(packet))
        except DAMAGE:
            return self._recent.excuse()
