"""Compare: the differences of two motions, of angles over time and of events, as tables."""

from __future__ import annotations

import csv
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from poseline.analysis import Analysis, Person
from poseline.atomic import replacing
from poseline.comparison.align import Aligned, Alignment, align
from poseline.comparison.dtw import Doubles
from poseline.errors import SettingsError
from poseline.words import cell

FILES = ("angles.csv", "events.csv", "compare.json")
SCHEMA = 1
"""Of `compare.json`; another number where a field changes its meaning."""


@dataclass(frozen=True)
class AngleDifference:
    """How one angle of the second motion differs from the first's, second minus first, over the aligned time."""

    angle: str
    """Its name, such as `left_knee`."""
    mean: float
    """Degrees."""
    rms: float
    """Root of the mean squared difference in degrees."""
    max: float
    """The largest difference in degrees, with its sign ..."""
    at: float
    """... and the time of the first motion when it was, in seconds."""
    noise: float
    """RMS in degrees of the difference that the points' noise alone would make; a network's bias is not in it."""
    share: float
    """Of the aligned time in which both are known, 0..1."""


@dataclass(frozen=True)
class EventDifference:
    """How an event of the second motion differs from the first's."""

    kind: str
    number: int
    """Which of its kind, from 1."""
    value: str
    """`start`, `time`, `end`, `duration`, or what was measured of it, such as `depth`."""
    unit: str
    first: float
    """Of the first motion; times are those of its clip."""
    second: float
    """Of the second."""
    difference: float
    """Second minus first; of times, measured from the first event's start in each."""
    sigma: float | None
    """Standard uncertainty of the difference; None where it is not known."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two motions and how they differ."""

    first: Analysis
    second: Analysis
    aligned: Aligned
    angles: tuple[AngleDifference, ...]
    """Of every angle that both have, by the order of `poseline.analysis.DEFINITIONS`."""
    events: tuple[EventDifference, ...]


def compare(first: Analysis, second: Analysis, how: Alignment = "auto") -> Comparison:
    """Compare the main persons of two analyses.

    Raises:
        SettingsError: they cannot be aligned as asked, or have no angle in common.
    """
    aligned = align(first.main, second.main, how)
    angles = tuple(_angles(first.main, second.main, aligned))
    if not angles:
        raise SettingsError("the two have no angle in common that is known in both at the same aligned time")
    return Comparison(first, second, aligned, angles, tuple(_events(aligned)))


def at_times(person: Person, values: Doubles, times: Doubles) -> Doubles:
    """(N,) values of a person, (T,), at other times; NaN outside, and where one of the rows around is NaN."""
    own = person.times
    after = np.clip(np.searchsorted(own, times), 1, max(len(own) - 1, 1))
    before = after - 1
    if len(own) < 2:
        return np.where(np.abs(times - own[0]) < 1e-6, values[0], np.nan)
    share = (times - own[before]) / (own[after] - own[before])
    step = (values[after] - values[before] + 180) % 360 - 180
    exact = np.where(share >= 1 - 1e-9, values[after], np.where(share <= 1e-9, values[before], np.nan))
    mixed = np.where(np.isfinite(exact), exact, values[before] + share * step)
    inside = (times >= own[0] - 1e-6) & (times <= own[-1] + 1e-6)
    result: Doubles = np.where(inside, mixed, np.nan)
    return result


def _angles(first: Person, second: Person, aligned: Aligned) -> list[AngleDifference]:
    chosen = (first.times >= aligned.start - 1e-9) & (first.times <= aligned.end + 1e-9)
    times = first.times[chosen]
    theirs = aligned.second_at(times)
    found = []
    for column, name in enumerate(first.angles.names):
        if name not in second.angles.names or not len(times):
            continue
        other = second.angles.names.index(name)
        values = at_times(second, second.angles.degrees[:, other], theirs)
        difference = (values - first.angles.degrees[chosen, column] + 180) % 360 - 180
        known = np.isfinite(difference)
        if not known.any():
            continue
        sigma = np.hypot(first.angles.sigma[chosen, column], at_times(second, second.angles.sigma[:, other], theirs))[
            known
        ]
        most = int(np.argmax(np.abs(np.where(known, difference, 0))))
        found.append(
            AngleDifference(
                name, float(difference[known].mean()), float(np.sqrt((difference[known] ** 2).mean())),
                float(difference[most]), float(times[most]), _rms(sigma),
                float(known.mean()),
            )
        )  # fmt: skip
    return found


def _events(aligned: Aligned) -> list[EventDifference]:
    found: list[EventDifference] = []
    if not aligned.events:
        return found
    begin, other_begin = aligned.events[0][0].start, aligned.events[0][1].start
    for number, (one, other) in enumerate(aligned.events, 1):
        sigma = float(np.hypot(one.sigma, other.sigma))
        for name in ("start", "time", "end"):
            first, second = getattr(one, name), getattr(other, name)
            difference = (second - other_begin) - (first - begin)
            found.append(EventDifference(one.kind, number, name, "s", first, second, difference, _known(sigma)))
        lengths = one.end - one.start, other.end - other.start
        found.append(
            EventDifference(one.kind, number, "duration", "s", *lengths, lengths[1] - lengths[0], _known(sigma))
        )
        for name, quantity in one.values.items():
            if name in other.values and other.values[name].unit == quantity.unit:
                their = other.values[name]
                found.append(
                    EventDifference(
                        one.kind, number, name, quantity.unit, quantity.value, their.value,
                        their.value - quantity.value, _known(float(np.hypot(quantity.sigma, their.sigma))),
                    )
                )  # fmt: skip
    return found


def _rms(values: Doubles) -> float:
    known = values[np.isfinite(values)]
    return float(np.sqrt((known**2).mean())) if len(known) else float("nan")


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None


def write(comparison: Comparison, folder: Path) -> list[Path]:
    """Write the tables into a folder that is there: `angles.csv`, `events.csv` and `compare.json`.

    Raises:
        OutputError: a file cannot be written.
    """
    written = []
    for name, table, kind in (
        ("angles.csv", comparison.angles, AngleDifference), ("events.csv", comparison.events, EventDifference),
    ):  # fmt: skip
        path = folder / name
        with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow([each.name for each in fields(kind)])
            rows.writerows([[_cell(value) for value in asdict(row).values()] for row in table])
        written.append(path)
    path = folder / "compare.json"
    with replacing(path) as temporary:
        temporary.write_bytes(orjson.dumps(record(comparison), option=orjson.OPT_INDENT_2))
    return [*written, path]


def record(comparison: Comparison) -> dict[str, Any]:
    """All of it as `compare.json` holds it."""
    aligned = comparison.aligned
    return {
        "schema": SCHEMA,
        "first": _who(comparison.first),
        "second": _who(comparison.second),
        "align": aligned.how,
        "times": [
            [round(one, 6), round(other, 6)]
            for one, other in zip(aligned.first.tolist(), aligned.second.tolist(), strict=True)
        ],
        "angles": [asdict(row) for row in comparison.angles],
        "events": [asdict(row) for row in comparison.events],
    }


def _who(analysis: Analysis) -> dict[str, Any]:
    person = analysis.main
    return {
        "log": str(analysis.log) if analysis.log else None, "source": analysis.source, "person": person.id,
        "from": analysis.start, "to": analysis.end, "counts": person.counts,
    }  # fmt: skip


def _cell(value: object) -> object:
    if isinstance(value, str):
        return cell(value)
    return f"{value:.6g}" if isinstance(value, float) else "" if value is None else value
