"""HDF5: files opened by h5py (an extra), with errors in words."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from poseline.atomic import replacing
from poseline.errors import OutputError, SourceError

_LARGE, _DENSEST = 256 << 20, 1100
"""Bytes of an array that may be, whatever the file's size; and how much smaller deflate makes what is all alike."""
_FAULTS = (
    OSError, LookupError, ValueError, TypeError, AttributeError, RuntimeError, EOFError, MemoryError, ArithmeticError,
    pickle.UnpicklingError, struct.error,
)  # fmt: skip
"""What reading a file of another kind, or a damaged one, raises."""


@contextmanager
def opened(path: Path, kind: str, part: str = "/") -> Iterator[Any]:
    """The file; what the code inside misses in it makes it no file of its kind.

    Args:
        path: of the file.
        kind: whose file it should be, such as `movement's`.
        part: the group that is read, and looked through before.

    Raises:
        SourceError: it cannot be opened, lacks something, refers to other files, or unpacks to more than it can hold.
    """
    import h5py

    try:
        with h5py.File(path) as file:
            _check(file[part], path, max(_LARGE, _DENSEST * path.stat().st_size), set())
            yield file
    except SourceError:
        raise
    except FileNotFoundError:
        raise SourceError(f"{path}: there is no such file") from None
    except _FAULTS as error:
        raise SourceError(f"{path}: is not {kind}: {error or type(error).__name__}") from None


def _check(group: Any, path: Path, most: int, seen: set[int]) -> None:
    """See that all is in this file, and that nothing in it unpacks to more than `most` bytes.

    Raises:
        SourceError: an array is larger, or something is in another file.
    """
    import h5py

    place = h5py.h5o.get_info(group.id).addr
    if place in seen:  # a group may hold itself
        return
    seen.add(place)
    for name in group:
        link = group.get(name, getlink=True)
        if isinstance(link, h5py.ExternalLink):
            raise SourceError(f"{path}: its {name} is in another file, which is not opened")
        if not isinstance(link, h5py.HardLink):  # what a soft one leads to is looked at where it is
            continue
        value = group[name]
        if isinstance(value, h5py.Group):
            _check(value, path, most, seen)
        elif isinstance(value, h5py.Dataset):
            if value.external or value.is_virtual:
                raise SourceError(f"{path}: its {name} is in another file, which is not opened")
            if value.nbytes > most:
                raise SourceError(f"{path}: its {name} claims {value.nbytes} bytes, more than the file can hold")


@contextmanager
def created(path: Path, version: str = "earliest") -> Iterator[Any]:
    """A new file, which takes the place of `path` when it is whole; `version` is the oldest HDF5 that may read it.

    Raises:
        OutputError: it cannot be written, or holds a text that HDF5 cannot.
    """
    import h5py

    try:
        with replacing(path) as temporary, h5py.File(temporary, "w", libver=(version, "v110")) as file:
            yield file
    except ValueError as error:  # h5py's, of a name with a zero
        raise OutputError(f"{path}: HDF5 cannot hold this log: {error}") from None


def texts(data: Any) -> list[str]:
    """The words in a dataset of one dimension."""
    return [value.decode() if isinstance(value, bytes) else str(value) for value in data[:].tolist()]


def attribute(of: Any, name: str, otherwise: str) -> str:
    """The text of an attribute, which other libraries write as bytes, or as an array of one."""
    value = np.asarray(of.attrs.get(name, otherwise)).ravel()[0]
    return value.decode() if isinstance(value, bytes) else str(value)
