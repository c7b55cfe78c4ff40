"""Merge: the corrections of two people who worked on the same log, and where they disagree.

Everything of the first stays in force. What the second did beside it comes after it. What contradicts the first is kept
too, but undone, and told: `redo` puts it in force. The ids in the second's acts are those that people had for the
second, so they are carried through what the first did to ids.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from poseline.corrections.acts import (
    Act,
    Add,
    Change,
    Delete,
    Drop,
    Hide,
    Identify,
    Place,
    Split,
    SwapPersons,
    SwapSides,
    now,
)
from poseline.corrections.corrections import Corrections
from poseline.corrections.facts import ID_CHANGES, Stretch, carried, stretch_of
from poseline.corrections.journal import require_same
from poseline.errors import SettingsError
from poseline.words import counted

_PRESENCE = (Delete, Add, Identify)
_POINTS = (Place, Hide, Drop)


@dataclass(frozen=True)
class Conflict:
    """An act of the second that contradicts what the first did; it is left undone."""

    theirs: Act
    why: str
    mine: Act | None = None
    """The act that it contradicts, where it is one."""

    def __str__(self) -> str:
        return f"{describe(self.theirs)}: {self.why}" + (f": {describe(self.mine)}" if self.mine else "")


@dataclass(frozen=True)
class Merged:
    """Two people's corrections as one."""

    records: Sequence[Mapping[str, Any]]
    """What is to be added to the first's file: acts, undos and redos."""
    conflicts: Sequence[Conflict]
    added: Sequence[Act]
    """Acts of the second that are in force now."""


def merge(mine: Corrections, theirs: Corrections) -> Merged:
    """What the corrections of somebody else add to mine; nothing is written: `mine.add(merged.records)` does so.

    Raises:
        SourceError: they are of different logs.
    """
    require_same(theirs.path, theirs.identity, mine.identity)
    known = {record["act"]: record for record in mine.journal if record["type"] == "act"}
    shared = [act for act in theirs.acts if act.id in known]
    own = [act for act in mine.acts if act.id not in {each.id for each in (*theirs.acts, *theirs.undone)}]
    records, conflicts, added = list[dict[str, Any]](), list[Conflict](), list[Act]()
    undone = {act.id for act in mine.undone}
    for act in shared:
        if act.id in undone:
            conflicts.append(Conflict(act, "is undone here, and in force there"))
    for act in theirs.undone:
        if act.id in known and act.id not in undone:
            conflicts.append(Conflict(act, "is in force here, and undone there"))
    doubtful = set[int]()  # ids that the second's acts would have made, and that are not made now
    for act in theirs.acts:
        moved = _moved(act, own)
        change = (moved or act).change
        if act.id in known or any(each.change in (act.change, change) for each in own):
            continue
        against = next((each for each in own if _contradicts(change, each, own)), None)
        why = ""
        if against is not None:
            why = "contradicts"
        elif moved is None:
            why = "is of a person who is several here"
        elif doubtful & {*_people(act.change)}:
            why = "is of a person whose id comes of an act that is left undone"
        records.append((moved or act).as_record())
        if why:
            records.append({"type": "undo", "act": act.id, "by": "", "when": now()})
            conflicts.append(Conflict(act, why, against))
            if isinstance(act.change, ID_CHANGES):
                doubtful |= {*_people(act.change), getattr(act.change, "new", 0)}
        elif moved is not None:
            added.append(moved)
    return Merged(records, conflicts, added)


def _contradicts(change: Change, mine: Act, own: Sequence[Act]) -> bool:
    """Whether a change, made after all of mine, contradicts one of mine, by the ids that people have then."""
    later = [each.change for each in own[own.index(mine) :] if isinstance(each.change, ID_CHANGES)]
    where = [stretch for each in _where(mine.change) for stretch in carried(each, later)]
    return contradict(mine.change, change, where)


