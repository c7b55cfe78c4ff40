"""Comparison: two motions side by side, aligned in time, as tables and as a video."""

from poseline.comparison.align import Aligned, Alignment, align
from poseline.comparison.compare import AngleDifference, Comparison, EventDifference, compare, write
from poseline.comparison.dtw import warp

__all__ = [
    "Aligned",
    "Alignment",
    "AngleDifference",
    "Comparison",
    "EventDifference",
    "align",
    "compare",
    "warp",
    "write",
]
