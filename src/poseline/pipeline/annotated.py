"""AnnotatedVideo: the video of one run, with the source's audio."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

from av.video.frame import VideoFrame

from poseline.capture import AudioTrack, SourceInfo
from poseline.frame import Frame
from poseline.output import EncodedPicture, VideoWriter, mp4_can_hold
from poseline.output.encoder import EncoderName
from poseline.settings import Settings
from poseline.words import counted, were

_SAME_TIME = 0.5
"""Seconds by which a picture's repaired time may differ from the stated one where no break comes before it."""


class AnnotatedVideo:
    """Writes drawn pictures to `path` with the audio of their source; one thread only.

    Raises (from `write` and `conclude`):
        OutputError: see `VideoWriter`.
    """

    def __init__(self, path: Path, info: SourceInfo, settings: Settings, encoder: EncoderName) -> None:
        self._notes: list[str] = []
        self._part = settings.capture if settings.capture.in_part else None
        self._begin: Fraction | None = None
        self._end: Fraction | None = None
        self._moved = Fraction(0)
        self._closing = ExitStack()
        with self._closing:  # if the second cannot be opened, the first is closed
            audio = self._audio(info, settings)
            writer = VideoWriter(
                path,
                settings.output,
                encoder=encoder,
                live=info.live,
                frame_rate=info.frame_rate / settings.capture.vid_stride if info.frame_rate else None,
                pixel_aspect=info.pixel_aspect,
                from_zero=settings.capture.start is not None or settings.output.segment is not None,
                audio=self._audio_of_part(audio) if audio and self._part else audio.packets() if audio else None,
                audio_template=audio.stream if audio else None,
            )
            self._writer = self._closing.enter_context(writer)
            self._closing = self._closing.pop_all()

    def _audio(self, info: SourceInfo, settings: Settings) -> AudioTrack | None:
        """The file's audio, where there is one and MP4 can hold it; a simulated camera has none."""
        if info.path is None or info.live or not settings.output.audio:
            return None
        audio = AudioTrack(info.path, settings.capture)
        self._closing.callback(audio.close)
        if audio.stream is None:
            return None
        codec = audio.stream.codec_context.name
        if not mp4_can_hold(codec):
            self._notes.append(f"the sound ({codec}) does not fit into an MP4 and was left out")
            return None
        return audio

    @property
    def files(self) -> list[Path]:
        """The finished files, so far."""
        return self._writer.segments

    def write(self, picture: VideoFrame | EncodedPicture, frame: Frame) -> None:
        """Append the drawn picture of `frame`."""
        if self._part is not None and not self._writer.frames and picture.pts is not None:
            self._begin_part(picture.pts * frame.time_base, frame)
        if frame.gap is not None and picture.pts is not None:
            self._end = None  # is not the file's own time any more
            self._writer.move_audio((picture.pts - frame.pts) * frame.time_base, picture.pts * frame.time_base)
        self._writer.write(picture, frame.pixel_aspect)

    @property
    def shift(self) -> Fraction:
        """Seconds that were added to the pictures' time; 0 before the first one."""
        return self._writer.shift

    def cut(self) -> None:
        """Have the next picture begin another file."""
        self._writer.cut()

    def abandon(self) -> None:
        """Let go of the file, and leave its `.part` as it is, for `recover`."""
        self._writer.abandon()

    def _begin_part(self, begin: Fraction, frame: Frame) -> None:
        """Take in when, in the file's own time, the part begins and ends: its first picture tells."""
        assert self._part is not None
        self._moved = begin - frame.pts * frame.time_base
        if self._part.start is not None:
            self._begin = begin
        if self._part.end is not None:
            self._end = begin + Fraction(self._part.end - frame.time)

    def _audio_of_part(self, audio: AudioTrack) -> Iterator[Any]:
        """The audio from the first picture on to the part's end; asked for when the first picture is there."""
        if abs(self._moved) > _SAME_TIME:
            self._notes.append("the sound was left out: the file's time stamps break before the part that was chosen")
            return
        for packet in audio.packets(self._begin):
            if self._end is not None and packet.pts is not None and packet.pts * packet.time_base >= self._end:
                return
            yield packet

    def conclude(self) -> list[str]:
        """Finish the file; returns what there is to note."""
        self._writer.close()
        notes = list(self._notes)
        if self._writer.audio_lost:
            notes.append(f"the sound is not complete: {self._writer.audio_lost}")
        if self._writer.repaired:
            count = self._writer.repaired
            notes.append(f"{counted(count, 'time stamp')} did not move on and {were(count)} repaired in the video")
        return notes

    def __enter__(self) -> AnnotatedVideo:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.__exit__(kind, error, trace)
