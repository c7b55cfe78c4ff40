"""Boxes: the boxes of persons, with scores, classes and ids."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from poseline.results.array import Array
from poseline.results.instances import Instances
from poseline.words import counted


class Boxes(Instances):
    """The boxes of N persons, best first.

    Args:
        data: (N, 6) or (6,) left, top, right, bottom in pixels, confidence, class; or (N, 7) or (7,) with the id before
            the confidence.
        orig_shape: (height, width) of the picture in pixels.

    Raises:
        ValueError: `data` has another number of columns.
    """

    is_track: bool
    """Whether the persons have ids."""

    def __init__(self, data: NDArray[Any], orig_shape: tuple[int, int]) -> None:
        data = data[None] if data.ndim == 1 else data
        if data.ndim != 2 or data.shape[1] not in (6, 7):
            raise ValueError(f"boxes must have shape (N, 6), or (N, 7) with ids, got {data.shape}")
        super().__init__(data, orig_shape)
        self.is_track = data.shape[1] == 7

    @property
    def xyxy(self) -> Array:
        """(N, 4) float32 left, top, right, bottom in pixels of the picture; a part of `data`, not a copy."""
        return self.data[:, :4]

    @property
    def xywh(self) -> Array:
        """(N, 4) float32 centre x, centre y, width, height in pixels."""
        first, last = self.data[:, :2], self.data[:, 2:4]
        return np.concatenate([(first + last) / 2, last - first], axis=1).view(type(self.data))

    @property
    def xyxyn(self) -> Array:
        """`xyxy` in parts of the picture's width and height, 0..1."""
        return self._scaled(self.xyxy)

    @property
    def xywhn(self) -> Array:
        """`xywh` in parts of the picture's width and height, 0..1."""
        return self._scaled(self.xywh)

    @property
    def conf(self) -> Array:
        """(N,) float32 confidence, 0..1."""
        return self.data[:, -2]

    @property
    def cls(self) -> Array:
        """(N,) float32 class numbers, to look up in `Results.names`."""
        return self.data[:, -1]

    @property
    def id(self) -> Array | None:
        """(N,) float32 ids from 1; None where there was no tracking, or nobody has an id yet."""
        return self.data[:, -3] if self.is_track else None

    def _scaled(self, pixels: Array) -> Array:
        height, width = self.orig_shape
        parts: Array = pixels / np.array([width, height, width, height], self.data.dtype)
        return parts

    def __repr__(self) -> str:
        return f"Boxes({counted(len(self), 'person')}, is_track={self.is_track}, orig_shape={self.orig_shape})"
