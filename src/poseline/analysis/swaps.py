"""Left and right taken for each other: found and put right by one choice over the whole motion.

A network that sees the legs of a runner pass one another may go on with their names exchanged. Exchanging a pair's
names turns the vector from its right to its left point round, and changes nothing else; so the question is for which
frames that vector should be turned round. Three things decide, in units of log-likelihood, and the cheapest sequence of
answers wins (see `best_path`):

- movement: how far the vector lies from where its two predecessors lead, against what is usual for this pair;
- what limbs can do: no segment gets longer than it is, and knees do not bend backwards;
- that exchanges are rare and short: each costs a price, and so does each frame that it lasts.

First for the whole body at once, then for each leg and arm, where knee and ankle (elbow and wrist) may be exchanged
together or alone. Two legs that are exchanged from one crossing to the next look like legs that are not, and stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from poseline.analysis.best_path import best_path
from poseline.analysis.facing import Facing, facing
from poseline.analysis.motion import Bools, Doubles, Integers, Motion, percentile

_WHOLE = (15.0, 2.0)
"""What an exchange of the whole body costs when it begins and when it ends, and in each frame: six pairs must agree."""
_LIMB = (2.5, 1.2)
"""The same of a limb."""
_USUAL, _LEAST = 1.5, 0.05
"""The scale of movement: so many times a pair's median deviation, and at least so many torsos."""
_NEVER = 1e6
"""What an exchange costs in a frame in which somebody said which side is which."""
_BREAK = 0.3
"""Seconds between frames from which one says nothing of the next."""
_LONGER = 0.15
"""Share by which a segment may look longer than its usual longest before that costs much."""
_BACKWARDS, _IMPOSSIBLE = -20.0, 2.0
"""Degrees of knee flexion below which a knee bends backwards, and what a frame of it costs."""
_CHAINS = (("hip", "knee", "ankle"), ("shoulder", "elbow", "wrist"))
_FOOT, _HAND = ("heel", "toe", "foot"), ("hand", "thumb", "index", "middle", "ring", "pinky", "finger")


@dataclass(frozen=True, eq=False)
class Repaired:
    """A motion whose exchanged pairs were put right."""

    motion: Motion
    swapped: Bools
    """(T, K) points that carry another name than they came with."""


def repair(motion: Motion) -> Repaired:
    """Find pairs of left and right points that were taken for each other, and exchange them back.

    Args:
        motion: in square pixels, as measured.
    """
    swapped = np.zeros(motion.seen.shape, bool)
    pairs = _pairs(motion)
    body = [[pairs[part] for chain in _CHAINS for part in chain if part in pairs]]
    whole = _exchanged(motion, body, _WHOLE, None)[:, 0] if body[0] else np.zeros(len(motion), bool)
    motion = _exchange(motion, list(pairs.values()), whole)
    for left, right in pairs.values():
        swapped[:, [left, right]] ^= whole[:, None]
    ways = facing(motion).facings
    bends = np.where(ways == Facing.RIGHT, 1, np.where(ways == Facing.LEFT, -1, 0))
    for chain in _CHAINS:
        groups = [_with(motion, part) for part in chain[1:]]
        if not all(part in pairs for part in chain):
            continue
        limits = _Limb(pairs[chain[0]], pairs[chain[1]], pairs[chain[2]], bends if chain[0] == "hip" else bends * 0)
        turned = _exchanged(motion, [[pairs[part]] for part in chain[1:]], _LIMB, limits)
        for column, group in enumerate(groups):
            motion = _exchange(motion, group, turned[:, column])
            for left, right in group:
                swapped[:, [left, right]] ^= turned[:, column, None]
    return Repaired(motion, swapped & motion.seen)


Pair = tuple[int, int]
"""Indices of a left and a right point."""


@dataclass(frozen=True, eq=False)
class _Limb:
    """What a limb can do: the pairs at its root, in its middle and at its end, and which way its middle bends."""

    root: Pair
    middle: Pair
    end: Pair
    bends: Doubles
    """(T,) +1 where flexion turns it clockwise on the picture, -1 counter-clockwise, 0 where it may bend either way."""

    def costs(self, points: Doubles, states: Sequence[tuple[int, ...]]) -> Doubles:
        """(T, S) of each state: whether middle and end are exchanged (-1) or not (1)."""
        upper = _longest([points[:, self.middle[side]] - points[:, self.root[side]] for side in (0, 1)])
        lower = _longest([points[:, self.end[side]] - points[:, self.middle[side]] for side in (0, 1)])
        result = np.zeros((len(points), len(states)))
        for column, (turn_middle, turn_end) in enumerate(states):
            for side in (0, 1):
                middle = points[:, self.middle[side if turn_middle > 0 else 1 - side]]
                first = middle - points[:, self.root[side]]
                second = points[:, self.end[side if turn_end > 0 else 1 - side]] - middle
                for segment, longest in ((first, upper), (second, lower)):
                    beyond = np.maximum(np.linalg.norm(segment, axis=1) / longest - 1, 0) / _LONGER
                    result[:, column] += np.log1p(np.nan_to_num(beyond) ** 2)
                across = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
                flexion = np.degrees(np.arctan2(across, (first * second).sum(axis=1))) * self.bends
                result[:, column] += _IMPOSSIBLE * (np.nan_to_num(flexion) < _BACKWARDS)
        return result


