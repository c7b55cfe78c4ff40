"""Clip: the frames on which models are compared, spread over a recording, or the pictures of a folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice

from poseline.capture import ClipSample, Location, SourceInfo, VideoFile, locate, open_source
from poseline.errors import SourceError
from poseline.frame import Frame
from poseline.settings import CaptureSettings


@dataclass(frozen=True, eq=False)
class Clip:
    """A recording, or pictures.

    Args:
        location: where it is.
        info: what it says of itself.
        settings: how it is read, and which part of it.
        spread: frames are taken from all over it; else from its beginning on.
    """

    location: Location
    info: SourceInfo
    settings: CaptureSettings
    spread: bool

    @classmethod
    def open(cls, source: str, settings: CaptureSettings) -> Clip:
        """Look at what `source` names.

        Raises:
            SourceError: it cannot be read, is several clips, or is live and would give each model other frames.
        """
        found = locate([source])
        if len(found) != 1:
            raise SourceError(f"{source}: holds {len(found)} clips; give one of them")
        if found[0].live:
            raise SourceError(f"{source}: is live; record it first, and give the clip")
        with closing(open_source(found[0], settings)) as opened:
            whole = isinstance(opened, VideoFile) and not settings.in_part and found[0].video is not None
            return cls(found[0], opened.info, settings, whole)

    @property
    def sample(self) -> ClipSample | None:
        """Frames to calibrate int8 on; None of pictures."""
        return None if self.location.video is None else ClipSample(self.location.video, self.settings)

    def frames(self, most: int) -> Iterator[Frame]:
        """At most `most` frames, each decoded once."""
        if self.spread and self.location.video is not None:
            yield from ClipSample(self.location.video, self.settings).frames(most)
            return
        with closing(open_source(self.location, self.settings).frames()) as frames:
            yield from islice(frames, most)
