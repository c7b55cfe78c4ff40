"""Images: still image files, or images behind an address, as a source."""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Generator, Sequence
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from poseline.capture.container import is_url
from poseline.capture.heif import check_size, decode_avif, decode_heic, heic_images
from poseline.capture.http_address import is_http, not_one_picture
from poseline.capture.recognise import (
    AVIF,
    GIF,
    HEAD,
    HEIC,
    TEXT,
    TIFF,
    Kind,
    Recognised,
    recognise_bytes,
    recognise_file,
)
from poseline.capture.source import SourceInfo
from poseline.errors import SourceError, redact
from poseline.frame import Frame, Pixels
from poseline.home import expanded

if TYPE_CHECKING:
    from poseline.settings import CaptureSettings

_TIMEOUT = 10.0
"""Seconds to wait for a picture behind an address."""


class Images:
    """Pictures, one frame each, one a second; `frame.source` is the file or address."""

    def __init__(self, places: Sequence[Path | str], settings: CaptureSettings) -> None:
        self._places, self._settings = list(places), settings
        self._stopped = threading.Event()
        name = redact(str(places[0])) if len(places) == 1 else f"{len(places)} pictures"
        self.info = SourceInfo(name=name, live=False, frames=len(places), time_base=Fraction(1))
        self.bad = 0
        self.notes: list[str] = []
        self._only = self._read(places[0]) if len(places) == 1 else None  # read now, to say now what is wrong with it

    def stop(self) -> None:
        """End after the present picture."""
        self._stopped.set()

    def close(self) -> None:
        """Nothing is open between two pictures."""

    def frames(self) -> Generator[Frame, None, None]:
        """The pictures in order; one that cannot be read is counted and named in `notes`."""
        for index, place in enumerate(self._places):
            if self._stopped.is_set():
                return
            arrival = time.monotonic()
            try:
                pixels, self._only = self._read(place) if self._only is None else self._only, None
            except SourceError as error:
                self.bad += 1
                self.notes.append(str(error))
                continue
            yield Frame(pixels, index, index, Fraction(1), float(index), arrival, redact(str(place)))
        if self.bad == len(self._places):
            raise SourceError(f"none of {self.bad} pictures could be read; the first: {self.notes[0]}")

    def _read(self, place: Path | str) -> Pixels:
        content = read_content(place, self._settings.open_timeout)
        pixels = _decode(content, str(place), self._settings.max_pixels)
        count, taken = _held(content)
        if count > 1:
            which = "first" if taken == 0 else "main one"
            self.notes.append(f"{redact(str(place))}: holds {count} pictures; the {which} was taken")
        return pixels


def read_image(place: Path | str, max_pixels: int, timeout: float = _TIMEOUT) -> Pixels:
    """(H, W, 3) uint8 BGR, turned upright as the file says.

    Args:
        place: a file, or the http address of one.
        max_pixels: largest width x height.
        timeout: seconds to wait for an address.

    Raises:
        SourceError: not there, not a picture, or larger than `max_pixels`.
    """
    return _decode(read_content(place, timeout), str(place), max_pixels)


def read_content(place: Path | str, timeout: float, wanted: Recognised | None = None) -> bytes:
    """What a picture's file holds, or what its address sends; `wanted` is a kind that an address may send, too."""
    if isinstance(place, str) and is_url(place):
        if not is_http(place):
            raise SourceError(f"{place}: a picture is read from a file, or from an http or https address")
        from poseline.capture.fetch import fetch_image  # which imports what most runs go without

        return fetch_image(place, timeout, wanted)
    if not str(place).strip():
        raise SourceError("the picture's name is empty")
    try:
        content = expanded(place).read_bytes()
    except OSError as error:
        raise SourceError(f"{place}: {error.strerror or error}") from error
    if not content:
        raise SourceError(f"{place}: the file is empty")
    return content


def _decode(content: bytes, name: str, max_pixels: int) -> Pixels:
    found = recognise_file(BytesIO(content), Path(name).suffix.lower())
    if found is HEIC:
        return decode_heic(content, name, max_pixels)
    if found is AVIF:
        return decode_avif(content, name, max_pixels)
    if found and found.kind is Kind.VIDEO and found is not GIF:  # of a GIF the first picture, as OpenCV reads it
        raise SourceError(not_one_picture(name, found))
    if found and found.kind is Kind.OTHER and found is not TEXT:
        raise SourceError(f"{name}: not a picture that can be read: it is {found.name}")
    import cv2

    try:
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise SourceError(f"{name}: cannot be decoded as a picture: {error.err}") from error
    if pixels is None:
        raise SourceError(f"{name}: not a picture that can be read{': it is text' if found is TEXT else ''}")
    check_size((pixels.shape[1], pixels.shape[0]), name, max_pixels)
    return np.asarray(pixels, np.uint8)


def _held(content: bytes) -> tuple[int, int]:
    """How many pictures a file holds, and which of them, from 0, is taken; (1, 0) where that is not known."""
    found = recognise_bytes(content[:HEAD])
    if found is HEIC:
        return heic_images(content)
    return (_pages(content), 0) if found is TIFF else (1, 0)


def _pages(content: bytes) -> int:
    """How many pictures a TIFF holds, without those that it calls reduced."""
    from PIL import Image

    reduced_tag, reduced = 254, 1  # NewSubfileType, its lowest bit (TIFF 6.0, section 8)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(BytesIO(content), formats=("TIFF",)) as picture:
                count = 0
                for page in range(getattr(picture, "n_frames", 1)):
                    picture.seek(page)
                    count += not int(getattr(picture, "tag_v2", {}).get(reduced_tag, 0)) & reduced
                return count
    except (OSError, ValueError, EOFError, SyntaxError, TypeError, KeyError):
        return 1
