"""VideoFile: every frame of a recorded clip, with the clip's own time stamps."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from poseline.capture.clock import SourceClock
from poseline.capture.container import explain, open_container
from poseline.capture.decoder import Decoder
from poseline.capture.source import SourceInfo
from poseline.errors import SourceError
from poseline.frame import Frame

if TYPE_CHECKING:
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

    from poseline.settings import CaptureSettings

_TRUNCATED = 0.98
"""Below this share of the announced frames a file counts as cut short; headers are often off by a frame or two."""


class VideoFile:
    """A video file: nothing is dropped, damage is counted and passed over."""

    def __init__(self, path: Path, settings: CaptureSettings) -> None:
        check_readable(path)
        self._settings, self._opened = settings, open_container(str(path), settings)
        self._decoder = Decoder(self._opened)
        self._stopped = threading.Event()
        self.notes: list[str] = []
        self._pictures: Iterator[VideoFrame] = self._decoder.frames()
        first = self._first_picture(path)  # only a decoded picture tells which way up it is
        self._pictures = chain([first], self._pictures)
        self.info = replace(
            video_info(self._opened.stream, str(path), live=False, path=path), width=first.width, height=first.height
        )

    @property
    def bad(self) -> int:
        """Packets, so far, that could not be decoded."""
        return self._decoder.bad

    def stop(self) -> None:
        """End after the present frame."""
        self._stopped.set()

    def frames(self) -> Generator[Frame, None, None]:
        """The clip's frames in presentation order."""
        clock, index = SourceClock(self._opened.stream.time_base, self.info.frame_rate), 0
        with self._opened.container:
            for picture in self._pictures:
                if self._stopped.is_set():
                    return
                pts, seconds = clock.stamp(picture.pts)
                yield Frame(
                    picture, index, pts, clock.time_base, seconds, time.monotonic(), self.info.name, picture.is_corrupt
                )
                index += 1
        self._conclude(index)

    def _first_picture(self, path: Path) -> VideoFrame:
        for picture in self._pictures:
            return picture
        self._opened.container.close()
        failure = self._decoder.failure
        reason = explain(failure, 0, self._settings.read_timeout) if failure else "it holds none, or only damage"
        raise SourceError(f"{path}: no frame could be decoded: {reason}")

    def _conclude(self, count: int) -> None:
        announced = self.info.frames
        if announced and count + self.bad < _TRUNCATED * announced:
            self.notes.append(f"read {count} of {announced} frames: {self.info.name} is cut short or damaged")
        if self.bad:
            self.notes.append(f"{self.bad} packets could not be decoded and were passed over")


class Rehearsal:
    """A video file that behaves as a camera: frames arrive at the clip's own pace, whoever is ready for them."""

    def __init__(self, path: Path, settings: CaptureSettings) -> None:
        self._file = VideoFile(path, settings)
        self._stopped = threading.Event()
        self.info = replace(self._file.info, live=True)
        self.notes = self._file.notes

    @property
    def bad(self) -> int:
        """Packets, so far, that could not be decoded."""
        return self._file.bad

    def stop(self) -> None:
        """End now, also between two frames."""
        self._stopped.set()
        self._file.stop()

    def frames(self) -> Generator[Frame, None, None]:
        """The clip's frames, each not before its time."""
        started: float | None = None
        for frame in self._file.frames():
            started = time.monotonic() - frame.time if started is None else started
            if self._stopped.wait(max(0.0, started + frame.time - time.monotonic())):
                return
            yield replace(frame, arrival=time.monotonic())


def check_readable(path: Path) -> None:
    """Raise a SourceError that says why `path` is no readable file."""
    try:
        if path.is_dir():
            raise SourceError(f"{path}: is a folder, not a video")
        with path.open("rb") as file:
            if not file.read(1):
                raise SourceError(f"{path}: the file is empty")
    except FileNotFoundError:
        raise SourceError(f"{path}: no such file") from None
    except PermissionError:
        raise SourceError(f"{path}: no permission to read it") from None


def video_info(stream: VideoStream, name: str, *, live: bool, path: Path | None = None) -> SourceInfo:
    """What a video stream announces of itself."""
    return SourceInfo(
        name=name,
        live=live,
        width=stream.codec_context.width,
        height=stream.codec_context.height,
        frame_rate=stream.average_rate or stream.base_rate,
        time_base=stream.time_base,
        frames=stream.frames or None,
        path=path,
    )
