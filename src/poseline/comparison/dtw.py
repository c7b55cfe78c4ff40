"""Dynamic time warping of two sequences of angles: which moment of one is which of the other."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Doubles: TypeAlias = NDArray[np.float64]

_MOST = 2000
"""Rows of each sequence that are compared; of longer ones, so many at even steps."""
_UNKNOWN = 60.0
"""Degrees that two rows count as apart that have no angle in common."""


def warp(first: Doubles, second: Doubles) -> Doubles:
    """(T,) for each row of `first`, the row of `second` that it fits, rising; halves where it fits several.

    The path of least total distance from the first rows to the last ones, by steps of one row in either sequence or in
    both (Sakoe and Chiba, IEEE Trans ASSP 26 (1978) 43, without a slope constraint). The distance of two rows is the
    root of the mean squared difference of the angles that both have.

    Args:
        first: (T, A) degrees, NaN where an angle is missing.
        second: (U, A) likewise.
    """
    rows, columns = _thinned(len(first)), _thinned(len(second))
    path = _path(_distances(first[rows], second[columns]))
    row, column = np.array(path).T
    known = np.bincount(row, column) / np.bincount(row)  # the mean of all that fit
    fitted: Doubles = np.interp(np.arange(len(first)), rows, np.interp(known, np.arange(len(columns)), columns))
    return fitted


def _thinned(count: int) -> NDArray[np.int64]:
    return np.linspace(0, count - 1, min(count, _MOST)).round().astype(np.int64)


def _distances(first: Doubles, second: Doubles) -> Doubles:
    """(T, U) of each row to each."""
    total, known = np.zeros((len(first), len(second))), np.zeros((len(first), len(second)))
    for column in range(first.shape[1]):
        difference = (first[:, column, None] - second[None, :, column] + 180) % 360 - 180
        total += np.nan_to_num(difference) ** 2
        known += np.isfinite(difference)
    return np.where(known > 0, np.sqrt(total / np.maximum(known, 1)), _UNKNOWN)


def _path(distances: Doubles) -> list[tuple[int, int]]:
    """Row and column of each step of the cheapest path."""
    count, width = distances.shape
    cost = np.full((count + 1, width + 1), np.inf)
    cost[0, 0] = 0
    # One anti-diagonal after another: all its cells depend on the two before it only.
    for diagonal in range(2, count + width + 1):
        rows = np.arange(max(1, diagonal - width), min(count, diagonal - 1) + 1)
        columns = diagonal - rows
        before = np.minimum(np.minimum(cost[rows - 1, columns], cost[rows, columns - 1]), cost[rows - 1, columns - 1])
        cost[rows, columns] = before + distances[rows - 1, columns - 1]
    row, column = count, width
    path = [(row - 1, column - 1)]
    while (row, column) != (1, 1):
        steps = ((row - 1, column - 1), (row - 1, column), (row, column - 1))
        row, column = min(steps, key=lambda step: cost[step])
        path.append((row - 1, column - 1))
    return path[::-1]
