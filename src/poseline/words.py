"""Words: what texts for the user have in common."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """`1 packet`, `2 packets`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def were(count: int) -> str:
    """`was` for one, `were` for several."""
    return "was" if count == 1 else "were"


def often(count: int) -> str:
    """`once`, `2 times`."""
    return "once" if count == 1 else f"{count} times"
