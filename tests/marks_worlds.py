"""Scripted people whose faults are put in by hand, and the faults of real logs by the samples' exact truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analysis_worlds import NAMES, PAIRS, SAMPLES
from log_worlds import real_log
from poseline.evaluation.faults import Fault, faults
from poseline.inspection import Mark, find_marks
from poseline.log import Rows, State, Tracks, read_tracks
from poseline.pose import UNTRACKED
from poseline.skeleton import COCO17

SIZE = (1280, 720)
TORSO = 60.0
"""Pixels of everybody's torso."""
Doubles = NDArray[np.float64]


def walker(times: Doubles, start: float, speed: float, ground: float, phase: float = 0.0) -> Doubles:
    """(T, 17, 2) pixels of somebody who walks in a line.

    Args:
        times: (T,) seconds.
        start: x of the hips at 0 s.
        speed: px/s, to the left where negative.
        ground: y of the floor.
        phase: of the steps, in radians.
    """
    ahead = np.sign(speed) or 1.0
    swing = np.sin(2 * np.pi * 0.9 * times + phase)
    hip = np.stack([start + speed * times, np.full(len(times), ground - 1.9 * TORSO)], axis=1)
    points = np.zeros((len(times), 17, 2))
    for column, name in enumerate(NAMES):
        side = {"left": 1.0, "right": -1.0}.get(name.partition("_")[0], 0.0)
        part = name.rpartition("_")[2]
        leg, arm = side * swing, -side * swing
        lifted = np.maximum(side * np.cos(2 * np.pi * 0.9 * times + phase), 0)
        x, y = {
            "hip": (0.07 * side, 0 * swing), "knee": (0.07 * side + 0.38 * leg, 0.92 - 0.1 * lifted),
            "ankle": (0.07 * side + 0.7 * leg, 1.8 - 0.25 * lifted), "shoulder": (0.1 * side, 0 * swing - 1.0),
            "elbow": (0.1 * side + 0.25 * arm, 0 * swing - 0.5), "wrist": (0.12 * side + 0.5 * arm, 0 * swing - 0.1),
            "ear": (0.04 * side, 0 * swing - 1.45), "eye": (0.15 + 0.03 * side, 0 * swing - 1.5),
            "nose": (0.2, 0 * swing - 1.4),
        }[part]  # fmt: skip
        points[:, column] = hip + TORSO * np.stack([ahead * (x + 0 * swing), y], axis=1)
    return points


def moments(count: int = 120, rate: float = 25.0) -> Doubles:
    """(count,) seconds."""
    times: Doubles = np.arange(count) / rate
    return times


def three(times: Doubles) -> list[Doubles]:
    """Three who walk apart from each other; two of them to the right."""
    return [
        walker(times, 150, 90, 330),
        walker(times, 1000, -80, 500, phase=1.0),
        walker(times, 250, 70, 670, phase=2.0),
    ]


def tracks(times: Doubles, people: Sequence[Doubles], confidence: float = 0.9) -> Tracks:
    """A log in which everybody of `people`, (T, 17, 2) each, is in every frame, with ids from 1; a little noise."""
    count, number = len(times), len(people)
    points = np.stack(people, axis=1).reshape(count * number, 17, 2)
    points = points + np.random.default_rng(1).normal(scale=0.01 * TORSO, size=points.shape)
    keypoints = np.concatenate([points, np.full((*points.shape[:2], 1), confidence)], axis=2).astype(np.float32)
    boxes = np.concatenate([points.min(axis=1) - 10, points.max(axis=1) + 10], axis=1).astype(np.float32)
    rows = Rows(
        np.repeat(np.arange(count), number), np.tile(np.arange(1, number + 1), count),
        np.full(len(points), 0.9, np.float32), boxes, keypoints, np.full((len(points), 17), State.MEASURED, np.uint8),
    )  # fmt: skip
    header = {"source": "clip.mp4", "video": {"width": SIZE[0], "height": SIZE[1]}}
    return Tracks(times, np.arange(count), rows, COCO17, SIZE, header=header)


def chosen(log: Tracks, person: int, frames: range) -> NDArray[np.bool_]:
    """Rows of a person in these frames."""
    mask: NDArray[np.bool_] = (log.rows.id == person) & np.isin(log.rows.frame, np.array(frames))
    return mask


def with_rows(log: Tracks, **values: object) -> Tracks:
    """The same with other rows."""
    return replace(log, rows=replace(log.rows, **values))  # type: ignore[arg-type] # fields of Rows, by name


def exchanged(log: Tracks, person: int, frames: range, parts: Sequence[str]) -> Tracks:
    """Left and right of these parts are taken for each other."""
    keypoints, rows = log.rows.keypoints.copy(), chosen(log, person, frames)
    for left, right in (PAIRS[part] for part in parts):
        keypoints[rows, left], keypoints[rows, right] = log.rows.keypoints[rows, right], log.rows.keypoints[rows, left]
    return with_rows(log, keypoints=keypoints)


