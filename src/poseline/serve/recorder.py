"""Recorder: a camera's pictures and keypoints as files, from some seconds before somebody asks for it."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import av
import orjson

from poseline.errors import OutputError
from poseline.log.writer import write_all
from poseline.output.disk import RUN_RESERVE, free_bytes
from poseline.output.numbered import numbered
from poseline.overlay.writable import writable_yuv
from poseline.serve.h264 import open_encoder

if TYPE_CHECKING:
    from poseline.serve.feed import Shot
    from poseline.serve.keep import Recordings

log = logging.getLogger("poseline")

_TICK = Fraction(1, 1000)
_WAITING = 90
"""Frames that may wait for the encoder; then the oldest is given up, and counted."""
_KEY_SECONDS = 1.0
"""Between key frames: a recording begins at one, and so up to so much earlier than asked for."""
_SPACE_SECONDS = 5.0


class _Coded(NamedTuple):
    """One frame in the pre-roll."""

    packets: list[bytes]
    ticks: int
    key: bool
    record: bytes


@dataclass(frozen=True)
class Recording:
    """A finished recording."""

    video: Path
    keypoints: Path
    frames: int
    seconds: float
    at: float
    """When it was finished, in `time.monotonic()` seconds: the wall clock may be set, and nothing is older by that."""


@dataclass
class _Open:
    """A recording that goes on. It is a transport stream until it is whole: that can be played if we are killed."""

    path: Path
    container: Any
    stream: Any
    keypoints: Any
    first: int
    last: int = 0
    frames: int = 0
    space_due: float = field(default_factory=time.monotonic)


class Recorder(threading.Thread):
    """Encodes on a thread of its own, and only while it records or has a pre-roll; `put` never waits.

    Args:
        name: of the camera, for the files' names.
        folder: made at the first recording.
        rules: pre-roll (which needs encoding all the time), length and number of recordings.
        run_record: the first line of the keypoints' file.
        on_change: called with what happens, in words, and the finished recording if that is it.
    """

    def __init__(
        self, name: str, folder: Path, rules: Recordings, run_record: Callable[[], dict[str, Any]],
        on_change: Callable[[str, Recording | None], None],
    ) -> None:  # fmt: skip
        super().__init__(name=f"record {name}", daemon=True)
        self.dropped = 0
        """Frames that no recording has since the encoder was too slow."""
        self.finished: list[Recording] = []
        self._camera, self._folder, self._rules, self._pre_roll = name, folder, rules, rules.pre_roll
        self._run_record, self._on_change = run_record, on_change
        self._changed = threading.Condition()
        self._waiting: deque[tuple[Shot, bytes, bool]] = deque()
        """Frames, their records, and whether they are wanted in a recording."""
        self._wanted, self._closing = rules.at_once, False
        self._rolled: deque[_Coded] = deque()
        self._encoder: Any = None
        self._size = (0, 0)
        self._open: _Open | None = None
        self._last_key = -1
        self._last = -1

    @property
    def recording(self) -> bool:
        """Whether it records, or is about to."""
        return self._wanted

    @property
    def seconds(self) -> float:
        """How long the recording that goes on is."""
        now = self._open
        return (now.last - now.first) / 1000 if now else 0.0

    def want(self, on: bool) -> None:
        """Record from now on, or end."""
        with self._changed:
            self._wanted = on
            self._changed.notify()

    def put(self, shot: Shot, record: Callable[[], bytes]) -> None:
        """Take the next frame; its `record` is made only where one is needed."""
        if not (self._pre_roll or self._wanted):
            return
        with self._changed:
            if len(self._waiting) == _WAITING:
                self._waiting.popleft()
                self.dropped += self._wanted
            self._waiting.append((shot, record(), self._wanted))
            self._changed.notify()

    def close(self) -> None:
        """End the recording, and finish its files."""
        with self._changed:
            self._closing, self._wanted = True, False
            self._changed.notify()
        self.join()

    def run(self) -> None:
        """Encode what comes, until it is closed."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closing or (self._open and not self._wanted))
                shot = self._waiting.popleft() if self._waiting else None
                wanted, closing = self._wanted, self._closing
            try:
                if shot is not None:
                    self._take(*shot)
                elif self._open and not wanted:
                    self._finish()
            except (OSError, av.error.FFmpegError) as error:
                self._give_up(error)
            if closing and shot is None:
                return

    def _take(self, shot: Shot, record: bytes, wanted: bool) -> None:
        frame = shot.observation.frame
        if not wanted and self._open:
            self._finish()
        if not wanted and not self._pre_roll:
            return
        picture, size = writable_yuv(frame), (frame.width, frame.height)
        if size != self._size:
            self._begin_encoder(picture, size)
        ticks = max(self._last + 1, round(1000 * frame.time))
        key = self._last_key < 0 or ticks - self._last_key >= 1000 * _KEY_SECONDS
        picture.pts, picture.time_base = ticks, _TICK
        picture.pict_type = av.video.frame.PictureType.I if key else av.video.frame.PictureType.NONE
        self._last, self._last_key = ticks, ticks if key else self._last_key
        coded = _Coded([bytes(packet) for packet in self._encoder.encode(picture)], ticks, key, record)
        self._rolled.append(coded)
        if self._open and key and self._rules.full((ticks - self._open.first) / 1000):
            self._finish(on=[coded])
        elif wanted and self._open is None:
            self._start(list(self._rolled))
        elif self._open:
            self._write(coded)
        self._forget(ticks - round(1000 * self._pre_roll))

    def _forget(self, before: int) -> None:
        """Keep what is newer, from the last key frame that is not."""
        keys = [index for index, coded in enumerate(self._rolled) if coded.key and coded.ticks <= before]
        for _ in range(keys[-1] if keys else 0):
            self._rolled.popleft()

    def _begin_encoder(self, picture: av.VideoFrame, size: tuple[int, int]) -> None:
        """One for pictures like this, of frames of this `size`; a recording of another size ends."""
        if self._open:
            self._finish()
        self._rolled.clear()
        self._encoder, self._size, self._last_key = open_encoder(picture, _TICK, crf=20), size, -1

    def _start(self, coded: list[_Coded]) -> None:
        """Open the files, and write the pre-roll."""
        _require_space(self._folder.parent)
        self._folder.mkdir(exist_ok=True)
        stem = f"{self._camera}-{time.strftime('%Y%m%d-%H%M%S')}"
        names = (numbered(self._folder / f"{stem}.ts", number) for number in itertools.count(1))
        path = next(name for name in names if not _is_taken(name))
        container = av.open(str(path), "w", format="mpegts", options={"flush_packets": "1"})
        stream = container.add_mux_stream("h264", rate=30, width=self._size[0], height=self._size[1])
        stream.time_base = _TICK
        keypoints = path.with_suffix(".jsonl").open("wb", buffering=0)  # a kill costs the line that is being written
        write_all(keypoints, orjson.dumps(self._run_record()) + b"\n")
        self._open = _Open(path, container, stream, keypoints, coded[0].ticks)
        for each in coded:
            self._write(each)
        before = (coded[-1].ticks - coded[0].ticks) / 1000
        self._on_change(f"recording, from {before:.1f} s ago" if before > 0.5 else "recording", None)

    def _write(self, coded: _Coded) -> None:
        now = self._open
        assert now is not None
        if time.monotonic() >= now.space_due:
            _require_space(self._folder)
            now.space_due = time.monotonic() + _SPACE_SECONDS
        for content in coded.packets:
            packet = av.Packet(content)
            packet.stream, packet.time_base, packet.is_keyframe = now.stream, _TICK, coded.key
            packet.pts = packet.dts = coded.ticks
            now.container.mux(packet)
        write_all(now.keypoints, coded.record + b"\n")
        now.last, now.frames = coded.ticks, now.frames + 1

    def _finish(self, on: list[_Coded] | None = None) -> None:
        """Close the files, and make an MP4 of the transport stream, without encoding it again.

        The recording goes `on` with these in the next file, if there are any.
        """
        now, self._open = self._open, None
        assert now is not None
        now.keypoints.close()
        now.container.close()
        try:
            if on:
                self._start(on)
            else:
                self._rest()
        finally:  # also where the next file cannot be opened
            self._conclude(now)

    def _conclude(self, now: _Open) -> None:
        """Make the MP4, and let the oldest recordings go."""
        video = now.path.with_suffix(".mp4")
        part = video.with_suffix(".mp4.part")
        with av.open(str(now.path)) as given, av.open(str(part), "w", format="mp4") as out:
            stream = given.streams.video[0]
            copy = out.add_stream_from_template(stream)
            begun: int | None = None
            for packet in given.demux(stream):
                if packet.dts is None or packet.pts is None:
                    continue
                begun = packet.dts if begun is None else begun
                packet.dts, packet.pts, packet.stream = packet.dts - begun, packet.pts - begun, copy
                out.mux(packet)
        part.replace(video)
        now.path.unlink()
        recording = Recording(
            video, now.path.with_suffix(".jsonl"), now.frames, (now.last - now.first) / 1000, time.monotonic()
        )
        self.finished.append(recording)
        self._tidy()
        self._on_change(f"recorded {recording.seconds:.1f} s", recording)

    def _tidy(self) -> None:
        """Remove the oldest recordings, as far as the rules say."""
        now = time.monotonic()
        ages = [now - each.at for each in self.finished]
        sizes = [_size(each.video) + _size(each.keypoints) for each in self.finished]
        count = self._rules.keep.removed(ages, sizes)
        gone, self.finished = self.finished[:count], self.finished[count:]
        for recording in gone:
            for path in (recording.video, recording.keypoints):
                path.unlink(missing_ok=True)

    def _rest(self) -> None:
        """Without a pre-roll, the next recording begins with an encoder of its own, and so with a key frame."""
        if not self._pre_roll:
            self._size = (0, 0)
            self._rolled.clear()

    def _give_up(self, error: Exception) -> None:
        """Say what went wrong and record no more; what was written stays."""
        now, self._open = self._open, None
        self._rest()
        with self._changed:
            self._wanted = False
            self._waiting = deque((shot, record, False) for shot, record, _ in self._waiting)
        if now is not None:
            now.keypoints.close()
            try:
                now.container.close()
            except (OSError, av.error.FFmpegError):
                log.debug("%s: not closed", now.path)
        kept = f"; {now.path.name} has what was recorded" if now else ""
        words = f"the recording ended: {error}{kept}"
        log.warning("%s: %s", self._camera, words)
        self._on_change(words, None)


def _is_taken(path: Path) -> bool:
    """Whether there is a recording of this name: the clock was set back."""
    return any(path.with_suffix(suffix).exists() for suffix in (".ts", ".mp4", ".jsonl"))


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0  # somebody may have moved it away


def _require_space(folder: Path) -> None:
    free = free_bytes(folder)
    if free < RUN_RESERVE:
        raise OutputError(f"only {free / 1e6:.0f} MB are free on its disk")
