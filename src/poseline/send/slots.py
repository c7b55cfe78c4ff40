"""Slots: who came and who went, and a small number for each person that is free again when they have gone."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count

from poseline.pose import UNTRACKED

_GONE = 0.5
"""Seconds of the source for which a person must be unseen before they count as gone."""
FREE = 0
"""Stands for nobody in a list of ids, which begin at 1."""


@dataclass(frozen=True)
class Changes:
    """What one frame changed: (id, slot) of each person who came or went."""

    entered: list[tuple[int, int]]
    left: list[tuple[int, int]]


class Slots:
    """The smallest free number from 0 for each id; kept for as long as the person is there."""

    def __init__(self) -> None:
        self._slots: dict[int, int] = {}
        self._seen: dict[int, float] = {}
        self._source: str | None = None

    def update(self, ids: list[int], time: float, source: str = "") -> Changes:
        """Take in the ids of a frame at `time`, in seconds; of another `source` nobody is the same."""
        anew, self._source = source != self._source, source
        here = [number for number in ids if number != UNTRACKED]
        # Time that runs back is that of another recording.
        gone = [
            number for number, seen in self._seen.items()
            if anew or (number not in here and not 0 <= time - seen <= _GONE)
        ]  # fmt: skip
        left = [(number, self._slots.pop(number)) for number in gone]
        for number in gone:
            del self._seen[number]
        entered = []
        for number in here:
            if number not in self._slots:
                self._slots[number] = self._free()
                entered.append((number, self._slots[number]))
            self._seen[number] = time
        return Changes(entered, left)

    def of(self, ids: list[int]) -> list[int]:
        """The slot of each person of the newest frame; one without an id gets a free one for this frame alone."""
        taken = set(self._slots.values())
        spare = (slot for slot in count() if slot not in taken)
        return [self._slots[number] if number in self._slots else next(spare) for number in ids]

    def listed(self) -> list[int]:
        """Who is in each slot, from 0 to the last that is taken; `FREE` for nobody."""
        by_slot = {slot: number for number, slot in self._slots.items()}
        return [by_slot.get(slot, FREE) for slot in range(max(by_slot, default=-1) + 1)]

    def _free(self) -> int:
        taken = set(self._slots.values())
        return next(slot for slot in count() if slot not in taken)
