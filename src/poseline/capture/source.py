"""What every source of frames has in common."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Protocol

from poseline.frame import Frame


@dataclass(frozen=True)
class SourceInfo:
    """What is known of a source once it is open."""

    name: str
    """Path, URL (without password) or camera, to show."""
    live: bool
    """Frames come when they come, and a newer one is worth more than an older one."""
    width: int = 0
    """Width of the upright picture in pixels; 0 where each frame has its own."""
    height: int = 0
    """Height of the upright picture in pixels; 0 where each frame has its own."""
    frame_rate: Fraction | None = None
    """Frames a second as the source announces them; None where it does not, or where that cannot be."""
    time_base: Fraction | None = None
    """Seconds per tick of the frames' pts."""
    frames: int | None = None
    """Number of frames that it will show; None where that is not known for sure."""
    duration: float | None = None
    """Seconds from the first frame to the end of the last, as the source states them; None where it does not.

    Of a part of a recording, the seconds of the part."""
    start: float = 0.0
    """Time of the first frame that it gives; beyond 0 where only a part of a recording is read."""
    path: Path | None = None
    """The file, where the source is one video file."""
    pixel_aspect: Fraction = Fraction(1)
    """Sample aspect ratio: the width of a pixel over its height, as the picture is to be shown; 1 for square."""
    on_device: bool = False
    """Whether its pictures lie in the memory of a device."""


class Source(Protocol):
    """Something that gives frames. Opened when built (or `SourceError`), closed when `frames` ends."""

    info: SourceInfo
    notes: list[str]
    """What the user should know at the end, such as a file that is shorter than it says."""

    @property
    def bad(self) -> int:
        """Packets or pictures, so far, that could not be decoded."""

    def frames(self) -> Generator[Frame, None, None]:
        """The frames in order, once; raises `SourceError` when the source fails for good."""

    def stop(self) -> None:
        """Ask `frames` to end soon, from any thread."""

    def close(self) -> None:
        """Give back what was opened, where `frames` was never begun; on the thread that opened it."""
