"""What the tests of formats share: a log whose every number is known, and how alike two readings of it are."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from output_worlds import CHILD, header
from poseline.frame import Frame
from poseline.log import KeypointLog, RunHeader, Tracks
from poseline.log.counts import Counts
from poseline.pose import Observation, Poses
from poseline.skeleton import COCO17

SIZE = (640, 480)
FPS = 30.0


@lru_cache(4)
def _black(size: tuple[int, int]) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.broadcast_to(np.zeros((1, 1, 1), np.uint8), (size[1], size[0], 3))


def people(count: int, number: int, seed: int = 0) -> Poses:
    """`count` persons with ids from 1 in frame `number`: they walk, and nothing of them is outside the picture."""
    world = np.random.default_rng((seed, number))
    keypoints = np.empty((count, len(COCO17), 3), np.float32)
    middles = 100 + 150 * np.arange(count)[:, None] + 0.5 * number % 60
    keypoints[:, :, 0] = np.round(middles + world.uniform(-40, 40, (count, 17)), 2)
    keypoints[:, :, 1] = np.round(240 + world.uniform(-150, 150, (count, 17)), 2)
    keypoints[:, :, 2] = np.round(world.uniform(0.1, 1, (count, 17)), 4)
    low, high = keypoints[:, :, :2].min(axis=1) - 5, keypoints[:, :, :2].max(axis=1) + 5
    scores = np.round(np.linspace(0.95, 0.6, count), 4).astype(np.float32)
    poses = Poses.of(np.concatenate([low, high], axis=1).round(2), scores, keypoints)
    return poses.with_ids(np.arange(1, count + 1))


def write_log(
    path: Path, frames: int = 12, persons: int = 3, *, hard: bool = True, source: str = "clip.mp4", tick: int = 3000
) -> Path:
    """A log of a clip of 30 frames a second. `hard`: with all that a format may not be able to hold.

    That is: nobody in frame 3; in frame 2 a missing wrist, and a person without an id; frame 5 was dropped, and frame 7
    comes 10 ms late.
    """
    video = {"width": SIZE[0], "height": SIZE[1], "fps": FPS, "time_base": "1/90000", "pixel_aspect": 1.0}
    with KeypointLog(path, header(source=source, skeleton=COCO17, video=video)) as log:
        for index in range(frames):
            if hard and index == 5:
                continue
            poses = people(persons, index)
            if hard and index == 2:
                points, ids = poses.keypoints.copy(), poses.ids.copy()
                points[0, 9], ids[1] = np.nan, -1
                poses = Poses(poses.boxes, poses.scores, points, poses.classes, ids)
            if hard and index == 3:
                poses = poses[:0]
            pts = index * tick + (900 if hard and index == 7 else 0)
            frame = Frame(_black(SIZE), index, pts, Fraction(1, 90000), pts / 90000, 0.0, source)
            log.frame(Observation(frame, poses))
        log.end(Counts(read=frames, processed=log.frames, dropped=frames - log.frames, persons=log.persons), 1.0, 1.0)
    return path


def write_pictures_log(path: Path, names: list[str], sizes: list[tuple[int, int]]) -> Path:
    """A log of separate pictures, two persons in each."""
    told: RunHeader = header(source="pictures", skeleton=COCO17, video=None)
    with KeypointLog(path, told) as log:
        for index, (name, size) in enumerate(zip(names, sizes, strict=True)):
            frame = Frame(_black(size), index, index, Fraction(1), float(index), 0.0, name)
            log.frame(Observation(frame, people(2, index)))
        log.end(Counts(read=len(names), processed=len(names), persons=log.persons), 1.0, 1.0)
    return path


def assert_same(
    found: Tracks, expected: Tracks, *, times: bool = True, ids: bool = True, confidences: bool = True,
    scores: bool = True, boxes: bool = True, frames: bool = True,
) -> None:  # fmt: skip
    """Two readings hold the same poses, points within 0.01 pixels; what a format does not hold is left out."""
    if frames:
        assert found.frames.tolist() == expected.frames.tolist()
        np.testing.assert_array_equal(found.rows.frame, expected.rows.frame)
    if times:
        np.testing.assert_allclose(found.times, expected.times, atol=1e-6)
    assert found.skeleton.names == expected.skeleton.names
    np.testing.assert_allclose(found.rows.keypoints[:, :, :2], expected.rows.keypoints[:, :, :2], atol=0.0101)
    assert np.isfinite(found.rows.keypoints).any()
    if confidences:
        np.testing.assert_allclose(found.rows.keypoints[:, :, 2], expected.rows.keypoints[:, :, 2], atol=1.1e-4)
    if ids:
        assert found.rows.id.tolist() == expected.rows.id.tolist()
    if scores:
        np.testing.assert_allclose(found.rows.score, expected.rows.score, atol=1.1e-4)
    if boxes:
        np.testing.assert_allclose(found.rows.box, expected.rows.box, atol=0.0201)


def read_by(python: str, code: str, *arguments: str | Path) -> str:
    """What a program prints that is run by the Python which has the readers."""
    command = [python, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False, env=CHILD)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def command_line(*words: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """`poseline` with these words, in a process of its own."""
    command = [sys.executable, "-m", "poseline", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=280, check=False, cwd=cwd, env=CHILD)


def seen_or_hidden(tracks: Tracks) -> Any:
    """The confidences of all keypoints after a format that only tells seen from hidden ones."""
    confidence = tracks.rows.keypoints[:, :, 2]
    return np.where(np.isnan(confidence), np.nan, np.where(confidence >= 0.5, 1, 0.25))
