"""Smoothing: where each point really was, how fast it moved, and what had to be filled in.

`auto` is a smoother on true time stamps (see `kalman`): no resampling, measurements weighed by their confidence,
outliers by how little they fit, gaps filled by the same model of movement. `butterworth` is the filter that the field
knows, on resampled stretches; its frequency is the real -3 dB frequency of the zero-phase filter (a filter run forwards
and backwards without correction passes 0.5, not 0.707, at the frequency that it is named for). `none` leaves the points
as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from poseline.analysis import kalman
from poseline.analysis.motion import Bools, Doubles, Motion
from poseline.analysis.noise import choose, doubt, noise_bound
from poseline.errors import SettingsError
from poseline.optional import require
from poseline.short_repr import short_repr

Method = Literal["auto", "butterworth", "none"]
States: TypeAlias = NDArray[np.uint8]

_ROUNDS = 3
"""How often measurements are weighed anew; later rounds change next to nothing."""
_UNLIKELY = 11.8
"""Squared distance, in two dimensions, that 0.27 % of good measurements exceed: three standard deviations of one."""
_FAR = 0.1
"""Torsos from the path from which an unlikely measurement is called an outlier; below, it only weighs less."""


class PointState(IntEnum):
    """What a smoothed point rests on."""

    MISSING = 0
    """Not seen for longer than `max_gap`, or before the first or after the last time it was seen: NaN."""
    MEASURED = 1
    FILLED = 2
    """Not seen; filled in from before and after."""
    OUTLIER = 3
    """Seen, but not where the frames around put it: beyond three standard deviations, and 0.1 torsos or more away.

    It is replaced as a gap is."""


@dataclass(frozen=True)
class Smoothing:
    """How points are smoothed."""

    method: Method = "auto"
    frequency: float | None = None
    """For `butterworth`: the -3 dB frequency in Hz."""
    max_gap: float = 0.2
    """Longest gap in seconds that is filled: the time from the first unseen frame to the next seen one."""

    def __post_init__(self) -> None:
        if (self.method == "butterworth") != (self.frequency is not None):
            raise SettingsError("smoothing: butterworth needs a frequency in Hz, the other methods have none")
        if self.frequency is not None and not self.frequency > 0:
            raise SettingsError(f"smoothing: the frequency must be above 0 Hz, got {self.frequency}")
        if not self.max_gap >= 0:
            raise SettingsError(f"smoothing: max_gap must be 0 s or more, got {self.max_gap}")

    @classmethod
    def parse(cls, text: str, max_gap: float = 0.2) -> Smoothing:
        """What `auto`, `none` or `butterworth:HZ` means.

        Raises:
            SettingsError: it is none of them.
        """
        method, _, frequency = text.partition(":")
        if method == "butterworth" and frequency:
            try:
                return cls("butterworth", float(frequency), max_gap)
            except ValueError as error:
                if isinstance(error, SettingsError):
                    raise
        elif text in ("auto", "none"):
            return cls("auto" if text == "auto" else "none", None, max_gap)
        raise SettingsError(f"smoothing: auto, none or butterworth:HZ (such as butterworth:6), got {text!r}")


@dataclass(frozen=True, eq=False)
class Smoothed:
    """A motion after smoothing, in square pixels."""

    motion: Motion
    """The smoothed points, NaN where `state` is MISSING; everything else as it was given."""
    velocity: Doubles
    """(T, K, 2) px/s, y down."""
    acceleration: Doubles
    """(T, K, 2) px/s²."""
    variance: Doubles
    """(T, K) of a point along one axis, px²: what the noise leaves after smoothing. A bias that lasts is not in it."""
    velocity_variance: Doubles
    """(T, K) likewise, (px/s)²."""
    state: States
    """(T, K) a `PointState` each."""
    cutoff: Doubles
    """(K,) frequency in Hz above which movement is lost: passed by half (auto), by 0.707 (butterworth); inf: none."""

    __repr__ = short_repr

    @property
    def filled(self) -> float:
        """Share of the points shown that were not measured, or were outliers."""
        shown = self.state != PointState.MISSING
        return float((self.state[shown] != PointState.MEASURED).mean()) if shown.any() else 0.0


def smooth(motion: Motion, how: Smoothing | None = None) -> Smoothed:
    """Smooth a motion, given in square pixels.

    Raises:
        SettingsError: a Butterworth frequency at or above half the frame rate.
    """
    how = how or Smoothing()
    if how.method == "butterworth":
        return _butterworth(motion, how)
    return _untouched(motion) if how.method == "none" else _by_model(motion, how)


def bridged(times: Doubles, measured: Bools, max_gap: float) -> Bools:
    """(T, K) where a point was measured, or is in a gap of at most `max_gap` seconds between two measurements.

    A gap lasts from its first unseen frame to the next seen one: the time between the measurements less one frame.
    """
    if len(times) < 2:
        return measured
    seconds = np.where(measured, times[:, None], np.nan)
    before = np.fmax.accumulate(seconds, axis=0)
    after = np.fmin.accumulate(seconds[::-1], axis=0)[::-1]
    step = float(np.median(np.diff(times)))
    near: Bools = after - before <= max_gap + step + 1e-6
    return measured | near


def _by_model(motion: Motion, how: Smoothing) -> Smoothed:
    chosen = choose(motion)
    measured = kalman.Measurements(
        motion.times,
        np.where(motion.seen[:, :, None], motion.points, 0).transpose(0, 2, 1),
        np.where(motion.seen, (chosen.deviation * doubt(motion.confidence)) ** 2, np.inf),
        chosen.density,
        5 * motion.torso,
    )
    weight = _trusted(motion, kalman.robust_weights(measured))
    for _ in range(_ROUNDS):
        estimate = kalman.smooth(measured.weighed(weight))
        distance, weight = kalman.reweighted(estimate, measured, weight)
        weight = _trusted(motion, weight)
    path, velocity, acceleration = (estimate.state[:, row].transpose(0, 2, 1) for row in range(3))
    variances = estimate.variance[:, 0], estimate.variance[:, 1]
    cutoff = chosen.cutoff(motion.step) if motion.step else np.full(len(motion.names), np.inf)
    away = np.linalg.norm(motion.points - path, axis=2)
    outlier = (distance > _UNLIKELY) & (away > _FAR * motion.torso)
    if motion.by_hand is not None:
        outlier &= ~motion.by_hand.points
    return _shown(motion, (path, velocity, acceleration), variances, outlier, how.max_gap, cutoff)


def _trusted(motion: Motion, weight: Doubles) -> Doubles:
    """(T, K) weights of measurements; what was set by hand counts in full, however unlikely it is."""
    return weight if motion.by_hand is None else np.where(motion.by_hand.points, 1.0, weight)


def _butterworth(motion: Motion, how: Smoothing) -> Smoothed:
    require("scipy", "smoothing by butterworth")
    from poseline.analysis.butterworth import filtered  # scipy.signal takes long to import

    assert how.frequency is not None
    path, velocity, acceleration, left = filtered(motion, how.frequency, how.max_gap)
    noise = (noise_bound(motion) * doubt(motion.confidence)) ** 2
    variances = noise * left[0], noise * left[1]
    nothing = np.zeros(motion.seen.shape, bool)
    cutoff = np.full(len(motion.names), how.frequency)
    return _shown(motion, (path, velocity, acceleration), variances, nothing, how.max_gap, cutoff)


def _untouched(motion: Motion) -> Smoothed:
    points = np.where(motion.seen[:, :, None], motion.points, np.nan)
    if len(motion) > 1:
        velocity = np.gradient(points, motion.times, axis=0)
        acceleration = np.gradient(velocity, motion.times, axis=0)
    else:
        velocity = acceleration = np.full_like(points, np.nan)
    noise = (noise_bound(motion) * doubt(motion.confidence)) ** 2
    step = motion.step or np.inf
    nothing, cutoff = np.zeros(motion.seen.shape, bool), np.full(len(motion.names), np.inf)
    return _shown(motion, (points, velocity, acceleration), (noise, noise / (2 * step**2)), nothing, 0.0, cutoff)


def _shown(
    motion: Motion,
    path: tuple[Doubles, Doubles, Doubles],
    variances: tuple[Doubles, Doubles],
    outlier: Bools,
    max_gap: float,
    cutoff: Doubles,
) -> Smoothed:
    """What is known well enough to be shown, and what each point rests on."""
    measured = motion.seen & ~outlier
    shown = bridged(motion.times, measured, max_gap)
    state = np.select([measured, shown & outlier, shown], [PointState.MEASURED, PointState.OUTLIER, PointState.FILLED])
    points, velocity, acceleration = (np.where(shown[:, :, None], values, np.nan) for values in path)
    variance, velocity_variance = (np.where(shown, values, np.nan) for values in variances)
    return Smoothed(
        motion.with_points(points),
        velocity,
        acceleration,
        variance,
        velocity_variance,
        state.astype(np.uint8),
        cutoff,
    )
