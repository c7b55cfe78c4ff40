"""Camera: a webcam by its number, through V4L2 on Linux and OpenCV elsewhere."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Generator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from av.video.frame import VideoFrame

from poseline.capture import v4l2
from poseline.capture.outage import Outage
from poseline.capture.source import SourceInfo
from poseline.capture.stream import TICKS
from poseline.capture.v4l2 import V4l2Device
from poseline.capture.watchdog import ChangeWatch, RateWatch
from poseline.capture.watched import Silent, Watched
from poseline.errors import SourceError
from poseline.frame import Frame, Gap, Picture

if TYPE_CHECKING:
    from poseline.settings import CaptureSettings


log = logging.getLogger("poseline")

_SILENT_SECONDS, _SILENT_PERIODS = 1.0, 5
"""A camera counts as gone when it has given no picture for so long, whichever is longer."""


class CameraDevice(Protocol):
    """The part of `cv2.VideoCapture` that a camera needs; `ScriptedCamera` is another."""

    def isOpened(self) -> bool:  # noqa: N802 # OpenCV's name
        """Whether the device answers."""

    def set(self, prop: int, value: float) -> bool:
        """Ask the driver for a property."""

    def get(self, prop: int) -> float:
        """What the driver says of a property."""

    def read(self) -> tuple[bool, Any]:
        """Wait for the next picture: (True, (H, W, 3) uint8 BGR) or (False, None)."""

    def release(self) -> None:
        """Give the device back."""


Connected: TypeAlias = "CameraDevice | V4l2Device"
_Taken: TypeAlias = "tuple[Picture, float, bytes | None]"
"""A picture, when it was taken or came, in `time.monotonic()` seconds, and its JPEG as in `Frame`."""


class Camera:
    """A camera: frames are stamped by the driver, or when they arrive; one that is unplugged is waited for.

    Args:
        index: its number.
        settings: what to ask it for, and how long to wait for it.
        connect: gives the device of that number, or raises a SourceError; called again after an outage.
    """

    def __init__(
        self, index: int, settings: CaptureSettings, connect: Callable[[int], Connected] | None = None
    ) -> None:
        self._index, self._settings, self._connect = index, settings, connect or Plug()
        self._device: Connected | None = self._open()
        width, height, rate, fourcc = _reported(self._device)
        self.info = SourceInfo(
            name=f"camera {index}",
            live=True,
            width=width,
            height=height,
            frame_rate=Fraction(rate).limit_denominator(1001) if rate > 0 else None,
            time_base=TICKS,
        )
        self._bad = 0
        self._reading: V4l2Device | None = None
        self._rate = RateWatch(settings.cam_fps or rate)
        self._changes = ChangeWatch()
        differs = self._differs(width, height, rate, fourcc)
        self.notes = [f"camera {index} gives {width}x{height}, {rate:g} frames/s, {fourcc}{differs}"]
        if differs:
            log.warning(self.notes[0])
        self._stopped = threading.Event()
        self.outage = Outage(f"camera {index}", settings.max_outage, self._stopped)
        self.keeps_jpegs = False
        """Whether frames have the camera's own JPEG, where it gives JPEGs; to be set before `frames`."""

    @property
    def bad(self) -> int:
        """Pictures, so far, that could not be decoded."""
        return self._bad + (self._reading.bad if self._reading else 0)

    def stop(self) -> None:
        """End at the next picture."""
        self._stopped.set()

    def close(self) -> None:
        """Give the device back, where it was never read."""
        if self._device is not None:
            self._device.release()

    def frames(self) -> Generator[Frame, None, None]:
        """Pictures as they arrive; an outage shows as the next frame's `gap`."""
        outage = self.outage
        started, last, index, gap_from = time.monotonic(), 0.0, 0, None
        while (device := self._device or outage.until(self._open)) is not None:
            self._device = None
            watched = self._watched(device)
            period, began = 0.0, False
            try:
                while not self._stopped.is_set():
                    try:
                        taken = watched.next(self._patience(period))
                    except (SourceError, Silent) as error:
                        outage.failed(error)
                        break
                    if taken is None:
                        break
                    pixels, arrival, jpeg = taken
                    started = arrival if index == 0 else started
                    # A driver's stamps may run back a little where it was opened again.
                    before, last = last, max(last, arrival - started)
                    period = max(last - before, period * 0.9) if began else 0.0
                    began = True
                    gap = None if gap_from is None else Gap(gap_from, last, "the camera gave no picture")
                    gap_from = None
                    outage.over()
                    pts = round(last / TICKS)
                    if isinstance(pixels, VideoFrame):
                        pixels.pts, pixels.time_base = pts, TICKS
                    frame = Frame(pixels, index, pts, TICKS, last, arrival, self.info.name, gap=gap, jpeg=jpeg)
                    self._look(frame)
                    yield frame
                    index += 1
            finally:
                if isinstance(device, V4l2Device):
                    device.stop()
                watched.close()
                self._bad, self._reading = self.bad, None
            if self._stopped.is_set():
                return
            gap_from = last if gap_from is None else gap_from
            self.notes.append(f"outage at {last:.1f} s: camera {self._index} gave no picture")
            log.warning("camera %d gives no picture; it is tried again", self._index)

    def _watched(self, device: Connected) -> Watched[_Taken]:
        if isinstance(device, V4l2Device):
            self._reading, device.keeps_jpegs = device, self.keeps_jpegs
            return Watched(device.picture, device.release)
        return Watched(lambda: _arrived(device), device.release)

    def _patience(self, period: float) -> float:
        """Seconds to wait for the next picture; the first may take longer, as the camera finds its exposure."""
        if not period:
            return self._settings.read_timeout
        return max(_SILENT_SECONDS, _SILENT_PERIODS * period)

    def _look(self, frame: Frame) -> None:
        """Tell what is amiss with the pictures, once."""
        words = [self._changes.word(frame)]
        if not self._rate.done:
            words.append(self._rate.word(frame.time))
        for word in words:
            if word:
                self.notes.append(f"at {frame.time:.0f} s: camera {self._index} {word}")
                log.warning("camera %d %s", self._index, word)

    def _open(self) -> Connected:
        device = self._connect(self._index)
        settings = self._settings
        if isinstance(device, V4l2Device):
            try:
                device.start(settings.cam_size, settings.cam_fps, settings.fourcc, settings.open_timeout)
            except SourceError as error:
                raise SourceError(f"camera {self._index}: {error}") from error
            return device
        import cv2  # here and below only: a run that reads a file compiles its network before it loads OpenCV

        if not device.isOpened():
            device.release()
            raise SourceError(f"camera {self._index}: {_why_closed(self._index)}")
        if self._settings.fourcc:  # before the size: which sizes there are depends on the format
            device.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*self._settings.fourcc))
        if self._settings.cam_size:
            device.set(cv2.CAP_PROP_FRAME_WIDTH, self._settings.cam_size[0])
            device.set(cv2.CAP_PROP_FRAME_HEIGHT, self._settings.cam_size[1])
        if self._settings.cam_fps:
            device.set(cv2.CAP_PROP_FPS, self._settings.cam_fps)
        device.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        return device

    def _differs(self, width: int, height: int, rate: float, fourcc: str) -> str:
        asked = []
        if self._settings.cam_size and self._settings.cam_size != (width, height):
            asked.append("{}x{}".format(*self._settings.cam_size))
        if self._settings.cam_fps and abs(self._settings.cam_fps - rate) > 0.5:
            asked.append(f"{self._settings.cam_fps:g} frames/s")
        if self._settings.fourcc and self._settings.fourcc.strip() != fourcc:
            asked.append(self._settings.fourcc)
        return f" (asked for {' and '.join(asked)})" if asked else ""


