"""Canvas: four drawing primitives with the same look on a BGR array and on the YUV planes of a video frame."""

from __future__ import annotations

from functools import lru_cache
from math import isfinite
from typing import Protocol, TypeAlias

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from poseline.frame import Pixels, plane_pixels
from poseline.luma import FULL_RANGE, luma_weights
from poseline.pose import Floats

Colour: TypeAlias = tuple[int, int, int]
"""Blue, green, red, each 0..255."""
Points: TypeAlias = NDArray[np.int32]
"""(..., 2) x, y in quarters of a pixel, as cv2 takes them with `_SHIFT`."""

_SHIFT = 2
_FARTHEST = 100_000
"""Pixels from the origin to which coordinates are clipped: cv2 computes in fixed point, and would wrap around."""


class Canvas(Protocol):
    """What can be drawn on. Pixel coordinates, (0, 0) the centre of the top left pixel; what lies outside is cut off.

    Anything with a coordinate that is not a finite number is left out.
    """

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""

    def lines(self, segments: Floats, colour: Colour, width: int) -> None:
        """Draw S straight lines with round ends, `segments` (S, 2, 2) from x, y to x, y, `width` in pixels."""

    def discs(self, centres: Floats, colour: Colour, radius: int) -> None:
        """Fill D discs around `centres`, (D, 2) x, y."""

    def rectangle(self, box: Floats, colour: Colour, width: int) -> None:
        """Draw the outline of `box`, (4,) x1 y1 x2 y2."""

    def stamp(self, corner: tuple[int, int], mask: Pixels, ground: Colour, ink: Colour) -> None:
        """Cover a rectangle with `ground`, and with `ink` where `mask` says so (see `Font.mask`).

        Args:
            corner: x, y of the top left pixel, at least 0; the next lower even ones are taken, since a chroma sample
                is two pixels wide.
            mask: (H, W) uint8, H and W even, the share of ink from 0 to 255.
            ground: colour where the mask is 0.
            ink: colour where the mask is 255.
        """


class BgrCanvas:
    """A Canvas on `pixels`, a writable (H, W, 3) uint8 BGR array, in place."""

    def __init__(self, pixels: Pixels) -> None:
        self._pixels = pixels

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self._pixels.shape[1], self._pixels.shape[0]

    def lines(self, segments: Floats, colour: Colour, width: int) -> None:
        """See `Canvas.lines`."""
        _polylines(self._pixels, list(_quarters(segments)), colour, _smoothed(width), cv2.LINE_AA)

    def discs(self, centres: Floats, colour: Colour, radius: int) -> None:
        """See `Canvas.discs`."""
        _discs(self._pixels, list(_whole(_quarters(centres)[:, None])), colour, 2 * radius)

    def rectangle(self, box: Floats, colour: Colour, width: int) -> None:
        """See `Canvas.rectangle`."""
        for rows, columns in _strips(box, width):
            self._pixels[rows, columns] = colour

    def stamp(self, corner: tuple[int, int], mask: Pixels, ground: Colour, ink: Colour) -> None:
        """See `Canvas.stamp`."""
        x, y, mask = _fitted(corner, mask, self.size)
        if mask.size:
            channels = [cv2.LUT(mask, tints) for tints in _tints(ground, ink)]
            cv2.merge(channels, self._pixels[y : y + mask.shape[0], x : x + mask.shape[1]])


