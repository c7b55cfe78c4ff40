from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from bench_worlds import benchmark, case, contest
from poseline.bench import chart
from poseline.bench.schema import Benchmark, Sensors
from poseline.bench.side_by_side import columns
from poseline.errors import OutputError, SettingsError

ORANGE = (24, 133, 245)
"""The colour of our bars, BGR."""


def orange(path: Path) -> list[int]:
    """The lengths in pixels of the orange bars, from the top; what is shorter belongs to a legend."""
    picture = cv2.imread(str(path))
    assert picture is not None
    lengths = (np.abs(picture.astype(int) - ORANGE).max(axis=2) < 3).sum(axis=1)
    edges = np.flatnonzero(np.diff((lengths > 60).astype(int)))
    return [int(np.median(lengths[first + 1 : last + 1])) for first, last in zip(edges[::2], edges[1::2], strict=True)]


def test_bars_are_as_long_as_their_numbers(tmp_path: Path) -> None:
    told = benchmark(case(40.0), case(20.0, video=False), contests=(contest(6.0), contest(3.0)))
    chart.draw(told, tmp_path / "a.png")
    bars = orange(tmp_path / "a.png")
    assert len(bars) == 6, "two ratios, two rates, and in each stack of stages the network's"
    assert bars[0] / bars[1] == pytest.approx(6 / 3, rel=0.02)
    assert bars[2] / bars[3] == pytest.approx(40 / 20, rel=0.02)
    assert bars[4] == bars[5]


def title(told: Benchmark, monkeypatch: pytest.MonkeyPatch, path: Path) -> str:
    """What stands above the panels."""
    said: list[str] = []
    monkeypatch.setattr("matplotlib.figure.Figure.suptitle", lambda _, text, **__: said.append(text))
    chart.draw(told, path)
    return said[0]


def test_the_chart_says_what_when_with_what_and_what_was_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quiet = benchmark(case(40.0, precision="bf16"))
    said = title(quiet, monkeypatch, tmp_path / "a.png")
    assert said.splitlines() == [
        "clip.mp4, 1280x720, 100 frames at 50 fps, 1.00 MB", "a processor · 2 cores",
        "2030-01-01 · Poseline 1 · fp32 · OpenVINO 1",
    ]  # fmt: skip
    wrong = benchmark(
        case(40.0, sensors=Sensors(throttled=True)), case(20.0).model_copy(update={"precision": "bf16"}), quick=3.5,
        machine=quiet.machine.model_copy(update={"load": 1.5}),
    )  # fmt: skip
    how, but = title(wrong, monkeypatch, tmp_path / "a.png").splitlines()[2:]
    assert "fp32 and bf16 · OpenVINO 1 · quick: the first 3.5 s" in how
    assert but == "the machine was busy before: 1.5 programs wanted its 2 cores · it slowed itself down (throttling)"


def test_side_by_side(tmp_path: Path) -> None:
    found = columns([("a", benchmark(case(30.0))), ("b", benchmark(case(60.0)))])
    chart.draw_side_by_side(found, tmp_path / "a.png")
    assert len(orange(tmp_path / "a.png")) == 1, "the first column's"


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written: No such file"):
        chart.draw(benchmark(), tmp_path / "none" / "a.png")


def test_without_matplotlib_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(SettingsError, match="--plot needs matplotlib: pip install matplotlib"):
        chart.draw(benchmark(), tmp_path / "a.png")
