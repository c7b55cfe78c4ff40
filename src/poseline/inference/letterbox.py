"""Letterbox: a picture fitted into the network's input with its shape kept, and the exact way back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from poseline.pose import Floats


@dataclass(frozen=True)
class Letterbox:
    """Where a picture lies inside the network's input, in whole pixels."""

    source: tuple[int, int]
    """(width, height) of the picture."""
    scaled: tuple[int, int]
    """(width, height) of the picture inside the input."""
    size: tuple[int, int]
    """(width, height) of the input."""
    offset: tuple[int, int]
    """(left, top) of the picture inside the input."""

    @classmethod
    def fit(cls, width: int, height: int, imgsz: int, stride: int, fixed: tuple[int, int] | None = None) -> Letterbox:
        """The smallest input with sides of multiples of `stride` and a longer side of `imgsz` pixels.

        `fixed` (height, width) is for networks of one input size. The rounding is ultralytics' own.
        """
        long_side = -(-imgsz // stride) * stride
        limit_height, limit_width = fixed or (long_side, long_side)
        scale = min(limit_height / height, limit_width / width)
        scaled = (max(1, round(width * scale)), max(1, round(height * scale)))
        spare = (limit_width - scaled[0], limit_height - scaled[1])
        if fixed is None:
            spare = (spare[0] % stride, spare[1] % stride)
        offset = (round(spare[0] / 2 - 0.1), round(spare[1] / 2 - 0.1))
        return cls((width, height), scaled, (scaled[0] + spare[0], scaled[1] + spare[1]), offset)

    def to_source(self, points: Floats) -> Floats:
        """(..., 2) x, y in input pixels to pixels of the source picture, clipped to it."""
        width, height = self.source
        scale = np.array([width / self.scaled[0], height / self.scaled[1]], np.float32)
        back = (points - np.array(self.offset, np.float32)) * scale
        inside: Floats = np.clip(back, 0, np.array([width, height], np.float32), dtype=np.float32)
        return inside
