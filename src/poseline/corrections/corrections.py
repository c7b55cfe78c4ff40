"""Corrections: what was corrected by hand in a log, to read, to add to and to apply."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from poseline.corrections.acts import Act, Add, Change, Delete, Identify, Join, Place, Split, act_of, new_id, now
from poseline.corrections.effects import Effects, Table
from poseline.corrections.facts import Facts
from poseline.corrections.journal import LogIdentity, append, corrections_path, read_journal, require_same
from poseline.errors import SettingsError
from poseline.log_files import first_record, log_file
from poseline.pose import UNTRACKED
from poseline.skeleton import Skeleton
from poseline.words import counted

if TYPE_CHECKING:
    from poseline.log import Rows, Tracks

_SHOWN = 5
"""Frames that a message names."""


class Corrections:
    """The corrections of one log. `Corrections.of` reads them; methods that add to them write at once.

    Args:
        path: the file of corrections; it need not be there.
        run: the log's first record.
        name: of the log's file.

    Raises:
        SourceError: the file cannot be read, is of another log, or was written by a newer version.
    """

    def __init__(self, path: Path, run: Mapping[str, Any], name: str = "") -> None:
        self.path = path
        self.skeleton = _skeleton(run)
        """The log's."""
        self.identity = LogIdentity.of(run, name)
        """Which log it is of."""
        self.journal: Sequence[Mapping[str, Any]] = ()
        """All records of the file in their order: acts, undos and redos."""
        self.skipped = 0
        """Lines of the file that were torn."""
        self.acts: tuple[Act, ...] = ()
        """The acts in force, in their order."""
        self.undone: tuple[Act, ...] = ()
        """Those that were undone, the last one to be undone last."""
        self._applied: tuple[Tracks, Tracks] | None = None
        """What `apply` was last given, and gave, while the acts are still the same."""
        self.reload()

    @classmethod
    def of(cls, log: str | Path) -> Corrections:
        """The corrections of a log, or of the one in a run's folder; none where nobody has corrected anything.

        Raises:
            SourceError: there is no such log, or its corrections cannot be read.
        """
        path = log_file(log)
        return cls(corrections_path(path), first_record(path), path.name)

    def __len__(self) -> int:
        return len(self.acts)

    def __repr__(self) -> str:
        return f"Corrections({str(self.path)!r}: {counted(len(self.acts), 'act')} in force, {len(self.undone)} undone)"

    def reload(self) -> None:
        """Read the file again, with what others have added.

        Raises:
            SourceError: as above.
        """
        read = read_journal(self.path)
        if read.identity is not None:
            require_same(self.path, read.identity, self.identity)
        self._take(read.records, read.skipped)

    def append(
        self, change: Act | Change, *, by: str = "", act: str | None = None, tracks: Tracks | None = None
    ) -> Act:
        """Make a change, and write it.

        Args:
            change: what to change, or a whole act.
            by: who makes it.
            act: its id, if it has one already: an act that is there already is not made again.
            tracks: the log without corrections; where it is given, what it does not allow is an error.

        Returns:
            The act.

        Raises:
            SettingsError: an unknown keypoint; or, by `tracks`, nobody has the id then, or two are in one frame.
            OutputError: the file cannot be written.
            SourceError: as above.
        """
        self.reload()
        made = change if isinstance(change, Act) else Act(act or new_id(), change, by, now())
        if made.id not in {record["act"] for record in self.journal}:
            check_names(made.change, self.skeleton)
            if tracks is not None:
                check(made.change, self.apply(tracks))
        self.add([made.as_record()])
        return made

    def undo(self, act: str | None = None, *, by: str = "") -> Act | None:
        """Undo an act by its id, or the last one in force; None where there is nothing to undo.

        Raises:
            SettingsError: there is no act of this id.
        """
        self.reload()
        return self._turn("undo", self.acts, act or (self.acts[-1].id if self.acts else None), by)

    def redo(self, act: str | None = None, *, by: str = "") -> Act | None:
        """Put an act in force again by its id, or the last one that was undone and no new act came after; None: none.

        Raises:
            SettingsError: there is no act of this id.
        """
        self.reload()
        return self._turn("redo", self.undone, act or (self._redo[-1] if self._redo else None), by)

    def apply(self, tracks: Tracks) -> Tracks:
        """The tracks of the log, read without corrections, after all acts in force; the same object each time."""
        if self._applied is None or self._applied[0] is not tracks:
            self._applied = tracks, self._corrected(tracks)
        return self._applied[1]

    def _corrected(self, tracks: Tracks) -> Tracks:
        rows, frames = tracks.rows, tracks.frames
        count = len(rows)
        table = Table(
            frames[rows.frame], rows.id, rows.score, rows.box, rows.keypoints, rows.state,
            np.zeros(count, np.int64), np.arange(count, dtype=np.int64),
        )  # fmt: skip
        self.effects.table(table, frames)
        place = np.searchsorted(frames, table.frame).astype(np.intp)
        corrected: Rows = replace(
            rows, frame=place, id=table.id, score=table.score, box=table.box, keypoints=table.keypoints,
            state=table.state,
        )  # fmt: skip
        return replace(tracks, rows=corrected, corrections=self.facts)

    @cached_property
    def _cached(self) -> tuple[Effects, Facts]:
        return Effects(self.acts, self.skeleton), Facts.of(self.acts)

    @property
    def effects(self) -> Effects:
        """The acts in force, ready to be applied frame by frame."""
        return self._cached[0]

    @property
    def facts(self) -> Facts:
        """What the acts in force say beside poses: names, the main person, scale and so on."""
        return self._cached[1]

    def add(self, records: Sequence[Mapping[str, Any]]) -> bool:
        """Write records as they are, such as another journal's; those of acts that are there already are left out."""
        held, written = append(self.path, self.identity, records)
        self._take(held.records, held.skipped)
        return written

    def _turn(self, word: str, those: Sequence[Act], act: str | None, by: str) -> Act | None:
        known = {each.id: each for each in (*self.acts, *self.undone)}
        if act is None:
            return None
        if act not in known:
            raise SettingsError(f"{word}: there is no act {act!r} in {self.path}")
        if act in {each.id for each in those}:
            self.add([{"type": word, "act": act, "by": by, "when": now()}])
        return known[act]

    def _take(self, records: Sequence[Mapping[str, Any]], skipped: int) -> None:
        made, undone, redo = dict[str, Act](), dict[str, Act](), list[str]()
        for record in records:
            number = record["act"]
            if record["type"] == "act":
                made[number] = act_of(record)
                redo.clear()
            elif number in made and record["type"] == "undo" and number not in undone:
                undone[number] = made[number]
                redo.append(number)
            elif number in undone and record["type"] == "redo":
                del undone[number]
                redo = [each for each in redo if each != number]
        self.journal, self.skipped, self._redo = records, skipped, redo
        self.undone = tuple(undone.values())
        acts = tuple(act for number, act in made.items() if number not in undone)
        if acts != self.acts:
            self.acts, self._applied = acts, None
            self.__dict__.pop("_cached", None)


