"""Orientation: which way up a picture lies in its memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_QUARTER_TURNS_ONLY = 5.0
"""Degrees by which a matrix may miss a quarter turn before it is worth a note."""


@dataclass(frozen=True)
class Orientation:
    """One of the eight ways in which a picture can lie: first transposed, then mirrored, then flipped."""

    transposed: bool = False
    """Rows and columns are exchanged."""
    mirrored: bool = False
    """Left and right are exchanged, after the transposition."""
    flipped: bool = False
    """Top and bottom are exchanged, after the transposition."""
    tilt: float = 0.0
    """Degrees clockwise by which the picture would have to be turned further: only quarter turns are made."""

    @property
    def upright(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.transposed or self.mirrored or self.flipped)

    @property
    def note(self) -> str:
        """What the user should know; empty where the matrix is a quarter turn, mirrored or not."""
        if abs(self.tilt) <= _QUARTER_TURNS_ONLY:
            return ""
        return (
            f"the file asks for a turn by an odd angle; the pictures are turned to the nearest quarter turn, "
            f"{abs(self.tilt):.0f} degrees off"
        )

    def size(self, width: int, height: int) -> tuple[int, int]:
        """(width, height), made upright, of a picture that lies with these."""
        return (height, width) if self.transposed else (width, height)

    def of(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A view of `pixels`, (height, width, ...), in this orientation made upright."""
        turned = pixels.swapaxes(0, 1) if self.transposed else pixels
        return turned[:: -1 if self.flipped else 1, :: -1 if self.mirrored else 1]


UPRIGHT = Orientation()
