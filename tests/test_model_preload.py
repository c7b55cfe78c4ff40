"""A head start: taken where the same words lead to the same network, and nowhere else."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import openvino
import pytest
from openvino import opset13 as ov

from media_worlds import WAIT, write_clip
from poseline.inference.runtimes import compiled
from poseline.inference.runtimes.compiled import CompiledNetworks
from poseline.startup.model_preload import ModelPreload

WORDS = ["clip.mp4", "-m", "yolo11n-pose.pt", "-o", "out"]
OPTIONS = {"INFERENCE_PRECISION_HINT": "f32"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("POSELINE_CACHE", str(tmp_path))
    return tmp_path / "compiled"


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> ModelPreload:
    """A process that has just begun, as it were."""
    return begun(monkeypatch)


def begun(monkeypatch: pytest.MonkeyPatch, words: list[str] = WORDS) -> ModelPreload:
    start = ModelPreload()
    start.begin(words)
    monkeypatch.setattr(compiled, "model_preload", start)
    return start


def network() -> openvino.Model:
    given = ov.parameter([4], np.float32)
    return openvino.Model([ov.result(ov.add(given, np.float32(1)))], [given])


def get(folder: Path, side: int = 4) -> openvino.CompiledModel:
    return CompiledNetworks(folder, "weights").get((side, side), OPTIONS, network)


def file_of(folder: Path) -> Path:
    [file] = folder.glob("*.network")
    return file


@pytest.mark.usefixtures("process")
def test_the_next_process_in_the_same_words_begins_with_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    get(folder)
    for words in (WORDS, ["other.mp4", "-m", "yolo11n-pose.pt", "--no-video"], ["-m", "yolo11n-pose.pt", "a", "b"]):
        taken = begun(monkeypatch, words).take(file_of(folder))
        assert taken is not None
        assert taken([np.zeros(4, np.float32)])[0][0] == 1


@pytest.mark.usefixtures("process")
@pytest.mark.parametrize("more", ["--live", "--device=cuda", "--imgsz", "--jobs", "-c", "--help"])
def test_other_words_begin_with_nothing(more: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    get(folder)
    before = threading.active_count()
    start = begun(monkeypatch, [*WORDS, more, "2"])
    assert threading.active_count() == before
    assert start.take(file_of(folder)) is None


@pytest.mark.usefixtures("process")
def test_a_wrong_guess_is_let_go(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    get(folder)
    small = file_of(folder)
    start = begun(monkeypatch)
    get(folder, 8)
    assert start.take(small) is None, "it is asked for once"
    [large] = set(folder.glob("*.network")) - {small}
    assert begun(monkeypatch).take(large) is not None, "and the last one is the next guess"


@pytest.mark.usefixtures("process")
def test_a_damaged_network_is_made_anew(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    get(folder)
    file_of(folder).write_bytes(b"damaged")
    begun(monkeypatch)
    assert get(folder)([np.zeros(4, np.float32)])[0][0] == 1
    assert begun(monkeypatch).take(file_of(folder)) is not None


@pytest.mark.usefixtures("process")
def test_a_network_that_fails_late_is_made_anew(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    get(folder)
    asked = threading.Event()

    class SlowCore:
        def import_model(self, *_: object) -> openvino.CompiledModel:
            assert asked.wait(WAIT)
            raise RuntimeError("the file ends too early")

    monkeypatch.setattr("poseline.openvino_core.core", SlowCore)
    start = begun(monkeypatch)
    threading.Timer(0.2, asked.set).start()  # when it is waited for already
    with pytest.raises(RuntimeError, match="too early"):
        start.take(file_of(folder))


@pytest.mark.usefixtures("process")
def test_of_several_networks_the_first_is_left(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    get(folder)
    first = file_of(folder)
    begun(monkeypatch)
    get(folder)
    get(folder, 8)
    assert begun(monkeypatch).take(first) is not None


@pytest.mark.usefixtures("process")
def test_what_nobody_asks_for_is_not_begun_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    get(folder)
    start = begun(monkeypatch)
    start.cancel()
    assert start.take(file_of(folder)) is None
    assert begun(monkeypatch).take(file_of(folder)) is None


def test_a_note_that_cannot_be_read_is_no_trouble(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "last.json").mkdir(parents=True)
    begun(monkeypatch)
    assert get(folder)([np.zeros(4, np.float32)])[0][0] == 1


def test_a_cache_that_cannot_be_found_is_told_of_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSELINE_CACHE", "~nosuchuser/cache")
    ModelPreload().begin(WORDS)


@pytest.mark.parametrize("left", [b"", b"[]", b"{}", b'{"words": 1, "network": 2, "options": 3}', b"\xff"])
def test_whatever_lies_there_is_no_trouble(left: bytes, folder: Path) -> None:
    folder.mkdir()
    (folder / "last.json").write_bytes(left)
    ModelPreload().begin(WORDS)


def test_a_library_leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "model_preload", ModelPreload())
    get(folder)
    assert not (folder / "last.json").exists()


def test_a_run_begins_with_the_network_of_the_last_one(builtin: Path, folder: Path, tmp_path: Path) -> None:
    clip, out = write_clip(tmp_path / "clip.mp4", range(5)), tmp_path / "out"
    code = """
import sys
from poseline import __main__ as poseline
from poseline.startup.model_preload import model_preload
begin = model_preload.begin
def told(words):
    begin(words)
    print("engine before the command line:", "openvino" in sys.modules and "typer" not in sys.modules)
model_preload.begin = told
poseline.main()
"""
    said = [
        subprocess.run(
            [sys.executable, "-c", code, "run", clip, "-m", builtin, "-o", out, "--overwrite", "--no-video"],
            capture_output=True, text=True, check=True, timeout=280,
        ).stdout
        for _ in range(2)
    ]  # fmt: skip
    assert "engine before the command line: False" in said[0]
    assert "engine before the command line: True" in said[1]
    assert len(list(folder.glob("*.network"))) == 1
