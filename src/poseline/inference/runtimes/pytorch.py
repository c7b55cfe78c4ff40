"""PyTorch, step by step: the engine for Apple GPUs, and the reference on a CPU."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

import numpy as np

from poseline.errors import DeviceError, ModelError
from poseline.inference import ultralytics_adapter
from poseline.inference.runtimes.cpu_input import CpuInput
from poseline.pose import Floats
from poseline.settings import Arithmetic, InferenceSettings


class TorchRuntime:
    """A network in eager PyTorch."""

    def __init__(self, weights: Path, device: str, *, precision: Arithmetic) -> None:
        import torch

        network, self.metadata = ultralytics_adapter.load_network(weights)
        self._device = checked_device(device)
        self.precision = number_type(precision, self._device.type)
        self._type = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[self.precision]
        self._network = network.to(self._device, self._type)
        self.name = f"PyTorch {torch.__version__}"
        self.device = device_name(self._device)
        self.in_flight, self.batch, self.final, self.warmup_runs = 1, 1, False, 1
        self.channels = self.metadata["channels"]
        self.fixed_size: tuple[int, int] | None = None

    def request(self, height: int, width: int, places: int | None = None, *, alone: bool = False) -> TorchRequest:
        """A new request for inputs of this size, in pixels."""
        del places, alone  # it takes one picture, and works on nothing beside it
        ultralytics_adapter.be_safe_in_a_fork()
        return TorchRequest(self._network, self._device, self._type, (1, self.channels, height, width))


class TorchRequest(CpuInput):
    """One run; on a GPU `start` only queues it."""

    def __init__(self, network: Any, device: Any, number_type: Any, shape: tuple[int, int, int, int]) -> None:
        import torch

        self._network, self._device, self._type = network, device, number_type
        self._upload = torch.empty(shape, dtype=torch.uint8, pin_memory=device.type == "cuda")
        super().__init__(self._upload.numpy())
        self._output: Any = None

    def start(self, settings: InferenceSettings) -> None:  # noqa: ARG002 # all anchors come out
        """Queue the upload and the network."""
        import torch

        with torch.inference_mode():
            try:
                scaled = self._upload.to(self._device, non_blocking=True).to(self._type).div_(255)
                output = self._network(scaled)
            except RuntimeError as error:
                raise ModelError(f"PyTorch failed on {self._device}: {str(error).splitlines()[0]}") from error
        self._output = output[0] if isinstance(output, list | tuple) else output

    def wait(self) -> Floats:
        """The raw output, (B, ...) float32."""
        output: Floats = np.ascontiguousarray(self._output.float().cpu().numpy())
        return output


def number_type(precision: Arithmetic, kind: str) -> str:
    """The precision for a device of this kind; int8 never comes here."""
    half = "bf16" if kind == "cpu" else "fp16"
    best = "fp32" if kind == "cpu" else half
    return {"auto": best, "half": half}.get(precision, precision)


def checked_device(device: str) -> Any:
    """The torch device called `device`; DeviceError where there is no such one."""
    import torch

    if device == "mps" and not torch.backends.mps.is_available():
        raise DeviceError("mps was asked for, but this machine has no Apple GPU that PyTorch can use")
    if device.startswith("cuda"):
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        number = int(device.partition(":")[2] or 0)
        if number >= count:
            found = ", ".join(f"cuda:{index} {torch.cuda.get_device_name(index)}" for index in range(count)) or "none"
            raise DeviceError(
                f"{device} was asked for, but PyTorch sees no such GPU (found: {found}); see poseline doctor"
            )
    return torch.device(device)


def device_name(device: Any) -> str:
    """A torch device as the user knows it."""
    import torch

    if device.type == "cuda":
        return f"{device} {torch.cuda.get_device_name(device)}"
    return "mps" if device.type == "mps" else platform.processor() or platform.machine()
