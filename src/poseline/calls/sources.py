"""Sources: what a call is given, as pictures or as places to read from, whatever ultralytics takes."""

from __future__ import annotations

import csv
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from poseline.capture import Location, is_http, is_tensor, locate, pixels_of, read_image
from poseline.errors import SourceError, redact
from poseline.frame import Frame, Pixels
from poseline.settings import CaptureSettings

_LISTS = (".txt", ".csv")
_SCREEN = "the screen is no source here; record it, or give pictures of it, as mss takes them, one by one"
_ONE_EACH = "several at once are `poseline run ADDRESS ADDRESS ...`, or a thread with a call for each"
_WANTED = (
    "give a file, folder, pattern, camera number or address, an array, a PIL picture, a tensor, or a list of these"
)


@dataclass(frozen=True)
class Pictures:
    """Single pictures: files, and what `pixels_of` takes."""

    pictures: Iterable[Any]
    file: Path | None = None
    """The one file that they are, which is known to hold a picture."""


Found: TypeAlias = "Pictures | list[Location]"


def find_source(source: object) -> Found:
    """What a call is given: pictures to look at one by one, or places to read from.

    Raises:
        SourceError: it is nothing of that kind, or is not there; the text says what to give.
    """
    if source is None:
        raise SourceError(f"there is no source; {_WANTED}")
    if isinstance(source, int) and not isinstance(source, bool):
        return locate([str(source)])
    if isinstance(source, str | Path):
        return _named(str(source))
    if is_tensor(source):
        return Pictures(source if getattr(source, "ndim", 3) == 4 else [source])  # type: ignore[arg-type] # it iterates
    if isinstance(source, bytes | bytearray | memoryview | dict | np.ndarray) or hasattr(source, "read"):
        return Pictures([source])  # what is no picture is refused as such
    return Pictures(source if isinstance(source, Iterable) else [source])


def _named(source: str) -> Found:
    if not source.strip():
        raise SourceError(f"the name of a source is empty; {_WANTED}")
    if "\0" in source:
        raise SourceError(f"{source!r}: is not the name of a file")
    path = Path(source)
    if source.split()[0].lower() == "screen" and not path.exists():
        raise SourceError(f"{source}: {_SCREEN}")
    suffix = path.suffix.lower()
    if suffix == ".streams":
        raise SourceError(f"{source}: is a list of streams; {_ONE_EACH}")
    places = _listed(path) if suffix in _LISTS and path.is_file() else [source]
    found = locate(places)
    if len(found) > 1 and any(location.live for location in found):
        raise SourceError(f"{source}: holds several sources, of which live ones may have no end; {_ONE_EACH}")
    if len(found) == 1 and len(found[0].pictures) == 1 and isinstance(found[0].pictures[0], Path):
        return Pictures(found[0].pictures, found[0].pictures[0])
    return found


def _listed(path: Path) -> Sequence[str]:
    """The sources that a text file lists, a line each, or a CSV; a relative one is looked for beside the list too."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path}: the list of sources cannot be read as UTF-8: {error}") from error
    if path.suffix.lower() == ".csv":
        rows = list(csv.reader(text.splitlines()))
        names = [name for row in (rows[1:] if rows[:1] == [["source"]] else rows) for name in row]
    else:
        names = text.splitlines()
    names = [name.strip() for name in names if name.strip()]
    if not names:
        raise SourceError(f"{path}: the list of sources is empty")
    return [str(path.parent / name) if (path.parent / name).exists() else name for name in names]


def frame_of(picture: object, index: int, file: Path | None = None) -> Frame:
    """The frame of one picture: the `file`, or a file, an http address, or what is in memory.

    Raises:
        SourceError: it cannot be read, or is no picture.
    """
    if file is not None:
        pixels, name = read_image(file, CaptureSettings().max_pixels), str(file)
    elif isinstance(picture, str | Path):
        pixels, name = _read(str(picture)), redact(str(picture))
    else:
        if isinstance(picture, int) and not isinstance(picture, bool):
            raise SourceError(f"{picture}: is a camera, which cannot stand in a list of pictures; give it alone")
        pixels, name = pixels_of(picture), str(getattr(picture, "filename", "") or f"image{index}.jpg")
    return Frame(pixels, index, index, Fraction(1), float(index), time.monotonic(), name)


def _read(source: str) -> Pixels:
    """The picture of a list. What is no picture is refused as what it is."""
    if is_http(source):
        return read_image(source, CaptureSettings().max_pixels)
    found = _named(source)
    if isinstance(found, Pictures) and found.file is not None:
        return read_image(found.file, CaptureSettings().max_pixels)
    one = found[0] if isinstance(found, list) and len(found) == 1 else None
    if one is None or len(one.pictures) > 1:
        what = "several sources"
    elif one.camera is not None:
        what = "a camera"
    else:
        what = "a video" if one.video else "a stream"
    raise SourceError(f"{source}: is {what}, which cannot stand in a list of pictures; give it alone")
