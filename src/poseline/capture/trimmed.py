"""Trimmed clips: an MP4's edit list hides the pictures before the cut, which are needed to decode those behind it."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from poseline.capture.container import DAMAGE, open_container

if TYPE_CHECKING:
    from poseline.settings import CaptureSettings


def hidden_seconds(path: Path, settings: CaptureSettings) -> float:
    """Seconds from the first picture in a file to the first one that is shown; 0 for a clip that was not trimmed.

    All packets are read, and none is decoded.

    Raises:
        SourceError: it cannot be opened.
    """
    opened = open_container(str(path), settings)
    stamps: dict[bool, list[int]] = {False: [], True: []}
    with opened.container, suppress(*DAMAGE):
        for packet in opened.container.demux(opened.stream):
            if packet.size and packet.pts is not None:
                stamps[packet.is_discard].append(packet.pts)
    if not stamps[True] or not stamps[False]:
        return 0.0
    first = min(stamps[False])
    return float(Fraction(max(0, first - min(stamps[True]))) * (opened.stream.time_base or Fraction(0)))
