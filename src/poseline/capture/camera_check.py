"""What `poseline doctor cameras` finds: the formats of each camera, and the rate that it keeps for two seconds."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

from poseline.capture import v4l2
from poseline.capture.camera import Camera, cameras
from poseline.capture.watchdog import SHORT
from poseline.errors import SourceError
from poseline.settings import CaptureSettings

_SECONDS = 2.0
_ELSEWHERE = range(4)
"""Numbers that are tried where the system keeps no list of cameras."""


def check_cameras() -> Iterator[tuple[str, list[str]]]:
    """Each camera's name, and what there is to say of it, in lines."""
    for index in _numbers():
        try:
            measured = measure(index)
        except SourceError as error:
            if sys.platform == "linux":
                yield f"camera {index}", [str(error)]
            continue
        node = v4l2.stable_path(index)
        listed = formats(node) if sys.platform == "linux" else []
        yield f"camera {index}", [str(node), *listed, *measured] if listed else measured


def measure(index: int, seconds: float = _SECONDS) -> list[str]:
    """What a camera gives when nothing is asked of it, and how many frames come within `seconds`.

    Raises:
        SourceError: it cannot be opened, or gives no picture.
    """
    camera = Camera(index, CaptureSettings(max_outage=0))
    frames, times = camera.frames(), list[float]()
    try:
        deadline = float("inf")
        while time.monotonic() < deadline and (frame := next(frames, None)) is not None:
            times.append(frame.time)
            deadline = min(deadline, time.monotonic() + seconds)
            del frame
    finally:
        camera.stop()
        frames.close()
    passed = times[-1] - times[0] if times else 0.0
    rate = (len(times) - 1) / passed if passed else 0.0
    promised = float(camera.info.frame_rate or 0)
    word = f"measured: {rate:.1f} frames/s over {passed:.1f} s"
    if rate < SHORT * promised:
        word += f", not {promised:g}: too dark for its exposure, or USB is too slow"
    return [*camera.notes, word]


def formats(node: Path) -> list[str]:
    """The pixel formats of a camera of Linux, each with its sizes, as its driver lists them; empty if it does not."""
    import av
    import av.logging

    level = av.logging.get_level()
    av.logging.set_level(av.logging.INFO)
    try:
        with av.logging.Capture() as said:
            v4l2.open_v4l2(node.resolve(), {"list_formats": "all"}).close()
    except (OSError, av.error.FFmpegError):  # it ends so when it has listed them
        pass
    finally:
        av.logging.set_level(level)
    lines = "".join(text for _, _, text in said).splitlines()
    return [" ".join(line.split()) for line in lines if line.startswith(("Compressed", "Raw"))]


def _numbers() -> list[int]:
    found = [path.removeprefix(str(v4l2.DEVICES / "video")) for path in cameras()]
    return sorted(int(number) for number in found if number.isdecimal()) if sys.platform == "linux" else [*_ELSEWHERE]
