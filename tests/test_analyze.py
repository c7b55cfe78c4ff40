"""`poseline.analyze`: a log's people, against the samples' truth and figures whose numbers are known."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis_worlds import NAMES, SAMPLES, disturbed, motion, six, truth
from log_worlds import COMPLETE, frame, header, log_of, person, real_log, write_log
from poseline import Analysis, analyze, read_tracks
from poseline.analysis import Event, Facing, Movement, Person, PointState, event_finder
from poseline.analysis.floor import levelled
from poseline.errors import SettingsError, SourceError
from test_analysis_events import BOTTOMS, splits

SWAPPED = [NAMES.index(name.replace("left", "X").replace("right", "left").replace("X", "right")) for name in NAMES]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keypoints.jsonl"


def logs(folder: Path, name: str) -> Iterator[Path]:
    """The truth of a sample, and what two models logged of it."""
    yield SAMPLES / f"{name}.truth.jsonl"
    for model in ("builtin", "yolo11n"):
        yield real_log(folder, model, name)


def test_three_of_three_squats_and_21_of_21_steps_of_every_log(tmp_path: Path) -> None:
    for log in logs(tmp_path, "squat"):
        main = analyze(log, height=1.8).main
        assert [event.time for event in main.repetitions] == pytest.approx(BOTTOMS, abs=0.1)
        assert main.counts == {"squat": 3}
    for log in logs(tmp_path, "sprint"):
        main = analyze(log).main
        assert [event.time for event in main.events] == pytest.approx(splits(truth("sprint")), abs=0.05)
        assert main.counts == {"step": 21}
        assert not main.repetitions
    for log in logs(tmp_path, "crossing"):
        analysis = analyze(log, person="all")
        assert len(analysis.persons) == analysis.people == 3
        assert all(set(each.counts) == {"step"} for each in analysis.persons)


def test_exact_points_keep_their_angles() -> None:
    for name, most in (("squat", 0.1), ("sprint", 1.0)):
        main = analyze(SAMPLES / f"{name}.truth.jsonl").main
        change = np.abs(six(main.result.smoothed.motion.points) - six(main.result.measured.points))
        assert change.mean() <= most


def test_noise_outliers_and_gaps_in_a_log(path: Path) -> None:
    for name, most in (("squat", 1.4), ("sprint", 4.0)):
        exact = truth(name)
        main = analyze(log_of(path, disturbed(exact, 3))).main
        assert np.nanmean(np.abs(six(main.points) - six(exact.points))) <= most


def test_a_mirrored_clip_gives_mirrored_numbers_exactly(path: Path) -> None:
    """Coordinates that a log's float32 holds exactly, so that nothing but mirroring differs."""
    exact = truth("squat")
    points = np.round(exact.points * 64) / 64
    there = analyze(log_of(path, exact.with_points(points)), height=1.8)
    mirrored = (points * [-1, 1] + [exact.width, 0])[:, SWAPPED]
    other = replace(exact, points=mirrored, confidence=exact.confidence[:, SWAPPED])
    back = analyze(log_of(path, other), height=1.8)
    turned = {Facing.RIGHT: Facing.LEFT, Facing.LEFT: Facing.RIGHT}
    assert back.main.facings.tolist() == [turned.get(Facing(facing), facing) for facing in there.main.facings]
    for name in ("knee", "hip", "shoulder", "elbow", "thigh", "shank"):
        np.testing.assert_allclose(back.main.angles[f"left_{name}"], there.main.angles[f"right_{name}"], atol=1e-9)
        np.testing.assert_allclose(back.main.angles[f"right_{name}"], there.main.angles[f"left_{name}"], atol=1e-9)
    assert back.main.velocity_m is not None
    assert there.main.velocity_m is not None
    np.testing.assert_allclose(back.main.velocity_m[:, SWAPPED], there.main.velocity_m * [-1, 1], atol=1e-9)
    assert [event.time for event in back.main.events] == pytest.approx([event.time for event in there.main.events])


