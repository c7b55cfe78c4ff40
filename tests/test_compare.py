"""Two motions side by side: which moments belong together, how they differ, and what the video shows."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest

from media_worlds import number_in
from output_worlds import SAMPLES, seconds
from poseline import analyze
from poseline.analysis import Analysis
from poseline.cli import command
from poseline.comparison import align, compare, warp, write
from poseline.comparison.align import matching
from poseline.comparison.compare import at_times
from poseline.comparison.video import CompareVideo, render_comparison
from poseline.errors import OutputError, SettingsError, SourceError
from poseline.interruption import Interruption
from poseline.rendering.analysis import styled
from rendering_worlds import acted
from test_analysis_video import shown


@pytest.fixture(scope="module")
def squat() -> Analysis:
    return analyze(SAMPLES / "squat.truth.jsonl")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two squats of the same athlete: the second 1.25 times as slow, begun later, at 50 frames a second."""
    folder = tmp_path_factory.mktemp("pair")
    size = 48, 64
    slow = acted(folder, "slow", rate=50, speed=0.8, begin=0.4, seconds=3.6, size=size)
    return acted(folder, "quick", seconds=3.0, size=size), slow


# Warping


def test_a_warped_sequence_is_found_again() -> None:
    times = np.linspace(0, 10, 400)
    bent = 10 * (times / 10) ** 1.6

    def motion(moment: np.ndarray) -> np.ndarray:
        return np.stack((60 * np.sin(moment), 40 * np.cos(0.7 * moment) + 3 * moment), axis=1)

    rows = warp(motion(bent), motion(times))
    assert np.abs(np.interp(rows, np.arange(400), times) - bent).max() < 0.12
    assert (np.diff(rows) >= 0).all()


def test_the_same_sequence_is_not_warped() -> None:
    motion = np.random.default_rng(0).normal(0, 30, (300, 6)).cumsum(axis=0)
    assert np.array_equal(warp(motion, motion), np.arange(300))


def test_missing_angles_and_whole_turns_do_not_disturb() -> None:
    times = np.linspace(0, 6, 300)
    motion = np.stack((170 + 30 * np.sin(times), 50 * np.cos(times)), axis=1)
    turned = (motion + 180) % 360 - 180
    turned[50:80] = np.nan
    turned[120:200, 0] = np.nan
    rows = warp(motion, turned)
    assert np.abs(rows - np.arange(300)).max() < 35
    assert np.abs(rows[100:] - np.arange(100, 300)).max() <= 2


def test_of_one_row_all_fit_it() -> None:
    assert warp(np.zeros((5, 2)), np.zeros((1, 2))).tolist() == [0] * 5
    assert warp(np.zeros((1, 2)), np.zeros((5, 2))).tolist() == [2]


def test_long_sequences_are_thinned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("poseline.comparison.dtw._MOST", 400)
    times = np.linspace(0, 50, 5000)
    motion = np.stack((60 * np.sin(times), 60 * np.cos(times / 3)), axis=1)
    assert np.abs(warp(motion, motion[::2]) - np.arange(5000) / 2).max() < 10


# Aligning


@pytest.mark.parametrize("how", ["auto", "event", "dtw", "none"])
def test_a_motion_is_like_itself(how: str, squat: Analysis) -> None:
    compared = compare(squat, squat, how)  # type: ignore[arg-type] # one of the four
    assert compared.aligned.how == ("event" if how == "auto" else how)
    assert len(compared.angles) == len(squat.main.angles.names)
    for row in compared.angles:
        assert (row.mean, row.rms, row.max) == pytest.approx((0, 0, 0), abs=1e-9)
        assert row.share == 1
    assert [row.difference for row in compared.events] == pytest.approx([0] * len(compared.events), abs=1e-9)
    assert {row.number for row in compared.events} == {1, 2, 3}


@pytest.mark.parametrize("how", ["event", "dtw"])
def test_another_tempo_is_no_difference_of_angles(how: str, pair: tuple[Path, Path]) -> None:
    quick, slow = map(analyze, pair)
    compared = compare(quick, slow, how)  # type: ignore[arg-type] # one of the four
    for row in compared.angles:
        if row.angle.endswith(("knee", "hip")):
            assert row.rms < (2.5 if how == "event" else 4.0), row
    unaligned = {row.angle: row.rms for row in compare(quick, slow, "none").angles}
    assert unaligned["right_knee"] > 8


