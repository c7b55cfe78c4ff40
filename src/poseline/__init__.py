"""Poseline: real-time keypoints from a webcam, a stream, a video or a picture. docs/python.md has every public name.

>>> from poseline import PoseModel, stream
>>> result = PoseModel("yolo11n-pose.pt")("picture.jpg")
>>> for observation in stream("clip.mp4"):
...     print(observation.frame.time, observation.poses.ids)
"""

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from poseline.analysis import Analysis, analyze
    from poseline.capture import SourceInfo
    from poseline.errors import (
        DeviceError,
        ModelError,
        OutputError,
        PoselineError,
        SettingsError,
        SourceError,
        StageStalled,
    )
    from poseline.formats import log_format
    from poseline.formats.exporting import export_log
    from poseline.formats.importing import import_log
    from poseline.frame import Frame, Gap
    from poseline.log import Log, RunHeader, Tracks, read_log, read_tracks
    from poseline.model import YOLO, PoseModel, stream
    from poseline.pipeline import Overflow, RunReport, Sink, Stage
    from poseline.pose import Observation, Poses
    from poseline.recording import record
    from poseline.results import Boxes, Keypoints, Results
    from poseline.settings import Settings
    from poseline.skeleton import COCO17, Skeleton, oks

# Where each public name lives. It is imported when it is first asked for, so that `import poseline` costs nothing.
_HOMES = {
    "Analysis": "analysis",
    "Boxes": "results",
    "COCO17": "skeleton",
    "DeviceError": "errors",
    "Frame": "frame",
    "Gap": "frame",
    "Keypoints": "results",
    "Log": "log",
    "ModelError": "errors",
    "Observation": "pose",
    "OutputError": "errors",
    "Overflow": "pipeline",
    "PoseModel": "model",
    "PoselineError": "errors",
    "Poses": "pose",
    "Results": "results",
    "RunHeader": "log",
    "RunReport": "pipeline",
    "Settings": "settings",
    "SettingsError": "errors",
    "Sink": "pipeline",
    "Skeleton": "skeleton",
    "SourceError": "errors",
    "SourceInfo": "capture",
    "Stage": "pipeline",
    "StageStalled": "errors",
    "Tracks": "log",
    "YOLO": "model",
    "analyze": "analysis",
    "export_log": "formats.exporting",
    "import_log": "formats.importing",
    "log_format": "formats",
    "oks": "skeleton",
    "read_log": "log",
    "read_tracks": "log",
    "record": "recording",
    "stream": "model",
}

__all__ = [
    "COCO17",
    "YOLO",
    "Analysis",
    "Boxes",
    "DeviceError",
    "Frame",
    "Gap",
    "Keypoints",
    "Log",
    "ModelError",
    "Observation",
    "OutputError",
    "Overflow",
    "PoseModel",
    "PoselineError",
    "Poses",
    "Results",
    "RunHeader",
    "RunReport",
    "Settings",
    "SettingsError",
    "Sink",
    "Skeleton",
    "SourceError",
    "SourceInfo",
    "Stage",
    "StageStalled",
    "Tracks",
    "analyze",
    "export_log",
    "import_log",
    "log_format",
    "oks",
    "read_log",
    "read_tracks",
    "record",
    "stream",
]

logging.getLogger("poseline").addHandler(logging.NullHandler())


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'poseline' has no attribute {name!r}")
    return getattr(import_module(f"poseline.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