def test_speeds_at_uneven_intervals_are_right_within_a_hundredth(path: Path) -> None:
    """A figure whose nose goes to and fro, at 12 to 50 frames a second; a reader of the mean rate is far off."""
    rng = np.random.default_rng(4)
    times = np.cumsum(rng.choice([0.02, 0.03, 0.08], 300))
    points = np.repeat(truth("squat").points[:1], 300, axis=0)
    nose = NAMES.index("nose")
    points[:, nose, 0] += 60 * np.sin(2 * times)
    main = analyze(log_of(path, motion(times, points, (540, 960))), scale=100.0).main
    true = 120 * np.cos(2 * times)
    inner = slice(10, -10)
    off = main.result.smoothed.velocity[inner, nose, 0] - true[inner]
    assert np.sqrt((off**2).mean() / (true[inner] ** 2).mean()) < 0.01
    assert main.velocity_m is not None
    assert main.velocity_m[inner, nose, 0] == pytest.approx(main.result.smoothed.velocity[inner, nose, 0] / 100)
    fixed = np.gradient(points[:, nose, 0], (times[-1] - times[0]) / 299)
    assert np.sqrt(((fixed - true)[inner] ** 2).mean() / (true[inner] ** 2).mean()) > 0.3


def test_it_imports_no_engine(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
import poseline
analysis = poseline.analyze(sys.argv[1], person="all", height=1.8)
analysis.write(Path(sys.argv[2]), ["csv", "parquet", "trc", "mot"])
print(*{name.split('.')[0] for name in sys.modules})
"""
    command = [sys.executable, "-c", code, str(SAMPLES / "crossing.truth.jsonl"), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=True)
    loaded = set(done.stdout.split())
    assert "polars" in loaded
    assert not loaded & {"openvino", "torch", "ultralytics", "onnxruntime", "scipy", "av", "cv2"}


def test_everything_in_an_analysis_says_what_it_is() -> None:
    for kind in (Analysis, Person):
        text = Path(sys.modules[kind.__module__].__file__ or "").read_text(encoding="utf-8")
        body = text.partition(f"class {kind.__name__}:")[2].partition("\nclass ")[0]
        for field in dataclasses.fields(kind):
            assert body.partition(f"    {field.name}: ")[2].splitlines()[1].strip().startswith('"""'), field.name
        for name, value in vars(kind).items():
            if not name.startswith("_") and not isinstance(value, str | bool | int | float | tuple | None):
                assert getattr(value, "__doc__", None), name


def test_a_gap_is_filled_up_to_its_limit_and_told(path: Path) -> None:
    exact = truth("squat")
    points = exact.points.copy()
    knee, wrist = NAMES.index("left_knee"), NAMES.index("left_wrist")
    points[50:54, knee] = np.nan  # 0.16 s
    points[80:100, wrist] = np.nan  # 0.8 s
    analysis = analyze(log_of(path, exact.with_points(points)))
    main = analysis.main
    assert (main.states[50:54, knee] == PointState.FILLED).all()
    assert np.abs(main.points[50:54, knee] - exact.points[50:54, knee]).max() < 1
    assert np.isnan(main.points[80:100, wrist]).all()
    assert np.isnan(main.angles["left_elbow"][80:100]).all()
    gaps = {gap.keypoint: gap for gap in main.gaps}
    assert (gaps["left_knee"].start, gaps["left_knee"].end) == pytest.approx((2.0, 2.16))
    assert gaps["left_knee"].filled
    assert not gaps["left_wrist"].filled
    assert (gaps["left_wrist"].start, gaps["left_wrist"].end) == pytest.approx((3.2, 4.0))
    assert 0 < main.filled < 0.01
    assert main.missing == pytest.approx(20 / (210 * 17))
    wider = analyze(path, max_gap=1.0).main
    assert np.isfinite(wider.points[80:100, wrist]).all()


def broken(path: Path) -> Path:
    """A log in which person 1 is 1, then nobody for two frames, then -1 for a few, then 7; somebody else stands by."""
    exact = truth("squat")
    records = [header(width=540, height=960)]
    for row, seconds in enumerate(exact.times):
        number = 1 if row < 60 else None if row < 62 else -1 if row < 66 else 7
        persons = [person(3, exact.points[0] / 3 + [400, 0])]
        if number is not None:
            persons.append(person(number, exact.points[row]))
        records.append(frame(row, seconds, persons))
    return write_log(path, [*records, COMPLETE])


def test_fragments_of_a_person_are_one(path: Path) -> None:
    analysis = analyze(broken(path), person="all")
    assert [each.ids for each in analysis.persons] == [(1, 7), (3,)]
    main = analysis.main
    assert main.id == 7, "the id under which they are seen most"
    assert main.found.sum() == 208
    assert not main.found[60:62].any()
    assert main.frames.tolist() == list(range(210))
    assert np.abs(main.points - truth("squat").points).max() < 1
    assert analysis.person(1) is analysis.person(7) is main
    assert analyze(path, person=1).main.ids == (1, 7)
    with pytest.raises(KeyError):
        analysis.person(9)


def test_the_main_person_is_who_is_seen_longest_and_largest(path: Path) -> None:
    assert analyze(broken(path)).persons[0].ids == (1, 7)
    tracks = read_tracks(path)
    assert analyze(tracks).main.ids == (1, 7)
    assert analyze(tracks).log is None


def test_a_part_of_the_clip(path: Path) -> None:
    log = log_of(path, truth("squat"))
    part = analyze(log, start=2.5, end=5.5)
    assert part.main.times[0] == 2.52
    assert part.main.times[-1] == 5.48, "the end is not included"
    assert part.frames == len(part.main.times) == 75
    assert part.main.counts == {"squat": 1}
    assert part.main.frames[0] == 63


def test_slow_motion_is_what_it_shows(path: Path) -> None:
    log = log_of(path, truth("squat"))
    plain, slow = analyze(log, scale=100.0), analyze(log, scale=100.0, slowmo=4, start=0, end=8.2)
    np.testing.assert_allclose(slow.main.times, plain.main.times[: len(slow.main.times)] / 4)
    assert slow.rate == pytest.approx(100)
    assert slow.end == pytest.approx(8.16 / 4)
    knee = slow.main.angles.names.index("left_knee")
    rows = slice(20, 180)
    ratio = slow.main.angles.velocity[rows, knee].std() / plain.main.angles.velocity[rows, knee].std()
    assert ratio == pytest.approx(4, rel=0.02)


def test_pixels_that_are_not_square(path: Path) -> None:
    exact = truth("squat")
    plain = analyze(log_of(path, exact), height=1.8)
    narrow = exact.with_points(exact.points / [2, 1])
    stored = analyze(log_of(path, replace(narrow, width=270), pixel_aspect=2.0), height=1.8)
    assert stored.pixel_aspect == 2
    np.testing.assert_allclose(stored.main.angles.degrees, plain.main.angles.degrees, atol=1e-3)
    np.testing.assert_allclose(stored.main.points * [2, 1], plain.main.points, atol=1e-3)
    assert stored.main.points_m is not None
    assert plain.main.points_m is not None
    np.testing.assert_allclose(stored.main.points_m, plain.main.points_m, atol=1e-4)


def test_the_floor_is_told_by_everybody(path: Path) -> None:
    """A camera rolled by five degrees: also somebody who stands, and so tells nothing of it, is put level."""
    walker, stander = truth("crossing", 2), truth("squat").points[0] + [300, -300]
    records = [header()]
    for row, seconds in enumerate(walker.times):
        rolled = levelled(np.stack([walker.points[row], stander]), -5, (480.0, 270.0))
        records.append(frame(row, seconds, [person(1, rolled[0]), person(2, rolled[1])]))
    analysis = analyze(write_log(path, [*records, COMPLETE]), person="all")
    assert analysis.floor.degrees == pytest.approx(5, abs=0.5)
    assert [each.result.floor.degrees for each in analysis.persons] == [analysis.floor.degrees] * 2
    assert analyze(path, person="all", floor_angle=0).floor.degrees == 0


def test_a_height_is_one_persons() -> None:
    analysis = analyze(SAMPLES / "crossing.truth.jsonl", person="all", height=1.8)
    first, *others = analysis.persons
    assert first.stature_m == 1.8
    assert all(each.points_m is None for each in others)
    assert any("height is person 2's" in note for note in analysis.warnings)
    scaled = analyze(SAMPLES / "crossing.truth.jsonl", person="all", scale=130.0)
    assert all(each.points_m is not None for each in scaled.persons)


def test_a_moving_camera_gives_no_metres() -> None:
    analysis = analyze(SAMPLES / "sprint.truth.jsonl", height=1.8)
    assert not analysis.metres
    assert any("no metres are given" in note for note in analysis.main.warnings)


def test_an_event_of_ones_own(path: Path) -> None:
    from poseline.analysis.event import FINDERS

    @event_finder("middle")
    def middles(movement: Movement) -> list[Event]:
        times = movement.smoothed.motion.times
        half = float(times[len(times) // 2])
        return [Event("middle", half, half, half, 0.0)]

    try:
        main = analyze(log_of(path, truth("squat")), events=("middle",)).main
        assert [event.time for event in main.repetitions] == [4.2]
        assert analyze(path, events=()).main.events == ()
    finally:
        del FINDERS["middle"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"person": 4}, "no person has the id 4; this log has 1"),
        ({"start": 30}, "no frame from 30 s on: the log goes from 0.000 s to 8.360 s"),
        ({"start": 9, "end": 10}, "no frame from 9 s to 10 s"),
        ({"start": 3, "end": 2}, "from 3 s to 2 s is empty"),
        ({"start": -1}, "seconds of the clip, 0 or more"),
        ({"height": 1.8, "scale": 100}, "not several of them"),
        ({"height": 180}, "a height is in metres"),
        ({"scale": float("nan")}, "a metre has 0.01 to 1e.06 pixels"),
        ({"calibrate": (1, 2, 3, 4)}, "got 4 numbers"),
        ({"calibrate": (1, 2, 1, 2, 1)}, "two points more than a pixel apart"),
        ({"smooth": "kalman"}, "auto, none or butterworth:HZ"),
        ({"smooth": "butterworth:20"}, "take a lower frequency"),
        ({"max_gap": -1}, "max_gap must be 0 s or more"),
        ({"slowmo": 0}, "must be above 0"),
        ({"floor_angle": 90}, "degrees from -45 to 45"),
        ({"events": ("dance",)}, "unknown kind 'dance'; known are auto, gait"),
        ({"facing": "up"}, "facing: auto, right, left, front or back"),
        ({"person": "everybody"}, "main, all or an id"),
    ],
)
def test_a_bad_option_is_told(given: dict[str, Any], words: str, path: Path) -> None:
    with pytest.raises(SettingsError, match=words):
        analyze(log_of(path, truth("squat")), **given)


