"""ClipSample: a few frames from all over a clip, to calibrate a network on."""

from __future__ import annotations

import hashlib
from collections.abc import Generator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from poseline.capture.container import DAMAGE, open_container
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
        """At most `count` frames, spread evenly over the clip's; fewer where it has fewer, or fewer key frames.

        Raises:
            SourceError: the file cannot be read.
        """
        check_readable(self.path)
        total, keys_only = self._counted()
        whole = self.settings.model_copy(update={"start": None, "end": None})
        opened = open_container(str(self.path), whole)
        if keys_only:
            opened.stream.codec_context.skip_frame = "NONKEY"
        given = 0
        with closing(VideoFile(self.path, whole, opened).frames()) as frames:
            for frame in frames:
                if frame.index >= given * total / count:
                    yield frame
                    given += 1
                if given == count:
                    return

    def _counted(self) -> tuple[int, bool]:
        """Packets whose pictures there are to choose from, and whether they are those of key frames alone."""
        keys: list[bool] = []  # counted, since not every container knows, and none of its times need be true
        opened = open_container(str(self.path), self.settings)
        with opened.container, suppress(*DAMAGE):
            packets = opened.container.demux(opened.stream)
            keys.extend(packet.is_keyframe for packet in packets if packet.size and not packet.is_discard)
        return (sum(keys), True) if len(keys) > _LONG else (len(keys), False)
