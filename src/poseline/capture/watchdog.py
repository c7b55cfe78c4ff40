"""What a camera's user should be told while it runs: a rate that is not kept, a picture that never changes."""

from __future__ import annotations

import numpy as np

from poseline.frame import Frame, Pixels, plane_pixels

_RATE_SECONDS = 3.0
"""Seconds over which the rate is measured, after the first."""
_SETTLING = 1.0
"""Seconds in which a camera finds its exposure."""
SHORT = 0.8
"""Share of the promised rate below which the user is told."""
_UNCHANGED_SECONDS = 5.0
"""Seconds without any change from which on the user is told: a sensor's noise alone changes every picture."""
_STEP = 16
"""Every so many rows and columns are compared."""


class RateWatch:
    """Measures the rate once, and says if it is not what was promised.

    Args:
        promised: frames a second; 0 where nobody promised any.
    """

    def __init__(self, promised: float) -> None:
        self._promised = promised
        self._first: float | None = None
        self._began: float | None = None
        self._count = 0
        self.done = promised <= 0

    def word(self, time: float) -> str | None:
        """Take in a frame at `time`, in seconds; what the user should know, once."""
        self._first = time if self._first is None else self._first
        if time - self._first < _SETTLING:
            return None
        if self._began is None:
            self._began = time
            return None
        self._count += 1
        passed = time - self._began
        if passed < _RATE_SECONDS:
            return None
        self.done = True
        rate = self._count / passed
        if rate >= SHORT * self._promised:
            return None
        return (
            f"gives {rate:.0f} frames/s, not {self._promised:.0f}: too dark? Give it more light or a fixed exposure "
            "(Linux: v4l2-ctl -c exposure_dynamic_framerate=0). Or USB is too slow: --fourcc MJPG, a smaller --cam-size"
        )


class ChangeWatch:
    """Notices a picture that never changes, by a sample of its pixels."""

    def __init__(self) -> None:
        self._last: Pixels | None = None
        self._since = 0.0
        self._told = False

    def word(self, frame: Frame) -> str | None:
        """Take in a frame; what the user should know, once for each spell."""
        sample = _sample(frame)
        if self._last is None or not np.array_equal(sample, self._last):
            self._last, self._since, self._told = sample, frame.time, False
            return None
        if self._told or frame.time - self._since < _UNCHANGED_SECONDS:
            return None
        self._told = True
        return f"has not changed for {_UNCHANGED_SECONDS:g} s: is the camera covered, frozen, or does it show a still?"


def _sample(frame: Frame) -> Pixels:
    """A copy of a few of its pixels, of brightness or of green."""
    picture = frame.picture
    plane = picture[..., 1] if isinstance(picture, np.ndarray) else plane_pixels(picture.planes[0])
    return plane[::_STEP, ::_STEP].copy()
