"""Checkpoint: the network that a weights file holds, and what an export would say of it."""

from __future__ import annotations

from typing import Any

from poseline.errors import ModelError
from poseline.inference.network.module import Module, UnknownNetworkError
from poseline.inference.unpickler import Record
from poseline.inference.weights_file import Tensor

HEADS = "Pose", "Pose26"
_TASKS = {
    "DetectionModel": "detect", "SegmentationModel": "segment", "ClassificationModel": "classify", "OBBModel": "obb",
    "WorldModel": "detect", "YOLOEModel": "detect", "RTDETRDetectionModel": "detect",
}  # fmt: skip
"""ultralytics' classes of networks for other tasks."""


def recorded_network(content: Any, name: str) -> Module:
    """The network in what was saved; its averaged weights (`ema`) come first, as in ultralytics.

    Args:
        content: of a `WeightsFile`.
        name: the file's, for messages.

    Raises:
        ModelError: it holds something else than a pose network.
        UnknownNetworkError: it is of a make that we do not know.
    """
    if isinstance(content, Record):
        raise ModelError(
            f"{name}: holds a bare {content.path.rpartition('.')[2]}, saved without ultralytics' checkpoint around it; "
            "give the .pt that ultralytics wrote, or save {'model': network}"
        )
    saved = (content.get("ema") or content.get("model")) if isinstance(content, dict) else None
    if _is_state_dict(content) or _is_state_dict(saved):
        raise ModelError(
            f"{name}: holds numbers alone (a state_dict), without the network that they belong to; give the .pt that "
            "ultralytics wrote"
        )
    if not isinstance(saved, Record):
        raise ModelError(f"{name}: holds no network; give a .pt that ultralytics wrote")
    if not saved.path.startswith("ultralytics.") or content.get("modelopt"):
        raise UnknownNetworkError(f"is a {saved.path}" + ", quantised in training" * bool(content.get("modelopt")))
    network = Module(saved, "network")
    if network.kind in _TASKS:
        task = _TASKS[network.kind]
        raise ModelError(f"{name}: is a {task} model; poseline needs a pose model such as yolo11n-pose.pt")
    if network.kind != "PoseModel":
        raise UnknownNetworkError(f"is a {network.kind}")
    return network


def _is_state_dict(content: Any) -> bool:
    """Whether it is numbers by name, or has them under a usual name."""
    if not isinstance(content, dict):
        return False
    inner = content.get("state_dict") or content.get("model_state_dict")
    return isinstance(inner, dict) or (bool(content) and all(isinstance(value, Tensor) for value in content.values()))


def read_metadata(network: Module) -> dict[str, Any]:
    """What an export would say of the network, in values that JSON has.

    Raises:
        UnknownNetworkError: something of it is missing, or is not what it should be.
    """
    *_, head = layers = list(network.child("model").children())
    if head.kind not in HEADS:
        raise UnknownNetworkError(f"{head.name}: is a {head.kind}")
    names, kpt_names = network.get("names"), network.get("kpt_names")
    if isinstance(names, (list, tuple)):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or not all(isinstance(n, int) and isinstance(names[n], str) for n in names):
        raise UnknownNetworkError("its class names are no texts by number")
    return {
        "task": "pose",
        "names": names,
        "kpt_shape": list(keypoint_shape(head)),
        "kpt_names": _texts(kpt_names),
        "stride": int(head.tensor("stride").max()),
        "channels": layers[0].child("conv").integer("in_channels"),
        "end2end": is_end2end(head),
    }


def _texts(kpt_names: Any) -> Any:
    """{class: [names]}, or None where they are anything else."""
    if not isinstance(kpt_names, dict):
        return None
    lists = [names for names in kpt_names.values() if isinstance(names, (list, tuple))]
    whole = len(lists) == len(kpt_names) and all(isinstance(name, str) for names in lists for name in names)
    return {int(number): list(names) for number, names in kpt_names.items()} if whole else None


def is_end2end(module: Module) -> bool:
    """Whether the head gives final rows: ultralytics' own export takes the other branch where there is one."""
    return module.get("cv2") is None


def keypoint_shape(module: Module) -> tuple[int, int]:
    """(K, 2 or 3)."""
    shape = module.get("kpt_shape")
    if not isinstance(shape, (tuple, list)) or [type(n) for n in shape] != [int, int]:
        raise UnknownNetworkError(f"{module.name}: kpt_shape is {shape}")
    count, values = shape
    if not 1 <= count <= 10_000 or values not in (2, 3):
        raise UnknownNetworkError(f"{module.name}: kpt_shape is {shape}")
    return count, values
