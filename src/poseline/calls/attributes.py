"""Attributes: what YOLO objects of ultralytics have beside calling, and what to do instead here."""

from __future__ import annotations

from collections.abc import Mapping

from poseline.errors import PoselineError


class NotOffered(PoselineError, AttributeError):
    """Something that YOLO objects of ultralytics have, and a PoseModel has not; `hasattr` says no to it."""


_THERE = "ultralytics does it, and poseline runs the .pt that comes of it"
NOT_OFFERED: Mapping[str, str] = {
    "train": f"training: {_THERE}: yolo pose train model=yolo11n-pose.pt data=coco8-pose.yaml",
    "tune": f"tuning: {_THERE}: yolo pose tune model=yolo11n-pose.pt data=coco8-pose.yaml",
    "val": "average precision on labels: poseline evaluate MODEL DATASET.yaml",
    "export": "a .pt is converted to OpenVINO by itself when it runs on a CPU; for other programs ultralytics exports: "
    "yolo export model=yolo11n-pose.pt format=onnx",
    "benchmark": "speed is measured by `poseline bench clip.mp4 -m yolo11n-pose.pt`",
    "embed": "features of the network's layers: ultralytics gives them: YOLO(...).embed(...)",
    "load": "a model is loaded once: PoseModel('weights.pt')",
    "save": "weights are not changed here: copy the file",
    "reset_weights": "weights are not changed here: ultralytics trains",
    "add_callback": "call a function on each result instead: for result in model(source, stream=True)",
    "clear_callback": "there are no callbacks; loop over model(source, stream=True)",
    "reset_callbacks": "there are no callbacks; loop over model(source, stream=True)",
    "callbacks": "there are no callbacks; loop over model(source, stream=True)",
    "calibrate": "is for depth models; int8 is PoseModel(..., precision='int8', calibrate='clip.mp4')",
    "model": "the torch network is not kept; `names`, `skeleton` and `info()` say what it is",
    "predictor": "there is none; options are arguments of the call",
    "trainer": f"training: {_THERE}",
    "ckpt": "the checkpoint is not kept; ultralytics opens it: YOLO(...).ckpt",
    "cfg": "networks are loaded, not built from a YAML file",
    "overrides": "options are arguments of PoseModel(...) and of the call",
    "ckpt_path": "`info()` says which file was loaded",
    "model_name": "`info()` says which file was loaded",
    "task_map": "there is one task, pose",
    "is_triton_model": "a Triton server is no model here: give a .pt, .onnx or OpenVINO folder",
    "metrics": "average precision on labels: poseline evaluate MODEL DATASET.yaml",
    "transforms": "pictures are letterboxed as ultralytics does it; there are no other transforms",
}
"""Names of ultralytics' YOLO class that a PoseModel does not have, and what to do instead."""
