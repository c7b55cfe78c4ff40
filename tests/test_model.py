"""The Python API, as the tutorial uses it."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from poseline import PoseModel, Results, SettingsError, SourceError, stream
from poseline.errors import DeviceError, ModelError


@pytest.fixture(scope="module")
def model(builtin: Path) -> PoseModel:
    return PoseModel(builtin)


@pytest.fixture(scope="module")
def result(model: PoseModel, picture: Path) -> Results:
    return model(picture)[0]


def test_a_result_has_the_tutorials_names(result: Results) -> None:
    people = len(result)
    assert people >= 1
    assert result.names == {0: "person"}
    assert result.boxes.xyxy.shape == result.boxes.xywh.shape == (people, 4)
    assert result.boxes.conf.shape == result.boxes.cls.shape == (people,)
    assert result.keypoints.data.shape == (people, 17, 3)
    assert result.keypoints.xy.shape == result.keypoints.xyn.shape == (people, 17, 2)
    assert set(result.speed) == {"preprocess", "inference", "postprocess"}
    height, width = result.orig_shape
    np.testing.assert_allclose(result.keypoints.xyn * [width, height], result.keypoints.xy, rtol=1e-5)
    centre = result.boxes.xyxy.reshape(-1, 2, 2).mean(axis=1)
    np.testing.assert_allclose(result.boxes.xywh[:, :2], centre, rtol=1e-5)
    np.testing.assert_array_equal(result.keypoints.data[..., 2], result.keypoints.conf)


def test_a_path_and_its_pixels_give_the_same(model: PoseModel, picture: Path, result: Results) -> None:
    pixels = np.asarray(cv2.imread(str(picture)), np.uint8)
    np.testing.assert_array_equal(model(pixels)[0].keypoints.data, result.keypoints.data)
    both = model([picture, pixels])
    assert [len(one) for one in both] == [len(result)] * 2


def test_plot_draws_and_saves(result: Results, tmp_path: Path) -> None:
    target = tmp_path / "output_kp.jpg"
    drawn = result.plot(
        conf=True, line_width=2, font_size=14, boxes=True, labels=True, show=False, save=True, filename=target
    )
    assert drawn.shape == result.orig_img.shape
    changed = (drawn != result.orig_img).any(axis=2)
    assert 0.001 < changed.mean() < 0.5
    saved = np.asarray(cv2.imread(str(target)), np.int32)
    assert np.abs(saved - drawn).mean() < 5  # JPEG is lossy
    bare = result.plot(boxes=False, labels=False)
    assert (bare != result.orig_img).any(axis=2).sum() < changed.sum()
    assert Path(result.save(tmp_path / "again.png")).exists()


def test_options_of_a_call_hold_for_that_call(model: PoseModel, picture: Path, result: Results) -> None:
    assert len(model(picture, conf=0.99)[0]) == 0
    assert len(model(picture, max_det=1)[0]) == 1
    assert model(picture, imgsz=320)[0].input_shape == (192, 320)
    assert len(model(picture)[0]) == len(result)


@pytest.mark.parametrize(
    ("options", "words"),
    [({"augment": True}, "augment"), ({"runtime": "onnx"}, "loaded"), ({"conf": 2}, "conf"), ({"cnf": 0.5}, "cnf")],
)
def test_options_that_cannot_be_are_refused(
    model: PoseModel, picture: Path, options: dict[str, object], words: str
) -> None:
    with pytest.raises(SettingsError, match=words):
        model(picture, **options)  # type: ignore[call-overload] # which a type checker sees too


def test_a_class_that_the_model_does_not_have_is_refused(builtin: Path) -> None:
    with pytest.raises(SettingsError, match="has no class 7; it has 0 person"):
        PoseModel(builtin, classes=[0, 7])
    assert PoseModel(builtin, classes=[0]).names == {0: "person"}


def test_pictures_that_cannot_be_are_refused(model: PoseModel, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"nowhere\.jpg"):
        model(tmp_path / "nowhere.jpg")
    with pytest.raises(SourceError, match="uint8"):
        model(np.zeros((10, 10), np.int64))


@pytest.mark.parametrize("device", ["cuda", "cuda:3", "mps"])
def test_a_device_that_is_not_there_is_an_error(device: str, int8: Path) -> None:
    with pytest.raises((DeviceError, SettingsError), match=device):
        PoseModel(int8, device=device)


def test_torch_devices_are_checked(builtin: Path) -> None:
    """In a child, since torch warns and stays in memory."""
    script = (
        "import sys\nfrom poseline import PoseModel, DeviceError\n"
        "try:\n    PoseModel(sys.argv[1], device='cuda:7')\nexcept DeviceError as error:\n    print(error)\n"
    )
    child = subprocess.run(
        [sys.executable, "-c", script, str(builtin)],
        capture_output=True, text=True, check=True, timeout=280,
    )  # fmt: skip
    assert "cuda:7 was asked for" in child.stdout


def test_stream_gives_tracked_frames_in_order(model: PoseModel, clip: Path) -> None:
    before = threading.active_count()
    indices = []
    ids: set[int] = set()
    for observation in stream(clip, model=model):
        indices.append(observation.frame.index)
        ids |= set(observation.poses.ids.tolist())
        if len(indices) == 12:
            break
    assert indices == list(range(12))
    assert max(ids) >= 2
    assert threading.active_count() <= before + 1  # OpenVINO may keep one of its own


REFUSED = {
    "text.pt": (b"this is no network", "not PyTorch weights"),
    "pointer.pt": (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
    "page.pt": (b"<!DOCTYPE html><html></html>", "web page"),
    "empty.pt": (b"", "empty"),
    "torn.pt": (b"PK\x03\x04 and nothing else", "damaged"),
    "model.xyz": (b"?", "not a model"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_files_that_are_no_weights_are_refused(name: str, tmp_path: Path) -> None:
    content, words = REFUSED[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelError, match=words):
        PoseModel(tmp_path / name)


def test_a_model_that_is_nowhere_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such model file"):
        PoseModel(tmp_path / "mine.pt")


POISON = """
import sys, torch
class Evil:
    def __reduce__(self):
        return (open, (sys.argv[2], "w"))
