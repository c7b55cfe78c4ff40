"""Weights file: a `.pt` read as data, without torch: a zip of one pickle, and one entry of numbers for each storage.

The pickle is read by the restricted `unpickler`; tensors are read when their numbers are asked for. Whatever is wrong
with a file is a ModelError that says so, and what a file can cost is bounded by its size.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poseline.errors import ModelError
from poseline.inference.unpickler import Name, NotData, Unpickler, small_dict, small_set, small_tuple

Numbers = NDArray[Any]

_STORAGES = {
    "FloatStorage": "f4", "HalfStorage": "f2", "DoubleStorage": "f8", "LongStorage": "i8", "IntStorage": "i4",
    "ShortStorage": "i2", "CharStorage": "i1", "ByteStorage": "u1", "BoolStorage": "?", "BFloat16Storage": "bf16",
    "UntypedStorage": "u1",
}  # fmt: skip
"""torch's storages, as numpy's types; numpy has no bf16, the upper half of an f4."""
_TYPES = {
    "float32": "f4", "float16": "f2", "float64": "f8", "int64": "i8", "int32": "i4", "int16": "i2", "int8": "i1",
    "uint8": "u1", "bool": "?", "bfloat16": "bf16",
}  # fmt: skip
_PACKAGES = {
    "torch", "ultralytics", "collections", "pathlib", "numpy", "argparse", "types", "datetime", "typing", "_codecs",
}  # fmt: skip
"""Packages whose classes weights may name. None is imported; a name from elsewhere shows that a file is no data."""
_BUILTINS = {"set", "frozenset", "list", "dict", "tuple", "slice", "complex", "bytearray", "object", "getattr", "range"}
"""Builtins that real files name; `getattr` is how a pickle names a bound method (`forward = self.forward_fuse`)."""
_MOST_DIRECTORY = 8 << 20
"""Bytes of the list of the zip's entries: Python makes an object of each before we can look."""
_DAMAGED = "the file is damaged or incomplete; fetch it again"


