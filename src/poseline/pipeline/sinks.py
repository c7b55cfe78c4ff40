"""The sinks that every run has: the keypoint log, annotated video or pictures, and the window."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

from av.video.frame import VideoFrame

from poseline.capture import SourceInfo
from poseline.errors import OutputError, SettingsError
from poseline.frame import Picture
from poseline.inference import ModelSpec
from poseline.log import KeypointLog, RunHeader
from poseline.output import OutputFolder, Segments, Window, choose_encoder, free_file, image_file, save_image
from poseline.overlay import Drawn
from poseline.pipeline.annotated import AnnotatedVideo
from poseline.pipeline.pose_stream import Estimated
from poseline.pipeline.renderer import Renderer, RenderTask
from poseline.pipeline.sink import Sink, SinkWriter
from poseline.pipeline.video_pieces import VideoPieces
from poseline.pose import Observation
from poseline.settings import Settings
from poseline.words import counted

log = logging.getLogger("poseline")


class VideoSink(Sink):
    """Annotated video, drawn and encoded by this process."""

    name, needs_picture = "video", True

    def __init__(self, path: Path, settings: Settings) -> None:
        self._path, self._settings = path, settings
        self._closing = ExitStack()
        self._notes: list[str] = []

    def open(self, header: RunHeader, info: SourceInfo) -> None:
        """Choose the encoder; the file is opened at the first picture."""
        encoder, note = choose_encoder(self._settings.output.encoder, header.device)
        self._notes = [note] if note else []
        self._video = self._closing.enter_context(AnnotatedVideo(self._path, info, self._settings, encoder))

    def write(self, observation: Observation, picture: Picture | None) -> None:
        """Append the picture."""
        assert isinstance(picture, VideoFrame)
        self._video.write(picture, observation.frame)

    def cut(self) -> None:
        """Have the next picture begin another file."""
        self._video.cut()

    def close(self) -> list[str]:
        """Finish the file."""
        with self._closing:
            return [*self._notes, *self._video.conclude()]


class SubprocessVideoSink(Sink):
    """Annotated video, drawn and encoded by a second process, which decodes the file for itself; or by several.

    Args:
        path: of the video.
        settings: of the run.
        spec: the model whose poses are drawn.
        pieces: the recording, which is drawn in the same pieces; None: it is drawn whole.
    """

    name = "video"

    def __init__(self, path: Path, settings: Settings, spec: ModelSpec, pieces: Estimated | None) -> None:
        self._path, self._settings, self._spec, self._pieces = path, settings, spec, pieces
        self._closing = ExitStack()
        self._notes: list[str] = []

    def open(self, header: RunHeader, info: SourceInfo) -> None:
        """Start the processes."""
        assert info.path is not None
        encoder, note = choose_encoder(self._settings.output.encoder, header.device)
        self._notes = [note] if note else []
        task = RenderTask(info.path, self._path, self._settings, encoder, self._spec.skeleton, self._spec.names)
        self.renderer: Renderer | VideoPieces
        pieces = self._pieces
        self.renderer = VideoPieces(task, info, pieces.cuts, pieces.drawing) if pieces else Renderer(task)
        self._closing.enter_context(self.renderer)

    def write(self, observation: Observation, picture: Picture | None) -> None:
        """Send the poses to the renderer."""
        del picture
        self.renderer.write(observation)

    def close(self) -> list[str]:
        """Wait until the file is finished."""
        with self._closing:
            self.renderer.close()
            return [*self._notes, *self.renderer.result.remarks]


class ImageSink(Sink):
    """Annotated pictures, a file each."""

    name, needs_picture = "pictures", True

    def __init__(self, folder: OutputFolder) -> None:
        self._folder = folder
        self.written: list[Path] = []

    @property
    def last(self) -> str | None:
        """What the newest picture is called in the run's folder."""
        return self.written[-1].relative_to(self._folder.path).as_posix() if self.written else None

    def write(self, observation: Observation, picture: Picture | None) -> None:
        """Write the picture under its own name, or beside a file that has it."""
        assert picture is not None
        assert not isinstance(picture, VideoFrame)
        target = image_file(self._folder.pictures / _file_of(observation.frame.source).name)
        # What is there may be of a picture of this name in another folder, or the user's own.
        self.written.append(save_image(picture, free_file(target)))


class WindowSink(Sink):
    """The window. The run goes on without one that fails: its files matter more."""

    name, needs_picture = "window", True

    def __init__(self) -> None:
        self._window: Window | None = None
        self._notes: list[str] = []
        self._closing = ExitStack()

    def open(self, header: RunHeader, info: SourceInfo) -> None:
        """Open it."""
        del header
        window = Window(f"poseline: {info.name}", pausable=not info.live, pixel_aspect=info.pixel_aspect)
        self._window = self._closing.enter_context(window)

    def write(self, observation: Observation, picture: Picture | None) -> bool:
        """Show the picture; False when the user closed the window."""
        del observation
        assert picture is not None
        try:
            return self._window is None or self._window.show(picture)
        except OutputError as error:
            self._window = None
            self._notes.append(f"{error}; the run went on without it")
            log.warning("%s; the run goes on without it, Ctrl-C ends it", error)
            return True

    def resume(self) -> None:
        """End a pause."""
        if self._window:
            self._window.resume()

    def close(self) -> list[str]:
        """Take it down."""
        with self._closing:
            return self._notes


