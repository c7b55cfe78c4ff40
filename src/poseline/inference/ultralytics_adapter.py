"""Adapter of ultralytics, which reads, converts and downloads `.pt` weights: the only module that imports it.

Conversion and downloads run in a worker, so that torch's start-up and memory never burden a run.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from poseline import forks
from poseline.errors import ModelError
from poseline.inference.spec import checked_channels
from poseline.inference.subprocess_task import run_in_subprocess

log = logging.getLogger("poseline")

PUBLISHED = re.compile(r"yolo(v8|11|26)[nsmlx]-pose(-p6)?\.pt")
"""Names of the pose models that ultralytics publishes."""

_SAFE = {
    "ULTRALYTICS_SAFE_LOAD": "True",  # weights are data: a pickle that would call anything is refused
    "YOLO_AUTOINSTALL": "False",  # no package is installed because a file asks for it
    "YOLO_VERBOSE": "False",
}
_PUBLISHER = ("github.com", 443)
_ONLINE_SECONDS = 3.0
_CONVERT_SECONDS, _FETCH_SECONDS = 900, 300


def convert(weights: Path, folder: Path) -> None:
    """Convert `.pt` weights to an OpenVINO model of dynamic input size in `folder` (made here).

    Raises:
        ModelError: the weights are unsafe, damaged, or not of a pose model.
    """
    run_in_subprocess(
        f"{weights.name}: convert", _convert_here, weights.absolute(), folder.absolute(),
        seconds=_CONVERT_SECONDS, environment=_SAFE | {"YOLO_OFFLINE": "True"},
    )  # fmt: skip


def fetch(name: str, folder: Path) -> Path:
    """Download the published model `name` into `folder`.

    Raises:
        ModelError: it could not be downloaded.
    """
    if not _online():
        raise ModelError(f"{name}: could not be downloaded: this machine reaches no network")
    folder.mkdir(parents=True, exist_ok=True)
    run_in_subprocess(
        f"{name}: fetch", _fetch_here, name, folder.absolute(),
        seconds=_FETCH_SECONDS, environment=_SAFE | {"YOLO_OFFLINE": "False"},
    )  # fmt: skip
    return folder / name


def _online() -> bool:
    """Whether the place that publishes the models answers; asked first, as its client would try for long."""
    try:
        socket.create_connection(_PUBLISHER, timeout=_ONLINE_SECONDS).close()
    except OSError:
        return False
    return True


def load_network(weights: Path) -> tuple[Any, dict[str, Any]]:
    """The torch network in `weights`, fused, in fp32 on the CPU, and its metadata, without running any code in it.

    Raises:
        ModelError: the weights are unsafe, damaged, or not of a pose model.
    """
    with _environment(_SAFE | {"YOLO_OFFLINE": "True"}):  # which it reads when it is imported
        from ultralytics.nn import tasks

    be_safe_in_a_fork()

    if not (tasks.SAFE_LOAD and tasks._SafeLoad.SUPPORTED):
        raise ModelError(f"{weights.name}: cannot be loaded safely: {_unsafe_because(tasks)}")
    try:
        # By its whole path: a damaged file of a published name, given by that name alone, would be deleted there.
        network, checkpoint = tasks.load_checkpoint(str(weights.absolute()))
    except (TypeError, RuntimeError, LookupError, AttributeError, ImportError, EOFError, OSError, ValueError) as error:
        raise ModelError(f"{weights.name}: {_refusal(weights, error)}") from error
    task = getattr(network, "task", None) or (checkpoint.get("train_args") or {}).get("task")
    channels = checked_channels(next(network.parameters()).shape[1], weights.name)  # the first convolution's
    metadata = {"task": task, "names": network.names, "stride": int(max(network.stride)), "channels": channels}
    metadata["imgsz"] = (checkpoint.get("train_args") or {}).get("imgsz")
    head = network.model[-1]
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


def _refusal(weights: Path, error: Exception) -> str:
    from torch.serialization import get_unsafe_globals_in_checkpoint

    try:
        names = get_unsafe_globals_in_checkpoint(str(weights))
    except (RuntimeError, OSError, ValueError):
        if "TorchScript" in str(error):
            return "is TorchScript, not weights; give the .pt that it was exported from"
        return "the file is damaged or incomplete; fetch it again"
    foreign = sorted(name for name in names if not name.startswith(("torch.", "ultralytics.", "collections.")))
    if isinstance(error, TypeError) and foreign:
        return f"refused: it would run code of its own ({', '.join(foreign[:5])}); poseline loads weights only"
    return f"the weights cannot be read: {first_line(error)}"


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


def _fetch_here(name: str, folder: Path) -> None:
    from ultralytics.utils.downloads import attempt_download_asset

    target = folder / name
    try:
        attempt_download_asset(str(target))
    except (OSError, RuntimeError, ConnectionError) as error:
        raise ModelError(f"{name}: could not be downloaded: {first_line(error)}") from error
    if not target.is_file():
        raise ModelError(f"{name}: could not be downloaded; is this machine online?")
