"""CpuInput: network input in main memory, filled by the CPU."""

from __future__ import annotations

from poseline.frame import Frame, Pixels
from poseline.inference.letterbox import Letterbox
from poseline.inference.scaler import PAD, Scaler


class CpuInput:
    """Pictures scaled by the CPU; requests inherit from it."""

    def __init__(self, pixels: Pixels) -> None:
        self.pixels = pixels
        """(B, 3, H, W) uint8 RGB or (B, 1, H, W) grey, written in place; 0..255, scaled by the engine."""
        self._painted: list[Letterbox | None] = [None] * len(pixels)
        self._scaler = Scaler()

    def place(self, index: int, frame: Frame, letterbox: Letterbox) -> None:
        """Scale the frame's picture into the input's place `index`."""
        planes = self.pixels[index]
        if self._painted[index] != letterbox:  # the margins
            planes.fill(PAD)
            self._painted[index] = letterbox
        self._scaler.fill(frame, letterbox, planes)
