"""`poseline inspect --list` and `--json`: what deserves a look, as lines for people and for programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from conftest import Told
from log_worlds import real_log
from marks_worlds import called, exchanged, moments, three, tracks
from poseline.inspection import find_marks
from poseline.log import read_tracks, write_tracks


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Of three people; the second's legs are exchanged in frames 40 to 44, the third is another from 100 on."""
    times = moments()
    path = tmp_path / "keypoints.jsonl"
    faulty = exchanged(tracks(times, three(times)), 2, range(40, 45), ("knee", "ankle"))
    write_tracks(path, called(faulty, {3: 4}, range(100, 120)))
    return path


def test_the_list_has_a_line_a_mark(told: Told, log: Path) -> None:
    code, said, errors = told("inspect", log.parent, "--list")
    assert (code, errors) == (0, "")
    head, *lines = said.splitlines()
    assert head.split() == ["time", "frames", "person", "kind", "severity", "why"]
    rows = [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in lines]
    assert [row[:4] for row in rows] == [
        ["1.60 s", "40 to 44", "2", "sides"], ["3.96 s", "99 to 100", "3, 4", "identity"],
    ]  # fmt: skip
    assert rows[0][5] == "left and right knee and ankle exchanged for 5 frames"
    assert [row[4] for row in rows] == sorted((row[4] for row in rows), reverse=True)


def test_json_has_a_record_a_mark(told: Told, log: Path) -> None:
    code, said, _ = told("inspect", log, "--json")
    assert code == 0
    records = [json.loads(line) for line in said.splitlines()]
    marks = find_marks(read_tracks(log))
    assert [(record["kind"], tuple(record["persons"]), record["start"], record["end"]) for record in records] == [
        (mark.kind, mark.persons, mark.start, mark.end) for mark in marks
    ]
    assert records[0]["time"] == 1.6
    assert set(records[0]) == {"time", "kind", "persons", "start", "end", "severity", "why", "keypoints"}


def test_json_lines_are_whole_however_narrow_the_terminal(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    code, said, _ = told("inspect", real_log(tmp_path, "yolo11n", "crowd"), "--json")
    assert code == 0
    assert len([json.loads(line) for line in said.splitlines()]) > 40
    code, said, _ = told("inspect", real_log(tmp_path, "yolo11n", "crowd"), "--list")
    assert code == 0
    assert all(" s  " in line for line in said.splitlines()[1:])


def test_a_run_without_marks(told: Told, tmp_path: Path) -> None:
    log = real_log(tmp_path, "builtin", "squat")
    assert told("inspect", log, "--list") == (0, "nothing in this run deserves a look\n", "")
    assert told("inspect", log, "--json") == (0, "", "")


def test_a_log_that_is_not_there(told: Told, tmp_path: Path) -> None:
    code, _, errors = told("inspect", tmp_path / "nothing", "--list")
    assert code == 3
    assert "no such log" in errors
