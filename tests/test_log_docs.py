"""docs/log.md against real logs, tables and summaries: all their fields are described, and no others are."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from numpy.typing import NDArray

from media_worlds import ScriptedSource, estimator, one_person, picture, settings
from output_worlds import lines
from poseline.capture import open_source
from poseline.formats.exporting import export_log
from poseline.formats.importing import import_log
from poseline.frame import Frame, Gap, Pixels
from poseline.inference import PoseEstimator
from poseline.log import read_log
from poseline.log.reader import Ending
from poseline.output import prepare
from poseline.pipeline import run
from test_capture_images import save

PAGE = (Path(__file__).parents[1] / "docs" / "log.md").read_text(encoding="utf-8")


@cache
def described() -> dict[str, list[str]]:
    """The names in the first column of each section's table, by the section's heading."""
    found: dict[str, list[str]] = {}
    heading = ""
    for line in PAGE.splitlines():
        if line.startswith("#"):
            heading = line.lstrip("# ")
        elif line.startswith("| `"):
            found.setdefault(heading, []).extend(re.findall(r"`([^`]+)`", line.split("|")[1]))
    return found


def names(record: dict[str, Any], deep: tuple[str, ...] = ()) -> Iterator[str]:
    """The record's fields, those of `deep` by both names, as `model.name`."""
    for key, value in record.items():
        if key in deep and isinstance(value, dict):
            yield from (f"{key}.{inner}" for inner in value)
        else:
            yield key


class Camera(ScriptedSource):
    """A camera with an outage, whose picture changes its size and the shape of its pixels."""

    def _frame(self, number: int) -> Frame:
        self._size = (64, 48) if number < 5 else (96, 64)
        frame = replace(super()._frame(number), pixel_aspect=Fraction(1) if number < 5 else Fraction(4, 3))
        return replace(frame, gap=Gap(0.1, 0.2, "cable")) if number == 3 else frame


def two_kinds() -> PoseEstimator:
    """A model that knows more than one class, and is not sure where a keypoint is."""

    def answer(pixels: Pixels) -> NDArray[np.float32]:
        told = one_person(pixels)
        told = np.concatenate((told[:5], np.zeros((1, told.shape[1]), np.float32), told[5:]))
        told[6] = np.nan
        return told

    model = estimator(answer)
    spec = replace(model.spec, names={0: "person", 1: "dog"})
    return PoseEstimator(spec, model.runtime, model.settings)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The results of a camera, and of pictures of several sizes with a model of two classes."""
    place = tmp_path_factory.mktemp("runs")
    (place / "pictures").mkdir()
    for number in range(2):
        save(place / "pictures" / f"{number}.png", number)
    import cv2

    cv2.imwrite(str(place / "pictures" / "2.png"), picture(2, (96, 64)))
    chosen = settings(output={"log": ("csv", "parquet")})
    for name, source, model, segment in (
        ("camera", Camera(12, live=True, rate=100), estimator(), None),
        ("stills", open_source(place / "pictures", chosen.capture), two_kinds(), None),
        ("parts", ScriptedSource(70), estimator(), "2s"),
    ):
        chosen = settings(output={"log": ("csv", "parquet"), "segment": segment})
        with prepare(place / name, "", False, []) as out:
            report = run(source, model, chosen, out)
        assert report.error is None
    return [place / "camera", place / "stills", place / "parts"]


def test_every_field_of_a_log_is_described_and_none_else(folders: list[Path], tmp_path: Path) -> None:
    found: dict[str, set[str]] = {}
    import_log(export_log(folders[0], "coco", tmp_path / "labels.json").paths[0], "coco", tmp_path)
    for folder in [*folders, tmp_path]:
        for record in lines(folder / "keypoints.jsonl"):
            kind = record["type"]
            deep = ("model", "skeleton", "video", "counts", "imported")
            found.setdefault(kind, set()).update(names(record, deep))
            for person in record.get("persons", ()):
                found.setdefault("persons", set()).update(person)
    assert set(found) == {"run", "frame", "persons", "gap", "size", "next", "end"}
    for kind, fields in found.items():
        assert sorted(fields) == sorted(set(described()[kind])), kind


def test_every_column_of_a_table_is_described_in_its_place(folders: list[Path]) -> None:
    log = read_log(folders[1] / "keypoints.jsonl")
    keypoint = [column for column in described()["Tables"] if column.startswith("<name>")]
    columns: list[str] = []
    for column in described()["Tables"]:
        if column == keypoint[0]:
            columns += [each.replace("<name>", name) for name in log.names for each in keypoint]
        elif column not in keypoint:
            columns.append(column)
    camera, stills, _ = folders  # of one class and of one source; and of pixels of one shape
    for folder, absent in ((camera, {"class", "source"}), (stills, {"pixel_aspect"})):
        with (folder / "keypoints.csv").open(encoding="utf-8", newline="") as file:
            header = next(csv.reader(file))
        assert absent < set(columns)
        assert header == [column for column in columns if column not in absent]


def test_every_field_of_a_summary_is_described(folders: list[Path]) -> None:
    for folder in folders:
        summary = json.loads((folder / "summary.json").read_text())
        assert list(summary) == described()["summary.json"]
        for stage in summary["stages"]:
            assert list(stage) == described()["stages"]
    camera = json.loads((folders[0] / "summary.json").read_text())
    assert list(camera["latency_ms"]) == list(camera["drawn_ms"]) == ["p50", "p95"]


def test_every_way_to_end_is_described() -> None:
    assert described()["How a run ended"] == list(get_args(Ending))


def test_the_examples_are_those_of_the_library(folders: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folders[0].parent)
    examples = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    assert len(examples) == 3
    for example in examples:
        exec(example.replace("runs/clip/", "camera/"), {})  # noqa: S102 # the page's own words
