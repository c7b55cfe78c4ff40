"""Aspect: how wide a video's pixels are to be shown."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from poseline.capture.orientation import UPRIGHT, Orientation

if TYPE_CHECKING:
    from av.video.stream import VideoStream

_SQUARE = 0.005
"""Share by which pixels may miss a square before they count: scalers leave such ratios as 3645:3646."""
_WIDEST = 10
"""A ratio beyond is damage or nonsense."""


def pixel_aspect(stream: VideoStream, orientation: Orientation = UPRIGHT) -> Fraction:
    """Width of a pixel over its height in the upright picture; 1 where none is stated, or none that can be.

    The container's word counts before the codec's, as for players. What the codec says may be known only after the
    first picture.
    """
    stated = stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio
    if not stated or not Fraction(1, _WIDEST) <= stated <= _WIDEST or abs(stated - 1) < _SQUARE:
        return Fraction(1)
    return 1 / stated if orientation.transposed else stated