def bad_logs(folder: Path) -> Iterator[tuple[str, Path, str]]:
    exact = truth("squat")
    entry = person(1, exact.points[0])
    heads = [{**header(), "skeleton": {"names": ["head", "foot"], "edges": []}}]
    yield "other points", write_log(folder / "a.jsonl", heads), "no left_shoulder, right_shoulder, left_hip, right_hip"
    yield "pictures", write_log(folder / "b.jsonl", [{**header(), "video": None}]), "separate pictures"
    yield "no frames", write_log(folder / "c.jsonl", [header(), COMPLETE]), "holds no frame"
    unseen = person(1, np.full((17, 2), np.nan))
    yield "no point", write_log(folder / "i.jsonl", [header(), frame(0, 0, [unseen]), COMPLETE]), "nobody was seen"
    yield "nobody", write_log(folder / "d.jsonl", [header(), frame(0, 0, []), COMPLETE]), "nobody was seen"
    several = [header(), frame(0, 0, [person(-1, exact.points[0]), person(-1, exact.points[0] + 200)])]
    yield "no ids", write_log(folder / "e.jsonl", several), "no ids, and several people"
    resized = [header(), frame(0, 0, [entry]), {"type": "size", "frame": 1, "width": 64, "height": 48}]
    resized.append(frame(1, 0.5, [entry]))
    changed = r"from 960x540 to 64x48 at 0.500 s.*--from 0.500"
    yield "another size", write_log(folder / "f.jsonl", resized), changed
    (folder / "g.jsonl").write_text("a poem\n", encoding="utf-8")
    yield "no log", folder / "g.jsonl", "not a keypoint log"
    yield "nothing there", folder / "h.jsonl", "no such log"
    (folder / "empty").mkdir()
    yield "a folder without", folder / "empty", "holds no keypoints.jsonl"


