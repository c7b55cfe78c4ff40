"""Scene: one frame of a clip with what its log says, and where the source's pixels lie in the picture that is made."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from poseline.pose import Floats, Observation


@dataclass(frozen=True, eq=False)
class Scene:
    """A frame on its way to a rendered picture."""

    seen: Observation
    """The frame and its poses, both in pixels of the picture that is made."""
    number: int
    """The frame's number in the log."""
    place: int
    """Which frame of the log, or of the part of it that is wanted, this is, from 0."""
    time: float
    """In seconds of what the clip shows, which slow motion does not stretch."""
    factor: Floats = field(default_factory=lambda: np.ones(2, np.float32))
    """(2,) by which x and y of the source are multiplied ..."""
    corner: Floats = field(default_factory=lambda: np.zeros(2, np.float32))
    """(2,) and where its upper left corner then is, in pixels."""

    def moved(self, points: NDArray[np.floating]) -> Floats:
        """(..., 2) points of the source, x and y in its pixels, as they lie in the picture that is made."""
        return (points * self.factor + self.corner).astype(np.float32)