class Tensor:
    """Where a tensor's numbers lie in the file."""

    __slots__ = ("_offset", "_storage", "_strides", "shape")

    def __init__(self, storage: _Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> None:
        if len(shape) != len(strides) or any(type(n) is not int or n < 0 for n in (offset, *shape, *strides)):
            raise NotData("a tensor of no possible shape")
        count = math.prod(shape)
        last = offset + sum((n - 1) * s for n, s in zip(shape, strides, strict=True)) if count else 0
        if count > max(storage.count, 1) or (count and last >= storage.count):
            raise NotData("a tensor beyond the end of its numbers")
        self._storage, self._offset, self.shape, self._strides = storage, offset, shape, strides

    def array(self) -> Numbers:
        """The numbers, read-only, of `shape`.

        Raises:
            NotData: the file is damaged.
        """
        flat = self._storage.array()[self._offset :]
        steps = [step * flat.itemsize for step in self._strides]
        return np.lib.stride_tricks.as_strided(flat, self.shape, steps, writeable=False)


class _Storage:
    """One entry of numbers."""

    __slots__ = ("count", "file", "key", "kind")

    def __init__(self, file: WeightsFile, key: str, kind: str, count: int) -> None:
        self.file, self.key, self.kind, self.count = file, key, kind, count

    def array(self) -> Numbers:
        return self.file.numbers(self.key, self.kind, self.count)


class WeightsFile:
    """An open `.pt` file; use it in a `with`.

    Raises:
        ModelError: it cannot be read, or is no file of weights.
    """

    def __init__(self, path: Path) -> None:
        self.name = path.name
        try:
            self._size = path.stat().st_size
            _check_directory(path)
            self._zip = zipfile.ZipFile(path)
        except NotData as error:
            raise ModelError(f"{path.name}: {error}") from error
        except Exception as error:  # zipfile lets many kinds through, of struct, codecs and integers
            raise ModelError(f"{path.name}: {_DAMAGED}") from error
        self._left = 4 * self._size + (1 << 20)
        """Bytes that may yet be read: a file may name the same numbers again and again."""
        self._last: tuple[object, Numbers] = None, np.empty(0)

    def __enter__(self) -> WeightsFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._zip.close()

    @cached_property
    def content(self) -> Any:
        """What was saved: dictionaries, lists, numbers and texts as such, tensors as `Tensor`, all else as `Record`.

        Raises:
            ModelError: damaged, unsafe, or not weights.
        """
        try:
            data = self._read(f"{self._folder}/data.pkl")
            return Unpickler(data, _FUNCTIONS, self._storage, _allowed).load()
        except NotData as error:
            raise ModelError(f"{self.name}: {error}") from error

    @cached_property
    def _folder(self) -> str:
        """The folder in the zip that holds everything."""
        entries = {info.filename: info for info in self._zip.infolist()}
        pickles = [name for name in entries if name.count("/") == 1 and name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise NotData("is a zip, but not PyTorch weights: no data.pkl in it")
        folder = pickles[0].partition("/")[0]
        if f"{folder}/constants.pkl" in entries:
            raise NotData("is TorchScript, not weights; give the .pt that it was exported from")
        if any(info.compress_type != zipfile.ZIP_STORED for info in entries.values()):
            raise NotData("is a compressed zip, and torch writes none; unpack it, and give the .pt in it")
        if sum(info.file_size for info in entries.values()) > self._size:
            raise NotData(_DAMAGED)
        return folder

    @cached_property
    def _big_endian(self) -> bool:
        name = f"{self._folder}/byteorder"
        return name in self._zip.namelist() and self._read(name) == b"big"

    def _read(self, name: str) -> bytes:
        try:
            self._left -= self._zip.getinfo(name).file_size
            if self._left < 0:
                raise NotData("it uses the same numbers again and again, as no network does")
            return self._zip.read(name)
        except NotData:
            raise
        except Exception as error:  # as above
            raise NotData(_DAMAGED) from error

    def numbers(self, key: str, kind: str, count: int) -> Numbers:
        """The first `count` numbers of a storage.

        Raises:
            NotData: there are fewer.
        """
        wanted = key, kind, count
        if self._last[0] != wanted:
            raw = self._read(f"{self._folder}/data/{key}")
            width = np.dtype("u2" if kind == "bf16" else kind).newbyteorder(">" if self._big_endian else "<")
            if len(raw) < count * width.itemsize:
                raise NotData(_DAMAGED)
            flat: Numbers = np.frombuffer(raw, width, count)
            if kind == "bf16":
                flat = (flat.astype("u4") << 16).view("f4")
            self._last = wanted, flat
        return self._last[1]

    def _storage(self, given: Any) -> _Storage:
        """The storage of a persistent id: ("storage", class, key, device, count)."""
        if not isinstance(given, tuple) or len(given) < 5 or given[0] != "storage" or not isinstance(given[1], Name):
            raise NotData("its pickle has a reference that torch does not write")
        _, kind, key, _, count = given[:5]
        name = kind.path.rpartition(".")[2]
        if name not in _STORAGES or not isinstance(key, str) or not key.isalnum() or type(count) is not int:
            raise NotData(f"a storage of {kind.path}, which torch does not write")
        return _Storage(self, key, _STORAGES[name], count)


def _check_directory(path: Path) -> None:
    """Refuse a zip whose list of entries alone would fill the memory."""
    with path.open("rb") as file:
        file.seek(-min(1 << 16, path.stat().st_size), 2)
        tail = file.read()
    at, at64 = tail.rfind(b"PK\x05\x06"), tail.rfind(b"PK\x06\x06")
    sizes = [int.from_bytes(tail[at + 12 : at + 16], "little")] if at >= 0 else []
    if at64 >= 0:
        sizes = [size for size in sizes if size != 0xFFFFFFFF] + [int.from_bytes(tail[at64 + 40 : at64 + 48], "little")]
    if any(size > _MOST_DIRECTORY for size in sizes):
        raise NotData("is a zip of more entries than any network has")


def _allowed(module: str, name: str) -> bool:
    if module in ("__builtin__", "builtins"):
        return name in _BUILTINS
    return module.partition(".")[0] in _PACKAGES


def _tensor(storage: Any, offset: Any, size: Any, strides: Any, *_: Any) -> Tensor:
    if not isinstance(storage, _Storage):
        raise NotData("a tensor without numbers")
    return Tensor(storage, offset, small_tuple(size), small_tuple(strides))


def _typed_tensor(
    storage: Any, offset: Any, size: Any, strides: Any, requires_grad: Any, hooks: Any, kind: Any, *_: Any
) -> Tensor:
    """A tensor of its own type on a storage of bytes; `count` of such a storage is in bytes."""
    del requires_grad, hooks
    name = kind.path.rpartition(".")[2] if isinstance(kind, Name) else ""
    if not isinstance(storage, _Storage) or name not in _TYPES:
        raise NotData("a tensor of an unknown type")
    own = _TYPES[name]
    count = storage.count // (2 if own == "bf16" else np.dtype(own).itemsize)
    return _tensor(_Storage(storage.file, storage.key, own, count), offset, size, strides)


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "collections.OrderedDict": small_dict,
    "__builtin__.set": small_set,
    "builtins.set": small_set,
    "torch.Size": small_tuple,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _typed_tensor,
    "torch._utils._rebuild_parameter": lambda data, *_: data,
    "torch._utils._rebuild_parameter_with_state": lambda data, *_: data,
}
