"""VideoFile: every frame of a recorded clip, with the clip's own time stamps."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from poseline.capture import announced
from poseline.capture.aspect import pixel_aspect
from poseline.capture.clock import SourceClock
from poseline.capture.container import Opened, explain, open_container
from poseline.capture.decoder import Decoded, Decoder
from poseline.capture.hardware import accelerators, refusal
from poseline.capture.part import Part, nothing_there
from poseline.capture.seek import Scan, pictures_from
from poseline.capture.source import Source, SourceInfo
from poseline.capture.stated_bytes import stated_bytes
from poseline.capture.stream_holes import LONGEST_HOLE, SEGMENTED, StreamHoles
from poseline.errors import SourceError, redact
from poseline.frame import ON_DEVICE, Frame, Gap
from poseline.words import counted, file_alike, were

if TYPE_CHECKING:
    from poseline.settings import CaptureSettings

_TRUNCATED = 0.98
"""Below this share of its frames, or bytes, a file counts as cut short; headers are often off by a frame or two."""
_FEW_LOST = 3
"""Pictures, that may be missing without a word: those at the beginning that refer to ones before it."""
_STEADY = 1.5
"""Intervals of a steady frame rate, at most, from one picture to the next."""
_ASSUMED_RATE = Fraction(25)
"""Frames a second of pictures that have no time stamps, where nothing states another; FFmpeg assumes the same."""
_LED_BY = Fraction(1, 4)
"""Seconds of interlaced pictures that are decoded before those that are wanted."""


class NoFrame(SourceError):
    """What was opened as a video gives no picture at all."""


class VideoFile:
    """A recording, on this machine or behind an address: nothing is dropped, damage is counted and passed over.

    Args:
        location: the file's path, or its address.
        settings: time-outs, the largest picture, and which part is wanted.
        opened: the same, where it is open already; the CPU decodes it.
        consumer: the device that works on the pictures; those of a file may be decoded there.
    """

    def __init__(
        self, location: Path | str, settings: CaptureSettings, opened: Opened | None = None, consumer: str = "cpu"
    ) -> None:
        path = location if isinstance(location, Path) else None
        if path is not None:
            check_readable(path)
        self._settings = settings
        self._part = Part(settings)
        self._stopped = threading.Event()
        self._bad_before = 0
        self.notes: list[str] = []
        first = self._on_hardware(path, consumer) if path is not None else None
        if first is None:
            form = opened.form if opened else None
            self._again: Callable[[], Opened] = lambda: open_container(str(location), settings, form=form)
            self._opened = opened or self._again()
            self._decoder = Decoder(self._opened, self._again)
            self._rest = self._decoder.frames()
            first = self._first_of(self._rest, str(location))  # only a decoded picture tells which way up it is
        self.info = replace(
            video_info(self._opened, redact(str(location))),
            width=first.size[0], height=first.size[1], path=path,
            on_device=first.picture.format.name == ON_DEVICE, pixel_aspect=first.pixel_aspect,
        )  # fmt: skip
        container = self._opened.container
        self._segmented = container.format.name == SEGMENTED
        self._listed = (container.duration or 0) / 1e6 if self._segmented else 0.0
        self._holes = StreamHoles()
        self._stampless = announced.has_no_stamps(container)
        if self._stampless:
            rate = self._rate_without_stamps()
            self.info = replace(self.info, frame_rate=rate, time_base=1 / rate)
        elif settings.source_fps:
            self.notes.append(f"--source-fps is not used: {self.info.name} has time stamps of its own")
        self._clock = self._new_clock()
        self._timed = _with_times(_Ahead(first, self._rest), self._clock, self._stampless)
        if settings.in_part:
            try:
                self._begin_part(first.picture.pts)
            except BaseException:
                self.close()
                raise

    @property
    def bad(self) -> int:
        """Packets, so far, that could not be decoded; of a part, those in it."""
        return self._decoder.bad - self._bad_before

    def stop(self) -> None:
        """End after the present frame."""
        self._stopped.set()

    def close(self) -> None:
        """Close the file, where it was never read."""
        self._timed = iter(())
        self._opened.container.close()

    def frames(self) -> Generator[Frame, None, None]:
        """The clip's frames in presentation order, or those of the part that the settings ask for.

        `pts` is what the clip states, `time` and the picture's own `pts` are repaired where that cannot be
        (`SourceClock`).
        """
        index, time_base, name = 0, self._clock.time_base, self.info.name
        holes, before = self._holes, 0.0
        stopped, ends = self._stopped.is_set, self._part.end is not None
        timed, self._timed = self._timed, iter(())  # a second reading would crash in a decoder that is closed
        try:
            with self._opened.container:
                for (picture, corrupt, aspect, orientation), pts, seconds, gap in timed:
                    if stopped() or (ends and self._part.is_behind(seconds)):
                        return
                    if self._segmented and index:
                        gap = gap or holes.between(before, seconds)
                    before = seconds
                    yield Frame(
                        picture, index, pts, time_base, seconds, time.monotonic(), name, corrupt,
                        gap=gap, pixel_aspect=aspect, orientation=orientation,
                    )  # fmt: skip
                    index += 1
            self._conclude(index)
        finally:
            self.notes += self._clock.notes() + holes.notes() + self._decoder.notes  # also where the user ends it

    def _new_clock(self, origin: int | None = None) -> SourceClock:
        container, info = self._opened.container, self.info
        wrap = announced.clock_wrap(container)
        return SourceClock(info.time_base, info.frame_rate, self._longest_pause, info.duration, wrap, origin)

    @property
    def _longest_pause(self) -> float:
        return LONGEST_HOLE if self._segmented else announced.longest_pause(self._opened.container)

    def _begin_part(self, first: int | None) -> None:
        """Go to the part's first frame, and have `info` tell of the part; `first` is the clip's first stamp."""
        part, whole = self._part, self.info
        if part.start and first is not None and not self._stampless:
            self._seek(first)
        begin = next((timed for timed in self._timed if not part.is_before(timed.seconds)), None)
        if begin is None or part.is_behind(begin.seconds):
            raise nothing_there(self._settings, whole.name, whole.duration)
        self._timed = chain([begin._replace(gap=None)], self._timed)
        self._clock.forget_repairs()
        self._decoder.forget_interlaced()
        self._bad_before = self._decoder.bad
        width, height = begin.decoded.size
        self.info = replace(
            whole, width=width, height=height, pixel_aspect=begin.decoded.pixel_aspect,
            start=begin.seconds, frames=None, duration=part.length(whole.duration),
        )  # fmt: skip

    def _seek(self, first: int) -> None:
        """Go on at a key frame before the part, or at the clip's beginning where its time stamps are no times."""
        assert self.info.time_base is not None
        target = first + int(Fraction(self._part.start) / self.info.time_base)
        interlaced = self._decoder.interlaced > 0
        if interlaced:  # such a picture is made whole with those before it
            target -= round(_LED_BY / self.info.time_base)
        self._opened.container.close()
        self._opened = self._again()
        scan, found = None, None
        if self.info.path is not None or announced.may_break(self._opened.container):  # else all of it were fetched
            scan = Scan(self._opened, target, self._longest_pause)
        if scan is None or scan.trusted:
            found = pictures_from(self._opened, target, first, self._again, scan)
        if found is not None:
            self._decoder, self._rest = found
            self._clock = self._new_clock(origin=first)
        else:
            self._opened.container.close()
            self._opened = self._again()
            self._decoder = Decoder(self._opened, self._again)
            self._rest = self._decoder.frames()
            self._clock = self._new_clock()
        pictures = _Ahead(self._first_of(self._rest, self.info.name), self._rest)
        self._timed = _with_times(pictures, self._clock, self._stampless)

    def _rate_without_stamps(self) -> Fraction:
        """Frames a second of a file without time stamps: as the user says, else as its codec does, else assumed."""
        if self._settings.source_fps:
            return announced.exact_rate(self._settings.source_fps)
        stated = announced.codec_rate(self._opened.stream)
        if stated is None:
            self.notes.append(
                f"{self.info.name} has no time stamps and states no frame rate: {_ASSUMED_RATE} frames/s are assumed; "
                "--source-fps gives another"
            )
        return stated or _ASSUMED_RATE

    def _on_hardware(self, path: Path, consumer: str) -> Decoded | None:
        """Open the file on the consumer's own decoder and decode its first picture; None, and a note, if not."""
        opened, failure = None, ""
        for hardware in accelerators(self._settings.decoder, consumer):
            try:
                opened = open_container(str(path), self._settings, hardware)
                break
            except SourceError as error:  # a fault of the file's own shows again, and is raised, when the CPU opens it
                failure = f"the card's decoder cannot be opened: {_cause(error)}"
        if opened is None:
            self.notes += [f"decoded by the CPU: {failure}"] if failure else []
            return None
        settings = self._settings  # not `self`: a file that refers to itself would keep its decoder's memory
        again = lambda: open_container(str(path), settings, hardware)  # noqa: E731 # as short as its use
        decoder = Decoder(opened, again)
        rest = decoder.frames()
        first = next(rest, None)
        reason = refusal(first.picture, opened.deinterlace) if first else "the card's decoder gave no picture"
        if decoder.damaged_at is not None:
            reason = f"damaged at about {decoder.damaged_at:.1f} s, and the card's decoder does not report damage"
        if reason:
            opened.container.close()
            self.notes.append(f"decoded by the CPU: {reason}")
            return None
        self._opened, self._again, self._decoder, self._rest = opened, again, decoder, rest
        return first

    def _first_of(self, pictures: Iterator[Decoded], name: str) -> Decoded:
        for decoded in pictures:
            return decoded
        self._opened.container.close()
        raise NoFrame(f"{name}: no frame could be decoded: {self._failure() or 'it holds none, or only damage'}")

    def _failure(self) -> str:
        failure, waited = self._decoder.failure, float(self._opened.container.read_timeout or 0)
        return explain(failure, 0, waited) if failure else ""

    def _conclude(self, count: int) -> None:
        failure, name = self._failure(), self.info.name
        if failure and self.info.path is None:
            raise SourceError(f"{name}: the connection broke off after {counted(count, 'frame')}: {failure}")
        if short := self._cut_short(count):
            self.notes.append(short)
        elif failure:
            self.notes.append(f"reading ended after {counted(count, 'frame')}: {failure}")
        self.notes += bad_notes(self.bad)

    def _cut_short(self, count: int) -> str:
        """What tells that the file is not whole, in words; empty if nothing does."""
        name, packets = self.info.name, self._decoder.packets
        # Interlaced video may come as two packets a picture, one for each field.
        fields = self._decoder.has_fields and abs(2 * count - packets) <= (1 - _TRUNCATED) * packets
        if lacking := shortage(self.info, count, packets if fields else count + self.bad):
            return lacking
        path = self.info.path
        stated = stated_bytes(path) if path else None
        share = path.stat().st_size / stated if path and stated else 1.0
        if share < _TRUNCATED:
            percent = int(100 * share)
            return f"read {counted(count, 'frame')}: {name} is cut short, to {percent} % of the size that it states"
        if self._listed and self._part.end is None:
            early = self._holes.ends_early(count, self._clock.seconds, self._listed)
            if early:
                return early
        lost = self._decoder.without_picture
        if lost > max(_FEW_LOST, (1 - _TRUNCATED) * packets) and not self._settings.in_part:
            return f"{lost} of {packets} packets gave no picture: {name} is damaged, or begins behind a key frame"
        return self._ends_early(count) if fields or not self.info.frames else ""

    def _ends_early(self, count: int) -> str:
        """In words, that the pictures end before the time that the file states; empty unless they come steadily.

        Where they do not, the last one may be meant to stand for the rest.
        """
        info, end = self.info, self._part.end
        if info.duration is None or info.frame_rate is None or end is not None or not count:
            return ""
        interval, clock = float(1 / info.frame_rate), self._clock
        if clock.longest_step > _STEADY * interval or clock.breaks or clock.outliers:
            return ""
        interval = min(interval, clock.longest_step or interval)  # a rate that FFmpeg guesses may be far too low
        reached = clock.seconds + interval - info.start
        if info.duration - reached <= max(_FEW_LOST * interval, (1 - _TRUNCATED) * info.duration):
            return ""
        shown = f"pictures end at {reached:.2f} s of {info.duration:.2f} s"
        return f"read {counted(count, 'frame')}: the {shown} that {info.name} states; it may be cut short or damaged"


