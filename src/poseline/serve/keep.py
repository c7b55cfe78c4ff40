"""Keep: how long recordings are, and how many of them stay."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from poseline.errors import SettingsError

if TYPE_CHECKING:
    from poseline.serve.recorder import Recording

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_BYTES = {"MB": 1000**2, "GB": 1000**3, "TB": 1000**4}
_SHORTEST = 2.0
"""Seconds of a segment: it begins at a key frame, of which there is one a second."""


@dataclass(frozen=True)
class Recordings:
    """What becomes of recordings. It is the same for all cameras, and each counts for itself."""

    pre_roll: float = 0.0
    """Seconds before the wish to record that a recording begins with."""
    segment: float | None = None
    """Seconds after which another file begins, without a frame lost between; None: when the recording ends."""
    most_seconds: float | None = None
    """Age, since they were finished, at which recordings are removed."""
    most_bytes: float | None = None
    """Size of all of a camera's recordings together above which the oldest are removed."""
    at_once: bool = False
    """Record from the first frame on."""

    @classmethod
    def parse(cls, pre_roll: float, segment: str | None, keep: str | None, at_once: bool) -> Recordings:
        """Read what is typed: `segment` such as 10m, `keep` such as 24h or 50GB.

        Raises:
            SettingsError: one of them is neither.
        """
        length = None if segment is None else _seconds(segment)
        if segment is not None and (length is None or length < _SHORTEST):
            raise SettingsError(f"--segment {segment}: not a time of {_SHORTEST:g} s or more, such as 90s, 10m or 1h")
        age = None if keep is None else _seconds(keep)
        size = None if keep is None else _bytes(keep)
        if keep is not None and not (age or size):
            raise SettingsError(f"--keep {keep}: neither a time, such as 24h or 7d, nor a size, such as 500MB or 50GB")
        return cls(pre_roll, length, age, size, at_once)

    def full(self, seconds: float) -> bool:
        """Whether a file of this length is followed by the next; to be asked at key frames."""
        return self.segment is not None and seconds > self.segment - 0.002  # ticks are rounded

    def too_many(self, finished: list[Recording], sizes: list[int]) -> list[Recording]:
        """Those, of the finished ones in order, that are to be removed; the newest never is."""
        now, total = time.time(), sum(sizes)
        found: list[Recording] = []
        for recording, size in list(zip(finished, sizes, strict=True))[:-1]:
            old = self.most_seconds is not None and now - recording.at > self.most_seconds
            large = self.most_bytes is not None and total > self.most_bytes
            if not (old or large):
                break
            found.append(recording)
            total -= size
        return found


def _seconds(text: str) -> float | None:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text)
    return float(found[1]) * _SECONDS[found[2]] if found else None


def _bytes(text: str) -> float | None:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(MB|GB|TB)", text)
    return float(found[1]) * _BYTES[found[2]] if found else None
