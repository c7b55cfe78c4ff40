from __future__ import annotations

import numpy as np
import openvino
import pytest
from openvino import opset13 as ov

from poseline.inference.runtimes.folded_scale import fold_scale
from poseline.inference.runtimes.graph_rewrite import rewrite_graph
from poseline.openvino_core import core
from poseline.pose import Floats
from test_sparse_head import BUILTIN, FULL

RANDOM = np.random.default_rng(3)
PICTURE = RANDOM.integers(0, 256, (1, 3, 16, 16), np.uint8)
WEIGHTS = RANDOM.normal(0, 1, (4, 3, 3, 3)).astype(np.float32)


def network(*, half: bool = False, beside: bool = False, quantised: bool = False) -> openvino.Model:
    """One convolution of the picture; its weights in half precision, beside another reader, or behind a quantiser."""
    picture = ov.parameter([1, 3, 16, 16], np.float32)
    weights = ov.convert(ov.constant(WEIGHTS.astype(np.float16)), "f32") if half else ov.constant(WEIGHTS)
    seen = ov.fake_quantize(picture, *(np.float32(limit) for limit in (0, 1, 0, 1)), 256) if quantised else picture
    results = [ov.result(ov.convolution(seen, weights, [1, 1], [1, 1], [1, 1], [1, 1]))]
    return openvino.Model(results + ([ov.result(ov.reduce_mean(picture, [1, 2, 3]))] if beside else []), [picture])


def answer(model: openvino.Model, picture: object) -> Floats:
    return np.array(core().compile_model(model, "CPU", FULL)([picture])[0], np.float32)


@pytest.mark.parametrize("half", [False, True])
def test_the_answer_to_a_larger_picture_is_the_same(half: bool) -> None:
    exact, folded = (network(half=half) for _ in range(2))
    assert fold_scale(folded, 255.0)
    picture = PICTURE.astype(np.float32)
    np.testing.assert_allclose(answer(folded, picture), answer(exact, picture / 255), atol=1e-5)


@pytest.mark.parametrize("kind", ["beside", "quantised"])
def test_a_picture_that_something_else_reads_is_left_alone(kind: str) -> None:
    model = network(**{kind: True})
    before = answer(model, PICTURE.astype(np.float32))
    assert not fold_scale(model, 255.0)
    np.testing.assert_array_equal(answer(model, PICTURE.astype(np.float32)), before)


@pytest.mark.parametrize("kind", ["plain", "beside", "quantised"])
def test_a_network_takes_bytes_either_way(kind: str) -> None:
    model = network(**({} if kind == "plain" else {kind: True}))
    bytes_in = rewrite_graph(model, (16, 16), None, quick=False)
    np.testing.assert_allclose(answer(bytes_in, PICTURE), answer(model, PICTURE / np.float32(255)), atol=1e-4)


def test_a_published_network_has_no_pass_over_the_picture() -> None:
    model = rewrite_graph(core().read_model(BUILTIN), (192, 256), 3, quick=False)
    (first,) = (target.get_node() for target in model.input(0).get_node().output(0).get_target_inputs())
    assert first.get_type_name() == "Convert"
    (second,) = (target.get_node() for target in first.output(0).get_target_inputs())
    assert second.get_type_name() == "Convolution"
