"""Amounts: counts, lengths of time, moments and sizes of files, as people type them.

What is too large for a number is no amount.
"""

from __future__ import annotations

import math
import re

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_MOMENT = re.compile(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d*)?|\.\d+)")
_BYTES = {"MB": 1000**2, "GB": 1000**3, "TB": 1000**4}

_DIGITS = 15
"""Of a whole number, all of which a float holds; Python ends the reading of thousands with an error of its own."""


def whole_in(text: str) -> int | None:
    """The whole number of `12`; None of any other text."""
    return int(text) if text.isdecimal() and len(text) <= _DIGITS else None


def port_in(text: str) -> int | None:
    """A port of TCP or UDP, from 1 to 65535; None of any other text."""
    number = whole_in(text) or 0
    return number if 0 < number < 65536 else None


def seconds_in(text: str) -> float | None:
    """Seconds of `90s`, `10m`, `1.5h` or `7d`; None of any other text."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text)
    return _finite(float(found[1]) * _SECONDS[found[2]]) if found else None


def moment_in(text: str) -> float | None:
    """Seconds of `83.5`, `1:23.5` or `0:01:23.5`; None of any other text."""
    found = _MOMENT.fullmatch(text.strip())
    if found is None:
        return None
    hours, minutes, seconds = found.groups(default="0")
    return _finite(3600 * float(hours) + 60 * float(minutes) + float(seconds))


def bytes_in(text: str) -> float | None:
    """Bytes of `500MB`, `50GB` or `1.5TB`; None of any other text."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(MB|GB|TB)", text)
    return _finite(float(found[1]) * _BYTES[found[2]]) if found else None


def _finite(amount: float) -> float | None:
    return amount if math.isfinite(amount) else None