def cameras() -> list[str]:
    """The camera devices that the system lists; empty where it keeps no list."""
    return sorted(str(path) for path in v4l2.DEVICES.glob("video*")) if sys.platform == "linux" else []


def check_camera(index: int) -> None:
    """Raise a SourceError for a camera that is not there, where the system can tell without opening it."""
    device = v4l2.DEVICES / f"video{index}"
    if sys.platform == "linux" and not (device.exists() and os.access(device, os.R_OK | os.W_OK)):
        raise SourceError(f"camera {index}: {_why_closed(index)}")


class Plug:
    """Connects a camera, and after an outage the same one again, whatever number it has by then."""

    def __init__(self) -> None:
        self._path: Path | None = None

    def __call__(self, index: int) -> Connected:
        """The device, not yet started."""
        if sys.platform == "linux":
            if self._path is None:
                check_camera(index)
                self._path = v4l2.stable_path(index)
            if not self._path.exists():
                raise SourceError(f"camera {index}: {self._path.name} is not plugged in")
            return V4l2Device(self._path)
        import cv2

        return cv2.VideoCapture(index)


def _arrived(device: CameraDevice) -> _Taken | None:
    """The next picture of a device that stamps none, with the time of its arrival."""
    good, pixels = device.read()
    return (pixels, time.monotonic(), None) if good else None


def _why_closed(index: int) -> str:
    device = v4l2.DEVICES / f"video{index}"
    if sys.platform != "linux":
        return "cannot be opened; is it connected, free, and is this program allowed to use it?"
    if not device.exists():
        return f"there is no {device} (found: {', '.join(cameras()) or 'none'})"
    if not os.access(device, os.R_OK | os.W_OK):
        return f"no permission for {device}; add yourself to the group video and log in again"
    return f"{device} cannot be opened; does another program use it?"


def _reported(device: Connected) -> tuple[int, int, float, str]:
    """(width, height) in pixels, frames a second and pixel format, as the driver says."""
    if isinstance(device, V4l2Device):
        return *device.size, device.rate, device.fourcc
    import cv2

    code = int(device.get(cv2.CAP_PROP_FOURCC))
    letters = "".join(chr(code >> shift & 0xFF) for shift in (0, 8, 16, 24)).strip("\0 ")
    fourcc = letters if letters.isascii() and letters.isprintable() and letters else "unknown format"  # -1: not stated
    width, height = int(device.get(cv2.CAP_PROP_FRAME_WIDTH)), int(device.get(cv2.CAP_PROP_FRAME_HEIGHT))
    return width, height, device.get(cv2.CAP_PROP_FPS), fourcc
