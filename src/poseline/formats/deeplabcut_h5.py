"""DeepLabCut's HDF5: the table of its CSV, as pandas and PyTables keep it, by h5py alone.

Pandas keeps a table's header as pickles. They are read here by an unpickler that knows nothing but lists, tuples, words
and numbers: a file from elsewhere runs no code.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from poseline.errors import SourceError
from poseline.formats.arrays import check, left_out
from poseline.formats.deeplabcut import Table, table_of, tracks_of
from poseline.formats.hdf5 import attribute, created, opened, texts
from poseline.formats.options import ExportOptions, ImportOptions
from poseline.formats.registry import Read
from poseline.log import Tracks

_KEY = "df_with_missing"
"""What DeepLabCut calls the table."""
_BLOCK = "values_block_0"
"""What pandas calls its numbers."""


def write(tracks: Tracks, target: Path, _: ExportOptions) -> Sequence[str]:
    """Write the table as HDF5."""
    table = table_of(tracks)
    rows = np.zeros(len(table.values), np.dtype([("index", "<i8"), (_BLOCK, "<f8", (len(table.columns),))]))
    rows["index"], rows[_BLOCK] = np.arange(len(rows)), table.values
    columns = _pickled(table.columns)
    version = "v108" if len(columns) > 64_000 else "earliest"  # which holds 64 KiB in an attribute
    with created(target, version) as file:
        group = file.create_group(_KEY)
        data = group.create_dataset("table", data=rows, chunks=True, maxshape=(None,))
        _describe(file, CLASS="GROUP", TITLE="", VERSION="1.0", PYTABLES_FORMAT_VERSION="2.1")
        _describe(group, CLASS="GROUP", TITLE="", VERSION="1.0", encoding="UTF-8", errors="strict", levels=1)
        _describe(
            group, pandas_type="frame_table", table_type="appendable_frame", nan_rep=_pickled(None),
            info=_pickled({1: {"names": list(table.levels), "type": "MultiIndex"}, "index": {}}),
            index_cols=_pickled([(0, "index")]), values_cols=_pickled([_BLOCK]), data_columns=_pickled([]),
            non_index_axes=_pickled([(1, table.columns)]),
        )  # fmt: skip
        _describe(data, CLASS="TABLE", TITLE="", VERSION="2.7", NROWS=len(rows), index_kind="integer")
        _describe(data, FIELD_0_NAME="index", FIELD_0_FILL=0, FIELD_1_NAME=_BLOCK, FIELD_1_FILL=0.0)
        _describe(data, **{f"{_BLOCK}_dtype": "float64", f"{_BLOCK}_kind": columns, f"{_BLOCK}_meta": _pickled(None)})
    return left_out(tracks)


def validate(target: Path) -> None:
    """Raise an OutputError unless the file is such a table."""
    check(read, target)


def read(path: Path, options: ImportOptions) -> Read:
    """Read an HDF5 file of DeepLabCut."""
    return tracks_of(_read_hdf(path), path, options)


def _read_hdf(path: Path) -> Table:
    with opened(path, f"DeepLabCut's table {_KEY!r} of tracks") as file:
        group = file[_KEY] if _KEY in file else next(iter(file.values()))
        table = _from_table(group) if "table" in group else _from_blocks(group)
    if any(len(column) != len(table.levels) for column in table.columns) or (
        len(table.columns) != table.values.shape[1]
    ):
        raise SourceError(f"{path}: is not DeepLabCut's: its header does not fit its columns")
    return table


def _from_table(group: Any) -> Table:
    """What pandas wrote with `format="table"`, as DeepLabCut does."""
    data = group["table"]
    levels = tuple(map(str, _unpickled(group.attrs["info"])[1]["names"]))
    columns = [tuple(map(str, column)) for column in _unpickled(data.attrs[f"{_BLOCK}_kind"])]
    return Table(levels, columns, data.fields(_BLOCK)[:].reshape(len(data), -1).astype(np.float64))


def _from_blocks(group: Any) -> Table:
    """What pandas wrote by default, as movement does: for each line of the header its words, and which one where."""
    count = int(group.attrs["block0_items_nlevels"])
    words = [group[f"block0_items_level{number}"] for number in range(count)]
    places = [group[f"block0_items_label{number}"][:].tolist() for number in range(count)]
    lines = [[own[place] for place in line] for own, line in zip(map(texts, words), places, strict=True)]
    levels = tuple(attribute(own, "name", "") for own in words)
    return Table(levels, list(zip(*lines, strict=True)), group["block0_values"][:].astype(np.float64))


def _describe(of: Any, **attributes: Any) -> None:
    """Set attributes as PyTables does: words are UTF-8 of fixed length, pickles are bytes."""
    import h5py

    for name, value in attributes.items():
        if isinstance(value, str):
            of.attrs.create(name, value, dtype=h5py.string_dtype("utf-8", max(len(value.encode()), 1)))
        else:
            of.attrs[name] = np.bytes_(value) if isinstance(value, bytes) else value


def _pickled(value: object) -> bytes:
    return pickle.dumps(value, protocol=0)  # the one of text, which holds no zero bytes


class _Plain(pickle._Unpickler):  # Python's own: the one in C can be made to take gigabytes
    """Knows no class and no function: only lists, tuples, dictionaries, words and numbers."""

    dispatch: ClassVar[Any] = {
        code: load for code, load in pickle._Unpickler.dispatch.items() if code != pickle.BYTEARRAY8[0]
    }
    """Without the one that takes as much memory as it claims to need."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"it holds {module}.{name}")


def _unpickled(content: Any) -> Any:
    return _Plain(io.BytesIO(bytes(content))).load()
