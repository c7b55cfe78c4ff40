"""Find marks: everything in a log that deserves a look, the worst first."""

from __future__ import annotations

from poseline.analysis.persons import people, usable
from poseline.inspection.marks.confidence import confidence_marks
from poseline.inspection.marks.identity import identity_marks
from poseline.inspection.marks.jumps import jump_marks
from poseline.inspection.marks.mark import Mark
from poseline.inspection.marks.presence import presence_marks
from poseline.inspection.marks.sequences import Sequences
from poseline.inspection.marks.sides import side_marks
from poseline.log import Tracks


def find_marks(tracks: Tracks) -> list[Mark]:
    """What deserves a look, the highest severity first; of equal ones the earlier first.

    Args:
        tracks: of a whole log, as `read_tracks` reads it.

    Raises:
        SourceError: the log is of separate pictures, its skeleton has no torso, or it has no ids and several people in
            a frame.
    """
    if not len(tracks.rows):
        return []
    tracks = usable(tracks)
    known = people(tracks) if len(tracks.rows) else []
    if not known:
        return []
    persons = Sequences.of_persons(tracks, known)
    found = identity_marks(persons, Sequences.of_ids(tracks))
    poses = persons.cut(mark for mark in found if mark.start == mark.end)  # there, somebody else goes on
    found += side_marks(poses)
    found += [*jump_marks(poses, found), *confidence_marks(poses), *presence_marks(persons)]
    return sorted(found, key=lambda mark: (-mark.severity, mark.start, mark.persons))