def test_a_bad_log_is_told_with_its_name(tmp_path: Path) -> None:
    for name, log, words in bad_logs(tmp_path):
        with pytest.raises(SourceError, match=words) as caught:
            analyze(log)
        assert str(log) in str(caught.value), name


def test_a_part_of_one_size_can_be_chosen(tmp_path: Path) -> None:
    exact = truth("squat")
    records = [header(width=540, height=960)]
    records += [frame(row, exact.times[row], [person(1, exact.points[row])]) for row in range(100)]
    records.append({"type": "size", "frame": 100, "width": 270, "height": 480})
    records += [frame(row, exact.times[row], [person(1, exact.points[row] / 2)]) for row in range(100, 210)]
    log = write_log(tmp_path / "keypoints.jsonl", records)
    with pytest.raises(SourceError, match="--to"):
        analyze(log)
    assert analyze(log, end=4.0).size == (540, 960)
    later = analyze(log, start=4.0)
    assert later.size == (later.main.result.measured.width, later.main.result.measured.height) == (270, 480)


def test_how_a_run_ended_is_told(path: Path) -> None:
    exact = truth("squat")
    records = [header(), *(frame(row, row / 25, [person(1, exact.points[row])]) for row in range(50))]
    write_log(path, records)
    with path.open("a", encoding="utf-8") as file:
        file.write('{"type":"frame","frame":50,"pts":50,"time"')  # torn
    killed = analyze(path)
    assert killed.ended == "killed"
    assert killed.frames == 50
    assert "the log has no end" in killed.warnings[0]
    write_log(path, [*records, {**COMPLETE, "ended": "interrupted"}])
    assert "interrupted" in analyze(path).warnings[0]
    write_log(path, [*records, COMPLETE])
    assert not [note for note in analyze(path).warnings if "run" in note]


