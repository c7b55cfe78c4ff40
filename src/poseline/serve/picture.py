"""Picture: a frame as JPEG, from the decoder's own planes, in the size that a viewer can use."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import simplejpeg

from poseline.frame import Frame, Pixels, plane_pixels
from poseline.luma import FULL_RANGE

_LEVELS = np.arange(256)
_FULL_LUMA: Pixels = np.clip(np.rint((_LEVELS - 16) * 255 / 219), 0, 255).astype(np.uint8)
_FULL_CHROMA: Pixels = np.clip(np.rint((_LEVELS - 128) * 255 / 224 + 128), 0, 255).astype(np.uint8)
"""From limited range (16 to 235, and 16 to 240) to JPEG's, which is full."""
_GOOD = 80
"""Quality from which on the source's own JPEG is what is wanted; below, fewer bytes are."""
_PLANES = ("yuv420p", "yuvj420p")


class Variant(NamedTuple):
    """How a frame is encoded; viewers that want the same one share it."""

    width: int
    """Pixels."""
    height: int
    """Pixels."""
    quality: int
    """JPEG's, 1 to 100."""

    @classmethod
    def scaled(cls, width: int, height: int, scale: float, quality: int) -> Variant:
        """Of a frame of this size in pixels, made smaller."""
        return cls(max(2, round(width * scale)), max(2, round(height * scale)), quality)


def as_it_came(frame: Frame, variant: Variant) -> bytes | None:
    """The source's own JPEG where it gave one and no smaller picture is wanted: nothing needs to be encoded then."""
    wanted = variant.width, variant.height
    return frame.jpeg if variant.quality >= _GOOD and wanted == (frame.width, frame.height) else None


def encode(frame: Frame, variant: Variant) -> bytes:
    """The frame as JPEG (JFIF).

    Luma and chroma planes are taken as they are, stretched to full range where they are limited. Their matrix is not
    converted: JFIF means BT.601, so that pictures in BT.709 come out slightly off in colour.
    """
    picture, size = frame.picture, (variant.width, variant.height)
    if isinstance(picture, np.ndarray) or picture.format.name not in _PLANES:
        return _encode_bgr(frame.bgr, size, variant.quality)
    luma, *chroma = (plane_pixels(plane) for plane in picture.planes)
    half = (size[0] + 1) // 2, (size[1] + 1) // 2
    planes = [_resized(luma, size), *(_resized(plane, half) for plane in chroma)]
    if picture.format.name == "yuv420p" and picture.color_range != FULL_RANGE:
        planes = [cv2.LUT(planes[0], _FULL_LUMA), *(cv2.LUT(plane, _FULL_CHROMA) for plane in planes[1:])]
    encoded: bytes = simplejpeg.encode_jpeg_yuv_planes(*map(np.ascontiguousarray, planes), variant.quality)
    return encoded


def _encode_bgr(pixels: Pixels, size: tuple[int, int], quality: int) -> bytes:
    pixels = np.ascontiguousarray(_resized(pixels, size))
    encoded: bytes = simplejpeg.encode_jpeg(pixels, quality, "BGR", "420")
    return encoded


def _resized(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    if pixels.shape[1::-1] == size:
        return pixels
    resized: Pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    return resized
