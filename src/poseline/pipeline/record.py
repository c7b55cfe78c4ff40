"""Recorder: everything that a run leaves behind, opened together and closed together."""

from __future__ import annotations

import logging
import os
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

from av.video.frame import VideoFrame

from poseline.capture import SourceInfo
from poseline.errors import OutputError
from poseline.frame import Pixels
from poseline.inference import ModelSpec
from poseline.log import KeypointLog, RunHeader
from poseline.output import OutputFolder, Window, choose_encoder, picture_file, save_picture
from poseline.overlay import Drawn
from poseline.pipeline.annotated import AnnotatedVideo
from poseline.pipeline.annotator import AnnotationTask, Annotator
from poseline.pose import Observation
from poseline.settings import Settings

log = logging.getLogger("poseline")


class Recorder:
    """Writes the journal, the annotated video or pictures, and the window of one run; one thread only.

    With `apart`, the model's, it is given observations alone, and an `Annotator` makes the video of them.
    """

    def __init__(
        self, folder: OutputFolder, header: RunHeader, info: SourceInfo, settings: Settings,
        *, apart: ModelSpec | None = None,
    ) -> None:  # fmt: skip
        self._folder, self._settings = folder, settings
        self.notes: list[str] = []
        self.pictures: list[Path] = []
        """Annotated pictures written."""
        self._closing = ExitStack()
        with self._closing:  # if one cannot be opened, those before it are closed
            self.log = self._closing.enter_context(KeypointLog(folder.journal, header))
            self._video: AnnotatedVideo | None = None
            self.annotator: Annotator | None = None
            if settings.output.video:
                encoder, note = choose_encoder(settings.output.encoder, header.device) if info.width else ("x264", "")
                self.notes += [note] if note else []
                if apart and info.path is not None:
                    task = AnnotationTask(info.path, folder.video, settings, encoder, apart.skeleton, apart.names)
                    self.annotator = self._closing.enter_context(Annotator(task))
                else:
                    video = AnnotatedVideo(folder.video, info, settings, encoder)
                    self._video = self._closing.enter_context(video)
            self._window: Window | None = (
                self._closing.enter_context(
                    Window(f"poseline: {info.name}", pausable=not info.live, pixel_aspect=info.pixel_aspect)
                )
                if settings.output.show
                else None
            )
            self._closing = self._closing.pop_all()

    def write(self, item: Drawn | Observation) -> bool:
        """Record one frame; False when the user closed the window."""
        observation, picture = (item.observation, item.picture) if isinstance(item, Drawn) else (item, None)
        saved: str | None = None
        if self.annotator:
            self.annotator.write(observation)
        elif isinstance(picture, VideoFrame) and self._video:
            self._video.write(picture, observation.frame)
        elif picture is not None and not isinstance(picture, VideoFrame) and self._settings.output.video:
            saved = self._save(picture, _file_of(observation.frame.source))
        self.log.frame(observation, saved)
        return picture is None or self._show(picture)

    @property
    def waited(self) -> float:
        """Seconds, so far, that were not work but waiting for the other process."""
        return self.annotator.waited if self.annotator else 0.0

    def resume(self) -> None:
        """End the window's pause."""
        if self._window:
            self._window.resume()

    def _show(self, picture: VideoFrame | Pixels) -> bool:
        """False when the user closed the window. The run goes on without one that fails: its files matter more."""
        try:
            return self._window is None or self._window.show(picture)
        except OutputError as error:
            self._window = None
            self.notes.append(f"{error}; the run went on without it")
            log.warning("%s; the run goes on without it, Ctrl-C ends it", error)
            return True

    def _save(self, picture: Pixels, source: Path) -> str:
        """Write an annotated picture; returns what it is called in the run's folder."""
        target = picture_file(self._folder.pictures / source.name)
        first, number = target, 2
        while os.path.lexists(target):  # of a picture of this name in another folder, or the user's own
            target, number = first.with_stem(f"{first.stem}-{number}"), number + 1
        self.pictures.append(save_picture(picture, target))
        return target.relative_to(self._folder.path).as_posix()

    def finish(self) -> None:
        """Finish the video. The journal's last line is left to the caller, who knows how the run ended."""
        if self._video is not None:
            self.notes += self._video.conclude()
        if self.annotator is not None:
            self.annotator.close()
            self.notes += self.annotator.result.notes

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.__exit__(kind, error, trace)


def _file_of(source: str) -> Path:
    """The file that a picture comes from; of an address, what its path ends in."""
    return Path((urlsplit(source).path if "://" in source else source).rstrip("/") or "picture")
