"""Output: annotated video and pictures, the keypoint log and its tables, a window, a summary."""

from poseline.output.atomic import replacing
from poseline.output.encoder import choose_encoder, encodes
from poseline.output.finished import Finished
from poseline.output.folder import OutputFolder, prepare
from poseline.output.keylog import KeypointLog, RunHeader, written_aspect
from poseline.output.mp4 import mp4_can_hold
from poseline.output.pictures import picture_file, save_picture
from poseline.output.read import Log, LoggedFrame, LogReader, read_log
from poseline.output.recover import Recovered, recover
from poseline.output.screen import ScriptedScreen
from poseline.output.summary import Counts, Ended, write_summary
from poseline.output.tables import write_csv, write_parquet
from poseline.output.video import VideoWriter
from poseline.output.window import Window

__all__ = [
    "Counts",
    "Ended",
    "Finished",
    "KeypointLog",
    "Log",
    "LogReader",
    "LoggedFrame",
    "OutputFolder",
    "Recovered",
    "RunHeader",
    "ScriptedScreen",
    "VideoWriter",
    "Window",
    "choose_encoder",
    "encodes",
    "mp4_can_hold",
    "picture_file",
    "prepare",
    "read_log",
    "recover",
    "replacing",
    "save_picture",
    "write_csv",
    "write_parquet",
    "write_summary",
    "written_aspect",
]