def shortage(info: SourceInfo, count: int, read: int) -> str:
    """In words, that a file gave fewer frames than it announces; empty if it did not.

    Args:
        info: of the file.
        count: frames that it gave.
        read: the same with those that could not be decoded.
    """
    if info.frames and read < _TRUNCATED * info.frames:
        return f"read {count} of {info.frames} frames: {info.name} is cut short or damaged"
    return ""


def bad_notes(bad: int) -> list[str]:
    """The note about so many packets that could not be decoded; none about none."""
    return [f"{counted(bad, 'packet')} could not be decoded and {were(bad)} passed over"] if bad else []


class _Timed(NamedTuple):
    """A picture and its time."""

    decoded: Decoded
    pts: int
    """As stated."""
    seconds: float
    """Repaired, from the clip's first frame."""
    gap: Gap | None


class _Ahead:
    """Decoded pictures, with a look at the next ones' time stamps before they are taken."""

    def __init__(self, first: Decoded, rest: Iterator[Decoded]) -> None:
        self._rest, self._next = rest, deque([first])

    def __iter__(self) -> Iterator[Decoded]:
        return self

    def __next__(self) -> Decoded:
        return self._next.popleft() if self._next else next(self._rest)

    def ahead(self, count: int) -> list[int | None]:
        """The time stamps of the next `count` pictures, or of as many as are left; None where one has none."""
        self._next.extend(islice(self._rest, max(0, count - len(self._next))))
        return [decoded.picture.pts for decoded in islice(self._next, count)]


