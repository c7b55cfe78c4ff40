"""Words: what texts for the user have in common."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from itertools import islice
from pathlib import Path


def counted(count: int, noun: str) -> str:
    """`1 packet`, `2 packets`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def unused(name: str, taken: Collection[str]) -> str:
    """The name, or `NAME-2`, `NAME-3` and so on: the first that is not taken."""
    free, number = name, 2
    while free in taken:
        free, number = f"{name}-{number}", number + 1
    return free


def were(count: int) -> str:
    """`was` for one, `were` for several."""
    return "was" if count == 1 else "were"


def often(count: int) -> str:
    """`once`, `2 times`."""
    return "once" if count == 1 else f"{count} times"


def cell(text: str) -> str:
    """A text for a CSV: with a quote before it where a spreadsheet would take it for a formula, and run it."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


_ALIKE, _STEMS_ALIKE = 0.6, 0.7
"""Parts of two names that agree, by difflib's measure, from which one may be meant by the other."""
_MOST_FILES = 10_000
"""Files of a folder that are compared."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean conf?` where one of the `known` names is like `name`, else nothing."""
    from difflib import get_close_matches  # only where something is wrong

    nearest = get_close_matches(name.lower(), list(known), 1, _ALIKE)
    return f"; did you mean {nearest[0]}?" if nearest else ""


def file_alike(path: Path, more: Iterable[str] = ()) -> str:
    """As `did_you_mean`, of the files that lie where `path` would, and of `more` names; or that there is no folder."""
    from difflib import get_close_matches

    try:
        with os.scandir(path.parent) as entries:
            files = [entry.name for entry in islice(entries, _MOST_FILES)]
    except OSError:
        return f": there is no folder {path.parent}"
    stems = {name: Path(name).stem.lower() for name in [*files, *more]}
    alike = set(get_close_matches(path.stem.lower(), list(stems.values()), 5, _STEMS_ALIKE))
    candidates = [name for name, stem in stems.items() if stem in alike]  # the suffix, which many share, proves nothing
    nearest = get_close_matches(path.name, candidates, 1, 0.0)
    if not nearest:
        return ""
    return f"; did you mean {path.with_name(nearest[0]) if nearest[0] in files else nearest[0]}?"
