"""Segments: where a long recording is cut into files, and which of them stay."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from poseline.amounts import bytes_in, seconds_in
from poseline.atomic import cause
from poseline.frame import Frame

log = logging.getLogger("poseline")

_ROUNDED = 0.002
"""Seconds by which a segment may be too short, since time stamps are whole ticks."""


@dataclass(frozen=True)
class Keep:
    """How much of what was recorded stays."""

    seconds: float | None = None
    """Age, since a file was finished, at which it is removed; None: never for its age."""
    size: float | None = None
    """Bytes of all finished files together, above which the oldest are removed; None: no limit."""

    @classmethod
    def parse(cls, text: str | None) -> Keep:
        """Read what `--keep` says, such as 24h or 50GB; None keeps everything."""
        return cls() if text is None else cls(seconds_in(text), bytes_in(text))

    def removed(self, ages: Sequence[float], sizes: Sequence[int]) -> int:
        """How many of the finished recordings, which are in order, go: the oldest. The newest always stays.

        Args:
            ages: seconds since each was finished.
            sizes: bytes of each.
        """
        count, total = 0, sum(sizes)
        for age, size in list(zip(ages, sizes, strict=True))[:-1]:
            too_old = self.seconds is not None and age > self.seconds
            too_large = self.size is not None and total > self.size
            if not (too_old or too_large):
                break
            count, total = count + 1, total - size
        return count


@dataclass
class _Finished:
    files: tuple[Path, ...]
    size: int
    at: float = field(default_factory=time.monotonic)


class Segments:
    """Cuts one run: says where, and lets the oldest segments go.

    A segment ends before the frame whose time is `seconds` after that of its first one; and before a frame of another
    size or shape of pixels, which no video can hold together with the ones before it.
    """

    def __init__(self, seconds: float, keep: Keep) -> None:
        self.number = 1
        """Of the segment that is being written, from 1."""
        self.gone = 0
        """Segments removed."""
        self._seconds, self._keep = seconds, keep
        self._begun: float | None = None
        self._shape: tuple[object, ...] = ()
        self._finished: list[_Finished] = []

    @classmethod
    def of(cls, segment: str | None, keep: str | None) -> Segments | None:
        """As `--segment` and `--keep` say; None where nothing is cut."""
        seconds = None if segment is None else seconds_in(segment)
        return None if seconds is None else cls(seconds, Keep.parse(keep))

    def cuts_before(self, frame: Frame) -> bool:
        """Whether another segment begins with this frame, which is counted then. To be asked once for each frame."""
        shape = frame.width, frame.height, frame.pixel_aspect
        begun = self._begun
        if begun is not None and shape == self._shape and frame.time - begun < self._seconds - _ROUNDED:
            return False
        self._begun, self._shape = frame.time, shape
        if begun is None:
            return False
        self.number += 1
        return True

    def finished(self, *files: Path) -> None:
        """A segment is complete in these `files`, of which some may not be there; remove the oldest segments."""
        self._finished.append(_Finished(files, sum(_size(path) for path in files)))
        now = time.monotonic()
        ages, sizes = [now - each.at for each in self._finished], [each.size for each in self._finished]
        count = self._keep.removed(ages, sizes)
        for segment in self._finished[:count]:
            removed = [_remove(path) for path in segment.files]
            self.gone += all(removed)
        del self._finished[:count]


def _remove(path: Path) -> bool:
    """Whether it is gone."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        log.warning("%s: cannot be removed: %s", path, cause(error))
        return False
    return True


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0  # there is no video, or somebody has moved it away
