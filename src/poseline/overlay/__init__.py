"""Overlay: what was seen, drawn on the picture it was seen in."""

from poseline.overlay.canvas import BgrCanvas, Canvas, Colour, YuvCanvas
from poseline.overlay.draw import Trails, draw_hud, draw_poses
from poseline.overlay.skeleton_image import skeleton_image
from poseline.overlay.stage import Drawn, Overlay, render
from poseline.overlay.style import Style, id_colour
from poseline.overlay.text import Font
from poseline.overlay.writable import writable_yuv

__all__ = [
    "BgrCanvas",
    "Canvas",
    "Colour",
    "Drawn",
    "Font",
    "Overlay",
    "Style",
    "Trails",
    "YuvCanvas",
    "draw_hud",
    "draw_poses",
    "id_colour",
    "render",
    "skeleton_image",
    "writable_yuv",
]
