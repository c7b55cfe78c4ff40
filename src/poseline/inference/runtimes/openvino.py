"""OpenVINO: the engine for CPUs."""

from __future__ import annotations

import logging
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from poseline.errors import DeviceError, ModelError, last_line
from poseline.inference.runtimes.compiled import CompiledNetworks
from poseline.inference.runtimes.cpu_input import CpuInput
from poseline.inference.spec import checked_channels
from poseline.openvino_core import core, openvino
from poseline.pose import Floats
from poseline.settings import Arithmetic, InferenceSettings

log = logging.getLogger("poseline")

_PRECISIONS = {"f32": "fp32", "float32": "fp32", "bf16": "bf16", "bfloat16": "bf16", "f16": "fp16", "float16": "fp16"}


class OpenVinoRuntime:
    """A network on the CPU, compiled for each input size.

    Args:
        network: the .xml of an OpenVINO model.
        precision: the arithmetic asked for; auto is what this CPU does best.
        live: every picture is alone: compile for its least delay rather than for the most pictures a second.
        kept: compiled networks of these weights; None compiles them for this run alone.
        keypoint_values: numbers per keypoint, 2 or 3; None where the network gives final rows.
        sizes: input sizes for each of which a network is compiled; further ones share one that is slower.
    """

    def __init__(
        self, network: Path, *, precision: Arithmetic, live: bool,
        kept: CompiledNetworks | None = None, keypoint_values: int | None = None, sizes: int = 2,
    ) -> None:  # fmt: skip
        self._network, self._keypoint_values, self._sizes = network, keypoint_values, sizes
        self._live, self._options = live, _compile_options(precision)
        self._kept = kept or CompiledNetworks(None, "")
        self._compiled: dict[bool, dict[tuple[int, int] | None, Any]] = {True: {}, False: {}}
        """By whether they are for a picture alone, and by size."""
        facts = self._kept.facts(self._facts)
        self.channels = checked_channels(facts["channels"], network.parent.name)
        self.fixed_size = tuple(facts["size"]) if facts["size"] else None
        self.name = f"OpenVINO {openvino.get_version().split('-')[0]}"
        self.device = core().get_property("CPU", "FULL_DEVICE_NAME").strip()
        self.precision = "int8" if facts["quantized"] else self._float_precision()
        if precision not in ("auto", "half") and self.precision != precision:
            raise ModelError(f"{network}: is an {self.precision} network, not {precision}; leave --precision out")
        # One request more than there are streams, so that none waits while the next frame is being scaled.
        self.in_flight, self.batch, self.warmup_runs = 1 if live else 3, 1, 0
        self.final = False

    def request(self, height: int, width: int, places: int | None = None, *, alone: bool = False) -> OpenVinoRequest:
        """A new request for inputs of this size, in pixels."""
        del places  # one
        alone = alone or self._live
        size: tuple[int, int] | None = (height, width)
        compiled = self._compiled[alone]
        if size not in compiled and len(compiled) >= self._sizes:
            size = None
        if size not in compiled:
            compiled[size] = self._compile(size, alone)
        return OpenVinoRequest(compiled[size].create_infer_request(), self.channels, height, width)

    @cached_property
    def _model(self) -> openvino.Model:
        return _read(self._network)

    def _facts(self) -> dict[str, Any]:
        """What must be known of the network before it is compiled."""
        from poseline.inference.runtimes.graph_rewrite import input_channels

        shape = self._model.input(0).partial_shape
        size = [shape[2].get_length(), shape[3].get_length()] if shape[2].is_static else None
        return {"size": size, "quantized": _quantized(self._model), "channels": input_channels(self._model)}

    def _compile(self, size: tuple[int, int] | None, alone: bool) -> Any:
        options = {"PERFORMANCE_HINT": "LATENCY" if alone else "THROUGHPUT", **self._options}
        try:
            return self._kept.get(size, options, lambda: self._rewritten(size))
        except ModelError:  # it cannot be read, which is said already
            raise
        except RuntimeError as error:
            raise ModelError(f"{self._network}: OpenVINO cannot run it: {last_line(error)}") from error

    def _rewritten(self, size: tuple[int, int] | None) -> openvino.Model:
        from poseline.inference.runtimes.graph_rewrite import (
            rewrite_graph,  # most runs find a compiled network, and go without
        )

        return rewrite_graph(self._model, size, self._keypoint_values, quick=self._float_precision() == "bf16")

    def _float_precision(self) -> str:
        hint = self._options.get("INFERENCE_PRECISION_HINT")
        if hint is None:  # OpenVINO chooses: the best that this CPU has
            hint = core().get_property("CPU", "INFERENCE_PRECISION_HINT").get_type_name()
        return _PRECISIONS.get(hint, hint)


class OpenVinoRequest(CpuInput):
    """One inference request; its input is the engine's own memory."""

    def __init__(self, request: Any, channels: int, height: int, width: int) -> None:
        self._takes_conf = len(request.model_inputs) == 2  # it has a sparse head
        batch = request.get_input_tensor(0).shape[0] or 1
        request.set_input_tensor(0, openvino.Tensor(openvino.Type.u8, openvino.Shape([batch, channels, height, width])))
        super().__init__(request.get_input_tensor(0).data)
        self._request = request

    def start(self, settings: InferenceSettings) -> None:
        """Begin; returns at once."""
        if self._takes_conf:
            self._request.set_input_tensor(1, openvino.Tensor(np.array([settings.conf], np.float32)))
        self._request.start_async()

    def wait(self) -> Floats:
        """The raw output, (B, ...) float32; valid until the next `start`."""
        try:
            self._request.wait()
        except RuntimeError as error:
            raise ModelError(f"OpenVINO failed: {last_line(error)}") from error
        output: Floats = self._request.get_output_tensor(0).data
        return output.T[None] if output.ndim == 2 else output  # the rows of a sparse head that are not final


def _compile_options(precision: Arithmetic) -> dict[str, str]:
    options = {}
    if precision not in ("auto", "int8"):  # int8 is in the network itself; what is left of floats, OpenVINO chooses
        options["INFERENCE_PRECISION_HINT"] = _number_type(precision)
    return options


def _number_type(precision: Arithmetic) -> str:
    can = core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    wanted = ("bf16", "fp16") if precision == "half" else (precision,)
    kind = next((kind for kind in wanted if kind.upper() in can), None)
    if kind is None:
        raise DeviceError(
            f"{' or '.join(wanted)} was asked for, but this CPU computes in {_listed(can)}; leave --precision out"
        )
    return kind.replace("fp", "f")


def is_quantized(network: Path) -> bool:
    """Whether the network in this file computes in int8.

    Raises:
        ModelError: OpenVINO cannot read it.
    """
    return _quantized(_read(network))


def _quantized(model: openvino.Model) -> bool:
    return any(operation.get_type_name() == "FakeQuantize" for operation in model.get_ops())


def _read(network: Path) -> openvino.Model:
    try:
        return core().read_model(network)
    except RuntimeError as error:
        raise ModelError(f"{network}: OpenVINO cannot read it: {last_line(error)}") from error


def _listed(capabilities: list[str]) -> str:
    return ", ".join(kind.lower() for kind in capabilities if kind.lower() in ("fp32", "bf16", "fp16", "int8"))
