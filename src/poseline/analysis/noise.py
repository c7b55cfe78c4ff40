"""How noisy the points of a motion are, and how fast they change: the two numbers that the smoother needs.

Both are chosen by likelihood, point by point: of a grid of settings, the one under which each measurement is best
foretold from those before it, by a likelihood that outliers hardly move. Likelihood alone takes the fast to-and-fro of
a limb for noise where frames are few, so it is bounded on both sides:

- noise is at most what no smooth path through neighbouring frames explains;
- no point is smoothed more than the speed of the body allows: acceleration that takes a limb around a circle of one
  torso at speed v changes with a spectral density of about v⁵ (in torsos and seconds).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from poseline.analysis.kalman import Measurements, likelihood
from poseline.analysis.motion import Bools, Doubles, Motion

_PIECE, _PIECES = 250, 6
"""Frames of a piece, and most pieces, evenly spread over a clip, on which the settings are chosen."""
_DENSITIES = 10.0 ** np.arange(0, 7.5, 0.5)
"""Spectral densities of jerk to choose from, in torso²/s⁵: from someone who stands to the foot of a sprinter."""
_SHARES = np.array([0.25, 0.5, 0.7, 1.0])
"""Noise to choose from, as a share of its bound."""
_LEAST_NOISE = 0.0005
"""Standard deviation below which no measurement is, in torsos: what writing pixels with two decimals costs."""
_ALIKE = 2.5
"""The noisiest point of a person is at most so much noisier than the middle one: what is beyond is movement."""
_STRIDE = 0.1
"""Seconds over which speeds are taken, so that they are not those of the noise."""
_LIMBS = 85.0
"""Percentile of the points' speeds that counts as the body's: its limbs, but for the fastest."""


@dataclass(frozen=True, eq=False)
class Noise:
    """How a motion's points are smoothed."""

    deviation: Doubles
    """(K,) standard deviation of a measurement of confidence 0.5 along one axis, in square pixels."""
    density: Doubles
    """(K,) spectral density of the jerk, px²/s⁵."""

    def cutoff(self, step: float) -> Doubles:
        """(K,) frequency in Hz that the smoother passes by half, for measurements every `step` seconds."""
        hertz: Doubles = (self.density / (self.deviation**2 * step)) ** (1 / 6) / (2 * np.pi)
        return hertz


def doubt(confidence: Doubles) -> Doubles:
    """How much noisier a measurement of this confidence is, as a factor of its standard deviation: 1.5 - confidence.

    Measured on rendered clips: the error of points surer than 0.98 is 0.12 torsos (RMS), of those below 0.1 0.25.
    """
    factor: Doubles = 1.5 - np.clip(np.nan_to_num(confidence), 0, 1)
    return factor


def choose(motion: Motion) -> Noise:
    """The noise and density of each point, chosen on at most 1,500 frames.

    Args:
        motion: in square pixels.
    """
    bound, least = noise_bound(motion), least_density(motion)
    deviations = np.maximum(_SHARES[:, None] * bound, _LEAST_NOISE * motion.torso)
    densities = np.maximum(_DENSITIES[:, None] * motion.torso**2, least)
    settings = [(deviation, density) for density in densities for deviation in deviations]
    scores = sum(_scores(piece, settings) for piece in _pieces(motion))
    best = np.argmax(scores, axis=0)
    points = np.arange(len(motion.names))
    return Noise(
        np.array([row[0] for row in settings])[best, points], np.array([row[1] for row in settings])[best, points]
    )


def noise_bound(motion: Motion) -> Doubles:
    """(K,) standard deviation in square pixels that the noise of a point cannot exceed.

    How far a point lies from the polynomial through its neighbours, two and three on each side, is noise and whatever
    movement the polynomial does not follow; the lesser of the two medians is taken.
    """
    residuals = [_off_the_path(motion, reach) for reach in (2, 3) if len(motion) > 2 * reach]
    bounds = np.fmin.reduce(residuals) if residuals else np.full(len(motion.names), np.nan)
    bounds = np.where(np.isfinite(bounds), bounds, 0.02 * motion.torso)
    bounds = np.minimum(bounds, _ALIKE * np.median(bounds))
    result: Doubles = np.maximum(bounds, _LEAST_NOISE * motion.torso)
    return result


