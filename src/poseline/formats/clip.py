"""Clip: the frames of a video file, by number and by time, without their pictures."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from poseline.errors import SourceError
from poseline.log.tracks import Doubles
from poseline.pose import Integers

MOST_FRAMES = 10_000_000
"""Frames that no clip has, so that a number in a file claims no memory: 4 days at 30 a second have fewer."""


@dataclass(frozen=True, eq=False)
class ClipFrames:
    """The F frames of a clip, as a run would number and time them."""

    path: Path
    size: tuple[int, int]
    """(width, height) of the upright picture in pixels."""
    fps: float | None
    time_base: str
    """Seconds a tick of `pts`, such as `1/90000`."""
    pixel_aspect: float
    pts: Integers
    """(F,) presentation time stamps."""
    times: Doubles
    """(F,) seconds from the first frame."""

    def __len__(self) -> int:
        return len(self.times)


def read_clip(path: Path) -> ClipFrames:
    """The frames of a video file; all of it is decoded, since only that tells which frames there are.

    Raises:
        SourceError: it is not there, no video, or cannot be read.
    """
    from poseline.capture import locate, open_source  # decoders take long to import
    from poseline.log import written_aspect
    from poseline.settings import CaptureSettings

    location = locate([path])[0] if path.is_file() else None
    if location is None or location.video is None:
        raise SourceError(f"{path}: no video file")
    source = open_source(location, CaptureSettings(decoder="cpu"))
    info = source.info
    with closing(source.frames()) as frames:
        stamps = [(frame.pts, frame.time) for frame in frames]
    return ClipFrames(
        path,
        (info.width, info.height),
        float(info.frame_rate) if info.frame_rate else None,
        str(info.time_base),
        written_aspect(info.pixel_aspect),
        np.array([pts for pts, _ in stamps], np.int64),
        np.array([time for _, time in stamps], np.float64),
    )
