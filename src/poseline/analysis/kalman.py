"""A constant-acceleration Kalman filter and smoother on true time stamps, for many points at once.

State of a point along each axis: position, velocity, acceleration; acceleration wanders as white-noise jerk of a
spectral `density` (Bar-Shalom, Li and Kirubarajan, "Estimation with Applications to Tracking and Navigation" (2001),
section 6.2.3). x and y of a point share their noise, so they share one covariance. The backward pass is the modified
Bryson-Frazier form of the Rauch-Tung-Striebel smoother: the same numbers without inverting a covariance (Bierman,
"Fixed interval smoothing with discrete measurements", Int J Control 18 (1973) 65-75), so steps may be as short, and
gaps as long, as they like.

Symmetric 3x3 matrices are kept as six rows: 00, 01, 02, 11, 12, 22. A long motion is cut into pieces that are worked
out beside each other, each begun so early that it has forgotten what it began with.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from poseline.analysis.motion import Bools, Doubles

DEGREES = 4.0
"""Degrees of freedom of Student's t distribution, which measurements follow: heavy tails, so outliers weigh little."""

_ROW, _COLUMN = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 1, 2, 1, 2, 2])
_FULL = np.array([0, 1, 2, 1, 3, 4, 2, 4, 5])
"""Where the nine entries of a 3x3 matrix are among the six kept."""
_DIAGONAL = np.array([0, 3, 5])
_SETTLED = 20.0
"""Time constants after which a filter has forgotten where it began: e^-10, for its slowest part is half as fast."""
_PIECES, _SHORTEST = 16, 500
"""Most pieces that a motion is cut into, and the fewest frames of one."""
_START = (1.0, 10.0, 100.0)
"""Standard deviations of position, velocity and acceleration before anything is seen, in `reach`, /s and /s²."""


@dataclass(frozen=True, eq=False)
class Estimate:
    """What is believed of N points at T times, from all measurements before and after."""

    state: Doubles
    """(T, 3, 2, N) position, velocity and acceleration along x and y: px, px/s, px/s²."""
    variance: Doubles
    """(T, 2, N) variances of position and velocity along one axis, the same for x and y: px², (px/s)²."""


@dataclass(frozen=True, eq=False)
class Measurements:
    """What was measured of N points at T times, and how it is to be believed."""

    times: Doubles
    """(T,) seconds, rising; steps may be of any length."""
    points: Doubles
    """(T, 2, N) px, finite; what is there where `noise` is infinite does not count."""
    noise: Doubles
    """(T, N) variance of each measurement along one axis in px², infinite where nothing was measured."""
    density: Doubles
    """(N,) spectral density of the jerk, px²/s⁵: how much a point's acceleration wanders."""
    reach: float
    """px, about how far points lie from one another: what is believed before the first measurement."""

    def weighed(self, weight: Doubles) -> Measurements:
        """The same, each measurement believed as `weight` (T, N), 0..1, says."""
        return replace(self, noise=self.noise / weight)


def smooth(measured: Measurements) -> Estimate:
    """The most likely path given all measurements, by a filter forwards and a smoother backwards."""
    cut = _Cut.of(measured)
    pieces = cut.pieces(measured)
    estimate = _backward(pieces, _filter(pieces, robust=False))
    return Estimate(cut.whole(estimate.state), cut.whole(estimate.variance))


def robust_weights(measured: Measurements) -> Doubles:
    """(T, N) 0..1, how much each measurement is to be believed, judged by those before it alone."""
    cut = _Cut.of(measured)
    return cut.whole(_filter(cut.pieces(measured), robust=True).weight)


def reweighted(estimate: Estimate, measured: Measurements, weight: Doubles) -> tuple[Doubles, Doubles]:
    """How far each measurement lies from what all the others say, and what it should weigh.

    Args:
        estimate: of `smooth(measured.weighed(weight))`.
        measured: before weighing.
        weight: (T, N) 0..1.

    Returns:
        (T, N) squared distance in units of its expected variance (2 on average where the model holds; 0 where nothing
        was measured), and (T, N) new weights by Student's t distribution.
    """
    position, variance, noise = estimate.state[:, 0], estimate.variance[:, 0], measured.noise
    share = np.clip(variance * weight / noise, 0, 1 - 1e-9)  # of the estimate that is the measurement itself
    away = ((measured.points - position) ** 2).sum(axis=1) / (1 - share) ** 2
    distance: Doubles = np.where(np.isfinite(noise), away / (noise + variance / (1 - share)), 0.0)
    return distance, _student(distance)


