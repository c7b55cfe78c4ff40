"""The sparse head: the dense head's own answers, wherever there is anything to answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest
from openvino import opset13 as ov

import poseline
from poseline.inference.runtimes.exported_head import sparse_head
from poseline.inference.runtimes.openvino import OpenVinoRuntime
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
    everywhere = answers(network(BUILTIN, 192, 256), noise)[0].T
    dense = above(everywhere, conf)
    sparse = sparse_head(network(BUILTIN, 192, 256), 3)
    assert sparse is not None
    rows = answers(sparse, noise, np.array([conf], np.float32))
    levels = np.split(everywhere[:, 4], np.cumsum([24 * 32, 12 * 16]))
    sizes = (0, 16, 32, 64, 128, 256, 512, 1024)
    groups = (next(size for size in sizes if size >= (level > conf).sum()) for level in levels)
    wanted = sum(min(group, max(len(level), 16)) for group, level in zip(groups, levels, strict=True))
    assert len(rows) == wanted, "no anchor is worked on in vain, but for what fills a group up"
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
    assert {len(row) % 16 for row in rows} == {0}
    assert len({len(row) for row in rows}) < 15, "three levels of 16, 32, 64 and so on"


def test_a_group_is_never_larger_than_its_map(noise: Floats) -> None:
    sparse = sparse_head(network(BUILTIN, 192, 256), 3)
    assert sparse is not None
    assert len(answers(sparse, noise, np.array([0.0], np.float32))) == 24 * 32 + 12 * 16 + 6 * 8


def test_a_network_of_another_make_is_left_alone() -> None:
    assert sparse_head(core().read_model(BUILTIN), 3) is None, "its input has no size yet"
    two = core().read_model(BUILTIN)
    two.reshape([2, 3, 192, 256])
    assert sparse_head(two, 3) is None, "two pictures at once"
    quantised = network(BUILTIN, 192, 256)
    [last] = (
        node for node in quantised.get_ops()
        if "cv4.0.2" in node.get_friendly_name() and node.get_type_name() == "Convolution"
    )  # fmt: skip
    limits = (np.float32(limit) for limit in (-2, 2, -2, 2))
    last.input(1).replace_source_output(ov.fake_quantize(last.input_value(1), *limits, 256).output(0))
    assert sparse_head(quantised, 3) is None, "weights of its keypoints are quantised"


def test_the_runtime_gives_only_what_was_asked_for(noise: Floats) -> None:
    pixels = np.rint(noise * 255).astype(np.uint8)
    shapes = {}
    for values in (3, None):
        runtime = OpenVinoRuntime(BUILTIN, precision="fp32", live=False, keypoint_values=values)
        request = runtime.request(192, 256)
        request.pixels[:] = pixels
        request.start(InferenceSettings(conf=0.0001))
        shapes[values] = request.wait().shape
        request.start(InferenceSettings(conf=0.9))
        nobody = request.wait().shape
        assert nobody == (1, 56, 1008 if values is None else 0), "nothing is worked out for nobody"
        request.start(InferenceSettings(conf=0.0001))
        assert request.wait().shape == shapes[values], "and after nobody comes somebody"
    assert shapes[None] == (1, 56, 1008)
    assert 100 < shapes[3][2] < 1008


def branch(name: str, feature: Any, widths: tuple[int, int, int]) -> Any:
    """Two convolutions of 3 x 3 and one of 1 x 1, named as ultralytics names them, with weights of the name's own."""
    random = np.random.default_rng(list(name.encode()))
    value = feature
    for place, width in enumerate(widths):
        side = 1 if place == 2 else 3
        seen = value.get_shape()[1]
        weights = random.normal(0, 1.5 / np.sqrt(seen * side**2), (width, seen, side, side)).astype(np.float32)
        value = ov.convolution(value, ov.constant(weights), [1, 1], [side // 2] * 2, [side // 2] * 2, [1, 1])
        value.set_friendly_name(f"model.9.{name}.{place}")
        value = ov.add(value, ov.constant(random.normal(0, 0.1, (1, width, 1, 1)).astype(np.float32)))
        value = (value if place == 2 else ov.swish(value)).output(0)
    return value


def head(classes: int, keypoints: int, values: int, height: int, width: int) -> tuple[openvino.Model, openvino.Model]:
    """A network that is all head, on three scales of its picture: as exported, and one that tells the raw answers."""
    picture = ov.parameter([1, 3, height, width], np.float32)
    raw = []
    for level, stride in enumerate((8, 16, 32)):
        feature = ov.avg_pool(picture, [stride] * 2, [0, 0], [0, 0], [stride] * 2, True).output(0)
        widths = (16, 16, 64), (8, 8, classes), (12, 12, keypoints * values)
        names = (f"cv2.{level}", f"cv3.{level}", f"cv4.{level}")
        raw.append([branch(name, feature, width) for name, width in zip(names, widths, strict=True)])
    flat = [ov.reshape(ov.concat(parts, 1), [1, 64 + classes + keypoints * values, -1], False) for parts in raw]
    exported = openvino.Model([ov.result(ov.concat(flat, 2))], [picture])
    return exported, openvino.Model([ov.result(part) for parts in raw for part in parts], [picture])


def decoded(raw: list[Floats], values: int) -> Floats:
    """(anchors, 4 + classes + K·values) by the formulas of ultralytics' Pose head, everywhere."""
    rows = []
    for level, stride in enumerate((8, 16, 32)):
        box, logits, points = (part[0].reshape(part.shape[1], -1).T.astype(np.float64) for part in raw[3 * level :][:3])
        height, width = raw[3 * level].shape[2:]
        y, x = np.divmod(np.arange(height * width), width)
        cell = np.stack([x, y], 1)
        shares = np.exp(box.reshape(-1, 4, 16))
        distance = (shares / shares.sum(2, keepdims=True)) @ np.arange(16)
        first, last = cell + 0.5 - distance[:, :2], cell + 0.5 + distance[:, 2:]
        points = points.reshape(len(cell), -1, values)
        xy = (2 * points[..., :2] + cell[:, None]) * stride
        seen = 1 / (1 + np.exp(-points[..., 2:]))
        sides = np.concatenate([(first + last) / 2, last - first], 1) * stride
        scores = 1 / (1 + np.exp(-logits))
        rows.append(np.concatenate([sides, scores, np.concatenate([xy, seen], 2).reshape(len(cell), -1)], 1))
    return np.concatenate(rows).astype(np.float32)


@pytest.mark.parametrize(("classes", "keypoints", "values"), [(1, 17, 3), (3, 5, 2), (2, 21, 3), (80, 1, 2)])
@pytest.mark.parametrize("size", [(64, 64), (96, 160), (224, 32)])
def test_any_head_of_this_make_says_the_same(classes: int, keypoints: int, values: int, size: tuple[int, int]) -> None:
    exported, raw = head(classes, keypoints, values, *size)
    picture = np.random.default_rng(1).normal(0, 8, (1, 3, *size)).astype(np.float32)
    compiled = core().compile_model(raw, "CPU", FULL)([picture])
    dense = decoded([compiled[index] for index in range(9)], values)
    sparse = sparse_head(exported, values)
    assert sparse is not None
    best = dense[:, 4 : 4 + classes].max(axis=1)
    for conf in np.quantile(best, [0.02, 0.5, 0.9]) + 1e-5:
        rows = answers(sparse, picture, np.array([conf], np.float32))
        rows = rows[rows[:, 4 : 4 + classes].max(axis=1) > conf]
        np.testing.assert_allclose(rows, dense[best > conf], atol=2e-2, rtol=1e-3)
