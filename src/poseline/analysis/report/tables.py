"""The tables of one person: who and how they were seen, angles, and repetitions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from poseline.analysis.event import Event, Quantity
from poseline.analysis.facing import Facing
from poseline.analysis.report import words
from poseline.analysis.report.figures import FIRST
from poseline.analysis.report.markup import Child, Markup, join, tag
from poseline.analysis.report.numbers import MISSING, finely, percent, quantity, seconds, with_unit
from poseline.analysis.report.subject import Subject
from poseline.analysis.smoothing import PointState
from poseline.words import counted

_SHOWN = 8
"""Repetitions up to which each has its row at once; more are folded away behind their means."""
_LISTED = 100
"""Rows of a table at most."""
_SLOPES = ("pelvis", "shoulders")
"""Shown of people who are seen from the front or the back; from the side their points lie behind each other."""
_MANY = 0.2
"""Share of frames out of the picture's plane that is marked, as in the notes of an analysis."""
_FRONTAL = 0.1
_FACES = {Facing.RIGHT: "right", Facing.LEFT: "left", Facing.FRONT: "the camera", Facing.BACK: "away from the camera"}
_SOURCES = {"height": "by the height given", "px_per_m": "as given", "points": "by two points of known distance"}


@dataclass(frozen=True)
class Fact:
    """A number or a word on a subject."""

    name: str
    value: str
    remark: str = ""


@dataclass(frozen=True)
class Spread:
    """A value over several events."""

    mean: Quantity
    between: float
    """Standard deviation from event to event; NaN of a single one."""
    one: float
    """Standard uncertainty of the value of one event."""


def facts(subject: Subject) -> list[Fact]:
    """What is known of a person, and how well they were seen."""
    return [*_movement(subject), *_view(subject), *_quality(subject)]


def fact_list(told: Sequence[Fact]) -> Markup:
    """Facts one after another, each with its name."""
    pairs = (tag("div", tag("dt", fact.name), tag("dd", fact.value, _remark(fact.remark))) for fact in told)
    return tag("dl", *pairs, class_="facts")


def headlines(subject: Subject) -> list[Fact]:
    """The few numbers that come first."""
    told = []
    for kind in subject.kinds:
        events = subject.events(kind)
        told.append(Fact("Counted", words.events(kind, len(events))))
        told += _means(subject, kind, events)
    if not subject.kinds:
        told.append(Fact("Counted", "no repetitions"))
    if subject.moves and "Speed" not in {fact.name for fact in told}:
        told += _movement(subject)[:2]
    return told


def angle_table(subject: Subject) -> Markup | None:
    """Least, most and range of each angle; None where there is none."""
    rows: list[Markup] = []
    wanted = FIRST + (_SLOPES if subject.frontal > _FRONTAL else ())
    for own in (own for own in wanted if own in subject.bases):
        sides = [(side, column) for side, column in subject.sides(own) if np.isfinite(subject.degrees[:, column]).any()]
        for place, (side, column) in enumerate(sides):
            head = (
                tag("th", own.replace("_", " ").capitalize(), scope="rowgroup", rowspan=len(sides))
                if not place
                else None
            )
            rows.append(tag("tr", head, *_angle_cells(subject, side, column), class_="first" if not place else None))
    if not rows:
        return None
    header = _titles("Angle", "Side", "Least", "Most", "Range", "Seen well", "Out of plane")
    return _scrolling(tag("table", header, tag("tbody", *rows), class_="numbers"))


def event_table(subject: Subject, kind: str) -> Markup:
    """Each repetition of a kind, their mean and their spread; many are folded away."""
    events = subject.events(kind)
    names = list(dict.fromkeys(name for event in events for name in event.values))
    sided = any(event.side for event in events)
    first = ["No.", *(["Side"] if sided else []), "Time"]
    header = _titles(*first, *map(words.value, names))
    rows = [_event_row(subject, place, event, names, sided) for place, event in enumerate(events[:_LISTED], 1)]
    many = len(events) > _SHOWN
    ends = _summary(subject, events, names, 1 if many else len(first)) if len(events) > 1 else None
    if not many:
        return _scrolling(tag("table", header, tag("tbody", *rows), ends, class_="numbers"))
    everything = _scrolling(tag("table", header, tag("tbody", *rows), class_="numbers"))
    title = f"All {words.events(kind, len(events))}" if len(events) <= _LISTED else f"The first {_LISTED}"
    return join(
        _scrolling(tag("table", _titles("", *map(words.value, names)), ends, class_="numbers")),
        tag("details", tag("summary", title), everything),
    )


