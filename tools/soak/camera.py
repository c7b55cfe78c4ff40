"""Camera: an RTSP camera at 30 frames/s that stops, stalls, and changes size and password; rtsp_camera.py serves it."""

from __future__ import annotations

import contextlib
import secrets
import subprocess
import sys
import threading
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from poseline.capture import open_source
from poseline.settings import CaptureSettings

sys.path.append(str(Path(__file__).parents[2] / "tests"))
import rtp_units  # of the tests

PYTHON = "/usr/bin/python3"
"""The one that has GStreamer's bindings."""
RATE = 30
SIZES = (320, 180), (256, 192)
SEEN, EMPTY = 60, 45
"""Pictures with people in them, and without anybody, by turns."""
KEY_FRAMES = 15
SAMPLE = Path(__file__).parents[2] / "samples" / "sprint.mp4"


class Camera:
    """One camera; its address, port and first password stay the same."""

    def __init__(self, folder: Path) -> None:
        self._files = [write_units(folder / f"{width}x{height}.units", width, height) for width, height in SIZES]
        self.password = secrets.token_urlsafe(9)
        self._port, self._size = "0", 0
        self._process: subprocess.Popen[str] | None = None
        self._given_before, self._given_now = 0, 0
        self.start()

    @property
    def address(self) -> str:
        """With user name and password."""
        return f"rtsp://viewer:{self.password}@127.0.0.1:{self._port}/live"

    @property
    def given(self) -> int:
        """Pictures that it gave to anybody, to within ten for each time that it was killed."""
        return self._given_before + self._given_now

    def start(self) -> None:
        """Be there, at the same port as before."""
        script = Path(__file__).with_name("rtsp_camera.py")
        options = [
            "--port",
            self._port,
            "--rate",
            str(RATE),
            "--key-frames",
            str(KEY_FRAMES),
            "--size",
            str(self._size),
        ]
        process = subprocess.Popen(  # noqa: S603 # of our own making
            [PYTHON, str(script), *map(str, self._files), *options],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._process = process
        self._say(self.password)
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line.startswith("port "):
            raise SystemExit("the camera needs GStreamer's RTSP server (Debian: gir1.2-gst-rtsp-server-1.0)")
        self._port = line.split()[1]
        threading.Thread(target=self._listen, args=(process,), daemon=True).start()

    def stop(self) -> None:
        """End its connections, and be gone."""
        assert self._process is not None
        self._say("stop")
        self._process.wait(20)
        self._count_up()

    def kill(self) -> None:
        """Be gone at once."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._count_up()

    def stall(self, seconds: float) -> None:
        """Give no picture for a while, with the connection open."""
        self._say(f"stall {seconds}")

    def change_size(self) -> None:
        """Give pictures of the other size, from the next key frame or the next start on."""
        self._size = 1 - self._size
        if self._process is not None and self._process.poll() is None:
            self._say(f"size {self._size}")

    def refuse(self) -> None:
        """Send away whoever watches, and want another password."""
        self._say(f"password {secrets.token_urlsafe(9)}")

    def accept(self) -> None:
        """Want the first password again."""
        self._say(f"password {self.password}")

    def _say(self, line: str) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def _listen(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("given ") and process is self._process:
                self._given_now = int(line.split()[1])

    def _count_up(self) -> None:
        self._given_before, self._given_now = self.given, 0


@contextlib.contextmanager
def camera(folder: Path) -> Iterator[Camera]:
    """A camera that is gone at the end, whatever happens."""
    there = Camera(folder)
    try:
        yield there
    finally:
        there.kill()


def write_units(path: Path, width: int, height: int) -> Path:
    """A sample's pictures and then some of nobody, as H.264 for RTP."""
    frames = (av.VideoFrame.from_ndarray(pixels, format="bgr24") for pixels in pictures(width, height))
    coded = rtp_units.encoded(
        (frame.reformat(format="yuv420p") for frame in frames), RATE,
        g=str(KEY_FRAMES), keyint_min=str(KEY_FRAMES), sc_threshold="0", preset="veryfast", crf="26",
    )  # fmt: skip
    return rtp_units.write(path, coded)


def pictures(width: int, height: int) -> Iterator[Any]:
    """As many as are sent before it begins anew, which is at a key frame."""
    for frame in islice(open_source(SAMPLE, CaptureSettings()).frames(), SEEN):
        yield cv2.resize(frame.bgr, (width, height))
    nobody = np.full((height, width, 3), 90, np.uint8)
    for _ in range(EMPTY):
        yield nobody
