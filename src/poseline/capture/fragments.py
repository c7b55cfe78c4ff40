"""Fragments of an MP4 that claim more pictures than they can hold: FFmpeg would make room for all of them first."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from poseline.mp4_boxes import top_level_boxes

_SPARE = 1024
"""Pictures that a fragment may have without a byte for each."""
_MOST_READ = 1 << 20
"""Bytes of a fragment's description that are looked at."""


def forged_count(path: Path) -> int | None:
    """How many pictures a fragment claims that cannot hold them; None where all can, and for other files.

    The number is one that a few bytes state. FFmpeg 8 takes memory for so many entries of its index, gigabytes of it,
    and seconds for filling it, before it looks at the first.
    """
    try:
        with path.open("rb") as file:
            if file.read(8)[4:] != b"ftyp":
                return None
            return next(_forged(file), None)
    except OSError:
        return None


def _forged(file: BinaryIO) -> Iterator[int]:
    waiting = 0
    for box in top_level_boxes(file):
        if box.kind == b"mdat":
            room = box.size or file.seek(0, os.SEEK_END) - box.begin
            if waiting > room + _SPARE:
                yield waiting
            waiting = 0
        elif box.kind == b"moof":
            file.seek(box.begin + box.header)
            waiting = max(_counts(file.read(min(max(0, box.size - box.header), _MOST_READ))), default=0)
    if waiting > _SPARE:
        yield waiting


def _counts(boxes: bytes) -> Iterator[int]:
    """The numbers of samples that the tracks' runs state (ISO/IEC 14496-12, 8.8.8)."""
    place = 0
    while place + 8 <= len(boxes):
        size, kind = int.from_bytes(boxes[place : place + 4], "big"), boxes[place + 4 : place + 8]
        if kind == b"traf":
            yield from _counts(boxes[place + 8 : place + size])
        elif kind == b"trun":
            yield int.from_bytes(boxes[place + 12 : place + 16], "big")
        if size < 8:
            return
        place += size
