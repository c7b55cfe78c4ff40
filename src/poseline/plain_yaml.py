"""YAML of plain values: what somebody else wrote is read without surprises, or refused in words."""

from __future__ import annotations

import re
from typing import Any

from poseline.errors import redact

_BRACKET = re.compile(r"[\[\]{}]")
_MOST_VALUES = 100_000
"""Values in a file, where those that are referred to again count again."""
_LONGEST, _DEEPEST = 2_000_000, 100
"""Letters of a text, and brackets within brackets: PyYAML takes time by their square."""
_MOST_LETTERS = 300
"""Of an error's text, which may repeat what stands in the file."""


class NotPlainError(ValueError):
    """The text is no YAML of plain values; the message says why, in one line."""


def load_plain(text: str) -> Any:
    """The value of a YAML text: dicts, lists, texts, numbers, dates and None.

    Raises:
        NotPlainError: it is no YAML, is nested too deeply, or unfolds to more than 100,000 values by references.
    """
    if len(text) > _LONGEST:
        raise NotPlainError(f"it has {len(text)} letters; {_LONGEST} are read")
    if _depth(text) > _DEEPEST:
        raise NotPlainError("it is nested too deeply")
    import yaml  # most starts have no file

    try:
        value = yaml.safe_load(text)
    except RecursionError:
        raise NotPlainError("it is nested too deeply") from None
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, OverflowError) as error:  # a date of month 13, too
        raise NotPlainError(redact(" ".join(_words(error).split()))[:_MOST_LETTERS]) from None
    if _is_over_limit(value):
        raise NotPlainError(f"it holds more than {_MOST_VALUES} values, or refers to itself")
    return value


def _words(error: Exception) -> str:
    """What is wrong, and where: PyYAML's own text quotes a piece of the line, which may begin within a password."""
    problem, mark = getattr(error, "problem", None), getattr(error, "problem_mark", None)
    if not problem:
        return str(error)
    context = getattr(error, "context", None)
    where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
    return f"{context}, {problem}{where}" if context else f"{problem}{where}"


def _depth(text: str) -> int:
    """How deep brackets lie within brackets, at most, and dashes behind dashes; in quotes they count too."""
    deepest = depth = 0
    if text.count("[") + text.count("{") > _DEEPEST:
        for bracket in _BRACKET.findall(text):
            depth += 1 if bracket in "[{" else -1 if depth else 0
            deepest = max(deepest, depth)
    return max(deepest, *(line.count("- ") + line.count("? ") for line in text.splitlines()), 0)


def _is_over_limit(value: Any) -> bool:
    waiting, seen = [value], 0
    while waiting:
        each = waiting.pop()
        seen += 1
        if seen + len(waiting) > _MOST_VALUES:
            return True
        if isinstance(each, dict):
            waiting += each.values()
        elif isinstance(each, list | set):
            waiting += each
    return False
