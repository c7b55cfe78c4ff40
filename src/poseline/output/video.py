"""Video: annotated pictures as an MP4 with the source's own time stamps, and its audio."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av

from poseline.atomic import cause
from poseline.errors import OutputError
from poseline.output.closeable import Closeable
from poseline.output.copied_mp4 import CopiedMp4
from poseline.output.encoder import EncoderName
from poseline.output.encoding_mp4 import EncodingMp4
from poseline.output.mp4 import FAILURES, EncodedPicture, Mp4, is_recoverable, part_of
from poseline.output.numbered import numbered
from poseline.settings import OutputSettings

if TYPE_CHECKING:
    from av.audio.stream import AudioStream

_LATEST_START = 86_400
"""Seconds: a first time stamp beyond is a clock's and not a clip's; the video then starts at 0."""
_LATEST_LIVE_START = 60
"""The same for a live source, whose clock started with the camera: nobody wants hours of nothing before it."""
_JUMP = 1
"""Seconds that time may run back before we take it for a new beginning and go on from where we are.

A file's pictures come with their time repaired (`SourceClock`): this is for whoever writes other pictures.
"""
_LONGEST_STEP = 1
"""Seconds: a longer step between two pictures is a pause, and not the interval to go on with."""
_LONGEST_SILENCE = 5
"""Seconds by which audio may jump ahead where the pictures break, before we take it for the same break."""
_SAME_TIME = Fraction(1, 2)
"""Seconds: a break that takes the pictures back to the audio's own time, as after several wild time stamps."""
_AUDIO_TAIL = 1
"""Seconds of audio copied past the last picture, and by which its breaks may come before or after the pictures'."""


