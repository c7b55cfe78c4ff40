"""NetworkStream: rtsp, http and their kin, each frame at its own time, tried again after an outage."""

from __future__ import annotations

import errno
import math
import threading
from collections.abc import Generator
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from poseline.capture import announced
from poseline.capture.container import Opened, explain, open_container
from poseline.capture.decoder import Decoder
from poseline.capture.file import video_info
from poseline.capture.network import read_timeout
from poseline.capture.outage import Outage
from poseline.capture.receiver import Receiver
from poseline.capture.stream_clock import StreamClock
from poseline.capture.stream_holes import SEGMENTED, StreamHoles
from poseline.errors import SourceError, redact
from poseline.frame import Frame, Gap

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

    from poseline.settings import CaptureSettings

TICKS = Fraction(1, 90_000)
_UNSTAMPED = 0x80
"""FFmpeg's flag of a format without time stamps (AVFMT_NOTIMESTAMPS), such as MJPEG: what it has instead is guessed."""
_COUNTS_FROM_ZERO = "rtsp"
_IN_ITS_OWN_TIME = ("rtsp", "rtp", "sdp")
"""Formats of which a server gives also its recordings in their own time."""
_USUAL_RATE = 30
"""Frames a second for which there are threads enough, where nothing tells the rate."""
_PIXELS_A_CORE = 100_000_000
"""Pixels a second that one core surely decodes."""
_MOST_THREADS = 8
_ENDING = 1.0
"""Seconds before the announced end of a recording from which on it counts as played; of a short one half its length."""
_NOTED_DELAY = 1.5
"""Seconds for which a frame was kept until its time, from which on it is worth a note."""


def is_live(opened: Opened) -> bool:
    """Whether an address gives frames in their own time; else it is a file, which states its seconds or its bytes."""
    container, form = opened.container, opened.container.format.name
    if form in _IN_ITS_OWN_TIME:
        return True
    ends = form != SEGMENTED and container.size > 0  # a server states a size (Content-Length) of what has an end
    return not (container.duration or ends)


class _Shown(NamedTuple):
    """A picture whose time has come."""

    picture: VideoFrame
    corrupt: bool
    ticks: int
    """Its time in the run."""
    arrival: float
    """When it came or was due, whichever was later."""
    pixel_aspect: Fraction