def _titles(*names: str) -> Markup:
    return tag("thead", tag("tr", *(tag("th", name[:1].upper() + name[1:], scope="col") for name in names)))


def mean_of(subject: Subject, events: Sequence[Event], name: str) -> Spread | None:
    """The mean of a value over events, and the spread; None where nothing was measured.

    What all repetitions share does not average out: the scale, and the bias of the network.
    """
    given = [each for event in events if (each := subject.value(event, name)) is not None and np.isfinite(each.value)]
    if not given:
        return None
    values = np.array([each.value for each in given])
    sigmas = np.array([each.sigma for each in given])
    mean, count = float(values.mean()), len(values)
    spread = float(values.std(ddof=1)) if count > 1 else float("nan")
    usual = float(np.sqrt(np.mean(sigmas**2)))
    shared = _shared(subject, events, name, mean)
    alone = max(0.0, usual**2 - shared**2)
    sigma = float(np.sqrt(shared**2 + np.fmax(alone, np.nan_to_num(spread) ** 2) / count))
    return Spread(Quantity(mean, sigma, given[0].unit), spread, usual)


def _shared(subject: Subject, events: Sequence[Event], name: str, mean: float) -> float:
    """How much of the uncertainty of a value is the same in all repetitions, in its unit."""
    own = [event for event in events if name in event.values]
    if name in subject.names:
        column = subject.names.index(name)
        sigma = subject.sigma[[subject.row(event.time) for event in own], column]
        known = sigma[np.isfinite(sigma)]
        return float(np.sqrt((known**2).mean())) if len(known) else 0.0
    bias = float(np.mean([subject.lasting(event, name) for event in own]))
    metric = own[0].values[name].unit in ("m", "m/s") and name != "height_by_flight"
    return float(np.hypot(bias, subject.relative * abs(mean) if metric else 0.0))


def _means(subject: Subject, kind: str, events: Sequence[Event]) -> list[Fact]:
    """The means of the values that count most of a kind."""
    chosen = {
        "squat": ("depth", "left_knee", "right_knee"),
        "jump": ("height_by_flight", "flight"),
        "step": ("cadence", "step_time", "stride_length", "speed"),
    }.get(kind, tuple(events[0].values)[:2])
    told = []
    for name in chosen:
        if (found := mean_of(subject, events, name)) is not None:
            title = words.value(name)
            of = f"mean of {sum(name in event.values for event in events)}"
            if kind == "squat" and name in subject.names:
                title = f"{title} at the bottom"
            told.append(Fact(title.capitalize(), quantity(found.mean), of))
    return told


def _movement(subject: Subject) -> list[Fact]:
    mechanics = subject.found.mechanics
    if subject.found.scale is None or mechanics.distance_m is None or mechanics.displacement_m is None:
        return []
    if not subject.moves:
        return [Fact("Distance", "stays on the spot", "less than half a body height across the picture")]
    way, lasted = subject.metres(mechanics.distance_m), float(np.ptp(subject.times[subject.hips_seen]))
    side = "right" if mechanics.displacement_m > 0 else "left"
    ends = quantity(subject.metres(abs(mechanics.displacement_m)))
    speed = with_unit(way.value / lasted, way.sigma / lasted, "m/s")
    return [
        Fact("Mean speed", speed, "of the hips, across the picture"),
        *_fastest(subject),
        Fact("Distance", quantity(way), f"to and fro in {seconds(lasted)}; {ends} to the {side} from first to last"),
    ]


def _fastest(subject: Subject) -> list[Fact]:
    """The highest speed of the hips across the picture."""
    if subject.hips_speed is None:
        return []
    across, sigma = subject.hips_speed
    if not np.isfinite(across).any():
        return []
    row = int(np.nanargmax(np.abs(across)))
    told = with_unit(float(abs(across[row])), float(sigma[row]), "m/s")
    return [Fact("Highest speed", told, f"of the hips, at {seconds(float(subject.times[row]))}")]


def _view(subject: Subject) -> list[Fact]:
    found = subject.found
    ways = ", ".join(
        f"{_FACES[way]} {percent(share)}" if len(subject.facings) > 1 else _FACES[way]
        for way, share in subject.facings.items()
    )
    agreement = found.facing.agreement
    agree = "nothing shows it; assumed" if not np.isfinite(agreement) else f"{percent(agreement)} of the frames agree"
    camera = {"still": "at rest", "moving": "moves", "unknown": "not known"}[found.camera.verdict]
    ids = ", ".join(map(str, subject.ids))
    return [
        *([Fact("Joined", f"ids {ids} of the log", "taken for one person")] if len(subject.ids) > 1 else []),
        Fact("Scale", *_scale(subject)),
        Fact("Faces", ways, agree),
        Fact("Camera", camera, found.camera.reason),
        Fact("Floor", *_floor(subject)),
    ]


