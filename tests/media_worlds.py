"""Worlds for the tests of capture and pipeline: clips whose every frame shows its number, and people as scripted."""

from __future__ import annotations

import gc
import itertools
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import psutil
from numpy.typing import NDArray

import scheduling
from output_worlds import SKELETON, probe
from poseline.capture import SourceInfo
from poseline.frame import Frame, Pixels
from poseline.inference import PoseEstimator, ScriptedRuntime
from poseline.inference.spec import ModelSpec
from poseline.settings import CaptureSettings, InferenceSettings, Settings, load

CAPTURE = CaptureSettings()
WAIT = 60.0
"""Seconds in which anything comes true on the slowest machine; who waits for a condition loses none of them."""
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_PORTS = iter(range(10_000 + 1_000 * (_WORKER % 20) + os.getpid() % 500, 11_000 + 1_000 * (_WORKER % 20)))
BITS = 8
BLOCK = 8
"""Pixels of one bit's block; two rows of four."""


def picture(number: int, size: tuple[int, int] = (64, 48)) -> Pixels:
    """A BGR picture, (width, height), that shows the lowest eight bits of `number` in its upper left corner."""
    pixels = np.full((size[1], size[0], 3), 60, np.uint8)
    for bit in range(BITS):
        row, column = divmod(bit, 4)
        block = slice(row * BLOCK, (row + 1) * BLOCK), slice(column * BLOCK, (column + 1) * BLOCK)
        pixels[block] = 220 if number >> bit & 1 else 20
    return pixels


