"""Summaries: `analysis.json`, how everything was worked out and how much of it is known; `events.json`, what was done.

Both are JSON without NaN: a number that is not known is null.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from poseline.analysis.angles import Definition
from poseline.analysis.event import Event
from poseline.analysis.facing import Facing
from poseline.analysis.motion import Doubles
from poseline.analysis.result import SCHEMA, Analysis, Person
from poseline.analysis.smoothing import PointState
from poseline.log.jsonable import jsonable

CONVENTIONS = {
    "pixels": "of the upright picture as it is stored: x right, y down, the upper left corner is (0, 0)",
    "metres": "x right from the picture's middle, y up from the floor; movement in the picture's plane alone",
    "times": "seconds of the clip's own time stamps, divided by slowmo; nothing is resampled",
    "joint angles": "degrees, 0 straight or neutral, + flexed, whichever way the person faces; not unwrapped",
    "segment angles": "degrees from the horizontal, seen with the person facing along x; unwrapped by whole turns",
    "velocity": "degrees a second of angles, by the frames before and after; metres a second of points, by the "
    "smoother's own model of movement",
    "sigma": "one standard deviation: what noise leaves after smoothing",
    "sigma_bias": "sigma, and what a network is usually off by for good",
    "flags": "missing, filled (in a gap), outlier (replaced), swapped (left and right exchanged), hidden (seen with "
    "little confidence), corrected (set by hand), out_of_plane (the angle seen is not the body's)",
    "trc": "px: pixels, y down; m: metres, y up, z towards the camera by usual breadths of the body, not measured",
    "mot": "degrees; the largest block of rows and angles without a gap",
    "butterworth": "the frequency is the real -3 dB frequency of the zero-phase filter",
}


def analysis_record(analysis: Analysis, version: str, files: Mapping[str, str]) -> dict[str, Any]:
    """The content of `analysis.json`.

    Args:
        analysis: of a log.
        version: of Poseline.
        files: names of the files that were written, and what each holds that is not plain from its name.
    """
    record = {
        "schema": SCHEMA,
        "poseline": version,
        "source": analysis.source,
        "log": analysis.log,
        "run": {"ended": analysis.ended, **{key: analysis.header.get(key) for key in ("model", "runtime", "started")}},
        "picture": {"width": analysis.size[0], "height": analysis.size[1], "pixel_aspect": analysis.pixel_aspect},
        "part": {"start": analysis.start, "end": analysis.end, "frames": analysis.frames},
        "rate": analysis.rate,
        "slowmo": analysis.slowmo,
        "options": asdict(analysis.options),
        "conventions": CONVENTIONS,
        "corrections": 0 if analysis.corrections is None else analysis.corrections.acts,
        "people": analysis.people,
        "floor": _floor(analysis.floor.degrees, analysis.floor.sigma, analysis.floor.footprints),
        "persons": [person_record(person) for person in analysis.persons],
        "warnings": analysis.warnings,
        "files": files,
    }
    result: dict[str, Any] = jsonable(record)
    return result


def events_record(analysis: Analysis) -> dict[str, Any]:
    """The content of `events.json`."""
    persons = [
        {"id": person.id, "counts": person.counts, "events": [event_record(event) for event in person.events]}
        for person in analysis.persons
    ]
    result: dict[str, Any] = jsonable(
        {"schema": SCHEMA, "source": analysis.source, "slowmo": analysis.slowmo, "persons": persons}
    )
    return result


def event_record(event: Event) -> dict[str, Any]:
    """One event; times in seconds."""
    return asdict(event)


def person_record(person: Person) -> dict[str, Any]:
    """What `analysis.json` says of a person."""
    result = person.result
    return {
        "id": person.id,
        "ids": person.ids,
        "frames": {
            "first": int(person.frames[0]),
            "last": int(person.frames[-1]),
            "count": len(person.frames),
            "found": int(person.found.sum()),
        },
        "start": person.times[0],
        "end": person.times[-1],
        "facing": {"agreement": result.facing.agreement, "stretches": facings(person)},
        "camera": {"verdict": result.camera.verdict, "reason": result.camera.reason},
        "floor": _floor(result.floor.degrees, result.floor.sigma, result.floor.footprints),
        "stature_px": result.stature,
        "stature_m": person.stature_m,
        "scale": _scale(person),
        "distance_m": result.mechanics.distance_m,
        "displacement_m": result.mechanics.displacement_m,
        "share_filled": person.filled,
        "share_missing": person.missing,
        "corrected": int(person.corrected.sum()),
        "keypoints": {name: _keypoint(person, column) for column, name in enumerate(person.names)},
        "angles": {
            definition.name: _angle(person, column, definition)
            for column, definition in enumerate(person.angles.definitions)
        },
        "gaps": [asdict(gap) for gap in person.gaps],
        "counts": person.counts,
        "warnings": person.warnings,
    }


def write_json(path: Path, record: Mapping[str, Any]) -> None:
    """Write a record that `jsonable` made."""
    import orjson

    path.write_bytes(orjson.dumps(record, option=orjson.OPT_INDENT_2) + b"\n")


def _floor(degrees: float, sigma: float, footprints: int) -> dict[str, Any]:
    return {"degrees": degrees, "sigma": sigma, "footprints": footprints, "known": sigma != float("inf")}


def _scale(person: Person) -> dict[str, Any] | None:
    scale = person.result.scale
    if scale is None:
        return None
    return {
        "source": scale.source,
        "px_per_m": float(np.median(scale.px_per_m)),
        "px_per_m_range": [scale.px_per_m.min(), scale.px_per_m.max()],
        "sigma": scale.sigma,
        "varies": scale.varies,
        "drift": scale.drift,
    }


def facings(person: Person) -> list[dict[str, Any]]:
    """From when to when the person faces where."""
    starts = np.r_[0, np.flatnonzero(np.diff(person.facings)) + 1]
    ends = np.r_[starts[1:] - 1, len(person.facings) - 1]
    return [
        {
            "facing": Facing(person.facings[start]).name.lower(),
            "start": person.times[start],
            "end": person.times[end],
        }
        for start, end in zip(starts, ends, strict=True)
    ]


def _keypoint(person: Person, column: int) -> dict[str, Any]:
    states = person.states[:, column]
    shares: dict[str, Any] = {state.name.lower(): float((states == state).mean()) for state in PointState}
    return {
        **shares,
        "swapped": float(person.swapped[:, column].mean()),
        "hidden": float(person.hidden[:, column].mean()),
        "corrected": float(person.corrected[:, column].mean()),
        "cutoff_hz": person.result.smoothed.cutoff[column],
    }


def _angle(person: Person, column: int, definition: Definition) -> dict[str, Any]:
    degrees = person.angles.degrees[:, column]
    known = np.isfinite(degrees)
    return {
        "kind": definition.kind,
        "points": definition.points,
        "meaning": definition.meaning,
        "share_known": float(known.mean()),
        "share_out_of_plane": person.result.plane.share[column],
        "min": _of(np.min, degrees[known]),
        "max": _of(np.max, degrees[known]),
        "sigma": _of(np.median, person.angles.sigma[known, column]),
        "sigma_bias": _of(np.median, person.sigma_with_bias[known, column]),
    }


def _of(function: Any, values: Doubles | Sequence[float]) -> float | None:
    return float(function(values)) if len(values) else None
