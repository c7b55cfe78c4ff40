"""Standard output: the log's records as lines of JSON, and nothing else."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from poseline.capture import SourceInfo
from poseline.frame import Picture
from poseline.log import Records, RunHeader
from poseline.pose import Observation
from poseline.send.destination import Destination
from poseline.send.lines import Lines
from poseline.send.sender import Sender

_FINISHING = 2.0
"""Seconds for the last line at the end of a run."""
_taken: int | None = None
"""A descriptor of what standard output was before `take`."""


def take() -> int:
    """Keep standard output for records: all that is printed from now on, by anybody, goes to standard error.

    That is done below Python, so that C++ libraries and rich's tables go there as well.
    """
    global _taken  # a process has one standard output
    if _taken is None:
        sys.stdout.flush()
        _taken = os.dup(1)
        os.dup2(2, 1)
    return _taken


def check(destination: Destination) -> None:
    """Take standard output before anything is printed."""
    del destination
    take()


def make(destination: Destination, camera: str) -> StdoutSender:
    """A sender to standard output."""
    return StdoutSender(destination, camera)


class StdoutSender(Sender):
    """Prints lines. The run ends when nobody reads them any more, as with any command in a pipe."""

    def connect(self, header: RunHeader, info: SourceInfo) -> None:
        """Print the `run` record."""
        del info
        file = take()
        self._gone = False
        self._records = Records(header, shown=True)
        self._lines = Lines(file, lambda data: os.write(file, data))
        self._print(self._records.run)

    def write(self, observation: Observation, picture: Picture | None) -> bool:
        """Print one frame; False where nobody reads."""
        super().write(observation, picture)
        return not self._gone

    def send(self, observation: Observation) -> bool:
        """Print one frame."""
        return self._print(self._records.lines(observation))

    def disconnect(self) -> list[str]:
        """Print the last line to its end."""
        if self._gone:
            return ["what read standard output has gone, and the run ended with it"]
        with suppress(OSError):
            self._lines.finish(_FINISHING)
        return []

    def _print(self, line: bytes) -> bool:
        try:
            return not self._gone and self._lines.send(line)
        except OSError:
            self._gone = True
            return False
