"""Facts: what acts say of the clip and its people beside their poses, under the ids that people have after all acts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from poseline.corrections.acts import (
    Act,
    Change,
    Face,
    FacingWord,
    Floor,
    Join,
    Main,
    Point,
    Rename,
    Scale,
    Split,
    SwapPersons,
    SwapSides,
)  # fmt: skip

ID_CHANGES = (Join, Split, SwapPersons)
"""Kinds of changes after which somebody has another id."""
_FOREVER = 2**62
"""A frame behind the last one."""


class Stretch(NamedTuple):
    """A person in some frames."""

    person: int
    start: int
    """The first frame."""
    end: int
    """The last frame."""


class Facing(NamedTuple):
    """Where a person faces in some frames."""

    where: Stretch
    facing: FacingWord


@dataclass(frozen=True)
class Facts:
    """What was said by hand, and was not undone. The ids are those that the corrected log has."""

    acts: int = 0
    """How many acts are in force."""
    names: tuple[tuple[int, str], ...] = ()
    """Persons' names."""
    main: int | None = None
    """The clip's main person."""
    facings: tuple[Facing, ...] = ()
    """A later one overrides those before it."""
    sides: tuple[Stretch, ...] = ()
    """Where left and right were set: nothing exchanges them there."""
    apart: tuple[tuple[int, int], ...] = ()
    """Ids that are two persons: nothing joins them."""
    scale: Scale | None = None
    floor: Floor | None = None

    @classmethod
    def of(cls, acts: Sequence[Act]) -> Facts:
        """Of the acts in force, in their order."""
        changes = [act.change for act in acts]
        names: dict[int, str] = {}
        main, scale, floor = None, None, None
        facings, sides, apart = list[Facing](), list[Stretch](), list[tuple[int, int]]()
        later = [change for change in changes if isinstance(change, ID_CHANGES)]
        for change in changes:
            if isinstance(change, ID_CHANGES):
                later = later[1:]
            if isinstance(change, Rename):
                names[_last_id(change.person, later)] = change.name
            elif isinstance(change, Main):
                main = _last_id(change.person, later)
            elif isinstance(change, Face):
                facings += [Facing(where, change.facing) for where in carried(stretch_of(change.person, change), later)]
            elif isinstance(change, SwapSides):
                sides += carried(stretch_of(change.person, change), later)
            elif isinstance(change, Split):
                apart += _pairs(Stretch(change.person, 0, change.start - 1), stretch_of(change.new, change), later)
            elif isinstance(change, SwapPersons):
                first, second = change.persons
                apart += _pairs(stretch_of(first, change), stretch_of(second, change), later)
            elif isinstance(change, Scale):
                scale = change
            elif isinstance(change, Floor):
                floor = change
        return cls(
            len(acts), tuple(sorted(names.items())), main, tuple(facings), tuple(sides),
            tuple(dict.fromkeys(apart)), scale, floor,
        )  # fmt: skip

    def name(self, person: int) -> str:
        """A person's name; empty where nobody gave one."""
        return dict(self.names).get(person, "")


def carried(where: Stretch, changes: Sequence[Change]) -> list[Stretch]:
    """Under which ids somebody is after `changes`, frame by frame; joins are taken to be possible everywhere."""
    stretches = [where]
    for change in changes:
        stretches = _joined([part for each in stretches for part in _carried(each, change)])
    return stretches


def _joined(stretches: list[Stretch]) -> list[Stretch]:
    """The same with those in one that follow each other, under one id."""
    if len(stretches) < 2:
        return stretches
    whole = [stretches[0]]
    for each in stretches[1:]:
        if each.person == whole[-1].person and each.start == whole[-1].end + 1:
            whole[-1] = whole[-1]._replace(end=each.end)
        else:
            whole.append(each)
    return whole


def _carried(where: Stretch, change: Change) -> Iterator[Stretch]:
    if isinstance(change, Join) and where.person == change.person:
        yield where._replace(person=change.into)
    elif isinstance(change, Split) and where.person == change.person:
        yield from _cut(where, change.start, _FOREVER, change.new)
    elif isinstance(change, SwapPersons) and where.person in change.persons:
        first, second = change.persons
        _, start, end = stretch_of(first, change)
        yield from _cut(where, start, end, second if where.person == first else first)
    else:
        yield where


def _cut(where: Stretch, start: int, end: int, person: int) -> Iterator[Stretch]:
    """A stretch whose part in `start`..`end` is another person's."""
    inside = Stretch(person, max(where.start, start), min(where.end, end))
    if inside.start > inside.end:
        yield where
        return
    if where.start < inside.start:
        yield where._replace(end=inside.start - 1)
    yield inside
    if inside.end < where.end:
        yield where._replace(start=inside.end + 1)


def stretch_of(person: int, change: Change) -> Stretch:
    """A person in the span of a change."""
    start, end = change.span
    return Stretch(person, 0 if start is None else start, _FOREVER if end is None else end)


def _last_id(person: int, later: Sequence[Change]) -> int:
    """Under which id somebody's first frames are at last."""
    return carried(Stretch(person, 0, _FOREVER), later)[0].person


def _pairs(first: Stretch, second: Stretch, later: Sequence[Change]) -> Iterator[tuple[int, int]]:
    for one in carried(first, later):
        for other in carried(second, later):
            if one.person != other.person:
                yield min(one.person, other.person), max(one.person, other.person)


def line_points(line: tuple[Point, Point], pixel_aspect: float) -> tuple[float, float]:
    """(x, y) from the left end of a line to its right end, in square pixels, y down."""
    (x1, y1), (x2, y2) = sorted(line)
    return (x2 - x1) * pixel_aspect, y2 - y1
