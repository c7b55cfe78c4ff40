"""How large a person appears over time, in pixels: what they would measure if they stood straight in the picture.

A chain of segments from the ankle over knee, hip and shoulder to the ear is added up in each frame. Bending does not
shorten it, pointing at the camera does, so of the frames within a second the upper end counts. Dividing by the share
that the chain has of the stature gives the stature in pixels.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from poseline.analysis.motion import Doubles, Motion, percentile

ANKLE = 0.057
"""Height of the ankle point over the floor, as a share of the stature: 0.039 of the malleolus, and a shoe's sole."""
_HEIGHTS = {"ankle": ANKLE, "knee": 0.285, "hip": 0.528, "shoulder": 0.800, "ear": 0.926}
"""Heights of COCO's points of somebody who stands, as shares of the stature. Knee and hip: Drillis and Contini, in
Winter, "Biomechanics and Motor Control of Human Movement" (2009), figure 4.1; the shoulder is the joint's centre, 0.018
below the acromion there; the ear lies 0.010 below the eye's 0.936."""
_CHAIN = ("ankle", "knee", "hip", "shoulder", "ear")
_LONG = 90.0
"""Percentile of the chain's lengths that is taken for its length."""
_AROUND = 1.0
"""Seconds before and after that are looked at."""
_SELDOM = 0.5
"""Share of the frames in which a segment must be seen to count."""


def chain(motion: Motion) -> Doubles:
    """(T,) stature in square pixels by each frame alone: the chain's length over its share; NaN where not all is seen.

    Segments that the skeleton lacks, or that are seldom seen, are left out; NaN throughout where none is left.
    """
    lengths: list[Doubles] = []
    share = 0.0
    for lower, upper in pairwise(_CHAIN):
        length = _segment(motion, lower, upper)
        if np.isfinite(length).mean() >= _SELDOM:
            lengths.append(length)
            share += _HEIGHTS[upper] - _HEIGHTS[lower]
    if not lengths:
        return np.full(len(motion), np.nan)
    result: Doubles = np.sum(lengths, axis=0) / share
    return result


def stature(motion: Motion) -> tuple[Doubles, float]:
    """A person's stature in square pixels: (T,) as it appears at each time, and of the whole motion.

    Args:
        motion: in square pixels, smoothed.

    Returns:
        (T,) by the frames within a second, interpolated where nothing is seen, NaN where nothing ever is; and the
        stature by all frames, NaN likewise.
    """
    lengths = chain(motion)
    return rolling(motion.times, lengths, _LONG, _AROUND), percentile(lengths, _LONG)


def rolling(times: Doubles, values: Doubles, share: float, around: float) -> Doubles:
    """(T,) percentile of the values within `around` seconds, linear between every quarter of that."""
    known = np.flatnonzero(np.isfinite(values))
    if not len(known):
        return np.full(len(times), np.nan)
    first, last = times[known[0]], times[known[-1]]
    at = np.linspace(first, last, max(2, round((last - first) / (around / 4)) + 1))
    starts, ends = np.searchsorted(times[known], at - around), np.searchsorted(times[known], at + around, side="right")
    seen = values[known]
    heights = [
        _ranked(seen[start:end], share) if end > start else np.nan for start, end in zip(starts, ends, strict=True)
    ]
    there = np.isfinite(heights)
    result: Doubles = np.interp(times, at[there], np.array(heights)[there])
    return result


def _ranked(values: Doubles, share: float) -> float:
    """A percentile, of the values themselves: a quarter of the time that numpy's takes."""
    rank = round(share / 100 * (len(values) - 1))
    return float(np.partition(values, rank)[rank])


def _segment(motion: Motion, lower: str, upper: str) -> Doubles:
    """(T,) length of a segment, of the mean of both sides or the one that is seen; the trunk's and head's middles."""
    if not motion.has(f"mid_{lower}", f"mid_{upper}"):
        return np.full(len(motion), np.nan)
    if lower in ("hip", "shoulder"):
        length: Doubles = np.linalg.norm(motion.place(f"mid_{upper}") - motion.place(f"mid_{lower}"), axis=1)
        return length
    left, right = (
        np.linalg.norm(motion.place(f"{side}_{upper}") - motion.place(f"{side}_{lower}"), axis=1)
        for side in ("left", "right")
    )
    both = (left + right) / 2
    result: Doubles = np.where(np.isfinite(both), both, np.fmin(left, right))
    return result
