"""Capture: the only reader of media; owns time-outs and time stamps."""

from poseline.capture.audio import AudioTrack
from poseline.capture.camera import Camera, cameras
from poseline.capture.camera_check import check_cameras
from poseline.capture.file import SimulatedCamera, VideoFile
from poseline.capture.http_address import is_http
from poseline.capture.images import Images, read_image
from poseline.capture.locate import Location, check_part, locate, locate_one, open_source
from poseline.capture.memory import is_tensor, pixels_of
from poseline.capture.outage import Outage
from poseline.capture.presence import check_present
from poseline.capture.sample import ClipSample
from poseline.capture.scripted import ScriptedCamera
from poseline.capture.source import Source, SourceInfo
from poseline.capture.stream import NetworkStream

__all__ = [
    "AudioTrack",
    "Camera",
    "ClipSample",
    "Images",
    "Location",
    "NetworkStream",
    "Outage",
    "ScriptedCamera",
    "SimulatedCamera",
    "Source",
    "SourceInfo",
    "VideoFile",
    "cameras",
    "check_cameras",
    "check_part",
    "check_present",
    "is_http",
    "is_tensor",
    "locate",
    "locate_one",
    "open_source",
    "pixels_of",
    "read_image",
]
