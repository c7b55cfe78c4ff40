"""ClipSample: a few frames from all over a clip, to calibrate a network on."""

from __future__ import annotations

import hashlib
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from poseline.capture.container import open_container
from poseline.capture.file import VideoFile, check_readable
from poseline.errors import SourceError
from poseline.frame import Frame
from poseline.settings import CaptureSettings

_LONG = 10_000
"""Frames above which a clip's key frames are enough to choose from, and decoding all of it would take too long."""
_PIECE = 1 << 20
"""Bytes that are hashed at the clip's beginning, middle and end."""


@dataclass(frozen=True)
class ClipSample:
    """A video file to take frames from."""

    path: Path
    settings: CaptureSettings = field(default_factory=CaptureSettings)
    """Time-outs and the largest picture."""

    @property
    def name(self) -> str:
        """The file's name, to show."""
        return self.path.name

    def digest(self) -> str:
        """Hex digest of the file's size and of three pieces of it: enough to know the clip again, however large.

        Raises:
            SourceError: the file cannot be read.
        """
        check_readable(self.path)
        size = self.path.stat().st_size
        digest = hashlib.sha256(str(size).encode())
        try:
            with self.path.open("rb") as file:
                for place in (0, (size - _PIECE) // 2, size - _PIECE):
                    file.seek(max(place, 0))
                    digest.update(file.read(_PIECE))
        except OSError as error:
            raise SourceError(f"{self.path}: cannot be read: {error.strerror}") from error
        return digest.hexdigest()

    def frames(self, count: int) -> Generator[Frame, None, None]:
        """At most `count` frames, spread evenly over the clip's time; fewer where it has fewer, or fewer key frames.

        Raises:
            SourceError: the file cannot be read.
        """
        check_readable(self.path)
        opened = open_container(str(self.path), self.settings)
        seconds = (opened.container.duration or 0) / 1e6
        if seconds * float(opened.stream.average_rate or 0) > _LONG:
            opened.stream.codec_context.skip_frame = "NONKEY"
        given = 0
        with closing(VideoFile(self.path, self.settings, opened).frames()) as frames:
            for frame in frames:
                if frame.time >= given * seconds / count:
                    yield frame
                    given += 1
                if given == count:
                    return
