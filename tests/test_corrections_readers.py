"""What reads a corrected log: analysis, tables, exports, videos and commands see corrections, and say so; `--raw`."""

from __future__ import annotations

import csv
import io
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from analysis_worlds import SAMPLES
from conftest import Told
from correction_worlds import scripted, scripted_log
from log_worlds import real_log
from poseline import analyze
from poseline.analysis import Facing
from poseline.corrections import (
    Change,
    Corrections,
    Delete,
    Drop,
    Face,
    Floor,
    Hide,
    Main,
    Place,
    Rename,
    Scale,
    Split,
    SwapSides,
)
from poseline.errors import OutputError, SettingsError
from poseline.formats.exporting import export_log
from poseline.formats.importing import import_log
from poseline.log import read_tracks, write_tracks
from poseline.output.folder import prepare
from poseline.rendering import LoggedClip

ANKLE = 15


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return scripted_log(tmp_path / "run")


@pytest.fixture(scope="module")
def squats(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The log of a network of the sample `squat`."""
    return real_log(tmp_path_factory.mktemp("squats"), "builtin", "squat")


def corrected(log: Path, folder: Path, *changes: Change) -> Path:
    """A copy of a log with these corrections."""
    folder.mkdir()
    copy = Path(shutil.copy(log, folder / "keypoints.jsonl"))
    corrections = Corrections.of(copy)
    for change in changes:
        corrections.append(change)
    return copy


def person_of(log: Path) -> int:
    tracks = read_tracks(log, raw=True)
    numbers, counts = np.unique(tracks.rows.id, return_counts=True)
    return int(numbers[counts.argmax()])


# Analysis


def test_what_was_said_of_the_clip_is_the_default_of_an_analysis(squats: Path, tmp_path: Path) -> None:
    number = person_of(squats)
    log = corrected(
        squats, tmp_path / "run", Main(number), Face(number, "left", 20, 60), Scale(((100, 500), (300, 500)), 1.0),
        Floor(((0, 500), (500, 490))),
    )  # fmt: skip
    found, raw = analyze(log), analyze(log, raw=True)
    assert raw.corrections is None
    assert found.main.id == number
    frames = (found.main.frames >= 20) & (found.main.frames <= 60)
    assert (found.main.facings[frames] == Facing.LEFT).all()
    assert (raw.main.facings == Facing.RIGHT).all()
    assert found.floor.degrees == pytest.approx(np.degrees(np.arctan(0.02)))
    assert found.options.known.points == (100, 500, 300, 500, 1.0)
    assert found.metres
    assert not raw.metres
    assert any(note.startswith("4 corrections made by hand applied; 0 keypoints") for note in found.warnings)
    given = analyze(log, facing="right", height=1.8, floor_angle=0.0)
    assert (given.main.facings == Facing.RIGHT).all()
    assert (given.floor.degrees, given.options.known.height, given.options.known.points) == (0, 1.8, None)


def test_the_main_person_is_who_was_said_to_be(tmp_path: Path) -> None:
    log = real_log(tmp_path, "yolo11n", "crossing")
    everybody = analyze(log, person="all").persons
    other = everybody[-1].ids[0]
    Corrections.of(log).append(Main(other))
    assert other in analyze(log).main.ids
    assert other in analyze(log, person="all").persons[0].ids
    assert everybody[0].id == analyze(log, raw=True).main.id


def test_an_analysis_does_not_undo_what_was_set(squats: Path, tmp_path: Path) -> None:
    """A keypoint that was placed far off is no outlier, and sides that were set are not exchanged back."""
    number = person_of(squats)
    raw = read_tracks(squats)
    rows = np.flatnonzero(raw.rows.id == number)
    frame = int(raw.frames[raw.rows.frame[rows[60]]])
    x, y = raw.rows.keypoints[rows[60], ANKLE, :2].tolist()
    there = x + 60, y - 60
    log = corrected(squats, tmp_path / "run", Place(number, "left_ankle", {frame: there}))
    found = analyze(log).main
    row = int(np.flatnonzero(found.frames == frame)[0])
    assert found.corrected[row].tolist() == [column == ANKLE for column in range(17)]
    assert found.corrected.sum() == 1
    assert np.linalg.norm(found.raw_points[row, ANKLE] - there) < 0.01
    away = np.linalg.norm(found.points[row, ANKLE] - there)
    unset = analyze(with_point(squats, tmp_path / "unset.jsonl", rows[60], there)).main
    assert away < 0.5 * np.linalg.norm(unset.points[row, ANKLE] - there), "measured there, it would be an outlier"

    turned = corrected(squats, tmp_path / "turned", SwapSides(number, 50, 54))
    kept, back = analyze(turned).main, analyze(with_swap(squats, tmp_path / "swap.jsonl", number, 50, 54)).main
    inside = (kept.frames >= 50) & (kept.frames <= 54)
    assert back.swapped[inside][:, ANKLE].all(), "without a word they are taken for exchanged"
    assert not kept.swapped[inside].any()


def with_point(log: Path, target: Path, row: int, point: tuple[float, float]) -> Path:
    """A log in which the network found an ankle elsewhere."""
    tracks = read_tracks(log)
    points = tracks.rows.keypoints.copy()
    points[row, ANKLE, :2] = point
    write_tracks(target, replace(tracks, rows=replace(tracks.rows, keypoints=points)))
    return target


def with_swap(log: Path, target: Path, person: int, start: int, end: int) -> Path:
    """A log in which the network took left and right for each other."""
    tracks = read_tracks(log)
    points, frames = tracks.rows.keypoints.copy(), tracks.frames[tracks.rows.frame]
    mirrored = np.arange(17)
    for left, right in tracks.skeleton.pairs:
        mirrored[left], mirrored[right] = right, left
    chosen = (tracks.rows.id == person) & (frames >= start) & (frames <= end)
    points[chosen] = points[chosen][:, mirrored]
    write_tracks(target, replace(tracks, rows=replace(tracks.rows, keypoints=points)))
    return target


def test_who_was_split_is_not_joined_again(squats: Path, tmp_path: Path) -> None:
    number = person_of(squats)
    log = corrected(squats, tmp_path / "run", Split(number, 100, 77))
    assert [set(person.ids) & {number, 77} for person in analyze(log, person="all").persons[:2]] in (
        [{number}, {77}], [{77}, {number}],
    )  # fmt: skip
    assert analyze(log, person=77).main.frames[0] == 100


def test_the_files_of_an_analysis_say_which_points_were_corrected(squats: Path, tmp_path: Path, told: Told) -> None:
    number = person_of(squats)
    log = corrected(squats, tmp_path / "run", Place(number, "left_knee", {20: (400, 400), 24: (404, 404)}))
    code, said, _ = told("analyze", log, "--report")
    assert code == 0
    assert f"1 correction applied ({log.parent / 'corrections.jsonl'}); --raw reads without" in said
    assert "1 correction made by hand applied; 5 keypoints set by them" in said
    table = pl.read_csv(log.parent / "analysis" / "points.csv", infer_schema_length=None)
    marked = table.filter(pl.col("left_knee_flags").str.contains("corrected"))["frame"].to_list()
    assert marked == [20, 21, 22, 23, 24]
    record: dict[str, Any] = json.loads((log.parent / "analysis" / "analysis.json").read_text())
    assert (record["corrections"], record["persons"][0]["corrected"]) == (1, 5)
    assert "Corrected by hand" in (log.parent / "analysis" / "report.html").read_text()
    code, said, _ = told("analyze", log, "--raw", "--overwrite")
    assert code == 0
    assert "correction" not in said


# Exports and videos


def test_exports_have_what_was_corrected(log: Path, tmp_path: Path) -> None:
    corrections = Corrections.of(log)
    for change in (
        Place(1, "nose", {2: (7, 9)}), Hide(1, ["left_eye"], 2, 2), Drop(1, ["right_eye"], 2, 2), Delete(3, 2, 2),
    ):  # fmt: skip
        corrections.append(change)
    paths = export_log(log, ["coco", "yolo", "csv"], tmp_path / "out").paths
    persons = [each for each in json.loads(paths[0].read_text())["annotations"] if each["image_id"] == 3]
    own = next(person for person in persons if person["track_id"] == 1)
    assert len(persons) == 2
    assert own["keypoints"][:9] == [7, 9, 2, 103 + 2, 60, 1, 0, 0, 0]
    line = next(path for path in paths[1].rglob("*_000002.txt")).read_text().splitlines()[0].split()
    assert [float(word) for word in line[5:11]] == pytest.approx(
        [7 / 640, 9 / 480, 2, 105 / 640, 60 / 480, 1], abs=1e-6
    )
    with paths[2].open(encoding="utf-8") as file:
        row = next(row for row in csv.DictReader(file) if (row["frame"], row["id"]) == ("2", "1"))
    assert (row["nose_x"], row["nose_c"], row["left_eye_c"], row["right_eye_x"]) == ("7.0", "1.0", "0.25", "")
    raw = export_log(log, "coco", tmp_path / "raw.json", raw=True).paths[0]
    assert len(json.loads(raw.read_text())["annotations"]) == len(scripted().rows)


def test_a_clip_is_drawn_with_what_was_corrected(tmp_path: Path) -> None:
    log = Path(shutil.copy(SAMPLES / "crossing.truth.jsonl", tmp_path / "keypoints.jsonl"))
    Corrections.of(log).append(Delete(2))
    for raw, numbers in ((False, {3}), (True, {2, 3})):
        clip = LoggedClip(log, SAMPLES / "crossing.mp4", raw=raw)
        scene = next(iter(clip.scenes()))
        assert set(scene.seen.poses.ids.tolist()) == numbers
        clip.close()


def test_only_what_can_be_raw_or_corrected_is(log: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no frame of .* was corrected"):
        export_log(log, "yolo", tmp_path / "a", corrected=True)
    with pytest.raises(SettingsError, match="--corrected: csv is of all frames"):
        export_log(log, "csv", tmp_path / "a", corrected=True)
    with pytest.raises(SettingsError, match="give one of the two"):
        export_log(log, "yolo", tmp_path / "a", corrected=True, raw=True)


# The command


def test_the_command_makes_lists_undoes_and_merges(log: Path, tmp_path: Path, told: Told) -> None:
    run = log.parent
    assert told("corrections", run)[1].startswith("no corrections")
    code, said, _ = told(
        "corrections", run, "--by", "Ann", "--act", '{"do":"swap_persons","persons":[1,2],"from":3,"to":5}',
        "--act", '{"do":"rename","person":3,"name":"Zoë","act":"mine"}',
    )  # fmt: skip
    assert (code, said.splitlines()[1]) == (0, "mine  rename 3 Zoë (by Ann)")
    assert told("corrections", run, "--undo", "last")[1] == "undone: mine  rename 3 Zoë (by Ann)\n"
    listed = told("corrections", run)[1]
    assert "1 correction in force, 1 undone" in listed
    assert "Ann" in listed
    assert told("corrections", run, "--redo", "mine")[0] == 0
    assert Corrections.of(run).facts.name(3) == "Zoë"
    other = scripted_log(tmp_path / "other")
    Corrections.of(other).append(Rename(3, "Ben"), act="theirs", by="Ben")
    Corrections.of(other).append(Delete(2, 9, 9), act="more", by="Ben")
    code, said, _ = told("corrections", run, "--merge", other.parent)
    assert code == 0
    assert "conflict: theirs  rename 3 Ben (by Ben): contradicts: rename 3 Zoë (by Ann)" in said
    assert "1 act added, 1 conflict" in said
    assert [act.id for act in Corrections.of(run).acts][1:] == ["mine", "more"]


def test_acts_on_standard_input_are_lines_of_json(log: Path, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    act = {"do": "rename", "person": 3, "act": "a"}
    lines = [json.dumps({**act, "name": "Zoë"}, ensure_ascii=False), '{"do":"\u2028"}', ""]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("\n".join(lines).encode())))
    code, said, complaint = told("corrections", log.parent, "--by", "", "--act", "-")
    assert (code, said) == (2, "a  rename 3 Zoë\n")
    assert "--act -, line 2: correction: do is one of" in complaint
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b'\n{"do":"\xff"}\n')))
    code, _, complaint = told("corrections", log.parent, "--act", "-")
    assert (code, "--act -, line 2: is not JSON" in complaint) == (2, True), complaint


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--act", "{"], 2, "--act: is not JSON"),
        (["--act", "[]"], 2, "an act is a JSON object"),
        (["--act", '{"do":"melt"}'], 2, "do is one of place"),
        (["--act", '{"do":"delete","person":9}'], 2, "no person has the id 9"),
        (["--undo", "x"], 2, "there is no act 'x'"),
        (["--undo", "last", "--redo", "last"], 2, "one change at a time"),
        (["--merge", "nowhere"], 3, "no such file of corrections"),
    ],
)
def test_what_the_command_refuses(log: Path, told: Told, arguments: list[str], code: int, words: str) -> None:
    found, _, said = told("corrections", log.parent, *arguments)
    assert found == code
    assert words in " ".join(said.split())
    assert not Corrections.of(log).journal


def test_a_command_tells_of_corrections_that_are_of_another_log(log: Path, told: Told) -> None:
    Corrections.of(log).append(Delete(1))
    log.write_text(log.read_text().replace('"clip.mp4"', '"another.mp4"'))
    for words in (["analyze"], ["export", "--to", "csv"], ["corrections"]):
        code, _, said = told(words[0], log.parent, *words[1:])
        assert code == 3
        assert "these corrections are of another log (clip.mp4)" in " ".join(said.split())
    assert told("export", log.parent, "--to", "csv", "--raw")[0] == 0


def test_a_run_does_not_replace_a_log_that_was_corrected(log: Path) -> None:
    held = log.read_bytes()
    prepare(log.parent, "", overwrite=True, inputs=[]).close()
    assert not log.exists()
    log.write_bytes(held)
    Corrections.of(log).append(Delete(1))
    with pytest.raises(OutputError, match="the log of this folder was corrected by hand"):
        prepare(log.parent, "", overwrite=True, inputs=[])
    assert log.read_bytes() == held


def test_a_name_that_was_given_is_in_formats_that_have_names(log: Path, tmp_path: Path) -> None:
    Corrections.of(log).append(Rename(2, "Zoë, 2nd"))
    table = export_log(log, "deeplabcut", tmp_path / "out.csv").paths[0]
    people = table.read_text(encoding="utf-8").splitlines()[1].split(",")
    assert list(dict.fromkeys(people[1:])) == ["person_1", "Zoë-2nd_2", "person_3"]
    assert import_log(table, "deeplabcut", fps=25, size=(640, 480)).tracks.ids.tolist() == [1, 2, 3]
