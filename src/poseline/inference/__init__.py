"""Inference: weights, letterbox, network and decoding; from a frame to its poses."""

from poseline.inference.decode import decode, suppress
from poseline.inference.estimator import PoseEstimator, infer
from poseline.inference.letterbox import Letterbox
from poseline.inference.load import check_classes, device_of, load_estimator, runs_on, seems_on_gpu, torch_may_run
from poseline.inference.remote import RemoteRuntime
from poseline.inference.runtimes import Request, Runtime, ScriptedRuntime
from poseline.inference.spec import ModelSpec
from poseline.inference.turns import Turn, Turns

__all__ = [
    "Letterbox",
    "ModelSpec",
    "PoseEstimator",
    "RemoteRuntime",
    "Request",
    "Runtime",
    "ScriptedRuntime",
    "Turn",
    "Turns",
    "check_classes",
    "decode",
    "device_of",
    "infer",
    "load_estimator",
    "runs_on",
    "seems_on_gpu",
    "suppress",
    "torch_may_run",
]
