from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from media_worlds import number_in, picture
from poseline.capture import Camera, ScriptedCamera, open_source
from poseline.capture.camera import CameraDevice
from poseline.errors import SourceError
from poseline.frame import Pixels
from poseline.settings import CaptureSettings


class Socket:
    """Where cables are plugged: each connection gets the next device, or finds none."""

    def __init__(self, *devices: ScriptedCamera | None) -> None:
        self._devices: Iterator[ScriptedCamera | None] = iter(devices)
        self.tried = 0

    def __call__(self, index: int) -> CameraDevice:
        self.tried += 1
        device = next(self._devices, None)
        if device is None:
            raise SourceError(f"camera {index}: nobody there")
        return device


def pictures(first: int, last: int) -> list[Pixels | float | None]:
    """Pictures that show their numbers."""
    return [picture(number) for number in range(first, last)]


def test_frames_are_stamped_at_their_arrival() -> None:
    script: list[Pixels | float | None] = [picture(0), 0.1, picture(1), 0.05, picture(2)]
    camera = Camera(0, CaptureSettings(max_outage=0), Socket(ScriptedCamera(script)))
    began = time.monotonic()
    coming = camera.frames()
    frames = [next(coming) for _ in range(3)]
    lasted = time.monotonic() - began
    with pytest.raises(SourceError):
        next(coming)
    assert [number_in(frame.bgr) for frame in frames] == [0, 1, 2]
    assert frames[0].time == 0.0
    assert 0.1 <= frames[1].time <= lasted
    assert frames[2].time - frames[1].time >= 0.05
    for frame in frames:
        assert frame.time == frame.arrival - frames[0].arrival
        assert abs(float(frame.pts * frame.time_base) - frame.time) < 1e-4


def test_what_the_driver_gives_is_reported_beside_what_was_asked() -> None:
    device = ScriptedCamera([], size=(640, 480), fps=25.0)
    settings = CaptureSettings(cam_size=(1280, 720), cam_fps=60, fourcc="YUYV")
    camera = Camera(1, settings, Socket(device))
    assert (camera.info.width, camera.info.height) == (640, 480)
    assert camera.info.frame_rate == Fraction(25)
    assert camera.info.live
    assert camera.notes == ["camera 1 gives 640x480, 25 frames/s, MJPG (asked for 1280x720 and 60 frames/s and YUYV)"]
    assert device.asked[cv2.CAP_PROP_FRAME_WIDTH] == 1280
    assert device.asked[cv2.CAP_PROP_FPS] == 60
    assert device.asked[cv2.CAP_PROP_FOURCC] == cv2.VideoWriter.fourcc(*"YUYV")


def test_a_camera_that_gives_what_was_asked_is_not_blamed() -> None:
    settings = CaptureSettings(cam_size=(640, 480), cam_fps=30, fourcc="MJPG")
    assert Camera(0, settings, Socket(ScriptedCamera([]))).notes == ["camera 0 gives 640x480, 30 frames/s, MJPG"]


def test_a_driver_that_tells_nothing() -> None:
    class Mute(ScriptedCamera):
        def get(self, prop: int) -> float:
            return -1.0 if prop == cv2.CAP_PROP_FOURCC else 0.0

    camera = Camera(0, CaptureSettings(), Socket(Mute([])))
    assert camera.notes == ["camera 0 gives 0x0, 0 frames/s, unknown format"]
    assert camera.info.frame_rate is None


def test_a_cable_pulled_and_put_back_is_a_gap() -> None:
    socket = Socket(ScriptedCamera(pictures(0, 3)), None, ScriptedCamera(pictures(3, 6)))
    camera = Camera(0, CaptureSettings(max_outage=60), socket)
    frames = []
    for frame in camera.frames():
        frames.append(frame)
        if len(frames) == 6:
            camera.stop()
    assert [number_in(frame.bgr) for frame in frames] == list(range(6))
    assert [frame.index for frame in frames] == list(range(6))
    assert [frame.gap is None for frame in frames] == [True, True, True, False, True, True]
    gap = frames[3].gap
    assert gap is not None
    assert (gap.start, gap.end) == (frames[2].time, frames[3].time)
    assert gap.end - gap.start > 0.3, "it really was away"
    assert "outage at" in camera.notes[-1]


def test_a_cable_that_stays_out_ends_the_run() -> None:
    camera = Camera(0, CaptureSettings(max_outage=1), Socket(ScriptedCamera(pictures(0, 2))))
    frames = camera.frames()
    assert [number_in(next(frames).bgr) for _ in range(2)] == [0, 1]
    began = time.monotonic()
    with pytest.raises(SourceError, match="camera 0: gone for 1 s; the last attempt: camera 0: nobody there"):
        next(frames)
    assert 0.9 < time.monotonic() - began < 10


def test_a_camera_that_opens_and_never_gives_a_picture_ends_the_run() -> None:
    socket = Socket(*(ScriptedCamera([]) for _ in range(1000)))
    camera = Camera(0, CaptureSettings(max_outage=1), socket)
    began = time.monotonic()
    with pytest.raises(SourceError, match="gone for 1 s; the last attempt: it opens, but gives no picture"):
        next(camera.frames())
    assert time.monotonic() - began < 10
    assert 1 < socket.tried < 10


def test_stop_ends_the_waiting_for_a_cable() -> None:
    camera = Camera(0, CaptureSettings(max_outage=60), Socket(ScriptedCamera(pictures(0, 1))))
    frames = camera.frames()
    next(frames)
    camera.stop()
    began = time.monotonic()
    assert next(frames, None) is None
    assert time.monotonic() - began < 10


def test_the_device_is_given_back_however_it_ends() -> None:
    class Counted(ScriptedCamera):
        released = 0

        def release(self) -> None:
            self.released += 1

    device = Counted(pictures(0, 5))
    frames = Camera(0, CaptureSettings(), Socket(device)).frames()
    next(frames)
    frames.close()
    assert device.released == 1


def test_a_device_that_does_not_open_is_released_and_told() -> None:
    class Closed(ScriptedCamera):
        released = 0

        def isOpened(self) -> bool:  # noqa: N802 # OpenCV's name
            return False

        def release(self) -> None:
            self.released += 1

    device = Closed([])
    with pytest.raises(SourceError, match="camera 77: "):
        Camera(77, CaptureSettings(), Socket(device))
    assert device.released == 1


@pytest.mark.skipif(
    not sys.platform.startswith("linux") or Path("/dev/video77").exists(), reason="needs a camera that is not there"
)
def test_no_camera_is_told_with_what_there_is(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SourceError, match=r"camera 77: there is no /dev/video77 \(found: "):
        open_source("77", CaptureSettings())
    assert capfd.readouterr() == ("", ""), "OpenCV says nothing of its own"


def test_a_frame_is_the_cameras_own_memory() -> None:
    pixels = np.zeros((4, 4, 3), np.uint8)
    frame = next(Camera(0, CaptureSettings(), Socket(ScriptedCamera([pixels]))).frames())
    assert frame.picture is pixels
