"""Decoder: packets to whole, upright frames, going on after damage."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from fractions import Fraction
from typing import NamedTuple

import av
import av.error
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from poseline.capture.aspect import pixel_aspect
from poseline.capture.container import DAMAGE, Opened
from poseline.capture.deinterlace import Deinterlacer
from poseline.capture.hardware import ON_DEVICE
from poseline.capture.orientation import UPRIGHT, Orientation, orientation_of, turned
from poseline.frame import reformatted

_MOST_DEMUX_ERRORS = 3
"""In a row; a demuxer may repeat the same error for ever."""


class Decoded(NamedTuple):
    """One upright picture, and whether the decoder patched over damage in it."""

    picture: VideoFrame
    corrupt: bool


class Decoder:
    """Decodes one open container's video stream to upright 8-bit yuv420p, deinterlaced where `opened` asks for it."""

    def __init__(self, opened: Opened) -> None:
        self._container, self._stream = opened.container, opened.stream
        self._reformatter = VideoReformatter()
        # An AVI states only when a picture is to be decoded. The time at which it is to be shown, which FFmpeg makes of
        # that, is the next picture's for H.264, and out of order where pictures are reordered.
        self._by_dts = opened.container.format.name == "avi"
        self.packets = 0
        """Packets read, without those whose pictures are not to be shown."""
        self._deinterlace = opened.deinterlace
        self._deinterlacer: Deinterlacer | None = None
        self._on_device = False
        self._rotation: int | None = None
        self.orientation: Orientation = UPRIGHT
        """How the present picture lay in the file."""
        self.interlaced = 0
        """Pictures that were interlaced, and no longer are."""
        self.still_interlaced = 0
        """Pictures that are interlaced and could not be helped."""
        self.bad = 0
        """Packets that could not be decoded."""
        self.failure: BaseException | None = None
        """Why demuxing ended early; None at an orderly end."""

    @property
    def pixel_aspect(self) -> Fraction:
        """Width of a pixel over its height in the pictures that come out; for sure after the first of them."""
        return pixel_aspect(self._stream, self.orientation)

    @property
    def notes(self) -> list[str]:
        """What was done to the pictures, or could not be, in words for the user."""
        notes = [self.orientation.note] if self.orientation.note else []
        if self.interlaced:
            notes.append(
                f"{self.interlaced} pictures were interlaced and were made whole (bwdif); "
                "--deinterlace no leaves them as they are"
            )
        if self.still_interlaced:
            why = "--decoder cpu makes them whole" if self._on_device else "they are too small"
            notes.append(f"{self.still_interlaced} pictures are interlaced and were left so: {why}")
        return notes

    def frames(self, packets: Iterable[av.Packet[VideoStream]] | None = None) -> Iterator[Decoded]:
        """Every frame that can be decoded, in presentation order; from these `packets`, or from all of the stream."""
        # A plain `container.decode` would end at the first bad packet and lose all that follow.
        for packet in self.read() if packets is None else packets:
            yield from self._decode(packet)
        yield from self._decode(None)
        yield from self._flush()

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
                self.packets += not packet.is_discard
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
            if self._by_dts:
                frame.pts = frame.dts
            if self._deinterlacer is None and not (frame.interlaced_frame and self._deinterlace):
                yield Decoded(self._upright(frame), frame.is_corrupt)
            else:
                yield from self._deinterlaced(frame)

    def _deinterlaced(self, frame: VideoFrame) -> Iterator[Decoded]:
        """The frames that are ready when `frame` has come; from the first interlaced one on, all go through bwdif."""
        interlaced = frame.interlaced_frame
        if self._deinterlacer is not None and not self._deinterlacer.takes(frame):
            yield from self._flush()
        self._on_device = frame.format.name in ON_DEVICE
        if self._deinterlacer is None and interlaced and not self._on_device:
            with suppress(av.error.FFmpegError):  # bwdif does not take pictures of a few pixels
                self._deinterlacer = Deinterlacer(frame)
        if self._deinterlacer is None:
            self.still_interlaced += interlaced
            yield Decoded(self._upright(frame), frame.is_corrupt)
            return
        self.interlaced += interlaced
        for ready, corrupt in self._deinterlacer.give(frame):
            yield Decoded(self._upright(ready), corrupt)

    def _flush(self) -> Iterator[Decoded]:
        """The frames that still wait for their next one."""
        deinterlacer, self._deinterlacer = self._deinterlacer, None
        if deinterlacer is not None:
            for ready, corrupt in deinterlacer.flush():
                yield Decoded(self._upright(ready), corrupt)

    def _upright(self, frame: VideoFrame) -> VideoFrame:
        """The frame as 8-bit yuv420p planes, turned as its display matrix says; on a device, as it is."""
        if frame.format.name in ON_DEVICE:
            return frame
        if frame.key_frame or frame.rotation != self._rotation:  # the matrix itself takes longer to read than both
            self._rotation, self.orientation = frame.rotation, orientation_of(frame)
        if frame.format.name not in ("yuv420p", "yuvj420p"):
            frame = reformatted(frame, "yuv420p", self._reformatter)
        return frame if self.orientation.upright else turned(frame, self.orientation)
