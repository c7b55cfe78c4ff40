"""Models of one input channel, as they are trained for infrared, thermal and mono cameras: they see grey.

The built-in network becomes one of them by adding up what its first convolution makes of red, green and blue. It must
then find in a picture what the built-in one finds in the same picture without its colours.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import onnx
import openvino
import pytest
import yaml
from onnx import TensorProto, helper
from openvino import opset13 as ov

from output_worlds import lines
from poseline import ModelError, PoseModel
from poseline.capture import VideoFile
from poseline.frame import Frame, Pixels
from poseline.inference import Letterbox, PoseEstimator, weights
from poseline.inference.colours import network_matrix
from poseline.inference.runtimes.constants import constant
from poseline.inference.scaler import PAD, Scaler
from poseline.openvino_core import core
from poseline.settings import CaptureSettings, InferenceSettings
from test_scaler import ROUNDING, in_colour, wavy
from test_sparse_head import BUILTIN

CROSSING = Path(__file__).parents[1] / "samples" / "crossing.mp4"


def openvino_model(folder: Path, channels: int = 1, *, told: bool = True, open_input: bool = False) -> Path:
    """An OpenVINO model folder whose network takes pictures of so many channels."""
    network = core().read_model(BUILTIN)
    first = next(node for node in network.get_ordered_ops() if node.get_type_name() == "Convolution")
    trained = constant(first.input_value(1).get_node())
    assert trained is not None
    grey = np.repeat(trained.sum(axis=1, keepdims=True), channels, axis=1) / channels
    first.input(1).replace_source_output(ov.constant(grey).output(0))
    shape = openvino.PartialShape([-1, -1 if open_input else channels, -1, -1])
    network.get_parameters()[0].set_partial_shape(shape)
    network.validate_nodes_and_infer_types()
    folder.mkdir()
    openvino.save_model(network, folder / "grey.xml", compress_to_fp16=False)
    metadata = yaml.safe_load((BUILTIN.parent / "metadata.yaml").read_text(encoding="utf-8"))
    metadata |= {"channels": channels} if told else {}
    (folder / "metadata.yaml").write_text(yaml.safe_dump(metadata), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return openvino_model(tmp_path_factory.mktemp("grey") / "grey_openvino_model")


@pytest.fixture(scope="module")
def weights_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as PyTorch weights."""
    torch = pytest.importorskip("torch")
    weights.read_spec(weights.find("builtin"), convert=False)  # ultralytics, imported as Poseline wants it
    checkpoint = torch.load(weights.find("builtin"), map_location="cpu", weights_only=False)
    first = checkpoint["model"].model[0].conv
    first.weight = torch.nn.Parameter(first.weight.sum(dim=1, keepdim=True))
    first.in_channels = checkpoint["model"].yaml["channels"] = 1
    path = tmp_path_factory.mktemp("grey") / "grey.pt"
    torch.save(checkpoint, path)
    return path


@pytest.fixture(scope="module")
def frame() -> Frame:
    frames = VideoFile(CROSSING, CaptureSettings()).frames()
    first = next(frames)
    frames.close()
    return first


def without_colours(bgr: Pixels) -> Pixels:
    return np.asarray(cv2.cvtColor(cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR), np.uint8)


@pytest.mark.parametrize("variant", ["told", "untold", "open"])
def test_openvino_sees_grey(variant: str, folder: Path, frame: Frame, tmp_path: Path) -> None:
    if variant != "told":
        folder = openvino_model(tmp_path / "grey", told=False, open_input=variant == "open")
    grey, colour = (PoseModel(name, precision="fp32", imgsz=320) for name in (folder, "builtin"))
    [expected], [seen] = colour(without_colours(frame.bgr)), grey(frame.bgr)
    assert len(expected) >= 1
    np.testing.assert_allclose(seen.keypoints.data, expected.keypoints.data, atol=0.1)
    assert grey.estimator.runtime.channels == 1
    assert seen.orig_img.shape == frame.bgr.shape
    [plain], [coloured] = grey(frame.bgr[:, :, :1]), colour(frame.bgr[:, :, :1])
    np.testing.assert_allclose(plain.boxes.xyxy, coloured.boxes.xyxy, atol=0.1)


