"""Images: one annotated image as a file."""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path

from poseline.atomic import cause, replacing
from poseline.errors import OutputError
from poseline.frame import Pixels
from poseline.output.numbered import numbered


def save_image(bgr: Pixels, path: Path) -> Path:
    """Write (H, W, 3) uint8 BGR in the format that the suffix names, JPEG where OpenCV does not know it.

    Missing folders are created. A file of that name is replaced, and only once the new one is whole.

    Returns:
        Where it was written: `path`, with `.jpg` behind an unknown suffix.

    Raises:
        OutputError: the picture cannot be encoded or the file cannot be written.
    """
    import cv2

    path = image_file(path)
    try:
        done, encoded = cv2.imencode(path.suffix, bgr)
    except cv2.error as error:
        raise OutputError(f"{path}: the picture cannot be encoded: {error.err}") from error
    if not done:
        raise OutputError(f"{path}: the picture cannot be encoded as {path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{path.parent}: the folder cannot be created: {cause(error)}") from error
    with replacing(path) as temporary:
        temporary.write_bytes(encoded.data)
    return path


def image_file(path: Path) -> Path:
    """Where `save_image` writes what is to go to `path`: with `.jpg` behind a suffix that OpenCV cannot write."""
    import cv2

    writable = path.suffix and cv2.haveImageWriter(f"picture{path.suffix}")
    return path if writable else path.with_name(f"{path.name}.jpg")


def free_file(path: Path) -> Path:
    """`path`, or with the first number behind its stem of which there is nothing: im.jpg, im-2.jpg, im-3.jpg ..."""
    return next(each for number in count(1) if not os.path.lexists(each := numbered(path, number)))
