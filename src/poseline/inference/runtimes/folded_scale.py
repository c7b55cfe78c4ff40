"""Folded scale: the division of the picture's numbers, 0 to 255, by 255, done once to the first weights.

As a pass over every picture it takes a hundredth of the network's time; and with bfloat16, which tells apart all whole
numbers up to 256 but not all their 255ths, the first layer sees the picture as it is.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import openvino
from openvino import opset13 as ov

from poseline.inference.runtimes.constants import constant


def fold_scale(model: openvino.Model, divisor: float) -> bool:
    """Have `model` take a picture whose numbers are `divisor` times as large, in place.

    Returns:
        Whether that was possible: only convolutions with plain weights read the picture. If not, it is as it was.
    """
    picture = model.input(0).get_node()
    readers = [target.get_node() for target in picture.output(0).get_target_inputs()]
    folded = [weights for reader in readers if (weights := _divided(reader, divisor)) is not None]
    if len(folded) < len(readers):
        return False
    for reader, weights in zip(readers, folded, strict=True):
        reader.input(1).replace_source_output(weights.output(0))
    return True


def _divided(reader: Any, divisor: float) -> Any | None:
    """The weights of a convolution of the picture, divided; None for anything else."""
    weights = constant(reader.input_value(1).get_node()) if reader.get_type_name() == "Convolution" else None
    return None if weights is None else ov.constant(np.asarray(weights / divisor, np.float32))
