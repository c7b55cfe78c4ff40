"""Key frames: the times at which a recording can be cut into pieces that are decoded side by side.

A cut need not be a key frame for the pieces to be exact: each begins by decoding from the key frame before it, and
gives the frames of its own time alone. It is one for speed: nothing is decoded twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from poseline.capture import announced
from poseline.capture.container import DAMAGE, open_container
from poseline.errors import SourceError

if TYPE_CHECKING:
    from poseline.settings import CaptureSettings


class Uncuttable(SourceError):
    """The recording cannot be cut into pieces; the text says why."""


def key_times(path: Path, settings: CaptureSettings) -> list[float]:
    """Presentation times of the key frames, rising: seconds from the recording's first frame.

    All packets are read, and none is decoded.

    Raises:
        Uncuttable: it has no time stamps, or they do not only move on.
        SourceError: it cannot be opened.
    """
    opened = open_container(str(path), settings)
    stream, keys, stamps = opened.stream, list[int](), list[int]()
    ticks = stream.time_base or Fraction(0)
    with opened.container, suppress(*DAMAGE):  # what lies behind damage is in the last piece
        if announced.has_no_stamps(opened.container) or not ticks:
            raise Uncuttable(f"{path}: has no time stamps")
        longest = announced.longest_pause(opened.container) / ticks
        before: int | None = None
        for packet in opened.container.demux(stream):
            if not packet.size or packet.is_discard:
                continue
            if packet.pts is None:
                raise Uncuttable(f"{path}: does not state each picture's time")
            if packet.dts is not None:
                if before is not None and not 0 <= packet.dts - before <= longest:
                    raise Uncuttable(f"{path}: its time stamps do not only move on")
                before = packet.dts
            stamps.append(packet.pts)
            if packet.is_keyframe:
                keys.append(packet.pts)
    first = min(stamps, default=0)
    return sorted({float(Fraction(stamp - first) * ticks) for stamp in keys})


def has_index(path: Path, settings: CaptureSettings) -> bool:
    """Whether the file lists all its pictures, so that any can be sought without reading what lies before it."""
    opened = open_container(str(path), settings)
    with opened.container:
        return announced.lists_all(opened.container, opened.stream)


def cuts(times: Sequence[float], shortest: float, start: float = 0.0) -> list[float]:
    """Those of the rising `times` that lie at least `shortest` seconds from the one before, and from `start`."""
    chosen, last = list[float](), start
    for time in times:
        if time - last >= shortest:
            chosen.append(time)
            last = time
    return chosen
