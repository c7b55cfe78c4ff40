"""Compiled networks: found again by what they depend on, and by nothing else."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import openvino
import pytest
from openvino import opset13 as ov

from poseline.inference.runtimes.compiled import CompiledNetworks

OPTIONS = {"INFERENCE_PRECISION_HINT": "f32"}


class Maker:
    """Makes a network that adds `number`, and counts how often it was asked to."""

    def __init__(self, number: float = 1.0) -> None:
        self.number, self.asked = number, 0

    def __call__(self) -> openvino.Model:
        self.asked += 1
        given = ov.parameter([4], np.float32)
        return openvino.Model([ov.result(ov.add(given, np.float32(self.number)))], [given])


def added(network: openvino.CompiledModel) -> float:
    return float(network([np.zeros(4, np.float32)])[0][0])


def test_the_second_run_finds_what_the_first_has_compiled(tmp_path: Path) -> None:
    make = Maker()
    for _ in range(3):  # each a process of its own, as it were
        assert added(CompiledNetworks(tmp_path / "kept", "weights").get((4, 4), OPTIONS, make)) == 1
    assert make.asked == 1
    assert len(list((tmp_path / "kept").iterdir())) == 1, "and no scratch file is left"


@pytest.mark.parametrize("other", ["weights", "size", "options"])
def test_what_differs_is_compiled_for_itself(tmp_path: Path, other: str) -> None:
    CompiledNetworks(tmp_path, "weights").get((4, 4), OPTIONS, Maker(1))
    networks = CompiledNetworks(tmp_path, "others" if other == "weights" else "weights")
    options = {**OPTIONS, "PERFORMANCE_HINT": "LATENCY"} if other == "options" else OPTIONS
    assert added(networks.get(None if other == "size" else (4, 4), options, Maker(2))) == 2


def test_code_that_rewrites_networks_is_a_part_of_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    CompiledNetworks(tmp_path, "weights").get((4, 4), OPTIONS, Maker(1))
    read = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: read(path) + b"#" * (path.name == "sparse_head.py"))
    assert added(CompiledNetworks(tmp_path, "weights").get((4, 4), OPTIONS, Maker(2))) == 2


def test_facts_are_found_once_and_by_the_same_code_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    networks = CompiledNetworks(tmp_path, "weights")
    assert networks.facts(lambda: {"size": [4, 4]}) == {"size": [4, 4]}
    assert networks.facts(lambda: {"size": None}) == {"size": [4, 4]}
    assert CompiledNetworks(tmp_path, "others").facts(lambda: {"size": None}) == {"size": None}
    read = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: read(path) + b"#" * (path.name == "openvino.py"))
    networks = CompiledNetworks(tmp_path, "weights")
    assert networks.facts(lambda: {"size": None, "more": 1}) == {"size": None, "more": 1}


def test_facts_that_are_damaged_are_found_anew(tmp_path: Path) -> None:
    networks = CompiledNetworks(tmp_path, "weights")
    networks.facts(lambda: {"size": [4, 4]})
    (kept,) = tmp_path.iterdir()
    kept.write_bytes(b'{"size": [4')
    assert networks.facts(lambda: {"size": None}) == {"size": None}


@pytest.mark.parametrize("damage", [b"", b"no network", None])
def test_a_damaged_file_is_made_anew(tmp_path: Path, damage: bytes | None, caplog: pytest.LogCaptureFixture) -> None:
    CompiledNetworks(tmp_path, "weights").get((4, 4), OPTIONS, Maker(1))
    (kept,) = tmp_path.iterdir()
    kept.write_bytes(kept.read_bytes()[: kept.stat().st_size // 2] if damage is None else damage)
    make = Maker(1)
    with caplog.at_level(logging.INFO, "poseline"):
        assert added(CompiledNetworks(tmp_path, "weights").get((4, 4), OPTIONS, make)) == 1
    assert make.asked == 1
    assert "made anew" in caplog.text
    assert added(CompiledNetworks(tmp_path, "weights").get((4, 4), OPTIONS, Maker(2))) == 1, "it is whole again"


def test_a_folder_that_cannot_be_had_costs_no_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("in the way")
    with caplog.at_level(logging.INFO, "poseline"):
        assert added(CompiledNetworks(tmp_path / "file" / "kept", "weights").get(None, OPTIONS, Maker(1))) == 1
    assert "cannot be kept" in caplog.text
    assert added(CompiledNetworks(None, "").get(None, OPTIONS, Maker(1))) == 1
