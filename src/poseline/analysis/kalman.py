"""A constant-acceleration Kalman filter and smoother on true time stamps, for many points at once.

State of a point along each axis: position, velocity, acceleration; acceleration wanders as white-noise jerk of a
spectral `density` (Bar-Shalom, Li and Kirubarajan, "Estimation with Applications to Tracking and Navigation" (2001),
section 6.2.3). x and y of a point share their noise, so they share one covariance. The backward pass is the modified
Bryson-Frazier form of the Rauch-Tung-Striebel smoother: the same numbers without inverting a covariance (Bierman,
"Fixed interval smoothing with discrete measurements", Int J Control 18 (1973) 65-75), so steps may be as short, and
gaps as long, as they like.

Symmetric 3x3 matrices are kept as six rows: 00, 01, 02, 11, 12, 22.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from poseline.analysis.motion import Bools, Doubles

DEGREES = 4.0
"""Degrees of freedom of Student's t distribution, which measurements follow: heavy tails, so outliers weigh little."""

_ROW, _COLUMN = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 1, 2, 1, 2, 2])
_FULL = np.array([0, 1, 2, 1, 3, 4, 2, 4, 5])
"""Where the nine entries of a 3x3 matrix are among the six kept."""
_DIAGONAL = np.array([0, 3, 5])
_START = (1.0, 10.0, 100.0)
"""Standard deviations of position, velocity and acceleration before anything is seen, in `reach`, /s and /s²."""


@dataclass(frozen=True, eq=False)
class Estimate:
    """What is believed of N points at T times, from all measurements before and after."""

    state: Doubles
    """(T, 3, 2, N) position, velocity and acceleration along x and y: px, px/s, px/s²."""
    variance: Doubles
    """(T, 2, N) variances of position and velocity along one axis, the same for x and y: px², (px/s)²."""


def smooth(times: Doubles, points: Doubles, noise: Doubles, density: Doubles, reach: float) -> Estimate:
    """The most likely path given all measurements, by a filter forwards and a smoother backwards.

    Args:
        times: (T,) seconds, rising; steps may be of any length.
        points: (T, 2, N) px, finite; what is there where `noise` is infinite does not count.
        noise: (T, N) variance of each measurement along one axis in px², infinite where nothing was measured.
        density: (N,) spectral density of the jerk, px²/s⁵: how much a point's acceleration wanders.
        reach: px, about how far points lie from one another: what is believed before the first measurement.
    """
    forward = _filter(times, points, noise, density, reach, robust=False)
    return _backward(times, points, forward)


def robust_weights(times: Doubles, points: Doubles, noise: Doubles, density: Doubles, reach: float) -> Doubles:
    """(T, N) 0..1, how much each measurement is to be believed, judged by those before it alone.

    Arguments as in `smooth`.
    """
    return _filter(times, points, noise, density, reach, robust=True).weight


def reweighted(estimate: Estimate, points: Doubles, noise: Doubles, weight: Doubles) -> tuple[Doubles, Doubles]:
    """How far each measurement lies from what all the others say, and what it should weigh.

    Args:
        estimate: of `smooth` with the noise `noise / weight`.
        points: as in `smooth`.
        noise: (T, N) as in `smooth`, before weighting.
        weight: (T, N) 0..1.

    Returns:
        (T, N) squared distance in units of its expected variance (2 on average where the model holds; 0 where nothing
        was measured), and (T, N) new weights by Student's t distribution.
    """
    position, variance = estimate.state[:, 0], estimate.variance[:, 0]
    share = np.clip(variance * weight / noise, 0, 1 - 1e-9)  # of the estimate that is the measurement itself
    away = ((points - position) ** 2).sum(axis=1) / (1 - share) ** 2
    distance: Doubles = np.where(np.isfinite(noise), away / (noise + variance / (1 - share)), 0.0)
    return distance, _student(distance)


def likelihood(times: Doubles, points: Doubles, noise: Doubles, density: Doubles, reach: float) -> Doubles:
    """(N,) log-likelihood of each point's measurements under its noise and density, up to a constant; robust.

    Each measurement is foretold from those before it; what it differs by follows Student's t distribution, and weighs
    on what comes after accordingly. Arguments as in `smooth`.
    """
    return _filter(times, points, noise, density, reach, robust=True, keep=False).likelihood


@dataclass(frozen=True, eq=False)
class _Forward:
    """What the backward pass needs of the forward one."""

    state: Doubles
    """(T, 3, 2N) as foretold, before the time's own measurement."""
    covariance: Doubles
    """(T, 6, N) likewise."""
    precision: Doubles
    """(T, N) of what a measurement differs from what was foretold; 0 where there is none."""
    weight: Doubles
    """(T, N)."""
    likelihood: Doubles
    """(N,)."""


