"""H264: a camera's frames as H.264, for viewers whose link is too slow for JPEG and whose browser can decode it.

A frame takes about a tenth of its JPEG's bytes, but can be decoded only by who has all frames back to a key frame. One
encoder serves all viewers of a camera: whoever comes, or has missed a frame, asks for a key frame and waits for it.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

import av
from av.video.frame import PictureType

from poseline.output.encoder import slices_worth
from poseline.overlay.writable import writable_yuv

if TYPE_CHECKING:
    from poseline.serve.feed import Shot

_KEY_SECONDS = 0.25
"""Least time between two key frames that are asked for: each takes ten times the bytes of another frame."""
_OPTIONS = {"preset": "ultrafast", "tune": "zerolatency", "bf": "0", "forced-idr": "1", "g": "600"}
_TIME_BASE = Fraction(1, 30)
_SPS = 7


class Coded(NamedTuple):
    """One encoded frame."""

    content: bytes
    """Annex B; before a key frame stand the parameter sets."""
    codec: str
    """What browsers call it, such as `avc1.42C01F`; of a key frame alone."""
    after: int
    """Number of the shot that was encoded before it, which a decoder must have had; 0 of a key frame."""


class H264:
    """The encoder of one camera. Shots are encoded on a thread of its own, in the order in which they are asked for."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "h264")
        self._encoder: Any = None
        self._size = (0, 0)
        self._last = 0
        self._key_wanted, self._key_at = True, -_KEY_SECONDS

    def want_key(self) -> None:
        """Have one of the next shots be a key frame."""
        self._key_wanted = True

    async def encoded(self, shot: Shot) -> Coded:
        """The shot; encoded once for all who ask for it. Never one from before the last that was asked for."""
        if shot.coded is None:
            shot.coded = asyncio.get_running_loop().run_in_executor(self._thread, self._encode, shot)
        return await asyncio.shield(shot.coded)

    def close(self) -> None:
        """Encode no more than what was asked for."""
        self._thread.shutdown(wait=False)

    def _encode(self, shot: Shot) -> Coded:
        picture, now = writable_yuv(shot.observation.frame), time.monotonic()
        if (picture.width, picture.height) != self._size:
            self._begin(picture)
        key = not self._last or (self._key_wanted and now - self._key_at >= _KEY_SECONDS)
        picture.pts, picture.time_base = shot.number, _TIME_BASE
        picture.pict_type = PictureType.I if key else PictureType.NONE
        packets = self._encoder.encode(picture)
        key = any(packet.is_keyframe for packet in packets)
        content = b"".join(bytes(packet) for packet in packets)
        after, self._last = self._last, shot.number
        if key:
            self._key_wanted, self._key_at, after = False, now, 0
        return Coded(content, _codec(content) if key else "", after)

    def _begin(self, picture: av.VideoFrame) -> None:
        self._encoder = open_encoder(picture, _TIME_BASE, crf=23)
        self._encoder.thread_count = 1
        self._size, self._last = (picture.width, picture.height), 0


def open_encoder(picture: av.VideoFrame, time_base: Fraction, *, crf: int) -> Any:
    """An encoder (x264) for pictures of this one's size and colours.

    It holds no picture back, and makes a key frame of those that ask for it.
    """
    encoder = av.CodecContext.create("libx264", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = picture.width, picture.height, "yuv420p"
    encoder.time_base, encoder.framerate = time_base, Fraction(30)
    encoder.color_range, encoder.colorspace = picture.color_range, picture.colorspace
    encoder.color_primaries, encoder.color_trc = picture.color_primaries, picture.color_trc
    encoder.options = {**_OPTIONS, "crf": str(crf)}
    encoder.thread_count, encoder.thread_type = slices_worth(picture.height), "SLICE"
    return encoder


def _codec(content: bytes) -> str:
    """What browsers call the stream: profile, constraints and level of its sequence parameter set."""
    place = content.find(b"\0\0\1")
    while place >= 0:
        if content[place + 3] & 0x1F == _SPS:
            return f"avc1.{content[place + 4 : place + 7].hex().upper()}"
        place = content.find(b"\0\0\1", place + 3)
    return ""
