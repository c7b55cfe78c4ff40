"""Hardware decoding: on a GPU that has a decoder, where pictures are wanted; else the CPU, and why."""

from __future__ import annotations

from av.codec.hwaccel import HWAccel
from av.video.frame import VideoFrame

from poseline.errors import SettingsError
from poseline.frame import ON_DEVICE

_DECODERS = {"cuda": "cuda"}
"""FFmpeg's kind of decoder for each kind of device whose memory a network can read."""
_CONTEXTS: tuple[dict[str, object], ...] = ({"primary_ctx": "1"}, {"primary_ctx": "0", "current_ctx": "1"})
"""The device's own context, which FFmpeg takes if it comes first; else the one that this thread has already."""
_READABLE = frozenset({"nv12", "p010le", "p016le", "yuv444p", "yuv444p16le"})
"""What may lie there: 8 bits, or up to 12 at the upper end of 16; chroma at half size, or at full size."""


def accelerators(decoder: str, consumer: str) -> list[HWAccel]:
    """The hardware decoders to try, one after another; none for the CPU.

    Args:
        decoder: what was asked for: auto, cpu or cuda.
        consumer: the device that works on the pictures, such as `cuda:1`; auto decodes there, if it can.

    Raises:
        SettingsError: a decoder was asked for whose pictures the consumer cannot read.
    """
    kind, _, number = consumer.partition(":")
    if decoder == "cpu" or (decoder == "auto" and kind not in _DECODERS):
        return []
    if decoder not in ("auto", kind):
        raise SettingsError(f"--decoder {decoder} needs the network on the same device; give --device {decoder} too")
    return [
        HWAccel(_DECODERS[kind], number or "0", allow_software_fallback=True, is_hw_owned=True, options=options)
        for options in _CONTEXTS
    ]


def refusal(picture: VideoFrame, deinterlace: bool = True) -> str:
    """Why this decoded picture cannot stay on its device, or where it was asked for is not there; empty if it can.

    With `deinterlace`, an interlaced picture cannot: FFmpeg's filter for it works in host memory.
    """
    if picture.format.name != ON_DEVICE:
        return "the card's decoder does not take this codec or profile"
    inner = picture.sw_format.name if picture.sw_format else "an unknown format"
    if inner not in _READABLE:
        return f"its pictures are {inner}"
    if picture.width % 2 or picture.height % 2:
        return "its pictures have an odd size"
    return "it is interlaced" if deinterlace and picture.interlaced_frame else ""
