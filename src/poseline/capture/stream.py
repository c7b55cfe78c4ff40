"""NetworkStream: rtsp, http and their kin, tried again after an outage."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

from poseline.capture.container import Opened, explain, open_container
from poseline.capture.decoder import Decoder
from poseline.capture.file import video_info
from poseline.capture.outage import Outage
from poseline.errors import SourceError, redact
from poseline.frame import Frame, Gap

if TYPE_CHECKING:
    from poseline.settings import CaptureSettings

TICKS = Fraction(1, 90_000)


class NetworkStream:
    """A stream without an end: where it ends, it is tried again. Its frames are stamped when they arrive.

    Args:
        url: its address.
        settings: time-outs, and for how long an outage may last.
        opened: the same, where it is open already.
    """

    def __init__(self, url: str, settings: CaptureSettings, opened: Opened | None = None) -> None:
        self._url, self._settings = url, settings
        self._opened: Opened | None = opened or open_container(url, settings)
        self._stopped = threading.Event()
        info = video_info(self._opened, redact(url))
        self.info = replace(info, live=True, time_base=TICKS, frames=None, duration=None)
        self.bad = 0
        self.notes: list[str] = []

    def stop(self) -> None:
        """End at the next frame, or when the read timeout strikes."""
        self._stopped.set()

    def frames(self) -> Generator[Frame, None, None]:
        """Frames as they arrive, stamped with the time of their arrival; an outage shows as the next frame's `gap`."""
        outage = Outage(self._url, self._settings.max_outage, self._stopped)
        started, last, index, gap_from, reason = time.monotonic(), 0.0, 0, None, ""
        while (opened := self._opened or outage.until(lambda: open_container(self._url, self._settings))) is not None:
            self._opened = None
            decoder, bad_before = Decoder(opened), self.bad
            with opened.container:
                for picture, corrupt in decoder.frames():
                    if self._stopped.is_set():
                        return
                    self.bad = bad_before + decoder.bad
                    arrival = time.monotonic()
                    if index == 0:
                        started = arrival
                    # A stream's own stamps restart with every connection; the arrival never runs backwards.
                    last = arrival - started
                    gap = Gap(gap_from, last, reason) if gap_from is not None else None
                    gap_from = None
                    outage.over()
                    picture.pts, picture.time_base = round(last / TICKS), TICKS
                    yield Frame(picture, index, picture.pts, TICKS, last, arrival, self.info.name, corrupt, gap=gap)
                    index += 1
            self.bad = bad_before + decoder.bad
            reason = explain(decoder.failure, 0, self._settings.read_timeout) if decoder.failure else "disconnected"
            if index == 0:
                raise SourceError(f"{self._url}: no frame could be decoded: {reason}")
            gap_from = last if gap_from is None else gap_from
            self.notes.append(f"outage at {last:.1f} s: {reason}")