@pytest.mark.parametrize("runtime", ["torch", "cuda"])
def test_pytorch_sees_grey(runtime: str, weights_file: Path, frame: Frame) -> None:
    pytest.importorskip("torch")
    from poseline.inference.runtimes.cuda import CudaRuntime
    from poseline.inference.runtimes.pytorch import TorchRuntime

    settings = InferenceSettings(imgsz=320)
    found = {}
    for name, path in {"grey": weights_file, "colour": weights.find("builtin")}.items():
        spec = weights.read_spec(path, convert=False)
        engine: Any = TorchRuntime(path, "cpu", precision="fp32")
        if runtime == "cuda":  # step by step, on the CPU
            engine = CudaRuntime(path, "cpu", precision="fp32", batch=2)
        assert engine.channels == (1 if name == "grey" else 3)
        found[name] = PoseEstimator(spec, engine, settings)
    bgr = Frame(frame.bgr, 0, 0, Fraction(1), 0.0, 0.0)
    expected = found["colour"].estimate(Frame(without_colours(frame.bgr), 0, 0, Fraction(1), 0.0, 0.0)).poses
    assert len(expected) >= 1
    np.testing.assert_allclose(found["grey"].estimate(bgr).poses.keypoints, expected.keypoints, atol=0.5)
    of_planes = found["grey"].estimate(frame).poses
    assert len(of_planes) == len(expected)
    np.testing.assert_allclose(of_planes.boxes, expected.boxes, atol=2)


def mean_network(path: Path, channels: int, *, told: bool, open_input: bool = False) -> Path:
    """An ONNX network that finds one person, whose score is the mean brightness of the first channel."""
    shape = [1, "channels" if open_input else channels, 64, 64]
    inputs = [helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)]
    outputs = [helper.make_tensor_value_info("output0", TensorProto.FLOAT, [1, 11, 1])]
    person = np.array([32, 32, 16, 16, 32, 20, 0.9, 30, 40, 0.8], np.float32).reshape(1, 10, 1)
    constants = {"box": person[:, :4], "points": person[:, 4:], "axes": np.array([2], np.int64)}
    constants |= {"begin": np.array([0], np.int64), "end": np.array([1], np.int64), "second": np.array([1], np.int64)}
    nodes = [
        helper.make_node("Slice", ["images", "begin", "end", "second"], ["first"]),
        helper.make_node("GlobalAveragePool", ["first"], ["mean"]),
        helper.make_node("Squeeze", ["mean", "axes"], ["score"]),
        helper.make_node("Concat", ["box", "score", "points"], ["output0"], axis=1),
    ]
    tensors = [onnx.numpy_helper.from_array(array, name) for name, array in constants.items()]
    model = helper.make_model(
        helper.make_graph(nodes, "mean", inputs, outputs, tensors),
        opset_imports=[helper.make_opsetid("", 17)], ir_version=8,
    )  # fmt: skip
    metadata = {"task": "pose", "names": "{0: 'person'}", "kpt_shape": "[2, 3]", "stride": "32"}
    helper.set_model_props(model, metadata | ({"channels": str(channels)} if told else {}))
    onnx.save(model, path)
    return path


@pytest.mark.parametrize(("told", "open_input"), [(True, False), (False, False), (True, True)])
def test_onnx_sees_grey(told: bool, open_input: bool, tmp_path: Path) -> None:
    model = PoseModel(mean_network(tmp_path / "grey.onnx", 1, told=told, open_input=open_input), conf=0.01)
    picture = np.full((64, 64, 3), (10, 120, 200), np.uint8)
    grey = round(0.114 * 10 + 0.587 * 120 + 0.299 * 200)
    assert model(picture)[0].boxes.conf.tolist() == pytest.approx([grey / 255], abs=1e-5)


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("engine", ["onnx", "openvino"])
def test_other_channels_are_refused_when_the_model_is_read(engine: str, told: bool, tmp_path: Path) -> None:
    path = tmp_path / "four.onnx"
    if engine == "onnx":
        mean_network(path, 4, told=told)
    else:
        path = openvino_model(tmp_path / "four_openvino_model", 4, told=told, open_input=not told)
    with pytest.raises(ModelError, match=rf"{path.name}: its network takes pictures of 4 channels; poseline runs"):
        PoseModel(path)


