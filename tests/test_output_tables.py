from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from output_worlds import header, lines, poses, seen
from poseline.errors import OutputError, SourceError
from poseline.log import KeypointLog, tables, write_csv, write_parquet
from poseline.pose import Poses
from poseline.skeleton import Skeleton
from test_output_keylog import of_size

COLUMNS = ["frame", "time", "id", "score", "x1", "y1", "x2", "y2",
           "head_x", "head_y", "head_c", "left_hand_x", "left_hand_y", "left_hand_c"]  # fmt: skip


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A journal of 25 frames with 0 to 3 persons, one number missing, read in chunks of 4 frames."""
    monkeypatch.setattr(tables, "_CHUNK", 4)
    path = tmp_path / "keypoints.jsonl"
    with KeypointLog(path, header()) as journal:
        for index in range(25):
            found = poses(index % 4, index)
            if index == 7:
                keypoints = found.keypoints.copy()
                keypoints[1, 0, 0] = np.nan
                found = Poses.of(found.boxes, found.scores, keypoints).with_ids(found.ids)
            journal.frame(seen(index, found))
    return path


def truth(log: Path) -> list[tuple[Any, ...]]:
    """The rows as they should be, from the journal's own text."""
    return [
        (
            record["frame"],
            record["time"],
            person["id"],
            person["score"],
            *person["box"],
            *(number for keypoint in person["keypoints"] for number in keypoint),
        )
        for record in lines(log)
        if record["type"] == "frame"
        for person in record["persons"]
    ]


def read_csv(path: Path) -> tuple[list[str], list[list[str]]]:
    with path.open(encoding="utf-8", newline="") as file:
        first, *rest = csv.reader(file)
    return first, rest


def test_csv_is_the_journal(log: Path, tmp_path: Path) -> None:
    write_csv(log, tmp_path / "keypoints.csv")
    columns, rows = read_csv(tmp_path / "keypoints.csv")
    assert columns == COLUMNS
    assert [tuple(float(cell) if cell else None for cell in row) for row in rows] == truth(log)
    assert len(rows) == sum(index % 4 for index in range(25))
    assert [row.count("") for row in rows if row[0] == "7"] == [0, 1, 0]


def test_parquet_is_the_journal(log: Path, tmp_path: Path) -> None:
    write_parquet(log, tmp_path / "keypoints.parquet")
    table = pl.read_parquet(tmp_path / "keypoints.parquet")
    assert table.columns == COLUMNS
    assert table.schema["frame"] == table.schema["id"] == pl.Int64
    assert table.schema["head_x"] == pl.Float64
    assert table.rows() == truth(log)


def test_a_run_without_persons_is_a_table_without_rows(tmp_path: Path) -> None:
    with KeypointLog(tmp_path / "log.jsonl", header()):
        pass
    write_csv(tmp_path / "log.jsonl", tmp_path / "out.csv")
    write_parquet(tmp_path / "log.jsonl", tmp_path / "out.parquet")
    assert read_csv(tmp_path / "out.csv") == (COLUMNS, [])
    assert pl.read_parquet(tmp_path / "out.parquet").columns == COLUMNS


def test_classes_and_pictures_have_columns_of_their_own_at_the_end(tmp_path: Path) -> None:
    with KeypointLog(tmp_path / "log.jsonl", header(source="a", video=None, classes=("person", "dog"))) as journal:
        journal.frame(seen(0, poses(1), source="a"))
        journal.frame(seen(1, poses(1), source="b, with a comma.jpg"))
    write_csv(tmp_path / "log.jsonl", tmp_path / "out.csv")
    columns, rows = read_csv(tmp_path / "out.csv")
    assert columns == [*COLUMNS, "class", "source"]
    assert [row[-2:] for row in rows] == [["0", "a"], ["0", "b, with a comma.jpg"]]


@pytest.mark.parametrize("video", [{"width": 64, "height": 48}, None])
def test_pictures_of_several_sizes_have_their_size_in_every_row(video: Any, tmp_path: Path) -> None:
    sizes = [(64, 48), (64, 48), (32, 90)]
    with KeypointLog(tmp_path / "log.jsonl", header(video=video, classes=("person", "dog"))) as journal:
        for index, size in enumerate(sizes):
            journal.frame(of_size(index, *size))
    write_csv(tmp_path / "log.jsonl", tmp_path / "out.csv")
    write_parquet(tmp_path / "log.jsonl", tmp_path / "out.parquet")
    columns, rows = read_csv(tmp_path / "out.csv")
    assert columns == [*COLUMNS, "width", "height", "class", *([] if video else ["source"])]
    table = pl.read_parquet(tmp_path / "out.parquet")
    assert table.columns == columns
    assert table.select("width", "height").rows() == sizes
    assert [tuple(map(int, row[14:16])) for row in rows] == sizes


@pytest.mark.parametrize("write", [write_csv, write_parquet])
def test_a_table_that_fails_leaves_the_old_one_and_no_half(write: Any, log: Path, tmp_path: Path) -> None:
    target = tmp_path / "table"
    target.write_text("precious")
    broken = tmp_path / "broken.jsonl"
    broken.write_text("no log\n")
    with pytest.raises(SourceError, match="not a keypoint log"):
        write(broken, target)
    with pytest.raises(OutputError, match="missing/table"):
        write(log, tmp_path / "missing" / "table")
    assert target.read_text() == "precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken.jsonl", "keypoints.jsonl", "table"]
    write(log, target)
    assert target.read_bytes() != b"precious"


def test_two_keypoints_of_one_name_are_refused(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    with KeypointLog(log, header(skeleton=Skeleton(("knee", "foot")))):
        pass
    log.write_text(log.read_text().replace('"foot"', '"knee"'))  # by another program, or an older version
    with pytest.raises(SourceError, match="'knee' is the name of more than one keypoint"):
        write_csv(tmp_path / "log.jsonl", tmp_path / "out.csv")
