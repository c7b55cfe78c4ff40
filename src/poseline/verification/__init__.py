"""Verification: what a model finds in the frames of a clip, against what a reference finds in the same frames."""

from poseline.verification.causes import likely_causes
from poseline.verification.differences import Comparison, Differences, Spread
from poseline.verification.pictures import side_by_side
from poseline.verification.report import as_json, write_json
from poseline.verification.sides import Side, load_sides
from poseline.verification.verdict import CLOSE, SAME, Verdict, verdict_of
from poseline.verification.verify import Against, Verification, verify

__all__ = [
    "CLOSE",
    "SAME",
    "Against",
    "Comparison",
    "Differences",
    "Side",
    "Spread",
    "Verdict",
    "Verification",
    "as_json",
    "likely_causes",
    "load_sides",
    "side_by_side",
    "verdict_of",
    "verify",
    "write_json",
]
