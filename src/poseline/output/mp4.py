"""MP4: one file of H.264 that can be read up to its last fifth of a second, wherever its writing stops.

While it grows it is a fragmented file; on `finish` FFmpeg's hybrid mode turns it into a plain one, in place. Until then
it has `.part` behind its name.
"""

from __future__ import annotations

import math
import os
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av

from poseline.mp4_boxes import top_level_boxes
from poseline.output.disk import DiskWatch
from poseline.output.encoder import LONGEST_FRAGMENT

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.video.stream import VideoStream

FAILURES = (av.error.FFmpegError, OSError, ValueError)
"""What PyAV raises where a file cannot be read or written."""
_AUDIO_CODECS = frozenset({"aac", "ac3", "alac", "eac3", "flac", "mp3", "opus"})
_CONTAINER = {
    # delay_moov: the beginning is written with the first fragment, when it is known where each stream starts; without
    # it a file that is not closed loses the true start of its streams, or pictures of its first fragment
    "movflags": "+hybrid_fragmented+delay_moov",
    "flush_packets": "1",  # or FFmpeg keeps the last 256 KiB in the process
    "max_interleave_delta": "1",  # microseconds that a picture waits for sound; 0 would be for ever
}


def mp4_can_hold(codec_name: str) -> bool:
    """Whether audio of this codec (FFmpeg's name, such as `aac`) can be copied into MP4 and played from it."""
    return codec_name in _AUDIO_CODECS


def part_of(path: Path) -> Path:
    """The name of `path` while it is being written."""
    return path.with_name(f"{path.name}.part")


def readable_bytes(path: Path) -> int:
    """Bytes up to the end of the last whole top-level `moov` or `mdat`, 0 without a `moov`: what `recover` can use.

    FFmpeg refuses a whole file for one torn `moof`.

    Raises:
        OSError: the file cannot be read.
    """
    whole, playable = 0, False
    size = path.stat().st_size
    with path.open("rb") as file:
        for box in top_level_boxes(file):
            if box.size < box.header or box.end > size:
                break
            playable |= box.kind == b"moov"
            whole = box.end if box.kind in (b"moov", b"mdat") else whole
    return whole if playable else 0


def is_recoverable(path: Path) -> bool:
    """Whether `recover` makes a video of a file: of one that is not there, or hardly begun, it makes none."""
    with suppress(OSError):
        return readable_bytes(path) > 0
    return False


def clock_options(time_base: Fraction, audio: AudioStream | None) -> dict[str, str]:
    """FFmpeg's options for a video whose stamps are exact in `time_base`, and an `audio` that starts on its sample."""
    ticks = time_base.denominator
    common = math.lcm(ticks, audio.sample_rate or 1) if audio is not None else ticks
    return {
        "video_track_timescale": str(ticks),  # or FFmpeg multiplies a coarse one
        "movie_timescale": str(common if common < 2**31 else ticks),  # unit of the streams' start; else ms
    }


@dataclass(frozen=True, eq=False)
class EncodedPicture:
    """A picture that was encoded before, with the names that a picture has of its own."""

    packet: av.Packet[VideoStream]
    """Its bytes; its time stamps are those of the file that it comes from."""
    pts: int
    """Presentation time in units of `time_base`."""
    time_base: Fraction
    """Seconds per tick of `pts`."""
    stream: VideoStream
    """That it comes from; its container must stay open meanwhile."""

    @property
    def width(self) -> int:
        """In pixels."""
        return self.stream.width

    @property
    def height(self) -> int:
        """In pixels."""
        return self.stream.height


class Mp4(ABC):
    """One file of one picture size; audio if there is a `template`. A subclass says how pictures get into it.

    Its own time begins `begin` ticks of `time_base` after that of the recording, in which `write` and `mux_audio` are
    told what comes when. A `fragment` is of so many seconds; 0 for one of a single picture.

    Whatever fails in here raises the error of PyAV or of the system; `VideoWriter` says what it means.
    """

    def __init__(
        self, path: Path, size: tuple[int, int], time_base: Fraction, *, template: AudioStream | None, begin: int = 0,
        fragment: Fraction = LONGEST_FRAGMENT,
    ) -> None:  # fmt: skip
        self.path = path
        self.part = part_of(path)
        self.size = size
        self.time_base = time_base
        self._begin = begin
        if os.path.lexists(path) or os.path.lexists(self.part):
            raise FileExistsError(f"{path.name} or {self.part.name} is already there")
        microseconds = max(1, int(1_000_000 * fragment))  # 0 would be no limit
        options = {**_CONTAINER, "frag_duration": str(microseconds), **clock_options(time_base, template)}
        self._container = av.open(str(self.part), "w", format="mp4", options=options)
        self._last: av.Packet[VideoStream] | None = None

    def _start(self, template: AudioStream | None) -> None:
        """Open the file; the subclass has added the video."""
        self._audio = None if template is None else self._container.add_stream_from_template(template)
        self._container.start_encoding()  # opens the encoder and the file, so that errors show now
        self._watch = DiskWatch(self.part)

    def takes(self, picture: av.VideoFrame | EncodedPicture) -> bool:
        """Whether this file can go on with `picture`; another one must begin if not."""
        return self.size == (picture.width, picture.height)

    @abstractmethod
    def write(self, picture: av.VideoFrame | EncodedPicture, pts: int) -> None:
        """Write one picture that the file `takes` at `pts` in units of `time_base`."""

    def _mux(self, packet: av.Packet[VideoStream]) -> None:
        """Write a picture; beside sound the one before it: only now it is known for how long that is shown.

        Where a packet of sound ends a fragment, FFmpeg places the next picture by the duration of the one before. What
        encoders state is the frame rate's interval.
        """
        if self._audio is None:
            self._container.mux(packet)
            return
        if self._last is not None:
            assert packet.pts is not None
            assert self._last.pts is not None
            self._last.duration = packet.pts - self._last.pts
            self._container.mux(self._last)
        self._last = packet

    def mux_audio(self, packet: av.Packet[Any]) -> None:
        """Copy one packet of audio; its time stamps are already the recording's."""
        if self._audio is not None:
            if self._begin and packet.dts is not None:
                ticks = round(self._begin * self.time_base / packet.time_base)
                packet.dts -= ticks
                packet.pts = None if packet.pts is None else packet.pts - ticks
            packet.stream = self._audio
            self._container.mux(packet)

    def trouble(self) -> str | None:
        """What will soon stop the writing, in words, or None."""
        return self._watch.trouble()

    def _flush(self) -> None:
        """Write what an encoder holds back."""
        return

    def _mux_last(self) -> None:
        if self._last is not None:
            self._container.mux(self._last)
            self._last = None

    def finish(self) -> None:
        """Write what is held back, make a plain MP4 of it and give it its name."""
        self._flush()
        self._mux_last()
        self._container.close()
        if self._watch.deleted():
            raise FileNotFoundError("it was deleted while it was being written")
        self._watch.close()
        if os.path.lexists(self.path):
            raise FileExistsError(f"{self.path.name} has appeared in the meantime")
        os.rename(self.part, self.path)

    def abandon(self) -> None:
        """Let go of the file and leave the `.part` as it is, for `recover`."""
        for close in (self._mux_last, self._container.close, self._watch.close):
            with suppress(*FAILURES):  # the first error is what counts, on its way
                close()
