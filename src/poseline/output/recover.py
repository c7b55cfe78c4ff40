"""Recover: make the video of a killed run playable again, from what was on the disk."""

from __future__ import annotations

import io
import os
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from pathlib import Path
from typing import Any, BinaryIO

import av

from poseline.atomic import cause, replacing
from poseline.errors import OutputError, SourceError
from poseline.log.reader import Ending, LogReader
from poseline.log_files import LOG_NAME, part_name
from poseline.output.folder import is_piece, video_number
from poseline.output.lock import FolderLock
from poseline.output.mp4 import FAILURES, clock_options, readable_bytes


@dataclass(frozen=True)
class Recovered:
    """What could be saved."""

    video: Path
    """The playable file."""
    frames: int
    """Pictures in it, counted by decoding them."""
    seconds: float
    """From its first picture to its last."""
    lost_seconds: float | None
    """Stretch at the end that the journal beside it knows and the video does not; None without a journal of it."""
    journal: Path | None
    """A copy of the journal without its torn last line; None where nothing was torn."""
    ended: Ending | None = None
    """How the run ended, as the journal says; None without a journal of it."""


def recover(path: Path) -> Recovered:
    """Repair `path`, the `.part` video of a run that was killed, or the results folder that holds one.

    The file is read up to its last whole box and copied, without encoding anew, to its name without `.part` (a file
    of another name to NAME-recovered.mp4). What is there already is neither changed nor replaced.

    Raises:
        SourceError: it cannot be read, or holds no whole picture.
        OutputError: the folder is in use, the file to write is already there or cannot be written.
    """
    path = _damaged(path)
    target = _target(path)
    lock = FolderLock(path.parent)
    try:
        try:
            length = readable_bytes(path)
        except OSError as error:
            raise SourceError(f"{path}: cannot be read: {cause(error)}") from error
        if length == 0:
            raise SourceError(f"{path}: nothing to recover: it does not hold the beginning of an MP4 video")
        log = _log_of(target)
        whole_log = _whole_lines(log)
        with replacing(target) as temporary:
            _remux(path, length, temporary)
            times = _times(temporary)
            if not times:
                raise SourceError(f"{path}: nothing to recover: it holds no whole picture")
            _refuse_existing(target)
        lost, ended = _told_by(log, target, len(times))
        return Recovered(
            video=target,
            frames=len(times),
            seconds=times[-1] - times[0],
            lost_seconds=lost,
            journal=None if whole_log is None else _without_torn_line(log, whole_log),
            ended=ended,
        )
    finally:
        lock.release()


def _damaged(path: Path) -> Path:
    if not path.is_dir():
        return path
    parts = sorted(path.glob("*.mp4.part"))
    if len(parts) == 1:
        return parts[0]
    if parts:
        found = f"{len(parts)} of them: name one"
    elif any(is_piece(each.name) for each in path.iterdir()):
        found = f"only pieces that were not joined yet: `poseline render {path}` draws the video from the log"
    else:
        found = "none: its videos were finished, or not begun"
    raise SourceError(f"{path}: expected one .mp4.part file to recover, found {found}")


def _target(path: Path) -> Path:
    target = path.with_suffix("") if path.suffix == ".part" else path.with_name(f"{path.stem}-recovered.mp4")
    if not path.is_file():
        raise SourceError(f"{path}: no such file to recover")
    _refuse_existing(target)
    return target


def _refuse_existing(target: Path) -> None:
    if os.path.lexists(target):
        raise OutputError(f"{target} is already there and is not replaced; move it away first")


class _Head(io.RawIOBase):
    """The first `length` bytes of a file, so that nothing needs to be copied or cut."""

    def __init__(self, file: BinaryIO, length: int) -> None:
        self._file, self._length = file, length

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        left = max(0, self._length - self._file.tell())
        return self._file.read(left if size < 0 else min(size, left))

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(self._length + offset) if whence == io.SEEK_END else self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


def _remux(path: Path, length: int, target: Path) -> None:
    with path.open("rb") as file:
        try:
            source = av.open(_Head(file, length), "r", format="mp4", metadata_errors="replace")
        except FAILURES as error:
            raise SourceError(f"{path}: cannot be recovered: {cause(error)}") from error
        with source:
            if not source.streams.video:
                raise SourceError(f"{path}: nothing to recover: it has no video")
            try:
                _copy(source, target)
            except FAILURES as error:
                raise OutputError(f"{target.parent}: cannot be written to: {cause(error)}") from error


def _copy(source: av.container.InputContainer, target: Path) -> None:
    time_base = source.streams.video[0].time_base or Fraction(1, 90000)
    options = clock_options(time_base, next(iter(source.streams.audio), None))
    with av.open(str(target), "w", format="mp4", options=options) as copy:
        streams = {stream.index: copy.add_stream_from_template(stream) for stream in source.streams}
        _copy_packets(source, copy, streams)


def _copy_packets(source: Any, copy: Any, streams: dict[int, Any]) -> None:
    packets = source.demux()
    while True:
        try:
            packet = next(packets, None)
        except av.error.FFmpegError:
            return  # the end of what is whole
        if packet is None:
            return
        if packet.size and packet.dts is not None:
            packet.stream = streams[packet.stream.index]
            copy.mux(packet)


def _times(path: Path) -> list[float]:
    """Time of every picture that can be decoded, in seconds."""
    times: list[float] = []
    with suppress(av.error.FFmpegError, IndexError), av.open(str(path), format="mp4") as video:
        times.extend(float(frame.time or 0) for frame in video.decode(video=0))
    return times


def _log_of(video: Path) -> Path:
    """Where the log is, or the part of it, whose frames are in the video."""
    part = video.with_name(part_name(video_number(video.name) or 1))
    return part if part.is_file() else video.with_name(LOG_NAME)


def _told_by(log: Path, video: Path, frames: int) -> tuple[float | None, Ending | None]:
    """How many seconds of the log come after the last of the video's frames, and how the run ended.

    (None, None) where there is no log of this video. A run has one video for each stretch of frames of one size and one
    shape of pixels; one that is cut into segments has a part of the log for each video.
    """
    number = video_number(video.name)
    if number is None:
        return None, None
    try:
        reader = LogReader(log, raw=True)
        stretches = groupby(reader.frames(), key=lambda frame: (frame.width, frame.height, frame.pixel_aspect))
        times = [[frame.time for frame in stretch] for _, stretch in stretches]
    except SourceError:
        return None, None
    number -= int(reader.run.get("segment", 1)) - 1
    known = times[number - 1] if 0 < number <= len(times) else []
    return (known[-1] - known[frames - 1] if len(known) >= frames else 0.0), reader.ended


def _whole_lines(log: Path) -> int | None:
    """Bytes of the log without its torn last line; None where nothing is torn, or there is no log.

    Raises:
        OutputError: its copy without that line would replace a file.
    """
    if not log.is_file():
        return None
    with log.open("rb") as lines:
        whole = sum(len(line) for line in lines if line.endswith(b"\n"))
    if whole == log.stat().st_size:
        return None
    _refuse_existing(_clean(log))
    return whole


def _clean(log: Path) -> Path:
    return log.with_name(f"{log.stem}-recovered.jsonl")


def _without_torn_line(log: Path, whole: int) -> Path:
    """Copy the first `whole` bytes of a log."""
    clean = _clean(log)
    with log.open("rb") as lines, replacing(clean) as temporary, temporary.open("wb") as copy:
        while chunk := lines.read(min(whole, 1 << 20)):
            whole -= copy.write(chunk)
    return clean
