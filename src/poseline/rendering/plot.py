"""Plot: a strip below the picture where angles run along, with a cursor at the present time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange
from numpy.typing import NDArray

from poseline.analysis import Person
from poseline.frame import Pixels, plane_pixels
from poseline.luma import FULL_RANGE
from poseline.overlay import BgrCanvas, Colour, Font
from poseline.overlay.style import LIMB_COLOURS
from poseline.rendering.arcs import DEGREE, Doubles, unsure
from poseline.rendering.layers import Sheet

_GROUND: Colour = (30, 27, 24)
_PANEL: Colour = (42, 38, 34)
_GRID: Colour = (68, 62, 56)
_TEXT: Colour = (225, 222, 218)
_DIM: Colour = (150, 145, 138)
_EVENT: Colour = (66, 60, 40)
_CURSOR: Colour = (255, 255, 255)
_PAGE = 15.0
"""Seconds that are shown at once; of a longer clip, one page after another."""
_WIDE = 900
"""Pixels from which two plots stand beside each other, and not below."""
_SECONDS = (0.1, 0.2, 0.5, 1, 2, 5, 10)
"""Between marks of time."""
_DEGREES = (10, 20, 30, 45, 60, 90, 180)
"""Between marks of angle."""
_HEADROOM = 0.25
"""Of a plot's height, above its highest mark, for the names of repetitions."""
SIDES: dict[str, Colour] = {"left": LIMB_COLOURS["left"], "right": LIMB_COLOURS["right"], "middle": _TEXT}
"""The colours of curves."""
_UNSEEN = 0.3
"""Share of the frames in which an angle must be known to be plotted."""
_FADED = 0.4
"""Of its colour, that a curve has before its time, and where its points are unsure."""


@dataclass(frozen=True, eq=False)
class Curve:
    """One curve of a plot."""

    label: str
    """Such as `left`."""
    colour: Colour
    times: Doubles
    """(T,) seconds, rising."""
    values: Doubles
    """(T,) NaN where it has a hole."""
    weak: NDArray[np.bool_]
    """(T,) where it is drawn faintly, as its values are unsure."""

    def at(self, time: float) -> float:
        """The value of the nearest row; NaN before the first and behind the last."""
        if not len(self.times) or not self.times[0] - 1e-6 <= time <= self.times[-1] + 1e-6:
            return float("nan")
        place = int(np.searchsorted(self.times, time))
        near = [row for row in (place - 1, place) if 0 <= row < len(self.times)]
        return float(self.values[min(near, key=lambda row: abs(float(self.times[row]) - time))])


@dataclass(frozen=True, eq=False)
class Plot:
    """What is drawn over time in one panel."""

    title: str
    curves: tuple[Curve, ...]
    unit: str = DEGREE


@dataclass(frozen=True)
class Span:
    """A stretch of time that is named, such as a repetition."""

    start: float
    end: float
    label: str
    short: str
    """Where there is no room for the label."""


class Tick(NamedTuple):
    """A moment that is marked, such as a step."""

    time: float
    colour: Colour


def plots_of(person: Person, joints: Sequence[str]) -> list[Plot]:
    """A plot for each joint, with a curve for each side."""
    made = []
    for joint in joints:
        curves = tuple(
            Curve(side, SIDES[side], person.times, person.angles[f"{side}_{joint}"], unsure(person, f"{side}_{joint}"))
            for side in ("left", "right")
            if f"{side}_{joint}" in person.angles.names
        )
        made.append(Plot(joint.capitalize(), curves))
    return made


def spans_of(person: Person) -> list[Span]:
    """The repetitions of a person."""
    counts: dict[str, int] = {}
    found = []
    for event in person.repetitions:
        counts[event.kind] = counts.get(event.kind, 0) + 1
        number = counts[event.kind]
        found.append(Span(event.start, event.end, f"{event.kind} {number}", f"{number}"))
    return found


