"""Tables: the keypoint log as CSV or Parquet, one row per person per frame, made from the journal at the end.

Columns: `frame,time,id,score,x1,y1,x2,y2`, then `<name>_x,<name>_y,<name>_c` for each keypoint. Where the pictures are
not all of one size, `width,height` follow, in pixels; where their pixels are not all of one shape, `pixel_aspect`;
where the model knows more than one class, `class`; where the log is not of one video (its header has no `video`),
`source` is last.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poseline.atomic import cause, replacing
from poseline.errors import OutputError
from poseline.log.reader import LoggedFrame, LogReader
from poseline.words import cell

if TYPE_CHECKING:
    import polars as pl

_COLUMNS = ("frame", "time", "id", "score", "x1", "y1", "x2", "y2")
"""The columns that every table begins with."""
_CHUNK = 1000
"""Frames that are in memory at once."""


def write_csv(log_path: Path, csv_path: Path, *, raw: bool = False) -> None:
    """Write the table of the log at `log_path` as CSV; null is an empty field. Atomic, in bounded memory.

    With `raw`, without the corrections that were made by hand.

    Raises:
        SourceError: the log cannot be read.
        OutputError: the table cannot be written.
    """
    _sink(log_path, csv_path, "csv", raw)


def write_parquet(log_path: Path, parquet_path: Path, *, raw: bool = False) -> None:
    """Write the table of the log at `log_path` as Parquet. Atomic, in bounded memory.

    With `raw`, without the corrections that were made by hand.

    Raises:
        SourceError: the log cannot be read.
        OutputError: the table cannot be written.
    """
    _sink(log_path, parquet_path, "parquet", raw)


def validate_csv(path: Path) -> None:
    """Raise an OutputError unless the file at `path` is a table as `write_csv` makes it, with its last line whole."""
    with path.open("rb") as file:
        header = file.readline().decode("utf-8", "replace")
        file.seek(max(0, path.stat().st_size - 1))
        last = file.read()
    _require_columns(path, next(csv.reader([header])) if header else [])
    if last != b"\n":
        raise OutputError(f"{path}: the last line of the table is not whole")


def validate_parquet(path: Path) -> None:
    """Raise an OutputError unless the file at `path` is a table as `write_parquet` makes it."""
    import polars as pl

    try:
        columns = list(pl.read_parquet_schema(path))
    except pl.exceptions.PolarsError as error:
        raise OutputError(f"{path}: is not a Parquet file: {cause(error)}") from error
    _require_columns(path, columns)


def _require_columns(path: Path, columns: Sequence[str]) -> None:
    if tuple(columns[: len(_COLUMNS)]) != _COLUMNS:
        raise OutputError(f"{path}: the table does not begin with the columns {', '.join(_COLUMNS)}")


def _sink(log_path: Path, path: Path, kind: str, raw: bool) -> None:
    import polars as pl

    table = _scan(LogReader(log_path, raw=raw), cell if kind == "csv" else str)
    with replacing(path) as temporary:
        try:
            table.sink_csv(temporary) if kind == "csv" else table.sink_parquet(temporary)
        except pl.exceptions.PolarsError as error:
            raise OutputError(f"{path}: the table cannot be written: {cause(error)}") from error


def _scan(reader: LogReader, text: Callable[[str], str]) -> pl.LazyFrame:
    """A table that polars draws from the log chunk by chunk while it writes; `text` makes a cell of a name."""
    import polars as pl
    from polars.io.plugins import register_io_source

    sizes_differ, aspects_differ = reader.differing()
    changing = [*(("width", "height") if sizes_differ else ()), *(("pixel_aspect",) if aspects_differ else ())]
    schema = pl.Schema({text(name): kind for name, kind in _columns(reader, changing).items()})

    def chunks(
        columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, batch_size: int | None
    ) -> Iterator[pl.DataFrame]:
        del predicate, n_rows, batch_size  # they may be asked for only in a query, and this is a copy
        records = reader.records()
        while batch := list(islice(records, _CHUNK)):
            rows = chain.from_iterable(_rows(record, frame, reader, changing, text) for record, frame in batch)
            table = pl.DataFrame(list(rows), schema=schema, orient="row")
            yield table if columns is None else table.select(columns)

    return register_io_source(chunks, schema=schema)


def _columns(reader: LogReader, changing: Sequence[str]) -> dict[str, Any]:
    import polars as pl

    columns: dict[str, Any] = {"frame": pl.Int64, "time": pl.Float64, "id": pl.Int64}
    columns |= dict.fromkeys(("score", "x1", "y1", "x2", "y2"), pl.Float64)
    columns |= {f"{name}_{part}": pl.Float64 for name in reader.names for part in "xyc"}
    columns |= {name: pl.Float64 if name == "pixel_aspect" else pl.Int64 for name in changing}
    if reader.classes:
        columns["class"] = pl.Int64
    if reader.run.get("video") is None:
        columns["source"] = pl.String
    return columns


def _rows(
    record: dict[str, Any], frame: LoggedFrame, reader: LogReader, changing: Sequence[str], text: Callable[[str], str]
) -> Iterator[tuple[Any, ...]]:
    shape = tuple(getattr(frame, name) for name in changing)
    tail: tuple[Any, ...] = () if reader.run.get("video") else (text(frame.source),)
    for person in record["persons"]:
        values = chain.from_iterable(person["keypoints"])
        kind = (person.get("class", 0),) if reader.classes else ()
        yield (
            record["frame"], record["time"], person["id"], person["score"], *person["box"], *values,
            *shape, *kind, *tail,
        )  # fmt: skip
