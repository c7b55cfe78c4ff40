"""JPEG: the pictures of a Motion JPEG source as they came, for whoever shows JPEG anyway."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import av

_BEGIN, _END = b"\xff\xd8", b"\xff\xd9"
_TABLES, _SCAN = 0xC4, 0xDA
_SHOWN = (0xC0, 0xC1, 0xC2)
"""Kinds of JPEG that every browser shows: baseline, extended and progressive; not lossless or arithmetic."""


def whole_jpeg(packet: av.Packet[Any]) -> bytes | None:
    """The packet's JPEG without padding behind it; None where it is none that every program shows.

    Many cameras leave out the Huffman tables, which are always the same: decoders of Motion JPEG know them, others do
    not. A second field, or a picture that was cut off, has no end in its place.
    """
    content = bytes(packet)
    end = content.rfind(_END)
    if not content.startswith(_BEGIN) or end < 0 or content[end + 2 :].strip(b"\0"):
        return None
    place, tables, shown = 2, False, False
    while content[place] == 0xFF and place + 4 <= end:
        kind = content[place + 1]
        if kind == _SCAN:
            return content[: end + 2] if tables and shown else None
        tables |= kind == _TABLES
        shown |= kind in _SHOWN
        place += 2 + int.from_bytes(content[place + 2 : place + 4], "big")
        if place >= end:
            return None
    return None