def _with_times(pictures: _Ahead, clock: SourceClock, stampless: bool) -> Iterator[_Timed]:
    """All pictures with their times, which the pictures have too.

    Args:
        pictures: as they were decoded.
        clock: repairs their stamps.
        stampless: they have none that count.
    """
    for decoded in pictures:
        picture = decoded.picture
        pts, seconds = clock.stamp(None if stampless else picture.pts, pictures.ahead)
        picture.pts, picture.time_base = clock.ticks, clock.time_base
        yield _Timed(decoded, pts, seconds, clock.gap)


def _cause(error: SourceError) -> str:
    cause = error.__cause__
    return str(getattr(cause, "strerror", None) or cause or error)


class SimulatedCamera:
    """A video file that behaves as a camera (`--live`): each frame arrives at its own time."""

    def __init__(self, file: Source) -> None:
        self._file = file
        self._stopped = threading.Event()
        self.info = replace(self._file.info, live=True)
        self.notes = self._file.notes

    @property
    def bad(self) -> int:
        """Packets, so far, that could not be decoded."""
        return self._file.bad

    def stop(self) -> None:
        """End now, also between two frames."""
        self._stopped.set()
        self._file.stop()

    def close(self) -> None:
        """Close the file, where it was never read."""
        self._file.close()

    def frames(self) -> Generator[Frame, None, None]:
        """The clip's frames, each not before its time."""
        started: float | None = None
        for frame in self._file.frames():
            started = time.monotonic() - frame.time if started is None else started
            if self._stopped.wait(max(0.0, started + frame.time - time.monotonic())):
                return
            yield replace(frame, arrival=time.monotonic())