torch.save({"model": Evil(), "train_args": {"task": "pose"}}, sys.argv[1])
"""
TORCH = """
import sys
from poseline import PoseModel, ModelError
try:
    PoseModel(sys.argv[1], runtime="torch")
except ModelError as error:
    print(error)
"""


def test_weights_that_would_run_code_run_none(tmp_path: Path) -> None:
    weights, marker = tmp_path / "evil.pt", tmp_path / "it-ran"
    subprocess.run([sys.executable, "-c", POISON, str(weights), str(marker)], check=True, timeout=280)
    with pytest.raises(ModelError, match="would run code") as refused:
        PoseModel(weights)
    assert "open" in str(refused.value)
    child = subprocess.run(
        [sys.executable, "-c", TORCH, str(weights)], capture_output=True, text=True, check=True, timeout=280
    )
    assert "would run code" in child.stdout
    assert not marker.exists()


DETECT = """
import sys, torch
from ultralytics.nn.tasks import DetectionModel
model = DetectionModel("yolo11n.yaml", nc=2, verbose=False)
torch.save({"model": model.half(), "train_args": {"task": "detect"}}, sys.argv[1])
"""


def test_a_detection_model_is_refused_by_its_task(tmp_path: Path) -> None:
    weights = tmp_path / "detect.pt"
    subprocess.run([sys.executable, "-c", DETECT, str(weights)], check=True, timeout=280, capture_output=True)
    with pytest.raises(ModelError, match="detect model"):
        PoseModel(weights)


IMPORTED = """
import json, sys
from poseline.cli import command
from poseline.interruption import Interruption
sys.argv = ["poseline", "run", sys.argv[1], "-m", sys.argv[2], "-o", sys.argv[3]]
try:
    command(Interruption())
finally:
    print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def test_a_run_on_openvino_never_imports_torch(builtin: Path, picture: Path, tmp_path: Path) -> None:
    child = subprocess.run(
        [sys.executable, "-c", IMPORTED, str(picture), str(builtin), str(tmp_path / "out")],
        capture_output=True, text=True, check=True, timeout=280,
    )  # fmt: skip
    modules = json.loads(child.stdout.splitlines()[-1])
    assert "openvino" in modules
    assert not {"torch", "ultralytics", "onnxruntime"} & set(modules)
