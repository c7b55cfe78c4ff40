"""Steps of walking, running and sprinting, by the widest split of the ankles.

The split is told best of all moments of a step: it is wide, and neither the floor nor the camera's movement matter.
When the foot touches the floor and leaves it is then looked for around it. A walker's heel strikes when the ankle is
foremost relative to the hips, and the toes leave when it is backmost (Zeni, Richards and Higginson, "Two simple methods
for determining gait events", Gait & Posture 27 (2008) 710-714). A runner's foot is pulled back before it lands, and
follows through after it has left: it lands about midway between its foremost and its lowest moment, and leaves midway
between its fastest backward and its backmost one, which is within 0.03 s on a rendered sprint.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from poseline.analysis.event import Event, Movement, Quantity, event_finder
from poseline.analysis.feet import SIDES
from poseline.analysis.moments import turning
from poseline.analysis.motion import Bools, Doubles

Side = Literal["left", "right"]
Rows: TypeAlias = NDArray[np.intp]

_SPLIT = 0.12
"""Statures between the ankles, along the way, of the smallest step."""
_SHORTEST, _LONGEST = 0.12, 1.2
"""Seconds from one step to the next."""
_FEWEST = 3
"""Steps that make a gait."""
_RUNS = 2.4
"""Steps a second from which somebody runs."""
_CONTACT = 0.03
"""Standard uncertainty in seconds of when a foot lands and leaves, by ankles, besides that of a frame."""


@event_finder("gait")
def steps(movement: Movement) -> list[Event]:
    """Every step: `time` is the widest split, `side` the foot in front, `start` its contact, `end` when it leaves."""
    motion = movement.smoothed.motion
    if not motion.has("mid_hip", "mid_ankle") or not movement.stature > 0:
        return []
    way = np.array([1.0, -1.0, np.nan, np.nan])[movement.facings]
    split = (motion.place("left_ankle") - motion.place("right_ankle"))[:, 0] * way
    rows = _widest(split, _SPLIT * movement.stature)
    hips = motion.place("mid_hip")
    paths = {side: motion.place(f"{side}_ankle") for side in SIDES}
    ahead = {side: (path - hips)[:, 0] * way for side, path in paths.items()}
    result: list[Event] = []
    for walk in _walks(motion.times, rows):
        runs = len(walk) / max(motion.times[walk[-1]] - motion.times[walk[0]], 1e-6) > _RUNS
        for row in walk:
            side: Side = "left" if split[row] > 0 else "right"
            times = _contact(motion.times, ahead[side], paths[side][:, 1], row, runs)
            result.append(_step(movement, split, side, row, *times))
    return _with_strides(movement, result)


def _widest(split: Doubles, least: float) -> list[int]:
    """Rows at which the split is widest, one for each time that it goes from one foot in front to the other."""
    sign = np.where(np.abs(np.nan_to_num(split)) < least, 0, np.sign(np.nan_to_num(split)))
    known = np.flatnonzero(sign)
    if not len(known):
        return []
    breaks = np.flatnonzero((np.diff(sign[known]) != 0) | _gaps(split, known)) + 1
    rows = [int(group[np.abs(split[group]).argmax()]) for group in np.split(known, breaks)]
    inside = np.isfinite(split[1:-1]) & np.isfinite(split[:-2]) & np.isfinite(split[2:])
    return [row for row in rows if 0 < row < len(split) - 1 and inside[row - 1]]  # else it may be wider unseen


def _gaps(split: Doubles, known: Rows) -> Bools:
    """Whether the split was not seen between one row of `known` and the next."""
    unseen = np.cumsum(~np.isfinite(split))
    gaps: Bools = unseen[known[1:]] != unseen[known[:-1]]
    return gaps


def _walks(times: Doubles, rows: list[int]) -> list[list[int]]:
    """Rows that follow one another as steps do."""
    walks: list[list[int]] = []
    for row in rows:
        if walks and _SHORTEST <= times[row] - times[walks[-1][-1]] <= _LONGEST:
            walks[-1].append(row)
        else:
            walks.append([row])
    return [walk for walk in walks if len(walk) >= _FEWEST]


def _step(
    movement: Movement, split: Doubles, side: Side, row: int, landing: float | None, leaving: float | None
) -> Event:
    motion = movement.smoothed.motion
    time, widest = turning(motion.times, split, row)
    values = {"split": Quantity(abs(widest) / movement.stature, _noise(movement, row) / movement.stature, "statures")}
    sigma = float(np.hypot(_CONTACT, motion.step / 12**0.5))
    if landing is not None and leaving is not None:
        values["contact"] = Quantity(leaving - landing, 2**0.5 * sigma, "s")
    if movement.scale is not None:
        pixels = float(movement.scale.px_per_m[row])
        length = abs(widest) / pixels
        values["split_m"] = Quantity(
            length, float(np.hypot(_noise(movement, row) / pixels, length * movement.scale.sigma)), "m"
        )
    start = time if landing is None else landing
    end = time if leaving is None else leaving
    return Event("step", start, time, end, _sigma(movement, row), side, values)


def _contact(times: Doubles, ahead: Doubles, low: Doubles, row: int, runs: bool) -> tuple[float | None, float | None]:
    """When the foot in front at `row` lands, and when it leaves the floor; None where that is not seen.

    Args:
        times: (T,).
        ahead: (T,) how far the ankle is in front of the hips.
        low: (T,) how low it is in the picture.
        row: of the widest split.
        runs: whether it is a runner's.
    """
    later = np.arange(row + 1, np.searchsorted(times, times[row] + _LONGEST))
    behind = later[np.nan_to_num(ahead[later]) < 0]
    turns = [at for at in behind if at + 1 < len(ahead) and ahead[at] <= ahead[at - 1] and ahead[at] < ahead[at + 1]]
    if not turns:
        return None, None
    passing, backmost = int(behind[0]), int(turns[0])
    first = max(0, row - 3)
    foremost, _ = turning(times, ahead, first + _highest(ahead[first : passing + 1]))
    leaving, _ = turning(times, ahead, backmost)
    if not runs:
        return foremost, leaving
    lowest, _ = turning(times, low, row + _highest(low[row : passing + 1]))
    speed = np.gradient(ahead[row : backmost + 1], times[row : backmost + 1])
    fastest = float(times[row + _highest(-speed)])
    return (foremost + lowest) / 2, (fastest + leaving) / 2


def _highest(values: Doubles) -> int:
    """Index of the largest value that is not NaN."""
    return int(np.nan_to_num(values, nan=-np.inf).argmax())


def _with_strides(movement: Movement, events: list[Event]) -> list[Event]:
    """Each step with the step and stride (from a foot to the same foot) that it ends."""
    metres = _hips_in_metres(movement)
    times = movement.smoothed.motion.times
    for before, step in pairwise(events):
        seconds = step.time - before.time
        if step.side != before.side and _SHORTEST <= seconds <= _LONGEST:
            sigma = float(np.hypot(step.sigma, before.sigma))
            step.values["step_time"] = Quantity(seconds, sigma, "s")
            step.values["cadence"] = Quantity(60 / seconds, 60 * sigma / seconds**2, "1/min")
    for before, middle, step in zip(events, events[1:], events[2:], strict=False):
        seconds = step.time - before.time
        if before.side != step.side or middle.side == step.side or seconds > 2 * _LONGEST:
            continue
        sigma = float(np.hypot(step.sigma, before.sigma))
        step.values["stride_time"] = Quantity(seconds, sigma, "s")
        if metres is not None and movement.scale is not None:
            start, end = np.interp([before.time, step.time], times, metres)
            length = abs(float(end - start))
            speed = length / seconds
            spread = float(np.hypot(length * movement.scale.sigma, speed * sigma))
            step.values["stride_length"] = Quantity(length, spread, "m")
            step.values["speed"] = Quantity(
                speed, float(np.hypot(speed * movement.scale.sigma, speed * sigma / seconds)), "m/s"
            )
    return events


def _hips_in_metres(movement: Movement) -> Doubles | None:
    """(T,) metres of the hips along the picture; None where there are no metres or the camera goes along."""
    if movement.mechanics.points_m is None or movement.camera.verdict == "moving":
        return None
    return movement.smoothed.motion.with_points(movement.mechanics.points_m).place("mid_hip")[:, 0]


def _noise(movement: Movement, row: int) -> float:
    ankles = list(movement.smoothed.motion.parts("mid_ankle"))
    return float(np.sqrt(np.nansum(movement.smoothed.variance[row, ankles])))


def _sigma(movement: Movement, row: int) -> float:
    """Seconds, of the widest split: the noise of the ankles' speeds over how hard they turn."""
    smoothed, step = movement.smoothed, movement.smoothed.motion.step
    ankles = [smoothed.motion.index[f"{side}_ankle"] for side in SIDES]
    speed = np.sqrt(smoothed.velocity_variance[row, ankles].sum())
    turn = abs(smoothed.acceleration[row, ankles[0], 0] - smoothed.acceleration[row, ankles[1], 0])
    return float(np.clip(np.nan_to_num(speed / turn if turn > 0 else step, nan=step), step / 12**0.5, 10 * step))
