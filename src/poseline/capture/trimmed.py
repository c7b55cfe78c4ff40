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
    first: dict[bool, int] = {}  # time stamps of the first picture that is shown, and of the first one that is hidden
    with opened.container, suppress(*DAMAGE):
        for packet in opened.container.demux(opened.stream):
            if packet.size and packet.pts is not None:
                first[packet.is_discard] = min(packet.pts, first.get(packet.is_discard, packet.pts))
    if len(first) < 2:
        return 0.0
    return float(Fraction(max(0, first[False] - first[True])) * (opened.stream.time_base or Fraction(0)))