def check_readable(path: Path) -> None:
    """Raise a SourceError that says why `path` is no readable file."""
    try:
        if path.is_dir():
            raise SourceError(f"{path}: is a folder, not a video")
        if path.exists() and not path.is_file():  # opening a pipe would wait for its writer, perhaps for ever
            raise SourceError(f"{path}: is a device or a pipe, not a file; a camera is given by its number, such as 0")
        with path.open("rb") as file:
            if not file.read(1):
                raise SourceError(f"{path}: the file is empty")
    except FileNotFoundError:
        if path.is_symlink():
            raise SourceError(f"{path}: no such file: it is a link to {path.readlink()}, which is not there") from None
        raise SourceError(f"{path}: no such file{file_alike(path)}") from None
    except PermissionError:
        raise SourceError(f"{path}: no permission to read it") from None
    except OSError as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(f"{path}: cannot be read: {error.strerror}") from error


def video_info(opened: Opened, name: str) -> SourceInfo:
    """What a video announces of itself."""
    stream = opened.stream
    frames, seconds = announced.shown_frames(opened.container, stream), announced.duration(opened.container, stream)
    return SourceInfo(
        name=name,
        live=False,
        width=stream.codec_context.width,
        height=stream.codec_context.height,
        frame_rate=announced.frame_rate(stream, frames, seconds),
        time_base=stream.time_base,
        frames=frames,
        duration=seconds,
        pixel_aspect=pixel_aspect(stream.sample_aspect_ratio),
    )
