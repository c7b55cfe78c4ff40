"""Newest: the newest values of a run of any length, in memory that is the same from the first one on."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator

_KEPT = 10_000


class Newest:
    """A ring of float64 values, the oldest first: each one from the 10,000th on takes the place of the oldest.

    The whole ring is allocated at once, 80 kB. What grew over a run's first minutes would look like a leak.
    """

    def __init__(self, kept: int = _KEPT) -> None:
        self._ring = array("d", bytes(8 * kept))
        self._kept = kept
        self._count = 0

    def append(self, value: float) -> None:
        """Take the newest value in."""
        self._ring[self._count % self._kept] = value
        self._count += 1

    def extend(self, values: Iterable[float]) -> None:
        """Take these in, the oldest first."""
        for value in values:
            self.append(value)

    def __len__(self) -> int:
        return min(self._count, self._kept)

    def __iter__(self) -> Iterator[float]:
        first = self._count % self._kept if self._count > self._kept else 0
        yield from self._ring[first : len(self)]
        yield from self._ring[:first]