class YuvCanvas:
    """A Canvas on the planes of `frame`, an 8-bit yuv420p one that is nobody else's, in place.

    Luma is drawn like BGR. The chroma planes are half as large, so lines on them are half as wide, and for the most
    part without smoothing, which luma's edges hide.
    """

    def __init__(self, frame: av.VideoFrame) -> None:
        self._luma, *self._chroma = (plane_pixels(plane) for plane in frame.planes)
        self._matrix = (luma_weights(frame.colorspace), frame.color_range == FULL_RANGE)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self._luma.shape[1], self._luma.shape[0]

    def lines(self, segments: Floats, colour: Colour, width: int) -> None:
        """See `Canvas.lines`."""
        luma, *chroma = _yuv(colour, *self._matrix)
        points = _quarters(segments)
        _polylines(self._luma, list(points), (luma,), _smoothed(width), cv2.LINE_AA)
        half = max(1, width // 2)
        smoothing = cv2.LINE_AA if half == 1 else cv2.LINE_8  # unsmoothed, a line one pixel wide would be gappy
        halved = list(_halved(points))
        for plane, value in zip(self._chroma, chroma, strict=True):
            _polylines(plane, halved, (value,), half, smoothing)

    def discs(self, centres: Floats, colour: Colour, radius: int) -> None:
        """See `Canvas.discs`."""
        luma, *chroma = _yuv(colour, *self._matrix)
        points = _quarters(centres)[:, None]
        _discs(self._luma, list(_whole(points)), (luma,), 2 * radius)
        halved = list(_halved(points))
        for plane, value in zip(self._chroma, chroma, strict=True):
            _discs(plane, halved, (value,), radius)

    def rectangle(self, box: Floats, colour: Colour, width: int) -> None:
        """See `Canvas.rectangle`."""
        luma, *chroma = _yuv(colour, *self._matrix)
        for rows, columns in _strips(box, width):
            self._luma[rows, columns] = luma
            coarse = _coarse(rows), _coarse(columns)
            for plane, value in zip(self._chroma, chroma, strict=True):
                plane[coarse] = value

    def stamp(self, corner: tuple[int, int], mask: Pixels, ground: Colour, ink: Colour) -> None:
        """See `Canvas.stamp`."""
        x, y, mask = _fitted(corner, mask, self.size)
        if not mask.size:
            return
        shades = _yuv(ground, *self._matrix), _yuv(ink, *self._matrix)
        luma, *chroma = _painted(mask.tobytes(), mask.shape[1], *shades)
        self._luma[y : y + mask.shape[0], x : x + mask.shape[1]] = luma
        rows, columns = slice(y // 2, y // 2 + chroma[0].shape[0]), slice(x // 2, x // 2 + chroma[0].shape[1])
        for plane, piece in zip(self._chroma, chroma, strict=True):
            plane[rows, columns] = piece


@lru_cache(maxsize=128)
def _painted(mask: bytes, width: int, ground: Colour, ink: Colour) -> tuple[Pixels, Pixels, Pixels]:
    """The planes of a stamp, by the bytes of a mask of `width` columns. Kept for a while, as `Font.mask` is."""
    fine = np.frombuffer(mask, np.uint8).reshape(-1, width)
    # a chroma sample is the mean of its four pixels, as in a converted picture: letters leave no coloured fringe
    coarse = cv2.resize(fine, (fine.shape[1] // 2, fine.shape[0] // 2), interpolation=cv2.INTER_AREA)
    luma, u, v = _tints(ground, ink)
    return cv2.LUT(fine, luma), cv2.LUT(coarse, u), cv2.LUT(coarse, v)


def _quarters(points: Floats) -> Points:
    """`points` (S, ..., 2) in pixels as quarters of a pixel, without the entries that are not finite."""
    finite = np.isfinite(points)
    if not finite.all():
        points = points[finite.all(axis=tuple(range(1, points.ndim)))]
    near = np.minimum(np.maximum(points, -_FARTHEST), _FARTHEST)  # np.clip's checks take longer than the work
    quarters: Points = np.rint(near * (1 << _SHIFT)).astype(np.int32)
    return quarters


def _whole(points: Points) -> Points:
    """The nearest whole pixels, in quarters: there discs are round without smoothing, which would take much longer."""
    return np.rint(points / (1 << _SHIFT)).astype(np.int32) << _SHIFT


def _halved(points: Points) -> Points:
    """The same places on a plane of half the size, whose sample (0, 0) is centred on pixel (0.5, 0.5)."""
    return (points - (1 << _SHIFT) // 2) // 2


def _smoothed(width: int) -> int:
    """The thickness to ask for: smoothing widens cv2's lines by a pixel or two."""
    return width - 1 if width > 2 else width


def _polylines(plane: Pixels, lines: list[Points], colour: tuple[int, ...], width: int, smoothing: int) -> None:
    """All lines of one colour, each (2, 2), in one call: the loop over them is cv2's."""
    if lines:
        cv2.polylines(plane, lines, False, colour, width, smoothing, _SHIFT)


def _discs(plane: Pixels, centres: list[Points], colour: tuple[int, ...], width: int) -> None:
    """Discs `width` across around `centres`, each (1, 2), in one call: a closed line of one point is one round end."""
    if centres:
        cv2.polylines(plane, centres, True, colour, width, cv2.LINE_8, _SHIFT)


def _strips(box: Floats, width: int) -> list[tuple[slice, slice]]:
    """The four sides of `box`, each as its rows and its columns in whole pixels; none of a box that is not finite."""
    edges = box.tolist()
    if not all(map(isfinite, edges)):
        return []
    x1, y1, x2, y2 = (round(min(max(edge, -_FARTHEST), _FARTHEST)) - width // 2 for edge in edges)
    rows, columns = _span(y1, y2 + width), _span(x1, x2 + width)
    return [
        (_span(y1, y1 + width), columns),
        (_span(y2, y2 + width), columns),
        (rows, _span(x1, x1 + width)),
        (rows, _span(x2, x2 + width)),
    ]


def _span(start: int, stop: int) -> slice:
    """From `start` to `stop`; a slice that began before 0 would count from the end."""
    return slice(max(0, start), max(0, stop))


def _coarse(span: slice) -> slice:
    """The chroma samples that lie in `span` at least in part."""
    return slice(span.start // 2, (span.stop + 1) // 2)


def _fitted(corner: tuple[int, int], mask: Pixels, size: tuple[int, int]) -> tuple[int, int, Pixels]:
    """`corner` on even pixels, and the part of `mask` that lies inside a picture of `size`."""
    x, y = (place // 2 * 2 for place in corner)
    return x, y, mask[: max(0, size[1] - y), : max(0, size[0] - x)]


@lru_cache(maxsize=256)
def _tints(ground: Colour, ink: Colour) -> Pixels:
    """(3, 256) uint8: for each channel, the mixture of two colours for each share of ink."""
    tints: Pixels = np.rint(np.linspace(ground, ink, 256, axis=1)).astype(np.uint8)
    return tints


def yuv_of(colour: Colour, frame: av.VideoFrame) -> Colour:
    """Y, U, V of a BGR colour in `frame`'s colour space and range."""
    return _yuv(colour, luma_weights(frame.colorspace), frame.color_range == FULL_RANGE)


@lru_cache(maxsize=256)
def _yuv(colour: Colour, weights: tuple[float, float], full_range: bool) -> Colour:
    """Y, U, V of a BGR colour, by the weights of red and blue in luma (ITU-T H.273: Kr, Kb, and its two ranges)."""
    red_weight, blue_weight = weights
    blue, green, red = (channel / 255 for channel in colour)
    luma = red_weight * red + (1 - red_weight - blue_weight) * green + blue_weight * blue
    u, v = (blue - luma) / (2 * (1 - blue_weight)), (red - luma) / (2 * (1 - red_weight))
    if full_range:
        return round(255 * luma), min(255, round(128 + 255 * u)), min(255, round(128 + 255 * v))
    return round(16 + 219 * luma), round(128 + 224 * u), round(128 + 224 * v)
