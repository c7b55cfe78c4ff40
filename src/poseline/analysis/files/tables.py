"""Tables: angles and points of everybody, a row for each person and frame, as CSV or Parquet.

`angles`: person, frame, time, facing; then for each angle NAME (smoothed, degrees), NAME_raw, NAME_velocity (degrees
a second), NAME_sigma, NAME_sigma_bias and NAME_flags.

`points`: person, frame, time, facing; then for each keypoint NAME_x and NAME_y (smoothed, pixels of the picture),
NAME_raw_x, NAME_raw_y, NAME_c (confidence), NAME_sigma (pixels) and NAME_flags; where there are metres NAME_x_m,
NAME_y_m, NAME_vx, NAME_vy (m/s), NAME_ax, NAME_ay (m/s²); and the centre of mass last.

Flags are words between `|`: missing, filled, outlier, swapped, hidden, corrected, and of an angle out_of_plane.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from poseline.analysis.facing import Facing
from poseline.analysis.motion import Bools
from poseline.analysis.result import Analysis, Person
from poseline.analysis.smoothing import PointState
from poseline.words import cell

if TYPE_CHECKING:
    import polars as pl

Column: TypeAlias = "NDArray[np.generic] | Coded"

POINT_FLAGS = ("missing", "filled", "outlier", "swapped", "hidden", "corrected")
ANGLE_FLAGS = (*POINT_FLAGS, "out_of_plane")


def angle_table(analysis: Analysis) -> pl.DataFrame:
    """The angles of everybody."""
    return _together([{**_head(person), **_angles(person)} for person in analysis.persons])


def point_table(analysis: Analysis) -> pl.DataFrame:
    """The points of everybody, with metres where anybody has them."""
    return _together([{**_head(person), **_points(person, analysis)} for person in analysis.persons])


def write_table(path: Path, table: pl.DataFrame, kind: str) -> None:
    """Write a table as `csv`, with six decimals, or as `parquet`, with all of them."""
    if kind == "csv":
        table.rename(cell).write_csv(path, float_precision=6)
    else:
        table.write_parquet(path)


def angle_flags(person: Person) -> dict[str, Bools]:
    """(T, A) for each of `ANGLE_FLAGS`: whether it is so of any point of an angle; `missing`, of the angle itself."""
    states = {"filled": PointState.FILLED, "outlier": PointState.OUTLIER}
    points = {name: person.states == state for name, state in states.items()}
    points |= {"swapped": person.swapped, "corrected": person.corrected}
    flags = {name: person.result.of_angles(value) for name, value in points.items()}
    flags["missing"] = ~np.isfinite(person.angles.degrees)
    flags["hidden"], flags["out_of_plane"] = person.result.angle_hidden, person.out_of_plane
    return {name: flags[name] for name in ANGLE_FLAGS}


def point_flags(person: Person) -> dict[str, Bools]:
    """(T, K) for each of `POINT_FLAGS`."""
    states = {"missing": PointState.MISSING, "filled": PointState.FILLED, "outlier": PointState.OUTLIER}
    flags = {name: person.states == state for name, state in states.items()}
    return flags | {"swapped": person.swapped, "hidden": person.hidden, "corrected": person.corrected}


def _head(person: Person) -> dict[str, Column]:
    count = len(person.times)
    return {
        "person": np.full(count, person.id),
        "frame": person.frames,
        "time": person.times,
        "facing": Coded(person.facings.astype(np.uint32) + np.uint32(1), [facing.name.lower() for facing in Facing]),
    }


def _angles(person: Person) -> dict[str, Column]:
    flags = _flag_columns(angle_flags(person))
    arrays = {
        "": person.angles.degrees,
        "_raw": person.raw_angles,
        "_velocity": person.angles.velocity,
        "_sigma": person.angles.sigma,
        "_sigma_bias": person.sigma_with_bias,
    }
    columns: dict[str, Column] = {}
    for index, name in enumerate(person.angles.names):
        columns |= {f"{name}{suffix}": np.ascontiguousarray(values[:, index]) for suffix, values in arrays.items()}
        columns[f"{name}_flags"] = flags[index]
    return columns


def _points(person: Person, analysis: Analysis) -> dict[str, Column]:
    flags = _flag_columns(point_flags(person))
    places = {"": person.points, "_raw": person.raw_points}
    numbers = {"c": person.confidence, "sigma": person.point_sigma}
    nothing = np.full_like(person.points, np.nan)
    metric = {"{}_m": person.points_m, "v{}": person.velocity_m, "a{}": person.acceleration_m}
    columns: dict[str, Column] = {}
    for index, name in enumerate(person.names):
        for suffix, points in places.items():
            columns |= {f"{name}{suffix}_{axis}": points[:, index, place] for place, axis in enumerate("xy")}
        columns |= {f"{name}_{key}": values[:, index] for key, values in numbers.items()}
        columns[f"{name}_flags"] = flags[index]
        if analysis.metres:
            for form, values in metric.items():
                known = nothing if values is None else values
                columns |= {f"{name}_{form.format(axis)}": known[:, index, place] for place, axis in enumerate("xy")}
    return columns | _centre(person, analysis)


def _centre(person: Person, analysis: Analysis) -> dict[str, Column]:
    body, name = person.result.mechanics, "centre_of_mass"
    pixels = body.centre_of_mass / [person.pixel_aspect, 1.0]
    columns: dict[str, Column] = {f"{name}_{axis}": pixels[:, place] for place, axis in enumerate("xy")}
    if analysis.metres:
        metric = {"{}_m": body.centre_m, "v{}": body.centre_velocity_m, "a{}": body.centre_acceleration_m}
        for form, values in metric.items():
            known = np.full((len(person.times), 2), np.nan) if values is None else values
            columns |= {f"{name}_{form.format(axis)}": known[:, place] for place, axis in enumerate("xy")}
    return columns


class Coded(NamedTuple):
    """A column of few different words."""

    codes: NDArray[np.uint32]
    """(T,) 0 for an empty field, else 1 and the index of the word."""
    words: Sequence[str]


def _flag_columns(flags: dict[str, Bools]) -> list[Coded]:
    """For each of N columns of (T, N) flags, their words."""
    names = tuple(flags)
    codes = np.zeros_like(next(iter(flags.values())), np.uint32)
    for bit, flag in enumerate(flags.values()):
        codes += flag * np.uint32(1 << bit)
    words = ["|".join(name for bit, name in enumerate(names) if code >> bit & 1) for code in range(1, 1 << len(names))]
    return [Coded(codes[:, column], words) for column in range(codes.shape[1])]


def _together(tables: list[dict[str, Column]]) -> pl.DataFrame:
    """One table of everybody's, whose columns are the same."""
    import polars as pl

    coded = {name: column for name, column in tables[0].items() if isinstance(column, Coded)}
    frames = [pl.DataFrame({name: _plain(column) for name, column in table.items()}) for table in tables]
    words = [
        pl.col(name).replace_strict(
            list(range(len(column.words) + 1)), [None, *column.words], default=None, return_dtype=pl.String
        )
        for name, column in coded.items()
    ]
    return pl.concat(frames).with_columns(pl.col(pl.Float64).fill_nan(None), *words)


def _plain(column: Column) -> NDArray[np.generic]:
    return np.ascontiguousarray(column.codes if isinstance(column, Coded) else column)
