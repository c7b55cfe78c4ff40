"""Decoder: packets to upright frames, going on after damage."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import NamedTuple

import av
import av.error
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from poseline.capture.container import DAMAGE, Opened
from poseline.capture.hardware import ON_DEVICE
from poseline.frame import plane_pixels, reformatted

_MOST_DEMUX_ERRORS = 3
"""In a row; a demuxer may repeat the same error for ever."""


class Decoded(NamedTuple):
    """One upright picture, and whether the decoder patched over damage in it."""

    picture: VideoFrame
    corrupt: bool


class Decoder:
    """Decodes one open container's video stream to upright 8-bit yuv420p."""

    def __init__(self, opened: Opened) -> None:
        self._container, self._stream = opened.container, opened.stream
        self._reformatter = VideoReformatter()
        self.bad = 0
        """Packets that could not be decoded."""
        self.failure: BaseException | None = None
        """Why demuxing ended early; None at an orderly end."""

    def frames(self, packets: Iterable[av.Packet[VideoStream]] | None = None) -> Iterator[Decoded]:
        """Every frame that can be decoded, in presentation order; from these `packets`, or from all of the stream."""
        # A plain `container.decode` would end at the first bad packet and lose all that follow.
        for packet in self.read() if packets is None else packets:
            yield from self._decode(packet)
        yield from self._decode(None)

    def read(self) -> Iterator[av.Packet[VideoStream]]:
        """The stream's packets, in decoding order, with those passed over that cannot be read."""
        packets, errors = self._container.demux(self._stream), 0
        while errors < _MOST_DEMUX_ERRORS:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except av.error.ExitError as error:  # the read timeout: asking again would only wait again
                self.failure = error
                return
            except DAMAGE as error:
                packets, errors, self.failure = self._container.demux(self._stream), errors + 1, error
                continue
            errors, self.failure = 0, None
            if packet.size:  # the empty packet that ends a demux would end the decoder too, before a later retry
                yield packet

    def _decode(self, packet: av.Packet[VideoStream] | None) -> Iterator[Decoded]:
        try:
            decoded = self._stream.codec_context.decode(packet)
        except av.error.EOFError:
            return
        except DAMAGE:
            self.bad += 1
            return
        for frame in decoded:
            yield Decoded(self._upright(frame), frame.is_corrupt)

    def _upright(self, frame: VideoFrame) -> VideoFrame:
        """The frame as 8-bit yuv420p planes, turned as its display matrix says; on a device, as it is."""
        if frame.format.name in ON_DEVICE:
            return frame
        turns = frame.rotation // 90 % 4
        if frame.format.name not in ("yuv420p", "yuvj420p"):
            frame = reformatted(frame, "yuv420p", self._reformatter)
        return turned(frame, turns) if turns else frame


def turned(frame: VideoFrame, quarter_turns: int) -> VideoFrame:
    """A yuv420p frame turned anticlockwise by so many quarter turns, plane by plane; time stamps and colours kept."""
    width, height = (frame.height, frame.width) if quarter_turns % 2 else (frame.width, frame.height)
    result = VideoFrame(width, height, "yuv420p")
    for source, target in zip(frame.planes, result.planes, strict=True):
        np.copyto(plane_pixels(target), np.rot90(plane_pixels(source), quarter_turns))
    result.pts, result.time_base = frame.pts, frame.time_base or Fraction(0)
    result.colorspace, result.color_range = frame.colorspace, frame.color_range
    result.color_primaries, result.color_trc = frame.color_primaries, frame.color_trc
    return result
