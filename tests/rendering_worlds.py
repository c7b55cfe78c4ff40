"""Clips whose pictures show their number, with logs of somebody who squats: worlds for rendering and comparing."""

from __future__ import annotations

import json
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from media_worlds import write_clip
from output_worlds import SAMPLES, stamps
from poseline.log import Tracks, read_tracks

PLAIN = {"bf": "0", "g": "25", "qp": "10"}


@lru_cache(maxsize=1)
def squatter() -> Tracks:
    """The truth of the sample: three squats in 8.4 s."""
    return read_tracks(SAMPLES / "squat.truth.jsonl")


def posture(time: float) -> NDArray[np.float64]:
    """(17, 2) pixels of the sample's athlete at a time in seconds; where the sample ends, as at its end."""
    tracks = squatter()
    points = tracks.keypoints[:, 0, :, :2].reshape(len(tracks), -1).astype(float)
    return np.array([np.interp(time, tracks.times, column) for column in points.T]).reshape(-1, 2)


def acted(
    folder: Path, name: str, *, rate: int = 25, speed: float = 1.0, begin: float = 0.0, seconds: float = 3.0,
    size: tuple[int, int] = (96, 128), pix_fmt: str = "yuv420p",
) -> Path:  # fmt: skip
    """A clip of numbered pictures and the log beside it, in which somebody squats; returns the log.

    Args:
        folder: for both.
        name: of both, without a suffix.
        rate: frames a second.
        speed: of the movement, against the sample's.
        begin: seconds of the sample at which it begins.
        seconds: of the clip.
        size: of the pictures, (width, height); the person stands in the lower right.
        pix_fmt: of the pictures; yuvj420p is of full range.
    """
    count = round(rate * seconds)
    clip = write_clip(
        folder / f"{name}.mp4", range(count), Fraction(1, rate), size=size, pix_fmt=pix_fmt, options=PLAIN
    )
    with av.open(str(clip)) as container:
        tick = container.streams.video[0].time_base
    assert tick is not None
    header = json.loads((SAMPLES / "squat.truth.jsonl").read_text().splitlines()[0])
    header["source"] = str(clip)
    header["video"] = {"width": size[0], "height": size[1], "fps": rate, "time_base": str(tick), "pixel_aspect": 1.0}
    lines = [header]
    reference = posture(0.0)
    scale = 0.65 * size[1] / np.ptp(reference[:, 1])
    for index, pts in enumerate(stamps(clip)):
        points = (posture(begin + speed * index / rate) - reference.max(axis=0)) * scale + np.array(size) * 0.9
        box = [*(points.min(axis=0) - 2), *(points.max(axis=0) + 2)]
        lines.append({
            "type": "frame", "frame": index, "pts": pts, "time": round(index / rate, 6), "dropped_before": 0,
            "corrupt": False,
            "persons": [{
                "id": 1, "score": 0.9, "box": [round(float(edge), 2) for edge in box],
                "keypoints": [[round(float(x), 2), round(float(y), 2), 0.95] for x, y in points],
            }],
        })  # fmt: skip
    counts = {"read": count, "processed": count, "dropped": 0, "bad": 0, "persons": count, "corrupt": 0}
    lines.append({"type": "end", "ended": "complete", "counts": counts, "elapsed": 1.0, "fps": 1.0, "error": None})
    log = folder / f"{name}.jsonl"
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return log
