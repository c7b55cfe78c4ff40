"""Keypoint log: the journal of a run, JSON Lines. What is in it survives whatever comes next.

Each line is written by a single unbuffered write: a killed run loses at most the line it was writing.
"""

from __future__ import annotations

import os
from contextlib import nullcontext, suppress
from io import FileIO
from pathlib import Path
from types import TracebackType

from poseline.atomic import cause
from poseline.errors import OutputError
from poseline.frame import Gap
from poseline.log.counts import Counts, Ended
from poseline.log.records import Records, RunHeader
from poseline.pose import Observation


class KeypointLog:
    """The journal at `path`, which must not exist yet; its first line is written at once.

    A log that is cut into parts, of which each can be read by itself, is `in_parts`; `begin_part` begins the next one.

    Raises (also from `begin_part`, `frame`, `gap`, `end` and `close`):
        OutputError: naming the file and the cause. After the first one nothing more is written, so that no line is
            glued to a torn one.
    """

    def __init__(self, path: Path, header: RunHeader, *, in_parts: bool = False) -> None:
        self.frames = 0
        """Frames written."""
        self.persons = 0
        """Persons written, over all frames."""
        self.corrupt = 0
        """Frames written that the decoder marked as damaged."""
        self.outages = 0.0
        """Seconds of all gaps written."""
        self._records = Records(header)
        self._error: OutputError | None = None
        self._file = self._opened(path)
        try:
            self._write(self._records.part(1) if in_parts else self._records.run)
        except BaseException:
            self._file.close()
            raise

    def begin_part(self, path: Path, number: int) -> None:
        """Go on in another file, which is part `number` of this log, counted from 1."""
        before, after = self._file, self._opened(path)
        try:
            self._file = after
            self._write(self._records.part(number))
            self._file = before
            self._write(self._records.next())  # when there is what it leads to
        finally:
            self._file = after
            self._close(before)

    @property
    def nulls(self) -> int:
        """Numbers that were not finite and became null."""
        return self._records.nulls

    @property
    def sizes(self) -> int:
        """Picture sizes written: changes, and the first one of separate pictures."""
        return self._records.sizes

    @property
    def aspects(self) -> int:
        """Changes of the pixels' shape written."""
        return self._records.aspects

    def frame(self, observation: Observation, picture: str | None = None) -> None:
        """Write a frame's record, after those of the outage that it ended and of its new size, if any.

        `picture` is the file of the annotated picture, as it is called in the run's folder, where there is one.
        """
        frame = observation.frame
        if frame.gap is not None:
            self.gap(frame.gap)
        for line in self._records.frame(observation, picture).splitlines(keepends=True):
            self._write(line)
        self.frames += 1
        self.persons += len(observation.poses)
        self.corrupt += frame.corrupt

    def gap(self, gap: Gap) -> None:
        """Write an outage; `frame` does it for the gap that its frame carries."""
        self._write(self._records.gap(gap))
        self.outages += max(0.0, gap.end - gap.start)

    def end(
        self, counts: Counts, elapsed: float, fps: float, error: str | None = None, *, ended: Ended | None = None
    ) -> None:
        """Write the last line.

        Args:
            counts: of the run.
            elapsed: seconds of the run.
            fps: frames processed a second.
            error: what went wrong, in words.
            ended: how the run ended; unset: `failed` where there is an error, else `complete`.
        """
        self._write(self._records.end(counts, elapsed, fps, error, ended))

    def require_there(self) -> None:
        """Raise an OutputError where somebody removed the file; writing to it still succeeds."""
        if os.fstat(self._file.fileno()).st_nlink == 0:
            raise OutputError(f"{self._file.name}: the keypoint log was deleted while it was being written")

    def close(self) -> None:
        """Close the file; without `end` before, the log says that the run was killed."""
        self._close(self._file)

    def __enter__(self) -> KeypointLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OutputError) if error is not None else nullcontext():  # the first error is already on its way
            self.close()

    def _opened(self, path: Path) -> FileIO:
        try:
            return path.open("xb", buffering=0)
        except OSError as error:
            raise self._failed(path, error) from error

    def _close(self, file: FileIO) -> None:
        try:
            file.close()
        except OSError as error:  # a network file system says only now that it has lost what it had taken
            raise self._failed(file.name, error) from error

    def _write(self, line: bytes) -> None:
        if self._error is not None:
            raise self._error
        try:
            written = self._file.write(line)
            while written < len(line):  # a full disk takes a part, and says why only when asked for the rest
                written += self._file.write(line[written:])
        except OSError as error:
            raise self._failed(self._file.name, error) from error

    def _failed(self, path: object, error: OSError) -> OutputError:
        self._error = OutputError(f"{path}: the keypoint log cannot be written: {cause(error)}")
        return self._error
