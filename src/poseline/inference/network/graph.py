"""Operations of OpenVINO as the builder of networks uses them; sizes that are open stay open."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from openvino import opset13 as ov

from poseline.inference.network.module import Value


def ints(*numbers: int) -> NDArray[np.int64]:
    """Integers as OpenVINO's operations take them."""
    return np.array(numbers, np.int64)


def constant(numbers: Any) -> Value:
    """float32 numbers."""
    return ov.constant(np.ascontiguousarray(numbers, np.float32)).output(0)


def plus(a: Value, b: Value) -> Value:
    """Their sum."""
    return ov.add(a, b).output(0)


def joined(parts: Sequence[Value], axis: int = 1) -> Value:
    """The parts, one behind another."""
    return ov.concat(list(parts), axis).output(0)


def split(value: Value, axis: int, *sizes: int) -> list[Value]:
    """Parts of these sizes."""
    return list(ov.variadic_split(value, np.int64(axis), ints(*sizes)).outputs())


def reshaped(value: Value, *shape: int) -> Value:
    """With another shape; 0 is the size that is there, -1 what remains."""
    return ov.reshape(value, ints(*shape), True).output(0)


def transposed(value: Value, *axes: int) -> Value:
    """With its axes in another order."""
    return ov.transpose(value, ints(*axes)).output(0)


def size_of(value: Value, axis: int) -> Value:
    """(1,) the size of an axis."""
    return ov.gather(ov.shape_of(value, "i64"), ints(axis), np.int64(0)).output(0)


def reshaped_to(value: Value, sizes: Sequence[Value | int]) -> Value:
    """With a shape of which some sizes are known when the network runs."""
    parts = [ov.constant(ints(size)).output(0) if isinstance(size, int) else size for size in sizes]
    return ov.reshape(value, joined(parts, 0), False).output(0)
