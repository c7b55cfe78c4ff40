"""Left and right taken for each other: found and put right by one choice over the whole motion.

A network that sees the legs of a runner pass one another may go on with their names exchanged. Exchanging a pair's
names turns the vector from its right to its left point round, and changes nothing else; so the question is for which
frames that vector should be turned round. Three things decide, in units of log-likelihood, and the cheapest sequence of
answers wins (the Viterbi algorithm):

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
from typing import NamedTuple

import numpy as np

from poseline.analysis.facing import Facing, facing
from poseline.analysis.motion import Bools, Doubles, Integers, Motion, percentile


class Prices(NamedTuple):
    """What an exchange costs when it begins and when it ends, and in each frame of it."""

    whole: tuple[float, float] = (15.0, 2.0)
    """Of the whole body: six pairs must agree."""
    limb: tuple[float, float] = (2.5, 1.2)
    """Of a limb."""


_PRICES = Prices()
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


def repair(motion: Motion, prices: Prices = _PRICES) -> Repaired:
    """Find pairs of left and right points that were taken for each other, and exchange them back.

    Args:
        motion: in square pixels, as measured.
        prices: lower ones find more, and more that is none.
    """
    swapped = np.zeros(motion.seen.shape, bool)
    pairs = _pairs(motion)
    body = [[pairs[part] for chain in _CHAINS for part in chain if part in pairs]]
    whole = _exchanged(motion, body, prices.whole, None)[:, 0] if body[0] else np.zeros(len(motion), bool)
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
        turned = _exchanged(motion, [[pairs[part]] for part in chain[1:]], prices.limb, limits)
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
    path = _second_order(costs, movement, begin)
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
    for second, third in product((0, 1), repeat=2):
        b, c = 1 - 2 * second, 1 - 2 * third
        away = np.linalg.norm(c * new - b * old - (b * old - older) * ahead, axis=1) / scale
        cost = np.where(near, np.log1p(np.nan_to_num(away) ** 2), 0)
        result[2:, 0, second, third] = result[2:, 1, 1 - second, 1 - third] = cost  # all three turned round: the same
    return result


def _second_order(costs: Doubles, movement: Doubles, price: float) -> Integers:
    """The cheapest states, of costs (T, S), of movement that depends on the two states before, (T, S, S, S), and ...

    ... of a price for each change. State 0 nearly always wins, so the search is made only in windows outside which no
    other state can pay: where the best that any way of leaving state 0 saves, added up over the frames of the longest
    such stretch, is more than 0.
    """
    changing = price * (1 - np.eye(costs.shape[1]))
    halves = (changing[:, :, None] + changing) / 2  # half of a price is paid in the next frame: the sum is the same
    ways = (movement + halves + costs[:, None, None]).reshape(len(costs), -1)
    saved = ways[:, 0] - ways[:, 1:].min(axis=1)
    windows = _windows(_best_stretch(saved) > 0)
    lengths = windows[:, 1] - windows[:, 0]
    path, changes = np.zeros(len(costs), np.int64), movement + changing
    for bits in range(len(costs).bit_length() + 1):  # windows of about one length at once
        chosen = windows[(lengths >> bits) == 1]
        if len(chosen):
            _search(path, costs, changes, chosen)
    return path


def _best_stretch(values: Doubles) -> Doubles:
    """(T,) the largest sum of consecutive values among the stretches that hold each."""
    before, after = _best_before(values), _best_before(values[::-1])[::-1]
    best: Doubles = before + after - values
    return best


def _best_before(values: Doubles) -> Doubles:
    """(T,) the largest sum of consecutive values that end with each."""
    total = np.cumsum(values)
    best: Doubles = total - np.minimum.accumulate(np.r_[0.0, total[:-1]])
    return best


def _windows(chosen: Bools) -> Integers:
    """(W, 2) first frame and the one after the last of the runs in `chosen`, and of two more frames that follow each.

    Runs so near that one's frames would depend on the states of the other's are one.
    """
    rows = np.flatnonzero(chosen)
    breaks = np.flatnonzero(np.diff(rows) > 3)
    first, last = np.r_[rows[:1], rows[breaks + 1]], np.r_[rows[breaks], rows[-1:]]
    return np.stack([first, np.minimum(last + 3, len(chosen))], axis=1).astype(np.int64)


def _search(path: Integers, costs: Doubles, changes: Doubles, windows: Integers) -> None:
    """Put the cheapest states of all `windows` into `path`; all of them are entered in state 0."""
    starts, ends = windows.T
    size, longest = costs.shape[1], int((ends - starts).max())
    every = np.arange(len(windows))
    total = np.full((len(windows), size, size), np.inf)  # by the states of the frame before and of the frame
    total[:, 0] = np.where((starts == 0)[:, None], costs[0], np.inf)
    total[:, 0, 0] = np.where(starts == 0, costs[0, 0], 0.0)
    came = np.zeros((longest, len(windows), size, size), np.int64)
    for step in range(longest):
        inside = (starts + step < ends) & (starts + step > 0)
        row = np.minimum(starts + step, len(costs) - 1)
        ways = total[:, :, :, None] + changes[row]
        came[step] = ways.argmin(axis=1)
        total = np.where(inside[:, None, None], ways.min(axis=1) + costs[row][:, None], total)
    old, new = np.divmod(total.reshape(len(windows), -1).argmin(axis=1), size)
    for step in range(longest - 1, -1, -1):
        inside = starts + step < ends
        path[(starts + step)[inside]] = new[inside]
        before = came[step, every, old, new]
        stays = ~inside | (starts + step == 0)
        old, new = np.where(stays, old, before), np.where(stays, new, old)


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
    if not rows.any():
        return motion
    points, confidence = motion.points.copy(), motion.confidence.copy()
    for left, right in pairs:
        points[rows, left], points[rows, right] = motion.points[rows, right], motion.points[rows, left]
        confidence[rows, left], confidence[rows, right] = motion.confidence[rows, right], motion.confidence[rows, left]
    return replace(motion, points=points, confidence=confidence)


def _longest(segments: list[Doubles]) -> float:
    """The usual longest length of segments (T, 2); 1 where they are never seen."""
    length = percentile(np.concatenate([np.linalg.norm(segment, axis=1) for segment in segments]), 90)
    return length if length > 0 else 1.0
