"""Inspection: what in a finished run deserves a look, and the page on which it is looked at and corrected."""

from poseline.inspection.marks import Mark, MarkKind, find_marks

__all__ = ["Mark", "MarkKind", "find_marks"]
