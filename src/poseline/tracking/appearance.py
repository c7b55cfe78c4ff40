"""What people wear: the mean colour of each torso, read from the picture's own planes, and how alike two are.

Where two people cross, their boxes and keypoints are as near to the one track as to the other, but their shirts differ.
The keypoints say where the shirt is, so a few points of the picture tell as much as a whole box with its background
would, and cost next to nothing. Luma weighs less than chroma: it changes with shade and with the folds of cloth.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from poseline.frame import Frame, Picture, plane_pixels
from poseline.luma import BT601
from poseline.pose import Floats

Torso: TypeAlias = tuple[int, int, int, int]
"""Which keypoints are the left and right shoulder and the left and right hip."""

_PLANAR = frozenset({"yuv420p", "yuvj420p"})
_LEAST = np.array([-np.inf, -np.inf, 0.5], np.float32)
"""x, y and confidence above which a corner of the torso is taken to be where it is said to be."""
_APART = 20.0
"""Grey levels at which two colours are half alike; one person's torso stays within about 15."""
_EXPONENTS = -((np.array([0.5, 1, 1], np.float32) / np.float32(_APART)) ** 2)
"""Of luma, which weighs half, and the two chroma: what their squared differences add to the exponent of likeness."""
_MEMORY = 1.0
"""Seconds over which a colour is averaged: a step into the shade is learned, a passing arm is not."""
_RED, _BLUE = BT601
_TO_YCC = np.array(
    [
        [_BLUE, 1 - _RED - _BLUE, _RED],
        [0.5, -0.5 * (1 - _RED - _BLUE) / (1 - _BLUE), -0.5 * _RED / (1 - _BLUE)],
        [-0.5 * _BLUE / (1 - _RED), -0.5 * (1 - _RED - _BLUE) / (1 - _RED), 0.5],
    ],
    np.float32,
)
"""Blue, green, red to luma and the two differences; ITU-R BT.601."""


def _grid(side: int, margin: float) -> Floats:
    """(side², 4): the share of each corner in points spread evenly over a quadrilateral, away from its edges."""
    steps = np.linspace(margin, 1 - margin, side)
    down, across = (axis.ravel() for axis in np.meshgrid(steps, steps, indexing="ij"))
    corners = ((1 - down) * (1 - across), (1 - down) * across, down * (1 - across), down * across)
    return np.stack(corners, axis=1).astype(np.float32)


_POINTS = _grid(side=6, margin=0.15)


def torso_colours(frame: Frame, keypoints: Floats, torso: Torso | None) -> Floats | None:
    """The mean colour between shoulders and hips of each pose, on a grid of 36 points.

    Args:
        frame: its picture is read where it lies: yuv420p planes or BGR pixels.
        keypoints: (N, K, 3) x, y in the picture's pixels, and confidence.
        torso: which of them are the corners; None for a skeleton without.

    Returns:
        (N, 3) float32 luma and two chroma, in grey levels, comparable within one source; NaN where a corner is not
        seen. None without a torso, and for a picture that is not in this machine's memory.
    """
    picture = frame.picture
    if torso is None or not (isinstance(picture, np.ndarray) or picture.format.name in _PLANAR):
        return None
    corners = keypoints[:, torso]
    known = ((corners > _LEAST) & (corners < np.inf)).reshape(-1, 12)
    seen = np.logical_and.reduce(known, axis=1).nonzero()[0]
    result = np.full((len(keypoints), 3), np.nan, np.float32)
    if len(seen):
        x_and_y = corners.take(seen, axis=0)[:, :, :2].transpose(2, 0, 1)
        places = x_and_y.reshape(-1, 4) @ _POINTS.T  # (2 N, 36), all x before all y
        limits = np.array([[[frame.width - 1]], [[frame.height - 1]]], np.float32)
        inside = np.minimum(np.maximum(places.reshape(2, -1, len(_POINTS)), 0), limits)
        result[seen] = _means(picture, inside.astype(np.intp))
    return result


def resemblance(colours: Floats, others: Floats) -> Floats:
    """(...) float32 how alike two colours (..., 3) are: 1 for the same, 0 for another, 1 for the unknown.

    Halved at `_APART` grey levels, as a Gaussian; from twice as many on it is another. Shapes are broadcast.
    """
    apart = colours - others
    apart *= apart
    exponents = np.fmin(apart.dot(_EXPONENTS), 0)  # 0 for NaN
    result: Floats = np.exp2(exponents) * (exponents > -4)
    return result


def learned(known: Floats, seen: Floats, seconds: float) -> Floats:
    """(N, 3) the colours `known`, after those `seen` have shown for `seconds`; what is not seen changes nothing."""
    blended = seen - known
    blended *= 1 - math.exp(-seconds / _MEMORY)
    blended += known
    unknown = np.isnan(blended)
    if np.count_nonzero(unknown):
        blended = np.where(unknown, np.fmax(known, seen), blended)  # the one that is a number, if any
    return blended


def _means(picture: Picture, places: NDArray[np.intp]) -> Floats:
    """(M, 3) luma and two chroma over the picture's points, (2, M, 36) x before y."""
    x, y = places
    if isinstance(picture, np.ndarray):
        colours: Floats = picture[y, x].mean(axis=1, dtype=np.float32) @ _TO_YCC.T
        return colours
    luma, blue, red = (plane_pixels(plane) for plane in picture.planes)
    half_x, half_y = places >> 1
    found = np.array((luma[y, x], blue[half_y, half_x], red[half_y, half_x]))
    means: Floats = np.add.reduce(found, axis=2, dtype=np.float32).T / np.float32(len(_POINTS))
    return means
