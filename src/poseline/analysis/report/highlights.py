"""The moments of a person that are shown as pictures: the deepest squat, the take-off, the widest split."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from poseline.analysis.event import Event, Quantity
from poseline.analysis.report import words
from poseline.analysis.report.numbers import seconds, with_unit
from poseline.analysis.report.subject import Subject

MOST = 3
"""Pictures of a subject."""
_NEAR = 0.1
"""Seconds from a moment at which a frame must have been seen."""
_APART = 3.0
"""Standard uncertainties from which two squats are not of the same depth."""
_ENOUGH = 0.5
"""Share of the points that must be known in it."""


@dataclass(frozen=True)
class Highlight:
    """A frame that is worth a picture."""

    title: str
    row: int
    """Of the person's frames."""
    told: tuple[str, ...]
    """What was measured in it, a line each."""


def highlights(subject: Subject) -> list[Highlight]:
    """The moments of the kind of event that fills most time; without any, how the person was seen best."""
    for kind in subject.kinds:
        moments = _MOMENTS.get(kind, _any)(subject.events(kind))
        shown = _shown(subject, moments, _SAID.get(kind, ("knee", "elbow")))
        if shown:
            return shown
    return _shown(subject, _without_events(subject), ("knee", "hip", "elbow"))


Moment = tuple[str, float]
"""A title, and a time in seconds."""


def _squats(events: Sequence[Event]) -> list[Moment]:
    depths = [event.values.get("depth", Quantity(float("nan"), float("nan"), "")) for event in events]
    values = np.nan_to_num([depth.value for depth in depths])
    sigma = float(np.nan_to_num([depth.sigma for depth in depths]).max())
    deepest, flattest = int(values.argmax()), int(values.argmin())
    event, of = events[deepest], f" of {len(events)}" if len(events) > 1 else ""
    if values[deepest] - values[flattest] > _APART * sigma:
        return [
            (f"Start of squat {deepest + 1}", event.start),
            (f"Deepest squat: {deepest + 1}{of}", event.time),
            (f"Least deep squat: {flattest + 1}{of}", events[flattest].time),
        ]
    alike = ", all about as deep" if of else ""
    return [
        (f"Start of squat {deepest + 1}", event.start),
        ("Halfway down", (event.start + event.time) / 2),
        (f"Deepest point: squat {deepest + 1}{of}{alike}", event.time),
    ]


def _jumps(events: Sequence[Event]) -> list[Moment]:
    best = int(np.argmax([_value(event, "height_by_flight") for event in events]))
    event, of = events[best], f", jump {best + 1} of {len(events)}" if len(events) > 1 else ""
    return [(f"Take-off{of}", event.start), ("Highest point", event.time), ("Landing", event.end)]


def _steps(events: Sequence[Event]) -> list[Moment]:
    best = int(np.argmax([_value(event, "split") for event in events]))
    event = events[best]
    moments = [(f"Widest split, {event.side} foot in front: step {best + 1} of {len(events)}", event.time)]
    if "contact" in event.values:
        moments += [("That foot lands", event.start), ("That foot leaves", event.end)]
    return sorted(moments, key=lambda moment: moment[1])


def _any(events: Sequence[Event]) -> list[Moment]:
    return [(f"{words.event(event.kind).capitalize()} {place}", event.time) for place, event in enumerate(events, 1)]


_MOMENTS: dict[str, Callable[[Sequence[Event]], list[Moment]]] = {"squat": _squats, "jump": _jumps, "step": _steps}
_SAID = {"squat": ("knee", "hip", "lean"), "jump": ("knee", "hip"), "step": ("knee", "hip")}
"""Angles that a picture's caption states."""


def _without_events(subject: Subject) -> list[Moment]:
    confidence = np.nan_to_num(subject.found.measured.confidence) * subject.found.measured.seen
    moments = [("Best seen", float(subject.times[confidence.sum(axis=1).argmax()]))]
    for side, column in subject.sides("knee"):
        well = subject.well[:, column]
        if well.any() and len(subject.times) > 1:
            row = np.flatnonzero(well)[subject.degrees[well, column].argmax()]
            moments.append((f"{side.capitalize()} knee bent most", float(subject.times[row])))
    return moments


def _shown(subject: Subject, moments: Sequence[Moment], bases: Sequence[str]) -> list[Highlight]:
    """Those at which enough of the person is known."""
    known = np.isfinite(subject.found.smoothed.motion.points).all(axis=2).mean(axis=1)
    result: list[Highlight] = []
    for title, time in (moment for moment in moments if np.isfinite(moment[1])):
        row = subject.row(time)
        near = abs(subject.times[row] - time) <= _NEAR
        if near and known[row] >= _ENOUGH and all(row != other.row for other in result):
            result.append(Highlight(title, row, (seconds(float(subject.times[row])), *_angles(subject, row, bases))))
    return result[:MOST]


def _angles(subject: Subject, row: int, bases: Sequence[str]) -> list[str]:
    """A line for each angle that is known: `Knee left 93 ± 12°, right 88 ± 13°`."""
    lines = []
    for own in (own for own in bases if own in subject.bases):
        told = {}
        for side, column in subject.sides(own):
            value, sigma = float(subject.degrees[row, column]), float(subject.sigma[row, column])
            if np.isfinite(value):
                number = with_unit(value, sigma, "deg")
                told[number if side == "middle" else f"{side} {number}"] = _doubt(subject, row, column)
        shared = set(told.values()) if len(set(told.values())) == 1 else {""}
        parts = [number + ("" if doubt in shared else doubt) for number, doubt in told.items()]
        if parts:
            lines.append(f"{own.capitalize()} {', '.join(parts)}{shared.pop()}")
    return lines


def _doubt(subject: Subject, row: int, column: int) -> str:
    """Why an angle is not to be trusted, in brackets; empty where nothing speaks against it."""
    reasons = [
        *(["out of plane"] if subject.found.plane.away[row, column] else []),
        *(["low confidence"] if subject.found.angle_hidden[row, column] else []),
    ]
    return f" ({', '.join(reasons)})" if reasons else ""


def _value(event: Event, name: str) -> float:
    given = event.values.get(name)
    return given.value if given is not None and np.isfinite(given.value) else float("-inf")
