"""Single pictures of a recorded clip, at the times at which a log has them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import av
import av.error
import numpy as np

from poseline.capture.container import Opened, open_container
from poseline.capture.decoder import Decoder
from poseline.capture.file import VideoFile, check_readable
from poseline.frame import Pixels, reformatted

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

    from poseline.settings import CaptureSettings

_FAR = 10.0
"""Seconds of a clip that are decoded from its start rather than sought."""
_EARLY = 1.0
"""Seconds before a picture at which decoding starts at the latest, for pictures that need later ones."""
_NEAR = 2e-4
"""Seconds by which a picture's time may differ from the log's, where times are rounded."""


def stills(path: Path, times: Sequence[float], settings: CaptureSettings) -> list[Pixels | None]:
    """The pictures at some times, (H, W, 3) uint8 BGR and upright; None where the clip has no picture of that time.

    Args:
        path: the clip.
        times: in seconds from the clip's first frame, as a log has them, also the log of a part.
        settings: how the clip is read.

    Raises:
        SourceError: the clip is not there, or cannot be read.
    """
    check_readable(path)
    found: dict[float, Pixels] = {}
    early = [time for time in times if time <= _FAR]
    late = sorted(time for time in times if time > _FAR)
    if late:
        found = _sought(path, late, settings)
    if missing := early + [time for time in late if time not in found]:
        found |= _in_order(path, missing, settings)
    return [found.get(time) for time in times]


def _in_order(path: Path, times: Sequence[float], settings: CaptureSettings) -> dict[float, Pixels]:
    """By decoding everything up to the last one."""
    last = max(times)
    found: dict[float, Pixels] = {}
    frames = VideoFile(path, settings).frames()
    try:
        for frame in frames:
            if frame.time > last + _NEAR:
                break
            for time in times:
                if time not in found and abs(frame.time - time) < _NEAR:
                    found[time] = frame.bgr
    finally:
        frames.close()
    return found


def _sought(path: Path, times: Sequence[float], settings: CaptureSettings) -> dict[float, Pixels]:
    """By seeking the key frame before each; nothing of a clip whose time stamps are not one clock."""
    found: dict[float, Pixels] = {}
    start = _first_time(path, settings)
    if start is None:
        return found
    for time in times:
        opened = open_container(str(path), settings)
        with opened.container:
            try:
                opened.container.seek(int((start + time - _EARLY) * av.time_base))
            except (av.error.FFmpegError, OverflowError):
                return found
            picture = _at(opened, start + time)
            if picture is not None:
                found[time] = np.asarray(reformatted(picture, "bgr24").to_ndarray(), np.uint8)
    return found


def _first_time(path: Path, settings: CaptureSettings) -> float | None:
    opened = open_container(str(path), settings)
    with opened.container:
        return next((time for _, time in _timed(opened)), None)


def _at(opened: Opened, time: float) -> VideoFrame | None:
    """The picture that is shown at a time, in seconds of the clip's own clock."""
    for picture, own in _timed(opened):
        if own is None or own > time + _NEAR:
            return None
        if abs(own - time) < _NEAR:
            return picture
    return None


def _timed(opened: Opened) -> Iterator[tuple[VideoFrame, float | None]]:
    """Pictures with their times; the last ones that a decoder gives have no time base of their own."""
    base = opened.stream.time_base
    for picture, *_ in Decoder(opened).frames():
        yield picture, None if picture.pts is None or base is None else float(picture.pts * base)
