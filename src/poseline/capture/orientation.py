"""Orientation: which way up a video's pictures lie in their file, as its display matrix says."""

from __future__ import annotations

import math
import struct
from functools import lru_cache
from typing import Any

from av.sidedata.sidedata import SideDataContainer
from av.video.frame import VideoFrame

from poseline.orientation import UPRIGHT, Orientation


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