def ticks_of(person: Person) -> list[Tick]:
    """The steps of a person."""
    own = set(map(id, person.repetitions))
    return [Tick(event.time, SIDES[event.side or "middle"]) for event in person.events if id(event) not in own]


def plotted(person: Person, joints: Sequence[str], most: int = 2) -> list[str]:
    """The joints, `most` at most, whose angles are worth a plot: those that are known, in the order of `joints`."""
    known = [joint for joint in joints if _known(person, joint) >= _UNSEEN]
    return known[:most]


def _known(person: Person, joint: str) -> float:
    names = [name for name in (f"left_{joint}", f"right_{joint}") if name in person.angles.names]
    return max((float(np.isfinite(person.angles[name]).mean()) for name in names), default=0.0)


@dataclass(frozen=True)
class Strip:
    """Where plots stand below a picture."""

    width: int
    """Of the video, in pixels, even."""
    columns: int
    rows: int
    row: int
    """Height of a plot in pixels, even."""

    @classmethod
    def of(cls, width: int, height: int, plots: int) -> Strip:
        """For a picture of this size, in pixels."""
        columns = 2 if plots > 1 and width >= _WIDE else 1
        row = int(min(max(0.3 * height, 150), 300)) // 2 * 2
        return cls(width, columns, -(-plots // columns), row)

    @property
    def height(self) -> int:
        """In pixels, even."""
        return self.rows * self.row


class _Page(NamedTuple):
    """The strip for a stretch of time."""

    start: float
    end: float
    coming: Pixels
    """(H, W, 3) with curves as they are before their time."""
    gone: Pixels
    """... and behind it."""


class PlotLayer:
    """Draws plots at the bottom of the sheet.

    Args:
        plots: one panel each.
        strip: where.
        start: seconds of the first frame.
        end: of the last one.
        spans: stretches of time that have a name.
        ticks: moments that have a mark.
    """

    def __init__(
        self, plots: Sequence[Plot], strip: Strip, start: float, end: float,
        spans: Sequence[Span] = (), ticks: Sequence[Tick] = (),
    ) -> None:  # fmt: skip
        self._plots, self._strip, self._spans, self._ticks = plots, strip, spans, ticks
        self._font = Font(max(12.0, strip.row / 11))
        count = max(1, int(np.ceil((end - start) / _PAGE - 1e-6)))
        length = max(end - start, 1e-3) if count == 1 else _PAGE
        self._pages = [(start + index * length, start + (index + 1) * length) for index in range(count)]
        self._ranges = [_range(plot) for plot in plots]
        self._page = lru_cache(maxsize=2)(self._drawn)

    def draw(self, sheet: Sheet) -> None:
        """Draw the plots at the time of the sheet's frame."""
        time = sheet.scene.time
        place = next((index for index, (_, end) in enumerate(self._pages) if time < end), len(self._pages) - 1)
        page = self._page(place)
        strip = page.coming.copy()
        canvas = BgrCanvas(strip)
        for index, plot in enumerate(self._plots):
            box = self._box(index)
            x = self._across(box, page, time)
            strip[box.top : box.bottom, box.left : x] = page.gone[box.top : box.bottom, box.left : x]
            canvas.lines(np.array([[[x, box.top], [x, box.bottom]]], np.float32), _CURSOR, 1)
            values = [(curve, curve.at(time)) for curve in plot.curves]
            self._write_values(canvas, box, plot, values)
            for curve, value in values:
                if np.isfinite(value):
                    y = self._down(box, index, np.array([value]))[0]
                    canvas.discs(np.array([[x, y]], np.float32), curve.colour, 4)
        _put(sheet.picture, strip)

    def _box(self, index: int) -> _Box:
        """The part of a plot where curves are."""
        strip, font = self._strip, int(self._font.size)
        width = strip.width // strip.columns
        left, top = (index % strip.columns) * width, (index // strip.columns) * strip.row
        return _Box(left + 3 * font, top + 2 * font, left + width - font, top + strip.row - int(2.5 * font))

    def _across(self, box: _Box, page: _Page, time: float) -> int:
        share = (time - page.start) / (page.end - page.start)
        return round(box.left + min(max(share, 0.0), 1.0) * (box.right - box.left))

    def _down(self, box: _Box, index: int, values: Doubles) -> Doubles:
        low, high, _ = self._ranges[index]
        top = high + (_HEADROOM * (high - low) if self._spans else 0.0)
        return box.bottom - (values - low) / (top - low) * (box.bottom - box.top)

    def _write_values(self, canvas: BgrCanvas, box: _Box, plot: Plot, values: Sequence[tuple[Curve, float]]) -> None:
        """The title and the present values above the plot."""
        x, y = box.left, box.top - int(1.75 * self._font.size)
        x += self._write(canvas, plot.title, (x, y), _TEXT) + int(self._font.size)
        for curve, value in values:
            text = f"{curve.label} {value:.0f}{plot.unit}" if np.isfinite(value) else f"{curve.label} -"
            self._write(canvas, text, (x, y), curve.colour)
            x += int(self._font.mask(f"{curve.label} -180{plot.unit}").shape[1])

    def _write(self, canvas: BgrCanvas, text: str, corner: tuple[int, int], ink: Colour) -> int:
        """Write a line; returns its width."""
        mask = self._font.mask(text)
        canvas.stamp((max(0, corner[0]), max(0, corner[1])), mask, _GROUND, ink)
        return int(mask.shape[1])

    def _drawn(self, place: int) -> _Page:
        start, end = self._pages[place]
        coming = np.empty((self._strip.height, self._strip.width, 3), np.uint8)
        coming[:] = _GROUND
        page = _Page(start, end, coming, coming.copy())
        for index in range(len(self._plots)):
            self._draw_frame(page, index)
        page.gone[:] = page.coming
        for index in range(len(self._plots)):
            self._draw_curves(page, index)
        return page

    def _draw_frame(self, page: _Page, index: int) -> None:
        """What stands still: ground, named stretches, marks and their numbers."""
        box, picture, font = self._box(index), page.coming, self._font
        canvas = BgrCanvas(picture)
        picture[box.top : box.bottom, box.left : box.right] = _PANEL
        for span in self._spans:
            if span.end > page.start and span.start < page.end:
                first, last = self._across(box, page, span.start), self._across(box, page, span.end)
                picture[box.top : box.bottom, first:last] = _EVENT
        low, high, step = self._ranges[index]
        for value in np.arange(low, high + 1e-6, step):
            y = round(float(self._down(box, index, np.array([value]))[0]))
            picture[min(y, picture.shape[0] - 1), box.left : box.right] = _GRID
            mask = font.mask(f"{value:.0f}")
            canvas.stamp((max(0, box.left - mask.shape[1]), max(0, y - mask.shape[0] // 2)), mask, _GROUND, _DIM)
        between = _between(_SECONDS, page.end - page.start, (box.right - box.left) / (4.5 * font.size))
        for time in np.arange(np.ceil(page.start / between) * between, page.end + 1e-6, between):
            x = self._across(box, page, float(time))
            picture[box.top : box.bottom, min(x, picture.shape[1] - 1)] = _GRID
            mask = font.mask(f"{time:.1f} s" if between < 1 else f"{time:.0f} s")
            left = min(max(0, x - mask.shape[1] // 2), picture.shape[1] - mask.shape[1])
            canvas.stamp((left, box.bottom + int(0.7 * font.size)), mask, _GROUND, _DIM)
        self._name_spans(canvas, page, box)
        for tick in self._ticks:
            if page.start <= tick.time <= page.end:
                x = self._across(box, page, tick.time)
                canvas.lines(np.array([[[x, box.bottom - 8], [x, box.bottom]]], np.float32), tick.colour, 2)

    def _name_spans(self, canvas: BgrCanvas, page: _Page, box: _Box) -> None:
        for span in self._spans:
            if span.end > page.start and span.start < page.end:
                first, last = self._across(box, page, span.start), self._across(box, page, span.end)
                mask = self._font.mask(span.label)
                if last - first < mask.shape[1]:
                    mask = self._font.mask(span.short)
                left = min(max((first + last - mask.shape[1]) // 2, box.left), box.right - mask.shape[1])
                canvas.stamp((left, box.top + 2), mask, _EVENT, _TEXT)

    def _draw_curves(self, page: _Page, index: int) -> None:
        box = self._box(index)
        inside = slice(box.top, box.bottom), slice(box.left, box.right)
        for curve in reversed(self._plots[index].curves):
            across = (curve.times - page.start) / (page.end - page.start) * (box.right - box.left)
            points = np.stack((across, self._down(box, index, curve.values) - box.top), axis=1)
            for picture, faded in ((page.coming, True), (page.gone, False)):
                plot = np.ascontiguousarray(picture[inside])
                for first, last, weak in _stretches(np.isfinite(curve.values), curve.weak):
                    line = [np.rint(points[first:last] * 8).astype(np.int32)]
                    shade = _mixed(curve.colour, _PANEL) if faded or weak else curve.colour
                    cv2.polylines(plot, line, False, shade, 1 if faded else 2, cv2.LINE_AA, 3)
                picture[inside] = plot


class _Box(NamedTuple):
    """Pixels, the right and lower ones not included."""

    left: int
    top: int
    right: int
    bottom: int


def _range(plot: Plot) -> tuple[float, float, float]:
    """Lowest and highest mark, and what is between two."""
    values = np.concatenate([curve.values for curve in plot.curves]) if plot.curves else np.zeros(0)
    values = values[np.isfinite(values)]
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 90.0)
    step = _between(_DEGREES, max(high - low, 20.0), 3.5)
    low, high = np.floor(low / step) * step, np.ceil(high / step) * step
    return float(low), float(max(high, low + step)), float(step)


def _between(steps: Sequence[float], length: float, most: float) -> float:
    """The smallest step of which no more than `most` go into `length`."""
    return next((step for step in steps if length / step <= most), steps[-1])


def _stretches(known: NDArray[np.bool_], weak: NDArray[np.bool_]) -> list[tuple[int, int, bool]]:
    """First and last (not included) row of each stretch of known values that are all weak, or all not."""
    kind = np.where(known, 1 + weak, 0)
    changes = np.flatnonzero(np.diff(kind)) + 1
    bounds = [0, *changes.tolist(), len(kind)]
    found = []
    for first, last in pairwise(bounds):
        if kind[first]:
            joined = last + 1 if last < len(kind) and kind[last] else last  # no hole between two stretches
            found.append((first, joined, kind[first] == 2))
    return found


def _mixed(colour: Colour, ground: Colour) -> Colour:
    blue, green, red = (round(_FADED * ink + (1 - _FADED) * paper) for ink, paper in zip(colour, ground, strict=True))
    return blue, green, red


def _put(picture: av.VideoFrame, strip: Pixels) -> None:
    """Cover the lowest rows of a yuv420p picture with `strip`, (H, W, 3) BGR."""
    full = picture.color_range == FULL_RANGE
    converted = av.VideoFrame.from_numpy_buffer(strip, format="bgr24").reformat(
        format="yuv420p", dst_colorspace=picture.colorspace if picture.colorspace in (1, 5, 6, 7, 9) else 5,
        dst_color_range=ColorRange.JPEG if full else ColorRange.MPEG,
    )  # fmt: skip
    for source, target in zip(converted.planes, picture.planes, strict=True):
        pixels = plane_pixels(source)
        plane_pixels(target)[-pixels.shape[0] :, : pixels.shape[1]] = pixels
