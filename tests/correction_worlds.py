"""What the tests of corrections share: a log whose every number is known, and one who corrects a log by its truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from output_worlds import SAMPLES
from poseline.corrections import Add, Change, Delete, Identify, SwapPersons, SwapSides
from poseline.log import Rows, State, Tracks, read_tracks, write_tracks
from poseline.pose import UNTRACKED, Floats, Integers
from poseline.skeleton import COCO17, body_areas, oks

FRAMES = 30
PERSONS = (1, 2, 3)
FOUND = 0.5
"""OKS from which a pose is a person's."""
CLEARLY = 0.1
"""By how much more alike a pose is with its sides exchanged, where they are wrong."""
_SIGMAS = np.array(COCO17.sigmas, np.float32)
_SIDED = np.arange(17)
for _left, _right in COCO17.pairs:
    _SIDED[_left], _SIDED[_right] = _right, _left


def scripted() -> Tracks:
    """30 frames of three persons: keypoint k of person p is at (100 p + 3 k + f, 50 + 10 k) in frame f."""
    frame, number = (each.reshape(-1) for each in np.meshgrid(np.arange(FRAMES), PERSONS, indexing="ij"))
    keypoint = np.arange(17)
    points = np.ones((len(frame), 17, 3), np.float32)
    points[:, :, 0] = 100 * number[:, None] + 3 * keypoint + frame[:, None]
    points[:, :, 1] = 50 + 10 * keypoint
    points[:, :, 2] = 0.9
    box = np.stack([points[:, 0, 0], points[:, 0, 1], points[:, 16, 0], points[:, 16, 1]], axis=1)
    rows = Rows(
        frame.astype(np.intp), number.astype(np.int64), (1 - 0.1 * number).astype(np.float32), box, points,
        np.full(points.shape[:2], State.MEASURED, np.uint8),
    )  # fmt: skip
    times = np.arange(FRAMES) / 25
    header = {"source": "clip.mp4", "video": {"fps": 25.0}, "started": "2027-03-01T10:00:00+01:00"}
    return Tracks(times, np.arange(FRAMES), rows, COCO17, size=(640, 480), header=header)


def scripted_log(folder: Path) -> Path:
    """`scripted` as the log of a run, in a folder that is made."""
    folder.mkdir(parents=True, exist_ok=True)
    write_tracks(folder / "keypoints.jsonl", scripted())
    return folder / "keypoints.jsonl"


def crossing() -> Tracks:
    """Where everybody is in the sample `crossing`: those of whom a tenth or more is seen."""
    return seen_of(SAMPLES / "crossing.truth.jsonl")


def seen_of(path: Path) -> Tracks:
    """The truth of a sample, without those who are hidden but for a tenth."""
    import json

    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    seen = [person["visible"] >= 0.1 for line in lines if line["type"] == "frame" for person in line["persons"]]
    tracks = read_tracks(path)
    return replace(tracks, rows=tracks.rows[np.array(seen)])


def similar(truth: Rows, found: Rows) -> tuple[Floats, Floats]:
    """(N, M) OKS of poses with the truth, over all keypoints: as they are, and with left and right exchanged."""
    areas = body_areas(truth.box)
    straight, turned = (
        oks(truth.keypoints, points, areas, _SIGMAS, seen=0.0)
        for points in (found.keypoints, found.keypoints[:, _SIDED])
    )
    return straight, turned


def errors(truth: Tracks, tracks: Tracks, hidden: Tracks | None = None) -> dict[str, int]:
    """How often somebody is missed, found who is not there, found under another id, or with the sides exchanged.

    With no `missed`, `false` and `switched`, IDF1 is 1: in each frame each person has one pose, under one id. Poses of
    persons in `hidden`, who need not be found, are not false.
    """
    counts = {"missed": 0, "false": 0, "switched": 0, "sides": 0}
    ids = whom(truth, tracks)
    for number in truth.frames.tolist():
        own, found = _in(truth, number), _in(tracks, number)
        asked = own if hidden is None else _in(hidden, number)
        straight, turned = similar(asked, found)
        either = np.maximum(straight, turned)
        for person in own.id.tolist():
            row = int(np.flatnonzero(asked.id == person)[0])
            columns = np.flatnonzero(found.id == ids.get(person, -2))
            if not len(columns) or either[row, columns[0]] < FOUND:
                counts["switched" if (either[row] >= FOUND).any() else "missed"] += 1
            else:
                counts["sides"] += bool(turned[row, columns[0]] > straight[row, columns[0]] + CLEARLY)
        counts["false"] += int((either.max(axis=0, initial=0.0) < FOUND).sum())
    return counts


