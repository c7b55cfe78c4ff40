"""Quantising: a float network to int8 with NNCF, in a worker, since NNCF imports torch."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import numpy as np

from poseline.errors import ModelError, last_line
from poseline.inference.subprocess_task import run_in_subprocess

_SECONDS = 1800
_FLOAT = re.compile(r"cv[24]\.\d+\.\d|model\.[01]\.conv")
"""How ultralytics names a head's convolutions for boxes (cv2) and keypoints (cv4), and the network's first two."""
_CONF = 0.25
_QUIET = {"NNCF_CI": "1"}
"""NNCF's own word for: send no usage report."""


def check_nncf() -> None:
    """Raise a ModelError where NNCF is not installed; it is not imported."""
    if importlib.util.find_spec("nncf") is None:
        raise ModelError("int8 needs NNCF, which makes it: pip install 'poseline[int8]'")


def quantize(network: Path, inputs: Path, target: Path) -> None:
    """Post-training quantisation: weights and activations in 8 bits, their ranges taken from `inputs`.

    Args:
        network: the float network, of any format that OpenVINO reads.
        inputs: a folder of .npy files, each (channels, H, W) uint8, an input of the network.
        target: the .xml to write.

    Raises:
        ModelError: NNCF is not installed, or failed.
    """
    check_nncf()
    run_in_subprocess(
        f"{network.name}: quantize", _quantize_here, network.absolute(), inputs.absolute(), target.absolute(),
        seconds=_SECONDS, environment=_QUIET,
    )  # fmt: skip


def _quantize_here(network: Path, inputs: Path, target: Path) -> None:
    import nncf
    import openvino

    from poseline.openvino_core import core

    files = sorted(inputs.glob("*.npy"))
    model = core().read_model(network)
    try:
        quantized = nncf.quantize(
            model,
            nncf.Dataset(files, lambda file: _inputs(file, model)),
            subset_size=len(files),
            preset=nncf.QuantizationPreset.MIXED,  # SiLU's range is not symmetric
            ignored_scope=nncf.IgnoredScope(names=_kept_float(model)),
        )
    except (RuntimeError, ValueError) as error:
        raise ModelError(f"{network.name}: NNCF cannot quantise it: {last_line(error)}") from error
    openvino.save_model(quantized, target)


def _inputs(file: Path, model: Any) -> dict[int, Any]:
    """The picture, (1, channels, H, W) float32 in 0..1; and the least score where the network has a sparse head."""
    picture = np.load(file)[None].astype(np.float32) / 255
    return dict(enumerate([picture, np.array([_CONF], np.float32)][: len(model.inputs)]))


def _kept_float(model: Any) -> list[str]:
    """The operations that 8 bits would hurt: those named above, and what turns their answers into pixels.

    In int8 the two branches lose more than all the rest of the network does; and in floats the sparse head runs them,
    only where somebody is. Next in losses come the first two convolutions, a twentieth of the work.
    """
    named = {name for name in map(_name, model.get_ops()) if _FLOAT.search(name)}
    return sorted(named | _decoding(model))


def _decoding(model: Any) -> set[str]:
    """Everything behind the last convolutions.

    A convolution over a softmax is not one of them: it takes the mean of a distribution of distances (DFL).
    """
    waiting, names = [result.input_value(0).get_node() for result in model.get_results()], set[str]()
    while waiting:
        operation = waiting.pop()
        sources = [operation.input_value(index).get_node() for index in range(operation.get_input_size())]
        learned = operation.get_type_name() == "Convolution" and sources[0].get_type_name() != "Softmax"
        if learned or not sources or _name(operation) in names:
            continue
        names.add(_name(operation))
        waiting += sources
    return names


def _name(operation: Any) -> str:
    name: str = operation.get_friendly_name()
    return name