class VideoWriter(Closeable):
    """Writes pictures to `path`, one file for each picture size and shape of pixels; opened at the first picture.

    Args:
        path: the finished video; while it is written `.part` stands behind its name. Neither may exist.
        settings: preset and crf are read.
        encoder: as `choose_encoder` says.
        live: give up some size so that the encoder holds no frame back.
        frame_rate: frames a second as announced, for the encoder's rate control alone; None if unknown.
        pixel_aspect: a pixel's width over its height, as stated to players; `write` may give another.
        from_zero: begin at 0, whenever the first picture is; else only where that is a day's clock.
        audio: encoded packets of the source's audio in their order, of a codec that `mp4_can_hold`; None for silence.
            Until the first of them is due, nothing is on the disk that a killed run could recover.
        audio_template: the stream that they come from; its container must stay open meanwhile.

    Raises (from `write` and `close`):
        OutputError: naming the file and the cause. The first one is kept and raised again by later writes; what was
            written stays in the `.part` file, which `recover` makes playable.
    """

    def __init__(
        self,
        path: Path,
        settings: OutputSettings,
        *,
        encoder: EncoderName = "x264",
        live: bool = False,
        frame_rate: Fraction | None = None,
        pixel_aspect: Fraction = Fraction(1),
        from_zero: bool = False,
        audio: Iterator[av.Packet[Any]] | None = None,
        audio_template: AudioStream | None = None,
    ) -> None:
        self.frames = 0
        """Pictures written."""
        self.repaired = 0
        """Pictures whose time stamp was missing or did not move on, and was made to."""
        self.audio_lost: str | None = None
        """Why the audio ends early or has holes, or None."""
        self.segments: list[Path] = []
        """The finished files: `path`, then `annotated-2.mp4` ... after each change of size or shape, and each `cut`."""
        self._path = path
        self._settings, self._encoder, self._live, self._frame_rate = settings, encoder, live, frame_rate
        self._pixel_aspect = pixel_aspect
        self._latest_start = 0 if from_zero else _LATEST_LIVE_START if live else _LATEST_START
        self._audio = _Audio(audio) if audio is not None and audio_template is not None else None
        self._template = audio_template
        self._file: Mp4 | None = None
        self._cut = False
        self._clock: _Clock | None = None
        self._error: OutputError | None = None

    def write(self, picture: av.VideoFrame | EncodedPicture, pixel_aspect: Fraction | None = None) -> None:
        """Append `picture` at its own `pts` and `time_base`; its `pict_type` is reset.

        With another `pixel_aspect` than before, a new file begins.

        yuv420p goes to the encoder as it is, other formats are converted; odd sizes are padded by one pixel. Pictures
        that were encoded before are copied; where they were encoded in another way, a new file begins.
        """
        if self._error is not None:
            raise self._error
        try:
            self._write(picture, pixel_aspect or self._pixel_aspect)
            trouble = self._file.trouble() if self._file else None
        except FAILURES as error:
            raise self._failed(error) from error
        if trouble is not None:
            self.close()
            self._error = OutputError(f"{self._path}: {trouble}: the recording was closed at this point")
            raise self._error

    def cut(self) -> None:
        """Have the next picture begin another file, whose own time begins at 0 with it."""
        self._cut = True

    def move_audio(self, seconds: Fraction, begin: Fraction) -> None:
        """Shift the audio where the pictures' time stamps broke and were repaired: its own broke there as well.

        Args:
            seconds: what was added to the source's time, from the next picture on.
            begin: the repaired time of that picture, in seconds.
        """
        if self._audio is not None:
            self._audio.move(seconds, begin)

    @property
    def shift(self) -> Fraction:
        """Seconds that were added to the pictures' time; 0 before the first one."""
        return self._clock.shift if self._clock else Fraction(0)

    def abandon(self) -> None:
        """Let go of the file, and leave its `.part` as it is, for `recover`; after that the writer is empty."""
        if self._file is not None:
            self._file.abandon()
            self._file = None

    def close(self) -> None:
        """Finish the file and give it its name; after that the writer is empty. A second call does nothing."""
        if self._file is None:
            return
        try:
            self._copy_audio(self._clock.now + _AUDIO_TAIL if self._clock else None)
            if self._audio is not None and self._clock is not None and self._audio.has_waited(self._clock.now):
                self.audio_lost = "its time stamps step back where the pictures' do not"
            self._finish_file()
        except FAILURES as error:
            raise self._failed(error) from error

    def _write(self, picture: av.VideoFrame | EncodedPicture, pixel_aspect: Fraction) -> None:
        if self._clock is None:
            self._clock = _Clock(picture, self._frame_rate, self._latest_start)
        pts = self._clock.place(picture)
        self.repaired = self._clock.repaired
        reshaped = pixel_aspect is not self._pixel_aspect and pixel_aspect != self._pixel_aspect
        self._pixel_aspect = pixel_aspect
        cut, self._cut = self._cut and self._file is not None, False
        if cut:
            self._copy_audio(self._clock.now)  # none of what belongs before the next file's beginning is left for it
        if self._file is not None and (cut or reshaped or not self._file.takes(picture)):
            self._finish_file()
        if self._file is None:
            self._file = self._open_file(picture, self._clock.time_base, begin=pts if cut else 0)
        self._copy_audio(self._clock.now)
        self._file.write(picture, pts)
        self.frames += 1

    def _open_file(self, first: av.VideoFrame | EncodedPicture, time_base: Fraction, begin: int) -> Mp4:
        path = numbered(self._path, len(self.segments) + 1)
        template = self._template if self._audio is not None and self._audio.more() else None
        if isinstance(first, EncodedPicture):
            return CopiedMp4(path, first, time_base, template=template, begin=begin)
        return EncodingMp4(
            path,
            first,
            time_base,
            self._settings,
            encoder=self._encoder,
            live=self._live,
            frame_rate=self._frame_rate,
            pixel_aspect=self._pixel_aspect,
            template=template,
            begin=begin,
        )

    def _finish_file(self) -> None:
        if self._file is not None:
            self._file.finish()
            self.segments.append(self._file.path)
            self._file = None

    def _copy_audio(self, until: Fraction | None) -> None:
        """Audio up to the picture's time and not beyond, so that neither waits for the other in the muxer."""
        if self._audio is None or self._file is None or self._clock is None or until is None:
            return
        for packet in self._audio.until(until, self._clock.shift):
            self._file.mux_audio(packet)
        self.audio_lost = self._audio.lost

    def _failed(self, error: BaseException) -> OutputError:
        """Keep the first error, and the file as far as it came."""
        part = part_of(self._path)
        kept = False
        if self._file is not None:
            part = self._file.part
            self._file.abandon()
            self._file = None
            kept = is_recoverable(part)
        text = f"{part.with_suffix('')}: the video cannot be written: {cause(error)}"
        self._error = OutputError(f"{text}; what was written is in {part}, try `poseline recover`" if kept else text)
        return self._error


