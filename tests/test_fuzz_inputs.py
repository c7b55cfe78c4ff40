"""Damaged models, logs, settings, skeletons and lists of cameras by a seed; and each kind of fault that was found."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from poseline.capture.camera_list import read_camera_list
from poseline.errors import ModelError, PoselineError, SettingsError, SourceError, redact
from poseline.inference.spec import ModelSpec
from poseline.log import read_log, read_tracks
from poseline.plain_yaml import NotPlainError, load_plain
from poseline.settings import load
from poseline.skeleton import Skeleton

TOOL = Path(__file__).parents[1] / "tools" / "fuzz" / "inputs.py"
RUN: dict[str, Any] = {
    "type": "run", "schema": 1, "source": "clip.mp4", "skeleton": {"names": ["nose"]},
    "video": {"width": 64, "height": 48},
}  # fmt: skip
FRAME: dict[str, Any] = {
    "type": "frame", "frame": 0, "pts": 0, "time": 0.0, "dropped_before": 0, "corrupt": False,
    "persons": [{"id": 1, "score": 0.9, "box": [1, 2, 3, 4], "keypoints": [[1, 2, 0.5]]}],
}  # fmt: skip


def test_forty_files_by_a_seed() -> None:
    command = [sys.executable, str(TOOL), "--cases", "56", "--seed", "3", "--kinds", "log,config,skeleton,cameras"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "42 cases, 0 faults" in done.stdout


def unfolding(levels: int) -> str:
    """A text of a few lines that unfolds to 9 ** levels values."""
    lines = ["a0: &a0 x"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    "text",
    ["a: " + "[" * 3000, "a: 2020-13-45", "a: " + "9" * 5000, unfolding(12), "a: &a [*a]", "? [a]\n: 1",
     "a: !!python/name:os.x x",
     "!!int x", "a: \0", "- " * 3000, "a: x\n" * 500_000],
    ids=["deep", "month", "digits", "unfolds", "holds itself", "key", "tag", "no number", "zero", "dashes", "long"],
)  # fmt: skip
def test_yaml_that_is_not_plain_is_refused_in_one_line_wherever_it_is_read(text: str, tmp_path: Path) -> None:
    with pytest.raises(NotPlainError) as told:
        load_plain(text)
    assert 0 < len(str(told.value)) <= 300
    assert "\n" not in str(told.value)
    path = tmp_path / "file.yaml"
    path.write_text(text)
    for read in (load, Skeleton.load, read_camera_list):
        with pytest.raises(SettingsError, match="file.yaml"):
            read(path)


def test_plain_yaml_is_read_as_ever() -> None:
    text = "a: &a [1, 2.5, yes, null, x]\nb: *a\nc: {d: 2020-12-24}\n"
    assert load_plain(text)["b"] == [1, 2.5, True, None, "x"]
    assert load_plain(unfolding(4))


@pytest.mark.parametrize(
    ("key", "value"),
    [("video", [1]), ("video", {"width": 1e308, "height": 2}),
     ("video", {"pixel_aspect": "x"}),
     ("video", {"pixel_aspect": -1}),
     ("skeleton", {"names": ["nose"], "edges": [3]}), ("skeleton", {"names": ["nose"], "edges": [["a", "b"]]}),
     ("skeleton", {"names": ["nose"], "sigmas": 4}),
     ("skeleton", {"names": ["nose", ""]}), ("skeleton", {"names": ["nose", "nose"]}),
     ("classes", 5), ("source", ["a"])],
)  # fmt: skip
def test_a_log_whose_first_line_is_garbled_is_refused(key: str, value: Any, tmp_path: Path) -> None:
    path = tmp_path / "keypoints.jsonl"
    path.write_text(json.dumps(RUN | {key: value}) + "\n" + json.dumps(FRAME) + "\n")
    with pytest.raises(SourceError, match="keypoints.jsonl: the keypoint log's first line is garbled"):
        read_log(path)


@pytest.mark.parametrize("first", ["[" * 100_000, '{"type":"run","skeleton":' + "[" * 100_000, "x" * 100_000])
def test_a_first_line_that_is_no_record_is_refused(first: str, tmp_path: Path) -> None:
    path = tmp_path / "keypoints.jsonl"
    path.write_text(first + "\n")
    with pytest.raises(SourceError, match="not a keypoint log"):
        read_log(path)


@pytest.mark.parametrize(
    "garbled",
    [{"pts": 2**63}, {"frame": 10**30}, {"frame": 1e400}, {"pts": "x"}, {"time": []},
     {"persons": [{"id": 2**64}]}, {"persons": 3}],
)  # fmt: skip
def test_a_line_with_impossible_numbers_is_skipped_and_counted(garbled: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "keypoints.jsonl"
    lines = [RUN, FRAME, FRAME | {"frame": 1} | garbled, FRAME | {"frame": 2}]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    log = read_log(path)
    assert ([frame.index for frame in log.frames], log.skipped) == ([0, 2], 1)
    assert len(read_tracks(path).times) == 2


@pytest.mark.parametrize(
    ("key", "value"),
    [("kpt_shape", "[1000000000, 3]"), ("kpt_shape", "[17, 300]"), ("kpt_shape", "(" * 5000), ("names", "{" * 5000),
     ("stride", "9" * 5000), ("channels", float("inf")), ("kpt_shape", [0, 3])],
)  # fmt: skip
def test_metadata_of_a_model_that_is_garbled_is_refused(key: str, value: Any) -> None:
    metadata = {"task": "pose", "kpt_shape": "[17, 3]", "names": "{0: 'person'}", "stride": "32", "channels": 3}
    assert ModelSpec.from_metadata(metadata, Path("a.onnx"), "onnx", "a.onnx", "0")
    with pytest.raises(ModelError, match="a.onnx: its metadata lacks or garbles"):
        ModelSpec.from_metadata(metadata | {key: value}, Path("a.onnx"), "onnx", "a.onnx", "0")


def test_an_error_does_not_repeat_a_whole_file() -> None:
    text = str(PoselineError("clip.mp4: " + "x" * 100_000 + " at the end"))
    assert len(text) < 2000
    assert text.startswith("clip.mp4: ")
    assert text.endswith(" at the end")


@pytest.mark.parametrize(
    "text", ["x" * 300_000, "://" * 100_000, "?" + "pas" * 100_000, "a&" * 100_000, "rtsp://a:" + "b@" * 100_000]
)
def test_hiding_passwords_takes_time_in_proportion_to_the_text(text: str) -> None:
    """A pattern that looks from each letter to the end takes minutes for these."""
    begun = time.process_time()
    redact(text)
    assert time.process_time() - begun < 30
