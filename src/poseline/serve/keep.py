"""Keep: how the page's recordings are made, and how many of them stay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from poseline.amounts import seconds_in
from poseline.output import Keep

if TYPE_CHECKING:
    from poseline.settings import OutputSettings


@dataclass(frozen=True)
class Recordings:
    """What becomes of recordings. It is the same for all cameras, and each counts for itself."""

    pre_roll: float = 0.0
    """Seconds before the wish to record that a recording begins with."""
    segment: float | None = None
    """Seconds after which another file begins, without a frame lost between; None: when the recording ends."""
    keep: Keep = Keep()  # noqa: RUF009 # it is frozen
    """Which of a camera's finished recordings stay."""
    at_once: bool = False
    """Record from the first frame on."""

    @classmethod
    def of(cls, pre_roll: float, at_once: bool, output: OutputSettings) -> Recordings:
        """As the options say; `--segment` and `--keep` are those of the run's own files too."""
        segment = None if output.segment is None else seconds_in(output.segment)
        return cls(pre_roll, segment, Keep.parse(output.keep), at_once)

    def full(self, seconds: float) -> bool:
        """Whether a file of this length is followed by the next; to be asked at key frames."""
        return self.segment is not None and seconds > self.segment - 0.002  # ticks are rounded