def test_events_tell_of_the_tempo(pair: tuple[Path, Path]) -> None:
    compared = compare(analyze(pair[0]), analyze(pair[1]))
    rows = {(row.number, row.value): row for row in compared.events}
    duration = rows[1, "duration"]
    assert duration.second / duration.first == pytest.approx(1.25, abs=0.06)
    assert duration.difference == pytest.approx(duration.second - duration.first)
    assert rows[1, "start"].difference == 0
    assert rows[1, "time"].sigma is not None
    assert rows[1, "depth"].difference == pytest.approx(0, abs=0.02)


def test_aligned_times_meet_the_events(pair: tuple[Path, Path]) -> None:
    quick, slow = map(analyze, pair)
    aligned = align(quick.main, slow.main, "event")
    for one, other in matching(quick.main, slow.main):
        assert aligned.second_at(np.array([one.start, one.end])).tolist() == pytest.approx([other.start, other.end])
        middle = (one.start + one.end) / 2
        assert float(aligned.second_at(np.array([middle]))[0]) == pytest.approx((other.start + other.end) / 2)
    before = aligned.second_at(np.array([aligned.start - 0.5, aligned.end + 0.5]))
    assert before.tolist() == pytest.approx([aligned.second[0] - 0.5, aligned.second[-1] + 0.5])


def test_steps_are_matched_by_foot() -> None:
    sprint = analyze(SAMPLES / "sprint.truth.jsonl")
    later = analyze(SAMPLES / "sprint.truth.jsonl", start=0.55)
    pairs = matching(sprint.main, later.main)
    assert len(pairs) > 10
    assert all(one.side == other.side for one, other in pairs)
    assert align(sprint.main, later.main).how == "event"


def test_without_a_common_event_it_is_warped_or_refused(squat: Analysis) -> None:
    sprint = analyze(SAMPLES / "sprint.truth.jsonl")
    with pytest.raises(SettingsError, match=r"no event is in both, there are 3 squat and 21 step; give --align dtw"):
        compare(squat, sprint, "event")
    assert compare(squat, sprint).aligned.how == "dtw"


def test_values_at_other_times(squat: Analysis) -> None:
    person = squat.main
    middle = (person.times[:-1] + person.times[1:]) / 2
    values = person.angles["right_knee"]
    assert at_times(person, values, person.times).tolist() == pytest.approx(values.tolist())
    assert at_times(person, values, middle).tolist() == pytest.approx(((values[:-1] + values[1:]) / 2).tolist())
    assert np.isnan(at_times(person, values, np.array([-1.0, 99.0]))).all()
    turning = np.where(np.arange(len(values)) % 2, 179.0, -179.0)
    assert np.abs(at_times(person, turning, middle)).min() > 178


# Files


