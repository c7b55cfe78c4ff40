"""Build: from a weights file to an OpenVINO model with its metadata."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from openvino import opset13 as ov

from poseline.errors import ModelError, last_line
from poseline.inference.network import attention, layers  # noqa: F401 # they register what they build
from poseline.inference.network.checkpoint import HEADS, read_metadata, recorded_network
from poseline.inference.network.head import build_head
from poseline.inference.network.module import Module, UnknownNetworkError, Value, build
from poseline.inference.runtimes.late_upsampling import upsample_late
from poseline.inference.runtimes.sparse_head import CONF, ROWS
from poseline.inference.spec import checked_channels
from poseline.inference.unpickler import NotData
from poseline.inference.weights_file import WeightsFile
from poseline.openvino_core import openvino


def convert(weights: Path, folder: Path) -> dict[str, Any]:
    """Make the OpenVINO model `folder` of `.pt` weights: model.xml and model.bin. Returns its metadata.

    Raises:
        ModelError: the weights are damaged, unsafe, or no pose network.
        UnknownNetworkError: the network has something that we do not know; the text says what.
        OSError: the folder cannot be written.
    """
    model, metadata = build_network(weights)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        openvino.save_model(model, folder / "model.xml", compress_to_fp16=False)
    except RuntimeError as error:
        raise OSError(0, last_line(error)) from error
    return metadata


def build_network(weights: Path) -> tuple[openvino.Model, dict[str, Any]]:
    """The network in a `.pt` file and its metadata.

    The model takes a picture (1, C, H, W) float32 in 0..1, of any size that its stride divides, and `conf`, (1,). It
    gives the rows of `sparse_head.sparse_rows`, or those of an end-to-end head.

    Raises:
        ModelError, UnknownNetworkError: as `convert`.
    """
    with WeightsFile(weights) as file:
        content = file.content
        try:
            network = recorded_network(content, weights.name)
            metadata = read_metadata(network)
            checked_channels(metadata["channels"], weights.name)
            model = _model(network, metadata["channels"])
            _check_shapes(model, metadata)
            json.dumps(metadata)
        except (ModelError, UnknownNetworkError):
            raise
        except NotData as error:
            raise ModelError(f"{weights.name}: {error}") from error
        except Exception as error:  # a file can be wrong in every way, and ultralytics may know better
            raise UnknownNetworkError(f"{type(error).__name__}: {last_line(error)}") from error
    return model, metadata


def _model(network: Module, channels: int) -> openvino.Model:
    picture, conf = ov.parameter([1, channels, -1, -1], np.float32, name="x"), ov.parameter([1], np.float32, name=CONF)
    for given, name in ((picture, "x"), (conf, CONF)):
        given.output(0).tensor.set_names({name})
    *body, head = network.child("model").children()
    if head.kind not in HEADS:
        raise UnknownNetworkError(f"{head.name}: is a {head.kind}")
    outputs: list[Value] = []
    for layer in body:
        outputs.append(build(layer, _inputs(layer, outputs, picture.output(0))))
    rows = build_head(head, _inputs(head, outputs, picture.output(0)), conf)
    result = ov.result(rows)
    result.output(0).tensor.set_names({ROWS})
    model = openvino.Model([result], [picture, conf], "poseline")
    upsample_late(model)
    return model


def _inputs(layer: Module, outputs: Sequence[Value], picture: Value) -> Any:
    """What a layer sees: the output of the layer before it, or of others, by their numbers (`f`)."""
    if layer.get("i", len(outputs)) != len(outputs):
        raise UnknownNetworkError(f"{layer.name}: is numbered {layer.get('i')}")
    before = outputs[-1] if outputs else picture
    source = layer.get("f", -1)
    if isinstance(source, int):
        return before if source == -1 else outputs[source]
    return [before if number == -1 else outputs[number] for number in source]


def _check_shapes(model: openvino.Model, metadata: dict[str, Any]) -> None:
    """Raise a RuntimeError where maps do not fit together at the sizes that the stride promises."""
    small = model.clone()
    small.reshape({"x": [1, metadata["channels"], 2 * metadata["stride"], 3 * metadata["stride"]]})
