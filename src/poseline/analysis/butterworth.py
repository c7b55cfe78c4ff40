"""The field's filter: a Butterworth low-pass run forwards and backwards, on stretches without long gaps.

Its frequency is the real -3 dB frequency of what comes out. Two passes of a filter of order n have their -3 dB point at
(sqrt(2) - 1)^(1/2n) of that of one pass (Winter, "Biomechanics and Motor Control of Human Movement" (2009), section
2.2.4.4), so each pass is designed for a higher one, in the tangents of the frequencies as the bilinear transform has
them.

A filter needs even intervals: each stretch is resampled linearly to its median interval, and the result is read at the
true times.
"""

from __future__ import annotations

import numpy as np
from scipy.signal import butter, sosfiltfilt

from poseline.analysis.motion import Doubles, Motion
from poseline.errors import SettingsError

_ORDER = 2
"""Of one pass; "order 4" in the field's words."""
_TWICE = (2**0.5 - 1) ** (1 / (2 * _ORDER))
_FEWEST = 4
"""Samples of a stretch that is filtered; shorter ones stay as they are."""


def sections(frequency: float, rate: float) -> Doubles:
    """The filter of one pass, as second-order sections, whose two passes have their -3 dB point at `frequency` Hz.

    Raises:
        SettingsError: `frequency` is not below half the `rate` of frames a second.
    """
    if not 0 < frequency < rate / 2:
        raise SettingsError(
            f"smoothing: butterworth at {frequency:g} Hz needs more than {2 * frequency:g} frames a second, "
            f"the clip has {rate:g}; take a lower frequency"
        )
    once = np.arctan(np.tan(np.pi * frequency / rate) / _TWICE) * 2 / np.pi
    result: Doubles = butter(_ORDER, once, output="sos")
    return result


def filtered(motion: Motion, frequency: float, max_gap: float) -> tuple[Doubles, Doubles, Doubles, tuple[float, float]]:
    """Filter each point of a motion.

    Args:
        motion: in square pixels.
        frequency: -3 dB frequency in Hz.
        max_gap: seconds; longer gaps end a stretch, shorter ones are bridged linearly before the filter.

    Returns:
        positions, velocities and accelerations, each (T, K, 2), and the shares of the variance of white noise that are
        left in a position and, per second squared, in a velocity.
    """
    if len(motion) < _FEWEST:
        return motion.points, np.full_like(motion.points, np.nan), np.full_like(motion.points, np.nan), (1.0, np.nan)
    design = sections(frequency, 1 / motion.step)
    path, velocity, acceleration = (np.full_like(motion.points, np.nan) for _ in range(3))
    for point in range(len(motion.names)):
        seen = np.flatnonzero(motion.seen[:, point])
        breaks = np.flatnonzero(np.diff(motion.times[seen]) > max_gap + motion.step + 1e-6) + 1
        for stretch in np.split(seen, breaks):
            if len(stretch):
                rows = slice(stretch[0], stretch[-1] + 1)
                path[rows, point], velocity[rows, point], acceleration[rows, point] = _stretch(
                    motion.times[rows], motion.times[stretch], motion.points[stretch, point], motion.step, design
                )
    return path, velocity, acceleration, _left(design, motion.step)


def _stretch(
    at: Doubles, times: Doubles, points: Doubles, step: float, design: Doubles
) -> tuple[Doubles, Doubles, Doubles]:
    """Position, velocity and acceleration (A, 2) of one point at `at` (A,), from `points` (N, 2) at `times` (N,)."""
    count = round((times[-1] - times[0]) / step) + 1
    if count < _FEWEST:
        kept = np.stack([np.interp(at, times, column) for column in points.T], axis=1)
        return kept, np.full_like(kept, np.nan), np.full_like(kept, np.nan)
    even = np.linspace(times[0], times[-1], count)
    raw = np.stack([np.interp(even, times, column) for column in points.T], axis=1)
    smooth = sosfiltfilt(design, raw, axis=0, padlen=min(count - 1, 9))
    speed = np.gradient(smooth, even, axis=0)
    push = np.gradient(speed, even, axis=0)
    first, second, third = (
        np.stack([np.interp(at, even, column) for column in values.T], axis=1) for values in (smooth, speed, push)
    )
    return first, second, third


def _left(design: Doubles, step: float) -> tuple[float, float]:
    answer = np.zeros(801)
    answer[400] = 1
    answer = sosfiltfilt(design, answer)
    return float((answer**2).sum()), float((np.gradient(answer, step) ** 2).sum())