class NetworkStream:
    """A live stream. Each frame has the stream's own time and is given then, or at once if it comes late.

    Where the stream breaks off it is tried again. Two kinds do end: a recording that the server plays in its own time,
    and a stream in segments whose server says that no more will come.

    Args:
        url: its address.
        settings: time-outs, and for how long an outage may last.
        opened: the same, where it is open already.
    """

    def __init__(self, url: str, settings: CaptureSettings, opened: Opened | None = None) -> None:
        self._url, self._settings = url, settings
        self._opened: Opened | None = opened or open_container(url, settings)
        container = self._opened.container
        self._form = self._opened.form
        self._segmented = container.format.name == SEGMENTED
        self._duration = (container.duration or 0) / 1e6
        self._clock, self._holes = StreamClock(self._segmented), StreamHoles()
        self._decoder: Decoder | None = None
        self._receiver: Receiver | None = None
        self._stopped = threading.Event()
        self.outage = Outage(url, settings.max_outage, self._stopped)
        self.keeps_jpegs = False
        """Whether frames have the source's own JPEG, where it gives JPEGs; to be set before `frames`."""
        self._bad = 0
        self._began = self._last = -1
        """Times, in ticks, of the first frame of this connection and of the newest."""
        self._outage: tuple[float, str] | None = None
        """When the stream broke off, and why, until the next frame."""
        self._longest_delay = 0.0
        self.info = replace(
            video_info(self._opened, redact(url)), live=True, frame_rate=announced.codec_rate(self._opened.stream),
            time_base=TICKS, frames=None, duration=None,
        )  # fmt: skip
        self.notes: list[str] = [self._opened.note] if self._opened.note else []

    @property
    def bad(self) -> int:
        """Packets, so far, that could not be decoded."""
        return self._bad + (self._decoder.bad if self._decoder else 0)

    def stop(self) -> None:
        """End now, also between two frames; an attempt to open the stream again ends at its time-out."""
        self._stopped.set()
        if receiver := self._receiver:
            receiver.stop()

    def close(self) -> None:
        """End the connection, where it was never read."""
        if self._opened is not None:
            self._opened.container.close()

    def frames(self) -> Generator[Frame, None, None]:
        """Frames, each at its time; an outage shows as the next frame's `gap`."""
        outage, index = self.outage, 0
        try:
            while (opened := self._opened or outage.until(self._open)) is not None:
                self._opened = None
                with closing(self._shown(opened)) as shown:
                    for picture, corrupt, ticks, arrival, aspect in shown:
                        gap = self._advance(ticks)
                        outage.over()
                        picture.pts, picture.time_base = self._last, TICKS
                        time = self._last / TICKS.denominator
                        yield Frame(
                            picture, index, self._last, TICKS, time, arrival, self.info.name, corrupt,
                            gap=gap, pixel_aspect=aspect, jpeg=self._decoder.jpeg if self._decoder else None,
                        )  # fmt: skip
                        index += 1
                if self._stopped.is_set() or self._over():
                    return
                reason = self._reason()
                if not index:
                    raise SourceError(f"{self._url}: no frame could be decoded: {reason}")
                self._break_off(reason)
        finally:
            self._conclude()

    def _open(self) -> Opened | None:
        """Open it again; None where its server says that it is over."""
        opened = open_container(self._url, self._settings, form=self._form)
        if self._segmented and opened.container.duration:  # known once the list of segments is closed
            opened.container.close()
            self._outage = None
            return None
        return opened

    def _shown(self, opened: Opened) -> Generator[_Shown, None, None]:
        """The pictures of one connection, each at its time, until it ends or `stop`."""
        form, stream = opened.container.format, opened.stream
        stream.codec_context.thread_count = _threads(opened)
        self._clock.connected(stamped=not form.flags & _UNSTAMPED, from_zero=form.name == _COUNTS_FROM_ZERO)
        self._bad, self._decoder = self.bad, Decoder(opened)
        if self.keeps_jpegs:
            self._decoder.keep_jpegs()
        self._began = -1
        self._holes.begin_anew()
        self._receiver = receiver = Receiver(opened, self._decoder, self._clock)
        tick, pace = stream.time_base or TICKS, self._clock.pace
        with closing(receiver):
            if self._stopped.is_set():  # before there was a receiver to stop
                return
            for picture, corrupt, aspect, _ in self._decoder.frames(receiver.packets()):
                seconds = float(picture.pts * tick) if picture.pts is not None else (self._last + 1) / TICKS.denominator
                due, arrival = pace.due(seconds), receiver.arrival
                if self._stopped.is_set() or (due > monotonic() and self._stopped.wait(due - monotonic())):
                    return
                self._longest_delay = max(self._longest_delay, due - arrival)
                yield _Shown(picture, corrupt, round(seconds * TICKS.denominator), max(due, arrival), aspect)

    def _advance(self, ticks: int) -> Gap | None:
        """Take the next frame's time, which never runs back; returns the gap before it, if there is one."""
        before, self._last = self._last, max(ticks, self._last + 1)
        gap: Gap | None = None
        interruptions = self._clock.interruptions
        while interruptions and round(interruptions[0] * TICKS.denominator) <= self._last:
            interruptions.popleft()
            gap = Gap(before / TICKS.denominator, self._last / TICKS.denominator, "the stream's time stamps began anew")
        if self._began < 0:
            self._began = self._last
        elif self._segmented and gap is None:
            gap = self._holes.between(before / TICKS.denominator, self._last / TICKS.denominator)
        if self._outage:
            since, reason = self._outage[0], self._outage_reason()
            gap, self._outage = Gap(since, self._last / TICKS.denominator, reason), None
            self.notes.append(f"outage at {since:.1f} s: {reason}")
        return gap

    def _over(self) -> bool:
        """Whether a recording was played to its end."""
        needed = max(self._duration - _ENDING, self._duration / 2)
        return 0 < needed <= (self._last - self._began) / TICKS.denominator

    def _break_off(self, reason: str) -> None:
        since = self._outage[0] if self._outage else self._last / TICKS.denominator
        self._outage = since, reason

    def _outage_reason(self) -> str:
        """Why the stream broke off, and why it could not be opened again, where that is another reason."""
        assert self._outage is not None
        reason, cause = self._outage[1], self.outage.cause
        return reason if cause in ("", reason) else f"{reason}, then: {cause}"

    def _reason(self) -> str:
        failure = self._decoder.failure if self._decoder else None
        # FFmpeg's EIO: a server that announced no length closed the connection, in order or not.
        if failure is None or getattr(failure, "errno", None) == errno.EIO:
            return "disconnected"
        return explain(failure, 0, read_timeout(self._url, self._settings.read_timeout))

    def _conclude(self) -> None:
        if self._outage:
            self.notes.append(f"outage at {self._outage[0]:.1f} s: {self._outage_reason()}")
        self.notes += self._clock.notes() + self._holes.notes() + (self._decoder.notes if self._decoder else [])
        if self._longest_delay > _NOTED_DELAY:
            delay = f"{self._longest_delay:.1f}"
            self.notes.append(f"frames came in bursts, and were given at their own times, up to {delay} s later")


def _threads(opened: Opened) -> int:
    """Threads for the decoder: few, since it holds back one picture for each but the first."""
    stream, codec = opened.stream, opened.stream.codec_context
    rate = announced.codec_rate(stream) or announced.frame_rate(stream, None, None) or _USUAL_RATE
    return max(1, min(_MOST_THREADS, math.ceil(codec.width * codec.height * rate / _PIXELS_A_CORE)))
