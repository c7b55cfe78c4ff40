"""Short repr: what a dataclass with arrays and long lists shows of itself in one line."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import fields, is_dataclass
from typing import Any

from poseline.errors import redact

_LENGTH = 60
"""Characters of one field; what is longer is told by its kind and size."""
_FEW = 20
"""Members of a collection that are looked at one by one."""


def short_repr(thing: Any) -> str:
    """`Name(field=value, ...)` of a dataclass: arrays as shape and dtype, long collections as how many of what.

    To be used as its `__repr__`.
    """
    values = ((field.name, getattr(thing, field.name)) for field in fields(thing) if field.repr)
    return f"{type(thing).__name__}({', '.join(f'{name}={_short(value)}' for name, value in values)})"


def _short(value: Any) -> str:
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return f"<{'x'.join(map(str, value.shape))} {value.dtype}>"
    if isinstance(value, Collection) and not isinstance(value, str | bytes):
        return _of_collection(value)
    text = redact(repr(value))
    if len(text) <= _LENGTH:
        return text
    return f"{type(value).__name__}(...)" if is_dataclass(value) else f"{text[: _LENGTH - 3]}..."


def _of_collection(values: Collection[Any]) -> str:
    if len(values) <= _FEW and len(text := redact(repr(values))) <= _LENGTH:
        return text
    if isinstance(values, dict):
        return f"<{len(values)} keys>"
    kinds = {type(value).__name__ for value in values}
    return f"<{len(values)} {kinds.pop() if len(kinds) == 1 else 'values'}>"
