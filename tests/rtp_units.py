"""H.264 pictures in a file, each behind its length, as the RTSP servers of tests and tools send them.

Those servers run on the system's Python: reading needs nothing else.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any


def encoded(frames: Iterable[Any], rate: int, **options: str) -> Iterator[bytes]:
    """PyAV's yuv420p frames as H.264, one picture for each; where their size changes, the stream begins anew.

    Args:
        frames: of PyAV; their time stamps are set.
        rate: frames a second.
        options: of x264, beside no delay and no reordered frames.
    """
    import av

    codec: Any = None
    for frame in frames:
        if codec is None or (codec.width, codec.height) != (frame.width, frame.height):
            codec, count = av.CodecContext.create("libx264", "w"), 0
            codec.width, codec.height, codec.pix_fmt = frame.width, frame.height, "yuv420p"
            codec.time_base = Fraction(1, rate)
            codec.options = {"bf": "0", "tune": "zerolatency", **options}
        frame.pts, frame.time_base, count = count, codec.time_base, count + 1
        yield from map(bytes, codec.encode(frame))


def write(path: Path, pictures: Iterable[bytes]) -> Path:
    """Write encoded pictures."""
    with path.open("wb") as file:
        for picture in pictures:
            file.write(struct.pack(">I", len(picture)) + picture)
    return path


def read(path: Path) -> list[bytes]:
    """The encoded pictures of a file."""
    content, found, place = path.read_bytes(), [], 0
    while place < len(content):
        (length,) = struct.unpack_from(">I", content, place)
        found.append(content[place + 4 : place + 4 + length])
        place += 4 + length
    return found