def _filter(
    times: Doubles,
    points: Doubles,
    noise: Doubles,
    density: Doubles,
    reach: float,
    robust: bool,
    keep: bool = True,
) -> _Forward:
    count, size = len(times), points.shape[2]
    measured = np.isfinite(noise)
    move, spread, wander = _steps(np.diff(times))
    state, covariance = _before(points, measured, reach)
    kept = count if keep else 0
    states, covariances = np.empty((kept, 3, 2 * size)), np.empty((kept, 6, size))
    precisions, weights, log_likelihood = np.zeros((kept, size)), np.ones((kept, size)), np.zeros(size)
    for time in range(count):
        if time:
            state = move[time - 1] @ state
            covariance = spread[time - 1] @ covariance
            covariance += wander[time - 1] * density
        away = points[time] - state[0].reshape(2, size)
        variance = covariance[0] + noise[time]
        if robust:
            distance = (away * away).sum(axis=0) / variance
            weight = _student(distance)
            seen = measured[time]
            fit = np.log(variance, where=seen, out=np.zeros(size)) + (DEGREES / 2 + 1) * np.log1p(distance / DEGREES)
            log_likelihood -= np.where(seen, fit, 0)
            variance = covariance[0] + noise[time] / weight
        precision = 1 / variance
        if keep:
            states[time], covariances[time], precisions[time] = state, covariance, precision
            if robust:
                weights[time] = weight
        gain = covariance[:3] * precision
        state = state + (gain[:, None] * away).reshape(3, 2 * size)
        covariance = covariance - gain[_ROW] * covariance[_COLUMN]
    return _Forward(states, covariances, precisions, weights, log_likelihood)


def _backward(times: Doubles, points: Doubles, forward: _Forward) -> Estimate:
    count, _, size = points.shape
    move, _, _ = _steps(np.diff(times))
    back = move.transpose(0, 2, 1)
    spread = _squared(back)
    states = forward.state.reshape(count, 3, 2, size)
    gains = forward.covariance[:, :3] * forward.precision[:, None]
    pulls = forward.precision[:, None] * (points - states[:, 0])
    adjoint, information = np.zeros((3, 2, size)), np.zeros((6, size))
    adjoints, informations = np.empty((count, 3, 2, size)), np.empty((count, 6, size))
    for time in range(count - 1, -1, -1):
        gain = gains[time]
        adjoint[0] -= (gain[:, None] * adjoint).sum(axis=0) + pulls[time]
        cross = (information[_FULL].reshape(3, 3, size) * gain).sum(axis=1)
        information[:3] -= cross
        information[0] += (gain * cross).sum(axis=0) - cross[0] + forward.precision[time]
        adjoints[time], informations[time] = adjoint, information
        if time:
            adjoint = (back[time - 1] @ adjoint.reshape(3, 2 * size)).reshape(3, 2, size)
            information = spread[time - 1] @ information
    state, variance = np.empty_like(states), np.empty((count, 2, size))
    for row in range(3):
        entries = [forward.covariance[:, entry] for entry in _FULL[3 * row : 3 * row + 3]]
        state[:, row] = states[:, row] - sum(entries[k][:, None] * adjoints[:, k] for k in range(3))
        if row < 2:
            known = [informations[:, entry] for entry in _FULL]
            lost = sum(entries[j] * known[3 * j + k] * entries[k] for j in range(3) for k in range(3))
            variance[:, row] = np.maximum(entries[row] - lost, 0)
    return Estimate(state, variance)


def _student(distance: Doubles) -> Doubles:
    """How much a measurement at a squared `distance` weighs; never more than one that is expected."""
    weight: Doubles = np.minimum(1, (DEGREES + 2) / (DEGREES + distance))
    return weight


def _before(points: Doubles, measured: Bools, reach: float) -> tuple[Doubles, Doubles]:
    """What is believed before the first measurement: at rest where it will be, and not at all sure."""
    size = points.shape[2]
    first = np.take_along_axis(points, measured.argmax(axis=0)[None, None], axis=0)[0]
    state, covariance = np.zeros((3, 2 * size)), np.zeros((6, size))
    state[0] = first.reshape(2 * size)
    covariance[_DIAGONAL] = (np.array(_START)[:, None] * reach) ** 2
    return state, covariance


def _steps(seconds: Doubles) -> tuple[Doubles, Doubles, Doubles]:
    """What `seconds` (S,) do: to the state (S, 3, 3), to the covariance (S, 6, 6), and what they add (S, 6, 1)."""
    move = np.zeros((len(seconds), 3, 3))
    move[:, range(3), range(3)] = 1
    move[:, 0, 1] = move[:, 1, 2] = seconds
    move[:, 0, 2] = seconds**2 / 2
    powers = np.array([5, 4, 3, 3, 2, 1])
    wander = seconds[:, None] ** powers / np.array([20, 8, 6, 3, 2, 1])
    return move, _squared(move), wander[:, :, None]


def _squared(move: Doubles) -> Doubles:
    """(S, 6, 6) that take the six kept entries of a symmetric M to those of F M F' for each F of `move` (S, 3, 3)."""
    result = np.zeros((len(move), 6, 6))
    for first in range(3):
        for second in range(3):
            entry = _FULL[3 * first + second]
            result[:, :, entry] += move[:, _ROW, first] * move[:, _COLUMN, second]
    return result
