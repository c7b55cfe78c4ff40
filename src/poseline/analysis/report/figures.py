"""The plots of one person: each angle over time, over a repetition, and the speed of the hips."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from poseline.analysis.report import plot as plots
from poseline.analysis.report import words
from poseline.analysis.report.cycles import PLACES, Cycle, cycle, spans
from poseline.analysis.report.markup import Markup, tag
from poseline.analysis.report.numbers import seconds
from poseline.analysis.report.plot import Curve, Mark, Plot, drawn
from poseline.analysis.report.subject import Subject

FIRST = ("knee", "hip", "ankle", "shoulder", "elbow", "wrist", "lean")
"""Angles whose plots come first, and are printed; the others are folded away."""
_LEFT_OUT = ("trunk",)
"""The lean says the same."""
_SHORTEST = 1e-3
"""Seconds that an axis spans at least."""


def over_time(subject: Subject, bases: Iterable[str]) -> list[Markup]:
    """A figure for each angle that has a value at some time."""
    marks = _marks(subject)
    return [_figure(plot) for own in bases if (plot := _angle_plot(subject, own, marks)) is not None]


def first(subject: Subject) -> list[str]:
    """Angles that are shown at once."""
    return [own for own in FIRST if own in subject.bases]


def others(subject: Subject) -> list[str]:
    """Angles that are folded away."""
    return [own for own in subject.bases if own not in FIRST + _LEFT_OUT]


def over_a_cycle(subject: Subject, kind: str) -> list[Markup]:
    """A figure for each of the first angles: the mean of all repetitions, and how far they spread."""
    figures = []
    for own in first(subject):
        curves, told = [], []
        for side, column in subject.sides(own):
            bounds = spans(subject.found.events, kind, side)
            mean = cycle(subject.times, subject.degrees[:, column], bounds)
            if mean is not None:
                curves.append(_cycle_curve(side, mean))
                told.append(f"{side} of {len(mean.each)}" if side != "middle" else f"of {len(mean.each)}")
        if curves:
            title = words.angle(own, subject.from_the_front)
            sentence = (
                f"{title} over a {cycle_name(kind)} from 0 to 100 %, mean {', '.join(told)}, with standard deviation"
            )
            figures.append(_figure(Plot(title, sentence, "°", curves, (0.0, 100.0), "%")))
    return figures


def cycle_caption(subject: Subject, kind: str) -> str:
    """What 0 and 100 % are, and of how many repetitions."""
    counts = {side: len(spans(subject.found.events, kind, side)) for side in ("left", "right")}
    if kind == "step":
        return (
            f"One stride: 0 % is a foot's contact with the floor, 100 % the same foot's next one, each side by its own "
            f"({counts['left']} of the left, {counts['right']} of the right)."
        )
    if kind == "jump":
        return f"0 % is take-off, 100 % landing ({counts['left']} in all)."
    return f"0 % is the start of a {words.event(kind)}, 100 % its end ({counts['left']} in all)."


def speed(subject: Subject) -> Markup | None:
    """A figure of how fast the hips move; None where that is not known."""
    if subject.hips_speed is None or not subject.moves:
        return None
    across, sigma = subject.hips_speed
    if not np.isfinite(across).any():
        return None
    curve = Curve("middle", subject.times, across, sigma)
    told = "Speed of the hips across the picture over time in metres a second, positive to the right"
    return _figure(Plot("Speed of the hips, m/s", told, "m/s", [curve], _span(subject), marks=_marks(subject)))


def ticked(subject: Subject) -> bool:
    """Whether events are ticks in the plots, since they are many or of one side."""
    return plots.ticked(_marks(subject))


def _figure(plot: Plot) -> Markup:
    return tag("figure", tag("figcaption", plot.title), drawn(plot), class_="plot-card")


def _angle_plot(subject: Subject, own: str, marks: Sequence[Mark]) -> Plot | None:
    curves = [_angle_curve(subject, side, column) for side, column in subject.sides(own)]
    curves = [curve for curve in curves if np.isfinite(curve.y).any()]
    if not curves:
        return None
    title = words.angle(own, subject.from_the_front)
    sides = " and ".join(curve.side for curve in curves if curve.side != "middle")
    low = min(float(np.nanmin(curve.y)) for curve in curves)
    high = max(float(np.nanmax(curve.y)) for curve in curves)
    told = f"{title}{f', {sides}' if sides else ''}, over time in degrees: from {low:.0f} to {high:.0f}"
    return Plot(title, told, "°", curves, _span(subject), marks=marks)


def _angle_curve(subject: Subject, side: str, column: int) -> Curve:
    return Curve(
        side,
        subject.times,
        subject.degrees[:, column],
        np.where(subject.well[:, column] | subject.found.angle_hidden[:, column], subject.sigma[:, column], np.nan),
        dots=subject.found.raw_angles[:, column],
        filled=subject.filled[:, column],
        away=subject.found.plane.away[:, column],
        hidden=~subject.well[:, column],
    )


def _cycle_curve(side: str, mean: Cycle) -> Curve:
    return Curve(side, np.linspace(0.0, 100.0, PLACES), mean.mean, mean.spread)


def cycle_name(kind: str) -> str:
    """What one repetition is called."""
    return "stride" if kind == "step" else words.event(kind)


def _span(subject: Subject) -> tuple[float, float]:
    start, end = float(subject.times[0]), float(subject.times[-1])
    return (start, end) if end - start > _SHORTEST else (start - 0.5, end + 0.5)


def _marks(subject: Subject) -> list[Mark]:
    marks = []
    for kind in subject.kinds:
        for place, event in enumerate(subject.events(kind), 1):
            if not np.isfinite([event.start, event.time, event.end]).all():
                continue
            side = f", {event.side}" if event.side else ""
            told = f"{words.event(kind)} {place}{side}: {seconds(event.start)} to {seconds(event.end)}"
            marks.append(Mark(event.start, event.time, event.end, str(place), told, event.side or "middle"))
    return sorted(marks, key=lambda mark: mark.time)
