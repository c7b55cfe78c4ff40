"""Moments between frames: where a curve crosses a level or turns, and how sure that time is."""

from __future__ import annotations

import numpy as np

from poseline.analysis.motion import Bools, Doubles


def crossing(times: Doubles, values: Doubles, level: float, index: int) -> float:
    """The time at which a line from row `index` to the next crosses `level`; of the nearer end where it does not."""
    before, after = values[index], values[index + 1]
    share = float(np.clip((level - before) / (after - before), 0, 1)) if after != before else 0.5
    return float(times[index] + share * (times[index + 1] - times[index]))


def turning(times: Doubles, values: Doubles, index: int) -> tuple[float, float]:
    """The time and value of the extremum at row `index`, by the parabola through it and its neighbours."""
    if not 0 < index < len(times) - 1 or not np.isfinite(values[index - 1 : index + 2]).all():
        return float(times[index]), float(values[index])
    early, late = times[index - 1] - times[index], times[index + 1] - times[index]
    down, up = values[index - 1] - values[index], values[index + 1] - values[index]
    bend = (up / late - down / early) / (late - early)
    slope = up / late - bend * late
    if bend == 0:
        return float(times[index]), float(values[index])
    away = float(np.clip(-slope / (2 * bend), early, late))
    return float(times[index] + away), float(values[index] + slope * away + bend * away**2)


def spanned(times: Doubles, values: Doubles, seconds: float) -> Doubles:
    """Values (T,) with gaps of up to `seconds` between known ones filled in linearly: a gap must not cut an event."""
    known = np.flatnonzero(np.isfinite(values))
    if len(known) < 2:
        return values
    long = np.diff(times[known]) > seconds
    filled = np.interp(times, times[known], values[known], left=np.nan, right=np.nan)
    for start, end in zip(known[:-1][long], known[1:][long], strict=True):
        filled[start + 1 : end] = np.nan
    return filled


def stretches(values: Doubles, high: float, low: float) -> list[tuple[int, int]]:
    """Where values rise above `high`, each widened to where they last were and next are below `low`; no NaN within.

    Returns:
        pairs of the first index and the index after the last.
    """
    inside: Bools = np.nan_to_num(values, nan=-np.inf) > low
    edges = np.flatnonzero(np.diff(np.r_[False, inside, False])).reshape(-1, 2)
    return [(int(start), int(end)) for start, end in edges if values[start:end].max() > high]
