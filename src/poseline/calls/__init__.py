"""Calls: what the methods of `PoseModel` take, by ultralytics' names, and what becomes of it."""

from poseline.calls.arguments import (
    Call,
    LoadOptions,
    PredictOptions,
    ThresholdOptions,
    half_precision,
    inference_settings,
    load_settings,
    shows_options,
)
from poseline.calls.attributes import NOT_OFFERED, NotOffered
from poseline.calls.device import Device, device_name
from poseline.calls.following import Following
from poseline.calls.running import Running
from poseline.calls.save_folder import SaveFolders
from poseline.calls.sources import find_source

__all__ = [
    "NOT_OFFERED",
    "Call",
    "Device",
    "Following",
    "LoadOptions",
    "NotOffered",
    "PredictOptions",
    "Running",
    "SaveFolders",
    "ThresholdOptions",
    "device_name",
    "find_source",
    "half_precision",
    "inference_settings",
    "load_settings",
    "shows_options",
]
