"""Report: a verification as JSON."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from poseline.atomic import replacing
from poseline.verification.differences import Comparison
from poseline.verification.sides import Side
from poseline.verification.verdict import CLOSE, SAME
from poseline.verification.verify import Against, Verification

SCHEMA = 1
"""Another number where a field changes its meaning."""


def as_json(verification: Verification) -> dict[str, Any]:
    """What `verify.json` holds."""
    return {
        "schema": SCHEMA,
        "clip": verification.clip,
        "model": _side(verification.model, verification.inputs),
        "bounds": {"same": asdict(SAME), "close": asdict(CLOSE)},
        "notes": list(verification.notes),
        "against": [_against(each) for each in verification.against],
    }


def write_json(verification: Verification, path: Path) -> None:
    """Write it.

    Raises:
        OutputError: the file cannot be written.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(orjson.dumps(as_json(verification), option=orjson.OPT_INDENT_2))


def _against(each: Against) -> dict[str, Any]:
    return {
        "reference": _side(each.reference, each.inputs),
        "verdict": each.verdict,
        "words": each.words,
        "causes": list(each.causes),
        "differences": _comparison(each.found),
        "at_same_size": None if each.at_same_size is None else _comparison(each.at_same_size),
        "worst_frames": [frame.index for frame in each.worst],
    }


def _comparison(found: Comparison) -> dict[str, Any]:
    return {**asdict(found), "persons": found.persons}


def _side(side: Side, inputs: tuple[tuple[int, int], ...]) -> dict[str, Any]:
    spec, runtime, settings = side.estimator.spec, side.estimator.runtime, side.estimator.settings
    return {
        "name": spec.name,
        "sha256": spec.sha256,
        "format": spec.format,
        "runtime": runtime.name,
        "device": runtime.device,
        "precision": runtime.precision,
        "imgsz": side.estimator.imgsz,
        "inputs": inputs,
        "made_for": spec.made_for,
        "keypoints": len(spec.skeleton),
        "classes": list(spec.names.values()),
        "conf": settings.conf,
        "iou": settings.iou,
    }
