"""Plots as inline SVG: lines with bands and dots over time, gaps left empty, marks of events.

Colours, strokes and letters are the style sheet's, so that a plot follows the reader's light or dark mode.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil, floor, log10

import numpy as np

from poseline.analysis.motion import Bools, Doubles
from poseline.analysis.report.markup import Markup, join, number, tag
from poseline.analysis.report.runs import columns, extremes, joined, pauses, stretches

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
    """(N,) where a point was seen with little confidence."""


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
    top, bottom = _TOP, HEIGHT - _BOTTOM
    shapes = []
    for mark in marks:
        told, x = tag("title", mark.told), frame.x(mark.time)
        if ticked(marks):
            shapes.append(tag("path", told, class_=f"event {mark.side}", d=f"M{number(x)} {number(top - 9)}v7"))
            continue
        left, right = frame.x(mark.start), frame.x(mark.end)
        if right > left:
            shapes.append(tag("rect", told, class_="stretch", x=left, y=top, width=right - left, height=bottom - top))
        shapes.append(tag("path", class_="moment", d=f"M{number(x)} {number(top)}V{number(bottom)}"))
        shapes.append(tag("text", mark.label, class_="mark", x=x, y=top - 5))
    return join(*shapes)


def ticked(marks: Sequence[Mark]) -> bool:
    """Whether marks are drawn as ticks: many, or of one side, such as steps, which overlap."""
    return len(marks) > _FEW_MARKS or any(mark.side != "middle" for mark in marks)


def _strip(curve: Curve, frame: _Frame, row: int) -> Markup:
    """Under the axis: where a curve is out of the plane, and where its points were seen with little confidence."""
    y = HEIGHT - _BOTTOM + 4 + row * (_STRIP + 2)
    parts = []
    known = np.isfinite(curve.y)
    for kind, rows in (("away", curve.away), ("unsure", curve.hidden)):
        if rows is None:
            continue
        data = [
            f"M{number(frame.x(start))} {number(y)}H{number(frame.x(end))}"
            for start, end in _covered(curve.x, rows & known)
        ]
        parts.append(tag("path", class_=kind, d="".join(data)) if data else None)
    return join(*parts)


def _covered(x: Doubles, rows: Bools) -> list[tuple[float, float]]:
    """Stretches of x, from half a step before to half a step behind the rows that are true."""
    if not rows.any():
        return []
    steps = np.diff(x)
    half = float(np.median(steps)) / 2 if len(steps) else 0.0
    edges = np.flatnonzero(np.diff(np.r_[False, rows, False]))
    first, last = (x[0], x[-1]) if len(x) > 1 else (x[0] - half, x[0] + half)
    return [
        (float(max(first, x[start] - half)), float(min(last, x[end - 1] + half)))
        for start, end in edges.reshape(-1, 2).tolist()
    ]


def _links(curve: Curve, unit: str) -> Bools:
    return joined(curve.x, curve.y, pauses(curve.x), _WRAPS if unit == "°" else np.inf)


def _band(curve: Curve, frame: _Frame, unit: str) -> Markup | None:
    data = []
    for run in stretches(_links(curve, unit), np.isfinite(curve.y) & np.isfinite(curve.spread)):
        if len(run) < 2:
            continue
        groups = columns(run, curve.x, frame.column)
        if 2 * len(groups) > len(run):
            groups = list(run[:, None])
        x = np.array([curve.x[group].mean() for group in groups])
        x[[0, -1]] = curve.x[run[[0, -1]]]
        high = np.array([(curve.y[group] + curve.spread[group]).max() for group in groups])
        low = np.array([(curve.y[group] - curve.spread[group]).min() for group in groups])
        data.append(f"M{frame.path(np.r_[x, x[::-1]], np.r_[high, low[::-1]])}Z")
    return tag("path", class_=f"band {curve.side}", d="".join(data)) if data else None


def _line(curve: Curve, frame: _Frame, unit: str) -> Markup:
    links = _links(curve, unit)
    alone = np.isfinite(curve.y) & ~(np.r_[False, links] | np.r_[links, False])
    filled = np.zeros(len(alone), bool) if curve.filled is None else curve.filled
    dashed = filled[1:] | filled[:-1]
    whole = _segments(curve, frame, links & ~dashed) + _points(curve, frame, alone & ~filled)
    guessed = _segments(curve, frame, links & dashed) + _points(curve, frame, alone & filled)
    return join(
        tag("path", class_=f"line {curve.side}", d=whole) if whole else None,
        tag("path", class_=f"line filled {curve.side}", d=guessed) if guessed else None,
    )


def _segments(curve: Curve, frame: _Frame, links: Bools) -> str:
    """The path of what is linked."""
    runs = np.split(np.arange(len(curve.x)), np.flatnonzero(~links) + 1)
    rows = [extremes(run, curve.x, curve.y, frame.column) for run in runs if len(run) > 1]
    return "".join(f"M{frame.path(curve.x[run], curve.y[run])}" for run in rows)


def _points(curve: Curve, frame: _Frame, rows: Bools) -> str:
    """The path of single points: lines of no length, whose ends are round."""
    return "".join(f"M{frame.path(curve.x[[row]], curve.y[[row]])}h0" for row in np.flatnonzero(rows).tolist())


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