class _Clock:
    """Turns the pictures' time stamps into ones that MP4 can hold: unchanged where they move on, from 0 or later."""

    def __init__(self, first: av.VideoFrame | EncodedPicture, frame_rate: Fraction | None, latest_start: int) -> None:
        self.time_base = first.time_base or (1 / frame_rate if frame_rate else Fraction(1, 30))
        self.repaired = 0
        self._step = max(1, round(1 / (frame_rate * self.time_base))) if frame_rate else 1
        self._last: int | None = None
        start = first.pts or 0
        self._shift = -start if start < 0 or start * self.time_base > latest_start else 0

    @property
    def now(self) -> Fraction:
        """Time of the last picture in seconds of the written file."""
        return (self._last or 0) * self.time_base

    @property
    def shift(self) -> Fraction:
        """Seconds that were added to the source's time."""
        return self._shift * self.time_base

    def place(self, picture: av.VideoFrame | EncodedPicture) -> int:
        """Where `picture` goes, in units of `time_base`."""
        pts = None if picture.pts is None else self._rescaled(picture.pts, picture.time_base) + self._shift
        if self._last is None:
            self.repaired += pts is None
            self._last = pts or 0
        elif pts is None or pts <= self._last:
            self.repaired += 1
            if pts is not None and (self._last - pts) * self.time_base > _JUMP:
                self._shift += self._last + self._step - pts
                self._last += self._step
            else:
                self._last += 1
        else:
            if (pts - self._last) * self.time_base <= _LONGEST_STEP:
                self._step = pts - self._last
            self._last = pts
        return self._last

    def _rescaled(self, pts: int, time_base: Fraction | None) -> int:
        return pts if not time_base or time_base == self.time_base else round(pts * time_base / self.time_base)


class _Audio:
    """The source's audio, given out up to a time; where the pictures' time was moved, so is its own."""

    def __init__(self, packets: Iterator[av.Packet[Any]]) -> None:
        self.lost: str | None = None
        self._packets = packets
        self._next: av.Packet[Any] | None = None
        self._stated: Fraction | None = None
        self._last: Fraction | None = None
        self._moved = Fraction(0)
        self._breaks: deque[tuple[Fraction, Fraction]] = deque()
        """Breaks that the pictures had and the audio not yet: seconds to move it by then, and when."""
        self._waits_since: Fraction | None = None

    def move(self, seconds: Fraction, begin: Fraction) -> None:
        """As `VideoWriter.move_audio`."""
        if abs(seconds - self._moved) <= _SAME_TIME:  # the pictures are back where the audio has always been
            self._breaks.clear()
            self._moved = seconds
        else:
            self._breaks.append((seconds, begin))

    def until(self, seconds: Fraction, shift: Fraction) -> Iterator[av.Packet[Any]]:
        """The packets not yet given that begin at or before `seconds`, moved by `shift` seconds."""
        while (packet := self._peek()) is not None:
            assert packet.dts is not None
            stated = packet.dts * packet.time_base
            if not self._follow(stated):
                self._waits_since = seconds if self._waits_since is None else self._waits_since
                return
            self._waits_since = None
            ticks = round((shift + self._moved) / packet.time_base)
            time = (packet.dts + ticks) * packet.time_base
            if time > seconds:
                return
            self._next, self._stated = None, stated
            if self._breaks and time >= self._breaks[0][1] + shift:  # it went on for longer than the pictures
                if time > self._breaks[0][1] + shift + _AUDIO_TAIL:
                    self.lost, self._packets = "its time stamps do not follow the pictures'", iter(())
                continue
            if self._last is not None and time <= self._last:
                if not self._moved:  # else the recordings that were joined overlap a little
                    self.lost = "some of it comes out of order"
                continue
            self._last = time
            if ticks:
                packet.dts += ticks
                packet.pts = None if packet.pts is None else packet.pts + ticks
            yield packet

    def has_waited(self, now: Fraction) -> bool:
        """Whether it steps back in time, and the pictures have not done so until `now`, in seconds."""
        return self._waits_since is not None and now - self._waits_since > _AUDIO_TAIL

    def _follow(self, stated: Fraction) -> bool:
        """Go on to the pictures' next break where the audio breaks too; False where they have not come to it."""
        step = Fraction(0) if self._stated is None else stated - self._stated
        if self._breaks and (step < 0 or step > _LONGEST_SILENCE):
            self._moved, self._stated = self._breaks.popleft()[0], None
            return True
        return step >= -_JUMP

    def more(self) -> bool:
        """Whether any packet is left; a track that never gets one would keep FFmpeg from beginning the file."""
        return self._peek() is not None

    def _peek(self) -> av.Packet[Any] | None:
        while self._next is None:
            try:
                packet = next(self._packets, None)
            except FAILURES as error:
                self.lost = f"it could not be read to its end: {cause(error)}"
                self._packets, packet = iter(()), None
            if packet is None:
                return None
            if packet.size and packet.dts is not None:  # an empty one marks the end
                self._next = packet
        return self._next
