"""Inspection: what in a finished run deserves a look."""

from poseline.inspection.marks import Mark, MarkKind, find_marks

__all__ = ["Mark", "MarkKind", "find_marks"]
