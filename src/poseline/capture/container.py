"""Opening a file or stream with FFmpeg: what is allowed, how long to wait, and errors in plain words."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import av
import av.error
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from poseline.capture import network
from poseline.capture.fragments import forged_count
from poseline.capture.recognise import ANIMATED_WEBP, MOTION_JPEG, Kind, recognise
from poseline.errors import SourceError, redact_error

if TYPE_CHECKING:
    from collections.abc import Sequence

    from av.codec.hwaccel import HWAccel

    from poseline.settings import CaptureSettings

T = TypeVar("T")

_FILE_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,gif,apng,h261,h263,h264,hevc,hxvs,vvc,"
    "mjpeg,mjpeg_2000,mpjpeg,smjpeg,ingenient,ivf,av1,obu,m4v,vc1,vc1test,dirac,dnxhd,cavsvideo,avs2,avs3,evc,apv,mxf,gxf,"
    "lxf,nut,yuv4mpegpipe,wtv,ty,pva,nuv,nsv,rm,ivr,kux,dhav,dv,mxg,ifv,iv8,luodat,simbiosis_imx,ser,cine,r3d"
)
"""FFmpeg's names of what phones, cameras, recorders and encoders write. Each reads one file and opens no other one."""
_STREAM_FORMATS = _FILE_FORMATS + ",rtsp,rtp,sdp,hls"

MJPEG = "mjpeg"
"""FFmpeg's format of JPEG pictures one behind the other, which it takes for a single picture if they are large."""
_HARDWARE_THREADS = 4

# IndexError, UnicodeDecodeError and MemoryError: PyAV lets them through on damaged files beside its own errors.
DAMAGE = (av.error.FFmpegError, IndexError, UnicodeDecodeError, MemoryError)


@dataclass
class Opened:
    """A container with the video stream that will be decoded."""

    container: InputContainer
    stream: VideoStream
    deinterlace: bool = True
    """Whether interlaced pictures are to be made whole."""
    note: str = ""
    """What the user should know of how it was opened."""
    form: str | None = None
    """FFmpeg's name of the format, where it was not left to recognise that itself."""
    open_for_cpu: Callable[[], Opened] | None = None
    """Opens the same for the CPU, which looks for damage while a card decodes; None where it is not to."""


def is_url(location: str) -> bool:
    """Whether `location` is an address rather than a file."""
    return "://" in location


def open_container(
    location: str, settings: CaptureSettings, hardware: HWAccel | None = None, form: str | None = None
) -> Opened:
    """Open `location` and find its video stream; decoding will use every core, or the `hardware`.

    `form` is FFmpeg's name of the format of an address, where FFmpeg itself does not recognise it.

    Only local files for a path, only network protocols for a URL, so that no playlist inside can reach further.

    Raises:
        SourceError: not there, not a video, no decoder, no answer in time; the text says which.
    """
    if is_url(location):
        container, note = _interruptible(lambda: _connected(location, settings, form))
    else:
        form = _form(location)
        if count := forged_count(Path(location)):
            raise SourceError(f"{location}: damaged: a part of it claims {count} pictures, and cannot hold them")
        address = f"file:{location}"  # said outright, or FFmpeg takes the 12 of 12:30.mp4 for a protocol
        options = {"protocol_whitelist": "file", "format_whitelist": _FILE_FORMATS}
        try:
            container, note = _av_open(address, settings, options, hardware, form), ""
        except DAMAGE as error:
            raise SourceError(f"{location}: {explain(error, 0, settings.open_timeout)}") from error
    try:
        stream = _video_stream(container, location, settings)
        opened = Opened(container, stream, settings.deinterlace == "auto", note, form)
    except SourceError:
        container.close()
        raise
    if hardware is not None:
        # More have the card begin with the next pictures while one is fetched, but hold as many back.
        opened.stream.codec_context.thread_count = 1 if settings.live else _HARDWARE_THREADS
        if settings.damage_check == "auto" and opened.stream.codec_context.is_hwaccel:
            opened.open_for_cpu = lambda: open_container(location, settings)
    return opened


def _av_open(
    address: str, settings: CaptureSettings, options: dict[str, str], hardware: HWAccel | None = None,
    form: str | None = None,
) -> InputContainer:  # fmt: skip
    return av.open(
        address,
        format=form,
        timeout=(settings.open_timeout, network.read_timeout(address, settings.read_timeout)),
        metadata_errors="replace",
        options=options,
        hwaccel=hardware,
    )


def _interruptible(work: Callable[[], T]) -> T:
    """`work`, on a thread of its own if this is the main one: a Ctrl-C ends the waiting for a server that says nothing.

    Python handles a signal on its main thread alone, and not while that is inside FFmpeg.
    """
    if threading.current_thread() is not threading.main_thread():
        return work()
    done: Future[T] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:  # noqa: BLE001 # raised where it is waited for
            done.set_exception(error)

    threading.Thread(target=run, name="connect", daemon=True).start()
    return done.result()