def _scale(subject: Subject) -> tuple[str, str]:
    scale = subject.found.scale
    if scale is None:
        return "none", "no metres"
    middle = float(np.median(scale.px_per_m))
    relative = scale.sigma if scale.sigma > 0 else float("nan")
    told = f"1 m is {with_unit(middle, middle * relative, 'pixels')}"
    follows = (
        f"; from {np.min(scale.px_per_m):.0f} to {np.max(scale.px_per_m):.0f}, as the person comes nearer or goes away"
    )
    return told, _SOURCES[scale.source] + (follows if scale.varies else "")


def _floor(subject: Subject) -> tuple[str, str]:
    floor = subject.found.floor
    if not floor.known:
        return "taken to be level", "feet do not tell"
    if not np.isfinite(floor.sigma):
        return f"rises by {floor.degrees:.1f}° to the right", "as given"
    return f"rises by {with_unit(floor.degrees, floor.sigma, 'deg')} to the right", f"by {floor.footprints} footprints"


def _quality(subject: Subject) -> list[Fact]:
    seen, found = subject.seen, subject.found
    times = subject.times[seen] if seen.any() else subject.times
    swapped = float(found.swapped.any(axis=1).mean())
    hand = found.measured.by_hand
    corrected = 0 if hand is None else int(hand.points.sum())
    return [
        Fact(
            "Seen", f"{seconds(float(times[0]))} to {seconds(float(times[-1]))}",
            f"in {int(seen.sum())} of {len(seen)} frames of that time",
        ),
        Fact(
            "Points", f"{percent(subject.share(PointState.MEASURED))} measured",
            f"{percent(subject.share(PointState.FILLED))} filled in over short gaps, "
            f"{percent(subject.share(PointState.OUTLIER))} outliers replaced, "
            f"{percent(subject.share(PointState.MISSING))} missing",
        ),
        Fact("Low confidence", f"{percent(subject.unsure)} of the points measured"),
        Fact("Left and right exchanged back", f"in {percent(swapped)} of the frames" if swapped else "in no frame"),
        *([] if hand is None else [Fact("Corrected by hand", counted(corrected, "point"))]),
    ]  # fmt: skip


def _angle_cells(subject: Subject, side: str, column: int) -> list[Markup]:
    values, sigma, well = (array[:, column] for array in (subject.degrees, subject.sigma, subject.well))
    share = float(subject.found.plane.share[column])
    told = [MISSING] * 3
    if (rows := np.flatnonzero(well)).size:
        low, high = rows[values[rows].argmin()], rows[values[rows].argmax()]
        told[:2] = [with_unit(float(values[row]), float(sigma[row]), "deg") for row in (low, high)]
        if low != high:
            told[2] = with_unit(float(values[high] - values[low]), float(np.hypot(sigma[low], sigma[high])), "deg")
    return [
        tag("td", side if side != "middle" else MISSING),
        *(tag("td", text) for text in told),
        tag("td", percent(float(well.mean()))),
        tag("td", percent(share), class_="bad" if share > _MANY else None),
    ]


def _event_row(subject: Subject, place: int, event: Event, names: Sequence[str], sided: bool) -> Markup:
    values = [subject.value(event, name) for name in names]
    return tag(
        "tr",
        tag("th", str(place), scope="row"),
        tag("td", event.side or MISSING) if sided else None,
        tag("td", with_unit(event.time, event.sigma, "s")),
        *(tag("td", MISSING if each is None else quantity(each)) for each in values),
    )


def _summary(subject: Subject, events: Sequence[Event], names: Sequence[str], before: int) -> Markup:
    """Mean and spread of each value, as the foot of a table."""
    found = [mean_of(subject, events, name) for name in names]
    means = [MISSING if one is None else quantity(one.mean) for one in found]
    spreads = [MISSING if one is None else _spread(one) for one in found]
    return tag(
        "tfoot",
        *(
            tag("tr", tag("th", title, scope="row", colspan=before), *(tag("td", text) for text in texts))
            for title, texts in (("Mean", means), ("Spread", spreads))
        ),
    )


def _spread(found: Spread) -> str:
    """A standard deviation between repetitions, to one place more than the uncertainty of one of them allows."""
    if not np.isfinite(found.between):
        return MISSING
    return finely(found.between, found.one, found.mean.unit)


def _remark(text: str) -> Child:
    return join(" ", tag("small", text)) if text else None


def _scrolling(table: Markup) -> Markup:
    return tag("div", table, class_="wide", tabindex="0", role="region", aria_label="Table")
