"""Quick SiLU: the function itself, where it stands in, and that the network still sees the same people."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
import openvino
import pytest
from openvino import opset13 as ov

from poseline.frame import Pixels
from poseline.inference.runtimes.graph_rewrite import rewrite_graph
from poseline.inference.runtimes.openvino import OpenVinoRuntime
from poseline.inference.runtimes.quick_silu import quick_silu, silu
from poseline.openvino_core import core
from poseline.pose import Floats
from poseline.skeleton import COCO17, oks
from test_sparse_head import BUILTIN, FULL

LARGE, SMALL = [1, 4, 200, 200], [1, 4, 20, 20]


@pytest.fixture(scope="module")
def scene(clip: Path) -> Pixels:
    """(1, 3, 384, 640) a street with people."""
    with av.open(str(clip)) as container:
        picture = next(container.decode(video=0)).to_ndarray(format="rgb24")
    return np.ascontiguousarray(cv2.resize(picture, (640, 384)).transpose(2, 0, 1)[None])


def with_swish(shape: list[int], factor: float = 1.0) -> openvino.Model:
    given = ov.parameter(shape, np.float32)
    return openvino.Model([ov.result(ov.swish(given, np.float32(factor)))], [given])


def kinds(model: openvino.Model) -> set[str]:
    return {node.get_type_name() for node in model.get_ops()}


def test_it_is_silu_to_within_what_bfloat16_could_tell() -> None:
    x = np.concatenate((np.linspace(-25, 25, 200_001), (-600, -100, 100, 600))).astype(np.float32)
    given = ov.parameter([len(x)], np.float32)
    model = openvino.Model([ov.result(silu(given.output(0)))], [given])
    ours = core().compile_model(model, "CPU", FULL)([x])[0]
    exact = x / (1 + np.exp(-x.astype(np.float64)))
    assert np.abs(ours - exact).max() < 0.00027
    assert ours[x == 0] == 0
    np.testing.assert_array_equal(ours[np.abs(x) > 19], np.maximum(x, 0)[np.abs(x) > 19])


def test_only_large_layers_of_a_known_size_get_it() -> None:
    for shape, replaced in ((LARGE, True), (SMALL, False), ([-1, 4, 200, 200], False)):
        model = with_swish(shape)
        quick_silu(model)
        assert ("Swish" not in kinds(model)) == replaced, shape


def test_another_function_of_the_family_is_left_alone() -> None:
    model = with_swish(LARGE, 1.7)
    quick_silu(model)
    assert "Swish" in kinds(model)


def test_a_network_with_it_finds_the_same_people(scene: Pixels) -> None:
    exact, quick = (rows(scene, quick=quick) for quick in (False, True))
    assert len(exact) == len(quick) >= 10, "the same anchors, of which each person has some"
    assert np.abs(exact[:, 4] - quick[:, 4]).max() < 0.01, "scores"
    assert np.abs(exact[:, :4] - quick[:, :4]).max() < 1.0, "boxes, in pixels"
    keypoints = [found[:, 5:].reshape(-1, 17, 3) for found in (exact, quick)]
    likeness = [
        oks(a[None], b[None], np.array([width * height], np.float32), np.asarray(COCO17.sigmas, np.float32))[0, 0]
        for a, b, (width, height) in zip(*keypoints, exact[:, 2:4], strict=True)
    ]
    assert np.mean(likeness) > 0.999


def rows(picture: Pixels, *, quick: bool) -> Floats:
    model = rewrite_graph(core().read_model(BUILTIN), (384, 640), 3, quick=quick)
    assert (len([node for node in model.get_ops() if node.get_type_name() == "Swish"]) < 60) == quick
    found = core().compile_model(model, "CPU", FULL)([picture, np.array([0.3], np.float32)])[0]
    return np.asarray(found[found[:, 4] > 0.3], np.float32)


@pytest.mark.parametrize(("floats", "quick"), [("bf16", True), ("fp32", False)])
def test_it_goes_by_what_floats_are_computed_in_also_beside_int8(
    floats: str, quick: bool, int8: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    def rewritten(model: openvino.Model, size: tuple[int, int], values: int | None, *, quick: bool) -> openvino.Model:
        asked.append(quick)
        return rewrite_graph(model, size, values, quick=quick)

    monkeypatch.setattr("poseline.inference.runtimes.graph_rewrite.rewrite_graph", rewritten)
    monkeypatch.setattr(OpenVinoRuntime, "_float_precision", lambda _: floats)
    runtime = OpenVinoRuntime(network_of(int8), precision="auto", live=False)
    assert runtime.precision == "int8"
    runtime.request(64, 64)
    assert asked == [quick]


def network_of(folder: Path) -> Path:
    """The file of an OpenVINO model."""
    (file,) = folder.glob("*.xml")
    return file
