"""AudioTrack: a file's encoded sound, to be copied beside the annotated pictures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
from av.audio.stream import AudioStream
from av.bitstream import BitStreamFilterContext

from poseline.capture.container import DAMAGE, open_container

if TYPE_CHECKING:
    from poseline.settings import CaptureSettings


_BEFORE = 1
"""Seconds before the wanted sound to which is sought: indices of sound are coarse."""


class AudioTrack:
    """The first audio stream of a file, read through a second handle so that it never holds the pictures up."""

    def __init__(self, path: Path, settings: CaptureSettings) -> None:
        self._container = open_container(str(path), settings).container
        self.stream: AudioStream | None = next(iter(self._container.streams.audio), None)
        """None where the file is silent."""

    def packets(self, begin: Fraction | None = None) -> Iterator[av.Packet[AudioStream]]:
        """Its packets in order, as far as they can be read, and as an MP4 holds them.

        Args:
            begin: leave out what begins before this time, in seconds as the file states it.
        """
        if self.stream is None:
            return
        if begin is not None:
            self._seek(begin)
        # The AAC of MPEG-TS repeats in every packet what an MP4 says once, and FFmpeg refuses to write it so.
        repeats = self.stream.codec_context.name == "aac" and not self.stream.codec_context.extradata
        bare = BitStreamFilterContext("aac_adtstoasc", self.stream) if repeats else None
        try:
            for packet in self._container.demux(self.stream):
                if packet.size and not (begin is not None and _starts_before(packet, begin)):
                    yield from bare.filter(packet) if bare else (packet,)
        except DAMAGE:  # the damage is reported for the pictures; the audio ends here
            return

    def _seek(self, begin: Fraction) -> None:
        assert self.stream is not None
        place = int((begin - _BEFORE) / (self.stream.time_base or 1))
        with suppress(*DAMAGE):  # else it is read from where it is
            self._container.seek(place, stream=self.stream)

    def close(self) -> None:
        """Close the second handle."""
        self._container.close()


def _starts_before(packet: av.Packet[AudioStream], begin: Fraction) -> bool:
    stamp = packet.dts if packet.pts is None else packet.pts
    return stamp is None or stamp * packet.time_base < begin