def number_in(bgr: Pixels) -> int:
    """The number that a picture shows."""
    centres = [(row * BLOCK + BLOCK // 2, column * BLOCK + BLOCK // 2) for row in range(2) for column in range(4)]
    return sum(int(bgr[y, x].mean() > 120) << bit for bit, (y, x) in enumerate(centres))


def write_clip(
    path: Path,
    pts: Sequence[int],
    time_base: Fraction = Fraction(1, 30),
    *,
    size: tuple[int, int] = (64, 48),
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    first: int = 0,
    colorspace: int = 2,
    options: dict[str, str] | None = None,
    container: dict[str, str] | None = None,
) -> Path:
    """A clip whose frame i shows first + i and stands at pts[i]; its colours are tagged, and not made, `colorspace`."""
    with scheduling.kept(), av.open(str(path), "w", options=container or {}) as out:
        stream = out.add_stream(codec, rate=30, options=options or {"bf": "0", "qp": "10"})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = size[0], size[1], pix_fmt
        stream.codec_context.time_base, stream.codec_context.colorspace = time_base, colorspace
        stream.time_base = time_base
        for index, stamp in enumerate(pts):
            frame = av.VideoFrame.from_ndarray(picture(first + index, size), format="bgr24").reformat(format=pix_fmt)
            frame.colorspace = colorspace
            frame.pts, frame.time_base = stamp, time_base
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def turn(path: Path, degrees: int) -> Path:
    """Write into an MP4's track header that the picture is to be turned clockwise, as a phone does."""
    cos, sin = {90: (0, 1), 180: (-1, 0), 270: (0, -1)}[degrees]
    content = bytearray(path.read_bytes())
    begin = content.index(b"tkhd") + 4 + 4 + 36  # version and flags, then up to the matrix (ISO/IEC 14496-12, 8.3.2)
    rows = (cos, sin, 0, -sin, cos, 0, 0, 0)
    for position, value in enumerate(rows):
        content[begin + 4 * position : begin + 4 * position + 4] = (value << 16).to_bytes(4, "big", signed=True)
    path.write_bytes(content)
    return path


def probed_pts(path: Path) -> list[int]:
    """The time stamps of a clip's frames as ffprobe decodes them, in ticks; the test is marked `system("ffprobe")`."""
    return [frame["pts"] for frame in probe(path, "v", "frame=pts")["frames"]]


def joined(target: Path, *sources: Path, packets: int | None = None) -> Path:
    """A file of the first stream of each source, as it is encoded; `packets` of each, or all."""
    with ExitStack() as files:
        out = files.enter_context(av.open(str(target), "w"))
        opened = [files.enter_context(av.open(str(path))) for path in sources]
        copies = [out.add_stream_from_template(source.streams[0]) for source in opened]
        for source, copy in zip(opened, copies, strict=True):
            given = (packet for packet in source.demux(source.streams[0]) if packet.size)
            for packet in itertools.islice(given, packets):
                packet.stream = copy
                out.mux(packet)
    return target


def upright_luma(path: Path, width: int, height: int) -> NDArray[np.uint8]:
    """(N, height, width) luma of every frame, turned upright by ffmpeg itself, which its test names."""
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-vsync", "passthrough", "-f", "rawvideo"]
    raw = subprocess.run([*command, "-pix_fmt", "yuv420p", "-"], capture_output=True, check=True).stdout
    frame = width * height + 2 * ((width + 1) // 2) * ((height + 1) // 2)
    return np.frombuffer(raw, np.uint8).reshape(-1, frame)[:, : width * height].reshape(-1, height, width)


def settings(**sections: dict[str, Any]) -> Settings:
    """The defaults with changes; no tracking unless asked for."""
    return load(overrides={"tracking": {"enabled": False}, **sections})


def one_person(pixels: Pixels) -> NDArray[np.float32]:
    """A network's answer: one person in the middle of its input, with two keypoints."""
    height, width = pixels.shape[2:]
    found = np.zeros((4 + 1 + 6, 2), np.float32)
    found[:, 0] = [
        width / 2,
        height / 2,
        width / 4,
        height / 2,
        0.9,
        width / 2,
        height / 3,
        0.8,
        width / 2,
        height / 2,
        0.7,
    ]
    return found


def estimator(
    script: Callable[[Pixels], NDArray[np.float32]] = one_person, seconds: float = 0.0, in_flight: int = 1,
    batch: int = 1, inference: InferenceSettings | None = None, fixed_size: tuple[int, int] | None = None,
) -> PoseEstimator:  # fmt: skip
    """A model whose answers are written beforehand."""
    spec = ModelSpec(
        "scripted", Path("scripted.xml"), "openvino", "0" * 64, {0: "person"}, (2, 3), 32, False, SKELETON
    )  # fmt: skip
    runtime = ScriptedRuntime(script, seconds=seconds, in_flight=in_flight, batch=batch, fixed_size=fixed_size)
    return PoseEstimator(spec, runtime, inference or InferenceSettings(imgsz=64))


class ScriptedSource:
    """A source of numbered pictures; `step` is called with each number before it is given, and may sleep or raise."""

    def __init__(
        self, count: int | None, *, live: bool = False, rate: float | None = None,
        step: Callable[[int], object] = int, size: tuple[int, int] = (64, 48),
    ) -> None:  # fmt: skip
        self.info = SourceInfo("scripted", live, *size, Fraction(30), Fraction(1, 30), count)
        self.notes: list[str] = []
        self.bad = 0
        self.closed = 0
        """How often `frames` was left, however it was."""
        self._count, self._rate, self._step, self._size = count, rate, step, size
        self._stopped = threading.Event()

    def stop(self) -> None:
        self._stopped.set()

    def close(self) -> None:
        """Nothing is open."""

    def frames(self) -> Generator[Frame, None, None]:
        started = time.monotonic()
        try:
            for number in itertools.count() if self._count is None else range(self._count):
                due = started + number / self._rate - time.monotonic() if self._rate else 0.0
                if self._stopped.wait(due) if due > 0 else self._stopped.is_set():
                    return
                self._step(number)
                yield self._frame(number)
        finally:
            self.closed += 1

    def _frame(self, number: int) -> Frame:
        pixels = picture(number, self._size)
        return Frame(pixels, number, number, Fraction(1, 30), number / 30, time.monotonic(), "scripted")


def stage_threads() -> set[str]:
    """The names of the threads that a pipeline left behind."""
    return {thread.name for thread in threading.enumerate()} & {"capture", "inference", "tracking", "overlay", "output"}


def free_port(kind: int = socket.SOCK_STREAM) -> int:
    """A port of loopback where nobody listens, and where nobody will who does not ask for this one.

    It lies below those that systems give to whoever asks for any port, or connects to one; each process of the tests
    has some of its own, and gives none twice.
    """
    for port in _PORTS:
        with socket.socket(socket.AF_INET, kind) as found, suppress(OSError):
            found.bind(("127.0.0.1", port))
            return port
    raise AssertionError("every port is in use")


def in_memory(kind: type) -> int:
    """Objects of exactly this type that somebody holds, or that wait for Python to look for cycles."""
    return sum(type(each) is kind for each in gc.get_objects())


def until(condition: Callable[[], object], seconds: float = WAIT) -> bool:
    """Whether `condition` came true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def over(process: psutil.Process) -> bool:
    """Whether a process has ended, though nobody may have asked for its exit code yet."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def numbers(frames: Iterator[Frame]) -> list[int]:
    """What the frames show."""
    return [number_in(frame.bgr) for frame in frames]
