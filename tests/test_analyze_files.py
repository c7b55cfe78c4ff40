"""The files of an analysis: what stands in them, and how they are replaced."""

from __future__ import annotations

import json
import math
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from analysis_worlds import NAMES, SAMPLES, disturbed, motion, truth
from log_worlds import log_of
from poseline import Analysis, analyze
from poseline.analysis import PointState
from poseline.analysis.files import parse_formats, write
from poseline.analysis.files.markers import marker_names, metric_markers
from poseline.analysis.files.mot import largest_block
from poseline.analysis.files.trc import time_stamps, write_trc
from poseline.errors import OutputError, SettingsError


@pytest.fixture(scope="module")
def crossing() -> Analysis:
    return analyze(SAMPLES / "crossing.truth.jsonl", person="all", height=1.8)


@pytest.fixture(scope="module")
def folder(crossing: Analysis, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("run") / "analysis"
    crossing.write(path, ["csv", "parquet", "trc", "mot"])
    return path


def test_the_angles_table_holds_everybody_and_every_number(crossing: Analysis, folder: Path) -> None:
    table = pl.read_parquet(folder / "angles.parquet")
    assert table["person"].unique(maintain_order=True).to_list() == [person.id for person in crossing.persons]
    for person in crossing.persons:
        own = table.filter(pl.col("person") == person.id)
        assert own["frame"].to_list() == person.frames.tolist()
        assert own["time"].to_list() == person.times.tolist()
        for column, name in enumerate(person.angles.names):
            for suffix, values in {
                "": person.angles.degrees, "_raw": person.raw_angles, "_velocity": person.angles.velocity,
                "_sigma": person.angles.sigma, "_sigma_bias": person.sigma_with_bias,
            }.items():  # fmt: skip
                found = own[f"{name}{suffix}"].to_numpy()
                np.testing.assert_array_equal(found, values[:, column])
        missing = np.isnan(person.angles["left_knee"])
        flags = own["left_knee_flags"].fill_null("").to_list()
        assert ["missing" in flag.split("|") for flag in flags] == missing.tolist()
        away = person.out_of_plane[:, person.angles.names.index("left_knee")]
        assert ["out_of_plane" in flag for flag in flags] == away.tolist()


def test_the_points_table_has_pixels_metres_and_flags(crossing: Analysis, folder: Path) -> None:
    table = pl.read_parquet(folder / "points.parquet")
    main = crossing.main
    own = table.filter(pl.col("person") == main.id)
    knee = NAMES.index("left_knee")
    assert main.points_m is not None
    assert main.velocity_m is not None
    for name, values in {
        "x": main.points[:, knee, 0], "raw_y": main.raw_points[:, knee, 1], "c": main.confidence[:, knee],
        "x_m": main.points_m[:, knee, 0], "vy": main.velocity_m[:, knee, 1],
    }.items():  # fmt: skip
        np.testing.assert_array_equal(own[f"left_knee_{name}"].to_numpy(), values)
    filled = main.states[:, knee] == PointState.FILLED
    assert ["filled" in (flags or "") for flags in own["left_knee_flags"]] == filled.tolist()
    others = table.filter(pl.col("person") != main.id)
    assert others["left_knee_x_m"].is_null().all(), "nobody else's height is known"
    assert others["left_knee_x"].is_not_null().any()


def test_csv_is_the_same_table_with_six_decimals_and_empty_fields(folder: Path) -> None:
    for name in ("angles", "points"):
        whole, written = (pl.read_parquet(folder / f"{name}.parquet"), (folder / f"{name}.csv").read_text("utf-8"))
        read = pl.read_csv(folder / f"{name}.csv", infer_schema_length=None)
        assert read.columns == whole.columns
        assert "NaN" not in written
        assert "inf" not in written
        numbers = [column for column, kind in whole.schema.items() if kind == pl.Float64]
        for column in numbers:
            if whole[column].is_not_null().any():
                np.testing.assert_allclose(read[column].to_numpy(), whole[column].to_numpy(), atol=5.1e-7)


def strict(path: Path) -> Any:
    """JSON without NaN and Infinity, which Python alone would take."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{path}: {word}")

    return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)


def test_json_is_json_and_says_how_everything_was_worked_out(crossing: Analysis, folder: Path) -> None:
    told, done = strict(folder / "analysis.json"), strict(folder / "events.json")
    assert told["schema"] == done["schema"] == 1
    assert told["options"]["smoothing"] == {"method": "auto", "frequency": None, "max_gap": 0.2}
    assert told["options"]["known"]["height"] == 1.8
    assert told["conventions"]["joint angles"].startswith("degrees, 0 straight")
    assert told["conventions"]["velocity"].startswith("degrees a second of angles, by the frames before and after;")
    assert [person["id"] for person in told["persons"]] == [person.id for person in crossing.persons]
    for record, person in zip(told["persons"], crossing.persons, strict=True):
        assert record["share_filled"] == person.filled
        assert record["warnings"] == list(person.warnings)
        assert record["keypoints"]["left_knee"]["measured"] <= 1
        assert record["angles"]["left_knee"]["share_out_of_plane"] is not None
        assert record["facing"]["stretches"][0]["facing"] in ("left", "right")
        assert len(record["gaps"]) == len(person.gaps)
    assert told["persons"][0]["scale"]["source"] == "height"
    assert told["persons"][1]["scale"] is None
    assert {path.name for path in folder.iterdir()} == {*told["files"], "analysis.json"} - {
        name for name, note in told["files"].items() if note.startswith("not written")
    }
    for record, person in zip(done["persons"], crossing.persons, strict=True):
        assert record["counts"] == person.counts
        assert [event["time"] for event in record["events"]] == [event.time for event in person.events]
        assert record["events"][0]["values"]["split"]["unit"] == "statures"


def test_nan_is_null_in_json(tmp_path: Path) -> None:
    still = np.repeat(truth("squat").points[:1], 30, axis=0)
    still[:, 9:] = np.nan
    analyze(log_of(tmp_path / "k.jsonl", motion(np.arange(30) / 25, still))).write(tmp_path / "out")
    record = strict(tmp_path / "out" / "analysis.json")["persons"][0]
    assert record["angles"]["left_knee"]["sigma"] is None
    assert record["floor"]["sigma"] is None


def test_a_trc_is_written_by_the_rules(tmp_path: Path) -> None:
    points = np.array([[[0.5, 1, 0], [np.nan] * 3], [[0.25, 1, 0], [2, 3, 0]]])
    write_trc(tmp_path / "a.trc", "a.trc", np.array([0.0, 0.5]), ["LKnee", "RKnee"], points, "m")
    assert (tmp_path / "a.trc").read_bytes().decode() == (
        "PathFileType\t4\t(X/Y/Z)\ta.trc\n"
        "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\tOrigNumFrames\n"
        "2.000000\t2.000000\t2\t2\tm\t2.000000\t1\t2\n"
        "Frame#\tTime\tLKnee\t\t\tRKnee\t\t\n"
        "\t\tX1\tY1\tZ1\tX2\tY2\tZ2\n"
        "\n"
        "1\t0.000000\t0.500000\t1.000000\t0.000000\tNaN\tNaN\tNaN\n"
        "2\t0.500000\t0.250000\t1.000000\t0.000000\t2.000000\t3.000000\t0.000000\n"
    )


def test_times_rise_in_the_file_as_they_do() -> None:
    assert time_stamps(np.array([0, 1 / 3])) == ["0.000000", "0.333333"]
    close = np.array([1.0, 1.0 + 2e-8, 2.0])
    assert np.all(np.diff([float(stamp) for stamp in time_stamps(close)]) > 0)


def test_a_mot_holds_the_largest_whole_block(tmp_path: Path) -> None:
    known = np.ones((10, 3), bool)
    known[4, 0] = False
    assert largest_block(known[:, 1:]) is not None
    block = largest_block(known)
    assert block is not None
    assert (block.start, block.stop, block.columns) == (0, 10, (1, 2)), "20 numbers, against 15 with all three"
    known[:, 1:] = False
    assert largest_block(known).columns == (0,)  # type: ignore[union-attr] # there is one
    assert largest_block(np.zeros((5, 2), bool)) is None
    points = truth("squat").points.copy()
    points[60:90, NAMES.index("left_ankle")] = np.nan
    analysis = analyze(log_of(tmp_path / "k.jsonl", truth("squat").with_points(points)))
    written = write(analysis, tmp_path / "out", ("mot",))
    text = (tmp_path / "out" / "person1.mot").read_text(encoding="utf-8")
    assert "nan" not in text.lower()
    assert "without left_knee, left_shank" in written.notes["person1.mot"]
    head, _, rows = text.partition("endheader\n")
    keys = dict(line.split("=") for line in head.splitlines() if "=" in line)
    lines = rows.splitlines()
    assert keys == {"version": "1", "nRows": "210", "nColumns": str(len(lines[0].split("\t"))), "inDegrees": "yes"}
    assert len(lines) == 211
    assert {len(line.split("\t")) for line in lines} == {int(keys["nColumns"])}
    assert "knee_flexion_r" in lines[0].split("\t")
    assert " " not in lines[0]


def test_markers_are_named_and_placed_as_in_a_body(crossing: Analysis) -> None:
    assert marker_names(("nose", "left_knee", "right_big_toe", "a point")) == ("Nose", "LKnee", "RBigToe", "APoint")
    assert len(set(marker_names(("left_a", "l a", "LA", "L_a")))) == 4
    main = crossing.main
    assert main.points_m is not None
    markers = metric_markers(main)
    np.testing.assert_array_equal(markers[:, :, :2], main.points_m)
    left, right = (markers[:, NAMES.index(f"{side}_hip"), 2] for side in ("left", "right"))
    nearer = np.where(main.facings == 0, right - left, left - right)  # who faces right shows the right side
    side = (main.facings == 0) | (main.facings == 1)
    known = np.isfinite(left) & np.isfinite(right) & side
    assert known.sum() > 200
    assert nearer[known] == pytest.approx(0.12 * 1.8)


def test_an_earlier_analysis_is_replaced_only_where_that_is_asked_for(tmp_path: Path) -> None:
    log = log_of(tmp_path / "k.jsonl", truth("squat"))
    out = tmp_path / "out"
    first = analyze(log, scale=100.0)
    first.write(out)
    (out / "notes.txt").write_text("mine", encoding="utf-8")
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    with pytest.raises(OutputError, match="already holds .*--overwrite"):
        first.write(out)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    files = analyze(log).write(out, ["mot"], overwrite=True)
    assert {path.name for path in files} == {"person1.mot", "events.json", "analysis.json"}
    assert {path.name for path in out.iterdir()} == {path.name for path in files} | {"notes.txt"}


def test_what_cannot_be_written_is_told_and_leaves_no_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    analysis = analyze(log_of(tmp_path / "k.jsonl", truth("squat")))
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(OutputError, match="file"):
        analysis.write(tmp_path / "file")
    with pytest.raises(OutputError, match="file"):
        analysis.write(tmp_path / "file" / "below")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pl.DataFrame, "write_csv", full)
    with pytest.raises(OutputError, match=r"angles.csv.*No space left"):
        analysis.write(tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_c3d_without_ezc3d_is_told_before_anything_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ezc3d", None)
    analysis = analyze(log_of(tmp_path / "k.jsonl", truth("squat")), scale=100.0)
    with pytest.raises(SettingsError, match=r"pip install 'poseline\[c3d\]'"):
        analysis.write(tmp_path / "out", ["csv", "c3d"])
    assert not (tmp_path / "out").exists()


def test_formats_are_checked() -> None:
    assert parse_formats("mot, csv") == ("csv", "mot")
    assert parse_formats("") == ()
    with pytest.raises(SettingsError, match="unknown format 'xls'; known are csv, parquet, trc, mot, c3d"):
        parse_formats("csv,xls")


def test_four_thousand_frames_take_a_second_or_two(tmp_path: Path) -> None:
    """From the log to all files: measured 1.3 s of one core; the limit is for a machine ten times slower."""
    short = disturbed(truth("squat"), 0)
    repeats = 4_000 // len(short) + 1
    points = np.concatenate([short.points] * repeats)[:4_000]
    confidence = np.tile(short.confidence, (repeats, 1))[:4_000]
    long = motion(np.arange(4_000) / 25, points, (540, 960), confidence=confidence)
    log = log_of(tmp_path / "k.jsonl", long)
    began = time.process_time()
    analysis = analyze(log, height=1.8)
    analysis.write(tmp_path / "out", ["csv", "parquet", "trc", "mot"])
    assert time.process_time() - began < 13
    assert 52 <= analysis.main.counts["squat"] <= 60
    assert math.isclose(analysis.rate, 25)
