"""EncodingMp4: an MP4 whose pictures are encoded as they come."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
from av.video.frame import PictureType
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from poseline.frame import plane_pixels, reformatted
from poseline.output.encoder import CODECS, PLAIN, EncoderName, encoder_setup, fragment_seconds
from poseline.output.mp4 import EncodedPicture, Mp4
from poseline.settings import OutputSettings

if TYPE_CHECKING:
    from av.audio.stream import AudioStream

_MOST_BETWEEN_KEYS = 600
"""Frames from one key frame to the next at most, also where time hardly moves on."""


class EncodingMp4(Mp4):
    """An MP4 opened for its `first` picture, which is of its size."""

    def __init__(
        self,
        path: Path,
        first: av.VideoFrame,
        time_base: Fraction,
        settings: OutputSettings,
        *,
        encoder: EncoderName,
        live: bool,
        frame_rate: Fraction | None,
        pixel_aspect: Fraction = Fraction(1),
        template: AudioStream | None,
        begin: int = 0,
    ) -> None:
        self._reformatter, self._plain = VideoReformatter(), PLAIN[encoder]
        self._even = (first.width % 2 == 0, first.height % 2 == 0)
        prepared = self._prepared(first)
        # Not beyond a frame a tick: the last frame would last no tick, and FFmpeg's reader leaves such a one out.
        rate = min(frame_rate or Fraction(30), 1 / time_base)
        sound = template is not None
        setup = encoder_setup(encoder, settings, live=live, height=prepared.height, rate=rate, sound=sound)
        fragment = fragment_seconds(rate, live=live, sound=sound, held=setup.held)
        super().__init__(
            path, (first.width, first.height), time_base, template=template, begin=begin, fragment=fragment
        )
        video = self._container.add_stream(CODECS[encoder], rate=rate, options=setup.options)
        assert isinstance(video, av.VideoStream)
        self._video = video
        context = self._video.codec_context
        context.width, context.height, context.pix_fmt = prepared.width, prepared.height, prepared.format.name
        context.time_base = time_base
        if pixel_aspect != 1:
            context.sample_aspect_ratio = pixel_aspect
        context.gop_size = _MOST_BETWEEN_KEYS
        self._second = max(1, round(1 / time_base))
        self._key_due: int | None = None
        if setup.threads:
            context.thread_count, context.thread_type = setup.threads, setup.thread_type
        context.color_range, context.colorspace = prepared.color_range, prepared.colorspace
        context.color_primaries, context.color_trc = prepared.color_primaries, prepared.color_trc
        self._start(template)

    def write(self, picture: av.VideoFrame | EncodedPicture, pts: int) -> None:
        """Encode and write one picture."""
        assert isinstance(picture, av.VideoFrame)
        pts -= self._begin
        prepared = self._prepared(picture)
        prepared.pts, prepared.time_base = pts, self.time_base
        prepared.pict_type = PictureType.NONE  # the decoder's types would be taken as orders
        if self._key_due is None or pts >= self._key_due:
            # A key frame a second, so that jumping to a moment is quick: by time, since the frame rate may vary.
            prepared.pict_type, self._key_due = PictureType.I, pts + self._second
        for packet in self._video.encode(prepared):
            self._mux(packet)

    def _flush(self) -> None:
        for packet in self._video.encode(None):
            self._mux(packet)

    def _prepared(self, picture: av.VideoFrame) -> av.VideoFrame:
        """8-bit planar YUV of even size: H.264 with half-size chroma knows no odd one."""
        if picture.format.name not in self._plain:
            picture = self._as_yuv(picture)
        return picture if all(self._even) else _padded(picture)

    def _as_yuv(self, picture: av.VideoFrame) -> av.VideoFrame:
        if not picture.format.is_rgb:
            return reformatted(picture, "yuv420p", self._reformatter)
        return self._reformatter.reformat(  # a screen's colours, as players assume them
            picture, format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
        )


def _padded(picture: av.VideoFrame) -> av.VideoFrame:
    """`picture` with its last column and row repeated where its size is odd; its chroma planes are large enough."""
    even = av.VideoFrame(picture.width + picture.width % 2, picture.height + picture.height % 2, picture.format.name)
    for source, target in zip(picture.planes, even.planes, strict=True):
        pixels, wider = plane_pixels(source), plane_pixels(target)
        height, width = pixels.shape
        wider[:height, :width] = pixels
        wider[:height, width:] = pixels[:, -1:]
        wider[height:] = wider[height - 1]
    even.color_range, even.colorspace = picture.color_range, picture.colorspace
    even.color_primaries, even.color_trc = picture.color_primaries, picture.color_trc
    return even
