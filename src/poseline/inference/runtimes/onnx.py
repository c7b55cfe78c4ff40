"""ONNX Runtime: the engine for .onnx files (extra `onnx`)."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

import numpy as np

from poseline.errors import DeviceError, ModelError
from poseline.inference.runtimes.cpu_input import CpuInput
from poseline.inference.spec import checked_channels
from poseline.pose import Floats
from poseline.settings import Arithmetic, InferenceSettings

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider", "mps": "CoreMLExecutionProvider"}
_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


class OnnxRuntime:
    """A network in ONNX Runtime, on the provider that was asked for or not at all."""

    def __init__(self, network: Path, device: str, *, precision: Arithmetic) -> None:
        try:
            import onnxruntime
        except ImportError:
            raise ModelError("ONNX models need ONNX Runtime: pip install 'poseline[onnx]'") from None
        kind, _, number = device.partition(":")
        provider = _PROVIDERS[kind]
        if provider not in onnxruntime.get_available_providers():
            raise DeviceError(f"{device} was asked for, but this ONNX Runtime has no {provider}; see poseline doctor")
        options = {"device_id": number or "0"} if kind == "cuda" else {}
        try:
            self._session = onnxruntime.InferenceSession(str(network), providers=[(provider, options)])
        except Exception as error:  # onnxruntime's own exception classes share no public root
            raise ModelError(f"{network}: ONNX Runtime cannot run it: {str(error).splitlines()[0]}") from error
        if self._session.get_providers()[0] != provider:  # it falls back to the CPU without a word
            raise DeviceError(f"{device} was asked for, but ONNX Runtime could not use it; see poseline doctor")
        given = self._session.get_inputs()[0]
        self._input, self._type = given.name, _TYPES.get(given.type)
        if self._type is None:
            raise ModelError(f"{network}: its input is {given.type}; poseline feeds float and float16")
        batch, channels, height, width = given.shape
        stated = self._session.get_modelmeta().custom_metadata_map.get("channels", "3")
        self.channels = checked_channels(channels if isinstance(channels, int) else int(stated), network.name)
        self._batch = batch if isinstance(batch, int) else 1
        self.fixed_size = (height, width) if isinstance(height, int) and isinstance(width, int) else None
        self.name = f"ONNX Runtime {onnxruntime.__version__}"
        self.device = platform.processor() or platform.machine() if kind == "cpu" else device
        self.precision = "fp16" if self._type is np.float16 else "fp32"
        if precision not in ("auto", self.precision, "half" if self.precision == "fp16" else ""):
            raise ModelError(
                f"{network}: is an {self.precision} network; export it in the precision that you want, "
                "or leave --precision and --half out"
            )
        self.in_flight, self.batch, self.final, self.warmup_runs = 1, 1, False, 0

    def request(self, height: int, width: int, places: int | None = None, *, alone: bool = False) -> OnnxRequest:
        """A new request for inputs of this size, in pixels."""
        del places, alone  # one picture a run, and no other run beside it
        shape = self._batch, self.channels, height, width
        return OnnxRequest(self._session, self._input, np.empty(shape, self._type))


class OnnxRequest(CpuInput):
    """One run; ONNX Runtime has no queue, so `start` does the work."""

    def __init__(self, session: Any, name: str, scaled: np.ndarray[Any, Any]) -> None:
        super().__init__(np.zeros(scaled.shape, np.uint8))
        self._session, self._name, self._scaled = session, name, scaled
        self._output: Floats | None = None

    def start(self, settings: InferenceSettings) -> None:  # noqa: ARG002 # all anchors come out
        """Scale to 0..1 and run."""
        np.multiply(self.pixels, self._scaled.dtype.type(1 / 255), out=self._scaled, casting="unsafe")
        try:
            self._output = self._session.run(None, {self._name: self._scaled})[0]
        except Exception as error:  # onnxruntime's own exception classes share no public root
            raise ModelError(f"ONNX Runtime failed: {str(error).splitlines()[0]}") from error

    def wait(self) -> Floats:
        """The raw output, (B, ...) float32."""
        assert self._output is not None, "wait() before start()"
        return self._output.astype(np.float32, copy=False)
