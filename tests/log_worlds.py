"""Keypoint logs that tests write: people whose points are known, and all that a log may hold besides."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np

from analysis_worlds import DATA, NAMES
from poseline.analysis import Motion

COMPLETE: dict[str, Any] = {"type": "end", "ended": "complete", "counts": {}, "error": None}


def header(**video: Any) -> dict[str, Any]:
    """A run record; `video` replaces some of what it says of the video."""
    told = {"width": 960, "height": 540, "fps": 30.0, "time_base": "1/90000", "pixel_aspect": 1, **video}
    return {
        "type": "run", "schema": 1, "source": "clip.mp4", "model": {"name": "a model", "sha256": "0" * 64},
        "skeleton": {"names": list(NAMES), "edges": []}, "video": told,
    }  # fmt: skip


def person(number: int, points: Any, confidence: Any = 0.9) -> dict[str, Any]:
    """A person's entry; points (K, 2), of which NaN are null."""
    points = np.asarray(points, float)
    sure = np.broadcast_to(confidence, len(points))
    keypoints = [
        [None, None, 0] if np.isnan(point).any() else [*map(float, point), float(own)]
        for point, own in zip(points, sure, strict=True)
    ]
    known = points[np.isfinite(points).all(axis=1)]
    box = [*known.min(axis=0), *known.max(axis=0)] if len(known) else [0, 0, 1, 1]
    return {"id": number, "score": 0.9, "box": list(map(float, box)), "keypoints": keypoints}


def frame(index: int, time: float, persons: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "type": "frame", "frame": index, "pts": index, "time": float(time), "persons": persons,
        "dropped_before": 0, "corrupt": False,
    }  # fmt: skip


def write_log(path: Path, records: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def log_of(path: Path, motion: Motion, number: int = 1, **video: Any) -> Path:
    """The log of one person who is in every frame."""
    frames = [
        frame(row, time, [person(number, motion.points[row], motion.confidence[row])])
        for row, time in enumerate(motion.times)
    ]
    size = {"width": motion.width, "height": motion.height, "pixel_aspect": motion.pixel_aspect}
    return write_log(path, [header(**{**size, **video}), *frames, COMPLETE])


def real_log(folder: Path, model: str, name: str) -> Path:
    """The log that `poseline run samples/NAME.mp4 -m MODEL` wrote, as if to its end."""
    path = folder / f"{model}-{name}.jsonl"
    with gzip.open(DATA / f"{model}-{name}.jsonl.gz", "rb") as lines:
        content = lines.read()
    path.write_bytes(content if b'{"type":"end"' in content else content + json.dumps(COMPLETE).encode() + b"\n")
    return path
