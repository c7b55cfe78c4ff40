"""Values as JSON can hold them, with nothing in them that is secret."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from poseline.errors import redact


def jsonable(value: Any) -> Any:
    """`value` as JSON types: passwords in URLs hidden, NaN and inf as None, arrays as lists, all else as text."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {jsonable(str(key)): jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [jsonable(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return jsonable(value.tolist())
    return redact(str(value)).encode("utf-8", "backslashreplace").decode()  # a file's name may be no text at all
