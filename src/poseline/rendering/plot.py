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
_UNSEEN = 0.3
"""Share of the frames in which an angle must be known to be plotted."""
_FADED = 0.4
"""Of its colour, that a curve has before its time, and where its points are unsure."""


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
    """Draws one person's plots at the bottom of the sheet.

    Args:
        person: analysed.
        joints: whose angles are plotted, one plot each.
        strip: where.
        rows: which row of the person's arrays each frame of the log is, by its number.
        start: seconds of the first frame, of the analysis.
        end: of the last one.
    """

    def __init__(
        self, person: Person, joints: Sequence[str], strip: Strip, rows: dict[int, int], start: float, end: float
    ) -> None:
        self._person, self._joints, self._strip, self._rows = person, joints, strip, rows
        self._font = Font(max(12.0, strip.row / 11))
        count = max(1, int(np.ceil((end - start) / _PAGE - 1e-6)))
        length = max(end - start, 1e-3) if count == 1 else _PAGE
        self._pages = [(start + index * length, start + (index + 1) * length) for index in range(count)]
        self._ranges = [_range(person, joint) for joint in joints]
        self._page = lru_cache(maxsize=2)(self._drawn)

    def draw(self, sheet: Sheet) -> None:
        """Draw the plots at the time of the sheet's frame."""
        row = self._rows.get(sheet.scene.number)
        time = sheet.scene.time
        place = next((index for index, (_, end) in enumerate(self._pages) if time < end), len(self._pages) - 1)
        page = self._page(place)
        strip = page.coming.copy()
        canvas = BgrCanvas(strip)
        for index in range(len(self._joints)):
            box = self._box(index)
            x = self._across(box, page, time)
            strip[box.top : box.bottom, box.left : x] = page.gone[box.top : box.bottom, box.left : x]
            self._write_values(canvas, index, row)
            cursor = np.array([[[x, box.top], [x, box.bottom]]], np.float32)
            canvas.lines(cursor, _CURSOR, 1)
            for side in ("left", "right"):
                value = self._value(index, side, row)
                if np.isfinite(value):
                    y = self._down(box, index, np.array([value]))[0]
                    canvas.discs(np.array([[x, y]], np.float32), LIMB_COLOURS["left" if side == "left" else "right"], 4)
        _put(sheet.picture, strip)

    def _value(self, index: int, side: str, row: int | None) -> float:
        name = f"{side}_{self._joints[index]}"
        known = row is not None and name in self._person.angles.names
        return float(self._person.angles[name][row]) if known else float("nan")

    def _box(self, index: int) -> _Box:
        """The part of a plot where curves are."""
        strip, font = self._strip, int(self._font.size)
        width = strip.width // strip.columns
        left, top = (index % strip.columns) * width, (index // strip.columns) * strip.row
        return _Box(left + 3 * font, top + 2 * font, left + width - font, top + strip.row - int(2.5 * font))

    def _across(self, box: _Box, page: _Page, time: float) -> int:
        share = (time - page.start) / (page.end - page.start)
        return round(box.left + min(max(share, 0.0), 1.0) * (box.right - box.left))

    def _down(self, box: _Box, index: int, degrees: Doubles) -> Doubles:
        low, high, _ = self._ranges[index]
        top = high + _headroom(self._person, low, high)
        return box.bottom - (degrees - low) / (top - low) * (box.bottom - box.top)

    def _write_values(self, canvas: BgrCanvas, index: int, row: int | None) -> None:
        """The joint's name and the present angles above the plot."""
        box, font = self._box(index), int(self._font.size)
        x, y = box.left, box.top - int(1.75 * font)
        title = self._joints[index].capitalize()
        x += _write(canvas, self._font, title, (x, y), _TEXT, _GROUND) + font
        for side in ("left", "right"):
            if f"{side}_{self._joints[index]}" in self._person.angles.names:
                value = self._value(index, side, row)
                text = f"{side} {value:.0f}{DEGREE}" if np.isfinite(value) else f"{side} -"
                _write(canvas, self._font, text, (x, y), LIMB_COLOURS["left" if side == "left" else "right"], _GROUND)
                x += int(self._font.mask(f"{side} -180{DEGREE}").shape[1])

    def _drawn(self, place: int) -> _Page:
        start, end = self._pages[place]
        coming = np.empty((self._strip.height, self._strip.width, 3), np.uint8)
        coming[:] = _GROUND
        page = _Page(start, end, coming, coming.copy())
        for index in range(len(self._joints)):
            self._draw_frame(page, index)
        page.gone[:] = page.coming
        for index in range(len(self._joints)):
            self._draw_curves(page, index)
        return page

    def _draw_frame(self, page: _Page, index: int) -> None:
        """What stands still: ground, events, marks and their numbers."""
        box, picture, font = self._box(index), page.coming, self._font
        canvas = BgrCanvas(picture)
        picture[box.top : box.bottom, box.left : box.right] = _PANEL
        for event in self._person.repetitions:
            if event.end > page.start and event.start < page.end:
                first, last = self._across(box, page, event.start), self._across(box, page, event.end)
                picture[box.top : box.bottom, first:last] = _EVENT
        low, high, step = self._ranges[index]
        for value in np.arange(low, high + 1e-6, step):
            y = round(float(self._down(box, index, np.array([value]))[0]))
            picture[min(y, picture.shape[0] - 1), box.left : box.right] = _GRID
            mask = font.mask(f"{value:.0f}")
            corner = max(0, box.left - mask.shape[1]), max(0, y - mask.shape[0] // 2)
            canvas.stamp(corner, mask, _GROUND, _DIM)
        between = _between(_SECONDS, page.end - page.start, (box.right - box.left) / (4.5 * font.size))
        for time in np.arange(np.ceil(page.start / between) * between, page.end + 1e-6, between):
            x = self._across(box, page, float(time))
            picture[box.top : box.bottom, min(x, picture.shape[1] - 1)] = _GRID
            mask = font.mask(f"{time:.1f} s" if between < 1 else f"{time:.0f} s")
            left = min(max(0, x - mask.shape[1] // 2), picture.shape[1] - mask.shape[1])
            canvas.stamp((left, box.bottom + int(0.7 * font.size)), mask, _GROUND, _DIM)
        self._name_events(canvas, page, box)

    def _name_events(self, canvas: BgrCanvas, page: _Page, box: _Box) -> None:
        counts: dict[str, int] = {}
        for event in self._person.events:
            counts[event.kind] = counts.get(event.kind, 0) + 1
            if not page.start <= event.time <= page.end:
                continue
            x = self._across(box, page, event.time)
            if event in self._person.repetitions:
                mask = self._font.mask(f"{event.kind} {counts[event.kind]}")
                first, last = self._across(box, page, event.start), self._across(box, page, event.end)
                if last - first < mask.shape[1]:
                    mask = self._font.mask(f"{counts[event.kind]}")
                left = min(max(x - mask.shape[1] // 2, box.left), box.right - mask.shape[1])
                canvas.stamp((left, box.top + 2), mask, _EVENT, _TEXT)
            else:
                colour = LIMB_COLOURS[event.side or "middle"]
                canvas.lines(np.array([[[x, box.bottom - 8], [x, box.bottom]]], np.float32), colour, 2)

    def _draw_curves(self, page: _Page, index: int) -> None:
        box, person = self._box(index), self._person
        inside = slice(box.top, box.bottom), slice(box.left, box.right)
        times = (person.times - page.start) / (page.end - page.start) * (box.right - box.left)
        for side in ("right", "left"):
            name = f"{side}_{self._joints[index]}"
            if name not in person.angles.names:
                continue
            colour = LIMB_COLOURS["left" if side == "left" else "right"]
            heights = self._down(box, index, person.angles[name]) - box.top
            points = np.stack((times, heights), axis=1)
            weak = unsure(person, name)
            for picture, faded in ((page.coming, True), (page.gone, False)):
                plot = np.ascontiguousarray(picture[inside])
                for first, last, dim in _stretches(np.isfinite(heights), weak):
                    line = [np.rint(points[first:last] * 8).astype(np.int32)]
                    shade = _mixed(colour, _PANEL) if faded or dim else colour
                    cv2.polylines(plot, line, False, shade, 1 if faded else 2, cv2.LINE_AA, 3)
                picture[inside] = plot


class _Box(NamedTuple):
    """Pixels, the right and lower ones not included."""

    left: int
    top: int
    right: int
    bottom: int


def _write(canvas: BgrCanvas, font: Font, text: str, corner: tuple[int, int], ink: Colour, ground: Colour) -> int:
    """Write a line; returns its width."""
    mask = font.mask(text)
    canvas.stamp((max(0, corner[0]), max(0, corner[1])), mask, ground, ink)
    return int(mask.shape[1])


def _range(person: Person, joint: str) -> tuple[float, float, float]:
    """Lowest and highest mark, and degrees between marks."""
    names = [name for name in (f"left_{joint}", f"right_{joint}") if name in person.angles.names]
    values = np.concatenate([person.angles[name] for name in names])
    values = values[np.isfinite(values)]
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 90.0)
    step = _between(_DEGREES, max(high - low, 20.0), 3.5)
    low, high = np.floor(low / step) * step, np.ceil(high / step) * step
    return float(low), float(max(high, low + step)), float(step)


def _headroom(person: Person, low: float, high: float) -> float:
    """Degrees above the highest mark that the names of repetitions need."""
    return 0.25 * (high - low) if person.repetitions else 0.0


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
