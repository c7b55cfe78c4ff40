"""Exported head: finds the head of a network that ultralytics exported, and gives it a sparse one instead.

A network that we build from a `.pt` file has its sparse head from the beginning; this is for the others.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import openvino
from openvino import opset13 as ov

from poseline.inference.runtimes.constants import added, constant
from poseline.inference.runtimes.sparse_head import CONF, ROWS, Convolution, Decoding, Level, sparse_rows

_BRANCH = re.compile(r"(?<!one2one_)\bcv(?P<branch>[234])\.(?P<level>\d+)\.(?P<place>\d+)(?:\.(?P<inner>\d+))?")
"""How ultralytics names a head's convolutions: cv2 boxes, cv3 classes, cv4 keypoints; level; place in the branch."""
_BINS = 16
"""Bins of a box side's distance (DFL)."""


def sparse_head(model: openvino.Model, values: int) -> openvino.Model | None:
    """`model` with a sparse head, or None where its head is of another make.

    Args:
        model: a network for one picture of one size, as ultralytics exports it; left as it is.
        values: numbers per keypoint, 2 or 3.

    Returns:
        A model with a second input `conf`, (1,) float32, and rows (M, 4 + classes + K·values) of centre x, centre y,
        width, height, scores and keypoints, in input pixels. These are the anchors with a score above `conf`,
        and rows whose score is 0 that fill a level's group up.
    """
    levels = _levels(model)
    if not levels:
        return None
    conf = ov.parameter([1], np.float32, name=CONF)
    conf.output(0).tensor.set_names({CONF})
    rows = sparse_rows(levels, Decoding(values, _BINS), conf)
    rows.output(0).tensor.set_names({ROWS})
    return openvino.Model([ov.result(rows)], [*model.get_parameters(), conf], "sparse_head")


def _levels(model: openvino.Model) -> list[Level]:
    """The scales of the head from fine to coarse; empty where it is not the head that we know."""
    shape = model.input(0).partial_shape
    if shape.is_dynamic or shape[0].get_length() != 1 or len(model.outputs) != 1 or len(model.inputs) != 1:
        return []
    found: dict[tuple[int, int], list[tuple[tuple[int, int], Any]]] = {}
    for node in model.get_ordered_ops():
        name = _BRANCH.search(node.get_friendly_name())
        if name and node.get_type_name() in ("Convolution", "GroupConvolution"):
            place = (int(name["place"]), int(name["inner"] or 0))
            found.setdefault((int(name["level"]), int(name["branch"])), []).append((place, node))
    branches = {key: [node for _, node in sorted(places, key=lambda p: p[0])] for key, places in found.items()}
    count = len({level for level, _ in branches})
    levels = []
    for level in range(count):
        boxes, classes, keypoints = (branches.get((level, branch), []) for branch in (2, 3, 4))
        box, keypoint = _plain(boxes), _plain(keypoints)
        logits = _biased(classes[-1]) if classes else None
        if box is None or keypoint is None or logits is None or box[-1].weights.shape[0] != 4 * _BINS:
            return []
        feature = boxes[0].input(0).get_source_output()
        if feature != keypoints[0].input(0).get_source_output():
            return []
        stride = shape[2].get_length() // feature.get_shape()[2]
        levels.append(Level(feature, logits, box, keypoint, stride))
    return levels


def _plain(nodes: Sequence[Any]) -> list[Convolution] | None:
    """The branch's convolutions of 3 x 3, 3 x 3 and 1 x 1 with plain weights; None if it is anything else."""
    if len(nodes) != 3 or any(node.get_type_name() != "Convolution" for node in nodes):
        return None
    convolutions, outputs = [], []
    for node, size in zip(nodes, (3, 3, 1), strict=True):
        weights, biased = constant(node.input(1).get_source_output().get_node()), _biased(node)
        if weights is None or biased is None or weights.shape[2:] != (size, size):
            return None
        addend = added(biased.get_node())
        bias = None if addend is None else constant(addend.get_node())
        if bias is None:
            return None
        convolutions.append(Convolution(weights, bias.reshape(-1)))
        outputs.append(biased)
    activations = [next(iter(output.get_target_inputs())).get_node().get_type_name() for output in outputs[:2]]
    return convolutions if activations == ["Swish", "Swish"] else None


def _biased(node: Any) -> Any | None:
    """The output of the addition that follows a convolution."""
    for target in node.output(0).get_target_inputs():
        if target.get_node().get_type_name() == "Add":
            return target.get_node().output(0)
    return None
