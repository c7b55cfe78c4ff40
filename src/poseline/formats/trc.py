"""TRC: markers over time, such as Sports2D's `_px.trc`, or those that `poseline analyze` writes.

A file is one person's. A folder of them is several persons of one clip, told apart by the numbers in their names, and
put together by time. What is called `_px` holds pixels: Sports2D says metres in the header of these too.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from poseline.errors import SourceError
from poseline.formats.arrays import from_arrays, one_clock, skeleton_for
from poseline.formats.files import read_text
from poseline.formats.markers import PIXELS, in_picture, keypoint_names
from poseline.formats.options import ImportOptions
from poseline.formats.registry import Read
from poseline.log.tracks import Doubles


class _Markers(NamedTuple):
    """A file's content."""

    names: tuple[str, ...]
    times: Doubles
    """(T,) seconds."""
    points: Doubles
    """(T, K, 3) x, y, z; NaN where a marker is missing."""
    unit: str


def read(path: Path, options: ImportOptions) -> Read:
    """Read one file, or a folder of those of several persons: its `_px.trc` where there are any."""
    files = _files(path)
    found = [_read(file) for file in files]
    names, unit = found[0].names, found[0].unit
    for file, each in zip(files, found, strict=True):
        if (each.names, each.unit) != (names, unit):
            raise SourceError(f"{file}: its markers or its unit are not those of {files[0].name}")
    times, places = one_clock([each.times for each in found])
    points = np.full((len(times), len(files), len(names), 3), np.nan)
    for person, (place, each) in enumerate(zip(places, found, strict=True)):
        points[place, person] = each.points
    flat, size, notes = in_picture(points, unit, str(path))
    flat = np.concatenate([flat, np.ones_like(flat[..., :1])], axis=-1)
    skeleton = skeleton_for(path, options, keypoint_names(names))
    tracks = from_arrays(flat, _ids(files), skeleton, times=times, size=size)
    return Read(tracks, [*notes, "confidence is not in the file, and taken for 1"])


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(path.glob("*.trc"))
    pixels = [file for file in files if _in_pixels(file)]
    if not files:
        raise SourceError(f"{path}: no .trc file is in it")
    return pixels or files


def _in_pixels(file: Path) -> bool:
    return "px" in re.split(r"[^a-z]+", file.stem.lower())


def _ids(files: list[Path]) -> list[int]:
    """Numbers of persons by the names of their files, such as `person3_px.trc`, or Sports2D's `..._px_person00.trc`."""
    numbers = [re.search(r"person[_-]?(\d+)", file.stem.lower()) for file in files]
    found = [int(number[1]) for number in numbers if number]
    if len(set(found)) < len(files):
        return list(range(1, len(files) + 1))
    return [number + (0 in found) for number in found]


def _read(path: Path) -> _Markers:
    import polars as pl

    lines = read_text(path).splitlines()
    strange = SourceError(f"{path}: is not a TRC file of markers")
    if len(lines) < 5 or not lines[3].lower().startswith("frame#"):
        raise strange
    values = dict(zip(lines[1].split("\t"), lines[2].split("\t"), strict=False))
    names = [name.strip() for name in lines[3].split("\t")[2::3]]
    while names and not names[-1]:
        names.pop()
    rows = [line for line in lines[5:] if line.strip()]
    if not names or not rows:
        raise SourceError(f"{path}: holds no markers" if not names else f"{path}: holds no frames")
    width = 2 + 3 * len(names)
    cells = pl.Series(rows).str.split("\t").list.head(width).list.to_struct(fields=[str(c) for c in range(width)])
    numbers = cells.struct.unnest().with_columns(pl.all().str.strip_chars().cast(pl.Float64, strict=False))
    table = numbers.to_numpy(writable=True)
    times, points = table[:, 1], table[:, 2:].reshape(len(rows), len(names), 3)
    if not np.isfinite(times).all() or (np.diff(times) <= 0).any():
        raise SourceError(f"{path}: its times do not rise")
    unit = "px" if _in_pixels(path) else values.get("Units", "").strip()
    missing = ~np.isfinite(points).all(axis=2) | ((points == 0).all(axis=2) & (unit.lower() in PIXELS))
    points[missing] = np.nan
    return _Markers(tuple(names), times, points, unit)
