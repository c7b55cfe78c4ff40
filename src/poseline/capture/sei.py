"""SEI: messages beside the pictures of H.264 and HEVC, and packets without them.

Some cameras write messages that are not valid. Decoders pass over those, and the pictures are sound.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import av

from poseline.capture.nal import START_CODE, length_size, units_of

if TYPE_CHECKING:
    from av.video.stream import VideoStream

_H264_SEI = 6
_HEVC_SEI = frozenset({39, 40})
_RECOVERY_POINT = 6
"""The message that says where decoding may begin; of H.264, where it may be no key frame."""


def without_sei(packet: av.Packet[VideoStream]) -> av.Packet[VideoStream] | None:
    """The packet without its SEI messages, but for H.264's recovery points; None where nothing else is in it.

    The packet itself where it has none, where it is torn, and of any other codec.
    """
    context = packet.stream.codec_context
    codec = context.name
    if codec not in ("h264", "hevc"):
        return packet
    size = length_size(context)
    units = units_of(bytes(packet), size)
    kept = [unit for unit in units if not _is_sei(unit, codec)]
    if len(kept) == len(units):
        return packet
    if not any(unit.strip(b"\0") for unit in kept):
        return None
    joined = b"".join(len(unit).to_bytes(size, "big") + unit for unit in kept) if size else START_CODE.join(kept)
    # With memory of its own: Python's is freed under Python's lock (GIL), for which a decoder's thread would wait while
    # the decoder, which PyAV 18 frees under that lock, waits for the thread.
    result: av.Packet[Any] = av.Packet(len(joined))
    result.update(joined)
    result.pts, result.dts, result.is_keyframe = packet.pts, packet.dts, packet.is_keyframe
    result.time_base = packet.time_base
    with suppress(IndexError):  # as PyAV 18 raises for a kind that it does not know
        for side in packet.iter_sidedata():
            result.set_sidedata(side)
    return result


def _is_sei(unit: bytes, codec: str) -> bool:
    """Whether a unit holds nothing but messages that decoding can do without."""
    if not unit:
        return False
    if codec == "hevc":
        return unit[0] >> 1 in _HEVC_SEI
    return unit[0] & 31 == _H264_SEI and _RECOVERY_POINT not in _messages(unit[1:])


def _messages(content: bytes) -> Iterator[int]:
    """The types of the messages in an SEI unit (ITU-T H.264, 7.3.2.3.1)."""
    place = 0
    while place < len(content) - 1 and content[place:] != b"\x80":
        numbers = []
        for _ in range(2):  # the type and the length, each of bytes of 255 and a last one
            number = 0
            while place < len(content) and content[place] == 255:
                number, place = number + 255, place + 1
            number += content[place] if place < len(content) else 0
            numbers.append(number)
            place += 1
        yield numbers[0]
        place += numbers[1]