def contradict(one: Change, other: Change, where: Sequence[Stretch] | None = None) -> bool:
    """Whether two changes are about the same thing in the same frames, so that not both can be meant.

    Args:
        one: the first.
        other: the second.
        where: whom the first is about, under the ids that are meant in the second; None: under its own.
    """
    alone = "main", "scale", "floor"
    if one.do == other.do and one.do in alone:
        return one != other
    if {one.do, other.do} & set(alone) or not _overlap(
        list(_where(one)) if where is None else where, list(_where(other))
    ):
        return False
    if isinstance(one, _PRESENCE) or isinstance(other, _PRESENCE):
        return not {one.do, other.do} & {"rename", "facing"}
    if isinstance(one, ID_CHANGES) and isinstance(other, ID_CHANGES):
        return True
    if isinstance(one, _POINTS) and isinstance(other, _POINTS):
        return bool({*_keypoints(one)} & {*_keypoints(other)})
    if isinstance(one, SwapSides) or isinstance(other, SwapSides):
        return isinstance(one, (SwapSides, *_POINTS)) and isinstance(other, (SwapSides, *_POINTS))
    return one.do == other.do and one != other


def describe(act: Act) -> str:
    """An act in words, such as `swap_persons 1, 3, frames 10 to 20 (by Ann)`."""
    record = act.change.as_record()
    record.pop("do")
    words = [act.change.do]
    people = [record.pop(name) for name in ("person", "into", "new", "persons") if name in record]
    words.append(", ".join(str(each) for group in people for each in (group if isinstance(group, list) else [group])))
    words += [str(record[name]) for name in ("keypoint", "name", "facing") if name in record]
    words += [", ".join(record["keypoints"])] if "keypoints" in record else []
    if "points" in record:
        words.append(" to ".join(f"({x:g}, {y:g})" for x, y in record["points"]))
    if "metres" in record:
        words.append(f"= {record['metres']:g} m")
    words.append(_frames(act.change))
    by = f" (by {act.by})" if act.by else ""
    return " ".join(word for word in words if word) + by


def _frames(change: Change) -> str:
    start, end = change.span
    if hasattr(change, "at"):
        at = list(change.at)
        several = f"in frames {at[0]} to {at[-1]}, {counted(len(at), 'frame')} set"
        return f"in frame {at[0]}" if len(at) == 1 else several
    if not hasattr(change, "start"):
        return ""
    if start is None and end is None:
        return "in all frames"
    if end is None:
        return f"from frame {start} on"
    return f"in frame {end}" if start == end else f"in frames {start or 0} to {end}"


def _moved(act: Act, own: Sequence[Act]) -> Act | None:
    """An act under the ids that its persons have after mine; None where one of them is several persons there."""
    changes = [each.change for each in own if isinstance(each.change, ID_CHANGES)]
    change = act.change
    names = [name for name in ("person", "into") if hasattr(change, name)]
    ids = {person: carried(stretch_of(person, change), changes) for person in _people(change)}
    if any(len({where.person for where in found}) != 1 for found in ids.values()):
        return None
    single = {person: found[0].person for person, found in ids.items()}
    values: dict[str, Any] = {name: single[getattr(change, name)] for name in names}
    if isinstance(change, SwapPersons):
        values["persons"] = tuple(single[person] for person in change.persons)
    try:
        return replace(act, change=replace(change, **values)) if values else act
    except SettingsError:  # two persons of the act are one here
        return None


def _people(change: Change) -> list[int]:
    """The persons whom a change is about, as they are before it."""
    people = [*getattr(change, "persons", ())]
    return people + [getattr(change, name) for name in ("person", "into") if hasattr(change, name)]


def _overlap(one: Sequence[Stretch], other: Sequence[Stretch]) -> bool:
    return any(
        first.person == second.person and first.start <= second.end and second.start <= first.end
        for first in one
        for second in other
    )


def _where(change: Change) -> Iterator[Stretch]:
    for person in [*_people(change), *([change.new] if isinstance(change, Split) else [])]:
        yield stretch_of(person, change)


def _keypoints(change: Place | Hide | Drop) -> Sequence[str]:
    return [change.keypoint] if isinstance(change, Place) else change.keypoints