def moved(log: Tracks, person: int, frames: range, name: str, by: tuple[float, float]) -> Tracks:
    """One point lies elsewhere, by so many torsos."""
    keypoints = log.rows.keypoints.copy()
    keypoints[chosen(log, person, frames), NAMES.index(name), :2] += np.float32(TORSO) * np.array(by, np.float32)
    return with_rows(log, keypoints=keypoints)


def doubtful(log: Tracks, person: int, frames: range, names: Sequence[str], confidence: float) -> Tracks:
    """Points of low confidence."""
    keypoints = log.rows.keypoints.copy()
    for name in names:
        keypoints[chosen(log, person, frames), NAMES.index(name), 2] = confidence
    return with_rows(log, keypoints=keypoints)


def without(log: Tracks, person: int, frames: range) -> Tracks:
    """A person is not found in these frames."""
    return replace(log, rows=log.rows[~chosen(log, person, frames)])


def called(log: Tracks, ids: dict[int, int], frames: range) -> Tracks:
    """Persons have other ids in these frames."""
    numbers = log.rows.id.copy()
    for old, new in ids.items():
        numbers[chosen(log, old, frames)] = new
    return with_rows(log, id=numbers)


def added(log: Tracks, like: int, number: int, frames: range, by: tuple[float, float] = (0, 0)) -> Tracks:
    """Somebody more, who does what person `like` does in these frames, so many pixels from them."""
    more = log.rows[chosen(log, like, frames)]
    keypoints = more.keypoints.copy()
    keypoints[:, :, :2] += np.array(by, np.float32)
    more = replace(
        more, id=np.full(len(more), number), keypoints=keypoints, box=more.box + np.array((*by, *by), np.float32)
    )
    names = ("frame", "id", "score", "box", "keypoints", "state")
    joined = {name: np.concatenate([getattr(log.rows, name), getattr(more, name)]) for name in names}
    order = np.argsort(joined["frame"], kind="stable")
    return with_rows(log, **{name: values[order] for name, values in joined.items()})


def messy(seed: int) -> Tracks:
    """A log of anything: points, ids and boxes missing or the same, ids twice in a frame, times that stand still."""
    rng = np.random.default_rng(seed)
    count = int(rng.choice([1, 2, 3, 5, 8, 20, 60]))
    times = np.sort(rng.uniform(0, count / 25, count)) if rng.random() < 0.3 else moments(count)
    log = tracks(times, three(times)[: int(rng.integers(1, 4))])
    keypoints, ids, boxes = log.rows.keypoints.copy(), log.rows.id.copy(), log.rows.box.copy()
    total = len(ids)
    if rng.random() < 0.5:
        keypoints[rng.random(keypoints.shape[:2]) < rng.choice([0.05, 0.5, 0.95])] = np.nan
    if rng.random() < 0.3:
        keypoints[:, :, 2] = rng.choice([0, np.nan, 1.0])
    if rng.random() < 0.3:
        keypoints[:, :, :2] = keypoints[0, 0, :2]
    if rng.random() < 0.3:
        keypoints[:, :, :2] += rng.normal(scale=rng.choice([1, 50, 1e5]), size=(total, 17, 2))
    if rng.random() < 0.4:
        ids[rng.random(total) < 0.3] = UNTRACKED
    if rng.random() < 0.3:
        ids = rng.integers(1, 4, total)
    if rng.random() < 0.2:
        boxes[:] = np.nan
    log = with_rows(log, keypoints=keypoints.astype(np.float32), id=ids, box=boxes)
    if rng.random() < 0.4:
        log = replace(log, rows=log.rows[rng.random(total) < rng.choice([0.1, 0.5, 0.9])])
    if rng.random() < 0.2:
        log = replace(log, size=(0, 0))
    if rng.random() < 0.3:
        log = replace(log, times=np.where(rng.random(count) < 0.3, np.nan, log.times))
    return log


# Real logs


def logged(folder: Path, model: str, name: str) -> Tracks:
    """What a model found in a sample."""
    return read_tracks(real_log(folder, model, name))


def named(fault: Fault, mark: Mark) -> bool:
    """Whether a mark says where a fault is: its kind, one of its ids, its frames, and one of its keypoints."""
    if mark.kind != fault.kind or not set(mark.persons) & set(fault.ids):
        return False
    if fault.kind == "identity":
        return any(mark.start - 2 <= frame <= mark.end + 2 for frame in fault.frames)
    near = mark.start - 1 <= max(fault.frames) and min(fault.frames) - 1 <= mark.end
    return near and bool(set(mark.keypoints) & set(fault.keypoints))


def counted_marks(name: str, log: Tracks) -> tuple[int, int, int, int, int]:
    """Of a sample's log: faults named, faults, true marks, false marks, and frames of persons that are marked."""
    true = faults(read_tracks(SAMPLES / f"{name}.truth.jsonl"), log)
    marks = [mark for mark in find_marks(log) if mark.kind in ("identity", "sides")]
    right = sum(any(named(fault, mark) for fault in true) for mark in marks)
    found = sum(any(named(fault, mark) for mark in marks) for fault in true)
    return found, len(true), right, len(marks) - right, sum(mark.end - mark.start + 1 for mark in marks)
