"""Turn a trained student into the files that come with the package.

Weights for torch, for a GPU, and a network for OpenVINO, for a CPU:

    python -m tools.builtin_model.export --checkpoint run --out src/poseline/builtin
"""

from __future__ import annotations

import argparse
import copy
import shutil
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import nn

from poseline.inference.weights import write_quick_metadata

from .network import new_student

NAME = "poseline-builtin"
DESCRIPTION = "Poseline built-in pose model: the YOLO11n-pose architecture, trained by Poseline from random weights"
AUTHOR = "Poseline"
LICENCE = "AGPL-3.0"
KEYPOINT_NAMES = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle",
    "right_ankle",
)  # fmt: skip
MIRRORED = (0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15)
"""Which keypoint each becomes when the picture is mirrored."""


def main() -> None:
    """Parse the command line and write both files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True, help="folder that the training wrote")
    parser.add_argument("--out", type=Path, required=True, help="folder for the weights")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    student = trained_student(given.checkpoint)
    weights = write_torch(student, given.out)
    folder = write_openvino(weights)
    for path in [weights, *sorted(folder.iterdir())]:
        print(f"{path}  {path.stat().st_size / 1e6:.2f} MB")


def trained_student(checkpoint: Path) -> nn.Module:
    """The averaged weights of a checkpoint, in float32 on the CPU."""
    student = new_student(torch.device("cpu")).eval()
    student.load_state_dict(torch.load(checkpoint / "average.pt", map_location="cpu"))
    student.yaml["kpt_names"] = {0: list(KEYPOINT_NAMES)}
    student.kpt_names = {0: list(KEYPOINT_NAMES)}
    return student


def write_torch(student: nn.Module, folder: Path) -> Path:
    """Half-precision weights that ``ultralytics.YOLO`` loads, also when it refuses weights that would run code."""
    model = copy.deepcopy(student).half()
    model.args = {"task": "pose", "imgsz": 640, "kpt_shape": [17, 3], "flip_idx": list(MIRRORED)}
    path = folder / f"{NAME}.pt"
    checkpoint: dict[str, Any] = {
        "model": model,
        "ema": None,
        "epoch": -1,
        "optimizer": None,
        "train_args": {"task": "pose", "imgsz": 640, "data": "", "single_cls": True},
        "date": date.today().isoformat(),
        "license": LICENCE,
        "description": DESCRIPTION,
        "author": AUTHOR,
    }
    torch.save(checkpoint, path)
    return path


def write_openvino(weights: Path) -> Path:
    """The half-precision network for OpenVINO beside `weights`, for any picture size, with its metadata."""
    from ultralytics import YOLO

    with tempfile.TemporaryDirectory() as scratch:
        copied = Path(shutil.copy(weights, scratch))
        exported = Path(YOLO(copied, task="pose").export(format="openvino", dynamic=True, half=True, imgsz=640))
        metadata = yaml.safe_load((exported / "metadata.yaml").read_text(encoding="utf-8"))
        metadata |= {"description": DESCRIPTION, "author": AUTHOR, "license": LICENCE}
        metadata |= {"kpt_names": {0: list(KEYPOINT_NAMES)}}
        (exported / "metadata.yaml").write_text(yaml.safe_dump(metadata, sort_keys=False), encoding="utf-8")
        write_quick_metadata(exported)
        folder = weights.parent / exported.name
        shutil.rmtree(folder, ignore_errors=True)
        shutil.move(exported, folder)
    return folder


if __name__ == "__main__":
    main()
