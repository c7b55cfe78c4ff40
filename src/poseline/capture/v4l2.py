"""V4L2: a camera of Linux through FFmpeg, MJPG before raw pixels, with the driver's own time stamps."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poseline.capture.jpeg import whole_jpeg
from poseline.errors import SourceError
from poseline.frame import reformatted

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.error import FFmpegError
    from av.video.frame import VideoFrame

    Open = Callable[[Path, Mapping[str, str]], InputContainer]

DEVICES = Path("/dev")
"""Where the nodes are, `video0` and so on, and below `v4l/by-id` links that name each camera by itself."""
_BY = ("v4l/by-id", "v4l/by-path")
_FORMATS = {
    "MJPG": "mjpeg", "JPEG": "mjpeg", "YUYV": "yuyv422", "UYVY": "uyvy422", "NV12": "nv12", "YU12": "yuv420p",
    "GREY": "gray", "H264": "h264", "RGB3": "rgb24", "BGR3": "bgr24",
}  # fmt: skip
"""FFmpeg's name of each pixel format (FOURCC) that cameras have."""
_PREFERRED = "MJPG"
_POLL_SECONDS = 0.002
"""Pause before a driver that has no picture yet is asked again."""
_PLAUSIBLE = 5.0
"""Seconds that a picture may be old on arrival, by a driver that stamps in the system's monotonic clock."""
_WHY = {
    errno.ENOSPC: "the USB bus has no bandwidth left for it (\"No space left on device\"); try --fourcc MJPG, a "
                  "smaller --cam-size, a lower --cam-fps, or another USB port that it does not share",
    errno.EBUSY: "another program uses it",
    errno.EACCES: "no permission; add yourself to the group video and log in again",
    errno.ENODEV: "it is not there, or gives no video",
    errno.ENOENT: "it is not there",
    errno.EIO: "it gives no picture; is its cable firmly in, and does the port have enough power?",
    errno.EINVAL: "it does not have the pixel format, size or rate that it was asked for; `poseline doctor cameras` "
                  "lists what it has",
    errno.EPROTO: "the USB connection is faulty; try another cable or port",
}  # fmt: skip
"""What the driver's errors mean to whoever holds the cable."""


def open_v4l2(path: Path, options: Mapping[str, str]) -> InputContainer:
    """Open a camera's node. Raises OSError."""
    import av

    return av.open(str(path), format="v4l2", options=dict(options))


def stable_path(index: int) -> Path:
    """The link that names the camera `index` for as long as it exists, whatever number it gets; else its node."""
    node = DEVICES / f"video{index}"
    for folder in _BY:
        for link in sorted((DEVICES / folder).glob("*")):
            if link.resolve() == node.resolve():
                return link
    return node