def likelihood(measured: Measurements) -> Doubles:
    """(N,) log-likelihood of each point's measurements under its noise and density, up to a constant; robust.

    Each measurement is foretold from those before it; what it differs by follows Student's t distribution, and weighs
    on what comes after accordingly.
    """
    pieces = _Cut(np.arange(len(measured.times))[None], 0).pieces(measured)
    result: Doubles = _filter(pieces, robust=True, keep=False).likelihood[0]
    return result


@dataclass(frozen=True, eq=False)
class _Pieces:
    """P pieces of a motion, L frames each."""

    times: Doubles
    """(L, P)."""
    points: Doubles
    """(L, P, 2, N)."""
    noise: Doubles
    """(L, P, N)."""
    density: Doubles
    """(N,)."""
    reach: float


@dataclass(frozen=True, eq=False)
class _Cut:
    """How a motion of T frames is cut into P pieces of L frames that overlap."""

    rows: NDArray[np.intp]
    """(P, L) the frames of each piece, each frame in at least one."""
    core: int
    """Frames that each piece is there for: of piece p those from p * core on."""

    @classmethod
    def of(cls, measured: Measurements) -> _Cut:
        """As many pieces as pay, with margins in which every point's filter settles."""
        count = len(measured.times)
        if count < 2 * _SHORTEST:
            return cls(np.arange(count)[None], count)
        step = float(np.median(np.diff(measured.times)))
        usual = np.where(np.isfinite(measured.noise), measured.noise, np.nan)
        known = np.isfinite(usual).any(axis=0) & (measured.density > 0)
        if not known.any():
            return cls(np.arange(count)[None], count)
        slowest = (measured.density[known] / (np.nanmedian(usual[:, known], axis=0) * step)).min() ** (1 / 6)
        margin = int(np.ceil(_SETTLED / slowest / step))
        pieces = max(1, min(_PIECES, count // max(_SHORTEST, 2 * margin)))
        core = -(-count // pieces)
        length = min(count, core + 2 * margin)
        starts = np.clip(np.arange(pieces) * core - margin, 0, count - length)
        return cls(starts[:, None] + np.arange(length), core)

    def pieces(self, measured: Measurements) -> _Pieces:
        """The pieces beside each other."""
        rows = self.rows.T
        return _Pieces(
            measured.times[rows], measured.points[rows], measured.noise[rows], measured.density, measured.reach
        )

    def whole(self, values: Doubles) -> Doubles:
        """(T, ...) of values (L, P, ...), each frame from the piece that is there for it."""
        count = int(self.rows.max()) + 1
        frames = np.arange(count)
        piece = np.minimum(frames // self.core, len(self.rows) - 1)
        result: Doubles = values[frames - self.rows[piece, 0], piece]
        return result


@dataclass(frozen=True, eq=False)
class _Forward:
    """What the backward pass needs of the forward one; empty but for the likelihood where nothing is kept."""

    state: Doubles
    """(L, P, 3, 2N) as foretold, before the time's own measurement."""
    covariance: Doubles
    """(L, P, 6, N) likewise."""
    precision: Doubles
    """(L, P, N) of what a measurement differs from what was foretold; 0 where there is none."""
    weight: Doubles
    """(L, P, N)."""
    likelihood: Doubles
    """(P, N)."""


def _filter(pieces: _Pieces, robust: bool, keep: bool = True) -> _Forward:
    length, count, _, size = pieces.points.shape
    measured = np.isfinite(pieces.noise)
    move, spread, wander = _steps(np.diff(pieces.times, axis=0))
    state, covariance = _before(pieces, measured)
    kept = length if keep else 0
    states, covariances = np.empty((kept, count, 3, 2 * size)), np.empty((kept, count, 6, size))
    precisions, weights = np.zeros((kept, count, size)), np.ones((kept, count, size))
    log_likelihood = np.zeros((count, size))
    for time in range(length):
        if time:
            state = move[time - 1] @ state
            covariance = spread[time - 1] @ covariance
            covariance += wander[time - 1] * pieces.density
        away = pieces.points[time] - state[:, 0].reshape(count, 2, size)
        variance = covariance[:, 0] + pieces.noise[time]
        if robust:
            distance = (away * away).sum(axis=1) / variance
            weight = _student(distance)
            seen = measured[time]
            fit = np.log(variance, where=seen, out=np.zeros((count, size)))
            fit += (DEGREES / 2 + 1) * np.log1p(distance / DEGREES)
            log_likelihood -= np.where(seen, fit, 0)
            variance = covariance[:, 0] + pieces.noise[time] / weight
        precision = 1 / variance
        if keep:
            states[time], covariances[time], precisions[time] = state, covariance, precision
            if robust:
                weights[time] = weight
        gain = covariance[:, :3] * precision[:, None]
        state = state + (gain[:, :, None] * away[:, None]).reshape(count, 3, 2 * size)
        covariance = covariance - gain[:, _ROW] * covariance[:, _COLUMN]
    return _Forward(states, covariances, precisions, weights, log_likelihood)


@dataclass(frozen=True, eq=False)
class _Backward:
    """The estimate by pieces."""

    state: Doubles
    """(L, P, 3, 2, N)."""
    variance: Doubles
    """(L, P, 2, N)."""


def _backward(pieces: _Pieces, forward: _Forward) -> _Backward:
    length, count, _, size = pieces.points.shape
    move, _, _ = _steps(np.diff(pieces.times, axis=0))
    back = np.ascontiguousarray(move.swapaxes(-1, -2))
    spread = _squared(back)
    states = forward.state.reshape(length, count, 3, 2, size)
    gains = forward.covariance[:, :, :3] * forward.precision[:, :, None]
    pulls = forward.precision[:, :, None] * (pieces.points - states[:, :, 0])
    adjoint, information = np.zeros((count, 3, 2, size)), np.zeros((count, 6, size))
    adjoints, informations = np.empty((length, count, 3, 2, size)), np.empty((length, count, 6, size))
    for time in range(length - 1, -1, -1):
        gain = gains[time]
        adjoint[:, 0] -= (gain[:, :, None] * adjoint).sum(axis=1) + pulls[time]
        cross = (information[:, _FULL].reshape(count, 3, 3, size) * gain[:, None]).sum(axis=2)
        information[:, :3] -= cross
        information[:, 0] += (gain * cross).sum(axis=1) - cross[:, 0] + forward.precision[time]
        adjoints[time], informations[time] = adjoint, information
        if time:
            adjoint = (back[time - 1] @ adjoint.reshape(count, 3, 2 * size)).reshape(count, 3, 2, size)
            information = spread[time - 1] @ information
    state, variance = np.empty_like(states), np.empty((length, count, 2, size))
    for row in range(3):
        entries = [forward.covariance[:, :, entry] for entry in _FULL[3 * row : 3 * row + 3]]
        state[:, :, row] = states[:, :, row] - sum(entries[k][:, :, None] * adjoints[:, :, k] for k in range(3))
        if row < 2:
            known = [informations[:, :, entry] for entry in _FULL]
            lost = sum(entries[j] * known[3 * j + k] * entries[k] for j in range(3) for k in range(3))
            variance[:, :, row] = np.maximum(entries[row] - lost, 0)
    return _Backward(state, variance)


def _student(distance: Doubles) -> Doubles:
    """How much a measurement at a squared `distance` weighs; never more than one that is expected."""
    weight: Doubles = np.minimum(1, (DEGREES + 2) / (DEGREES + distance))
    return weight


def _before(pieces: _Pieces, measured: Bools) -> tuple[Doubles, Doubles]:
    """What is believed before the first measurement: at rest where it will be, and not at all sure."""
    _, count, _, size = pieces.points.shape
    first = np.take_along_axis(pieces.points, measured.argmax(axis=0)[None, :, None], axis=0)[0]
    state, covariance = np.zeros((count, 3, 2 * size)), np.zeros((count, 6, size))
    state[:, 0] = first.reshape(count, 2 * size)
    covariance[:, _DIAGONAL] = (np.array(_START)[:, None] * pieces.reach) ** 2
    return state, covariance


def _steps(seconds: Doubles) -> tuple[Doubles, Doubles, Doubles]:
    """What `seconds` (S, P) do to state (S, P, 3, 3) and covariance (S, P, 6, 6), and add to it (S, P, 6, 1)."""
    move = np.zeros((*seconds.shape, 3, 3))
    move[:, :, range(3), range(3)] = 1
    move[:, :, 0, 1] = move[:, :, 1, 2] = seconds
    move[:, :, 0, 2] = seconds**2 / 2
    powers = np.array([5, 4, 3, 3, 2, 1])
    wander = seconds[:, :, None] ** powers / np.array([20, 8, 6, 3, 2, 1])
    return move, _squared(move), wander[:, :, :, None]


def _squared(move: Doubles) -> Doubles:
    """(S, P, 6, 6) that take the six kept entries of a symmetric M to those of F M F' for each F of `move`."""
    result = np.zeros((*move.shape[:2], 6, 6))
    for first in range(3):
        for second in range(3):
            entry = _FULL[3 * first + second]
            result[:, :, :, entry] += move[:, :, _ROW, first] * move[:, :, _COLUMN, second]
    return result
