"""Output: annotated video and pictures, a window, a summary, and the folder that they go to."""

from poseline.output.closeable import Closeable
from poseline.output.encoder import choose_encoder, encodes
from poseline.output.folder import OutputFolder, given_folder, new_folder, numbered_folder, prepare
from poseline.output.images import free_file, image_file, save_image
from poseline.output.lock import wait_until_free
from poseline.output.mp4 import EncodedPicture, mp4_can_hold
from poseline.output.recover import Recovered, recover
from poseline.output.screen import ScriptedScreen
from poseline.output.segments import Keep, Segments
from poseline.output.summary import write_summary
from poseline.output.video import VideoWriter
from poseline.output.window import Window

__all__ = [
    "Closeable",
    "EncodedPicture",
    "Keep",
    "OutputFolder",
    "Recovered",
    "ScriptedScreen",
    "Segments",
    "VideoWriter",
    "Window",
    "choose_encoder",
    "encodes",
    "free_file",
    "given_folder",
    "image_file",
    "mp4_can_hold",
    "new_folder",
    "numbered_folder",
    "prepare",
    "recover",
    "save_image",
    "wait_until_free",
    "write_summary",
]