def _exchanged(motion: Motion, groups: list[list[Pair]], prices: tuple[float, float], limb: _Limb | None) -> Bools:
    """(T, G) for each group of pairs that are exchanged together, the frames in which it is."""
    apart = np.stack([motion.points[:, left] - motion.points[:, right] for group in groups for left, right in group])
    rows = np.flatnonzero(np.isfinite(apart).all(axis=2).any(axis=0))
    result = np.zeros((len(motion), len(groups)), bool)
    if len(rows) < 3:
        return result
    states = tuple(product((1, -1), repeat=len(groups)))
    signs = np.array(states)
    movement = np.zeros((len(rows), *(len(states),) * 3))
    owner = [column for column, group in enumerate(groups) for _ in group]
    for vector, column in zip(apart[:, rows] / motion.torso, owner, strict=True):
        turned = (1 - signs[:, column]) // 2
        movement += _roughness(motion.times[rows], vector)[:, turned][:, :, turned][:, :, :, turned]
    begin, stay = prices
    costs = np.tile(float(stay) * (signs < 0).sum(axis=1), (len(rows), 1))
    if limb is not None:
        costs += limb.costs(motion.points, states)[rows]
    if motion.by_hand is not None:
        costs += _NEVER * np.outer(motion.by_hand.sides[rows], (signs < 0).any(axis=1))
    costs[[0, -1]] += begin * (signs < 0).any(axis=1)
    changing = begin * (1 - np.eye(len(states)))
    path = _second_order(costs, movement + changing)
    result[rows] = signs[path] < 0
    return result


def _roughness(times: Doubles, vector: Doubles) -> Doubles:
    """(T, 2, 2, 2) what it costs that a vector (T, 2), in torsos, follows from the two before it.

    The last three axes: whether the vector of two frames before, of the frame before and of the frame are turned round.
    """
    steps = np.diff(times)
    ahead = np.minimum(steps[1:] / steps[:-1], 3.0)[:, None]
    near = (steps[1:] < _BREAK) & (steps[:-1] < _BREAK)
    older, old, new = vector[:-2], vector[1:-1], vector[2:]
    usual = percentile(np.linalg.norm(new - old - (old - older) * ahead, axis=1)[near], 50)
    scale = max(_LEAST, _USUAL * np.nan_to_num(usual))
    result = np.zeros((len(times), 2, 2, 2))
    for first, second, third in product((0, 1), repeat=3):
        a, b, c = (1 - 2 * turned for turned in (first, second, third))
        away = np.linalg.norm(c * new - b * old - (b * old - a * older) * ahead, axis=1) / scale
        result[2:, first, second, third] = np.where(near, np.log1p(np.nan_to_num(away) ** 2), 0)
    return result


def _second_order(costs: Doubles, changes: Doubles) -> Integers:
    """The cheapest states, of costs (T, S) and of changes that depend on the two states before, (T, S, S, S)."""
    count, size = costs.shape
    steps = np.full((count, size, size, size, size), np.inf)  # from (older, old) to (old, new)
    for old in range(size):
        steps[:, :, old, old] = changes[:, :, old]
    pairs = np.repeat(costs[:, None], size, axis=1).reshape(count, size * size)
    path = best_path(pairs, steps.reshape(count, size * size, size * size))
    states: Integers = path % size
    return states


def _pairs(motion: Motion) -> dict[str, Pair]:
    """The pairs of a skeleton by the name of the part: `knee` is `left_knee` and `right_knee`."""
    parts = [name.removeprefix("left_") for name in motion.names if name.startswith("left_")]
    return {
        part: (motion.index[f"left_{part}"], motion.index[f"right_{part}"])
        for part in parts
        if f"right_{part}" in motion.index
    }


def _with(motion: Motion, part: str) -> list[Pair]:
    """A part's pair and those that hang on it: a foot on its ankle, a hand on its wrist."""
    words = {"ankle": _FOOT, "wrist": _HAND}.get(part, ())
    return [pair for name, pair in _pairs(motion).items() if name == part or any(word in name for word in words)]


def _exchange(motion: Motion, pairs: list[Pair], rows: Bools) -> Motion:
    """Give the left and right points of `pairs` each other's place in the frames of `rows`."""
    order = np.tile(np.arange(len(motion.names)), (len(motion), 1))
    for left, right in pairs:
        order[rows, left], order[rows, right] = right, left
    points = np.take_along_axis(motion.points, order[:, :, None], axis=1)
    return replace(motion, points=points, confidence=np.take_along_axis(motion.confidence, order, axis=1))


def _longest(segments: list[Doubles]) -> float:
    """The usual longest length of segments (T, 2); 1 where they are never seen."""
    length = percentile(np.concatenate([np.linalg.norm(segment, axis=1) for segment in segments]), 90)
    return length if length > 0 else 1.0
