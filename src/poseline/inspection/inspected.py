"""InspectedRun: a run that is looked at and corrected: its log, its corrections, and what follows from both."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from poseline.corrections import Act, Corrections, LogIdentity, act_of
from poseline.errors import SourceError
from poseline.inspection.marks import Mark, find_marks
from poseline.log import Tracks, read_tracks
from poseline.log_files import first_record, journal_of, parts_from

_CURVES = 8
"""Persons whose angles are kept."""
_PATIENCE = 10
"""A log that grows is read again after so many times the time that reading it takes."""


class LogReplaced(SourceError):
    """Another log lies where the one that is looked at was: acts that are about its poses would be about others."""


@dataclass(frozen=True, eq=False)
class State:
    """The run as it is after so many changes."""

    revision: int
    """Rises with each change, of the log or of its corrections."""
    raw: Tracks
    """The log as the run wrote it."""
    tracks: Tracks
    """The same after the corrections that are in force."""
    acts: tuple[Act, ...]
    """The acts in force, in their order."""
    undone: tuple[Act, ...]
    """Those that were undone, the last one to be undone last."""


class InspectedRun:
    """One run. Its methods may be called from any thread, and block while they read or write.

    Args:
        path: a run's folder, or a log.
        by: who corrects, as the journal names them.

    Raises:
        SourceError: the log or its corrections cannot be read.
    """

    def __init__(self, path: Path, by: str = "") -> None:
        self.log = journal_of(path)
        self.by = by
        self._lock, self._analysing = threading.Lock(), threading.Lock()
        self._corrections = Corrections.of(self.log)
        self._seen = self._stamps()
        self._due = 0.0
        self._marks: tuple[int, list[Mark]] | None = None
        self._curves: OrderedDict[tuple[int, int], dict[str, Any]] = OrderedDict()
        self.state = self._state(int(4 * time.time()) % 2**31, self._read())
        """The newest one. Its number begins with the time, so that a page which was open before a restart sees that."""

    def act(self, record: Mapping[str, Any]) -> State:
        """Make the act that a page sends; one that was made already, as its id tells, is not made again.

        Raises:
            SettingsError: it is no act, or one that the log does not allow; the text says why.
            OutputError: it cannot be written.
            LogReplaced: the log is another one now.
        """
        made = act_of(record)
        with self._lock:
            self._require_same_log()
            self._corrections.append(made.change, by=self.by, act=made.id, tracks=self.state.raw)
            return self._renewed()

    def undo(self, act: str) -> State:
        """Undo the act of this id; nothing happens where it is undone.

        Raises:
            SettingsError: there is no such act.
            OutputError: it cannot be written.
            LogReplaced: the log is another one now.
        """
        with self._lock:
            self._require_same_log()
            self._corrections.undo(act, by=self.by)
            return self._renewed()

    def redo(self, act: str) -> State:
        """Put the act of this id in force again; nothing happens where it is.

        Raises:
            SettingsError: there is no such act.
            OutputError: it cannot be written.
            LogReplaced: the log is another one now.
        """
        with self._lock:
            self._require_same_log()
            self._corrections.redo(act, by=self.by)
            return self._renewed()

    def refresh(self) -> bool:
        """Look whether the log has grown, or another program has changed the corrections; True where something did.

        Raises:
            LogReplaced: the log is another one now; what was read before stays.
            SourceError: the log or its corrections cannot be read.
        """
        stamps = self._stamps()
        if stamps == self._seen or time.monotonic() < self._due:
            return False
        with self._lock:
            grown = stamps[0] != self._seen[0]
            if grown:
                self._require_same_log()
            self._seen = stamps
            self._corrections.reload()
            before = self.state
            self.state = self._state(before.revision + 1, self._read() if grown else before.raw)
            return True

    def marks(self) -> tuple[int, list[Mark]]:
        """The revision, and what deserves a look in it."""
        state, kept = self.state, self._marks
        if kept is None or kept[0] != state.revision:
            kept = self._marks = state.revision, find_marks(state.tracks)
        return kept

    def angles(self, person: int) -> dict[str, Any]:
        """A person's joint angles: `places` in the log (T), `names` (A) and `degrees` (A lists of T, None of none).

        Raises:
            PoselineError: they cannot be told, as of a log without hips; the text says why.
        """
        state = self.state
        key = state.revision, person
        with self._analysing:  # not the lock of acts, which would have to wait
            if key not in self._curves:
                self._curves[key] = _angles(state.tracks, person)
                while len(self._curves) > _CURVES:
                    self._curves.popitem(last=False)
            return {"revision": state.revision, **self._curves[key]}

    def _require_same_log(self) -> None:
        """Raise where the log has been replaced, as by a run with --overwrite."""
        if LogIdentity.of(first_record(self.log)).sha256 != self._corrections.identity.sha256:
            raise LogReplaced(f"{self.log}: the log was replaced by that of another run; start poseline inspect again")

    def _renewed(self) -> State:
        """The state after something was written; the same where that changed nothing."""
        self._seen = self._seen[0], self._stamps()[1]
        if (self._corrections.acts, self._corrections.undone) != (self.state.acts, self.state.undone):
            self.state = self._state(self.state.revision + 1, self.state.raw)
        return self.state

    def _state(self, revision: int, raw: Tracks) -> State:
        corrections = self._corrections
        return State(revision, raw, corrections.apply(raw), corrections.acts, corrections.undone)

    def _read(self) -> Tracks:
        began = time.monotonic()
        tracks = read_tracks(self.log, raw=True)
        self._due = time.monotonic() + _PATIENCE * (time.monotonic() - began)
        if not len(tracks):
            raise SourceError(f"{self.log}: holds no frame yet; there is nothing to look at")
        return tracks

    def _stamps(self) -> tuple[Any, Any]:
        """Size and time of each part of the log, and of the corrections."""
        return tuple(map(_stamp, parts_from(self.log))), _stamp(self._corrections.path)


def _stamp(path: Path) -> tuple[str, int, int]:
    try:
        stated = path.stat()
    except OSError:
        return path.name, 0, 0
    return path.name, stated.st_size, stated.st_mtime_ns


def _angles(tracks: Tracks, person: int) -> dict[str, Any]:
    from poseline.analysis import analyze

    found = analyze(tracks, person=person, events=()).persons[0]
    degrees = found.angles.degrees.T
    return {
        "places": np.asarray(found.frames).tolist(),
        "names": list(found.angles.names),
        "degrees": [[None if np.isnan(value) else round(float(value), 2) for value in row] for row in degrees],
    }
