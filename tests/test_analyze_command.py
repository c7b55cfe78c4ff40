"""`poseline analyze`: what is given and said, exit codes, and a clip that is run first."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from analysis_worlds import SAMPLES, truth
from log_worlds import log_of, person, real_log
from media_worlds import write_clip
from poseline import batch
from poseline.cli import command
from poseline.interruption import Interruption
from poseline.settings import load
from rendering_worlds import acted

ALWAYS = {"events.json", "analysis.json"}


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> object:
    """Runs `poseline analyze` in a folder of its own: exit code, what it says, and what it says of errors."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["poseline", "analyze", *map(str, arguments)])
        code = command(Interruption())
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


QUICK: dict[str, dict[str, Any]] = {"inference": {"model": "builtin", "imgsz": 320}, "capture": {"vid_stride": 3}}


@pytest.fixture
def with_builtin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clips are run by the built-in model, also where the default one could be fetched."""
    run_batch, settings = batch.run_batch, load(overrides=QUICK)
    monkeypatch.setattr(batch, "run_batch", lambda sources, _, interruption: run_batch(sources, settings, interruption))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_runs_folder(told, tmp_path: Path) -> None:  # type: ignore[no-untyped-def] # the fixture says what it is
    run = tmp_path / "runs" / "squat"
    run.mkdir(parents=True)
    shutil.move(real_log(tmp_path, "builtin", "squat"), run / "keypoints.jsonl")
    code, said, errors = told(run, "--height", 1.8)
    assert (code, errors) == (0, "")
    assert "person 1: 0.00 to 8.36 s, faces right; 3 squats" in said
    assert names(run / "analysis") == ALWAYS | {
        "angles.csv", "points.csv", "person1_px.trc", "person1_m.trc", "person1.mot"
    }  # fmt: skip
    code, _, errors = told(run)
    assert code == 4
    assert "already holds" in errors
    code, said, _ = told(run, "--overwrite", "--formats", "parquet", "--from", "0:02.5", "--to", "5.5")
    assert code == 0
    assert "1 squat;" in said
    assert "--height, --scale or --calibrate gives metres" in said
    assert names(run / "analysis") == ALWAYS | {"angles.parquet", "points.parquet"}


def test_several_logs_go_into_folders_of_their_own(told, tmp_path: Path) -> None:  # type: ignore[no-untyped-def] # likewise
    log = log_of(tmp_path / "a" / "keypoints.jsonl", truth("squat"))
    other = log_of(tmp_path / "b" / "a" / "keypoints.jsonl", truth("squat"))
    code, _, errors = told(log, tmp_path / "nothing.jsonl", other, "-o", tmp_path / "out", "--formats", "mot")
    assert code == 3, "the first that failed"
    assert "no such log" in errors
    assert names(tmp_path / "out") == {"a", "a-2"}
    assert names(tmp_path / "out" / "a") == ALWAYS | {"person1.mot"}


def test_everybody_and_what_is_said_of_them(told, tmp_path: Path) -> None:  # type: ignore[no-untyped-def] # likewise
    log = real_log(tmp_path, "yolo11n", "crossing")
    code, said, _ = told(log, "--person", "all", "--height", "1.80", "--formats", "trc,mot", "-o", "out")
    assert code == 0
    assert [f"person {number}: " in said for number in (1, 2, 3)] == [True] * 3
    assert "The height is person 2's; the others have no metres." in said
    assert "note: person1.mot: only from" in said
    assert "person1_m.trc: not written: no metres are known" in said
    assert (tmp_path / "out" / "person2_m.trc").exists()
    code, said, _ = told(log, "-o", "alone", "--formats", "")
    assert "2 other people in the log: --person all" in said
    assert names(tmp_path / "alone") == ALWAYS


def test_a_note_on_the_video_is_said_once_with_the_file_s_name(told, tmp_path: Path) -> None:  # type: ignore[no-untyped-def] # likewise
    log = acted(tmp_path, "squat", seconds=1.0, size=(48, 64))
    lines = log.read_text(encoding="utf-8").splitlines()
    shifted = json.loads(lines[13])
    shifted["pts"] += 1
    log.write_text("\n".join([*lines[:13], json.dumps(shifted), *lines[14:], ""]), encoding="utf-8")
    code, said, _ = told(log, "--video", "--size", "240p", "--formats", "")
    assert code == 0
    assert "note: angles.mp4: 1 frame of the log was not found in the clip\n" in said
    assert said.count("not found in the clip") == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--person 9", "no person has the id 9; this log has 1"),
        ("--person x", "--person: main, all or an id"),
        ("--from x", "--from: a time is seconds or h:mm:ss"),
        ("--from 1:2:3:4", "--from: a time is"),
        ("--to 1e3", "--to: a time is"),
        (f"--to {'9' * 400}:00", "--to: a time is"),
        ("--from 1:00", "no frame from 60 s on"),
        ("--from 3 --to 2", "from 3 s to 2 s is empty"),
        ("--height 1.8 --scale 100", "not several of them"),
        ("--calibrate 1,2,3,4", "--calibrate: X1,Y1,X2,Y2=M"),
        ("--calibrate 1,2,x,4=2", "--calibrate: X1,Y1,X2,Y2=M"),
        ("--floor-angle steep", "--floor-angle: auto, or degrees"),
        ("--smooth kalman", "auto, none or butterworth:HZ"),
        ("--formats csv,xls", "unknown format 'xls'"),
        pytest.param("--formats c3d", "c3d holds metres: give --height", marks=pytest.mark.system("ezc3d")),
        ("--events dance", "unknown kind 'dance'"),
        ("-o -", "cannot go to standard output"),
    ],
)
def test_a_bad_option_is_2(options: str, words: str, told, tmp_path: Path) -> None:  # type: ignore[no-untyped-def] # likewise
    log = log_of(tmp_path / "keypoints.jsonl", truth("squat"))
    code, _, errors = told(log, *options.split())
    assert code == 2
    assert words in errors
    assert errors.startswith("error: ")
    assert names(tmp_path) == {"keypoints.jsonl"}


@pytest.mark.parametrize("source", ["nothing", "0", "rtsp://user:secret@camera/live", "nothing.jsonl", "."])
def test_what_is_no_run_log_or_clip_is_3(source: str, told, tmp_path: Path) -> None:  # type: ignore[no-untyped-def] # likewise
    code, _, errors = told(source)
    assert code == 3
    assert "secret" not in errors
    assert names(tmp_path) == set()


def test_two_points_of_known_distance(told, tmp_path: Path) -> None:  # type: ignore[no-untyped-def] # likewise
    log = log_of(tmp_path / "keypoints.jsonl", truth("squat"))
    assert told(log, "--calibrate", "100,50,300,50=2", "--events", "none", "--smooth", "butterworth:6")[0] == 0
    record = json.loads((tmp_path / "analysis" / "analysis.json").read_text(encoding="utf-8"))
    assert record["persons"][0]["scale"]["px_per_m"] == 100
    assert record["persons"][0]["counts"] == {}
    assert record["options"]["smoothing"] == {"method": "butterworth", "frequency": 6.0, "max_gap": 0.2}


@pytest.mark.usefixtures("with_builtin")
def test_a_clip_is_run_first_and_its_log_used_again(told, tmp_path: Path) -> None:  # type: ignore[no-untyped-def] # likewise
    shutil.copy(SAMPLES / "squat.mp4", tmp_path / "squat.mp4")
    code, said, _ = told("squat.mp4", "--to", 3)
    assert code == 0
    assert "1 squat" in said
    assert (tmp_path / "runs" / "squat" / "annotated.mp4").exists()
    assert names(tmp_path / "runs" / "squat" / "analysis") > ALWAYS
    code, said, _ = told("squat.mp4", "--overwrite")
    assert code == 0
    assert f"analyzed by the log {Path('runs') / 'squat' / 'keypoints.jsonl'}" in said
    assert names(tmp_path / "runs") == {"squat"}
    assert "3 squats" in said
    os.utime(tmp_path / "squat.mp4")  # the clip is another now
    assert told("squat.mp4", "--person", 77)[0] == 2
    assert names(tmp_path / "runs") == {"squat", "squat-2"}


@pytest.mark.usefixtures("with_builtin")
def test_a_clip_that_nobody_is_in_is_3(told, tmp_path: Path) -> None:  # type: ignore[no-untyped-def] # likewise
    write_clip(tmp_path / "empty.mp4", range(5))
    code, _, errors = told(tmp_path / "empty.mp4")
    assert code == 3
    assert "nobody was seen" in errors


def test_no_engine_is_loaded_for_a_log(tmp_path: Path) -> None:
    code = """
import sys
from poseline.cli import command
from poseline.interruption import Interruption
sys.argv = ["poseline", "analyze", *sys.argv[1:]]
assert command(Interruption()) == 0
print("LOADED", *{name.split('.')[0] for name in sys.modules})
"""
    log = log_of(tmp_path / "keypoints.jsonl", truth("squat"))
    done = subprocess.run([sys.executable, "-c", code, log], capture_output=True, text=True, timeout=280, check=True)
    loaded = set(done.stdout.rpartition("LOADED")[2].split())
    assert "numpy" in loaded
    assert not loaded & {"openvino", "torch", "ultralytics", "onnxruntime", "scipy"}


def test_a_persons_entry_has_what_a_log_has() -> None:
    """The worlds of these tests are logs as the writer writes them."""
    entry = person(1, truth("squat").points[0])
    assert set(entry) == {"id", "score", "box", "keypoints"}
