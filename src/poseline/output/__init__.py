"""Output: annotated video and pictures, a window, a summary, and the folder that they go to."""

from poseline.output.encoder import choose_encoder, encodes
from poseline.output.finished import Finished
from poseline.output.folder import OutputFolder, prepare
from poseline.output.mp4 import mp4_can_hold
from poseline.output.pictures import picture_file, save_picture
from poseline.output.recover import Recovered, recover
from poseline.output.screen import ScriptedScreen
from poseline.output.summary import write_summary
from poseline.output.video import VideoWriter
from poseline.output.window import Window

__all__ = [
    "Finished",
    "OutputFolder",
    "Recovered",
    "ScriptedScreen",
    "VideoWriter",
    "Window",
    "choose_encoder",
    "encodes",
    "mp4_can_hold",
    "picture_file",
    "prepare",
    "recover",
    "save_picture",
    "write_summary",
]
