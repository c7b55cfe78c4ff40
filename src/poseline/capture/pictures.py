"""Pictures: still image files as a source."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from poseline.capture.source import SourceInfo
from poseline.errors import SourceError
from poseline.frame import Frame, Pixels

if TYPE_CHECKING:
    from poseline.settings import CaptureSettings

PICTURE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".jp2", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})


class Pictures:
    """Picture files, one frame each, one a second; `frame.source` is the file."""

    def __init__(self, paths: Sequence[Path], settings: CaptureSettings) -> None:
        self._paths, self._max_pixels = list(paths), settings.max_pixels
        self._stopped = threading.Event()
        name = str(paths[0]) if len(paths) == 1 else f"{len(paths)} pictures"
        self.info = SourceInfo(name=name, live=False, frames=len(paths), time_base=Fraction(1))
        self.bad = 0
        self.notes: list[str] = []
        if len(paths) == 1:
            read_picture(paths[0], self._max_pixels)  # the only picture: say now that it cannot be read

    def stop(self) -> None:
        """End after the present picture."""
        self._stopped.set()

    def frames(self) -> Generator[Frame, None, None]:
        """The pictures in order; one that cannot be read is counted and named in `notes`."""
        for index, path in enumerate(self._paths):
            if self._stopped.is_set():
                return
            arrival = time.monotonic()
            try:
                pixels = read_picture(path, self._max_pixels)
            except SourceError as error:
                self.bad += 1
                self.notes.append(str(error))
                continue
            yield Frame(pixels, index, index, Fraction(1), float(index), arrival, str(path))
        if self.bad == len(self._paths):
            raise SourceError(f"none of {self.bad} pictures could be read; the first: {self.notes[0]}")


def read_picture(path: Path, max_pixels: int) -> Pixels:
    """(H, W, 3) uint8 BGR, turned upright as its EXIF says.

    Raises:
        SourceError: not there, not a picture, or larger than `max_pixels`.
    """
    import cv2

    try:
        content = np.fromfile(path, np.uint8)
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror or error}") from error
    if not content.size:
        raise SourceError(f"{path}: the file is empty")
    try:
        pixels = cv2.imdecode(content, cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise SourceError(f"{path}: cannot be decoded as a picture: {error.err}") from error
    if pixels is None:
        raise SourceError(f"{path}: not a picture that can be read")
    height, width = pixels.shape[:2]
    if width * height > max_pixels:
        raise SourceError(f"{path}: picture {width}x{height} is over the limit of {max_pixels} pixels")
    return np.asarray(pixels, np.uint8)
