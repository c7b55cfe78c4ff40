"""Counts: what became of the frames of a run."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias

Ended: TypeAlias = Literal["complete", "interrupted", "failed"]
"""How a run ended: by the end of its source, by its user, or by an error."""


@dataclass
class Counts:
    """Frames of a run, by what became of them; the run adds them up."""

    read: int = 0
    """Frames that the source gave, whole or bad."""
    processed: int = 0
    """Frames that went through the model."""
    dropped: int = 0
    """Frames that were dropped: for newer ones of a live source, or because the run ended before their turn."""
    bad: int = 0
    """Frames or packets that could not be decoded."""
    persons: int = 0
    """Instances found, over all processed frames."""
    corrupt: int = 0
    """Frames, among the processed, that the decoder marked as damaged and patched; not a part of the sum."""

    @property
    def balanced(self) -> bool:
        """Whether no frame is unaccounted for."""
        return self.read == self.processed + self.dropped + self.bad

    def as_dict(self) -> dict[str, int]:
        """The six numbers by name."""
        return asdict(self)