class V4l2Device:
    """One camera. What is asked of it is collected, and granted or not by `start`.

    Args:
        path: its node, or a link to it.
        opener: opens it.
    """

    def __init__(self, path: Path, opener: Open = open_v4l2) -> None:
        self._path, self._opener = path, opener
        self._container: InputContainer | None = None
        self._packets: Iterator[Any] = iter(())
        self._released = False
        self._offset: float | None = None
        self.bad = 0
        """Pictures that could not be decoded."""
        self.fourcc = ""
        """The pixel format that it gives."""
        self.keeps_jpegs = False
        """Whether `picture` gives the camera's own JPEG too."""

    def start(self, size: tuple[int, int] | None, rate: float | None, fourcc: str | None, seconds: float) -> None:
        """Open it: with `fourcc` if that is given, else with MJPG, else with what the driver likes best.

        FFmpeg waits for a picture meanwhile; one that has not come after `seconds` will not.

        Raises:
            SourceError: it cannot be opened.
        """
        if fourcc and fourcc not in _FORMATS:
            raise SourceError(f"{self._path}: --fourcc {fourcc} is not among {', '.join(_FORMATS)}")
        wanted = {"framerate": f"{rate:g}"} if rate else {}
        if size:
            wanted["video_size"] = f"{size[0]}x{size[1]}"
        self._open_first([_FORMATS[fourcc]] if fourcc else [_FORMATS[_PREFERRED], ""], wanted, seconds)
        if size and self.size != size:
            # FFmpeg would take the smaller picture for a field of the one that was asked for, and join two of them. The
            # driver keeps the size that it has granted.
            self._close()
            del wanted["video_size"]
            self._open_first([_FORMATS.get(self.fourcc, "")], wanted, seconds)
        assert self._container is not None
        self._container.streams.video[0].codec_context.thread_count = 1  # each thread more would hold a picture back
        self._packets = self._container.demux(video=0)

    def _open_first(self, names: list[str], wanted: Mapping[str, str], seconds: float) -> None:
        """Open it with the first of FFmpeg's formats that it has; an empty name is the driver's choice."""
        import av.error

        for name in names:
            options = {**wanted, "input_format": name} if name else wanted
            try:
                self._container = _within(seconds, lambda options=options: self._opener(self._path.resolve(), options))  # type: ignore[misc] # the loop's
                break
            except SourceError as error:
                raise SourceError(f"{self._path}: {error}") from error
            except (OSError, av.error.FFmpegError) as error:
                if error.errno == errno.EINVAL and name != names[-1]:
                    continue  # it has no MJPG
                raise SourceError(f"{self._path}: {explained(error)}") from error
        assert self._container is not None
        codec = self._container.streams.video[0].codec_context
        name = codec.name if codec.name != "rawvideo" else str(codec.pix_fmt)
        self.fourcc = next((code for code, known in _FORMATS.items() if known == name), name)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) that it gives, in pixels."""
        assert self._container is not None
        stream = self._container.streams.video[0]
        return stream.codec_context.width, stream.codec_context.height

    @property
    def rate(self) -> float:
        """Frames a second that the driver promises; 0 where it does not."""
        assert self._container is not None
        return float(self._container.streams.video[0].average_rate or 0)

    def picture(self) -> tuple[VideoFrame, float, bytes | None] | None:
        """Wait for the next picture.

        Returns 8-bit yuv420p planes, when it was taken, in `time.monotonic()` seconds, and its JPEG as in `Frame`;
        None where `release` was called meanwhile, or the camera has come to its end.

        Raises:
            SourceError: it has gone.
        """
        import av.error

        while not self._released:
            assert self._container is not None
            try:
                packet = next(self._packets, None)
                if packet is None:
                    return None
                taken = self._taken(packet)
                frames = packet.decode()
            except av.error.BlockingIOError:  # EAGAIN: no picture yet; what it was raised through has ended
                time.sleep(_POLL_SECONDS)
                self._packets = self._container.demux(video=0)
                continue
            except av.error.InvalidDataError:  # a picture that came broken through the cable
                self.bad += 1
                self._packets = self._container.demux(video=0)
                continue
            except (OSError, av.error.FFmpegError) as error:
                raise SourceError(f"{self._path}: {explained(error)}") from error
            if frames:
                frame = frames[-1]
                planar = frame.format.name in ("yuv420p", "yuvj420p")
                as_given = self.fourcc == _PREFERRED and not (frame.is_corrupt or frame.interlaced_frame)
                jpeg = whole_jpeg(packet) if as_given and self.keeps_jpegs else None
                return (frame if planar else reformatted(frame, "yuv420p")), taken, jpeg
        return None

    def release(self) -> None:
        """Give it back; not while another thread is in `picture`."""
        self._released = True
        self._close()

    def stop(self) -> None:
        """End `picture` at the next occasion, from any thread."""
        self._released = True

    def _close(self) -> None:
        self._packets = iter(())
        if self._container is not None:
            self._container.close()
            self._container = None

    def _taken(self, packet: Any) -> float:
        """When a picture was taken, by the driver's stamp, in the clock of `time.monotonic()`.

        Most drivers stamp in that clock. Of another clock only the differences count: its offset is that of the picture
        that came with the least delay.
        """
        now = time.monotonic()
        if packet.pts is None or packet.time_base is None:
            return now
        stamp = float(packet.pts * packet.time_base)
        if 0 <= now - stamp < _PLAUSIBLE:
            return stamp
        offset = now - stamp
        if self._offset is None or offset < self._offset or offset > self._offset + _PLAUSIBLE:  # or its clock was set
            self._offset = offset
        return stamp + self._offset


def explained(error: OSError | FFmpegError) -> str:
    """What an error of the driver means, in words."""
    number = error.errno or 0
    return _WHY.get(number) or error.strerror or os.strerror(number)


def _within(seconds: float, opened: Callable[[], InputContainer]) -> InputContainer:
    """What `opened` returns or raises, unless that takes too long: then it is left behind on its thread.

    Raises:
        SourceError: it takes too long.
    """
    result: Future[InputContainer] = Future()

    def attempt() -> None:
        try:
            result.set_result(opened())
        except BaseException as error:  # noqa: BLE001 # raised by the caller
            result.set_exception(error)

    threading.Thread(target=attempt, name="camera", daemon=True).start()
    if not wait([result], seconds).done:
        result.add_done_callback(_close)  # at once, where it has come this moment
        raise SourceError(f"it gives no picture within {seconds:g} s; unplug it and plug it in again")
    return result.result()


def _close(late: Future[InputContainer]) -> None:
    """Close what nobody waits for any more."""
    if late.exception() is None:
        late.result().close()
