"""Quick SiLU: the network's activation as a short polynomial, where the difference is below what bfloat16 resolves.

YOLO's activation is SiLU, x / (1 + e^-x), after nearly every convolution. OpenVINO works out the exponential and the
division in full for every number, which takes as long as all the convolutions between them: they have the CPU's matrix
units, and it has not. With a = |x| and (v)+ for max(v, 0),

    SiLU(x) = (x)+ - a / (1 + e^a)
            = (x)+ - (1 - a/19)+^16 (0.4951 a + 0.1962 a^2 - 0.0598 a^3 + 0.0073 a^4)  to within 0.00027,

because the power falls like e^-a, and what is left is smooth. bfloat16 keeps eight bits: it rounds a number near
1 by up to 0.004. The coefficients are a minimax fit (linear programming) over all x, with 0 kept at 0.
"""

from __future__ import annotations

import numpy as np
import openvino
from openvino import opset13 as ov

_END = 19.0
"""Where SiLU is taken for a straight line, on both sides."""
_POWER = 16
_COEFFICIENTS = 0.49506949, 0.19617883, -0.05976207, 0.00726612
"""Of a, a^2, a^3 and a^4."""
_WORTHWHILE = 100_000
"""Numbers in a layer from which on it gains more, in the first two hundred frames, than it adds to the start."""


def quick_silu(model: openvino.Model) -> None:
    """Replace every SiLU of `model` over many numbers, in place."""
    for node in model.get_ordered_ops():
        if node.get_type_name() == "Swish" and _is_plain(node) and _is_large(node.output(0)):
            quick = silu(node.input_value(0)).output(0)
            for reader in node.output(0).get_target_inputs():
                reader.replace_source_output(quick)
    model.validate_nodes_and_infer_types()


def silu(x: openvino.Output) -> openvino.Node:
    """The polynomial of `x`, which OpenVINO makes one pass over it.

    In as few operations as can be, since OpenVINO takes a while over each when it compiles: (1 - a/19)+^16 is written
    as (19 - a)+^16, and 19^16, which float32 and bfloat16 can hold, divides the coefficients.
    """
    a = ov.abs(x)
    power = ov.power(ov.relu(ov.subtract(np.float32(_END), a)), np.float32(_POWER))
    *lower, rest = (np.float32(-number / _END**_POWER) for number in _COEFFICIENTS)
    for number in reversed(lower):
        rest = ov.add(ov.multiply(a, rest), number)
    return ov.add(ov.multiply(power, ov.multiply(a, rest)), ov.relu(x))


def _is_plain(swish: openvino.Node) -> bool:
    """Whether it is x · sigmoid(x), without another factor inside."""
    factors = [source.get_node() for source in swish.input_values()[1:]]
    return all(factor.get_type_name() == "Constant" and np.all(factor.data == 1) for factor in factors)


def _is_large(output: openvino.Output) -> bool:
    shape = output.get_partial_shape()
    return shape.is_static and int(np.prod(shape.to_shape())) >= _WORTHWHILE
