"""Late upsampling: a network that enlarges a feature map after the convolution that reads it, not before.

YOLO's neck enlarges a coarse map, lays it beside a fine one, and convolves both by 1 x 1. Such a convolution looks at
each cell alone, so it may come first: of the coarse map it then has a quarter of the cells to work out, and both
answers are added. The copy that lays the maps side by side is gone too. The answers are the same but for the rounding
of sums.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import openvino
from openvino import opset13 as ov

from poseline.inference.runtimes.constants import added, constant
from poseline.pose import Floats

_ONE, _NONE = [1, 1], [0, 0]


def upsample_late(model: openvino.Model) -> None:
    """Change every place in `model` where a 1 x 1 convolution reads an enlarged map beside one other, in place."""
    for convolution in model.get_ordered_ops():
        if convolution.get_type_name() == "Convolution":
            _change(convolution)
    model.validate_nodes_and_infer_types()


def _change(convolution: Any) -> None:
    joined = convolution.input_value(0).get_node()
    weights = constant(convolution.input_value(1).get_node())
    addition = _only_reader(convolution)
    if weights is None or not _is_plain(convolution, weights) or addition is None or not _is_pair(joined):
        return
    bias = added(addition)
    if addition.get_type_name() != "Add" or bias is None:
        return
    widths = [value.get_partial_shape()[1].get_length() for value in joined.input_values()]
    shares = np.split(weights, [widths[0]], axis=1)
    parts = [_part(value, share) for value, share in zip(joined.input_values(), shares, strict=True)]
    parts.sort(key=lambda part: part.get_type_name() == "Interpolate")  # the fine one first: it takes the bias with it
    answer = ov.add(ov.add(parts[0], bias), parts[1]).output(0)
    for reader in addition.output(0).get_target_inputs():
        reader.replace_source_output(answer)


def _part(value: Any, weights: Floats) -> Any:
    """What the convolution makes of one of the two maps, enlarged if the map was to be."""
    if not _is_enlarged(value):
        return _convolved(value, weights)
    enlarging = value.get_node()
    small, scales, *axes = enlarging.input_values()
    attributes = enlarging.get_attributes()
    return ov.interpolate(_convolved(small, weights), scales, axes=axes[0] if axes else None, **attributes)


def _convolved(value: Any, weights: Floats) -> Any:
    return ov.convolution(value, ov.constant(np.ascontiguousarray(weights)), _ONE, _NONE, _NONE, _ONE)


def _is_plain(convolution: Any, weights: Floats) -> bool:
    """Whether it looks at each cell alone, and at all of them."""
    given = convolution.get_attributes()
    pads = [*given["pads_begin"], *given["pads_end"]]
    return weights.shape[2:] == (1, 1) and list(given["strides"]) == _ONE and not any(pads)


def _is_pair(joined: Any) -> bool:
    """Whether it lays two maps side by side, one of them enlarged by repeating its cells, for one reader alone."""
    if joined.get_type_name() != "Concat" or joined.get_attributes()["axis"] != 1 or _only_reader(joined) is None:
        return False
    maps = joined.input_values()
    modes = [value.get_node().get_attributes()["mode"] for value in maps if _is_enlarged(value)]
    return len(maps) == 2 and modes == ["nearest"] and all(value.get_partial_shape()[1].is_static for value in maps)


def _is_enlarged(value: Any) -> bool:
    kind = value.get_node().get_type_info()
    return bool(kind.name == "Interpolate" and kind.version_id == "opset11")  # older ones have other inputs


def _only_reader(node: Any) -> Any | None:
    readers = node.output(0).get_target_inputs()
    return next(iter(readers)).get_node() if len(readers) == 1 else None
