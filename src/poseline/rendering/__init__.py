"""Rendering: a clip drawn anew from its log, in another style, without a network."""

from poseline.rendering.fit import Size
from poseline.rendering.layers import Layer, Sheet
from poseline.rendering.logged_clip import LoggedClip
from poseline.rendering.render import Rendered, RenderOptions, render, style_of
from poseline.rendering.scene import Scene

__all__ = [
    "Layer",
    "LoggedClip",
    "RenderOptions",
    "Rendered",
    "Scene",
    "Sheet",
    "Size",
    "render",
    "style_of",
]
