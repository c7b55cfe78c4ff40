"""Loading: which runtime and device run a model, and the estimator made of them."""

from __future__ import annotations

import ctypes.util
import logging
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from poseline.cache import compiled_folder
from poseline.errors import DeviceError, ModelError, SettingsError
from poseline.inference import roi, weights
from poseline.inference.estimator import PoseEstimator
from poseline.inference.runtimes import Runtime
from poseline.inference.spec import ModelSpec
from poseline.settings import InferenceSettings, card_numbers
from poseline.skeleton import Skeleton
from poseline.startup.model_preload import model_preload

if TYPE_CHECKING:
    from poseline.inference.int8 import Sample

log = logging.getLogger("poseline")

Engine = Literal["openvino", "torch", "onnx"]
_NVIDIA = Path("/dev/nvidiactl")
"""Where Linux has NVIDIA's driver."""


def load_estimator(settings: InferenceSettings, *, live: bool = False, sample: Sample | None = None) -> PoseEstimator:
    """Find, convert and load the model that `settings` ask for.

    Args:
        settings: model, device, runtime, precision.
        live: prepare for the least delay of one frame rather than for the most frames a second.
        sample: frames of the source or of another clip like it, on which int8 is calibrated.

    Raises:
        ModelError: the model cannot be found, trusted, converted or run; DeviceError: the device is not there.
        SettingsError: the options contradict each other.
    """
    path = weights.find(settings.model)
    engine, device = choose(path, settings)
    skeleton = Skeleton.load(settings.skeleton) if settings.skeleton else None
    spec = weights.read_spec(path, convert=engine == "openvino", skeleton=skeleton)
    check_classes(spec, settings.classes)
    if settings.arithmetic == "int8":
        from poseline.inference.int8 import quantized

        spec = quantized(spec, settings, sample)
    return PoseEstimator(spec, _runtime(spec, engine, device, settings, live), settings)


def check_classes(spec: ModelSpec, classes: tuple[int, ...] | None) -> None:
    """A class that the model does not have would be a run that finds nobody, without a word: a SettingsError."""
    unknown = sorted(set(classes or ()) - set(spec.names))
    if unknown:
        known = ", ".join(f"{number} {name}" for number, name in spec.names.items())
        raise SettingsError(f"classes: {spec.name} has no class {unknown[0]}; it has {known}")


def device_of(settings: InferenceSettings) -> str:
    """The device that `load_estimator` would use: cpu, cuda, cuda:N or mps; cpu where the model cannot be found.

    Raises:
        SettingsError: the options contradict each other.
    """
    path = _found(settings.model)
    return choose(path, settings)[1] if path else "cpu"


def seems_on_gpu(settings: InferenceSettings) -> bool:
    """Whether the network would run on an NVIDIA GPU, as far as that is known without importing torch."""
    if settings.device != "auto":
        return settings.device.startswith("cuda")
    path = _found(settings.model)
    return path is not None and torch_may_run(path, settings) and _sees_nvidia_driver()


def _found(model: str | None) -> Path | None:
    """The model's file; None where it cannot be found, which is said when it is loaded: after the source was opened."""
    try:
        return weights.find(model)
    except ModelError:
        return None


def torch_may_run(path: Path, settings: InferenceSettings) -> bool:
    """Whether the model at `path` is one of PyTorch's own, and no other engine is asked for."""
    return path.suffix == ".pt" and settings.runtime in ("auto", "torch")


def runs_on(spec: ModelSpec, settings: InferenceSettings) -> str:
    """The device of a model that was loaded by these settings: cpu, cuda:N or mps."""
    device = choose(spec.path, settings)[1]
    return "cuda:0" if device == "cuda" else device


def choose(path: Path, settings: InferenceSettings) -> tuple[Engine, str]:
    """The engine for the model at `path`, and the device: cpu, cuda:N or mps.

    Raises:
        SettingsError: this engine cannot run this model, or not on this device.
    """
    numbers = card_numbers(settings.device)
    device = f"cuda:{numbers[0]}" if numbers else settings.device
    native: Engine = "torch" if path.suffix == ".pt" else "onnx" if path.suffix == ".onnx" else "openvino"
    if device == "auto":
        device = _best_device() if torch_may_run(path, settings) else "cpu"
    engine: Engine = native if settings.runtime == "auto" else settings.runtime
    if settings.runtime == "auto" and native == "torch" and device == "cpu":
        engine = "openvino"
    if engine not in {"torch": ("torch", "openvino"), "onnx": ("onnx", "openvino"), "openvino": ("openvino",)}[native]:
        raise SettingsError(
            f"{path.name}: the {engine} runtime cannot run it; leave --runtime out, or give another model"
        )
    if settings.arithmetic == "int8" and engine != "openvino":
        raise SettingsError(
            f"--precision int8 is for the openvino runtime, but {path.name} would run on {engine}; "
            "give --device cpu --runtime openvino, or another --precision"
        )
    if settings.roi and engine != "openvino":
        raise SettingsError(
            f"--roi is for the openvino runtime, but {path.name} would run on {engine}; leave --roi out"
        )
    if engine == "openvino" and device != "cpu":
        raise SettingsError(
            f"{device} was asked for, but the openvino runtime is for the CPU; use a .pt model for a GPU"
        )
    return engine, device


def _runtime(spec: ModelSpec, engine: Engine, device: str, settings: InferenceSettings, live: bool) -> Runtime:
    if engine == "openvino":
        from poseline.inference.runtimes.compiled import CompiledNetworks
        from poseline.inference.runtimes.openvino import OpenVinoRuntime

        values = None if spec.end2end else spec.keypoint_shape[1]
        kept = CompiledNetworks(compiled_folder(), f"{spec.sha256} {spec.path}")
        runtime = OpenVinoRuntime(
            spec.path, precision=settings.arithmetic, live=live, kept=kept, keypoint_values=values,
            sizes=roi.SIZES if settings.roi else 2,
        )  # fmt: skip
        if settings.roi and runtime.fixed_size:
            raise SettingsError(
                f"--roi needs a network that takes any size, and {spec.name} takes one; leave --roi out"
            )
        return runtime
    model_preload.cancel()
    if engine == "onnx":
        from poseline.inference.runtimes.onnx import OnnxRuntime

        return OnnxRuntime(spec.path, device, precision=settings.arithmetic)
    if device.startswith("cuda"):
        from poseline.inference.runtimes.cuda import CudaRuntime

        return CudaRuntime(spec.path, device, precision=settings.arithmetic, batch=1 if live else settings.batch)
    from poseline.inference.runtimes.pytorch import TorchRuntime

    return TorchRuntime(spec.path, device, precision=settings.arithmetic)


def _sees_nvidia_driver() -> bool:
    windows = platform.system() == "Windows" and ctypes.util.find_library("nvcuda")
    if not (windows or _NVIDIA.exists()):
        return False
    from poseline.machine import hides_cards

    return not hides_cards()


def _best_device() -> str:
    """The GPU that this machine seems to have, found without importing torch; else the CPU."""
    if platform.system() == "Darwin" and platform.machine() == "arm64":
        return "mps"
    if not _sees_nvidia_driver():
        return "cpu"
    from poseline.inference.runtimes.pytorch import checked_device

    try:
        checked_device("cuda")
    except DeviceError as error:
        log.info("this machine has an NVIDIA driver, but runs on the CPU: %s", error)
        return "cpu"
    return "cuda"
