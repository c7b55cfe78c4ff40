"""MOT: joint angles over time, as OpenSim reads them.

OpenSim's older reader (`Storage`) stops at a NaN without a word, takes the next number in place of an empty cell, and
shifts all columns where `nColumns` does not count the time. So the file holds the largest whole block there is: angles
that are mostly known, over the longest time without a gap in any of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from poseline.analysis.angles import split_side
from poseline.analysis.feet import runs
from poseline.analysis.files.trc import write_numbers
from poseline.analysis.motion import Bools
from poseline.analysis.result import Person

_FLEXIONS = frozenset({"knee", "hip", "shoulder", "elbow"})
"""Joints whose angle is called a flexion."""


@dataclass(frozen=True)
class Block:
    """What of an analysis is in a MOT file."""

    start: int
    """First row."""
    stop: int
    """Row after the last."""
    columns: tuple[int, ...]
    """Indices of the angles."""


def write_mot(path: Path, name: str, person: Person, block: Block) -> None:
    """Write a block of a person's smoothed angles, in degrees; `name` will be the file's, and stands in it."""
    rows = slice(block.start, block.stop)
    labels = [coordinate(person.angles.names[column]) for column in block.columns]
    header = (
        f"{name}\nversion=1\nnRows={block.stop - block.start}\nnColumns={len(labels) + 1}\ninDegrees=yes\n\n"
        "Poseline: flexion is positive, 0 is straight or neutral; directions of segments from the horizontal.\n"
        "endheader\n" + "\t".join(["time", *labels]) + "\n"
    )
    write_numbers(path, header, person.times[rows], person.angles.degrees[rows][:, list(block.columns)])


def coordinate(angle: str) -> str:
    """`left_knee` as OpenSim's models would name it: `knee_flexion_l`."""
    side, joint = split_side(angle)
    if side == "middle":
        return angle
    return f"{joint}_flexion_{side[0]}" if joint in _FLEXIONS else f"{joint}_{side[0]}"


def largest_block(known: Bools) -> Block | None:
    """The block of rows and columns of (T, A) with the most numbers in which all are known; None: none is.

    Columns are taken the most complete first, so that a joint that is hardly seen does not cut all others short.
    """
    order = np.argsort(-known.sum(axis=0), kind="stable")
    best, size = None, 0
    whole = np.ones(len(known), bool)
    for taken, column in enumerate(order, 1):
        whole &= known[:, column]
        stretches = runs(whole)
        if not stretches:
            break
        start, stop = max(stretches, key=lambda stretch: stretch[1] - stretch[0])
        if taken * (stop - start) >= size:
            size, best = taken * (stop - start), Block(start, stop, tuple(sorted(int(each) for each in order[:taken])))
    return best
