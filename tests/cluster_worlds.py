"""A short recording that is cut into pieces, and its log as it is compared."""

from __future__ import annotations

import json
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import av
from av.video.frame import PictureType

from poseline.capture.key_frames import cuts, key_times
from poseline.settings import CaptureSettings
from test_pieces import CROSSING, without_times

PIECES = 9
SHORTEST = 0.3
"""Seconds of a piece, at least."""


def write_crossing(path: Path) -> Path:
    """Four seconds of two persons whose ways cross, with a key frame every 12: nine pieces."""
    with av.open(str(CROSSING)) as source, av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=30, options={"preset": "ultrafast", "g": "12", "bf": "2"})
        stream.width, stream.height = 320, 180
        for index, frame in enumerate(islice(source.decode(video=0), 100)):
            picture = frame.reformat(320, 180, "yuv420p")
            picture.pts, picture.time_base, picture.pict_type = index, Fraction(1, 30), PictureType.NONE
            out.mux(stream.encode(picture))
        out.mux(stream.encode(None))
    assert len(cuts(key_times(path, CaptureSettings()), SHORTEST)) + 1 == PIECES
    return path


def log_in(folder: Path) -> list[Any]:
    """Its lines; the first and the last as objects, without what is another in each run."""
    lines = (folder / "keypoints.jsonl").read_text().splitlines()
    first, last = without_times([json.loads(line) for line in (lines[0], lines[-1])])
    return [first, *lines[1:-1], last]