class Sinks:
    """All sinks of one run, opened and closed together. The run's own are measured as one, the others one by one.

    Args:
        folder: prepared, empty.
        header: the log's first record.
        info: of the source.
        settings: which of the run's own sinks there are.
        others: of the caller's making.
        render_in_subprocess: the model whose poses a second process is to draw; None: drawn by this one.
        pieces: the source, where it is one in pieces: as many processes draw it.
    """

    def __init__(
        self, folder: OutputFolder, header: RunHeader, info: SourceInfo, settings: Settings,
        others: Sequence[Sink] = (), *, render_in_subprocess: ModelSpec | None = None,
        pieces: Estimated | None = None,
    ) -> None:  # fmt: skip
        self.notes: list[str] = []
        self._folder = folder
        self._segments = Segments.of(settings.output.segment, settings.output.keep)
        if self._segments is not None and not info.width:
            raise SettingsError("--segment cuts videos, and separate pictures are none; leave it out")
        self.video = _video(folder, info, settings, render_in_subprocess, pieces)
        self.window = WindowSink() if settings.output.show else None
        self._own = [sink for sink in (self.video, self.window) if sink is not None]
        self._open: list[Sink] = []
        self._closing = ExitStack()
        with self._closing:  # if one cannot be opened, those before it are closed
            self.log = self._closing.enter_context(
                KeypointLog(folder.journal, header, in_parts=self._segments is not None)
            )
            for sink in [*self._own, *others]:
                sink.open(header, info)
                self._open.append(sink)
                self._closing.callback(self._abandon, sink)
            self._closing = self._closing.pop_all()
        self.others = [SinkWriter(sink) for sink in others]
        self._images = self.video if isinstance(self.video, ImageSink) else None
        self.renderer = self.video.renderer if isinstance(self.video, SubprocessVideoSink) else None
        """The second process, where one draws, or several."""

    @property
    def waited(self) -> float:
        """Seconds, so far, that were not work but waiting for the second process."""
        return self.renderer.waited if self.renderer else 0.0

    @property
    def pictures(self) -> list[Path]:
        """Annotated pictures written."""
        return self._images.written if self._images else []

    def write(self, item: Drawn | Observation) -> bool:
        """Give a frame to the run's own sinks, the log among them; False when the user closed the window."""
        observation, picture = _parts(item)
        if self._segments is None:
            self._record(observation, picture)
        else:
            self._record_in_segments(self._segments, observation, picture)
        return self.window is None or self.window.write(observation, picture)

    def _record(self, observation: Observation, picture: Picture | None) -> None:
        if self.video:
            self.video.write(observation, picture)
        self.log.frame(observation, self._images.last if self._images else None)

    def _record_in_segments(self, segments: Segments, observation: Observation, picture: Picture | None) -> None:
        """The same, where video and log are cut at the same frames."""
        cut, folder = segments.cuts_before(observation.frame), self._folder
        if cut:
            if isinstance(self.video, VideoSink):
                self.video.cut()
            self.log.begin_part(folder.part(segments.number), segments.number)
        self._record(observation, picture)
        if cut:
            segments.finished(folder.video_part(segments.number - 1), folder.part(segments.number - 1))

    def write_others(self, item: Drawn | Observation) -> bool:
        """Give a frame to the other sinks; False when one of them wants the run to end."""
        if not self.others:
            return True
        observation, picture = _parts(item)
        wishes = [writer.write(observation, picture) for writer in self.others]  # each gets it, whatever others wish
        return all(wishes)

    def resume(self) -> None:
        """End any pause."""
        for sink in self._open:
            sink.resume()

    def finish(self) -> None:
        """Finish all but the log, whose last line is left to the caller, who knows how the run ended.

        Each is finished, whatever the others do; the first error is raised.
        """
        first: BaseException | None = None
        self._open.clear()
        if self._segments is not None and self._segments.gone:
            self.notes.append(
                f"{self._segments.gone} of {counted(self._segments.number, 'segment')} were removed (--keep)"
            )
        for close in [*(sink.close for sink in self._own), *(writer.close for writer in self.others)]:
            try:
                self.notes += close()
            except Exception as error:  # noqa: BLE001 # the first is raised below
                first = first or error
        if first is not None:
            raise first

    def _abandon(self, sink: Sink) -> None:
        """Close what an error left open; that error is the one to be seen."""
        if sink in self._open:
            with suppress(Exception):
                sink.close()

    def __enter__(self) -> Sinks:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.__exit__(kind, error, trace)


def _video(
    folder: OutputFolder,
    info: SourceInfo,
    settings: Settings,
    render_in_subprocess: ModelSpec | None,
    pieces: Estimated | None,
) -> Sink | None:
    if not settings.output.video:
        return None
    if not info.width:  # separate pictures
        return ImageSink(folder)
    if render_in_subprocess is not None and info.path is not None:
        return SubprocessVideoSink(folder.video, settings, render_in_subprocess, pieces)
    return VideoSink(folder.video, settings)


def _parts(item: Drawn | Observation) -> tuple[Observation, Picture | None]:
    return (item.observation, item.picture) if isinstance(item, Drawn) else (item, None)


def _file_of(source: str) -> Path:
    """The file that a picture comes from; of an address, what its path ends in."""
    return Path((urlsplit(source).path if "://" in source else source).rstrip("/") or "picture")
