"""Decoder: packets to whole, upright frames, going on after damage."""

from __future__ import annotations

import errno
import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from fractions import Fraction
from itertools import chain
from typing import NamedTuple, cast

import av
import av.error
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from poseline.capture.aspect import pixel_aspect
from poseline.capture.container import DAMAGE, Opened
from poseline.capture.damage import DamageCheck
from poseline.capture.deinterlace import Deinterlacer
from poseline.capture.jpeg import whole_jpeg
from poseline.capture.orientation import orientation_of
from poseline.capture.recent import MOST_IN_FLIGHT, RecentPackets, has_no_picture
from poseline.errors import SourceError
from poseline.frame import ON_DEVICE, reformatted, turned
from poseline.orientation import UPRIGHT, Orientation
from poseline.words import counted, were

_MOST_DEMUX_ERRORS = 3
"""In a row; a demuxer may repeat the same error for ever."""
_A_PICTURE_A_PACKET = frozenset({"av1", "h264", "hevc", "mpeg2video", "vp9"})
"""Codecs that show a picture for each packet, where pictures are not stored as two fields. VP8 and MPEG-4 do not."""


class Decoded(NamedTuple):
    """One picture, and what is known of it; upright, but for one on a device that is still to be turned."""

    picture: VideoFrame
    corrupt: bool
    """Whether the decoder patched over damage in it."""
    pixel_aspect: Fraction
    """Width of a pixel over its height, in the upright picture."""
    orientation: Orientation | None = None
    """How a picture on a device lies there; None where it is upright."""

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the upright picture."""
        return (self.orientation or UPRIGHT).size(self.picture.width, self.picture.height)


class Decoder:
    """Decodes one open container's video stream to upright 8-bit yuv420p, deinterlaced where `opened` asks for it.

    Args:
        opened: the container; its demuxer and decoder are used from now on.
        again: opens the same once more; for a recording, whose last pictures may have to be decoded a second time.
    """

    def __init__(self, opened: Opened, again: Callable[[], Opened] | None = None) -> None:
        self._container, self._stream = opened.container, opened.stream
        self._again, self._open_for_cpu = again, opened.open_for_cpu
        self._reformatter = VideoReformatter()
        # An AVI states only when a picture is to be decoded. The time at which it is to be shown, which FFmpeg makes of
        # that, is the next picture's for H.264, and out of order where pictures are reordered.
        self.by_dts = opened.container.format.name == "avi"
        """Whether the pictures' `pts` are their packets' decoding time stamps."""
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
        self.has_fields = False
        """Whether a picture was interlaced; such a one may come as two packets, one for each field."""
        self._context = opened.stream.codec_context
        self._codec_aspect: Fraction | None = None
        self._stated_aspect: Fraction | None = None
        self.pixel_aspect = Fraction(1)
        """Width of a pixel over its height in the newest picture that came out."""
        self.jpeg: bytes | None = None
        """The newest picture that came out as it was given, where `keep_jpegs` was called and it is a whole JPEG."""
        self._keeps_jpegs = False
        self._recent = RecentPackets()
        self._sent = self._given = self._excused = 0
        self._last_stamp: int | None = None
        self._repeated: _Repeated | None = None
        self._for_cpu: Opened | None = None
        self.damaged_at: float | None = None
        """Seconds, about, from the file's beginning to the damage from which on the CPU decodes instead of a card."""
        self.bad = 0
        """Packets that could not be decoded."""
        self.failure: BaseException | None = None
        """Why demuxing ended early; None at an orderly end.

        It has no traceback: that would refer to this decoder, and the two would keep each other and the container.
        """

    def keep_jpegs(self) -> None:
        """Have each picture's own JPEG in `jpeg`, where the stream is made of JPEGs."""
        self._keeps_jpegs = self._context.name == "mjpeg"
        self._context.copy_opaque = self._keeps_jpegs

    def forget_interlaced(self) -> None:
        """Count interlaced pictures anew, from the present one on."""
        self.interlaced, self.still_interlaced = min(1, self.interlaced), min(1, self.still_interlaced)

    @property
    def without_picture(self) -> int:
        """Packets, at the end, that gave neither a picture nor an error; 0 where the codec may have such packets.

        A decoder passes over pictures that refer to lost ones, and says nothing.
        """
        if self.has_fields or self._context.codec.canonical_name not in _A_PICTURE_A_PACKET:
            return 0
        return max(0, self._sent - self._given - self._excused - self.bad)

    @property
    def notes(self) -> list[str]:
        """What was done to the pictures, or could not be, in words for the user."""
        notes = [self.orientation.note] if self.orientation.note else []
        if self.damaged_at is not None:
            notes.append(
                f"damaged at about {self.damaged_at:.1f} s: from there on decoded by the CPU, "
                "as the card's decoder does not report damage"
            )
        if self.interlaced:
            count = self.interlaced
            notes.append(
                f"{counted(count, 'picture')} {were(count)} interlaced and {were(count)} made whole (bwdif); "
                "--deinterlace no leaves such pictures as they are"
            )
        if self.still_interlaced:
            why = "--decoder cpu does it" if self._on_device else "too small"
            count = self.still_interlaced
            notes.append(f"{counted(count, 'interlaced picture')} {were(count)} not made whole: {why}")
        return notes

    def frames(self, packets: Iterable[av.Packet[VideoStream]] | None = None) -> Iterator[Decoded]:
        """Every frame that can be decoded, in presentation order; from these `packets`, or from all of the stream."""
        packets = self.read() if packets is None else iter(packets)
        if self._open_for_cpu is not None:
            check = DamageCheck(self._open_for_cpu)
            yield from self._pictures_of(check.passed(packets))
            again = self._change_to_cpu(self._open_for_cpu, check.damaged) if check.damaged is not None else ()
            packets = chain(again, check.held, packets)
        yield from self._pictures_of(packets)
        yield from self._given_out(self._decode(None))
        if self._again is not None and self._given + self.bad < self._sent:
            yield from self._given_out(self._second_try(self._again))
        yield from self._flush()

    def _pictures_of(self, packets: Iterator[av.Packet[VideoStream]]) -> Iterator[Decoded]:
        # A plain `container.decode` would end at the first bad packet and lose all that follow.
        for packet in packets:
            self._sent += not packet.is_discard
            self._recent.add(packet, self.bad)
            yield from self._given_out(self._decode(packet))

    def _change_to_cpu(
        self, opener: Callable[[], Opened], damaged: av.Packet[VideoStream]
    ) -> tuple[av.Packet[VideoStream], ...]:
        """Have the CPU decode from here on; returns the packets that it needs and that a card was sent already."""
        self._for_cpu = opener()  # a decoder lives no longer than its container
        self._context, self._again = self._for_cpu.stream.codec_context, opener
        ticks = (damaged.pts or damaged.dts or 0) - (self._stream.start_time or 0)
        self.damaged_at = max(0.0, float(ticks * (damaged.time_base or 0)))
        again = tuple(self._recent) if self._recent.bad_before is not None else ()
        self._recent = RecentPackets()
        self._sent -= sum(not packet.is_discard for packet in again)
        if again:
            self._repeated = _Repeated(self._last_stamp, self._given - self._sent)
        return again

    def read(self, patience: float = math.inf) -> Iterator[av.Packet[VideoStream]]:
        """The stream's packets, in decoding order, with those passed over that cannot be read.

        It ends with a packet that took `patience` seconds, the read timeout: FFmpeg keeps that error to itself where
        its parser holds a picture, gives this one instead, and would wait once more.
        """
        packets, errors = self._container.demux(self._stream), 0
        while errors < _MOST_DEMUX_ERRORS:
            asked = time.monotonic()
            try:
                packet = next(packets)
            except StopIteration:
                return
            except av.error.ExitError as error:  # the read timeout: asking again would only wait again
                self.failure = error.with_traceback(None)
                return
            except DAMAGE as error:
                packets, errors = self._container.demux(self._stream), errors + 1
                self.failure = error.with_traceback(None)
                continue
            errors, self.failure = 0, None
            if packet.size:  # the empty packet that ends a demux would end the decoder too, before a later retry
                self.packets += not packet.is_discard
                waited = time.monotonic() - asked
                yield packet
                if waited >= patience:
                    self.failure = av.error.ExitError(errno.ETIMEDOUT, "no packet came in time")
                    return

    def _decode(self, packet: av.Packet[VideoStream] | None) -> Iterable[VideoFrame]:
        if self._keeps_jpegs and packet is not None:
            packet.opaque = whole_jpeg(packet)
        try:
            return self._context.decode(packet)
        except av.error.EOFError:
            pass
        except DAMAGE:
            excused = self._recent.excuse()
            self._excused += excused
            self.bad += not excused
        return ()

    def _second_try(self, again: Callable[[], Opened]) -> Iterable[VideoFrame]:
        """The last pictures, where errors took some of them along.

        At the end the packets that are still with the decoder's threads are asked for with one call. PyAV 18 ends that
        at the first bad one, keeps its error to itself, and never gives the pictures behind it. One thread holds no
        packet back, so that each error concerns its own packet.
        """
        bad_before = self._recent.bad_before
        if bad_before is None:
            return ()
        try:
            opened = again()
        except SourceError:  # such as an address that has gone
            return ()
        lost: deque[VideoFrame] = deque(maxlen=min(self._sent - self._given - self.bad, MOST_IN_FLIGHT))
        with opened.container:
            context, bad, begun = opened.stream.codec_context, 0, not self._given
            context.thread_count, context.skip_frame = 1, self._context.skip_frame
            self._context = context
            for packet in (*self._recent, None):
                try:
                    decoded = context.decode(packet)
                except DAMAGE:
                    bad += packet is not None and not has_no_picture(packet)
                    continue
                for frame in decoded:
                    lost.append(frame)
                    if self._stamp(frame) == self._last_stamp:  # the last one that has come out; stamps may begin anew
                        lost.clear()
                        begun = True
        self.bad = max(self.bad, bad_before + bad)
        return lost if begun else ()

    def _stamp(self, frame: VideoFrame) -> int | None:
        return frame.dts if self.by_dts or frame.pts is None else frame.pts

    def _given_out(self, frames: Iterable[VideoFrame]) -> Iterator[Decoded]:
        """What comes out when the decoder has given `frames`."""
        for frame in frames:
            if self._repeated is not None and not self._repeated.ended_before(self._stamp(frame)):
                continue
            self._given += 1
            self._last_stamp = self._stamp(frame)
            if self.by_dts:
                frame.pts = frame.dts
            if frame.key_frame or self._given == 1:
                yield from self._follow_aspect()
            interlaced = frame.interlaced_frame
            if interlaced:
                self.has_fields = True
            if self._deinterlacer is None and not (interlaced and self._deinterlace):
                yield self._decoded(frame, frame.is_corrupt)
            else:
                yield from self._deinterlaced(frame)

    def _follow_aspect(self) -> Iterator[Decoded]:
        """Take in what the codec says of its pixels; yields the pictures that are still to have the aspect before."""
        says = self._context.sample_aspect_ratio
        if self._given == 1:  # the container's word counts before the codec's, as for players
            self._codec_aspect, self._stated_aspect = says, self._stream.sample_aspect_ratio or says
        elif says == self._codec_aspect:
            return
        else:  # a container has one word for all of it
            yield from self._flush()
            self._codec_aspect = self._stated_aspect = says
        self.pixel_aspect = pixel_aspect(self._stated_aspect, self.orientation)

    def _deinterlaced(self, frame: VideoFrame) -> Iterator[Decoded]:
        """The frames that are ready when `frame` has come; from the first interlaced one on, all go through bwdif."""
        interlaced = frame.interlaced_frame
        if self._deinterlacer is not None and not self._deinterlacer.takes(frame):
            yield from self._flush()
        self._on_device = frame.format.name == ON_DEVICE
        if self._deinterlacer is None and interlaced and not self._on_device:
            with suppress(av.error.FFmpegError):  # bwdif does not take pictures of a few pixels
                self._deinterlacer = Deinterlacer(frame)
        if self._deinterlacer is None:
            self.still_interlaced += interlaced
            yield self._decoded(frame, frame.is_corrupt)
            return
        self.interlaced += interlaced
        for ready, corrupt in self._deinterlacer.give(frame):
            yield self._decoded(ready, corrupt)

    def _flush(self) -> Iterator[Decoded]:
        """The frames that still wait for their next one."""
        deinterlacer, self._deinterlacer = self._deinterlacer, None
        if deinterlacer is not None:
            for ready, corrupt in deinterlacer.flush():
                yield self._decoded(ready, corrupt)

    def _decoded(self, frame: VideoFrame, corrupt: bool) -> Decoded:
        upright = self._upright(frame)
        if self._keeps_jpegs:
            as_given = self.orientation.upright and not (corrupt or frame.interlaced_frame or self._deinterlacer)
            self.jpeg = cast("bytes | None", frame.opaque) if as_given else None
        lies = self.orientation if upright.format.name == ON_DEVICE and not self.orientation.upright else None
        return Decoded(upright, corrupt, self.pixel_aspect, lies)

    def _upright(self, frame: VideoFrame) -> VideoFrame:
        """The frame as 8-bit yuv420p planes, turned as its display matrix says; on a device, as it is."""
        name = frame.format.name
        if frame.key_frame or frame.rotation != self._rotation:  # the matrix itself takes longer to read than both
            self._rotation, self.orientation = frame.rotation, orientation_of(frame)
            self.pixel_aspect = pixel_aspect(self._stated_aspect, self.orientation)
        if name == ON_DEVICE:
            return frame
        if name not in ("yuv420p", "yuvj420p"):
            frame = reformatted(frame, "yuv420p", self._reformatter)
        return frame if self.orientation.upright else turned(frame, self.orientation)


class _Repeated:
    """Pictures that come once more, where packets are decoded again.

    Args:
        last: time stamp of the last picture that had come; None: there are no stamps.
        count: how many came of these packets; only looked at where there are no stamps.
    """

    def __init__(self, last: int | None, count: int) -> None:
        self._last, self._left = last, count
        self._ended = last is None and count <= 0

    def ended_before(self, stamp: int | None) -> bool:
        """Whether the next picture, with this `stamp`, has not come before."""
        if self._ended:
            return True
        self._left -= 1
        self._ended = self._left <= 0 if self._last is None else stamp == self._last
        return False
