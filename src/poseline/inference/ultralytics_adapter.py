"""Adapter of ultralytics, which runs `.pt` weights on PyTorch, and converts those that we cannot build ourselves.

It is the only module that imports ultralytics. Conversion runs in a worker, so that torch's start-up and memory never
burden a run.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from poseline import forks
from poseline.errors import ModelError
from poseline.inference.spec import checked_channels
from poseline.inference.subprocess_task import run_in_subprocess

log = logging.getLogger("poseline")

_SAFE = {
    "ULTRALYTICS_SAFE_LOAD": "True",  # weights are data: a pickle that would call anything is refused
    "YOLO_AUTOINSTALL": "False",  # no package is installed because a file asks for it
    "YOLO_VERBOSE": "False",
}
_CONVERT_SECONDS = 900


def is_installed() -> bool:
    """Whether ultralytics is here; it is not imported."""
    return find_spec("ultralytics") is not None


def convert(weights: Path, folder: Path) -> None:
    """Convert `.pt` weights to an OpenVINO model of dynamic input size in `folder` (made here).

    Raises:
        ModelError: the weights are unsafe, damaged, or not of a pose model.
    """
    run_in_subprocess(
        f"{weights.name}: convert", _convert_here, weights.absolute(), folder.absolute(),
        seconds=_CONVERT_SECONDS, environment=_SAFE | {"YOLO_OFFLINE": "True"},
    )  # fmt: skip


def load_network(weights: Path) -> tuple[Any, dict[str, Any]]:
    """The torch network in `weights`, fused, in fp32 on the CPU, and its metadata, without running any code in it.

    Raises:
        ModelError: the weights are unsafe, damaged, or not of a pose model.
    """
    if not is_installed():
        raise ModelError(f"{weights.name}: PyTorch runs it by ultralytics, which is not here: pip install ultralytics")
    with _environment(_SAFE | {"YOLO_OFFLINE": "True"}):  # which it reads when it is imported
        from ultralytics.nn import tasks

    be_safe_in_a_fork()

    if not (tasks.SAFE_LOAD and tasks._SafeLoad.SUPPORTED):
        raise ModelError(f"{weights.name}: cannot be loaded safely: {_unsafe_because(tasks)}")
    try:
        # By its whole path: a damaged file of a published name, given by that name alone, would be deleted there.
        network, checkpoint = tasks.load_checkpoint(str(weights.absolute()))
        task = getattr(network, "task", None) or (checkpoint.get("train_args") or {}).get("task")
        first, head = next(network.parameters()), network.model[-1]
        metadata = {"task": task, "names": network.names, "stride": int(max(network.stride))}
    except (
        TypeError, RuntimeError, LookupError, AttributeError, ImportError, EOFError, OSError, ValueError,
        UnpicklingError,
    ) as error:  # fmt: skip
        raise _refusal(weights, error) from error
    metadata["channels"] = checked_channels(first.shape[1], weights.name)
    metadata["imgsz"] = (checkpoint.get("train_args") or {}).get("imgsz")
    if hasattr(head, "kpt_shape"):
        metadata |= {
            "task": "pose",
            "kpt_shape": list(head.kpt_shape),
            "kpt_names": getattr(network, "kpt_names", None),
        }
        metadata["end2end"] = bool(getattr(head, "end2end", False))
    return network.fuse(verbose=False).eval(), metadata


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Within, the environment has these variables too; afterwards it is as it was."""
    before = {name: os.environ[name] for name in variables if name in os.environ}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            del os.environ[name]
        os.environ.update(before)


def be_safe_in_a_fork() -> None:
    """Let torch use one thread where it would wait for others, that stayed in the parent of this forked process.

    So do the workers of torch's own DataLoader.
    """
    import torch

    if forks.inherited("torch") and torch.get_num_threads() > 1:
        torch.set_num_threads(1)
        log.info("torch runs on one thread of the CPU: this process was forked from one that had imported it")


def _unsafe_because(tasks: Any) -> str:
    if not tasks.SAFE_LOAD:
        return "ultralytics was imported before poseline without ULTRALYTICS_SAFE_LOAD=True; set it, or import later"
    return "this torch is too old for it; pip install -U torch"


def _refusal(weights: Path, error: Exception) -> ModelError:
    """What is wrong with weights that ultralytics does not load; our own reader knows the usual faults."""
    from poseline.inference.network.checkpoint import recorded_network
    from poseline.inference.network.module import UnknownNetworkError
    from poseline.inference.weights_file import WeightsFile

    try:
        with WeightsFile(weights) as file, suppress(UnknownNetworkError):
            recorded_network(file.content, weights.name)
    except ModelError as known:
        return known
    why = f"the weights cannot be read: {first_line(error)}"
    causes: list[BaseException] = [error]
    while cause := causes[-1].__cause__ or causes[-1].__context__:
        causes.append(cause)
    if any("Unsupported operand" in str(cause) for cause in causes):
        why = "torch reads no pickle of this protocol safely; save it again with torch.save's own protocol"
    return ModelError(f"{weights.name}: {why}")


def first_line(error: BaseException) -> str:
    """The first line of an error's text that says anything."""
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _convert_here(weights: Path, folder: Path) -> None:
    load_network(weights)  # says plainly what is wrong, where the exporter would not
    from ultralytics import YOLO

    folder.mkdir(parents=True, exist_ok=True)
    copy = folder / weights.name  # the exporter writes beside the weights, which may be read-only
    shutil.copyfile(weights, copy)
    model = YOLO(str(copy), task="pose")
    if model.task != "pose":
        raise ModelError(
            f"{weights.name}: is a {model.task} model; poseline needs a pose model such as yolo11n-pose.pt"
        )
    exported = Path(model.export(format="openvino", dynamic=True, verbose=False))
    for file in exported.iterdir():
        file.rename(folder / ("model" + file.suffix if file.suffix in (".xml", ".bin") else file.name))
    exported.rmdir()
    copy.unlink()
