"""Instances: an array with one row for each person in a picture; what boxes and keypoints have in common."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self

from poseline.results.array import Array, array, no_gpu

Index: TypeAlias = "int | slice | Sequence[int] | Sequence[bool] | NDArray[Any]"
"""Which persons: a number, a slice, numbers, or a mask; tensors too."""


class Instances:
    """One row for each of N persons.

    Args:
        data: N rows, or one row alone.
        orig_shape: (height, width) of the picture in pixels.
    """

    data: Array
    """All the numbers, float32."""
    orig_shape: tuple[int, int]
    """(height, width) of the picture in pixels."""

    def __init__(self, data: NDArray[Any], orig_shape: tuple[int, int]) -> None:
        self.data = data  # type: ignore[assignment] # an Array; a plain array after `numpy()`
        self.orig_shape = orig_shape

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of `data`."""
        return self.data.shape

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: Index) -> Self:
        """The rows that `index` picks; also one row is N rows, with N = 1.

        Raises:
            IndexError: there is no such row.
        """
        tensor = hasattr(index, "__array__")  # numpy takes one of truths for numbers
        return self._with(self.data[np.asarray(index) if tensor else index])

    def __iter__(self) -> Iterator[Self]:
        return (self[number] for number in range(len(self)))

    def cpu(self) -> Self:
        """The same rows: they are in the CPU's memory."""
        return self._with(self.data)

    def numpy(self) -> Self:
        """The same rows, and all their arrays plain numpy arrays."""
        return self._with(np.asarray(self.data))

    def cuda(self) -> Self:
        """Not possible.

        Raises:
            DeviceError: always; its text says how to make a tensor on a GPU.
        """
        raise no_gpu("cuda")

    def to(self, *targets: object, device: object = None, dtype: object = None) -> Self:
        """The same rows with numbers of another type: see `Array.to`."""
        return self._with(array(np.asarray(self.data)).to(*targets, device=device, dtype=dtype))

    def _with(self, data: NDArray[Any]) -> Self:
        return type(self)(data, self.orig_shape)