def test_other_channels_of_weights_are_refused(weights_file: Path, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    checkpoint = torch.load(weights_file, map_location="cpu", weights_only=False)
    first = checkpoint["model"].model[0].conv
    first.weight = torch.nn.Parameter(first.weight.repeat(1, 2, 1, 1))
    torch.save(checkpoint, tmp_path / "two.pt")
    with pytest.raises(ModelError, match=r"two\.pt: its network takes pictures of 2 channels"):
        PoseModel(tmp_path / "two.pt", runtime="torch")


# A video's planes


@pytest.mark.parametrize(("colorspace", "color_range"), [(5, 1), (5, 2), (1, 1), (1, 2)])
def test_the_planes_of_a_video_give_the_grey_of_its_colours(colorspace: int, color_range: int) -> None:
    """BT.601's luma of red, green and blue, as OpenCV's grey is, also of a video that is written by BT.709."""
    picture = wavy(320, 180, colorspace, color_range)
    letterbox = Letterbox.fit(320, 180, 320, 32)
    planes = np.full((1, letterbox.size[1], letterbox.size[0]), PAD, np.uint8)
    Scaler().fill(Frame(picture, 0, 0, Fraction(1), 0.0, 0.0), letterbox, planes)
    top = letterbox.offset[1]
    expected = in_colour(picture, colorspace, color_range == 2) @ (0.299, 0.587, 0.114)
    assert np.abs(planes[0, top : top + 180] - expected).max() <= (1 if colorspace == 5 else ROUNDING)
    assert (planes[0, :top] == PAD).all()


def test_of_a_mono_camera_the_luma_plane_is_the_grey() -> None:
    grey = np.random.default_rng(1).integers(0, 256, (64, 96), np.uint8)
    picture = av.VideoFrame.from_ndarray(grey, format="gray").reformat(format="yuvj420p", dst_color_range=2)
    picture.colorspace, picture.color_range = 2, 2
    planes = np.zeros((1, 64, 96), np.uint8)
    Scaler().fill(Frame(picture, 0, 0, Fraction(1), 0.0, 0.0), Letterbox.fit(96, 64, 96, 32), planes)
    np.testing.assert_array_equal(planes[0], grey)
    np.testing.assert_allclose(network_matrix(2, 2, 1), [[1, 0, 0, 0]], atol=1e-6)
    assert network_matrix(1, 1, 3).shape == (3, 4)


def test_one_scaler_may_serve_both() -> None:
    picture = av.VideoFrame(64, 64, "yuv420p")
    frame, scaler = Frame(picture, 0, 0, Fraction(1), 0.0, 0.0), Scaler()
    for channels in (3, 1, 3):
        planes = np.zeros((channels, 64, 64), np.uint8)
        fresh = planes.copy()
        scaler.fill(frame, Letterbox.fit(64, 64, 64, 32), planes)
        Scaler().fill(frame, Letterbox.fit(64, 64, 64, 32), fresh)
        np.testing.assert_array_equal(planes, fresh)


def test_the_command_runs_a_grey_model(folder: Path, tmp_path: Path) -> None:
    shutil.copy(CROSSING, tmp_path / "clip.mp4")
    words = ["run", str(tmp_path / "clip.mp4"), "-m", str(folder), "-o", str(tmp_path / "out"), "--vid-stride", "15"]
    done = subprocess.run([sys.executable, "-m", "poseline", *words, "--imgsz", "320"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    records = [record for record in lines(tmp_path / "out" / "keypoints.jsonl") if record["type"] == "frame"]
    assert len(records) == 16
    assert sum(len(record["persons"]) for record in records) >= 16
