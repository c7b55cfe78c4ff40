"""Damage that is made by chance, and again by the same seed: of bytes, of a file's parts, and of its pictures."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from structure import Unit

_BIG = (0, 1, 7, 8, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
"""Numbers at which readers go wrong."""

Damage = Callable[[bytearray, Sequence[Unit], random.Random], None]


def _flip(content: bytearray, begin: int, end: int, count: int, chance: random.Random) -> None:
    for _ in range(count):
        if end > begin:
            content[chance.randrange(begin, end)] ^= 1 << chance.randrange(8)


def bits_flipped(content: bytearray, _units: Sequence[Unit], chance: random.Random) -> None:
    """Single bits anywhere."""
    _flip(content, 0, len(content), chance.choice((1, 3, 10, 100)), chance)


def cut_short(content: bytearray, _units: Sequence[Unit], chance: random.Random) -> None:
    """The file ends anywhere."""
    del content[chance.randrange(1, len(content)) :]


def bytes_lost(content: bytearray, _units: Sequence[Unit], chance: random.Random) -> None:
    """A stretch is missing; what is behind it moves up."""
    begin = chance.randrange(len(content))
    del content[begin : begin + chance.choice((1, 13, 188, 4096))]


def bytes_put_in(content: bytearray, _units: Sequence[Unit], chance: random.Random) -> None:
    """A stretch of noise stands between."""
    place = chance.randrange(len(content))
    content[place:place] = chance.randbytes(chance.choice((1, 13, 188, 4096)))


def zeroed(content: bytearray, _units: Sequence[Unit], chance: random.Random) -> None:
    """A stretch is zeros, as a disk leaves it."""
    begin = chance.randrange(len(content))
    end = min(len(content), begin + chance.choice((16, 512, 4096)))
    content[begin:end] = bytes(end - begin)


def units_cut_out(content: bytearray, units: Sequence[Unit], chance: random.Random) -> None:
    """Whole parts are missing."""
    for unit in _some(units, chance, _flat=True):
        del content[unit.begin : unit.end]


def units_repeated(content: bytearray, units: Sequence[Unit], chance: random.Random) -> None:
    """Whole parts stand there twice."""
    for unit in _some(units, chance, _flat=True):
        content[unit.end : unit.end] = content[unit.begin : unit.end]


def units_swapped(content: bytearray, units: Sequence[Unit], chance: random.Random) -> None:
    """Two parts change places."""
    pair = sorted(chance.sample(units, 2)) if len(units) > 1 else []
    if pair and pair[0].end <= pair[1].begin:
        first, second = pair
        between = content[first.end : second.begin]
        content[first.begin : second.end] = (
            content[second.begin : second.end] + between + content[first.begin : first.end]
        )


def units_zeroed(content: bytearray, units: Sequence[Unit], chance: random.Random) -> None:
    """What is in some parts is zeros, and their headers are whole."""
    for unit in _some(units, chance):
        content[unit.begin + unit.header : unit.end] = bytes(max(0, unit.end - unit.begin - unit.header))


def units_of_noise(content: bytearray, units: Sequence[Unit], chance: random.Random) -> None:
    """What is in some parts is noise, and their headers are whole."""
    for unit in _some(units, chance):
        if unit.end - unit.begin > unit.header:
            content[unit.begin + unit.header : unit.end] = chance.randbytes(unit.end - unit.begin - unit.header)


def headers_flipped(content: bytearray, units: Sequence[Unit], chance: random.Random) -> None:
    """Names and lengths of parts are wrong."""
    for unit in _some(units, chance):
        _flip(content, unit.begin, min(len(content), unit.begin + unit.header), 2, chance)


def numbers_forged(content: bytearray, units: Sequence[Unit], chance: random.Random) -> None:
    """A number in a small part is one at which readers go wrong."""
    small = [unit for unit in units if unit.end - unit.begin < 2000]
    for unit in _some(small, chance):
        size = chance.choice((1, 2, 4))
        begin = unit.begin + unit.header
        if unit.end - begin >= size:
            place = chance.randrange(begin, unit.end - size + 1)
            value = chance.choice(_BIG) & ((1 << 8 * size) - 1)
            content[place : place + size] = value.to_bytes(size, chance.choice(("big", "little")))


def cut_between_units(content: bytearray, units: Sequence[Unit], chance: random.Random) -> None:
    """The file ends where a part ends."""
    if units:
        del content[chance.choice(units).end :]


DAMAGES: tuple[Damage, ...] = (
    bits_flipped, cut_short, bytes_lost, bytes_put_in, zeroed, units_cut_out, units_repeated, units_swapped,
    units_zeroed, units_of_noise, headers_flipped, numbers_forged, cut_between_units,
)  # fmt: skip


def _some(units: Sequence[Unit], chance: random.Random, _flat: bool = False) -> list[Unit]:
    """A few of the parts, the last one first; none within another where they are to be moved (`_flat`)."""
    if not units:
        return []
    chosen = sorted(chance.sample(units, min(len(units), chance.choice((1, 1, 2, 5)))), reverse=True)
    if not _flat:
        return chosen
    apart: list[Unit] = []
    for unit in chosen:
        if not apart or unit.end <= apart[-1].begin:
            apart.append(unit)
    return apart
