"""Inference: weights, letterbox, network and decoding; from a frame to its poses."""

import sys

from poseline.inference.decode import decode, suppress
from poseline.inference.estimator import PoseEstimator, infer
from poseline.inference.letterbox import Letterbox
from poseline.inference.load import device_of, load_estimator
from poseline.inference.runtimes import Request, Runtime, ScriptedRuntime
from poseline.inference.spec import ModelSpec

# No usage reports: OpenVINO and NNCF send one when they are imported, and none where this package is not to be had.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type] # None is how Python is told so

__all__ = [
    "Letterbox",
    "ModelSpec",
    "PoseEstimator",
    "Request",
    "Runtime",
    "ScriptedRuntime",
    "decode",
    "device_of",
    "infer",
    "load_estimator",
    "suppress",
]
