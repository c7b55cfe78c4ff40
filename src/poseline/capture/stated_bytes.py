"""How many bytes a video file says that it has; one with fewer was cut short."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from poseline.mp4_boxes import top_level_boxes

_FIRST_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
"""What an MP4 or MOV begins with."""


def stated_bytes(path: Path) -> int | None:
    """How many bytes an MP4, MOV, Matroska, WebM or AVI file says that it has; None where it does not say.

    More than there are: the file was cut short.
    """
    try:
        with path.open("rb") as file:
            beginning = file.read(12)
            if beginning[:4] == b"\x1a\x45\xdf\xa3":
                return _ebml_end(file)
            if beginning[:4] == b"RIFF":
                return max(_riff_ends(file), default=None)
            if beginning[4:8] in _FIRST_BOXES:
                return max(_box_ends(file), default=None)
    except OSError:
        pass
    return None


def _ebml_end(file: BinaryIO) -> int | None:
    """The end of a Matroska file's segment: the element behind its header; a recorder that streams states no size."""
    file.seek(4)
    header = _ebml_size(file)
    if header is None:
        return None
    file.seek(header, os.SEEK_CUR)
    if file.read(4) != b"\x18\x53\x80\x67":
        return None
    size = _ebml_size(file)
    return None if size is None else file.tell() + size


def _ebml_size(file: BinaryIO) -> int | None:
    """A number whose first byte says by its leading zeros how long it is (RFC 8794, 4); None for "unknown"."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    length = 9 - first[0].bit_length()
    value = int.from_bytes(first + file.read(length - 1), "big") - (1 << 7 * length)
    return None if value == (1 << 7 * length) - 1 else value


def _riff_ends(file: BinaryIO) -> Iterator[int]:
    """Where the chunks of an AVI end; one of more than a gigabyte has several (OpenDML)."""
    begin = 0
    while True:
        file.seek(begin)
        header = file.read(8)
        if header[:4] != b"RIFF" or len(header) < 8:
            return
        size = int.from_bytes(header[4:], "little")
        begin += 8 + size + size % 2
        yield begin - size % 2


def _box_ends(file: BinaryIO) -> Iterator[int]:
    """Where the top-level boxes of an MP4 end."""
    for box in top_level_boxes(file):
        if box.size < box.header or not box.kind.isalnum():  # to the end of the file, or no box
            return
        yield box.end