def whom(truth: Tracks, tracks: Tracks) -> dict[int, int]:
    """Under which id each person of the truth is found most."""
    votes: dict[int, list[int]] = {}
    for number in truth.frames.tolist():
        own, found = _in(truth, number), _in(tracks, number)
        either = np.maximum(*similar(own, found))
        for row, person in enumerate(own.id.tolist()):
            if either.shape[1] and either[row].max() >= FOUND:
                votes.setdefault(person, []).append(int(found.id[either[row].argmax()]))
    return {person: max(set(ids), key=ids.count) for person, ids in votes.items()}


Spans: TypeAlias = dict[tuple[int, ...], list[int]]
"""Frames by person, or by two persons."""


def corrected_by(truth: Tracks, tracks: Tracks) -> Iterator[Change]:
    """Acts of somebody who sees the truth: poses get their persons, false ones go, missing ones come, sides."""
    ids = whom(truth, tracks)
    wrong, false, lacking, sides = Spans(), Spans(), Spans(), Spans()
    nameless: dict[int, dict[int, tuple[float, float]]] = {}
    for number in truth.frames.tolist():
        own, found = _in(truth, number), _in(tracks, number)
        straight, turned = similar(own, found)
        either = np.maximum(straight, turned)
        taken = {}
        for row, person in enumerate(own.id.tolist()):
            best = _best(either[row], found.id, ids[person])
            if best is None:
                lacking.setdefault((person,), []).append(number)
                continue
            taken[int(found.id[best])] = ids[person]
            if found.id[best] == UNTRACKED:
                x1, y1, x2, y2 = found.box[best].tolist()
                nameless.setdefault(ids[person], {})[number] = (x1 + x2) / 2, (y1 + y2) / 2
            if turned[row, best] > straight[row, best] + CLEARLY:
                sides.setdefault((ids[person],), []).append(number)
        for had, meant in taken.items():
            if had < meant and taken.get(meant) == had:
                wrong.setdefault((had, meant), []).append(number)
        for person in set(found.id.tolist()) - {*taken}:
            false.setdefault((person,), []).append(number)
    yield from (Identify(person, at) for person, at in nameless.items())
    yield from (SwapPersons((one, other), start, end) for (one, other), start, end in _runs(wrong))
    yield from (Delete(person, start, end) for (person,), start, end in _runs(false))
    yield from (Add(ids[person], *_set(truth, person, start, end)) for (person,), start, end in _runs(lacking))
    yield from (SwapSides(person, start, end) for (person,), start, end in _runs(sides))


def _best(alike: Floats, ids: Integers, own: int) -> int | None:
    """Which pose is a person's: the one under the own id, if it is where they are, else the nearest; None: none is."""
    mine = np.flatnonzero((ids == own) & (alike >= FOUND))
    if len(mine):
        return int(mine[0])
    return int(alike.argmax()) if len(alike) and alike.max() >= FOUND else None


def _set(
    truth: Tracks, person: int, start: int, end: int
) -> tuple[dict[int, dict[str, tuple[float, float]]], dict[int, tuple[float, float, float, float]]]:
    """Poses set at the ends of a span and every eighth frame of it: somebody marks each keypoint where it is."""
    frames = sorted({start, end, *range(start, end, 8)})
    at, boxes = {}, {}
    for frame in frames:
        own = _in(truth, frame)
        row = int(np.flatnonzero(own.id == person)[0])
        places = own.keypoints[row, :, :2].tolist()
        at[frame] = {name: (x, y) for name, (x, y) in zip(COCO17.names, places, strict=True)}
        x1, y1, x2, y2 = own.box[row].tolist()
        boxes[frame] = (x1, y1, x2, y2)
    return at, boxes


def _runs(spans: Spans) -> Iterator[tuple[tuple[int, ...], int, int]]:
    """For each, the first and the last of frames that follow each other, but for gaps of two."""
    for key, frames in spans.items():
        breaks = [place + 1 for place, (one, other) in enumerate(pairwise(frames)) if other - one > 3]
        for start, end in zip([0, *breaks], [*breaks, len(frames)], strict=True):
            yield key, frames[start], frames[end - 1]


def _in(tracks: Tracks, number: int) -> Rows:
    """Everybody in the frame of this number."""
    rows: NDArray[np.intp] = np.flatnonzero(tracks.frames[tracks.rows.frame] == number)
    return tracks.rows[rows]
