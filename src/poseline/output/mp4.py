"""MP4: one H.264 file that can be read up to its last fifth of a second, wherever its writing stops.

While it grows it is a fragmented file; on `finish` FFmpeg's hybrid mode turns it into a plain one, in place. Until then
it has `.part` behind its name.
"""

from __future__ import annotations

import math
import os
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
from av.video.frame import PictureType
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from poseline.frame import plane_pixels, reformatted
from poseline.output.disk import DiskWatch
from poseline.output.encoder import CODECS, PLAIN, EncoderName, encoder_setup, fragment_seconds
from poseline.settings import OutputSettings

if TYPE_CHECKING:
    from av.audio.stream import AudioStream

_AUDIO_CODECS = frozenset({"aac", "ac3", "alac", "eac3", "flac", "mp3", "opus"})
_MOST_BETWEEN_KEYS = 600
"""Frames from one key frame to the next at most, also where time hardly moves on."""
_CONTAINER = {
    # delay_moov: the beginning is written with the first fragment, when it is known where each stream starts; without
    # it a file that is not closed loses the true start of its streams, or pictures of its first fragment
    "movflags": "+hybrid_fragmented+delay_moov",
    "flush_packets": "1",  # or FFmpeg keeps the last 256 KiB in the process
    "max_interleave_delta": "1",  # microseconds that a picture waits for sound; 0 would be for ever
}


def mp4_can_hold(codec_name: str) -> bool:
    """Whether audio of this codec (FFmpeg's name, such as `aac`) can be copied into MP4 and played from it."""
    return codec_name in _AUDIO_CODECS


def part_of(path: Path) -> Path:
    """The name of `path` while it is being written."""
    return path.with_name(f"{path.name}.part")


def clock_options(time_base: Fraction, audio: AudioStream | None) -> dict[str, str]:
    """FFmpeg's options for a video whose stamps are exact in `time_base`, and an `audio` that starts on its sample."""
    ticks = time_base.denominator
    common = math.lcm(ticks, audio.sample_rate or 1) if audio is not None else ticks
    return {
        "video_track_timescale": str(ticks),  # or FFmpeg multiplies a coarse one
        "movie_timescale": str(common if common < 2**31 else ticks),  # unit of the streams' start; else ms
    }


class Mp4:
    """One file of one picture size, opened for its `first` picture; audio if there is a `template`.

    Its own time begins `begin` ticks of `time_base` after that of the recording, in which `encode` and `mux_audio` are
    told what comes when.

    Whatever fails in here raises the error of PyAV or of the system; `VideoWriter` says what it means.
    """

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
        self.path = path
        self.part = part_of(path)
        self.size = (first.width, first.height)
        self.time_base = time_base
        self._begin = begin
        if os.path.lexists(path) or os.path.lexists(self.part):
            raise FileExistsError(f"{path.name} or {self.part.name} is already there")
        self._reformatter, self._plain = VideoReformatter(), PLAIN[encoder]
        self._even = (first.width % 2 == 0, first.height % 2 == 0)
        prepared = self._prepared(first)
        # Not beyond a frame a tick: the last frame would last no tick, and FFmpeg's reader leaves such a one out.
        rate = min(frame_rate or Fraction(30), 1 / time_base)
        sound = template is not None
        setup = encoder_setup(encoder, settings, live=live, height=prepared.height, rate=rate, sound=sound)
        longest = fragment_seconds(rate, live=live, sound=sound, held=setup.held)
        fragment = max(1, int(1_000_000 * longest))  # 0 would be no limit
        options = {**_CONTAINER, "frag_duration": str(fragment), **clock_options(time_base, template)}
        self._container = av.open(str(self.part), "w", format="mp4", options=options)
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
        self._audio = None if template is None else self._container.add_stream_from_template(template)
        self._container.start_encoding()  # opens the encoder and the file, so that errors show now
        self._watch = DiskWatch(self.part)

    def encode(self, picture: av.VideoFrame, pts: int) -> None:
        """Write one picture of this file's size at `pts` in units of `time_base`."""
        pts -= self._begin
        prepared = self._prepared(picture)
        prepared.pts, prepared.time_base = pts, self.time_base
        prepared.pict_type = PictureType.NONE  # the decoder's types would be taken as orders
        if self._key_due is None or pts >= self._key_due:
            # A key frame a second, so that jumping to a moment is quick: by time, since the frame rate may vary.
            prepared.pict_type, self._key_due = PictureType.I, pts + self._second
        self._container.mux(self._video.encode(prepared))

    def mux_audio(self, packet: av.Packet[Any]) -> None:
        """Copy one packet of audio; its time stamps are already the recording's."""
        if self._audio is not None:
            if self._begin and packet.dts is not None:
                ticks = round(self._begin * self.time_base / packet.time_base)
                packet.dts -= ticks
                packet.pts = None if packet.pts is None else packet.pts - ticks
            packet.stream = self._audio
            self._container.mux(packet)

    def trouble(self) -> str | None:
        """What will soon stop the writing, in words, or None."""
        return self._watch.trouble()

    def finish(self) -> None:
        """Encode what is held back, make a plain MP4 of it and give it its name."""
        self._container.mux(self._video.encode(None))
        self._container.close()
        if self._watch.deleted():
            raise FileNotFoundError("it was deleted while it was being written")
        self._watch.close()
        if os.path.lexists(self.path):
            raise FileExistsError(f"{self.path.name} has appeared in the meantime")
        os.rename(self.part, self.path)

    def abandon(self) -> None:
        """Let go of the file and leave the `.part` as it is, for `recover`."""
        with suppress(av.error.FFmpegError, OSError, ValueError):  # the first error is what counts, and is on its way
            self._container.close()
        self._watch.close()

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
