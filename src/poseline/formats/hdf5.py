"""HDF5: files opened by h5py (an extra), with errors in words."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from poseline.atomic import replacing
from poseline.errors import SourceError


@contextmanager
def opened(path: Path, kind: str) -> Iterator[Any]:
    """The file; what the code inside misses in it makes it no file of its kind.

    Args:
        path: of the file.
        kind: whose file it should be, such as `movement's`.

    Raises:
        SourceError: it cannot be opened, or lacks something.
    """
    import h5py

    try:
        with h5py.File(path) as file:
            yield file
    except SourceError:
        raise
    except FileNotFoundError:
        raise SourceError(f"{path}: there is no such file") from None
    except (OSError, LookupError, ValueError, TypeError, AttributeError, RuntimeError, pickle.UnpicklingError) as error:
        raise SourceError(f"{path}: is not {kind}: {error}") from None


@contextmanager
def created(path: Path, version: str = "earliest") -> Iterator[Any]:
    """A new file, which takes the place of `path` when it is whole; `version` is the oldest HDF5 that may read it.

    Raises:
        OutputError: it cannot be written.
    """
    import h5py

    with replacing(path) as temporary, h5py.File(temporary, "w", libver=(version, "v110")) as file:
        yield file


def texts(data: Any) -> list[str]:
    """The words in a dataset of one dimension."""
    return [value.decode() if isinstance(value, bytes) else str(value) for value in data[:].tolist()]


def attribute(of: Any, name: str, otherwise: str) -> str:
    """The text of an attribute, which other libraries write as bytes, or as an array of one."""
    value = np.asarray(of.attrs.get(name, otherwise)).ravel()[0]
    return value.decode() if isinstance(value, bytes) else str(value)
