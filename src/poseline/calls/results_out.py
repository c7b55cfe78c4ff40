"""ResultsOut: what a call does with each result beside giving it back: it prints, shows, draws and saves."""

from __future__ import annotations

import sys
import warnings
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple

from poseline.calls.arguments import Output
from poseline.calls.save_folder import SaveFolder
from poseline.capture import SourceInfo
from poseline.errors import OutputError
from poseline.frame import Frame, Pixels
from poseline.pose import MeanSpeed, Observation
from poseline.results import Results
from poseline.settings import CaptureSettings, Settings

# What draws, shows and writes is imported by the calls that want it.
if TYPE_CHECKING:
    from poseline.output import Window
    from poseline.pipeline import AnnotatedVideo


class Place(NamedTuple):
    """Where in a call's sources a result comes from."""

    what: str
    """What a line begins with, such as `image 1/2 bus.jpg: `."""
    stem: str
    """The name of what is saved, without a suffix."""
    video: SourceInfo | None = None
    """The video or stream of which it is a frame; None for a picture."""


class ResultsOut:
    """Prints, shows, draws and saves the results of one call, and closes what it opened.

    Args:
        output: what is asked for.
        mode: predict or track; the window waits for a key at a single picture, but not in track, where pictures are
            frames that come one by one.
        folder: where files go; None: nothing is to be written.
        capture: how videos are read.
        device: the device's name, for the encoder.
        channels: of the network's input, for the line of times.
    """

    def __init__(
        self, output: Output, mode: str, folder: SaveFolder | None, capture: CaptureSettings, device: str, channels: int
    ) -> None:
        self._output, self._mode, self._device, self._channels = output, mode, device, channels
        self._capture = capture
        self.draws = output.show or output.save or output.save_frames
        self._into = folder
        self._named: SourceInfo | None = None
        self._current = ""
        self._video: AnnotatedVideo | None = None
        self._recorded: SourceInfo | None = None
        self._window: Window | None = None
        self._closing = ExitStack()
        self._mean = MeanSpeed()

    def take(self, result: Results, seen: Observation, place: Place) -> bool:
        """Do what was asked for with the result of what was `seen`; False when the user closed the window."""
        output, frame = self._output, seen.frame
        if self._into is not None:
            result.save_dir = str(self._folder)
        if output.verbose:
            self._print(result, seen, place)
        if not (self.draws or output.writes):
            return True
        stem = self._stem(place)
        name = stem if place.video is None else f"{stem}_{frame.index + 1}"
        if output.save_txt:
            labels = self._free(self._folder / "labels" / f"{name}.txt", frame)
            result.save_txt(labels, save_conf=output.save_conf)
        if output.save_crop:
            result.save_crop(self._folder / "crops", Path(f"{name}.jpg"))
        return self._draw(result, frame, place, stem, name) if self.draws else True

    def _draw(self, result: Results, frame: Frame, place: Place, stem: str, name: str) -> bool:
        from poseline.output import save_image

        output = self._output
        picture = result.plot(
            line_width=output.line_width, boxes=output.show_boxes, conf=output.show_conf, labels=output.show_labels
        )
        if output.save and place.video is None:
            save_image(picture, self._free(self._folder / f"{stem}.jpg", frame))
        elif output.save and place.video is not None:
            self._write_video(picture, frame, place.video, stem)
        if output.save_frames and place.video is not None:
            save_image(picture, self._free(self._folder / f"{stem}_frames" / f"{name}.jpg", frame))
        return self._show(picture, place) if output.show else True

    def _write_video(self, picture: Pixels, frame: Frame, info: SourceInfo, stem: str) -> None:
        from av.video.frame import VideoFrame

        from poseline.output import choose_encoder
        from poseline.pipeline import AnnotatedVideo

        if self._video is None or self._recorded is not info:
            self._finish_video()
            target = self._free(self._folder / f"{stem}.mp4", frame)
            encoder, _ = choose_encoder("auto", self._device)
            video = AnnotatedVideo(target, info, Settings(capture=self._capture), encoder)
            self._video, self._recorded = self._closing.enter_context(video), info
        drawn = VideoFrame.from_ndarray(picture, format="bgr24")
        stated = frame.picture if isinstance(frame.picture, VideoFrame) else None
        drawn.pts = frame.pts if stated is None or stated.pts is None else stated.pts
        drawn.time_base = frame.time_base
        self._video.write(drawn, frame)

    def _finish_video(self) -> None:
        if self._video is not None:
            for note in self._video.conclude():
                warnings.warn(note, stacklevel=2)
            self._video = None

    def _show(self, picture: Pixels, place: Place) -> bool:
        from poseline.output import Window

        if self._window is None:
            live = place.video is not None and place.video.live
            title = place.video.name if place.video is not None else place.stem
            self._window = self._closing.enter_context(Window(f"poseline: {title}", pausable=not live))
        more = self._window.show(picture)
        return self._window.wait() if more and place.video is None and self._mode == "predict" else more

    @staticmethod
    def _free(path: Path, frame: Frame) -> Path:
        """The path, without the file of an earlier call there, which `exist_ok` keeps; never without the source's."""
        if path.exists():
            if Path(frame.source).exists() and path.samefile(frame.source):
                raise OutputError(f"{path}: is the source itself; give another project= or name=")
            path.unlink()
        return path

    @property
    def _folder(self) -> Path:
        return self._into.path if self._into is not None else Path()

    def _stem(self, place: Place) -> str:
        """The name of what is saved, the same for all frames of a video; a second source of a name gets a number."""
        if place.video is None or place.video is not self._named:
            self._named = place.video
            self._current = self._into.stem(place.stem) if self._into is not None else place.stem
        return self._current

    def _print(self, result: Results, seen: Observation, place: Place) -> None:
        height, width = seen.input_shape
        self._mean.add(seen.speed, seen.input_shape)
        _say(f"{place.what}{height}x{width} {result.verbose()}{seen.speed.inference:.1f}ms")

    def __enter__(self) -> ResultsOut:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._closing:
            self._finish_video()
        if kind in (None, GeneratorExit) and self._output.verbose:
            self._conclude()

    def _conclude(self) -> None:
        if self._mean.count:
            _say(self._mean.line(self._channels))
        if self._into is not None:
            _say(f"Results saved to {self._folder}")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
