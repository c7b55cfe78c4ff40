"""The whole page: one HTML file that stands alone, without a script and without anything from elsewhere."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path

from poseline.analysis.report import figures, guide, tables, words
from poseline.analysis.report.cautions import cautions, plain
from poseline.analysis.report.clip import Clip
from poseline.analysis.report.highlights import Highlight, highlights
from poseline.analysis.report.markup import Markup, join, tag
from poseline.analysis.report.numbers import seconds
from poseline.analysis.report.pictures import picture
from poseline.analysis.report.subject import Subject
from poseline.analysis.result import Analysis, Person
from poseline.frame import Pixels
from poseline.skeleton import Skeleton

MOST_BYTES = 1_500_000
"""Of a page; people for whom there is no room are named, and have no part of their own."""
_STYLE = Path(__file__).with_name("report.css")


def page(analysis: Analysis) -> str:
    """A report as the text of an HTML file; the same analysis gives the same text."""
    beside = None if analysis.log is None else analysis.log.parent
    clip = Clip(analysis.source, analysis.header, analysis.size, beside)
    style = Markup(_STYLE.read_text(encoding="utf-8"))
    before, after = _header(analysis, clip), join(guide.conventions(analysis), _footer(clip))
    room = MOST_BYTES - sum(len(part.encode()) for part in (style, before, after)) - 4000
    parts, left = _persons(analysis, clip, room)
    body = join(before, *parts, _left(left), after)
    return f"<!doctype html>\n{tag('html', _head(clip, style), tag('body', tag('main', body)), lang='en')}\n"


def _head(clip: Clip, style: Markup) -> Markup:
    fingerprint = b64encode(sha256(style.encode()).digest()).decode("ascii")
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{fingerprint}'; base-uri 'none'; form-action 'none'"
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name_="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name_="color-scheme", content="light dark"),
        tag("title", f"Movement analysis: {clip.title}"),
        tag("style", style),
    )


def _header(analysis: Analysis, clip: Clip) -> Markup:
    model = ", ".join(filter(None, (clip.model, clip.precision)))
    (width, height), shown = analysis.size, len(analysis.persons)
    slower = f", filmed {analysis.slowmo:g} times slower" if analysis.slowmo != 1 else ""
    rate = f" at {analysis.rate:.4g} per second" if analysis.rate > 0 else ""
    told = (
        ("Date of the run", clip.started),
        ("Time", f"{seconds(analysis.start)} to {seconds(analysis.end)}{slower}"),
        ("Frames", f"{analysis.frames}{rate}"),
        ("Picture", f"{width} \N{MULTIPLICATION SIGN} {height}" if width else ""),
        ("Model", model),
        ("People", f"{shown} of {analysis.people}" if shown != analysis.people else f"{shown}"),
    )
    items = [tag("div", tag("dt", name), tag("dd", value)) for name, value in told if value]
    return tag(
        "header", tag("p", "Movement analysis", class_="kicker"), tag("h1", clip.title), tag("dl", *items),
        _box("For the whole clip", map(plain, analysis.warnings)),
    )  # fmt: skip


def _persons(analysis: Analysis, clip: Clip, room: int) -> tuple[list[Markup], list[Subject]]:
    """A part for each person while there is room, and those who have none."""
    subjects = [
        Subject(_name(person, len(analysis.persons)), person.result, person.ids, analysis.options.bias)
        for person in analysis.persons
    ]
    moments = [highlights(subject) for subject in subjects]
    skeleton = _skeleton(analysis)
    parts: list[Markup] = []
    for place, (person, subject, shown) in enumerate(zip(analysis.persons, subjects, moments, strict=True)):
        pixels, missing = clip.pictures([float(person.times[one.row]) * analysis.slowmo for one in shown])
        part = _person(subject, shown, pixels, missing, skeleton)
        room -= len(part.encode())
        if room < 0 and parts:
            return parts, subjects[place:]
        parts.append(part)
    return parts, []


def _name(person: Person, count: int) -> str:
    return f"Person {person.id}" if person.id > 0 and count > 1 else "The athlete"


def _skeleton(analysis: Analysis) -> Skeleton:
    stated = analysis.header.get("skeleton") or {}
    names = analysis.persons[0].names if analysis.persons else ()
    edges = tuple((int(a), int(b)) for a, b in stated.get("edges") or ())
    return Skeleton(names, edges) if edges else Skeleton.for_count(len(names))


def _person(
    subject: Subject, moments: Sequence[Highlight], pixels: Sequence[Pixels | None], missing: str, skeleton: Skeleton
) -> Markup:
    return tag(
        "section",
        tag("h2", subject.name),
        _box("Read this first", cautions(subject)),
        tag("div", *(_tile(fact) for fact in tables.headlines(subject)), class_="tiles"),
        _pictures(subject, moments, pixels, missing, skeleton),
        tag(
            "div",
            _part("Angles", tables.angle_table(subject)),
            _part("How it was seen", tables.fact_list(tables.facts(subject))),
            class_="two",
        ),
        *(_part(_repetitions(kind), tables.event_table(subject, kind)) for kind in subject.kinds),
        *_plots(subject),
        class_="person",
    )


def _part(title: str, content: Markup | None) -> Markup | None:
    return tag("div", tag("h3", title), content, class_="part") if content else None


def _box(title: str, lines: Iterable[str]) -> Markup | None:
    items = [tag("li", line) for line in lines]
    return tag("aside", tag("h3", title), tag("ul", *items), class_="cautions") if items else None


def _tile(fact: tables.Fact) -> Markup:
    return tag(
        "div",
        tag("span", fact.name),
        tag("strong", fact.value),
        tag("small", fact.remark) if fact.remark else None,
        class_="tile",
    )


def _pictures(
    subject: Subject, moments: Sequence[Highlight], pixels: Sequence[Pixels | None], missing: str, skeleton: Skeleton
) -> Markup | None:
    if not moments:
        return None
    shown = [
        tag(
            "figure",
            picture(frame, subject, moments, place, skeleton),
            tag("figcaption", tag("b", moment.title), *(tag("span", line) for line in moment.told)),
        )
        for place, (moment, frame) in enumerate(zip(moments, pixels, strict=True))
    ]
    return _part(
        "Best frames",
        join(tag("div", *shown, class_="pictures"), tag("p", missing, class_="hint below") if missing else None),
    )


def _plots(subject: Subject) -> list[Markup | None]:
    first = figures.over_time(subject, figures.first(subject))
    others = figures.over_time(subject, figures.others(subject))
    speed = figures.speed(subject)
    rest = (
        tag("details", tag("summary", "Directions of segments"), tag("div", *others, class_="plots"))
        if others
        else None
    )
    over_time = join(guide.legend(subject), tag("div", *first, speed, class_="plots"), rest) if first else None
    return [_part("Over time", over_time), *_cycles(subject)]


def _cycles(subject: Subject) -> list[Markup]:
    """Plots over a repetition of each kind of event; those of all but the first kind are folded away."""
    parts: list[Markup] = []
    for kind in subject.kinds:
        plots = figures.over_a_cycle(subject, kind)
        if not plots:
            continue
        how = f"{figures.cycle_caption(subject, kind)} Line: mean; band: ± one standard deviation between repetitions."
        content = join(tag("p", how, class_="hint"), tag("div", *plots, class_="plots"))
        title = f"One {figures.cycle_name(kind)}, left against right"
        folded = tag("details", tag("summary", title), content) if parts else join(tag("h3", title), content)
        parts.append(tag("div", folded, class_="part"))
    return parts


def _repetitions(kind: str) -> str:
    name = words.event(kind)
    return f"{name.capitalize()} by {name}"


def _left(subjects: Sequence[Subject]) -> Markup | None:
    if not subjects:
        return None
    names = ", ".join(subject.name for subject in subjects)
    return tag("p", f"There is no room in this file for {names}: analyse them one by one (--person ID).", class_="hint")


def _footer(clip: Clip) -> Markup:
    version = f" {clip.version}" if clip.version else ""
    return tag("footer", f"Made by Poseline{version} from one camera's video. No measurement for medical use.")
