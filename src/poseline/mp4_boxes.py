"""MP4 boxes: the parts that an MP4 or MOV file is made of, without what is in them (ISO/IEC 14496-12, 4.2)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple


class Box(NamedTuple):
    """A box as its header describes it; the file may end before it does."""

    kind: bytes
    """Four letters, such as `moov`."""
    begin: int
    """Where in the file its header stands."""
    header: int
    """Bytes of the header."""
    size: int
    """Bytes of it all; 0: up to the end of the file."""

    @property
    def end(self) -> int:
        """Where in the file the next box begins, if this one does not go on to the end."""
        return self.begin + self.size


def top_level_boxes(file: BinaryIO) -> Iterator[Box]:
    """The boxes of a file that are in no other box, up to one that states no size, or one too small for its header.

    Whoever asks may read elsewhere in the file in between.
    """
    begin, end = 0, file.seek(0, os.SEEK_END)
    while begin + 8 <= end:
        file.seek(begin)
        head = file.read(16)
        size, header = int.from_bytes(head[:4], "big"), 8
        if size == 1:
            size, header = int.from_bytes(head[8:], "big"), 16
        box = Box(head[4:8], begin, header, size)
        yield box
        if size < header:
            return
        begin = box.end
