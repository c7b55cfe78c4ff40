"""Marks: single faults put into scripted people are found exactly, and those of real logs by their truth."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from analysis_worlds import NAMES, PAIRS
from marks_worlds import (
    SIZE,
    added,
    called,
    counted_marks,
    doubtful,
    exchanged,
    logged,
    messy,
    moments,
    moved,
    three,
    tracks,
    walker,
    with_rows,
    without,
)
from output_worlds import SAMPLES
from poseline.errors import SourceError
from poseline.inspection import Mark, find_marks
from poseline.log import Tracks, read_tracks
from poseline.pose import UNTRACKED
from poseline.skeleton import Skeleton


@pytest.fixture(scope="module")
def clean() -> Tracks:
    times = moments()
    return tracks(times, three(times))


def only(log: Tracks) -> Mark:
    """The one mark of a log."""
    marks = find_marks(log)
    assert len(marks) == 1, marks
    assert 0 < marks[0].severity <= 1
    return marks[0]


def place(mark: Mark) -> tuple[str, tuple[int, ...], int, int]:
    return mark.kind, mark.persons, mark.start, mark.end


@pytest.mark.parametrize("rate", [12.5, 25.0, 50.0, 120.0])
def test_nothing_deserves_a_look_where_nothing_is_wrong(rate: float) -> None:
    times = moments(int(5 * rate), rate)
    assert find_marks(tracks(times, three(times))) == []


def test_people_who_pass_each_other_are_no_fault() -> None:
    times = moments()
    assert find_marks(tracks(times, [walker(times, 200, 100, 400), walker(times, 700, -100, 430, 1.0)])) == []


@pytest.mark.parametrize(
    "parts", [("knee",), ("ankle",), ("knee", "ankle"), ("hip", "knee", "ankle")], ids=" and ".join
)
def test_legs_that_are_exchanged(clean: Tracks, parts: tuple[str, ...]) -> None:
    mark = only(exchanged(clean, 2, range(40, 45), parts))
    assert place(mark) == ("sides", (2,), 40, 44)
    assert {name.partition("_")[2] for name in mark.keypoints} >= set(parts) - {"hip"}
    assert mark.why == f"left and right {' and '.join(part for part in parts if part != 'hip')} exchanged for 5 frames"
    assert mark.severity > 0.5


def test_arms_that_are_exchanged(clean: Tracks) -> None:
    mark = only(exchanged(clean, 1, range(33, 35), ("elbow", "wrist")))
    assert place(mark) == ("sides", (1,), 33, 34)
    assert {"left_wrist", "right_wrist"} <= set(mark.keypoints)


def test_a_whole_body_that_is_exchanged_is_one_mark(clean: Tracks) -> None:
    mark = only(exchanged(clean, 2, range(40, 45), list(PAIRS)))
    assert place(mark) == ("sides", (2,), 40, 44)
    assert mark.why == "left and right of the whole body exchanged for 5 frames"
    assert {"left_knee", "right_wrist"} <= set(mark.keypoints)


def test_two_who_exchange_their_ids(clean: Tracks) -> None:
    mark = only(called(clean, {1: 2, 2: 1}, range(60, 120)))
    assert place(mark) == ("identity", (1, 2), 60, 60)
    assert mark.why == "1 and 2 exchange places"
    assert mark.severity > 0.9


def test_two_who_exchange_their_ids_while_they_pass() -> None:
    times = moments()
    log = tracks(times, [walker(times, 300, 100, 400), walker(times, 780, -100, 400, 1.0)])
    meet = int(np.argmin(np.abs(times - 2.4)))
    marks = [mark for mark in find_marks(called(log, {1: 2, 2: 1}, range(meet, 120))) if mark.kind == "identity"]
    assert len(marks) == 1
    assert marks[0].persons == (1, 2)
    assert marks[0].start <= meet <= marks[0].end
    assert not [mark for mark in find_marks(log) if mark.kind == "identity"]


def test_a_path_that_goes_on_under_another_id(clean: Tracks) -> None:
    mark = only(called(clean, {3: 7}, range(60, 120)))
    assert place(mark) == ("identity", (3, 7), 59, 60)
    assert mark.why == "the path of 3 goes on as 7"


def test_an_id_that_jumps_to_the_neighbour(clean: Tracks) -> None:
    log = without(clean, 2, range(60, 120))
    log = called(added(log, 1, 9, range(60, 120)), {1: 0}, range(60, 120))  # 9 goes on where 1 was
    log = without(added(log, 3, 8, range(60, 70)), 3, range(60, 70))
    kinds = {(mark.kind, mark.persons) for mark in find_marks(log)}
    assert any(kind == "identity" for kind, _ in kinds)
    stolen = called(without(clean, 2, range(60, 120)), {1: 2}, range(60, 120))
    marks = [mark for mark in find_marks(stolen) if mark.kind == "identity" and 2 in mark.persons]
    assert [(mark.start, mark.end) for mark in marks][:1] == [(60, 60)]
    assert marks[0].persons == (2, 1)


def test_two_ids_on_one_body(clean: Tracks) -> None:
    marks = find_marks(added(clean, 1, 5, range(30, 50), (2, 1)))
    assert [place(mark) for mark in marks if mark.kind == "identity"] == [("identity", (1, 5), 30, 49)]


@pytest.mark.parametrize(
    ("frames", "back"), [(range(50, 51), "back after 1 frame"), (range(50, 53), "back after 3 frames")]
)
def test_a_point_that_jumps(clean: Tracks, frames: range, back: str) -> None:
    mark = only(moved(clean, 3, frames, "left_wrist", (0.5, -1.0)))
    assert place(mark) == ("jump", (3,), 50, frames[-1])
    assert mark.keypoints == ("left_wrist",)
    assert mark.why.startswith("left wrist jumps by 1.")
    assert mark.why.endswith(back)


def test_points_that_jump_together_are_one_mark(clean: Tracks) -> None:
    log = moved(moved(clean, 3, range(50, 51), "left_wrist", (1, -1)), 3, range(50, 51), "left_elbow", (1, -1))
    assert set(only(log).keypoints) == {"left_wrist", "left_elbow"}


def test_somebody_who_is_missing_for_a_while(clean: Tracks) -> None:
    mark = only(without(clean, 3, range(70, 85)))
    assert place(mark) == ("gap", (3,), 70, 84)
    assert mark.why == "not seen for 15 frames"


def test_a_frame_without_somebody_is_none(clean: Tracks) -> None:
    assert find_marks(without(clean, 3, range(70, 71))) == []


def test_somebody_who_is_seen_for_a_moment(clean: Tracks) -> None:
    brief = only(added(clean, 1, 9, range(20, 25), (600, 0)))
    assert place(brief) == ("brief", (9,), 20, 24)
    assert brief.why == "seen in 5 frames only"
    once = only(added(clean, 1, 9, range(20, 21), (600, 0)))
    assert place(once) == ("brief", (9,), 20, 20)
    assert once.why == "seen once only"
    assert once.severity > brief.severity


def test_a_joint_that_the_model_is_unsure_of(clean: Tracks) -> None:
    mark = only(doubtful(clean, 2, range(80, 95), ["right_ankle"], 0.2))
    assert place(mark) == ("low_confidence", (2,), 80, 94)
    assert mark.keypoints == ("right_ankle",)
    assert mark.why == "right ankle of confidence 0.20 for 15 frames"
    assert find_marks(doubtful(clean, 2, range(80, 95), ["right_wrist"], 0.2)) == [], "an arm matters less"
    assert find_marks(doubtful(clean, 2, range(120), list(NAMES), 0.2)) == [], "nothing of them is well seen"


def test_faults_are_sorted_by_severity(clean: Tracks) -> None:
    log = without(clean, 3, range(70, 85))
    log = called(exchanged(log, 2, range(40, 45), ("knee", "ankle")), {1: 7}, range(100, 120))
    marks = find_marks(doubtful(log, 1, range(10, 30), ["left_knee"], 0.3))
    assert {mark.kind for mark in marks} == {"sides", "identity", "gap", "low_confidence"}
    assert [mark.severity for mark in marks] == sorted((mark.severity for mark in marks), reverse=True)


def test_marks_carry_the_frame_numbers_of_the_log(clean: Tracks) -> None:
    log = replace(exchanged(clean, 2, range(40, 45), ("knee", "ankle")), frames=1000 + 2 * np.arange(120))
    assert place(only(log)) == ("sides", (2,), 1080, 1088)


def test_wide_pixels_are_no_faults(clean: Tracks) -> None:
    keypoints = clean.rows.keypoints.copy()
    keypoints[:, :, 0] /= 2
    log = replace(with_rows(clean, keypoints=keypoints), pixel_aspect=2.0, size=(SIZE[0] // 2, SIZE[1]))
    assert find_marks(log) == []
    assert place(only(exchanged(log, 2, range(40, 45), ("knee",)))) == ("sides", (2,), 40, 44)


def test_frames_at_uneven_times_are_no_faults() -> None:
    times = np.cumsum(np.random.default_rng(5).choice([0.02, 0.033, 0.05], 200))
    assert find_marks(tracks(times, three(times))) == []


def test_a_log_of_one_person_without_ids(clean: Tracks) -> None:
    log = clean.select([2])
    log = with_rows(exchanged(log, 2, range(40, 45), ("knee",)), id=np.full(len(log.rows), UNTRACKED))
    assert place(only(log)) == ("sides", (UNTRACKED,), 40, 44)


def test_logs_that_cannot_be_judged(clean: Tracks) -> None:
    with pytest.raises(SourceError, match="no ids, and several people"):
        find_marks(with_rows(clean, id=np.full(len(clean.rows), UNTRACKED)))
    with pytest.raises(SourceError, match="separate pictures"):
        find_marks(replace(clean, header={"source": "pictures", "video": None}))
    with pytest.raises(SourceError, match="skeleton has no"):
        find_marks(replace(clean, skeleton=Skeleton.numbered(17)))


def test_a_log_without_anybody(clean: Tracks) -> None:
    assert find_marks(replace(clean, rows=clean.rows[np.zeros(len(clean.rows), bool)])) == []
    assert find_marks(clean.kept(np.zeros(len(clean), bool))) == []


def test_a_skeleton_without_knees_has_no_marks_of_legs(clean: Tracks) -> None:
    kept = [column for column, name in enumerate(NAMES) if "knee" not in name]
    names = tuple(NAMES[column] for column in kept)
    log = replace(
        with_rows(clean, keypoints=clean.rows.keypoints[:, kept], state=clean.rows.state[:, kept]),
        skeleton=Skeleton(names),
    )
    assert find_marks(log) == []


def test_four_thousand_frames_of_eight_people_are_quick() -> None:
    times = moments(4_000)
    turning = 30 * np.abs((times / 30) % 2 - 1)  # to and fro
    people = [walker(turning, 150 + 30 * index, 60 + 5 * index, 150 + 70 * index, index) for index in range(8)]
    log = tracks(times, people)
    for start in range(100, 4_000, 100):
        log = exchanged(log, 1 + start // 100 % 8, range(start, start + 4), ("knee", "ankle"))
    begun = time.process_time()
    marks = find_marks(log)
    assert time.process_time() - begun < 10
    found = {(mark.start, mark.end) for mark in marks if mark.kind == "sides"}
    assert len(found & {(start, start + 3) for start in range(100, 4_000, 100)}) >= 36


@pytest.mark.parametrize("seed", range(100))
def test_any_log_is_judged_or_refused(seed: int) -> None:
    log = messy(seed)
    try:
        marks = find_marks(log)
    except SourceError:
        return
    frames = set(log.frames.tolist())
    for mark in marks:
        assert 0 < mark.severity <= 1
        assert mark.persons
        assert {mark.start, mark.end} <= frames
        assert mark.start <= mark.end


# Real logs


def totals(logs: dict[str, Tracks]) -> tuple[int, int, int, int]:
    """Faults named, faults, true marks, false marks of all."""
    each = [counted_marks(name, log) for name, log in logs.items()]
    named, faults, true, false, _ = (sum(values) for values in zip(*each, strict=True))
    return named, faults, true, false


def judged(logs: dict[str, Tracks], share: float, ratio: float) -> None:
    named, faults, true, false = totals(logs)
    assert faults >= 20
    assert named >= share * faults
    assert false <= ratio * true


def test_the_faults_of_yolo11n_are_named(tmp_path: Path) -> None:
    judged({name: logged(tmp_path, "yolo11n", name) for name in ("crossing", "crowd")}, 0.9, 3.0)


def test_the_faults_of_the_built_in_model_are_named(tmp_path: Path) -> None:
    judged({name: logged(tmp_path, "builtin", name) for name in ("crossing", "crowd")}, 0.6, 3.5)


@pytest.mark.parametrize("model", ["yolo11n", "builtin"])
def test_a_clip_without_faults_has_no_marks_of_sides(model: str, tmp_path: Path) -> None:
    assert find_marks(logged(tmp_path, model, "squat")) == []


def test_the_faults_of_a_new_run_of_yolo11n_are_named(shared: Path, tmp_path: Path) -> None:
    weights = shared / "models" / "yolo11n-pose.pt"
    judged({name: run(SAMPLES / f"{name}.mp4", weights, tmp_path) for name in ("crossing", "crowd")}, 0.9, 3.0)


def run(clip: Path, weights: Path, folder: Path) -> Tracks:
    """What a run of a clip logs."""
    arguments = ["run", clip, "-m", weights, "-o", folder / clip.stem, "--no-video"]
    done = subprocess.run([sys.executable, "-m", "poseline", *map(str, arguments)], capture_output=True, timeout=280)
    assert done.returncode == 0, done.stderr
    return read_tracks(folder / clip.stem / "keypoints.jsonl")
