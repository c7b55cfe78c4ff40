"""Late upsampling: the same answers by a shorter way, and only where it is one."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import openvino
import pytest
from openvino import opset1
from openvino import opset13 as ov

from poseline.inference.runtimes.late_upsampling import upsample_late
from poseline.openvino_core import core
from poseline.pose import Floats
from test_sparse_head import BUILTIN, answers

RANDOM = np.random.default_rng(3)
FINE, COARSE = (1, 6, 8, 10), (1, 4, 4, 5)


def kinds(model: openvino.Model) -> Counter[str]:
    return Counter(node.get_type_name() for node in model.get_ops())


def noise(*shape: int) -> Floats:
    return RANDOM.normal(size=shape).astype(np.float32)


def of_int8(value: Any) -> Any:
    """`value` as a quantised network holds it."""
    return ov.fake_quantize(value, *(np.float32(limit) for limit in (-2, 2, -2, 2)), 256)


def neck(
    coarse_first: bool = True, side: int = 1, mode: str = "nearest", readers: int = 1, old: bool = False,
    quantised: str = "",
) -> openvino.Model:  # fmt: skip
    """A coarse map, enlarged and laid beside a fine one, convolved; `quantised` is the "map" or the "weights"."""
    fine, coarse = ov.parameter(list(FINE), np.float32), ov.parameter(list(COARSE), np.float32)
    scales, axes = np.array([2, 2], np.float32), np.array([2, 3], np.int64)
    large = ov.interpolate(
        coarse, scales, mode=mode, shape_calculation_mode="scales", axes=axes,
        coordinate_transformation_mode="asymmetric", nearest_mode="floor",
    )  # fmt: skip
    if old:
        large = opset1.interpolate(coarse, np.array(FINE[2:], np.int64), {"axes": [2, 3], "mode": mode})
    if quantised == "map":
        large = of_int8(large)
    joined = ov.concat([large, fine] if coarse_first else [fine, large], 1)
    pad = [side // 2] * 2
    weights: Any = ov.constant(noise(3, 10, side, side))
    if quantised == "weights":
        weights = of_int8(weights)
    answer: Any = ov.convolution(joined, weights, [1, 1], pad, pad, [1, 1])
    answer = ov.add(answer, ov.constant(noise(1, 3, 1, 1)))
    results = [ov.result(answer)] + [ov.result(joined)] * (readers - 1)
    return openvino.Model(results, [fine, coarse])


@pytest.mark.parametrize("coarse_first", [True, False])
def test_the_coarse_map_is_convolved_before_it_is_enlarged(coarse_first: bool) -> None:
    model = neck(coarse_first)
    inputs = noise(*FINE), noise(*COARSE)
    before = answers(model, *inputs)
    upsample_late(model)
    assert "Concat" not in kinds(model)
    assert kinds(model)["Convolution"] == 2
    np.testing.assert_allclose(answers(model, *inputs), before, atol=1e-5)


OTHERS = (
    {"side": 3}, {"mode": "linear"}, {"readers": 2}, {"old": True}, {"quantised": "map"}, {"quantised": "weights"},
)  # fmt: skip


@pytest.mark.parametrize("other", OTHERS, ids=str)
def test_what_is_not_the_same_stays_as_it_is(other: dict[str, Any]) -> None:
    model = neck(**other)
    before = kinds(model)
    upsample_late(model)
    assert kinds(model) == before


def test_a_whole_network_sees_the_same() -> None:
    model = core().read_model(BUILTIN)
    model.reshape([1, 3, 96, 128])
    picture = RANDOM.uniform(0, 1, (1, 3, 96, 128)).astype(np.float32)
    before, concats = answers(model, picture), kinds(model)["Concat"]
    upsample_late(model)
    assert kinds(model)["Concat"] == concats - 2
    np.testing.assert_allclose(answers(model, picture), before, atol=2e-3)
