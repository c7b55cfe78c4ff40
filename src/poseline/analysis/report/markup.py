"""HTML and SVG as strings in which every text is escaped, whoever wrote it.

>>> tag("td", "<b>", class_="name")
'<td class="name">&lt;b&gt;</td>'
"""

from __future__ import annotations

import re
from html import escape
from typing import TypeAlias


class Markup(str):
    """Text that is HTML or SVG already."""

    __slots__ = ()


Child: TypeAlias = "str | Markup | None"
"""What an element holds: markup as it is, other text to be escaped, or nothing."""
Value: TypeAlias = "str | float | None"

_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters, and halves of characters, as odd file names have them."""
_EMPTY = frozenset({"meta", "img", "br", "col"})
"""Elements of HTML that have no end tag."""


def join(*children: Child, between: str = "") -> Markup:
    """Children one after another, escaped where they are not markup."""
    return Markup(between.join(_text(child) for child in children if child is not None))


def tag(name: str, *children: Child, **attributes: Value) -> Markup:
    """One element.

    Args:
        name: of the element.
        children: what it holds.
        attributes: `class_` stands for `class`, and `stroke_width` for `stroke-width`; those that are None are left
            out, numbers are written with one decimal at most.
    """
    written = "".join(f' {_attribute(key)}="{_value(value)}"' for key, value in attributes.items() if value is not None)
    if name in _EMPTY:
        return Markup(f"<{name}{written}>")
    return Markup(f"<{name}{written}>{join(*children)}</{name}>")


def number(value: float) -> str:
    """A coordinate with one decimal at most, without a zero behind it."""
    text = f"{value:.1f}"
    return "0" if text == "-0.0" else text.removesuffix(".0")


def _text(child: str) -> str:
    return child if isinstance(child, Markup) else escape(_printable(child), quote=False)


def _value(value: str | float) -> str:
    return escape(_printable(value), quote=True) if isinstance(value, str) else number(value)


def _attribute(key: str) -> str:
    key = key.rstrip("_")
    return key if key in ("viewBox", "preserveAspectRatio") else key.replace("_", "-")


def _printable(text: str) -> str:
    """Without what HTML cannot hold."""
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)
