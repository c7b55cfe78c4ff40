"""What an event is, and the registry of those who find them.

A new kind is one function:

>>> from poseline.analysis import Event, Movement, event_finder
>>> @event_finder("clap")
... def claps(movement: Movement) -> list[Event]:
...     ...

It is then found by `--events clap`, and by `auto`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from poseline.analysis.angles import Angles
from poseline.analysis.camera import Camera
from poseline.analysis.facing import Facings
from poseline.analysis.mechanics import Mechanics
from poseline.analysis.scale import Scale
from poseline.analysis.smoothing import Smoothed
from poseline.errors import SettingsError
from poseline.short_repr import short_repr


@dataclass(frozen=True)
class Quantity:
    """A number with its standard uncertainty and unit."""

    value: float
    sigma: float
    """Standard uncertainty, in the same unit; NaN where it is not known."""
    unit: str
    """Such as `m`, `s`, `deg`, `1/min`; empty for a share."""


@dataclass(frozen=True)
class Event:
    """Something that a person did."""

    kind: str
    """Such as `squat`, `jump`, `step`."""
    start: float
    """Seconds, of the clip."""
    time: float
    """Seconds: the moment that counts (of a squat the lowest, of a jump the highest, of a step the widest split)."""
    end: float
    """Seconds."""
    sigma: float
    """Standard uncertainty of `time`, in seconds."""
    side: Literal["left", "right"] | None = None
    """The side that it is of: of a step the foot in front."""
    values: dict[str, Quantity] = field(default_factory=dict)
    """What was measured of it, by name."""

    __repr__ = short_repr


@dataclass(frozen=True, eq=False)
class Movement:
    """What is known of a person when events are looked for."""

    smoothed: Smoothed
    """In square pixels, level with the floor."""
    facings: Facings
    """(T,)."""
    angles: Angles
    stature: float
    """How tall the person is in square pixels, NaN where it could not be told."""
    mechanics: Mechanics
    scale: Scale | None
    """None where there are no metres."""
    camera: Camera


Finder: TypeAlias = Callable[[Movement], list[Event]]

FINDERS: dict[str, Finder] = {}
"""Who finds which kind of event."""


def event_finder(name: str) -> Callable[[Finder], Finder]:
    """Register a function that finds events under `name`; the last one registered counts."""

    def register(finder: Finder) -> Finder:
        FINDERS[name] = finder
        return finder

    return register


def check_kinds(kinds: Iterable[str]) -> None:
    """Raise SettingsError for a kind of event that nobody finds."""
    for kind in kinds:
        if kind != "auto" and kind not in FINDERS:
            raise SettingsError(f"events: unknown kind {kind!r}; known are auto, {', '.join(sorted(FINDERS))}")


def find_events(movement: Movement, kinds: Iterable[str] = ("auto",)) -> list[Event]:
    """All events of the kinds asked for, by time.

    Args:
        movement: of one person.
        kinds: names of `FINDERS`; `auto` is all of them.

    Raises:
        SettingsError: a kind that nobody finds.
    """
    asked = list(dict.fromkeys(kinds))
    check_kinds(asked)
    names = sorted(FINDERS) if "auto" in asked else asked
    return sorted((event for name in names for event in FINDERS[name](movement)), key=lambda event: event.time)
