"""Graph rewrite: changes a network before compilation: it takes 8-bit images and computes only what is used."""

from __future__ import annotations

import openvino
from openvino.preprocess import PrePostProcessor

from poseline.inference.runtimes.exported_head import sparse_head
from poseline.inference.runtimes.folded_scale import fold_scale
from poseline.inference.runtimes.late_upsampling import upsample_late
from poseline.inference.runtimes.quick_silu import quick_silu

_WHITE = 255.0
"""What 1 is in an 8-bit picture."""


def rewrite_graph(
    model: openvino.Model, size: tuple[int, int] | None, keypoint_values: int | None, *, quick: bool
) -> openvino.Model:
    """`model`, which stays as it is, rewritten for one size.

    Args:
        model: a network as ultralytics exports it.
        size: (height, width) of its input in pixels; None leaves it open.
        keypoint_values: numbers per keypoint, 2 or 3; None where the network gives final rows, or to leave its head.
        quick: with the short form of SiLU, for bfloat16.
    """
    rewritten = model.clone()
    height, width = size or (-1, -1)
    try:
        rewritten.reshape({0: [1, input_channels(rewritten), height, width]})
    except RuntimeError:
        rewritten = model.clone()  # a network of one batch size gets its picture in the first place
    if keypoint_values is not None:
        rewritten = sparse_head(rewritten, keypoint_values) or rewritten
    upsample_late(rewritten)
    if quick:
        quick_silu(rewritten)
    steps = PrePostProcessor(rewritten)
    picture = steps.input(0)
    picture.tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NCHW"))
    picture.preprocess().convert_element_type(openvino.Type.f32)
    if not fold_scale(rewritten, _WHITE):
        picture.preprocess().scale(_WHITE)
    picture.model().set_layout(openvino.Layout("NCHW"))
    return steps.build()


def input_channels(model: openvino.Model) -> int:
    """Channels of the pictures that a network takes: its input may leave them open, but not its first convolution."""
    shape = model.input(0).partial_shape
    if shape[1].is_static:
        return int(shape[1].get_length())
    first = next(node for node in model.get_ordered_ops() if node.get_type_name() == "Convolution")
    return int(first.input_value(1).get_partial_shape()[1].get_length())
