"""NAL units: the parts of a packet of H.264 or HEVC, behind start codes or each behind its length."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from av.video.codeccontext import VideoCodecContext

START_CODE = b"\0\0\1"
_LENGTH_AT = {"h264": 4, "hevc": 21}
"""Which byte of a stream's settings states how long the length before each unit is (ISO/IEC 14496-15)."""


def length_size(context: VideoCodecContext) -> int:
    """How many bytes state the length before each unit; 0 where units stand behind start codes (annex B)."""
    settings = context.extradata or b""
    return (settings[_LENGTH_AT[context.name]] & 3) + 1 if settings[:1] == b"\x01" else 0


def units_of(content: bytes, size: int) -> list[bytes]:
    """The units of a packet, without their lengths or start codes.

    Args:
        content: of the packet.
        size: as `length_size` says.

    Returns:
        With start codes, what stands before the first one comes first. With lengths, none where they do not fill the
        packet exactly, as in a torn one.
    """
    if not size:
        return content.split(START_CODE)
    place, units = 0, []
    while place + size <= len(content):
        length = int.from_bytes(content[place : place + size], "big")
        units.append(content[place + size : place + size + length])
        place += size + length
    return units if place == len(content) else []


def is_reference(content: bytes, size: int) -> bool:
    """Whether other pictures may be made of a packet of H.264, by its slices' `nal_ref_idc`; True where it has none.

    Args:
        content: of the packet.
        size: as `length_size` says.
    """
    slices = [unit[0] for unit in units_of(content, size) if unit and 1 <= unit[0] & 31 <= 5]  # ITU-T H.264, table 7-1
    return not slices or any(first >> 5 & 3 for first in slices)
