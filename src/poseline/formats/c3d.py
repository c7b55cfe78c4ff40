"""C3D: markers of a motion capture file, by ezc3d. Names such as `Anna:LKnee` tell several persons apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from poseline.errors import SourceError
from poseline.formats.arrays import from_arrays, skeleton_for
from poseline.formats.markers import PIXELS, in_picture, keypoint_names
from poseline.formats.options import ImportOptions
from poseline.formats.registry import Read
from poseline.log.tracks import Doubles


def read(path: Path, options: ImportOptions) -> Read:
    """Read the markers of a file; analog channels and events are left out."""
    content = _content(path)
    parameters = content["parameters"]
    labels, points = _labels(parameters), _points(content)
    count = min(len(labels), points.shape[1])
    if not count or not len(points):
        raise SourceError(f"{path}: holds no markers")
    names, placed = _by_person(labels[:count], points[:, :count])
    unit = (_texts(parameters, "UNITS") or [""])[0]
    if unit.lower() not in PIXELS:
        placed = _seen(placed, parameters)
    flat, size, notes = in_picture(placed, unit, str(path))
    flat = np.concatenate([flat, np.ones_like(flat[..., :1])], axis=-1)
    skeleton = skeleton_for(path, options, names)
    rate = float(content["header"]["points"]["frame_rate"])
    if not rate > 0:
        raise SourceError(f"{path}: its frame rate is {rate:g}")
    start = float(parameters.get("POSELINE", {}).get("START", {}).get("value", [0.0])[0])
    times = start + np.arange(len(points)) / rate
    ids, header = range(1, placed.shape[1] + 1), {"video": {"fps": rate}}
    tracks = from_arrays(flat, ids, skeleton, times=times, size=size, header=header)
    return Read(tracks, [*notes, "confidence is not in the file, and taken for 1"])


def _content(path: Path) -> Any:
    import ezc3d

    if not path.is_file():
        raise SourceError(f"{path}: there is no such file")
    try:
        return ezc3d.c3d(str(path))
    except (OSError, RuntimeError, ValueError) as error:
        raise SourceError(f"{path}: is not a C3D file: {error}") from None


def _texts(parameters: Any, name: str) -> list[str]:
    return [str(text).strip() for text in parameters["POINT"].get(name, {}).get("value", [])]


def _labels(parameters: Any) -> list[str]:
    """The names of all markers: those beyond the 255th are in LABELS2, and so on."""
    labels, number = _texts(parameters, "LABELS"), 2
    while more := _texts(parameters, f"LABELS{number}"):
        labels, number = labels + more, number + 1
    return labels


def _points(content: Any) -> Doubles:
    """(T, M, 3); NaN where a marker is hidden, which a negative residual says."""
    points = content["data"]["points"].transpose(2, 1, 0)
    hidden = content["data"]["meta_points"]["residuals"][0].T < 0
    result: Doubles = np.where(hidden[..., None], np.nan, points[..., :3])
    return result


def _by_person(labels: list[str], points: Doubles) -> tuple[tuple[str, ...], Doubles]:
    """Names of K keypoints, and (T, P, K, 3) points of each person; all are one's where a label comes twice."""
    several = len(set(labels)) == len(labels)
    whose = [label.rpartition(":")[0] if several else "" for label in labels]
    parts = [label.rpartition(":")[2] if several else f"{label} {number}" for number, label in enumerate(labels, 1)]
    persons, names = list(dict.fromkeys(whose)), list(dict.fromkeys(parts))
    placed = np.full((len(points), len(persons), len(names), 3), np.nan)
    for marker, (person, part) in enumerate(zip(whose, parts, strict=True)):
        placed[:, persons.index(person), names.index(part)] = points[:, marker]
    return keypoint_names(names), placed


def _seen(points: Doubles, parameters: Any) -> Doubles:
    """The same points with x to the right and y up, as X_SCREEN and Y_SCREEN say; else as they are."""
    axes = [(_texts(parameters, name) or [""])[0].upper() for name in ("X_SCREEN", "Y_SCREEN")]
    if not all(len(axis) == 2 and axis[0] in "+-" and axis[1] in "XYZ" for axis in axes):
        return points
    signs = np.array([1.0 if axis[0] == "+" else -1.0 for axis in axes])
    return np.concatenate([points[..., ["XYZ".index(axis[1]) for axis in axes]] * signs, points[..., :1] * 0], axis=-1)
