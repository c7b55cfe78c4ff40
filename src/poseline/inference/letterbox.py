"""Letterbox: a picture, or a part of it, fitted into the network's input, and the exact way back."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from poseline.pose import Floats


@dataclass(frozen=True)
class Letterbox:
    """Where a picture, or a part of it, lies inside the network's input, in whole pixels."""

    source: tuple[int, int]
    """(width, height) of the picture or of its part."""
    scaled: tuple[int, int]
    """(width, height) of the same inside the input."""
    size: tuple[int, int]
    """(width, height) of the input."""
    offset: tuple[int, int]
    """(left, top) of the same inside the input."""
    corner: tuple[int, int] = (0, 0)
    """(left, top) of the part inside the picture; even, as colour planes of half the size need it."""
    picture: tuple[int, int] | None = None
    """(width, height) of the picture, where only a part of it is taken."""

    @classmethod
    @lru_cache(maxsize=16)
    def fit(
        cls, width: int, height: int, imgsz: int | tuple[int, int], stride: int, fixed: tuple[int, int] | None = None
    ) -> Letterbox:
        """The smallest input with sides of multiples of `stride` and a longer side of `imgsz` pixels.

        Where `imgsz` is (height, width), the picture is fitted into that instead of a square. `fixed` (height, width)
        is for networks of one input size. The rounding is ultralytics' own.
        """
        limit_height, limit_width = fixed or limits(imgsz, stride)
        scale = min(limit_height / height, limit_width / width)
        scaled = (max(1, round(width * scale)), max(1, round(height * scale)))
        spare = (limit_width - scaled[0], limit_height - scaled[1])
        if fixed is None:
            spare = (spare[0] % stride, spare[1] % stride)
        offset = (round(spare[0] / 2 - 0.1), round(spare[1] / 2 - 0.1))
        return cls((width, height), scaled, (scaled[0] + spare[0], scaled[1] + spare[1]), offset)

    def part(self, left: int, top: int, width: int, height: int) -> Letterbox:
        """This input's rectangle at (left, top), in pixels, as an input of its own.

        It shows what that part of the whole input shows, in the same scale but for the rounding to the source's pixels.
        """
        across, down = self._span(0, left, width), self._span(1, top, height)
        corner, source, scaled, offset = zip(across, down, strict=True)
        return Letterbox(source, scaled, (width, height), offset, corner, self.picture or self.source)

    def _span(self, axis: int, begin: int, length: int) -> tuple[int, int, int, int]:
        """Along one axis: where the part begins in the source and how long it is there, and in the input how long."""
        offset, scaled, source = self.offset[axis], self.scaled[axis], self.source[axis]
        first, last = max(begin, offset), min(begin + length, offset + scaled)
        start = 2 * round((first - offset) * source / scaled / 2)
        end = source if last == offset + scaled else 2 * round((last - offset) * source / scaled / 2)
        return start, end - start, last - first, first - begin

    @property
    def _scale(self) -> Floats:
        """(2,) source pixels for each pixel of the input."""
        return np.array([self.source[0] / self.scaled[0], self.source[1] / self.scaled[1]], np.float32)

    def to_source(self, points: Floats) -> Floats:
        """(..., 2) x, y in input pixels to pixels of the source picture, clipped to it."""
        inside, sides = np.empty(points.shape, np.float32), self.picture or self.source
        for axis, side in enumerate(sides):  # one by one: numpy is slow where the last of several axes is short
            scale = self.source[axis] / self.scaled[axis]
            back = (points[..., axis] - self.offset[axis]) * scale + self.corner[axis]
            np.minimum(np.maximum(back, 0), side, out=inside[..., axis])
        return inside

    def to_input(self, points: Floats) -> Floats:
        """(..., 2) x, y in pixels of the source picture to input pixels."""
        there: Floats = (points - np.array(self.corner, np.float32)) / self._scale + np.array(self.offset, np.float32)
        return there


def limits(imgsz: int | tuple[int, int], stride: int) -> tuple[int, int]:
    """(height, width) of the largest input for `imgsz`, in multiples of `stride`."""
    height, width = (imgsz, imgsz) if isinstance(imgsz, int) else imgsz
    return round_up(height, stride), round_up(width, stride)


def round_up(length: int, step: int) -> int:
    """The least multiple of `step` that is not below `length`."""
    return -(-length // step) * step