def corrected_frames(raw: Tracks, corrected: Tracks) -> NDArray[np.bool_]:
    """(T,) frames in which poses differ, whosever they are: a keypoint was set, or somebody added or removed.

    Args:
        raw: the tracks of a log, read without corrections.
        corrected: the same after corrections.
    """
    changed = np.zeros(len(raw), bool)
    for frame in range(len(raw)):  # both are sorted by frame
        changed[frame] = not _alike(*(_rows_of(tracks.rows, frame) for tracks in (raw, corrected)))
    return changed


def _rows_of(rows: Rows, frame: int) -> Rows:
    start, end = np.searchsorted(rows.frame, [frame, frame + 1])
    return rows[np.arange(start, end)]


def _alike(one: Rows, other: Rows) -> bool:
    same_points = np.array_equal(one.keypoints, other.keypoints, equal_nan=True)
    return same_points and np.array_equal(one.state, other.state)


def corrections_of(log: Path, run: Mapping[str, Any]) -> Corrections | None:
    """The corrections of a log by its path and its first record; None where none are in force.

    Raises:
        SourceError: they cannot be read, or are of another log.
    """
    path = corrections_path(log)
    if not path.exists():
        return None
    found = Corrections(path, run, log.name)
    return found if found.acts else None


def check_names(change: Change, skeleton: Skeleton) -> None:
    """Raise a SettingsError where a change is of a keypoint that the skeleton does not have."""
    for name in _names(change):
        if name not in skeleton.names:
            raise SettingsError(
                f"correction {change.do}: no keypoint is called {name!r}; this log has {', '.join(skeleton.names)}"
            )


def check(change: Change, tracks: Tracks) -> None:
    """Raise a SettingsError where corrected tracks do not allow it: nobody has the id, or two are in one frame."""
    rows, known = tracks.rows, set(tracks.ids.tolist())
    frames = tracks.frames[rows.frame]
    if not isinstance(change, Add | Identify):
        for person in _persons(change):
            if person not in known and person != UNTRACKED:
                shown = ", ".join(map(str, sorted(known)[:20])) or "none"
                raise SettingsError(f"correction {change.do}: no person has the id {person}; this log has {shown}")
    if isinstance(change, Place | Delete) and not _seen(tracks, change):
        raise SettingsError(f"correction {change.do}: person {change.person} is in none of these frames")
    if isinstance(change, Join | Split):
        other = change.into if isinstance(change, Join) else change.new
        own = frames[rows.id == change.person]
        start = change.span[0] or 0
        both = np.intersect1d(own[own >= start], frames[rows.id == other])
        if len(both):
            shown = ", ".join(map(str, both[:_SHOWN].tolist())) + (" and more" if len(both) > _SHOWN else "")
            raise SettingsError(
                f"correction {change.do}: {change.person} and {other} are both in {counted(len(both), 'frame')} "
                f"({shown}): they are not one person there. Delete one of them in these frames, or split first"
            )


def _seen(tracks: Tracks, change: Place | Delete) -> bool:
    start, end = change.span
    frames = tracks.frames[tracks.rows.frame[tracks.rows.id == change.person]]
    return bool(((frames >= (start or 0)) & (frames <= (np.inf if end is None else end))).any())


def _persons(change: Change) -> Iterator[int]:
    """The persons who must be in the log."""
    yield from getattr(change, "persons", ())
    for name in ("person", "into"):
        if hasattr(change, name):
            yield getattr(change, name)


def _names(change: Change) -> Iterator[str]:
    """The keypoints that a change names."""
    yield from getattr(change, "keypoints", ())
    if isinstance(change, Place):
        yield change.keypoint
    if isinstance(change, Add):
        yield from dict.fromkeys(name for pose in change.at.values() for name in pose)


def _skeleton(run: Mapping[str, Any]) -> Skeleton:
    return Skeleton(tuple(str(name) for name in run["skeleton"]["names"]))
