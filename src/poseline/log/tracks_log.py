"""Tracks as a keypoint log: the way back from arrays, for poses that no run of ours has found."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import numpy as np

from poseline.errors import OutputError
from poseline.frame import Frame, Gap, Pixels
from poseline.log.counts import Counts, Ended
from poseline.log.records import RunHeader
from poseline.log.tracks import Tracks
from poseline.log.writer import KeypointLog
from poseline.pose import Observation, Poses

MICROSECONDS = Fraction(1, 1_000_000)
"""Seconds a tick, where the time stamps of a clip are not known."""


def write_tracks(path: Path, tracks: Tracks) -> None:
    """Write tracks as a keypoint log of schema 1, which must not exist yet: `read_tracks` gives the same again.

    Coordinates are rounded to 0.01 pixels, scores and confidences to 0.0001, times to a microsecond.

    Raises:
        OutputError: it cannot be written, or a time is not finite.
    """
    if not np.isfinite(tracks.times).all():
        raise OutputError(f"{path}: the times of some frames are not known")
    with KeypointLog(path, _header(tracks)) as log:
        for observation in _observations(tracks):
            log.frame(observation)
        count = len(tracks)
        counts = Counts(read=count, processed=count, persons=len(tracks.rows))
        if tracks.ended != "killed":  # the log of such a run has no last line
            ended: Ended = "complete" if tracks.ended not in ("interrupted", "failed") else tracks.ended  # type: ignore[assignment] # the two are left
            log.end(counts, elapsed=0.0, fps=0.0, ended=ended)


def _header(tracks: Tracks) -> RunHeader:
    run = tracks.header
    known = run.get("video") or {}
    video = {
        "width": tracks.size[0],
        "height": tracks.size[1],
        "fps": known.get("fps"),
        "time_base": str(known.get("time_base") or MICROSECONDS),
        "pixel_aspect": tracks.pixel_aspect,
    }
    unknown = {"name": "", "sha256": None, "imgsz": None, "input": None, "precision": None}
    return RunHeader(
        source=str(run.get("source", "")),
        model=run.get("model") or unknown,
        runtime=run.get("runtime", ""),
        device=run.get("device", ""),
        skeleton=tracks.skeleton,
        video=video if tracks.sources is None else None,
        settings=run.get("settings") or {},
        versions=run.get("versions") or {},
        started=run.get("started") or datetime.now(timezone.utc).astimezone().isoformat(timespec="seconds"),
        keypoints=run.get("keypoints", ""),
        imported=run.get("imported"),
    )


def _observations(tracks: Tracks) -> Iterator[Observation]:
    time_base = Fraction(str((tracks.header.get("video") or {}).get("time_base") or MICROSECONDS))
    pts = np.rint(tracks.times / float(time_base)).astype(np.int64) if tracks.pts is None else tracks.pts
    rows = tracks.rows
    bounds = np.searchsorted(rows.frame, np.arange(len(tracks) + 1))
    gaps = sorted(tracks.gaps, key=lambda gap: gap.end)
    for place, time in enumerate(tracks.times.tolist()):
        gap: Gap | None = None
        if gaps and gaps[0].end <= time:
            gap = gaps.pop(0)
        part = slice(bounds[place], bounds[place + 1])
        poses = Poses(
            rows.box[part], rows.score[part], rows.keypoints[part],
            np.zeros(part.stop - part.start, np.int64), rows.id[part],
        )  # fmt: skip
        width, height, aspect = _shape(tracks, place)
        yield Observation(
            Frame(
                _picture(width, height), int(tracks.frames[place]), int(pts[place]), time_base, time, 0.0,
                "" if tracks.sources is None else tracks.sources[place],
                gap=gap, pixel_aspect=_aspect(aspect),
            ),
            poses,
        )  # fmt: skip


def _shape(tracks: Tracks, place: int) -> tuple[int, int, float]:
    """Width, height and pixel aspect of a frame's picture."""
    width, height, aspect = (np.nan,) * 3 if tracks.shapes is None else tracks.shapes[place].tolist()
    if not width > 0:
        width, height = tracks.size
    return int(width), int(height), aspect if aspect > 0 else tracks.pixel_aspect


@lru_cache(64)
def _picture(width: int, height: int) -> Pixels:
    """A black picture that takes no memory."""
    return np.broadcast_to(np.zeros((1, 1, 1), np.uint8), (height, width, 3))


@lru_cache(64)
def _aspect(value: float) -> Fraction:
    """The same object for the same number: the log compares by identity."""
    return Fraction(value).limit_denominator(1000)
