from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from poseline.amounts import bytes_in, moment_in, seconds_in, whole_in
from poseline.bench.plan import Options
from poseline.cli import _jobs
from poseline.commands.common import numbers, person_of, size_of
from poseline.errors import SettingsError
from poseline.rendering.fit import Size
from poseline.settings import Settings, load

CONFIGS = sorted((Path(__file__).parents[1] / "configs").glob("*.yaml"))


def written(tmp_path: Path, text: str) -> Path:
    """A configuration file."""
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_later_wins(tmp_path: Path) -> None:
    path = written(tmp_path, "inference:\n  conf: 0.4\n  iou: 0.5\n")
    defaults = load().inference
    assert (defaults.conf, defaults.iou) == (0.25, 0.7)
    from_file = load(path).inference
    assert (from_file.conf, from_file.iou, from_file.imgsz) == (0.4, 0.5, defaults.imgsz)
    given = load(path, {"inference": {"conf": 0.6}, "output": {"crf": 30}})
    assert (given.inference.conf, given.inference.iou, given.output.crf) == (0.6, 0.5, 30)


@pytest.mark.parametrize("text", ["", "# only words\n", "inference:\n", "inference: {}\n"])
def test_an_empty_file_changes_nothing(text: str, tmp_path: Path) -> None:
    assert load(written(tmp_path, text)) == load()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("inference:\n  confidence: 0.5\n", r"unknown setting 'inference.confidence'; known here: model, device"),
        (
            "inferense:\n  conf: 0.5\n",
            r"unknown setting 'inferense'; did you mean inference\?; known here: capture, inference",
        ),
        ("inference:\n  conf: 1.5\n", r"inference\.conf: .*less than or equal to 1, got 1\.5"),
        ("inference:\n  imgsz: big\n", r"inference\.imgsz: .*got 'big'"),
        ("output:\n  directory: '-'\n", r"output\.directory: results are several files, .* name a folder"),
        ("inference:\n  device: toaster\n", r"inference\.device: a device is auto, cpu, .*got 'toaster'"),
        ("output:\n  log: [xml]\n", r"output\.log\.0: .*got 'xml'"),
        ("capture:\n  read_timeout: 0\n", r"capture\.read_timeout: .*got 0"),
        ("conf: 0.5\n", "expected sections"),
        ("- inference\n", "expected sections"),
        ("inference: [\n", "not valid YAML"),
    ],
)
def test_what_is_wrong_is_named_with_its_file(text: str, words: str, tmp_path: Path) -> None:
    path = written(tmp_path, text)
    with pytest.raises(SettingsError, match=words) as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("text", ["9" * 400, "9" * 400 + ":00", "9" * 5000 + ":0:0", "1:" + "9" * 400])
def test_an_amount_that_is_too_large_for_a_number_is_none(text: str) -> None:
    assert moment_in(text) is None
    assert seconds_in(text + "d") is bytes_in(text + "TB") is None
    with pytest.raises(SettingsError, match=r"capture\.start: a time is seconds or h:mm:ss"):
        load(overrides={"capture": {"start": text}})


@pytest.mark.parametrize("text", ["", "x", "-1", "1.5", "9" * 16, "9" * 5000])
def test_a_number_that_is_no_count_is_told(text: str) -> None:
    assert whole_in(text) is None
    with pytest.raises(SettingsError, match="--classes: .* is not a list of numbers"):
        numbers("--classes", f"1,{text}")
    with pytest.raises(SettingsError, match="--person: main or an id"):
        person_of("--person", text)
    with pytest.raises(SettingsError, match="--size: .* is not a size"):
        size_of("--size", f"640x{text}")
    with pytest.raises(SettingsError, match="--size: "):
        Size.parse(f"640x{text}")
    with pytest.raises(SettingsError, match="--jobs: a number"):
        _jobs(text)
    with pytest.raises(SettingsError, match="--imgsz: .* is not a list"):
        Options.parsed([], f"640,{text}x", "auto", "auto", "auto", None, False, 1, 9.0)


def test_what_the_command_line_has_wrong_is_not_put_down_to_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, "inference:\n  conf: 0.5\n")
    with pytest.raises(SettingsError, match=r"^inference\.conf: .*got 2"):
        load(path, {"inference": {"conf": 2}})
    with pytest.raises(SettingsError, match=r"\.yaml: inference\.imgsz"):
        load(written(tmp_path, "inference:\n  imgsz: 2\n"), {"inference": {"conf": 0.5}})


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.yaml: the configuration cannot be read"):
        load(tmp_path / "none.yaml")
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00x")
    with pytest.raises(SettingsError, match=r"bytes\.yaml: "):
        load(tmp_path / "bytes.yaml")


def test_a_file_runs_no_code(tmp_path: Path) -> None:
    path = written(tmp_path, f"inference: !!python/object/apply:os.mkdir ['{tmp_path / 'mark'}']\n")
    with pytest.raises(SettingsError, match="not valid YAML"):
        load(path)
    assert not (tmp_path / "mark").exists()


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load().inference.conf = 0.5


@pytest.mark.parametrize("chosen", [("csv",), ("parquet", "csv"), ("jsonl", "csv")])
def test_the_journal_is_always_written(chosen: tuple[str, ...]) -> None:
    assert "jsonl" in load(overrides={"output": {"log": chosen}}).output.log


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_each_profile_holds_every_key_with_a_comment(path: Path) -> None:
    load(path)
    text = path.read_text(encoding="utf-8")
    content: dict[str, dict[str, Any]] = yaml.safe_load(text)
    assert list(content) == list(Settings.model_fields)
    for section, model in ((name, getattr(load(), name)) for name in content):
        assert set(content[section]) == set(type(model).model_fields), section
    for line in text.splitlines():
        if re.match(r"\s*\w+:", line):
            assert re.search(r"# .*\w{2}", line), f"no comment: {line}"


def test_there_are_profiles() -> None:
    assert {path.stem for path in CONFIGS} >= {"live", "file"}


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (None, None), ([], None), ((), None), (0, (0,)), ([2], (2,)), ([0, 2], (0, 2)),
        (np.int64(3), (3,)), (np.array([1, 2]), (1, 2)), (np.array([], np.int64), None),
    ],
)  # fmt: skip
def test_no_class_is_all_classes_and_a_number_is_one(given: object, kept: tuple[int, ...] | None) -> None:
    assert load(overrides={"inference": {"classes": given}}).inference.classes == kept


def test_classes_in_a_file_mean_the_same(tmp_path: Path) -> None:
    assert load(written(tmp_path, "inference:\n  classes: []\n")).inference.classes is None
    assert load(written(tmp_path, "inference:\n  classes: 3\n")).inference.classes == (3,)
    for wrong in ("person", "[person]", "0.5", "true", "{0: 1}"):
        with pytest.raises(SettingsError, match=r"inference\.classes"):
            load(written(tmp_path, f"inference:\n  classes: {wrong}\n"))
