"""AudioTrack: a file's encoded sound, to be copied beside the annotated pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import av
from av.audio.stream import AudioStream
from av.bitstream import BitStreamFilterContext

from poseline.capture.container import DAMAGE, open_container

if TYPE_CHECKING:
    from poseline.settings import CaptureSettings


class AudioTrack:
    """The first audio stream of a file, read through a second handle so that it never holds the pictures up."""

    def __init__(self, path: Path, settings: CaptureSettings) -> None:
        self._container = open_container(str(path), settings).container
        self.stream: AudioStream | None = next(iter(self._container.streams.audio), None)
        """None where the file is silent."""

    def packets(self) -> Iterator[av.Packet[AudioStream]]:
        """Its packets in order, as far as they can be read, and as an MP4 holds them."""
        if self.stream is None:
            return
        # The AAC of MPEG-TS repeats in every packet what an MP4 says once, and FFmpeg refuses to write it so.
        repeats = self.stream.codec_context.name == "aac" and not self.stream.codec_context.extradata
        bare = BitStreamFilterContext("aac_adtstoasc", self.stream) if repeats else None
        try:
            for packet in self._container.demux(self.stream):
                if packet.size:
                    yield from bare.filter(packet) if bare else (packet,)
        except DAMAGE:  # the pictures tell of the damage; the sound goes as far as it goes
            return

    def close(self) -> None:
        """Close the second handle."""
        self._container.close()
