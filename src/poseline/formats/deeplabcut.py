"""DeepLabCut's CSV: a row for every frame of the clip, and columns by person, keypoint and x, y, likelihood.

With one person the table is a single-animal project's, without the header's line `individuals`; with more it is a
multi-animal project's. Programs count rows and do not look at the frame numbers in them, so frames that were dropped,
or in which nobody was seen, have a row too. Where a keypoint is missing, x and y are empty and the likelihood is 0:
pandas takes a first row of nothing but empty fields for a part of the header, and all frames would be one off.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from poseline.atomic import replacing
from poseline.errors import OutputError, SourceError
from poseline.formats.arrays import from_arrays, ids_of, left_out, skeleton_for, spread
from poseline.formats.options import ExportOptions, ImportOptions
from poseline.formats.registry import Read
from poseline.log import Tracks
from poseline.log.tracks import Doubles
from poseline.words import cell

SCORER = "poseline"
_COORDS = ("x", "y", "likelihood")
_DECIMALS = 4


class Table(NamedTuple):
    """What a file of DeepLabCut holds, as CSV or as HDF5."""

    levels: tuple[str, ...]
    """The lines of its header: scorer, individuals for several persons, bodyparts, coords."""
    columns: list[tuple[str, ...]]
    """For each of C columns, its entries in these lines."""
    values: Doubles
    """(frames, C) numbers; NaN where a field is empty."""


def table_of(tracks: Tracks) -> Table:
    """The table of some tracks.

    Raises:
        OutputError: nobody has an id, or it would take gigabytes.
    """
    persons = spread(tracks, every_frame=True)
    names, parts = persons.names, tracks.skeleton.names
    several = len(names) > 1
    levels = ("scorer", *(["individuals"] if several else []), "bodyparts", "coords")
    columns = [
        (SCORER, *([name] if several else []), part, coord) for name in names for part in parts for coord in _COORDS
    ]
    values: Doubles = persons.points.reshape(len(persons.points), len(columns)).astype(np.float64).round(_DECIMALS)
    values[:, 2::3] = np.nan_to_num(values[:, 2::3])
    return Table(levels, columns, values)


def tracks_of(table: Table, path: Path, options: ImportOptions) -> Read:
    """The tracks in a table; columns may come in any order.

    Raises:
        SourceError: it is not one of a clip's keypoints in the picture.
    """
    if "coords" not in table.levels or "bodyparts" not in table.levels:
        raise SourceError(f"{path}: is not DeepLabCut's: its header has no bodyparts and coords")
    level = {name: index for index, name in enumerate(table.levels)}
    named = [
        (column[level["individuals"]] if "individuals" in level else "person_1", column[level["bodyparts"]],
         column[level["coords"]])
        for column in table.columns
    ]  # fmt: skip
    if any(coord == "z" for _, _, coord in named):
        raise SourceError(f"{path}: holds points in space, and a log holds points in the picture")
    if "scorer" in level and len({column[level["scorer"]] for column in table.columns}) > 1:
        raise SourceError(f"{path}: holds tracks of several scorers; keep one of them")
    persons = {name: index for index, name in enumerate(dict.fromkeys(name for name, _, _ in named))}
    parts = {name: index for index, name in enumerate(dict.fromkeys(part for _, part, _ in named))}
    points = np.full((len(table.values), len(persons), len(parts), 3), np.nan, np.float32)
    with np.errstate(over="ignore"):  # what is too large for float32 is infinite, and so missing
        for column, (name, part, coord) in enumerate(named):
            if coord in _COORDS:
                points[:, persons[name], parts[part], _COORDS.index(coord)] = table.values[:, column]
    return Read(from_arrays(points, ids_of(list(persons)), skeleton_for(path, options, tuple(parts))))


def write(tracks: Tracks, target: Path, _: ExportOptions) -> Sequence[str]:
    """Write the table as CSV."""
    import polars as pl

    table = table_of(tracks)
    columns: dict[str, Any] = {"frame": np.arange(len(table.values))}
    columns |= {str(column): table.values[:, column] for column in range(len(table.columns))}
    head = io.StringIO()
    lines = csv.writer(head, lineterminator="\n")
    for index, level in enumerate(table.levels):
        lines.writerow([level, *(cell(column[index]) for column in table.columns)])
    with replacing(target) as temporary, temporary.open("wb") as file:
        file.write(head.getvalue().encode())
        pl.DataFrame(columns).with_columns(pl.col(pl.Float64).fill_nan(None)).write_csv(file, include_header=False)
    return left_out(tracks)


def validate(target: Path) -> None:
    """Raise an OutputError unless the file is such a table, and its last line is whole."""
    try:
        table = _read_csv(target)
    except SourceError as error:
        raise OutputError(str(error)) from None
    with target.open("rb") as file:
        file.seek(-1, io.SEEK_END)
        if file.read() != b"\n" or not table.columns:
            raise OutputError(f"{target}: the last line of the table is not whole")


def read(path: Path, options: ImportOptions) -> Read:
    """Read a CSV file of DeepLabCut, or of Lightning Pose, which has the same layout."""
    return tracks_of(_read_csv(path), path, options)


def _read_csv(path: Path) -> Table:
    import polars as pl

    strange = SourceError(f"{path}: is not DeepLabCut's: its first lines are not scorer, bodyparts and coords")
    header: list[list[str]] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for line in csv.reader(file):
                header.append(line)
                if (line and line[0] == "coords") or len(header) > 4:
                    break
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error):
        raise strange from None
    width = len(header[0]) if header else 0
    if not header or header[-1][:1] != ["coords"] or any(len(line) != width for line in header) or width < 2:
        raise strange
    try:
        body = pl.read_csv(path, has_header=False, skip_rows=len(header), infer_schema=False)
        numbers = body.select(pl.nth(range(1, width)).cast(pl.Float64)).to_numpy()
    except pl.exceptions.NoDataError:
        numbers = np.zeros((0, width - 1))
    except pl.exceptions.PolarsError:
        raise SourceError(
            f"{path}: its rows are not {width - 1} numbers each; labels of pictures are not tracks"
        ) from None
    columns = list(zip(*(line[1:] for line in header), strict=True))
    return Table(tuple(line[0] for line in header), columns, numbers)
