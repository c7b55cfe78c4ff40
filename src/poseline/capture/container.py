"""Opening a file or stream with FFmpeg: what is allowed, how long to wait, and errors in plain words."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

import av
import av.error
from av.container import InputContainer
from av.video.stream import VideoStream

from poseline.errors import SourceError

if TYPE_CHECKING:
    from av.codec.hwaccel import HWAccel

    from poseline.settings import CaptureSettings

_FILE_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,gif,h264,hevc,mjpeg,ivf,m4v,mxf,nut,"
    "yuv4mpegpipe,wtv,rm"
)
_STREAM_FORMATS = _FILE_FORMATS + ",rtsp,rtp,sdp,hls,mpjpeg"
STREAM_SCHEMES = ("rtsp", "rtsps", "http", "https", "rtmp", "rtmps", "srt", "udp", "rtp", "tcp")

_FORMATS = {".mjpeg": "mjpeg", ".mjpg": "mjpeg"}
"""Formats that go by the file's name: FFmpeg takes a row of JPEG pictures for a single one."""
_HARDWARE_THREADS = 4

# IndexError, UnicodeDecodeError and MemoryError: PyAV lets them through on damaged files beside its own errors.
DAMAGE = (av.error.FFmpegError, IndexError, UnicodeDecodeError, MemoryError)


@dataclass
class Opened:
    """A container with the video stream that will be decoded."""

    container: InputContainer
    stream: VideoStream


def is_url(location: str) -> bool:
    """Whether `location` is an address rather than a file."""
    return "://" in location


def open_container(location: str, settings: CaptureSettings, hardware: HWAccel | None = None) -> Opened:
    """Open `location` and find its video stream; decoding will use every core, or the `hardware`.

    Only local files for a path, only network protocols for a URL, so that no playlist inside can reach further.

    Raises:
        SourceError: not there, not a video, no decoder, no answer in time; the text says which.
    """
    address = f"file:{location}"  # said outright, or FFmpeg takes the 12 of 12:30.mp4 for a protocol
    options = {"protocol_whitelist": "file", "format_whitelist": _FILE_FORMATS}
    if is_url(location):
        address = location
        options = {
            "protocol_whitelist": "http,https,tcp,tls,udp,rtp,rtsp,rtsps,rtmp,rtmps,srt,crypto",
            "format_whitelist": _STREAM_FORMATS,
            "rtsp_transport": "tcp",
        }
    started = time.monotonic()
    try:
        container = av.open(
            address,
            format=None if is_url(location) else _FORMATS.get(PurePath(location).suffix.lower()),
            timeout=(settings.open_timeout, settings.read_timeout),
            metadata_errors="replace",
            options=options,
            hwaccel=hardware,
        )
    except DAMAGE as error:
        waited = time.monotonic() - started
        raise SourceError(f"{location}: {explain(error, waited, settings.open_timeout)}") from error
    try:
        opened = Opened(container, _video_stream(container, location, settings))
    except SourceError:
        container.close()
        raise
    if hardware is not None:
        # More have the card begin with the next pictures while one is fetched, but hold as many back.
        opened.stream.codec_context.thread_count = 1 if settings.live else _HARDWARE_THREADS
    return opened


def _video_stream(container: InputContainer, location: str, settings: CaptureSettings) -> VideoStream:
    if not container.streams.video:
        kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
        raise SourceError(f"{location}: has no video stream (it has: {kinds})")
    stream = container.streams.video[0]
    if stream.codec_context is None:
        raise SourceError(f"{location}: its video codec has no decoder in this build of FFmpeg")
    width, height = stream.codec_context.width, stream.codec_context.height
    if width * height > settings.max_pixels:
        raise SourceError(f"{location}: picture {width}x{height} is over the limit of {settings.max_pixels} pixels")
    stream.thread_type = "AUTO"
    stream.codec_context.options = {"max_pixels": str(settings.max_pixels)}
    return stream


def explain(error: BaseException, waited: float, limit: float) -> str:
    """What an error of FFmpeg's means for the user, in words."""
    if isinstance(error, av.error.ExitError) or waited >= limit:
        return f"no answer within {limit:g} s; is it running and reachable? (--timeout gives it longer)"
    known: list[tuple[type[BaseException], str]] = [
        (av.error.HTTPUnauthorizedError, "the server wants a user name and password, or refuses the ones given (401)"),
        (av.error.HTTPForbiddenError, "the server forbids it (403)"),
        (av.error.HTTPNotFoundError, "the server does not know this address (404)"),
        (av.error.HTTPServerError, "the server failed (5xx)"),
        (av.error.ConnectionRefusedError, "the connection was refused; is the server running?"),
        (av.error.PermissionError, "no permission to read it"),
        (av.error.DecoderNotFoundError, "its video codec has no decoder in this build of FFmpeg"),
        (av.error.InvalidDataError, "not a video that FFmpeg can read; is it complete, and really a video?"),
        (IndexError, "not a video that FFmpeg can read (no streams)"),
        (EOFError, "the file ends before any video begins"),
        (MemoryError, "damaged: it asks for more memory than there is"),
    ]
    for kind, words in known:
        if isinstance(error, kind):
            return words
    return f"cannot be read: {getattr(error, 'strerror', None) or error}"
