"""Keypoints: the keypoints of persons, with confidences."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from poseline.results.array import Array
from poseline.results.instances import Instances
from poseline.words import counted


class Keypoints(Instances):
    """The K keypoints of each of N persons, in the boxes' order.

    Args:
        data: (N, K, 3) or (K, 3) x and y in pixels, and confidence.
        orig_shape: (height, width) of the picture in pixels.

    Raises:
        ValueError: `data` has another shape.
    """

    has_visible = True
    """Whether the keypoints have confidences: those of all models have them here."""

    def __init__(self, data: NDArray[Any], orig_shape: tuple[int, int]) -> None:
        data = data[None] if data.ndim == 2 else data
        if data.ndim != 3 or data.shape[2] != 3:
            raise ValueError(f"keypoints must have shape (N, K, 3), got {data.shape}")
        super().__init__(data, orig_shape)

    @property
    def xy(self) -> Array:
        """(N, K, 2) float32 x, y in pixels of the picture, also of keypoints of low `conf`; a part of `data`."""
        return self.data[:, :, :2]

    @property
    def xyn(self) -> Array:
        """`xy` in parts of the picture's width and height, 0..1."""
        height, width = self.orig_shape
        parts: Array = self.xy / np.array([width, height], self.data.dtype)
        return parts

    @property
    def conf(self) -> Array:
        """(N, K) float32 confidence, 0..1."""
        return self.data[:, :, 2]

    def __repr__(self) -> str:
        persons, keypoints, _ = self.shape
        return f"Keypoints({counted(persons, 'person')}, {keypoints} keypoints each, orig_shape={self.orig_shape})"
