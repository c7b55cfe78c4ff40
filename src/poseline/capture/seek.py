"""Seek: to a key frame from which all pictures from a moment on can be decoded, exactly as from the beginning."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import chain, islice
from typing import TYPE_CHECKING, TypeAlias

from poseline.capture.announced import lists_all, may_break
from poseline.capture.container import DAMAGE, Opened
from poseline.capture.decoder import Decoded, Decoder
from poseline.capture.nal import is_reference, length_size

if TYPE_CHECKING:
    import av
    from av.video.stream import VideoStream

    _Packet: TypeAlias = av.Packet[VideoStream]

_Identity: TypeAlias = "tuple[int | None, int | None]"
"""Where a packet lies in its file, and its presentation time stamp; the decoding one where it has no other."""
_FARTHER = (0.0, 2.0, 10.0, 60.0)
"""Seconds before the moment at which a key frame is looked for: where the container has no index, FFmpeg guesses."""
_INCOMPLETE = frozenset({"mpeg"})
"""Formats that state only some pictures' times, as MPEG-PS: FFmpeg makes up the others by what it has read before."""
_ALL = 0.1
"""Seconds before the moment from which on every picture is decoded: the moment may have been rounded."""
_COMPARED = 32
"""Packets behind a seek whose time stamps are compared with those of the scan."""


class Scan:
    """What a recording's packets say of time, from its first frame up to a moment, without decoding any.

    Args:
        opened: at its beginning; somewhere else afterwards.
        target: that moment, as a presentation time stamp in the stream's ticks.
        longest_pause: seconds by which time stamps may jump ahead.
    """

    def __init__(self, opened: Opened, target: int, longest_pause: float) -> None:
        assert opened.stream.time_base is not None
        self._longest = longest_pause / opened.stream.time_base
        self._known: set[_Identity] = set()
        self._last: int | None = None
        if lists_all(opened.container, opened.stream):  # then a packet's stamps do not depend on what was read before
            stamps: Iterator[int] = (entry.timestamp for entry in opened.stream.index_entries)
        else:
            stamps = self._read(opened)
        self.trusted = opened.container.format.name not in _INCOMPLETE and self._moves_on(stamps, target)
        """Whether the time stamps only move on, and are stated. Only then a picture's stamp is its time."""

    def agrees(self, packets: Iterable[_Packet]) -> bool:
        """Whether the packets behind a seek have the stamps that they had here."""
        last = self._last or 0
        return not self._known or all(
            _identity(packet) in self._known for packet in packets if packet.dts is None or packet.dts <= last
        )

    def _moves_on(self, stamps: Iterator[int], target: int) -> bool:
        behind = 0
        for stamp in stamps:
            if self._last is not None and not 0 <= stamp - self._last <= self._longest:
                return behind > 0
            self._last = stamp
            behind += stamp > target
            if behind > _COMPARED:
                break
        return True

    def _read(self, opened: Opened) -> Iterator[int]:
        with suppress(*DAMAGE):  # what lies behind is decoded as far as it can be
            for packet in opened.container.demux(opened.stream):
                self._known.add(_identity(packet))
                if packet.dts is not None:
                    yield packet.dts


def pictures_from(
    opened: Opened, target: int, first: int, again: Callable[[], Opened], scan: Scan | None
) -> tuple[Decoder, Iterator[Decoded]] | None:
    """A decoder, and its pictures from a key frame on that stands at `target` or before; None where none is found.

    Args:
        opened: the clip.
        target: a presentation time stamp in the stream's ticks.
        first: that of the clip's first frame.
        again: opens the clip once more.
        scan: of the clip up to `target`; None where there is none.
    """
    assert opened.stream.time_base is not None
    for seconds in _FARTHER:
        place = target - round(seconds / opened.stream.time_base)
        if place <= first:
            return None
        try:
            opened.container.seek(place, stream=opened.stream)
        except DAMAGE:
            return None
        decoder = Decoder(opened, again)
        packets = _from_key_frame(decoder, target, scan, _needed(opened, decoder, target))
        # Pictures that are shown before their key frame may need what lies before it: it must be no later itself.
        pictures = decoder.frames(packets) if packets is not None else iter(())
        begin = next(pictures, None)
        # Where pictures are refreshed bit by bit, the first one comes out when all of it is whole: it may be too late.
        if begin is not None and begin.picture.pts is not None and begin.picture.pts <= target:
            return decoder, chain([begin], pictures)
    return None


def _from_key_frame(
    decoder: Decoder, target: int, scan: Scan | None, needed: Callable[[_Packet], bool]
) -> Iterator[_Packet] | None:
    """The first key frame, and what is needed behind it; None where it stands behind `target`, or is not trusted."""
    packets = decoder.read()
    for packet in packets:
        if packet.is_keyframe and not packet.is_discard:
            stamp = packet.dts if decoder.by_dts or packet.pts is None else packet.pts
            if stamp is None or stamp > target:
                return None
            ahead = [*islice(packets, _COMPARED)]
            if scan is not None and not scan.agrees([packet, *ahead]):
                return None
            return chain([packet], filter(needed, chain(ahead, packets)))
    return None


def _needed(opened: Opened, decoder: Decoder, target: int) -> Callable[[_Packet], bool]:
    """Which packets are to be decoded: not those before `target` of which no other picture is made, often half of them.

    Only H.264 states which these are; and some formats' clocks must see the stamp of every picture.
    """
    context, time_base = opened.stream.codec_context, opened.stream.time_base
    if context.name != "h264" or decoder.by_dts or may_break(opened.container) or time_base is None:
        return lambda _: True
    size, end = length_size(context), target - round(_ALL / time_base)
    return lambda packet: packet.pts is None or packet.pts >= end or is_reference(bytes(packet), size)


def _identity(packet: _Packet) -> _Identity:
    return packet.pos, packet.dts if packet.pts is None else packet.pts
