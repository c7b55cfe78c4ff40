"""What the tests of tracking formats share: a log in which people come and go, and how alike two readings of it are."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from format_worlds import SIZE, people
from output_worlds import header
from poseline.frame import Frame
from poseline.log import KeypointLog, Tracks
from poseline.log.counts import Counts
from poseline.pose import Observation, Poses
from poseline.skeleton import COCO17

COUNT = 40
"""Frames of the clip."""
DROPPED = (25, 26, 27)
STAYS = {7: range(2, 21), 3: range(10, 40), 12: range(39, 40)}
"""Whom the log has in which frames; nobody is in the first two."""


def moments() -> NDArray[np.float64]:
    """(40,) seconds of a clip whose frame rate changes: 10 to 50 frames a second."""
    steps = np.random.default_rng(3).choice([0.02, 0.04, 0.1], COUNT)
    times: NDArray[np.float64] = np.round(np.cumsum(steps) - steps[0], 6)
    return times


def write_changing_log(path: Path, persons: tuple[int, ...] = (7, 3, 12)) -> Path:
    """A log of 37 frames at uneven times: people come and go, three frames were dropped, some points are missing."""
    video = {"width": SIZE[0], "height": SIZE[1], "fps": None, "time_base": "1/1000000", "pixel_aspect": 1.0}
    black = np.broadcast_to(np.zeros((1, 1, 1), np.uint8), (SIZE[1], SIZE[0], 3))
    with KeypointLog(path, header(source="clip.mp4", skeleton=COCO17, video=video)) as log:
        for index, time in enumerate(moments().tolist()):
            if index in DROPPED:
                continue
            there = [number for number in persons if index in STAYS[number]]
            poses = people(len(there), index)
            points = poses.keypoints.copy()
            if len(there) and index % 3 == 0:
                points[0, index % 17] = np.nan
            poses = Poses(poses.boxes, poses.scores, points, poses.classes, np.array(there, np.int64))
            pts = round(time * 1e6)
            frame = Frame(black, index, pts, Fraction(1, 1_000_000), pts / 1e6, 0.0, "clip.mp4")
            log.frame(Observation(frame, poses))
        log.end(Counts(read=COUNT, processed=log.frames, dropped=len(DROPPED), persons=log.persons), 1.0, 1.0)
    return path


def by_frame(tracks: Tracks, names: tuple[str, ...] = COCO17.names) -> dict[tuple[int, int], NDArray[np.float64]]:
    """(K, 3) keypoints in the order of `names`, NaN where one is missing, by the clip's frame and the person's id."""
    order = [tracks.skeleton.names.index(name) for name in names]
    rows, found = tracks.rows, {}
    for frame, number, points in zip(tracks.frames[rows.frame].tolist(), rows.id.tolist(), rows.keypoints, strict=True):
        own = points[order].astype(np.float64)
        found[frame, number] = np.where(np.isfinite(own[:, :1]), own, np.nan)
    assert len(found) == len(rows), "nobody is in a frame twice"
    return found


def assert_alike(found: Any, expected: dict[tuple[int, int], NDArray[np.float64]], confidences: bool = True) -> None:
    """The same people in the same frames, points within 0.01 pixels, and the same points missing."""
    assert sorted(found) == sorted(expected)
    for place, points in expected.items():
        own = np.array(found[place], float)
        np.testing.assert_allclose(own[:, :2], points[:, :2], atol=0.01, err_msg=str(place))
        if confidences:
            np.testing.assert_allclose(own[:, 2], points[:, 2], atol=1.1e-4, err_msg=str(place))


def of_arrays(points: Any, ids: list[int], frames: Any = None) -> dict[tuple[int, int], NDArray[np.float64]]:
    """What a reader gives as (F, P, K, 3) x, y, confidence: (K, 3) by frame and id, of those who are there."""
    values = np.array(points, float)
    values[~np.isfinite(values[..., :2]).all(axis=-1)] = np.nan
    numbers = range(len(values)) if frames is None else frames
    return {
        (int(frame), number): values[row, person]
        for row, frame in enumerate(numbers)
        for person, number in enumerate(ids)
        if np.isfinite(values[row, person]).any()
    }
