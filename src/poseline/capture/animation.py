"""Animation: the pictures of an animated WebP, with their times; FFmpeg reads GIF and animated PNG, but not these."""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Generator
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from poseline.capture.heif import check_size
from poseline.capture.images import read_content
from poseline.capture.part import Part, nothing_there
from poseline.capture.recognise import ANIMATED_WEBP
from poseline.capture.source import SourceInfo
from poseline.errors import SourceError, redact
from poseline.frame import Frame

if TYPE_CHECKING:
    from PIL.Image import Image

    from poseline.settings import CaptureSettings

_MILLISECOND = Fraction(1, 1000)
"""In which WebP states how long a picture is shown."""
_UNSTATED = 100
"""Milliseconds of a picture that states none, as browsers show it."""
_FAILURES = (OSError, ValueError, EOFError, SyntaxError, ImportError)
"""What Pillow raises on damaged files; ImportError where ultralytics has replaced its `Image.open`."""


class Animation:
    """An animated WebP, once through: nothing is dropped.

    Args:
        place: the file, or an http address.
        settings: time-out of an address, and the largest picture.

    Raises:
        SourceError: no picture of it can be decoded, or they are larger than `settings` allow.
    """

    def __init__(self, place: Path | str, settings: CaptureSettings) -> None:
        self._name = redact(str(place))
        self._part = Part(settings)
        self._stopped = threading.Event()
        self._image = self._open(read_content(place, settings.open_timeout, ANIMATED_WEBP), settings.max_pixels)
        width, height = self._image.size
        self._count = int(getattr(self._image, "n_frames", 1))
        self.info = SourceInfo(
            self._name, live=False, width=width, height=height, time_base=_MILLISECOND, start=self._part.start,
            frames=None if settings.in_part else self._count,
        )  # fmt: skip
        self._settings = settings
        self.bad = 0
        self.notes: list[str] = []

    def stop(self) -> None:
        """End after the present picture."""
        self._stopped.set()

    def close(self) -> None:
        """Give the file back, where it was never read."""
        self._image.close()

    def frames(self) -> Generator[Frame, None, None]:
        """Its pictures in order, each whole; where one cannot be decoded it ends, and `notes` say so.

        Raises:
            SourceError: the settings ask for a part in which it has none.
        """
        pts = given = 0
        with self._image:
            for index in range(self._count):
                if self._stopped.is_set() or self._part.is_behind(float(pts * _MILLISECOND)):
                    break
                try:
                    self._image.seek(index)
                    pixels = np.asarray(self._image.convert("RGB"))[:, :, ::-1]
                except _FAILURES:
                    self.bad += 1
                    self.notes.append(f"read {index} of {self._count} pictures: {self._name} is cut short or damaged")
                    return
                seconds = float(pts * _MILLISECOND)
                if not self._part.is_before(seconds):  # each picture is made of those before it
                    bgr = np.ascontiguousarray(pixels)
                    yield Frame(bgr, given, pts, _MILLISECOND, seconds, time.monotonic(), self.info.name)
                    given += 1
                pts += int(self._image.info.get("duration", 0)) or _UNSTATED
        if self._settings.in_part and not given and not self._stopped.is_set():
            raise nothing_there(self._settings, self.info.name, float(pts * _MILLISECOND))

    def _open(self, content: bytes, max_pixels: int) -> Image:
        from PIL import Image

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # we have a limit of our own
                image: Image.Image = Image.open(BytesIO(content), formats=("WEBP",))
            check_size(image.size, self._name, max_pixels)
            image.load()
        except _FAILURES as error:
            if isinstance(error, SourceError):
                raise
            raise SourceError(
                f"{self._name}: the animated WebP cannot be decoded; is it complete? ({error})"
            ) from error
        return image
