"""Aspect: how wide a video's pixels are to be shown."""

from __future__ import annotations

from fractions import Fraction

from poseline.orientation import UPRIGHT, Orientation

_SQUARE = 0.005
"""Share by which pixels may miss a square before they count: scalers leave such ratios as 3645:3646."""
_WIDEST = 10
"""A ratio beyond is damage or nonsense."""


def pixel_aspect(stated: Fraction | None, orientation: Orientation = UPRIGHT) -> Fraction:
    """Width of a pixel over its height in the upright picture; 1 where none is stated, or none that can be.

    Args:
        stated: of the picture as it lies in the file.
        orientation: how it lies there.
    """
    if not stated or not Fraction(1, _WIDEST) <= stated <= _WIDEST or abs(stated - 1) < _SQUARE:
        return Fraction(1)
    return 1 / stated if orientation.transposed else stated
