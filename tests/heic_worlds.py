"""HEIC photos as phones write them, made of the two tiles of `data/grid.heic` (ISO/IEC 23008-12)."""

from __future__ import annotations

import struct
from pathlib import Path

import av
import numpy as np

from poseline.frame import Pixels

GRID = Path(__file__).parent / "data" / "grid.heic"
SIDE = 512
"""Pixels of a tile."""


def tiles() -> list[Pixels]:
    """The two tiles as FFmpeg decodes them, (512, 512, 3) BGR: the left one and the right one."""
    found = []
    for index in range(2):
        with av.open(str(GRID)) as container:
            frame = next(container.decode(container.streams.video[index]))
            found.append(np.asarray(frame.to_ndarray(format="bgr24"), np.uint8))
    return found


def whole() -> Pixels:
    """The whole photo, (512, 1024, 3) BGR."""
    return np.hstack(tiles())


def photo(turns: int = 0, mirror: int | None = None, brand: bytes = b"heic", extras: bool = False) -> bytes:
    """A photo of two tiles side by side.

    Args:
        turns: quarter turns anticlockwise by which it is to be shown (irot).
        mirror: 0 for top and bottom exchanged, 1 for left and right (imir), before it is turned.
        brand: the major brand of the file.
        extras: a thumbnail and a depth map, each a tile, stand beside it, as in an iPhone's.
    """
    content = GRID.read_bytes()
    setup, coded = _box_in(content, b"hvcC"), _items(content)
    kinds = [b"hvc1", b"hvc1", b"grid"] + ([b"hvc1", b"hvc1"] if extras else [])
    data = [coded[0], coded[1], struct.pack(">BBBBHH", 0, 0, 0, 1, 2 * SIDE, SIDE)] + (
        [coded[0], coded[1]] if extras else []
    )
    main, single = 3, [1, 2, 4, 5][: 4 if extras else 2]
    properties = [
        setup,
        _full(b"ispe", struct.pack(">II", SIDE, SIDE)),
        _full(b"ispe", struct.pack(">II", 2 * SIDE, SIDE)),
    ]
    of_main = [3]
    if mirror is not None:
        properties.append(_box(b"imir", bytes([mirror])))
        of_main.append(0x80 | len(properties))
    if turns:
        properties.append(_box(b"irot", bytes([turns])))
        of_main.append(0x80 | len(properties))
    of_depth = []
    if extras:
        properties.append(_full(b"auxC", b"urn:mpeg:hevc:2015:auxid:2\0"))
        of_depth = [0x80 | len(properties)]
    used = {item: [0x81, 2, *(of_depth if item == 5 else [])] for item in single} | {main: of_main}
    ipma = struct.pack(">I", len(used)) + b"".join(
        struct.pack(">HB", item, len(of)) + bytes(of) for item, of in sorted(used.items())
    )
    references = [_box(b"dimg", struct.pack(">HHHH", main, 2, 1, 2))]
    if extras:
        references += [_box(b"thmb", struct.pack(">HHH", 4, 1, main)), _box(b"auxl", struct.pack(">HHH", 5, 1, main))]
    infos = b"".join(
        _full(b"infe", struct.pack(">HH4s", item, 0, kind) + b"\0", 2, int(item != main))
        for item, kind in enumerate(kinds, 1)
    )
    parts = [
        _full(b"hdlr", struct.pack(">I4s12s", 0, b"pict", b"") + b"\0"),
        _full(b"pitm", struct.pack(">H", main)),
        b"",
        _full(b"iinf", struct.pack(">H", len(kinds)) + infos),
        _full(b"iref", b"".join(references)),
        _box(b"iprp", _box(b"ipco", b"".join(properties)) + _full(b"ipma", ipma)),
    ]
    kind = _box(b"ftyp", brand + b"\0\0\0\0mif1heic")

    def meta(first: int) -> bytes:
        places = b""
        for item, one in enumerate(data, 1):
            places += struct.pack(">HHHII", item, 0, 1, first, len(one))
            first += len(one)
        parts[2] = _full(b"iloc", struct.pack(">BBH", 0x44, 0, len(data)) + places)
        return _full(b"meta", b"".join(parts))

    return kind + meta(len(kind) + len(meta(0)) + 8) + _box(b"mdat", b"".join(data))


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def _full(kind: bytes, body: bytes, version: int = 0, flags: int = 0) -> bytes:
    return _box(kind, struct.pack(">I", version << 24 | flags) + body)


def _box_in(content: bytes, kind: bytes) -> bytes:
    at = content.index(kind) - 4
    return content[at : at + int.from_bytes(content[at : at + 4], "big")]


def _items(content: bytes) -> list[bytes]:
    """The coded tiles, by the file's own iloc box (version 0, places of 4 bytes)."""
    at = content.index(b"iloc") + 4 + 4 + 2
    count = int.from_bytes(content[at : at + 2], "big")
    places = [struct.unpack_from(">HHHII", content, at + 2 + 14 * index) for index in range(count)]
    return [content[start : start + length] for *_, start, length in places]
