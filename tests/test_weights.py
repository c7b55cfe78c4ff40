"""Weights: what an OpenVINO folder says of itself, read by the quick way and by the slow one."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from poseline.errors import ModelError
from poseline.inference import weights
from test_sparse_head import BUILTIN


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An OpenVINO model without the quickly read metadata, as a user has it."""
    copy = Path(shutil.copytree(BUILTIN.parent, tmp_path / "copy"))
    (copy / "metadata.json").unlink()
    return copy


def test_the_built_in_model_says_the_same_both_ways(folder: Path) -> None:
    quick, slow = weights.read_spec(weights.find("builtin"), convert=True), weights.read_spec(folder, convert=True)
    assert replace(slow, name=quick.name, path=quick.path, sha256=quick.sha256) == quick


def test_what_is_written_to_be_read_quickly_says_the_same(folder: Path) -> None:
    slow = weights.read_spec(folder, convert=True)
    weights.write_quick_metadata(folder)
    (folder / "metadata.yaml").unlink()
    assert weights._openvino_spec(folder, slow.name, slow.sha256) == slow


def test_of_a_users_folder_the_usual_metadata_is_read(folder: Path) -> None:
    (folder / "metadata.json").write_text(json.dumps({"task": "detect"}), encoding="utf-8")
    assert weights.read_spec(folder, convert=True).keypoint_shape == (17, 3)


@pytest.mark.parametrize("torn", ["", "{", "null"])
def test_torn_metadata_is_made_up_for(torn: str, folder: Path) -> None:
    (folder / "metadata.json").write_text(torn, encoding="utf-8")
    assert weights._openvino_spec(folder, "a.pt", "digest").keypoint_shape == (17, 3)
    (folder / "metadata.yaml").unlink()
    with pytest.raises(ModelError, match=r"metadata\.yaml cannot be read"):
        weights._openvino_spec(folder, "a.pt", "digest")


def test_a_default_model_that_cannot_be_fetched_is_tried_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tried: list[str | None] = []

    def unreachable(model: str | None) -> Path:
        tried.append(model)
        raise ModelError("no network")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(weights, "find", unreachable)
    monkeypatch.setattr(weights, "_unavailable", set())
    found = [weights._default() for _ in range(3)]
    assert found == [BUILTIN.parent.with_name("poseline-builtin.pt")] * 3
    assert tried == ["yolo11n-pose.pt"]
    assert caplog.text.count("running poseline's built-in model") == 1
    Path("yolo11n-pose.pt").touch()
    weights._default()
    assert len(tried) == 2, "one that has come meanwhile is taken"
