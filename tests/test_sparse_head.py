"""The sparse head: the dense head's own answers, wherever there is anything to answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest

import poseline
from output_worlds import SHARED
from poseline.inference.runtimes.openvino import OpenVinoRuntime
from poseline.inference.runtimes.sparse_head import sparse_head
from poseline.openvino_core import core
from poseline.pose import Floats
from poseline.settings import InferenceSettings

BUILTIN = Path(poseline.__file__).parent / "builtin" / "poseline-builtin_openvino_model" / "poseline-builtin.xml"
FULL = {"INFERENCE_PRECISION_HINT": "f32"}


@pytest.fixture(scope="module")
def noise() -> Floats:
    """A picture with something everywhere, so that a network is unsure of all of it, up to the border."""
    coarse = np.random.default_rng(5).uniform(0, 1, (3, 12, 16))
    return np.kron(coarse, np.ones((1, 16, 16)))[None].astype(np.float32)


def network(path: Path, height: int, width: int) -> openvino.Model:
    model = core().read_model(path)
    model.reshape([1, 3, height, width])
    return model


def answers(model: openvino.Model, *inputs: Any) -> Floats:
    compiled = core().compile_model(model, "CPU", FULL)
    return np.array(compiled(list(inputs))[0], np.float32)


def above(rows: Floats, conf: float) -> Floats:
    return rows[rows[:, 4] > conf]


@pytest.mark.parametrize("conf", [0.0001, 0.02, 0.3, 1.0])
def test_the_answers_are_those_of_the_dense_head(noise: Floats, conf: float) -> None:
    dense = above(answers(network(BUILTIN, 192, 256), noise)[0].T, conf)
    sparse = sparse_head(network(BUILTIN, 192, 256), 3)
    assert sparse is not None
    rows = answers(sparse, noise, np.array([conf], np.float32))
    assert len(rows) <= 2 * len(dense) + 3 * 32, "no anchor is worked on in vain, but for what fills a group up"
    assert (len(dense) > 100) == (conf < 0.001), "the picture shows nothing: only a low bar is passed"
    np.testing.assert_allclose(above(rows, conf), dense, atol=2e-3)


def test_a_crowd_of_any_size_meets_few_shapes(noise: Floats) -> None:
    sparse = sparse_head(network(BUILTIN, 192, 256), 3)
    assert sparse is not None
    compiled = core().compile_model(sparse, "CPU", FULL)
    confs = np.geomspace(0.0001, 0.01, 60, dtype=np.float32)
    rows = [compiled([noise, np.array([conf], np.float32)])[0] for conf in confs]
    found = {int((row[:, 4] > conf).sum()) for row, conf in zip(rows, confs, strict=True)}
    assert len(found) > 20
    assert {len(row) % 32 for row in rows} == {0}
    assert len({len(row) for row in rows}) < 12, "three levels of 32, 64, 128 and so on"


def test_a_group_is_never_larger_than_its_map(noise: Floats) -> None:
    sparse = sparse_head(network(BUILTIN, 192, 256), 3)
    assert sparse is not None
    assert len(answers(sparse, noise, np.array([0.0], np.float32))) == 24 * 32 + 12 * 16 + 6 * 8


def test_a_network_of_another_make_is_left_alone() -> None:
    assert sparse_head(core().read_model(BUILTIN), 3) is None, "its input has no size yet"
    other = core().read_model(SHARED / "models" / "yolov8n-pose_int8_openvino_model" / "yolov8n-pose.xml")
    assert sparse_head(other, 3) is None, "eight pictures at once, and quantised"


def test_the_runtime_gives_only_what_was_asked_for(noise: Floats) -> None:
    pixels = np.rint(noise * 255).astype(np.uint8)
    shapes = {}
    for values in (3, None):
        runtime = OpenVinoRuntime(BUILTIN, precision="fp32", live=False, keypoint_values=values)
        request = runtime.request(192, 256)
        request.pixels[:] = pixels
        request.start(InferenceSettings(conf=0.001))
        shapes[values] = request.wait().shape
        request.start(InferenceSettings(conf=0.9))
        assert request.wait().shape[:2] == (1, 56)
    assert shapes[None] == (1, 56, 1008)
    assert shapes[3][2] < 1008
