"""Poseline: real-time keypoints from a webcam, a stream, a video or a picture.

>>> from poseline import PoseModel, stream
>>> result = PoseModel("yolo11n-pose.pt")("picture.jpg")
>>> for observation in stream("clip.mp4"):
...     print(observation.frame.time, observation.poses.ids)
"""

import logging
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from poseline.analysis import Analysis, analyze
    from poseline.errors import (
        DeviceError,
        ModelError,
        OutputError,
        PoselineError,
        SettingsError,
        SourceError,
        StageStalled,
    )
    from poseline.frame import Frame, Gap
    from poseline.log import Log, Tracks, read_log, read_tracks
    from poseline.model import PoseModel, stream
    from poseline.pose import Observation, Poses
    from poseline.result import Result
    from poseline.settings import Settings
    from poseline.skeleton import COCO17, Skeleton

# Where each public name lives. It is imported when it is first asked for, so that `import poseline` costs nothing.
_HOMES = {
    "Analysis": "analysis",
    "COCO17": "skeleton",
    "DeviceError": "errors",
    "Frame": "frame",
    "Gap": "frame",
    "Log": "log",
    "ModelError": "errors",
    "Observation": "pose",
    "OutputError": "errors",
    "PoseModel": "model",
    "PoselineError": "errors",
    "Poses": "pose",
    "Result": "result",
    "Settings": "settings",
    "SettingsError": "errors",
    "Skeleton": "skeleton",
    "SourceError": "errors",
    "StageStalled": "errors",
    "Tracks": "log",
    "analyze": "analysis",
    "read_log": "log",
    "read_tracks": "log",
    "stream": "model",
}

__all__ = [
    "COCO17",
    "Analysis",
    "DeviceError",
    "Frame",
    "Gap",
    "Log",
    "ModelError",
    "Observation",
    "OutputError",
    "PoseModel",
    "PoselineError",
    "Poses",
    "Result",
    "Settings",
    "SettingsError",
    "Skeleton",
    "SourceError",
    "StageStalled",
    "Tracks",
    "analyze",
    "read_log",
    "read_tracks",
    "stream",
]

logging.getLogger("poseline").addHandler(logging.NullHandler())
# No usage reports: OpenVINO and NNCF send one when they are imported, and none where this package is not to be had.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type] # None is how Python is told so


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'poseline' has no attribute {name!r}")
    return getattr(import_module(f"poseline.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
