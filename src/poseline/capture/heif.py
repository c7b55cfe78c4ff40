"""HEIC and AVIF pictures, which OpenCV reads not at all, or as they lie in the file: decoded whole, and upright."""

from __future__ import annotations

import warnings
from io import BytesIO

import numpy as np

from poseline.errors import SourceError
from poseline.frame import Pixels

_FAILURES = (OSError, ValueError, EOFError, SyntaxError, RuntimeError, LookupError, MemoryError, ImportError)
"""What Pillow and pillow-heif raise on damaged files; ImportError where ultralytics was imported: it replaces Pillow's
`Image.open` by one that wants another package, pi-heif, for whatever Pillow cannot recognise."""


def decode_heic(content: bytes, name: str, max_pixels: int) -> Pixels:
    """(H, W, 3) uint8 BGR of a HEIC photo: its tiles joined, without its thumbnails and depth maps.

    Raises:
        SourceError: pillow-heif is missing, the photo is damaged, or larger than `max_pixels`. `name` stands before it.
    """
    try:
        import pillow_heif
    except ImportError:
        raise SourceError(
            f"{name}: is a HEIC picture, and needs pillow-heif: pip install 'poseline[heif]', or convert it to JPEG"
        ) from None
    try:
        picture = pillow_heif.open_heif(content, bgr_mode=True)  # the primary one; decoded when its data is wanted
        check_size(picture.size, name, max_pixels)
        pixels = np.asarray(picture)
    except _FAILURES as error:
        raise _undecodable(error, name, "HEIC") from error
    if pixels.ndim == 2:
        pixels = pixels[:, :, None].repeat(3, axis=2)
    return np.ascontiguousarray(pixels[:, :, :3], np.uint8)


def heic_images(content: bytes) -> tuple[int, int]:
    """How many pictures a HEIC file holds, without thumbnails and depth maps; which of them, from 0, is the main one.

    (1, 0) where it cannot be read.
    """
    try:
        import pillow_heif

        file = pillow_heif.open_heif(content)
        return len(file), int(file.primary_index)
    except (ImportError, *_FAILURES):
        return 1, 0


def decode_avif(content: bytes, name: str, max_pixels: int) -> Pixels:
    """(H, W, 3) uint8 BGR of an AVIF picture.

    Raises:
        SourceError: Pillow is too old, the picture is damaged, or larger than `max_pixels`. `name` stands before it.
    """
    from PIL import Image, ImageOps, features

    if not features.check("avif"):
        raise SourceError(
            f"{name}: is an AVIF picture, and needs Pillow 11.3 or later: pip install -U pillow, or convert it to JPEG"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # we have a limit of our own
            picture: Image.Image = Image.open(BytesIO(content), formats=("AVIF",))
        check_size(picture.size, name, max_pixels)
        pixels = np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))
    except _FAILURES as error:
        raise _undecodable(error, name, "AVIF") from error
    return np.ascontiguousarray(pixels[:, :, ::-1])


def check_size(size: tuple[int, int], name: str, max_pixels: int) -> None:
    """Raise a SourceError for a picture, (width, height), of more than `max_pixels`."""
    width, height = size
    if width * height > max_pixels:
        raise SourceError(f"{name}: picture {width}x{height} is over the limit of {max_pixels} pixels")


def _undecodable(error: BaseException, name: str, kind: str) -> SourceError:
    if isinstance(error, SourceError):
        return error
    detail = f" ({error})" if isinstance(error, OSError | RuntimeError) else ""  # the others speak of Python
    return SourceError(f"{name}: the {kind} picture cannot be decoded; is it complete?{detail}")
