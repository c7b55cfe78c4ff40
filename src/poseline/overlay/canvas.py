"""Canvas: four drawing primitives with the same look on a BGR array and on the YUV planes of a video frame."""

from __future__ import annotations

from functools import lru_cache
from typing import Protocol, TypeAlias

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from poseline.frame import Pixels, plane_pixels
from poseline.pose import Floats

Colour: TypeAlias = tuple[int, int, int]
"""Blue, green, red, each 0..255."""
Points: TypeAlias = NDArray[np.int32]
"""(..., 2) x, y in quarters of a pixel, as cv2 takes them with `_SHIFT`."""

_SHIFT = 2
_FARTHEST = 100_000
"""Pixels from the origin to which coordinates are clipped: cv2 computes in fixed point, and would wrap around."""
_BT709 = 1
_FULL_RANGE = 2


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
        _polylines(self._pixels, _quarters(segments), colour, _smoothed(width), cv2.LINE_AA)

    def discs(self, centres: Floats, colour: Colour, radius: int) -> None:
        """See `Canvas.discs`."""
        _discs(self._pixels, _quarters(centres), colour, radius)

    def rectangle(self, box: Floats, colour: Colour, width: int) -> None:
        """See `Canvas.rectangle`."""
        for left, top, right, bottom in _strips(box, width):
            self._pixels[top:bottom, left:right] = colour

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
        self._matrix = (frame.colorspace == _BT709, frame.color_range == _FULL_RANGE)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self._luma.shape[1], self._luma.shape[0]

    def lines(self, segments: Floats, colour: Colour, width: int) -> None:
        """See `Canvas.lines`."""
        luma, *chroma = _yuv(colour, *self._matrix)
        points = _quarters(segments)
        _polylines(self._luma, points, (luma,), _smoothed(width), cv2.LINE_AA)
        half = max(1, width // 2)
        smoothing = cv2.LINE_AA if half == 1 else cv2.LINE_8  # unsmoothed, a line one pixel wide would be gappy
        for plane, value in zip(self._chroma, chroma, strict=True):
            _polylines(plane, _halved(points), (value,), half, smoothing)

    def discs(self, centres: Floats, colour: Colour, radius: int) -> None:
        """See `Canvas.discs`."""
        luma, *chroma = _yuv(colour, *self._matrix)
        points = _quarters(centres)
        _discs(self._luma, points, (luma,), radius)
        # with round ends, a wide line without length is a disc: too rough on luma, and one call for all here
        without_length = np.repeat(_halved(points)[:, None], 2, axis=1)
        for plane, value in zip(self._chroma, chroma, strict=True):
            _polylines(plane, without_length, (value,), radius, cv2.LINE_8)

    def rectangle(self, box: Floats, colour: Colour, width: int) -> None:
        """See `Canvas.rectangle`."""
        luma, *chroma = _yuv(colour, *self._matrix)
        for left, top, right, bottom in _strips(box, width):
            self._luma[top:bottom, left:right] = luma
            for plane, value in zip(self._chroma, chroma, strict=True):
                plane[top // 2 : (bottom + 1) // 2, left // 2 : (right + 1) // 2] = value

    def stamp(self, corner: tuple[int, int], mask: Pixels, ground: Colour, ink: Colour) -> None:
        """See `Canvas.stamp`."""
        x, y, mask = _fitted(corner, mask, self.size)
        if not mask.size:
            return
        luma, *chroma = _tints(_yuv(ground, *self._matrix), _yuv(ink, *self._matrix))
        cv2.LUT(mask, luma, self._luma[y : y + mask.shape[0], x : x + mask.shape[1]])
        # a chroma sample is the mean of its four pixels, as in a converted picture: letters leave no coloured fringe
        coarse = cv2.resize(mask, (mask.shape[1] // 2, mask.shape[0] // 2), interpolation=cv2.INTER_AREA)
        rows, columns = slice(y // 2, y // 2 + coarse.shape[0]), slice(x // 2, x // 2 + coarse.shape[1])
        for plane, tints in zip(self._chroma, chroma, strict=True):
            cv2.LUT(coarse, tints, plane[rows, columns])


def _quarters(points: Floats) -> Points:
    """`points` (S, ..., 2) in pixels as quarters of a pixel, without the entries that are not finite."""
    finite = points[np.isfinite(points).all(axis=tuple(range(1, points.ndim)))]
    return np.rint(np.clip(finite, -_FARTHEST, _FARTHEST) * (1 << _SHIFT)).astype(np.int32)


def _halved(points: Points) -> Points:
    """The same places on a plane of half the size, whose sample (0, 0) is centred on pixel (0.5, 0.5)."""
    return (points - (1 << _SHIFT) // 2) // 2


def _smoothed(width: int) -> int:
    """The thickness to ask for: smoothing widens cv2's lines by a pixel or two."""
    return width - 1 if width > 2 else width


def _polylines(plane: Pixels, points: Points, colour: tuple[int, ...], width: int, smoothing: int) -> None:
    """All lines of one colour in one call: the loop over them is cv2's."""
    if len(points):
        cv2.polylines(plane, list(points), False, colour, width, smoothing, _SHIFT)


def _discs(plane: Pixels, centres: Points, colour: tuple[int, ...], radius: int) -> None:
    """On whole pixels: there cv2's circles are round without smoothing, which would take several times as long."""
    for centre in (np.rint(centres / (1 << _SHIFT))).astype(int).tolist():
        cv2.circle(plane, centre, radius, colour, cv2.FILLED)


def _strips(box: Floats, width: int) -> list[tuple[int, int, int, int]]:
    """The four sides of `box`, each as left, top, right, bottom in whole pixels, right and bottom exclusive."""
    if not np.isfinite(box).all():
        return []
    x1, y1, x2, y2 = (round(min(max(place, -_FARTHEST), _FARTHEST)) - width // 2 for place in box.tolist())
    sides = (
        (x1, y1, x2 + width, y1 + width),
        (x1, y2, x2 + width, y2 + width),
        (x1, y1, x1 + width, y2 + width),
        (x2, y1, x2 + width, y2 + width),
    )
    return [(max(0, left), max(0, top), max(0, right), max(0, bottom)) for left, top, right, bottom in sides]


def _fitted(corner: tuple[int, int], mask: Pixels, size: tuple[int, int]) -> tuple[int, int, Pixels]:
    """`corner` on even pixels, and the part of `mask` that lies inside a picture of `size`."""
    x, y = (place // 2 * 2 for place in corner)
    return x, y, mask[: max(0, size[1] - y), : max(0, size[0] - x)]


@lru_cache(maxsize=256)
def _tints(ground: Colour, ink: Colour) -> Pixels:
    """(3, 256) uint8: for each channel, the mixture of two colours for each share of ink."""
    tints: Pixels = np.rint(np.linspace(ground, ink, 256, axis=1)).astype(np.uint8)
    return tints


@lru_cache(maxsize=256)
def _yuv(colour: Colour, bt709: bool, full_range: bool) -> Colour:
    """Y, U, V of a BGR colour (ITU-T H.273: Kr, Kb of its MatrixCoefficients 1 and 6, and its two ranges)."""
    red_weight, blue_weight = (0.2126, 0.0722) if bt709 else (0.299, 0.114)
    blue, green, red = (channel / 255 for channel in colour)
    luma = red_weight * red + (1 - red_weight - blue_weight) * green + blue_weight * blue
    u, v = (blue - luma) / (2 * (1 - blue_weight)), (red - luma) / (2 * (1 - red_weight))
    if full_range:
        return round(255 * luma), min(255, round(128 + 255 * u)), min(255, round(128 + 255 * v))
    return round(16 + 219 * luma), round(128 + 224 * u), round(128 + 224 * v)
