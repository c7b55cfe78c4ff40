"""CopiedMp4: an MP4 of pictures that were encoded before, packet for packet."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av

from poseline.output.mp4 import EncodedPicture, Mp4

if TYPE_CHECKING:
    from av.audio.stream import AudioStream


class CopiedMp4(Mp4):
    """An MP4 opened for its `first` picture, a key frame of its size; the pictures may come from several files.

    They must be in order of presentation, as all pictures of our encoders are.
    """

    def __init__(
        self, path: Path, first: EncodedPicture, time_base: Fraction, *, template: AudioStream | None, begin: int = 0
    ) -> None:
        super().__init__(path, (first.width, first.height), time_base, template=template, begin=begin)
        self._parameters = first.stream.codec_context.extradata
        self._video = self._container.add_stream_from_template(first.stream)
        self._start(template)

    def takes(self, picture: av.VideoFrame | EncodedPicture) -> bool:
        """Whether it has this file's size, and was encoded with its parameters: the file states SPS and PPS once."""
        assert isinstance(picture, EncodedPicture)
        return super().takes(picture) and picture.stream.codec_context.extradata == self._parameters

    def write(self, picture: av.VideoFrame | EncodedPicture, pts: int) -> None:
        """Copy one picture."""
        assert isinstance(picture, EncodedPicture)
        packet = picture.packet
        if packet.duration:
            packet.duration = round(packet.duration * packet.time_base / self.time_base)
        # No picture refers to a later one, so each is decoded when it is shown; what an encoder's own file says of
        # decoding times begins anew with each file.
        packet.pts = packet.dts = pts - self._begin
        packet.time_base = self.time_base
        packet.stream = self._video
        self._mux(packet)
