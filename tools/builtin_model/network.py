"""The two networks: the teacher, which stays as it is, and the student, the same architecture from random weights."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("ULTRALYTICS_SAFE_LOAD", "True")  # read by ultralytics when it loads weights
os.environ.setdefault("YOLO_AUTOINSTALL", "False")
os.environ.setdefault("YOLO_OFFLINE", "True")

import torch
from torch import Tensor, nn
from ultralytics import YOLO
from ultralytics.nn.tasks import PoseModel

ARCHITECTURE = "yolo11n-pose.yaml"
KEYPOINTS = (17, 3)
TAPS = (2, 4, 6, 10, 13, 16, 19, 22)
"""The layers whose features the student learns to match: the ends of the stages, and all that later layers read."""


@dataclass(frozen=True)
class Raw:
    """What a pose network says before decoding, A anchors over all three strides, each (B, channels, A)."""

    boxes: Tensor
    """64 logits: 4 sides x 16 distances."""
    scores: Tensor
    """1 logit."""
    keypoints: Tensor
    """51: (x, y, visibility logit) of 17 keypoints, offsets in half strides."""
    features: dict[int, Tensor]
    """Output of each layer in `TAPS`."""


def load_teacher(weights: Path, device: torch.device) -> nn.Module:
    """The reference network, fused, frozen; half precision where the device is a GPU."""
    teacher: nn.Module = YOLO(weights).model.float().eval()
    teacher.requires_grad_(False)
    teacher.fuse(verbose=False)
    teacher.model[-1].training = True  # the head then hands out what it says, undecoded; nothing else is left to differ
    precision = torch.float16 if device.type == "cuda" else torch.float32
    return teacher.to(device, precision, memory_format=torch.channels_last)


def new_student(device: torch.device, seed: int = 0) -> nn.Module:
    """The architecture with random weights."""
    torch.manual_seed(seed)
    student: nn.Module = PoseModel(ARCHITECTURE, nc=1, data_kpt_shape=KEYPOINTS, verbose=False)
    student.names = {0: "person"}
    return student.to(device, memory_format=torch.channels_last)


def earlier_weights(path: Path) -> dict[str, Tensor]:
    """The averaged weights of an earlier training: a checkpoint's folder, or weights that were exported."""
    if path.is_dir():
        weights: dict[str, Tensor] = torch.load(path / "average.pt", map_location="cpu")
    else:
        weights = YOLO(path, task="pose").model.float().state_dict()
    return weights


def run(network: nn.Module, canvas: Tensor) -> Raw:
    """The network's raw outputs and features for (B, 3, H, W) canvases."""
    outputs: list[Tensor] = []
    features: dict[int, Tensor] = {}
    value: Tensor | dict[str, Tensor] = canvas
    for number, layer in enumerate(network.model):
        sources = [layer.f] if isinstance(layer.f, int) else layer.f
        inputs = [value if source == -1 else outputs[source] for source in sources]
        value = layer(inputs[0] if isinstance(layer.f, int) else inputs)
        if number in TAPS:
            features[number] = value
        outputs.append(value)
    raw = value[1] if isinstance(value, tuple) else value  # in evaluation the head also decodes
    return Raw(raw["boxes"], raw["scores"], raw["kpts"], features)


def freeze_statistics(network: nn.Module) -> None:
    """Let batch normalisation use its running statistics, as it will in use, while the weights go on learning."""
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.eval()
