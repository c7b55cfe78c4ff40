"""Text as a mask: how large a piece of writing is, and its pixels as a share of ink."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import cv2
import numpy as np

from poseline.frame import Pixels

_FACE = cv2.FONT_HERSHEY_SIMPLEX


def load_letters() -> None:
    """Have OpenCV read its letters now: at their first use that takes as long as two frames."""
    cv2.getTextSize("A", _FACE, 1.0, 1)


@dataclass(frozen=True)
class Font:
    """OpenCV's built-in letters at one size: Hershey strokes in OpenCV 4, a TrueType face from OpenCV 5 on."""

    size: float
    """Height of a line in pixels, from the top of the tallest letter to the bottom of a g."""

    @cached_property
    def _scale(self) -> float:
        (_, ascent), descent = cv2.getTextSize("Ag", _FACE, 1.0, 1)
        return float(self.size / (ascent + descent))

    @cached_property
    def _weight(self) -> int:
        return max(1, round(self.size / 9))

    @cached_property
    def _descent(self) -> int:
        """Pixels below the foot of a letter, the same for every line, so that words beside each other stand level."""
        return int(cv2.getTextSize("Ag", _FACE, self._scale, self._weight)[1])

    @cached_property
    def _padding(self) -> int:
        return max(2, round(self.size / 5))

    @lru_cache(maxsize=128)  # noqa: B019 - a font is a value, and as small as one
    def mask(self, *lines: str) -> Pixels:
        """(H, W) uint8, H and W even, read-only: 255 where `lines` put ink, 0 on the ground around it.

        Kept for a while, since most labels come again in the next frames.
        """
        widths = [cv2.getTextSize(line, _FACE, self._scale, self._weight)[0][0] for line in lines]
        width = max(widths) + 2 * self._padding
        step = round(self.size)
        height = step * len(lines) + 2 * self._padding
        mask = np.zeros((height + height % 2, width + width % 2), np.uint8)
        for number, line in enumerate(lines, start=1):
            foot = (self._padding, self._padding + step * number - self._descent)
            cv2.putText(mask, line, foot, _FACE, self._scale, (255,), self._weight, cv2.LINE_AA)
        mask.flags.writeable = False
        return mask
