"""Opening a file or stream with FFmpeg: what is allowed, how long to wait, and errors in plain words."""

from __future__ import annotations

import errno
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import av
import av.error
from av.container import InputContainer
from av.video.stream import VideoStream

from poseline.capture import network
from poseline.errors import SourceError

if TYPE_CHECKING:
    from av.codec.hwaccel import HWAccel

    from poseline.settings import CaptureSettings

_FILE_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,gif,h264,hevc,mjpeg,ivf,m4v,mxf,nut,"
    "yuv4mpegpipe,wtv,rm"
)
_STREAM_FORMATS = _FILE_FORMATS + ",rtsp,rtp,sdp,hls,mpjpeg"

_HARDWARE_THREADS = 4

# IndexError, UnicodeDecodeError and MemoryError: PyAV lets them through on damaged files beside its own errors.
DAMAGE = (av.error.FFmpegError, IndexError, UnicodeDecodeError, MemoryError)


@dataclass
class Opened:
    """A container with the video stream that will be decoded."""

    container: InputContainer
    stream: VideoStream
    note: str = ""
    """What the user should know of how it was opened."""


def is_url(location: str) -> bool:
    """Whether `location` is an address rather than a file."""
    return "://" in location


def open_container(location: str, settings: CaptureSettings, hardware: HWAccel | None = None) -> Opened:
    """Open `location` and find its video stream; decoding will use every core, or the `hardware`.

    Only local files for a path, only network protocols for a URL, so that no playlist inside can reach further.

    Raises:
        SourceError: not there, not a video, no decoder, no answer in time; the text says which.
    """
    if is_url(location):
        container, note = _connected(location, settings)
    else:
        address = f"file:{location}"  # said outright, or FFmpeg takes the 12 of 12:30.mp4 for a protocol
        options = {"protocol_whitelist": "file", "format_whitelist": _FILE_FORMATS}
        try:
            container, note = _av_open(address, settings, options, hardware), ""
        except DAMAGE as error:
            raise SourceError(f"{location}: {explain(error, 0, settings.open_timeout)}") from error
    try:
        opened = Opened(container, _video_stream(container, location, settings), note)
    except SourceError:
        container.close()
        raise
    if hardware is not None:
        # More have the card begin with the next pictures while one is fetched, but hold as many back.
        opened.stream.codec_context.thread_count = 1 if settings.live else _HARDWARE_THREADS
    return opened


def _av_open(
    address: str, settings: CaptureSettings, options: dict[str, str], hardware: HWAccel | None = None
) -> InputContainer:
    return av.open(
        address,
        timeout=(settings.open_timeout, settings.read_timeout),
        metadata_errors="replace",
        options=options,
        hwaccel=hardware,
    )


def _connected(url: str, settings: CaptureSettings) -> tuple[InputContainer, str]:
    """An address, opened over the first transport that works; and a note where that was not the first one tried."""
    network.check_address(url)
    failures: list[str] = []
    for transport in network.transports(url, settings.rtsp_transport):
        over = f"over {transport.upper()}: " if transport else ""
        options = network.stream_options(url, transport) | {"format_whitelist": _STREAM_FORMATS}
        started = time.monotonic()
        try:
            container = _av_open(url, settings, options)
        except DAMAGE as error:
            failure: BaseException = error
            refused = transport and getattr(error, "errno", None) == errno.EPROTONOSUPPORT
            waited = time.monotonic() - started
            reason = "the server does not offer it" if refused else explain(error, waited, settings.open_timeout)
            failures.append(over + reason)
            if not (transport and network.another_transport_may_help(url, error)):
                break
        else:
            return container, f"received over {transport.upper()}; {failures[0]}" if failures else ""
    raise SourceError(f"{url}: {'; '.join(failures)}{network.password_hint(url)}") from failure


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
