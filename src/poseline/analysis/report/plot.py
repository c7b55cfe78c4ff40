"""Plots as inline SVG: lines with bands and dots over time, gaps left empty, marks of events.

Colours, strokes and letters are the style sheet's, so that a plot follows the reader's light or dark mode.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil, floor, log10

import numpy as np

from poseline.analysis.motion import Bools, Doubles, Integers
from poseline.analysis.report.markup import Markup, join, number, tag
from poseline.analysis.report.runs import columns, extremes, joined, pauses, unbroken

WIDTH, HEIGHT = 440.0, 204.0
"""Of a plot, in its own units; letters are 12 of them."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 44.0, 26.0, 20.0, 40.0
_STRIP = 4.0
"""Height of the strips under a plot that say where a curve is not to be trusted."""
_COLUMNS = 220
"""How many places across a plot are told apart."""
_DEGREES = (1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 45.0, 60.0, 90.0, 180.0, 360.0)
_FEW_MARKS = 12
"""Events up to which each has its stretch and its number; more are ticks."""
_WRAPS = 180.0


@dataclass(frozen=True, eq=False)
class Curve:
    """One line of a plot, over N places."""

    side: str
    """`left`, `right` or `middle`: it decides the colour."""
    x: Doubles
    """(N,) rising."""
    y: Doubles
    """(N,) NaN where there is a gap."""
    spread: Doubles
    """(N,) half the height of the band; NaN: none."""
    dots: Doubles | None = None
    """(N,) as measured, NaN where nothing was."""
    filled: Bools | None = None
    """(N,) where the line rests on what was filled in; it is dashed there."""
    away: Bools | None = None
    """(N,) where the movement is out of the picture's plane."""
    hidden: Bools | None = None
    """(N,) where it was not seen well."""


@dataclass(frozen=True)
class Mark:
    """An event on the axis."""

    start: float
    time: float
    end: float
    label: str
    told: str
    """Of what it is, for who points at it."""
    side: str = "middle"


@dataclass(frozen=True, eq=False)
class Plot:
    """What one plot shows."""

    title: str
    told: str
    """The same in a sentence, for who cannot see it."""
    unit: str
    """Of y: `°`, or any other."""
    curves: Sequence[Curve]
    span: tuple[float, float]
    """First and last x."""
    x_unit: str = "s"
    marks: Sequence[Mark] = field(default=())


def drawn(plot: Plot) -> Markup:
    """A plot as an SVG element."""
    low, high, step = _axis(plot)
    frame = _Frame(plot.span, (low, high))
    return tag(
        "svg",
        tag("title", plot.told),
        _marks(plot.marks, frame),
        _grid(frame, step, plot),
        *(_strip(curve, frame, row) for row, curve in enumerate(plot.curves)),
        *(_band(curve, frame, plot.unit) for curve in plot.curves),
        *(_dots(curve, frame) for curve in plot.curves),
        *(_line(curve, frame, plot.unit) for curve in plot.curves),
        class_="plot",
        viewBox=f"0 0 {number(WIDTH)} {number(HEIGHT)}",
        role="img",
    )


