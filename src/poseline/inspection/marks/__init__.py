"""Marks: places in a run's log that deserve a look, and why."""

from poseline.inspection.marks.find import find_marks
from poseline.inspection.marks.mark import Mark, MarkKind

__all__ = ["Mark", "MarkKind", "find_marks"]
