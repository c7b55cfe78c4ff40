"""Angles over one repetition, from 0 to 100 %: each on its own, their mean and their spread.

Of steps, a cycle is a stride: from a foot's contact to the same foot's next one, and each side has its own. Of every
other kind it is the event, from its start to its end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from poseline.analysis.event import Event
from poseline.analysis.motion import Bools, Doubles
from poseline.analysis.report.runs import pauses

PLACES = 101
"""From 0 to 100 %."""
_ENOUGH = 0.5
"""Share of the repetitions that must be seen at a place for their mean to be drawn there."""
_LONGEST_STRIDE = 2.4
"""Seconds from a contact to the same foot's next one; more is a pause between."""


@dataclass(frozen=True, eq=False)
class Cycle:
    """C repetitions of one angle."""

    each: Doubles
    """(C, 101) NaN where it was not seen."""
    mean: Doubles
    """(101,) NaN where fewer than half of them were seen."""
    spread: Doubles
    """(101,) standard deviation from repetition to repetition; NaN of a single one."""


def spans(events: Sequence[Event], kind: str, side: str) -> list[tuple[float, float]]:
    """Start and end in seconds of each cycle of a kind, for the angles of a side.

    Args:
        events: of one person, by time.
        kind: of event.
        side: `left`, `right` or `middle`; the middle goes by the left foot's strides.

    Where a step of the other foot is missing in between, nobody knows that it is a single stride, and it is left out.
    """
    own = [event for event in events if event.kind == kind]
    if kind != "step":
        found = [event for event in own if event.side in (None, side) or side == "middle"]
        return [(event.start, event.end) for event in found if event.end > event.start]
    foot = "right" if side == "right" else "left"
    places = [place for place, event in enumerate(own) if event.side == foot]
    strides = [(own[first].start, own[second].start) for first, second in pairwise(places) if second > first + 1]
    return [(start, end) for start, end in strides if 0 < end - start <= _LONGEST_STRIDE]


def cycle(times: Doubles, values: Doubles, bounds: Sequence[tuple[float, float]]) -> Cycle | None:
    """An angle over the repetitions within `bounds`; None where none of them shows it.

    Args:
        times: (T,) seconds.
        values: (T,) NaN where missing.
        bounds: start and end of each repetition in seconds.
    """
    apart = pauses(times)
    rows = [_stretched(times, values, apart, start, end) for start, end in bounds]
    each = np.array([row for row in rows if np.isfinite(row).any()]).reshape(-1, PLACES)
    if not len(each):
        return None
    seen = np.isfinite(each)
    count = seen.sum(axis=0)
    mean = np.where(seen, each, 0).sum(axis=0) / np.where(count >= _ENOUGH * len(each), count, np.nan)
    squares = np.where(seen, (each - mean) ** 2, 0).sum(axis=0)
    spread = np.sqrt(squares / np.where(count > 1, count - 1, np.nan))
    return Cycle(each, mean, spread)


def _stretched(times: Doubles, values: Doubles, apart: Bools, start: float, end: float) -> Doubles:
    """(101,) values from `start` to `end`, linear between frames; NaN in gaps, and beyond what was seen."""
    if len(times) < 2:
        return np.full(PLACES, np.nan)
    at = np.linspace(start, end, PLACES)
    after = np.clip(np.searchsorted(times, at), 1, len(times) - 1)
    share = (at - times[after - 1]) / (times[after] - times[after - 1])
    low, high = values[after - 1], values[after]
    result = low + share * (high - low)
    with np.errstate(invalid="ignore"):
        wraps = np.abs(high - low) >= 180
    outside = (at < times[0] - 1e-9) | (at > times[-1] + 1e-9)
    result[wraps | outside | apart[after - 1]] = np.nan
    return result
