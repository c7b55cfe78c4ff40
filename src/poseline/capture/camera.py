"""Camera: a webcam by its number, through OpenCV."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Generator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from poseline.capture.outage import Outage
from poseline.capture.source import SourceInfo
from poseline.capture.stream import TICKS
from poseline.errors import SourceError
from poseline.frame import Frame, Gap

if TYPE_CHECKING:
    from poseline.settings import CaptureSettings


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


class Camera:
    """A camera: frames are stamped when they arrive; one that is unplugged is waited for."""

    def __init__(
        self, index: int, settings: CaptureSettings, connect: Callable[[int], CameraDevice] | None = None
    ) -> None:
        self._index, self._settings, self._connect = index, settings, connect or _connect
        self._device: CameraDevice | None = self._open()
        width, height, rate, fourcc = _reported(self._device)
        self.info = SourceInfo(
            name=f"camera {index}",
            live=True,
            width=width,
            height=height,
            frame_rate=Fraction(rate).limit_denominator(1001) if rate > 0 else None,
            time_base=TICKS,
        )
        self.bad = 0
        differs = self._differs(width, height, rate, fourcc)
        self.notes = [f"camera {index} gives {width}x{height}, {rate:g} frames/s, {fourcc}{differs}"]
        self._stopped = threading.Event()

    def stop(self) -> None:
        """End at the next picture."""
        self._stopped.set()

    def close(self) -> None:
        """Give the device back, where it was never read."""
        if self._device is not None:
            self._device.release()

    def frames(self) -> Generator[Frame, None, None]:
        """Pictures as they arrive; an outage shows as the next frame's `gap`."""
        outage = Outage(f"camera {self._index}", self._settings.max_outage, self._stopped)
        started, last, index, gap_from = time.monotonic(), 0.0, 0, None
        while (device := self._device or outage.until(self._open)) is not None:
            self._device = None
            try:
                while not self._stopped.is_set():
                    good, pixels = device.read()
                    if not good:
                        break
                    arrival = time.monotonic()
                    started = arrival if index == 0 else started
                    last = arrival - started
                    gap = None if gap_from is None else Gap(gap_from, last, "the camera gave no picture")
                    gap_from = None
                    outage.over()
                    yield Frame(pixels, index, round(last / TICKS), TICKS, last, arrival, self.info.name, gap=gap)
                    index += 1
            finally:
                device.release()
            if self._stopped.is_set():
                return
            gap_from = last if gap_from is None else gap_from
            self.notes.append(f"outage at {last:.1f} s: camera {self._index} gave no picture")

    def _open(self) -> CameraDevice:
        import cv2  # here and below only: a run that reads a file compiles its network before it loads OpenCV

        device = self._connect(self._index)
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
    return sorted(str(path) for path in Path("/dev").glob("video*")) if sys.platform == "linux" else []


def check_camera(index: int) -> None:
    """Raise a SourceError for a camera that is not there, where the system lists cameras."""
    device = Path(f"/dev/video{index}")
    if sys.platform == "linux" and not (device.exists() and os.access(device, os.R_OK | os.W_OK)):
        raise SourceError(f"camera {index}: {_why_closed(index)}")


def _connect(index: int) -> CameraDevice:
    check_camera(index)  # before OpenCV fills the terminal with warnings
    import cv2

    return cv2.VideoCapture(index)


def _why_closed(index: int) -> str:
    device = Path(f"/dev/video{index}")
    if sys.platform != "linux":
        return "cannot be opened; is it connected, free, and is this program allowed to use it?"
    if not device.exists():
        return f"there is no {device} (found: {', '.join(cameras()) or 'none'})"
    if not os.access(device, os.R_OK | os.W_OK):
        return f"no permission for {device}; add yourself to the group video and log in again"
    return f"{device} cannot be opened; does another program use it?"


def _reported(device: CameraDevice) -> tuple[int, int, float, str]:
    import cv2

    code = int(device.get(cv2.CAP_PROP_FOURCC))
    letters = "".join(chr(code >> shift & 0xFF) for shift in (0, 8, 16, 24)).strip("\0 ")
    fourcc = letters if letters.isascii() and letters.isprintable() and letters else "unknown format"  # -1: not stated
    width, height = int(device.get(cv2.CAP_PROP_FRAME_WIDTH)), int(device.get(cv2.CAP_PROP_FRAME_HEIGHT))
    return width, height, device.get(cv2.CAP_PROP_FPS), fourcc
