"""Markers: points of motion capture files as keypoints: their names, and their places where they are in space."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from poseline.errors import SourceError
from poseline.log.tracks import Doubles

PIXELS = frozenset({"px", "pixel", "pixels"})
_MILLIMETRES = {"mm": 1.0, "cm": 10.0, "m": 1000.0}
_MIDDLES = {"Hip": "mid_hip", "CHip": "mid_hip", "MidHip": "mid_hip"}
_MARGIN = 100.0
"""Millimetres around the points of a picture of space."""


def keypoint_names(markers: Sequence[str]) -> tuple[str, ...]:
    """`LKnee`, `l_knee`, `LeftKnee` and `left_knee` are `left_knee`; other names stay; none comes twice."""
    names: list[str] = []
    for marker in markers:
        name = _MIDDLES.get(marker) or _keypoint_name(marker)
        names.append(name if name and name not in names else f"{name}_{len(names) + 1}")
    return tuple(names)


def _keypoint_name(marker: str) -> str:
    found = re.fullmatch(r"(L|R|Left|Right|left_|right_|l_|r_)([A-Z][A-Za-z]*[a-z]|[a-z][a-z_]*)", marker)
    if found is None:
        words = re.fullmatch(r"[A-Z][a-z]+(?:[A-Z][a-z]+)*", marker)
        return _snake(marker) if words else marker
    return f"{'left' if found[1][0] in 'Ll' else 'right'}_{_snake(found[2])}"


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def in_picture(points: Doubles, unit: str, where: str) -> tuple[Doubles, tuple[int, int], list[str]]:
    """Markers as points of a picture with y down, its size, and what there is to say of it.

    Pixels are pixels, and of no size that is known. In space, x and y span the picture: a pixel is a millimetre, y is
    turned down, and the picture is as large as it takes.

    Args:
        points: (T, ..., 3) x, y, z; NaN where a marker is missing.
        unit: of the file.
        where: the file, for errors.

    Returns:
        (T, ..., 2) pixels; width and height; notes.

    Raises:
        SourceError: another unit than px, m, cm and mm.
    """
    unit = unit.strip().lower()
    flat: Doubles = points[..., :2]
    if unit in PIXELS:
        return flat, (0, 0), []
    if unit not in _MILLIMETRES:
        raise SourceError(f"{where}: its unit is {unit or 'not given'!r}; known are px, m, cm and mm")
    flat = flat * [_MILLIMETRES[unit], -_MILLIMETRES[unit]]
    known = flat[np.isfinite(flat).all(axis=-1)]
    if len(known):
        flat = flat - known.min(axis=0) + _MARGIN
        size = np.ceil(np.ptp(known, axis=0) + 2 * _MARGIN).astype(int)
    else:
        size = np.array([1, 1])
    note = "points in space are seen along z, and a pixel is a millimetre: analyze with --scale 1000"
    return flat, (int(size[0]), int(size[1])), [note]
