"""Files of formats that are not text, described in a few lines for docs/formats.md."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

_WIDE, _LINES = 116, 14


def hdf5(path: Path, group: str = "/") -> str:
    """The datasets of an HDF5 file, their sizes, and how their values begin."""
    import h5py

    lines: list[str] = []

    def describe(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            size = " x ".join(map(str, item.shape)) or "1"
            lines.append(f"{group.rstrip('/')}/{name}: {size}: {_values(item)}")

    with h5py.File(path) as file:
        file[group].visititems(describe)
    return "\n".join([*(_cut(line) for line in lines[:_LINES]), *(["..."] if len(lines) > _LINES else [])])


def nwb(folder: Path) -> str:
    """The poses in the first file of a folder."""
    path = min(folder.glob("*.nwb"))
    return f"{folder.name}/{path.name}\n{hdf5(path, '/processing/behavior')}"


def rerun(path: Path) -> str:
    """What a recording has below each entity."""
    from rerun.chunk import RrdReader

    columns: dict[str, set[str]] = {}
    for chunk in RrdReader(path).stream():
        names = chunk.to_record_batch().schema.names
        columns.setdefault(chunk.entity_path, set()).update(name for name in names if "RowId" not in name)
    return "\n".join(
        _cut(f"{entity}: {', '.join(sorted(own))}") for entity, own in sorted(columns.items()) if "__" not in entity
    )


def openpose(folder: Path) -> str:
    """The names of the files, and the first of them."""
    files = sorted(folder.iterdir())
    first = files[0].read_text(encoding="utf-8")
    return "\n".join([*(f"{folder.name}/{file.name}" for file in files), "", _cut(first, 5)])


def table(path: Path) -> str:
    """The first lines of a wide table."""
    return "\n".join(_cut(line) for line in path.read_text(encoding="utf-8").splitlines()[:8])


def _values(data: Any) -> str:
    values = np.asarray(data[()]).ravel()
    if values.dtype.names:
        return ", ".join(values.dtype.names)
    shown = [value.decode() if isinstance(value, bytes) else value for value in values[:5].tolist()]
    words = [f"{value:.6g}" if isinstance(value, float) else str(value) for value in shown]
    return ", ".join(words) + (", ..." if len(values) > len(shown) else "")


def _cut(text: str, lines: int = 1) -> str:
    """The text in at most so many lines."""
    parts = [text[start : start + _WIDE] for start in range(0, len(text), _WIDE)]
    return "\n".join(parts[:lines]) + ("..." if len(parts) > lines else "")