def least_density(motion: Motion) -> Doubles:
    """(K,) px²/s⁵, the least density of each point, by its own 95 % speed and that of the body's limbs."""
    frames = max(1, round(_STRIDE / motion.step)) if motion.step else 1
    if len(motion) <= frames + 2:
        return np.zeros(len(motion.names))
    points = motion.points - (motion.place("mid_hip")[:, None] if motion.has("mid_hip") else 0)
    steady = np.median(np.stack([points[:-2], points[1:-1], points[2:]]), axis=0)  # a lone outlier is no speed
    seconds = (motion.times[1:-1][frames:] - motion.times[1:-1][:-frames])[:, None]
    speeds = np.linalg.norm(steady[frames:] - steady[:-frames], axis=2) / seconds / motion.torso
    known = np.isfinite(speeds).any(axis=0)
    fast = np.zeros(len(motion.names))
    fast[known] = np.nanpercentile(speeds[:, known], 95, axis=0)
    body = np.percentile(fast[known], _LIMBS) if known.any() else 0.0
    density: Doubles = motion.torso**2 * np.maximum(fast, body) ** 5
    return density


def _off_the_path(motion: Motion, reach: int) -> Doubles:
    """(K,) robust deviation of points from the polynomial through `reach` neighbours on each side, at true times."""
    centre = np.arange(reach, len(motion) - reach)
    around = centre[:, None] + np.array([*range(-reach, 0), *range(1, reach + 1)])
    weights = _lagrange(motion.times[around], motion.times[centre])
    points = np.where(motion.seen[:, :, None], motion.points, np.nan)
    factor = doubt(motion.confidence) ** 2
    away = points[centre] - np.einsum("tn,tnkc->tkc", weights, points[around])
    expected = factor[centre] + np.einsum("tn,tnk->tk", weights**2, factor[around])
    residual = np.abs(away / np.sqrt(expected)[:, :, None]).transpose(1, 0, 2).reshape(len(motion.names), -1)
    known = np.isfinite(residual).any(axis=1)
    result = np.full(len(motion.names), np.nan)
    result[known] = 1.4826 * np.nanmedian(residual[known], axis=1)
    return result


def _lagrange(times: Doubles, at: Doubles) -> Doubles:
    """(T, N) weights of the polynomial through N points at `times` (T, N), evaluated at `at` (T,)."""
    count = times.shape[1]
    apart = times[:, :, None] - times[:, None]
    away = at[:, None] - times
    apart[:, range(count), range(count)] = 1
    factors = np.repeat(away[:, None], count, axis=1)
    factors[:, range(count), range(count)] = 1
    weights: Doubles = (factors / apart).prod(axis=2)
    return weights


def _pieces(motion: Motion) -> list[Motion]:
    """Stretches of the frames in which the person is seen, evenly spread."""
    seen: Bools = np.add.reduce(motion.seen, axis=1) > 0
    motion = motion[seen] if seen.any() else motion
    count = min(_PIECES, -(-len(motion) // _PIECE))
    starts = np.linspace(0, max(0, len(motion) - _PIECE), count).round().astype(int)
    return [motion[start : start + _PIECE] for start in starts]


def _scores(motion: Motion, settings: list[tuple[Doubles, Doubles]]) -> Doubles:
    """(S, K) log-likelihood of each point under each of S settings, in one pass."""
    count = len(settings)
    points, doubts = (
        np.where(motion.seen[:, :, None], motion.points, 0).transpose(0, 2, 1),
        doubt(motion.confidence) ** 2,
    )
    noise = np.concatenate([np.where(motion.seen, doubts * deviation**2, np.inf) for deviation, _ in settings], axis=1)
    density = np.concatenate([density for _, density in settings])
    tiled = Measurements(motion.times, np.tile(points, count), noise, density, 5 * motion.torso)
    return likelihood(tiled).reshape(count, -1)