@dataclass(frozen=True)
class _Frame:
    """Where values lie in the picture."""

    across: tuple[float, float]
    up: tuple[float, float]

    @property
    def column(self) -> float:
        """How far in x two places are from each other that are told apart."""
        return (self.across[1] - self.across[0]) / _COLUMNS

    def x(self, value: float) -> float:
        first, last = self.across
        value = min(max(value, first), last)
        return _LEFT + (value - first) / (last - first) * (WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        low, high = self.up
        inside = min(max(value, low), high)
        return HEIGHT - _BOTTOM - (inside - low) / (high - low) * (HEIGHT - _TOP - _BOTTOM)

    def path(self, x: Doubles, y: Doubles) -> str:
        """Points one after another, as a path's data has them."""
        return "L".join(f"{number(self.x(a))} {number(self.y(b))}" for a, b in zip(x.tolist(), y.tolist(), strict=True))


def _axis(plot: Plot) -> tuple[float, float, float]:
    """Lowest and highest y, and the step from one line to the next.

    What was measured far outside is drawn at the edge: a single wild dot is not to flatten everything.
    """
    values = [curve.y[np.isfinite(curve.y)] for curve in plot.curves]
    for curve in plot.curves:
        known = np.isfinite(curve.y) & np.isfinite(curve.spread)
        values += [curve.y[known] - curve.spread[known], curve.y[known] + curve.spread[known]]
        if curve.dots is not None and np.isfinite(curve.dots).any():
            values.append(np.nanpercentile(curve.dots, [2.0, 98.0]))
    every = np.concatenate(values) if values else np.zeros(0)
    low, high = (float(every.min()), float(every.max())) if len(every) else (0.0, 1.0)
    least = 10.0 if plot.unit == "°" else 0.1
    if high - low < least:
        low, high = (low + high - least) / 2, (low + high + least) / 2
    step = _step((high - low) / 4, plot.unit)
    return floor(low / step) * step, ceil(high / step) * step, step


def _step(least: float, unit: str) -> float:
    """A round number that is at least so large."""
    if unit == "°" and least <= _DEGREES[-1]:
        return next(step for step in _DEGREES if step >= least)
    power = 10.0 ** floor(log10(least))
    return float(next(step for step in (power, 2 * power, 5 * power, 10 * power) if step >= least * 0.999))


def _ticks(low: float, high: float, step: float) -> list[float]:
    first = ceil(low / step - 1e-9)
    return [step * index for index in range(first, floor(high / step + 1e-9) + 1)]


def _grid(frame: _Frame, step: float, plot: Plot) -> Markup:
    bottom, right = HEIGHT - _BOTTOM, WIDTH - _RIGHT
    across = _step((frame.across[1] - frame.across[0]) / 6, plot.x_unit)
    lines, letters = [], []
    for value in _ticks(*frame.up, step):
        y, kind = frame.y(value), "zero" if abs(value) < step / 1e6 else "grid"
        lines.append(tag("path", class_=kind, d=f"M{number(_LEFT)} {number(y)}H{number(right)}"))
        letters.append(tag("text", _label(value, step, plot.unit), class_="y", x=_LEFT - 5, y=y + 4))
    places = _ticks(*frame.across, across)
    for value in places:
        x, unit = frame.x(value), plot.x_unit if value == places[-1] else ""
        lines.append(tag("path", class_="tick", d=f"M{number(x)} {number(bottom)}v3"))
        letters.append(tag("text", f"{_label(value, across, '')} {unit}".rstrip(), class_="x", x=x, y=HEIGHT - 9))
    return join(*lines, *letters)


def _label(value: float, step: float, unit: str) -> str:
    places = max(0, -floor(log10(step) + 1e-9))
    text = f"{value:.{places}f}"
    text = text if float(text) else text.lstrip("-")
    return text.replace("-", "\N{MINUS SIGN}") + (unit if unit == "°" else "")


def _marks(marks: Sequence[Mark], frame: _Frame) -> Markup:
    if ticked(marks):
        return join(*(_ticked(marks, side, frame) for side in ("left", "right", "middle")))
    top, bottom = _TOP, HEIGHT - _BOTTOM
    shapes = []
    for mark in marks:
        x, left, right = frame.x(mark.time), frame.x(mark.start), frame.x(mark.end)
        if right > left:
            told = tag("title", mark.told)
            shapes.append(tag("rect", told, class_="stretch", x=left, y=top, width=right - left, height=bottom - top))
        shapes.append(tag("path", class_="moment", d=f"M{number(x)} {number(top)}V{number(bottom)}"))
        shapes.append(tag("text", mark.label, class_="mark", x=x, y=top - 5))
    return join(*shapes)


def _ticked(marks: Sequence[Mark], side: str, frame: _Frame) -> Markup | None:
    """Marks of a side as ticks; of those that would lie on one another, one."""
    places = dict.fromkeys(round(frame.x(mark.time)) for mark in marks if mark.side == side)
    data = "".join(f"M{place} {number(_TOP - 9)}v7" for place in places)
    return tag("path", class_=f"event {side}", d=data) if data else None


def ticked(marks: Sequence[Mark]) -> bool:
    """Whether marks are drawn as ticks: many, or of one side, such as steps, which overlap."""
    return len(marks) > _FEW_MARKS or any(mark.side != "middle" for mark in marks)


def _strip(curve: Curve, frame: _Frame, row: int) -> Markup:
    """Under the axis: where a curve is out of the plane, and where it was not seen well."""
    y = HEIGHT - _BOTTOM + 4 + row * (_STRIP + 2)
    parts = []
    known = np.isfinite(curve.y)
    for kind, rows in (("away", curve.away), ("unsure", curve.hidden)):
        if rows is None:
            continue
        data = [
            f"M{number(frame.x(start))} {number(y)}H{number(frame.x(end))}"
            for start, end in _covered(curve.x, rows & known, frame.column)
        ]
        parts.append(tag("path", class_=kind, d="".join(data)) if data else None)
    return join(*parts)


def _covered(x: Doubles, rows: Bools, least: float) -> list[tuple[float, float]]:
    """Stretches of x, from half a step before to half a step behind the rows that are true.

    What is not farther apart than `least` is one.
    """
    if not rows.any():
        return []
    steps = np.diff(x)
    half = float(np.median(steps)) / 2 if len(steps) else 0.0
    edges = np.flatnonzero(np.diff(np.r_[False, rows, False])).reshape(-1, 2)
    starts, ends = x[edges[:, 0]], x[edges[:, 1] - 1]
    apart = np.flatnonzero(starts[1:] - ends[:-1] > least + 2 * half)
    starts, ends = starts[np.r_[0, apart + 1]] - half, ends[np.r_[apart, len(ends) - 1]] + half
    first, last = (x[0], x[-1]) if len(x) > 1 else (starts[0], ends[-1])
    return list(zip(np.maximum(starts, first).tolist(), np.minimum(ends, last).tolist(), strict=True))


def _links(curve: Curve, unit: str) -> Bools:
    return joined(curve.x, curve.y, pauses(curve.x), _WRAPS if unit == "°" else np.inf)


def _band(curve: Curve, frame: _Frame, unit: str) -> Markup | None:
    rows = np.flatnonzero(np.isfinite(curve.y) & np.isfinite(curve.spread))
    if not len(rows):
        return None
    groups = columns(rows, curve.x, frame.column) if len(rows) > 2 * _COLUMNS else list(rows[:, None])
    ends = np.array([(group[0], group[-1]) for group in groups])
    x = np.array([curve.x[group].mean() for group in groups])
    high = np.array([(curve.y[group] + curve.spread[group]).max() for group in groups])
    low = np.array([(curve.y[group] - curve.spread[group]).min() for group in groups])
    linked = unbroken(
        _links(curve, unit) & np.isfinite(curve.spread[1:] + curve.spread[:-1]), ends[:-1, 1], ends[1:, 0]
    )
    data = "".join(
        f"M{frame.path(np.r_[x[run], x[run[::-1]]], np.r_[high[run], low[run[::-1]]])}Z"
        for run in np.split(np.arange(len(groups)), np.flatnonzero(~linked) + 1)
        if len(run) > 1
    )
    return tag("path", class_=f"band {curve.side}", d=data) if data else None


def _line(curve: Curve, frame: _Frame, unit: str) -> Markup:
    rows = extremes(np.flatnonzero(np.isfinite(curve.y)), curve.x, curve.y, frame.column)
    linked = unbroken(_links(curve, unit), rows[:-1], rows[1:])
    alone = ~(np.r_[False, linked] | np.r_[linked, False])
    filled = np.zeros(len(curve.x), bool) if curve.filled is None else curve.filled
    dashed = filled[rows[1:]] | filled[rows[:-1]]
    parts = (
        (f"line {curve.side}", linked & ~dashed, alone & ~filled[rows]),
        (f"line filled {curve.side}", linked & dashed, alone & filled[rows]),
    )
    return join(*(_stroke(kind, curve, frame, rows, links, points) for kind, links, points in parts if len(rows)))


def _stroke(kind: str, curve: Curve, frame: _Frame, rows: Integers, links: Bools, points: Bools) -> Markup | None:
    """The path of what links join, and of single points, which are lines of no length with round ends."""
    runs = [run for run in np.split(rows, np.flatnonzero(~links) + 1) if len(run) > 1]
    data = "".join(f"M{frame.path(curve.x[run], curve.y[run])}" for run in runs)
    data += "".join(f"M{frame.path(curve.x[[row]], curve.y[[row]])}h0" for row in rows[points].tolist())
    return tag("path", class_=kind, d=data) if data else None


def _dots(curve: Curve, frame: _Frame) -> Markup | None:
    if curve.dots is None:
        return None
    rows = np.flatnonzero(np.isfinite(curve.dots))
    if len(rows) > 2 * _COLUMNS:
        groups = columns(rows, curve.x, frame.column)
        ends = [(group[curve.dots[group].argmin()], group[curve.dots[group].argmax()]) for group in groups]
        rows = np.unique(np.array(ends))
    data = "".join(
        f"M{number(frame.x(x))} {number(frame.y(y))}h0"
        for x, y in zip(curve.x[rows].tolist(), curve.dots[rows].tolist(), strict=True)
    )
    return tag("path", class_=f"dots {curve.side}", d=data) if data else None