def test_angles_that_the_points_do_not_give_are_told(path: Path) -> None:
    analysis = analyze(log_of(path, truth("squat")))
    assert "No angle of ankle, wrist, foot: the log has no big_toe, heel, index." in analysis.warnings
    keep = [index for index, name in enumerate(NAMES) if "wrist" not in name]
    exact = truth("squat")
    records = [{**header(), "skeleton": {"names": [NAMES[index] for index in keep], "edges": []}}]
    records += [frame(row, row / 25, [person(1, exact.points[row, keep])]) for row in range(30)]
    short = analyze(write_log(path, records))
    assert "left_elbow" not in short.main.angles.names
    assert any("elbow" in note and "wrist" in note for note in short.warnings)


def test_a_log_without_ids_is_of_one_person(path: Path) -> None:
    analysis = analyze(log_of(path, truth("squat"), number=-1))
    assert analysis.main.id == -1
    assert analysis.main.counts == {"squat": 3}


@pytest.mark.filterwarnings("error")
def test_people_of_whom_little_is_seen(tmp_path: Path) -> None:
    """One frame, legs alone, a face alone, twice the same place: numbers are missing, and nothing fails."""
    exact = truth("squat").points
    legs, face = exact.copy(), exact.copy()
    legs[:, : NAMES.index("left_hip")] = np.nan
    face[:, 5:] = np.nan
    still = np.repeat(exact[:1], 210, axis=0)
    dot = np.full_like(exact, 100.0)
    for name, points in {"legs": legs, "face": face, "still": still, "dot": dot}.items():
        for count in (1, 2, 40):
            log = log_of(tmp_path / name / f"{count}.jsonl", motion(np.arange(count) / 25, points[:count], (540, 960)))
            for given in ({"height": 1.8}, {"scale": 100.0}, {"smooth": "none"}):
                analysis = analyze(log, **given)
                assert len(analysis.main.times) == count
            analysis.write(tmp_path / "out", ["csv", "parquet", "trc", "mot"], overwrite=True)


def test_frames_whose_time_does_not_rise_are_left_out(path: Path) -> None:
    exact = truth("squat")
    times = [*range(50), 49, 48, *range(50, 100)]
    frames = [frame(row, seconds / 25, [person(1, exact.points[row])]) for row, seconds in enumerate(times)]
    analysis = analyze(write_log(path, [header(), *frames, COMPLETE]))
    assert analysis.frames == 100
    assert 50 not in analysis.main.frames
