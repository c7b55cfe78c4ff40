"""Where the parts of a media file lie: boxes, elements, chunks, transport packets, NAL units, pictures."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import av


class Unit(NamedTuple):
    """A part of a file, in bytes."""

    begin: int
    end: int
    header: int
    """Bytes at its beginning that say what it is and how long."""


_BOXES_OF_BOXES = frozenset({b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"moof", b"traf", b"mvex", b"dinf"})
_EBML_OF_ELEMENTS = frozenset(
    {0x18538067, 0x1F43B675, 0x1654AE6B, 0xAE, 0xE0, 0x1C53BB6B, 0xBB, 0xB7, 0xA0, 0x114D9B74}
)
"""Segment, cluster, tracks, track entry, video, cues and what is in them, block group, seek head."""
_TS_PACKET = 188
_START_CODE = re.compile(rb"\x00\x00\x01")
_JPEG = re.compile(rb"\xff\xd8\xff")


def units_of(content: bytes, container: str) -> list[Unit]:
    """The parts of a file's own structure; of containers in containers, outer and inner ones."""
    if container in ("mp4", "frag.mp4", "mov"):
        return list(_boxes(content, 0, len(content)))
    if container in ("mkv", "webm"):
        return list(_elements(content, 0, len(content)))
    if container == "avi":
        return list(_chunks(content, 0, len(content)))
    if container == "ts":
        places = range(0, len(content) - _TS_PACKET + 1, _TS_PACKET)
        return [Unit(place, place + _TS_PACKET, 4) for place in places]
    if container == "obu":
        return list(_obus(content))
    marks = _JPEG if container == "mjpeg" else _START_CODE
    begins = [match.start() for match in marks.finditer(content)]
    return [Unit(begin, end, 4) for begin, end in zip(begins, [*begins[1:], len(content)], strict=False)]


def packets_of(path: Path) -> list[Unit]:
    """Where the encoded pictures lie, as far as FFmpeg says."""
    with av.open(str(path)) as container:
        return [
            Unit(packet.pos, packet.pos + packet.size, min(8, packet.size))
            for packet in container.demux(video=0)
            if packet.size and packet.pos is not None
        ]


def _boxes(content: bytes, begin: int, end: int) -> Iterator[Unit]:
    """ISO/IEC 14496-12, 4.2."""
    while begin + 8 <= end:
        size, kind = int.from_bytes(content[begin : begin + 4], "big"), content[begin + 4 : begin + 8]
        if size < 8 or begin + size > end:
            return
        yield Unit(begin, begin + size, 8)
        if kind in _BOXES_OF_BOXES:
            yield from _boxes(content, begin + 8, begin + size)
        begin += size


def _elements(content: bytes, begin: int, end: int) -> Iterator[Unit]:
    """RFC 8794: a name, a size, both of a length that their first byte tells."""
    while begin < end:
        name = 9 - content[begin].bit_length()
        if not 0 < name <= 4 or begin + name >= end or not content[begin + name]:
            return
        length = 9 - content[begin + name].bit_length()
        header = name + length
        size = int.from_bytes(content[begin + name : begin + header], "big") - (1 << 7 * length)
        known = size != (1 << 7 * length) - 1
        close = begin + header + size if known else end
        if close > end:
            return
        yield Unit(begin, close, header)
        if int.from_bytes(content[begin : begin + name], "big") in _EBML_OF_ELEMENTS:
            yield from _elements(content, begin + header, close)
        begin = close


def _chunks(content: bytes, begin: int, end: int) -> Iterator[Unit]:
    """RIFF: a name, a size, and in lists a kind and chunks."""
    while begin + 8 <= end:
        size = int.from_bytes(content[begin + 4 : begin + 8], "little")
        close = begin + 8 + size
        if close > end:
            return
        yield Unit(begin, close, 8)
        if content[begin : begin + 4] in (b"RIFF", b"LIST"):
            yield from _chunks(content, begin + 12, close)
        begin = close + size % 2


def _obus(content: bytes) -> Iterator[Unit]:
    """AV1's units, each with its size behind one or two bytes (the low-overhead format of the AV1 specification)."""
    begin = 0
    while begin < len(content):
        place, size, shift = begin + 1 + (content[begin] >> 2 & 1), 0, 0
        while place < len(content) and shift < 35:
            size |= (content[place] & 0x7F) << shift
            place, shift = place + 1, shift + 7
            if not content[place - 1] & 0x80:
                break
        if place + size > len(content):
            return
        yield Unit(begin, place + size, place - begin)
        begin = place + size
