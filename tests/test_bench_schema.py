from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench_worlds import benchmark, case, contest
from poseline.bench.schema import Benchmark, Spread, read
from poseline.errors import SettingsError


def written(path: Path, told: Benchmark) -> Path:
    path.write_text(told.model_dump_json(by_alias=True))
    return path


def test_what_is_written_is_read(tmp_path: Path) -> None:
    told = benchmark(case(), case(video=False), contests=(contest(6.0, 5.0),))
    path = written(tmp_path / "a.json", told)
    assert json.loads(path.read_text())["schema"] == 1
    assert read(path) == told


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("no json", "Invalid JSON"),
        ("{}", "started"),
        ('{"schema": 2}', "schema"),
        ('{"schema": 1, "more": 1}', "started"),
    ],
)
def test_what_is_no_benchmark_is_refused(content: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(content)
    with pytest.raises(SettingsError, match=f"a.json: not a benchmark of schema 1: .*{words}"):
        read(path)


def test_a_number_out_of_place_is_named(tmp_path: Path) -> None:
    record = json.loads(written(tmp_path / "a.json", benchmark()).read_text())
    record["cases"][0]["fps"]["median"] = "fast"
    (tmp_path / "a.json").write_text(json.dumps(record))
    with pytest.raises(SettingsError, match=r"cases\.0\.fps\.median"):
        read(tmp_path / "a.json")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="none.json: cannot be read: No such file"):
        read(tmp_path / "none.json")


def test_spread() -> None:
    assert Spread.of([5.0, 1.0, 2.0, 9.0]) == Spread(median=3.5, least=1.0, most=9.0)
