"""Constants of a network, as the passes that rewrite it read them."""

from __future__ import annotations

from typing import Any

import numpy as np

from poseline.pose import Floats


def constant(node: Any) -> Floats | None:
    """The numbers of a constant, also of one that is kept in half precision; None if it is something else."""
    if node.get_type_name() == "Convert":
        node = node.input(0).get_source_output().get_node()
    if node.get_type_name() != "Constant":
        return None
    return np.asarray(node.data, np.float32)


def added(addition: Any) -> Any | None:
    """Which input of an addition is a constant, such as a convolution's bias; None if it adds none."""
    return next((value for value in addition.input_values() if constant(value.get_node()) is not None), None)
