"""Recorder: everything that a run leaves behind, opened together and closed together."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from av.video.frame import VideoFrame

from poseline.capture import AudioTrack, SourceInfo
from poseline.errors import PoselineError
from poseline.frame import Pixels
from poseline.output import (
    Counts,
    KeypointLog,
    OutputFolder,
    RunHeader,
    VideoWriter,
    Window,
    choose_encoder,
    mp4_can_hold,
    save_picture,
)
from poseline.overlay import Drawn
from poseline.pose import Observation
from poseline.settings import Settings


class Recorder:
    """Writes the journal, the annotated video or pictures, and the window of one run; one thread only."""

    def __init__(self, folder: OutputFolder, header: RunHeader, info: SourceInfo, settings: Settings) -> None:
        self._folder, self._settings = folder, settings
        self.notes: list[str] = []
        self.pictures: list[Path] = []
        """Annotated pictures written."""
        self._closing = ExitStack()
        with self._closing:  # if one cannot be opened, those before it are closed
            self.log = self._closing.enter_context(KeypointLog(folder.journal, header))
            self.video = (
                self._closing.enter_context(self._open_video(info, header.device)) if settings.output.video else None
            )
            self._window = (
                self._closing.enter_context(Window(f"poseline: {info.name}", pausable=not info.live))
                if settings.output.show
                else None
            )
            self._closing = self._closing.pop_all()

    def _open_video(self, info: SourceInfo, device: str) -> VideoWriter:
        encoder, note = choose_encoder(self._settings.output.encoder, device) if info.width else ("x264", "")
        self.notes += [note] if note else []
        sound = self._sound(info)
        return VideoWriter(
            self._folder.video,
            self._settings.output,
            encoder=encoder,
            live=info.live,
            frame_rate=info.frame_rate / self._settings.capture.vid_stride if info.frame_rate else None,
            audio=sound.packets() if sound else None,
            audio_template=sound.stream if sound else None,
        )

    def _sound(self, info: SourceInfo) -> AudioTrack | None:
        """The file's sound, where there is one and MP4 can hold it; a rehearsal of live use has none, as a camera."""
        if info.path is None or info.live or not self._settings.output.audio:
            return None
        sound = AudioTrack(info.path, self._settings.capture)
        self._closing.callback(sound.close)
        if sound.stream is None:
            return None
        codec = sound.stream.codec_context.name
        if not mp4_can_hold(codec):
            self.notes.append(f"the sound ({codec}) does not fit into an MP4 and was left out")
            return None
        return sound

    def write(self, item: Drawn | Observation) -> bool:
        """Record one frame; False when the user closed the window."""
        observation, picture = (item.observation, item.picture) if isinstance(item, Drawn) else (item, None)
        if isinstance(picture, VideoFrame) and self.video:
            self.video.write(picture)
        elif picture is not None and not isinstance(picture, VideoFrame) and self._settings.output.video:
            self._save(picture, Path(observation.frame.source))
        self.log.frame(observation)
        return self._window is None or picture is None or self._window.show(picture)

    def resume(self) -> None:
        """End the window's pause."""
        if self._window:
            self._window.resume()

    def _save(self, picture: Pixels, source: Path) -> None:
        target = self._folder.pictures / source.name
        number = 2
        while target in self.pictures:  # pictures of the same name from different folders
            target, number = target.with_stem(f"{source.stem}-{number}"), number + 1
        self.pictures.append(save_picture(picture, target))

    def conclude(self, counts: Counts, elapsed: float, error: BaseException | None) -> None:
        """Finish the video and write the journal's last line; an error on the way is raised after both were tried."""
        try:
            if self.video is not None:
                self.video.close()
                if self.video.sound_lost:
                    self.notes.append(f"the sound is not complete: {self.video.sound_lost}")
                if self.video.repaired:
                    self.notes.append(f"{self.video.repaired} time stamps did not move on; the video's were mended")
        except PoselineError as failure:
            error = error or failure
            raise
        finally:
            fps = counts.processed / elapsed if elapsed > 0 else 0.0
            self.log.end(counts, elapsed, fps, None if error is None else str(error) or type(error).__name__)

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.__exit__(kind, error, trace)
