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
