"""Series as they are drawn: in runs without a gap, and thinned out to what a plot's width can show."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from poseline.analysis.motion import Bools, Doubles, Integers

_PAUSE, _STEPS = 0.25, 3.0
"""Two frames farther apart than so many seconds, and than so many usual steps, are not joined by a line."""


def pauses(times: Doubles) -> Bools:
    """(T - 1,) where nothing is known between one frame and the next, because frames are missing."""
    steps = np.diff(times)
    usual = float(np.median(steps)) if len(steps) else 0.0
    gaps: Bools = steps > max(_PAUSE, _STEPS * usual)
    return gaps


def joined(x: Doubles, y: Doubles, apart: Bools, jump: float) -> Bools:
    """(T - 1,) where a line leads from one point to the next.

    Args:
        x: (T,).
        y: (T,) NaN where there is a gap.
        apart: (T - 1,) where none is to lead, see `pauses`.
        jump: a difference in y from which none does: an angle that goes past 180 comes back at -180.
    """
    if len(x) < 2:
        return np.zeros(0, bool)
    with np.errstate(invalid="ignore"):
        near: Bools = np.abs(np.diff(y)) < jump
    return near & ~apart


def unbroken(links: Bools, start: Integers, end: Integers) -> Bools:
    """(N,) whether links lead all the way from row `start` to row `end`, each (N,)."""
    breaks = np.r_[0, np.cumsum(~links)]
    whole: Bools = breaks[start] == breaks[end]
    return whole


def extremes(rows: Integers, x: Doubles, y: Doubles, width: float) -> Integers:
    """Those of `rows` that show the same at a resolution of `width`: first, last, lowest and highest of each column."""
    groups = columns(rows, x, width)
    if len(groups) * 4 >= len(rows):
        return rows
    kept = [np.array([group[0], group[-1], group[y[group].argmin()], group[y[group].argmax()]]) for group in groups]
    picked: Integers = np.unique(np.concatenate(kept))
    return picked


def columns(rows: Integers, x: Doubles, width: float) -> list[Integers]:
    """`rows` in groups that lie within the same `width` of x."""
    if not len(rows):
        return []
    column = np.floor(x[rows] / width)
    edges = np.r_[0, np.flatnonzero(np.diff(column)) + 1, len(rows)]
    return [rows[start:end] for start, end in pairwise(edges)]
