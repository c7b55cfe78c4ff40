"""Pictured: the picture that results are of; it stays as the decoder gave it until somebody wants its pixels."""

from __future__ import annotations

from typing import Any

from poseline.frame import Frame, Pixels


class Pictured:
    """Has a picture.

    Args:
        picture: (H, W, 3) uint8 BGR, or a frame, whose pixels are made when they are first asked for.
    """

    def __init__(self, picture: Pixels | Frame) -> None:
        self._picture = picture

    @property
    def orig_img(self) -> Pixels:
        """(H, W, 3) uint8 BGR, the picture as it was given; what is drawn on it shows in plots."""
        pixels = self._pixels
        if not pixels.flags.writeable:  # it is the frame's, or the caller's
            self._picture = pixels = pixels.copy()
        return pixels

    @orig_img.setter
    def orig_img(self, pixels: Pixels) -> None:
        self._picture = pixels

    @property
    def orig_shape(self) -> tuple[int, int]:
        """(height, width) of the picture in pixels."""
        picture = self._picture
        if isinstance(picture, Frame):
            return picture.height, picture.width
        return picture.shape[0], picture.shape[1]

    @property
    def _pixels(self) -> Pixels:
        """(H, W, 3) uint8 BGR, to be looked at alone."""
        return self._picture.bgr if isinstance(self._picture, Frame) else self._picture

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_picture": self._pixels}  # a decoder's picture cannot be pickled
