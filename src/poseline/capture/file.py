"""VideoFile: every frame of a recorded clip, with the clip's own time stamps."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from poseline.capture.aspect import pixel_aspect
from poseline.capture.clock import SourceClock
from poseline.capture.container import Opened, explain, open_container
from poseline.capture.decoder import Decoded, Decoder
from poseline.capture.hardware import ON_DEVICE, accelerators, refusal
from poseline.capture.source import Source, SourceInfo
from poseline.errors import SourceError, redact
from poseline.frame import Frame

if TYPE_CHECKING:
    from av.video.stream import VideoStream

    from poseline.settings import CaptureSettings

_TRUNCATED = 0.98
"""Below this share of the announced frames a file counts as cut short; headers are often off by a frame or two."""


class VideoFile:
    """A recording, on this machine or behind an address: nothing is dropped, damage is counted and passed over.

    Args:
        location: the file's path, or its address.
        settings: time-outs and the largest picture.
        opened: the same, where it is open already; the CPU decodes it.
        consumer: the device that works on the pictures; those of a file may be decoded there.
    """

    def __init__(
        self, location: Path | str, settings: CaptureSettings, opened: Opened | None = None, consumer: str = "cpu"
    ) -> None:
        path = location if isinstance(location, Path) else None
        if path is not None:
            check_readable(path)
        self._settings = settings
        self._stopped = threading.Event()
        self.notes: list[str] = []
        first = self._on_hardware(path, consumer) if path is not None else None
        if first is None:
            self._opened = opened or open_container(str(location), settings)
            self._decoder = Decoder(self._opened)
            self._rest = self._decoder.frames()
            first = self._first_of(self._rest, str(location))  # only a decoded picture tells which way up it is
        self._pictures = chain([first], self._rest)
        self.info = replace(
            video_info(self._opened.stream, redact(str(location))),
            width=first.picture.width, height=first.picture.height, path=path,
            on_device=first.picture.format.name in ON_DEVICE, pixel_aspect=self._decoder.pixel_aspect,
        )  # fmt: skip

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
            for picture, corrupt in self._pictures:
                if self._stopped.is_set():
                    return
                pts, seconds = clock.stamp(picture.pts)
                yield Frame(picture, index, pts, clock.time_base, seconds, time.monotonic(), self.info.name, corrupt)
                index += 1
        self._conclude(index)

    def _on_hardware(self, path: Path, consumer: str) -> Decoded | None:
        """Open the file on the consumer's own decoder and decode its first picture; None, and a note, if not."""
        opened, failure = None, ""
        for hardware in accelerators(self._settings.decoder, consumer):
            try:
                opened = open_container(str(path), self._settings, hardware)
                break
            except SourceError as error:  # a fault of the file's own shows again, and is raised, when the CPU opens it
                failure = f"the card's decoder cannot be opened: {_cause(error)}"
        if opened is None:
            self.notes += [f"decoded by the CPU: {failure}"] if failure else []
            return None
        self._opened = opened
        self._decoder = Decoder(self._opened)
        self._rest = self._decoder.frames()
        first = next(self._rest, None)
        reason = refusal(first.picture, opened.deinterlace) if first else "the card's decoder gave no picture"
        if reason:
            self._opened.container.close()
            self.notes.append(f"decoded by the CPU: {reason}")
            return None
        return first

    def _first_of(self, pictures: Iterator[Decoded], name: str) -> Decoded:
        for decoded in pictures:
            return decoded
        self._opened.container.close()
        raise SourceError(f"{name}: no frame could be decoded: {self._failure() or 'it holds none, or only damage'}")

    def _failure(self) -> str:
        failure = self._decoder.failure
        return explain(failure, 0, self._settings.read_timeout) if failure else ""

    def _conclude(self, count: int) -> None:
        failure, name = self._failure(), self.info.name
        if failure and self.info.path is None:
            raise SourceError(f"{name}: the connection broke off after {count} frames: {failure}")
        announced = self.info.frames
        if announced and count + self.bad < _TRUNCATED * announced:
            self.notes.append(f"read {count} of {announced} frames: {name} is cut short or damaged")
        elif failure:
            self.notes.append(f"reading ended after {count} frames: {failure}")
        if self.bad:
            self.notes.append(f"{self.bad} packets could not be decoded and were passed over")
        self.notes += self._decoder.notes


def _cause(error: SourceError) -> str:
    cause = error.__cause__
    return str(getattr(cause, "strerror", None) or cause or error)


class Rehearsal:
    """A video file that behaves as a camera: frames arrive at the clip's own pace, whoever is ready for them."""

    def __init__(self, file: Source) -> None:
        self._file = file
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
        if path.exists() and not path.is_file():  # opening a pipe would wait for its writer, perhaps for ever
            raise SourceError(f"{path}: is a device or a pipe, not a file; a camera is given by its number, such as 0")
        with path.open("rb") as file:
            if not file.read(1):
                raise SourceError(f"{path}: the file is empty")
    except FileNotFoundError:
        raise SourceError(f"{path}: no such file") from None
    except PermissionError:
        raise SourceError(f"{path}: no permission to read it") from None
    except OSError as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(f"{path}: cannot be read: {error.strerror}") from error


def video_info(stream: VideoStream, name: str) -> SourceInfo:
    """What a video stream announces of itself."""
    return SourceInfo(
        name=name,
        live=False,
        width=stream.codec_context.width,
        height=stream.codec_context.height,
        frame_rate=stream.average_rate or stream.base_rate,
        time_base=stream.time_base,
        frames=stream.frames or None,
        pixel_aspect=pixel_aspect(stream),
    )
