"""Align: which time of one motion is which time of another."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np

from poseline.analysis import Event, Person
from poseline.comparison.dtw import Doubles, warp
from poseline.errors import SettingsError

Alignment: TypeAlias = Literal["auto", "event", "dtw", "none"]

_DTW_JOINTS = ("knee", "hip", "elbow", "shoulder")
"""Whose angles are warped, both sides."""


@dataclass(frozen=True, eq=False)
class Aligned:
    """Times of two motions that belong together."""

    how: Literal["event", "dtw", "none"]
    first: Doubles
    """(N,) seconds of the first motion, rising ..."""
    second: Doubles
    """(N,) and of the second; between two, times run evenly."""
    events: tuple[tuple[Event, Event], ...] = field(default=())
    """Events that belong together, in order."""

    @property
    def start(self) -> float:
        """Seconds of the first motion from which both are known to belong together."""
        return float(self.first[0])

    @property
    def end(self) -> float:
        """... and up to which."""
        return float(self.first[-1])

    def second_at(self, times: Doubles) -> Doubles:
        """Times of the second motion at times of the first; before the start and after the end both run alike."""
        inside = np.interp(times, self.first, self.second)
        before, after = np.minimum(times - self.start, 0), np.maximum(times - self.end, 0)
        result: Doubles = inside + before + after
        return result


def align(first: Person, second: Person, how: Alignment = "auto") -> Aligned:
    """Bring two motions together.

    Args:
        first: analysed; its times lead.
        second: analysed.
        how: `event`: repetitions of the same kind, or steps of the same foot, one after another; from the start of one
            to its end time runs evenly. `dtw`: by angles of knees, hips, elbows and shoulders. `none`: from the first
            frames on. `auto`: by events where both have some, else by dtw.

    Raises:
        SettingsError: there is nothing to align by.
    """
    pairs = matching(first, second)
    if how == "none":
        return Aligned("none", *_whole(first, second), events=pairs)
    if how == "event" or (how == "auto" and pairs):
        if not pairs:
            told = " and ".join(_told(person) for person in (first, second))
            raise SettingsError(f"--align event: no event is in both, there are {told}; give --align dtw or none")
        anchors = _anchors(pairs)
        if len(anchors) > 1:
            return Aligned("event", anchors[:, 0], anchors[:, 1], events=pairs)
        if how == "event":
            raise SettingsError("--align event: a single step is in both; give --align dtw or none")
    return Aligned("dtw", *_warped(first, second), events=pairs)


def matching(first: Person, second: Person) -> tuple[tuple[Event, Event], ...]:
    """The events of both that belong together: the k-th of the kind of which both have most, by side if it has one."""
    kinds = {event.kind for event in first.events} & {event.kind for event in second.events}
    if not kinds:
        return ()

    def of(person: Person, kind: str) -> list[Event]:
        return [event for event in person.events if event.kind == kind]

    repeated = {event.kind for event in first.repetitions}
    kind = max(sorted(kinds), key=lambda kind: (kind in repeated, min(len(of(first, kind)), len(of(second, kind)))))
    ours, theirs = of(first, kind), of(second, kind)
    if ours[0].side is not None:  # begin with the same foot
        theirs = theirs[next((index for index, event in enumerate(theirs) if event.side == ours[0].side), 0) :]
        pairs = [(one, other) for one, other in zip(ours, theirs, strict=False) if one.side == other.side]
        return tuple(pairs)
    return tuple(zip(ours, theirs, strict=False))


def _anchors(pairs: tuple[tuple[Event, Event], ...]) -> Doubles:
    """(N, 2) times of both that belong together, both rising."""
    found: list[tuple[float, float]] = []
    for one, other in pairs:
        step = one.side is not None
        for own, their in ((one.time, other.time),) if step else ((one.start, other.start), (one.end, other.end)):
            if not found or (own > found[-1][0] and their > found[-1][1]):
                found.append((own, their))
    return np.array(found)


def _whole(first: Person, second: Person) -> tuple[Doubles, Doubles]:
    length = min(first.times[-1] - first.times[0], second.times[-1] - second.times[0])
    return np.array([first.times[0], first.times[0] + length]), np.array([second.times[0], second.times[0] + length])


def _warped(first: Person, second: Person) -> tuple[Doubles, Doubles]:
    names = [f"{side}_{joint}" for joint in _DTW_JOINTS for side in ("left", "right")]
    common = [name for name in names if name in first.angles.names and name in second.angles.names]
    if not common:
        raise SettingsError("--align dtw: no angle of knee, hip, elbow or shoulder is in both; give --align none")
    ours, theirs = (np.stack([person.angles[name] for name in common], axis=1) for person in (first, second))
    rows = warp(ours, theirs)
    return first.times, np.interp(rows, np.arange(len(second.times)), second.times)


def _told(person: Person) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in person.counts.items()) or "none"