def _connected(url: str, settings: CaptureSettings, form: str | None) -> tuple[InputContainer, str]:
    """An address, opened over the first transport that works; and a note where that was not the first one tried."""
    network.check_address(url)
    failures: list[str] = []
    for transport in network.transports(url, settings.rtsp_transport):
        over = f"over {transport.upper()}: " if transport else ""
        options = network.stream_options(url, transport) | {"format_whitelist": _STREAM_FORMATS}
        started = time.monotonic()
        try:
            container = _av_open(url, settings, options, form=form)
        except DAMAGE as error:
            failure = redact_error(error)
            refused = transport and getattr(error, "errno", None) == errno.EPROTONOSUPPORT
            waited = time.monotonic() - started
            reason = "the server does not offer it" if refused else explain(error, waited, settings.open_timeout)
            failures.append(over + reason)
            if not (transport and network.another_transport_may_help(url, error)):
                break
        else:
            return container, f"received over {transport.upper()}; {failures[0]}" if failures else ""
    try:
        raise SourceError(f"{url}: {'; '.join(failures)}{network.password_hint(url)}") from failure
    finally:
        del failure  # its traceback refers to this call: all callers' objects would stay until a garbage collection


def _video_stream(container: InputContainer, location: str, settings: CaptureSettings) -> VideoStream:
    if not container.streams.video:
        kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
        raise SourceError(f"{location}: has no video stream (it has: {kinds})")
    stream = _moving(container.streams.video)
    if stream.codec_context is None:
        raise SourceError(f"{location}: its video codec has no decoder in this build of FFmpeg")
    width, height = stream.codec_context.width, stream.codec_context.height
    if width * height > settings.max_pixels:
        raise SourceError(f"{location}: picture {width}x{height} is over the limit of {settings.max_pixels} pixels")
    stream.thread_type = "AUTO"
    stream.codec_context.options = {"max_pixels": str(settings.max_pixels)}
    return stream


def _moving(streams: Sequence[VideoStream]) -> VideoStream:
    """The first stream that is no cover picture and no still that stands before a sequence; else the first one."""
    pictures = [stream for stream in streams if not stream.disposition & Disposition.attached_pic]
    moving = [stream for stream in pictures if stream.frames != 1]
    return (moving or pictures or streams)[0]


def _form(location: str) -> str | None:
    """FFmpeg's name of a file's format, where it has to be told; a SourceError for what is known to be no video."""
    found = recognise(Path(location))
    if found is ANIMATED_WEBP or (found and found.kind is not Kind.VIDEO):
        raise SourceError(f"{location}: not a video that FFmpeg can read: it is {found.name}")
    return MJPEG if found is MOTION_JPEG else None


def explain(error: BaseException, waited: float, limit: float) -> str:
    """What an error of FFmpeg's means for the user, in words."""
    if isinstance(error, av.error.ExitError) or waited >= limit:
        return f"no answer within {limit:g} s; is it running and reachable? (--timeout gives it longer)"
    for kind, words in _CAUSES:
        if isinstance(error, kind):
            return words
    if isinstance(error, OSError) and error.errno in _ERRNO_CAUSES:
        return _ERRNO_CAUSES[error.errno]
    text = str(getattr(error, "strerror", None) or type(error).__name__)
    return f"FFmpeg gave up on it ({text[:1].lower()}{text[1:]}); is it complete, and can another player read it?"


_BROKEN_OFF = "the connection was reset by the other side"
_NO_WAY = "there is no way to it; is the network up, and the address right?"
_CAUSES: tuple[tuple[type[BaseException], str], ...] = (
    (av.error.HTTPUnauthorizedError, "the server wants a user name and password, or refuses the ones given (401)"),
    (av.error.HTTPForbiddenError, "the server forbids it (403)"),
    (av.error.HTTPNotFoundError, "the server does not know this address (404)"),
    (av.error.HTTPTooManyRequestsError, "the server was asked too often (429); wait, and try again"),
    (av.error.HTTPClientError, "the server does not understand or allow this address (4xx)"),
    (av.error.HTTPServerError, "the server failed (5xx)"),
    (av.error.ConnectionRefusedError, "the connection was refused; is the server running?"),
    (ConnectionError, _BROKEN_OFF),
    (TimeoutError, "no answer came in time; is it running and reachable?"),
    (PermissionError, "no permission to read it"),
    (FileNotFoundError, "it is not there"),
    (av.error.DecoderNotFoundError, "its video codec has no decoder in this build of FFmpeg"),
    (av.error.DemuxerNotFoundError, "this build of FFmpeg cannot read this kind of file"),
    (av.error.ProtocolNotFoundError, "this build of FFmpeg does not know this kind of address"),
    (av.error.InvalidDataError, "not a video that FFmpeg can read; is it complete, and really a video?"),
    (av.error.ArgumentError, "damaged, or of a kind that is not opened here; `ffmpeg -i FILE clip.mp4` may convert it"),
    (av.error.NotImplementedError, "it uses something that FFmpeg cannot do"),
    (av.error.PatchWelcomeError, "it uses something that FFmpeg cannot do"),
    (IndexError, "not a video that FFmpeg can read (no streams)"),
    (EOFError, "the file ends before any video begins"),
    (MemoryError, "damaged: it asks for more memory than there is"),
)
"""What FFmpeg's errors mean; the first that fits counts."""
_ERRNO_CAUSES = {
    errno.EIO: "reading it failed; is the address right, and are the disk and the network in order?",
    errno.EPROTO: "the server speaks in a way that is not understood here",
    errno.EPROTONOSUPPORT: "the server speaks in a way that is not understood here",
    errno.EOPNOTSUPP: "the server cannot do what it was asked for",
    errno.EHOSTUNREACH: _NO_WAY,
    errno.ENETUNREACH: _NO_WAY,
    errno.EADDRNOTAVAIL: _NO_WAY,
    errno.EAFNOSUPPORT: _NO_WAY,
    errno.EADDRINUSE: "the address is in use by another program",
    errno.EMFILE: "this program has too many files open",
    errno.ENFILE: "this machine has too many files open",
}
"""What the system's errors mean that have no class of their own."""
