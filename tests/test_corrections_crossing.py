"""Correcting a clip whose truth is known: somebody puts right what is wrong, and all that reads the log follows."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from correction_worlds import corrected_by, crossing, errors
from log_worlds import real_log
from output_worlds import SAMPLES
from poseline.corrections import Change, Corrections
from poseline.log import Rows, Tracks, read_tracks, write_tracks
from poseline.skeleton import COCO17

ENOUGH = 20
"""Acts that are to be enough."""


@pytest.fixture(scope="module")
def truth() -> Tracks:
    return crossing()


def faulty(truth: Tracks) -> Tracks:
    """The truth with what networks and trackers get wrong: ids, sides, a pose of nobody, and poses that are missing."""
    rows, mirrored = truth.rows, np.arange(17)
    for left, right in COCO17.pairs:
        mirrored[left], mirrored[right] = right, left
    frame, number, points = truth.frames[rows.frame], rows.id.copy(), rows.keypoints.copy()
    points[:, :, 2] = np.maximum(points[:, :, 2], 0.3)
    for start, end in ((40, 60), (205, 215)):
        for one, other in ((1, 2), (2, 1)):
            number[(frame >= start) & (frame <= end) & (rows.id == one)] = other
    turned = (frame >= 80) & (frame <= 90) & (rows.id == 3)
    points[turned] = points[turned][:, mirrored]
    number[(frame >= 70) & (frame <= 72) & (rows.id == 2)] = -1
    kept = np.flatnonzero(~((frame >= 145) & (frame <= 150) & (rows.id == 2)))
    ghost = np.flatnonzero((frame >= 20) & (frame <= 30) & (rows.id == 3))
    both = np.concatenate([kept, ghost])
    numbers = np.concatenate([number[kept], np.full(len(ghost), 9)])
    shifted = np.concatenate([points[kept], points[ghost] + [0, 250, 0]]).astype(np.float32)
    order = np.argsort(rows.frame[both], kind="stable")
    chosen = rows[both]
    mixed = Rows(chosen.frame, numbers, chosen.score, chosen.box, shifted, chosen.state)[order]
    return replace(truth, rows=mixed)


def correct(log: Path, truth: Tracks) -> list[Change]:
    """Make the acts of somebody who sees the truth."""
    corrections, raw = Corrections.of(log), read_tracks(log, raw=True)
    made = list(corrected_by(truth, raw))
    for change in made:
        corrections.append(change, by="Ann", tracks=raw)
    return made


def test_twenty_acts_put_a_faulty_log_right_and_all_exports_follow(truth: Tracks, tmp_path: Path) -> None:
    log = tmp_path / "keypoints.jsonl"
    write_tracks(log, faulty(truth))
    before = errors(truth, read_tracks(log))
    assert min(before.values()) > 0, before
    made = correct(log, truth)
    assert len(made) <= ENOUGH
    assert {change.do for change in made} == {"swap_persons", "identify", "delete", "add", "swap_sides"}
    corrected = read_tracks(log)
    assert errors(truth, corrected) == {"missed": 0, "false": 0, "switched": 0, "sides": 0}
    assert errors(truth, read_tracks(log, raw=True)) == before
    assert_exports_follow(log, corrected, tmp_path)


def assert_exports_follow(log: Path, corrected: Tracks, folder: Path) -> None:
    """What is written for other programs is what the corrected log says."""
    from poseline.formats.exporting import export_log

    written = export_log(log, ["csv", "coco", "mot", "posetrack"], folder / "exports").paths
    table, coco, mot, posetrack = written
    numbers = list(zip(corrected.frames[corrected.rows.frame].tolist(), corrected.rows.id.tolist(), strict=True))
    with table.open(encoding="utf-8") as file:
        rows = [(int(row["frame"]), int(row["id"])) for row in csv.DictReader(file)]
    assert rows == numbers
    persons = json.loads(coco.read_text())["annotations"]
    assert sorted((person["track_id"]) for person in persons) == sorted(corrected.rows.id.tolist())
    lines = [line.split(",") for line in mot.read_text().splitlines()]
    expected = sorted((frame + 1, number) for frame, number in numbers if number > 0)
    assert sorted((int(line[0]), int(line[1])) for line in lines) == expected
    assert len(json.loads(posetrack.read_text())["annotations"]) == len(corrected.rows[corrected.rows.id > 0])
    raw = export_log(log, "csv", folder / "raw.csv", raw=True).paths[0]
    assert len(raw.read_text().splitlines()) == len(read_tracks(log, raw=True).rows) + 1


def test_frames_that_were_corrected_are_exported_to_train_on(truth: Tracks, tmp_path: Path) -> None:
    from poseline.formats.exporting import export_log

    log = tmp_path / "keypoints.jsonl"
    write_tracks(log, faulty(truth))
    correct(log, truth)
    folder = tmp_path / "labels"
    notes = export_log(log, "yolo", folder, corrected=True, pictures=True, clip=SAMPLES / "crossing.mp4").notes
    frames = [*range(20, 31), *range(80, 91), *range(145, 151)]  # ids alone are nothing to train on
    assert f"{len(frames)} frames that were corrected" in notes
    pictures = sorted(path.name for path in folder.rglob("*.jpg"))
    assert pictures == [f"crossing_{number:06d}.jpg" for number in frames]
    labels = {path.stem: path.read_text().splitlines() for path in folder.rglob("*.txt")}
    assert sorted(f"{stem}.jpg" for stem in labels) == pictures
    by_frame = {number: int((truth.frames[truth.rows.frame] == number).sum()) for number in frames}
    assert {int(stem[-6:]): len(lines) for stem, lines in labels.items()} == by_frame, "with everybody in them"


def test_twenty_acts_put_the_log_of_a_network_right(truth: Tracks, tmp_path: Path) -> None:
    hidden = read_tracks(SAMPLES / "crossing.truth.jsonl")
    log = real_log(tmp_path, "yolo11n", "crossing")
    before = errors(truth, read_tracks(log), hidden)
    assert min(before.values()) > 0, before
    made = correct(log, truth)
    assert len(made) <= ENOUGH
    corrected = read_tracks(log)
    assert errors(truth, corrected, hidden) == {"missed": 0, "false": 0, "switched": 0, "sides": 0}
    assert_exports_follow(log, corrected, tmp_path)
    if find_spec("trackeval"):
        from poseline.evaluation import identities, read_truth, tracked_in_run

        exact = read_truth(SAMPLES / "crossing.truth.jsonl")
        found, raw = identities(exact, tracked_in_run(log)), identities(exact, tracked_in_run(log, raw=True))
        assert raw.idf1 < 0.97
        assert (found.idf1, found.mota, found.switches) == (1.0, 1.0, 0)
