"""Orientation: which way up a video's pictures lie in their file, and how to turn them upright."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from av.sidedata.sidedata import SideDataContainer
from av.video.frame import VideoFrame

from poseline.frame import plane_pixels

if TYPE_CHECKING:
    from poseline.frame import Pixels

_QUARTER_TURNS_ONLY = 5.0
"""Degrees by which a matrix may miss a quarter turn before it is worth a note."""


@dataclass(frozen=True)
class Orientation:
    """One of the eight ways in which a picture can lie: first transposed, then mirrored, then flipped."""

    transposed: bool = False
    """Rows and columns are exchanged."""
    mirrored: bool = False
    """Left and right are exchanged, after the transposition."""
    flipped: bool = False
    """Top and bottom are exchanged, after the transposition."""
    tilt: float = 0.0
    """Degrees clockwise by which the picture would have to be turned further: only quarter turns are made."""

    @property
    def upright(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.transposed or self.mirrored or self.flipped)

    @property
    def note(self) -> str:
        """What the user should know; empty where the matrix is a quarter turn, mirrored or not."""
        if abs(self.tilt) <= _QUARTER_TURNS_ONLY:
            return ""
        return (
            f"the file asks for a turn by an odd angle; the pictures are turned to the nearest quarter turn, "
            f"{abs(self.tilt):.0f} degrees off"
        )

    def of(self, pixels: Pixels) -> Pixels:
        """A view of `pixels`, (height, width), in this orientation made upright."""
        turned = pixels.T if self.transposed else pixels
        return turned[:: -1 if self.flipped else 1, :: -1 if self.mirrored else 1]


UPRIGHT = Orientation()


def orientation_of(frame: VideoFrame) -> Orientation:
    """What the frame's display matrix says; upright where it has none."""
    container: Any = SideDataContainer  # PyAV's types leave its argument out
    # `frame.side_data` would stay with the frame and refer back to it: such a frame, and with it all of a card's
    # decoder, would be in memory until Python next looks for cycles.
    matrix = container(frame).get("DISPLAYMATRIX")
    return UPRIGHT if matrix is None else _orientation(bytes(matrix))


@lru_cache(maxsize=16)
def _orientation(matrix: bytes) -> Orientation:
    """The nearest of the eight orientations to a display matrix.

    Its nine numbers (a b u, c d v, x y w) are native 32-bit integers; a pixel at (p, q) is shown at
    (a p + c q + x, b p + d q + y). Only directions matter here: what scales a picture is not for us.
    """
    a, b, _, c, d = struct.unpack_from("=5i", matrix)
    if abs(a) + abs(d) >= abs(b) + abs(c):
        kept = Orientation(mirrored=a < 0, flipped=d < 0)
        across, along = (b, abs(a)) if a >= 0 else (-b, abs(a))
    else:
        kept = Orientation(transposed=True, mirrored=c < 0, flipped=b < 0)
        across, along = (-a, abs(b)) if b >= 0 else (a, abs(b))
    return Orientation(kept.transposed, kept.mirrored, kept.flipped, math.degrees(math.atan2(across, along)))


def turned(frame: VideoFrame, orientation: Orientation) -> VideoFrame:
    """A yuv420p frame made upright, plane by plane; time stamps and colours are kept."""
    width, height = (frame.height, frame.width) if orientation.transposed else (frame.width, frame.height)
    result = VideoFrame(width, height, "yuv420p")
    for source, target in zip(frame.planes, result.planes, strict=True):
        np.copyto(plane_pixels(target), orientation.of(plane_pixels(source)))
    result.pts, result.time_base = frame.pts, frame.time_base or Fraction(0)
    result.colorspace, result.color_range = frame.colorspace, frame.color_range
    result.color_primaries, result.color_trc = frame.color_primaries, frame.color_trc
    return result