def test_tables_hold_what_was_found(pair: tuple[Path, Path], tmp_path: Path) -> None:
    compared = compare(analyze(pair[0]), analyze(pair[1]))
    assert [path.name for path in write(compared, tmp_path)] == ["angles.csv", "events.csv", "compare.json"]
    with (tmp_path / "angles.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["angle"] for row in rows] == [row.angle for row in compared.angles]
    assert float(rows[0]["rms"]) == pytest.approx(compared.angles[0].rms, rel=1e-5)
    record = json.loads((tmp_path / "compare.json").read_text())
    assert record["align"] == "event"
    assert record["angles"][0]["rms"] == compared.angles[0].rms
    assert record["first"]["log"] == str(pair[0])
    assert len(record["events"]) == len(compared.events)
    with pytest.raises(OutputError) as caught:
        write(compared, tmp_path / "nowhere")
    assert str(caught.value).count("cannot be written") == 1


# The video


def numbers(path: Path, height: int) -> list[tuple[int, int]]:
    """What the left and the right picture show."""
    found = []
    for picture in shown(path):
        width = round(height * 48 / 64 / 2) * 2
        sides = picture[:height, :width], picture[:height, width + 8 : 2 * width + 8]
        found.append(tuple(number_in(np.asarray(cv2.resize(side, (48, 64)), np.uint8)) for side in sides))
    return found  # type: ignore[return-value] # two of them


@pytest.mark.parametrize("how", ["none", "event"])
def test_pictures_that_belong_together_stand_side_by_side(how: str, pair: tuple[Path, Path], tmp_path: Path) -> None:
    compared = compare(analyze(pair[0]), analyze(pair[1]), how)  # type: ignore[arg-type] # one of the four
    drawn = CompareVideo(styled(None), height=720)
    made = render_comparison(compared, tmp_path / "a.mp4", drawn)
    assert made.frames == 75
    found = numbers(tmp_path / "a.mp4", 720)
    assert [left for left, _ in found] == list(range(75))
    wanted = compared.aligned.second_at(np.arange(75) / 25)
    rights = np.array([right for _, right in found])
    clipped = np.clip(wanted * 50, 0, 179) % 256
    off = np.abs(rights - clipped)
    assert np.minimum(off, 256 - off).max() <= 0.51
    assert [float(time) for time in seconds(tmp_path / "a.mp4")] == pytest.approx([index / 25 for index in range(75)])


def test_the_command_writes_it_all(pair: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                   capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    arguments = ["poseline", "compare", *map(str, pair), "-o", str(tmp_path / "out"), "--joints", "knee"]
    monkeypatch.setattr(sys, "argv", arguments)
    assert command(Interruption()) == 0
    told = capsys.readouterr().out
    assert "aligned by event" in told
    assert "right_knee" in told
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "angles.csv", "events.csv", "compare.json", "compare.mp4",
    }  # fmt: skip
    assert command(Interruption()) == OutputError("").exit_code, "it holds a comparison"
    monkeypatch.setattr(sys, "argv", [*arguments, "--overwrite", "--no-video"])
    assert command(Interruption()) == 0
    monkeypatch.setattr(sys, "argv", [*arguments, "--person", "seven"])
    assert command(Interruption()) == 2


def test_without_a_plot_the_pictures_stand_alone(pair: tuple[Path, Path], tmp_path: Path) -> None:
    compared = compare(analyze(pair[0], end=0.4), analyze(pair[1], end=0.4), "none")
    render_comparison(compared, tmp_path / "a.mp4", CompareVideo(styled(None), height=240, joints=()))
    assert {picture.shape for picture in shown(tmp_path / "a.mp4")} == {(240, 180 + 8 + 180, 3)}


def test_what_is_between_pictures_of_full_range_is_black(tmp_path: Path) -> None:
    first, second = (analyze(acted(tmp_path, name, seconds=0.4, size=(48, 64), pix_fmt="yuvj420p")) for name in "ab")
    compared = compare(first, second, "none")
    render_comparison(compared, tmp_path / "both.mp4", CompareVideo(styled(None), height=240, joints=()))
    pictures = shown(tmp_path / "both.mp4")
    assert len(pictures) == 10
    for picture in pictures:
        assert picture[:, 183:185].max() <= 6
        assert picture[120:, :170].mean() == pytest.approx(60, abs=6)


def test_neither_clip_stays_open_where_the_video_is_refused(pair: tuple[Path, Path], tmp_path: Path) -> None:
    compared = compare(analyze(pair[0]), analyze(pair[1]), "none")
    ours = pair[0].with_suffix(".mp4")
    (tmp_path / "there.mp4").touch()
    for clip, target, error in (
        (tmp_path / "gone.mp4", "a.mp4", SourceError),
        (SAMPLES / "squat.mp4", "a.mp4", SourceError),
        (None, "there.mp4", OutputError),
    ):
        with pytest.raises(error) as caught:
            render_comparison(compared, tmp_path / target, CompareVideo(styled(None), clips=(ours, clip)))
        assert [Path(file.path).name for file in psutil.Process().open_files() if file.path.endswith(".mp4")] == []
        assert caught.value.__traceback__ is not None, "which keeps what was local, such as a clip"
