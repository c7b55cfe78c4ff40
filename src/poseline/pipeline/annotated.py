"""AnnotatedVideo: the video of one run, with the source's audio."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from av.video.frame import VideoFrame

from poseline.capture import AudioTrack, SourceInfo
from poseline.frame import Frame
from poseline.output import VideoWriter, mp4_can_hold
from poseline.output.encoder import EncoderName
from poseline.settings import Settings
from poseline.words import counted, were


class AnnotatedVideo:
    """Writes drawn pictures to `path` with the audio of their source; one thread only.

    Raises (from `write` and `conclude`):
        OutputError: see `VideoWriter`.
    """

    def __init__(self, path: Path, info: SourceInfo, settings: Settings, encoder: EncoderName) -> None:
        self._notes: list[str] = []
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
                audio=audio.packets() if audio else None,
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

    def write(self, picture: VideoFrame, frame: Frame) -> None:
        """Append the drawn picture of `frame`."""
        if frame.gap is not None and picture.pts is not None:
            self._writer.move_audio((picture.pts - frame.pts) * frame.time_base, picture.pts * frame.time_base)
        self._writer.write(picture, frame.pixel_aspect)

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
