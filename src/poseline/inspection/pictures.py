"""Pictures: the exact picture of each frame of a log as JPEG, decoded from the clip that the log is of.

A browser that seeks in a video shows a frame nearby, and which one it is cannot be known. So pictures are decoded here,
from the key frame before, and found by the time stamps that the log has. Neighbours of what was asked for are kept,
since the next step goes to one of them.
"""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from poseline.capture import Location, open_source
from poseline.errors import SourceError
from poseline.log import LogReader, Tracks, clip_of
from poseline.rendering.logged_clip import capture_of
from poseline.serve.picture import Variant, encode

if TYPE_CHECKING:
    from poseline.capture import Source
    from poseline.frame import Frame

_LONGEST_SIDE = 1920
"""Pixels; larger pictures are made smaller."""
_QUALITY = 88
_CACHED = 160 << 20
"""Bytes of JPEG that are kept."""
_BEHIND, _AHEAD = 32, 24
"""Frames before and after the one that was asked for that are kept too."""
_WALKED = 64
"""Frames up to which decoding goes on, where a jump to a key frame is not sooner there."""
_EARLY = 0.002
"""Seconds before a frame's time from which on it is looked for: times in the log are rounded."""
_TRIED = 100
"""Frames in the clip that the log does not have, one after another, after which it is given up."""


class Pictures(Protocol):
    """Where the pictures of a log come from."""

    def read(self, place: int) -> bytes | None:
        """The JPEG of the frame at this place of the log, from 0; None where it is not in the clip.

        Raises:
            SourceError: the clip cannot be read.
        """

    def ahead(self) -> bool:
        """Prepare one more frame that may be asked for next; False where there is none to prepare."""

    def close(self) -> None:
        """Nothing more is wanted."""


def open_pictures(log: Path, tracks: Tracks, source: Path | None = None) -> Pictures:
    """The pictures of a log.

    Args:
        log: the keypoint log.
        tracks: the same, as it was read.
        source: the clip, or the folder of the pictures; None: where the log says that they are.

    Raises:
        SourceError: there is no such clip.
    """
    if tracks.sources is not None:
        return Separate(log, tracks.sources, source)
    reader = LogReader(log)
    if source is not None and not source.is_file():
        raise SourceError(f"{source}: no such file; --source is the clip that the run was made of")
    return Clip(source or clip_of(reader), reader, tracks)


class Clip:
    """The frames of a video."""

    def __init__(self, path: Path, log: LogReader, tracks: Tracks) -> None:
        self._path, self._log = path, log
        self._kept = _Kept()
        self._reading: _Reading | None = None
        self._wanted = 0
        self.follow(tracks)
        source = self._open(None)
        size, source_size = log.size, (source.info.width, source.info.height)
        source.close()
        if size != source_size:
            raise SourceError(
                f"{path} is not the clip of this log: its picture is {source_size[0]}x{source_size[1]}, "
                f"the log's {size[0]}x{size[1]}; give the right one with --source"
            )

    def follow(self, tracks: Tracks) -> None:
        """Know the frames of a log that has grown."""
        assert tracks.pts is not None
        self._times = tracks.times
        self._places: Mapping[int, int] = dict(zip(tracks.pts.tolist(), range(len(tracks)), strict=True))

    def read(self, place: int) -> bytes | None:
        """See `Pictures`."""
        self._wanted = place
        if (kept := self._kept.get(place)) is not None:
            return kept
        if self._reading is None or not self._reading.place < place <= self._reading.place + _WALKED:
            self._begin(place)
        assert self._reading is not None
        for found, frame in self._reading.frames:
            self._reading = self._reading._replace(place=found)
            if place - _BEHIND <= found <= place + _AHEAD and found not in self._kept:
                self._kept.put(found, _jpeg(frame))
            if found >= place:
                break
        return self._kept.get(place)

    def ahead(self) -> bool:
        """See `Pictures`."""
        if self._reading is None or not self._wanted - _BEHIND <= self._reading.place < self._wanted + _AHEAD:
            return False
        found = next(self._reading.frames, None)
        if found is None:
            self._end()
            return False
        self._reading = self._reading._replace(place=found[0])
        if found[0] not in self._kept:
            self._kept.put(found[0], _jpeg(found[1]))
        return True

    def close(self) -> None:
        """See `Pictures`."""
        self._end()

    def _begin(self, place: int) -> None:
        self._end()
        time = float(self._times[place])
        source = self._open(time - _EARLY if place else None)
        if place and source.info.start > time + _EARLY:  # a clip whose parts begin late: from its beginning
            source.close()
            source = self._open(None)
        self._reading = _Reading(-1, self._found(source), source)

    def _found(self, source: Source) -> Iterator[tuple[int, Frame]]:
        """The frames that the log has, and their places in it."""
        unknown = 0
        for frame in source.frames():
            place = self._places.get(frame.pts)
            unknown = 0 if place is not None else unknown + 1
            if unknown > _TRIED:
                return
            if place is not None:
                yield place, frame

    def _open(self, start: float | None) -> Source:
        settings = capture_of(self._log, start if start is None else max(0.0, start), None)
        return open_source(Location(self._path.name, video=self._path), settings)

    def _end(self) -> None:
        if self._reading is not None:
            self._reading.frames.close()  # type: ignore[attr-defined] # it is a generator
            self._reading.source.close()
            self._reading = None


class _Reading(NamedTuple):
    """A clip that is being decoded."""

    place: int
    """Of the frame that came last; -1 of none."""
    frames: Iterator[tuple[int, Frame]]
    source: Source


class Separate:
    """Pictures that are files of their own."""

    def __init__(self, log: Path, names: Any, folder: Path | None) -> None:
        self._log, self._names, self._folder = log, names, folder
        self._kept = _Kept()
        if folder is not None and not folder.is_dir():
            raise SourceError(f"{folder}: no such folder; --source is the folder of the pictures of the run")
        if len(names) and self._path(names[0]) is None:
            raise SourceError(f"{log}: is of {names[0]}, and no such picture is here; give their folder with --source")

    def read(self, place: int) -> bytes | None:
        """See `Pictures`."""
        if (kept := self._kept.get(place)) is not None:
            return kept
        path = self._path(self._names[place])
        if path is None:
            return None
        source = open_source(path, capture_of(LogReader(self._log), None, None))
        try:
            frames = source.frames()
            frame = next(frames, None)
            frames.close()
        finally:
            source.close()
        if frame is None:
            return None
        self._kept.put(place, _jpeg(frame))
        return self._kept.get(place)

    def ahead(self) -> bool:
        """See `Pictures`."""
        return False

    def close(self) -> None:
        """See `Pictures`."""

    def _path(self, name: str) -> Path | None:
        given = Path(name)
        beside = (self._log.parent, self._log.parent.parent)
        places = [self._folder / given.name] if self._folder else [given, *(each / given for each in beside)]
        return next((path for path in places if path.is_file()), None)


class _Kept:
    """JPEGs by place; those that were not asked for longest go first."""

    def __init__(self) -> None:
        self._held: OrderedDict[int, bytes] = OrderedDict()
        self._bytes = 0

    def __contains__(self, place: int) -> bool:
        return place in self._held

    def get(self, place: int) -> bytes | None:
        """The JPEG of this place, where it is kept."""
        if place in self._held:
            self._held.move_to_end(place)
        return self._held.get(place)

    def put(self, place: int, jpeg: bytes) -> None:
        """Keep it."""
        self._held[place] = jpeg
        self._bytes += len(jpeg)
        while self._bytes > _CACHED and len(self._held) > 1:
            self._bytes -= len(self._held.popitem(last=False)[1])


class PictureThread:
    """A thread that reads pictures for a server: the newest wish first, and ahead of wishes when there is none."""

    def __init__(self, pictures: Pictures, loop: asyncio.AbstractEventLoop) -> None:
        self._pictures, self._loop = pictures, loop
        self._wishes: dict[int, list[asyncio.Future[bytes | None]]] = {}
        self._work: Callable[[Pictures], object] | None = None
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="pictures", daemon=True)
        self._thread.start()

    async def get(self, place: int) -> bytes | None:
        """See `Pictures.read`. Who does not wait any longer is not served."""
        future: asyncio.Future[bytes | None] = self._loop.create_future()
        with self._changed:
            waiting = self._wishes.pop(place, [])
            self._wishes[place] = [*waiting, future]  # as the newest
            self._changed.notify()
        try:
            return await future
        finally:
            with self._changed:
                if place in self._wishes:
                    self._wishes[place] = [each for each in self._wishes[place] if each is not future]
                    if not self._wishes[place]:
                        del self._wishes[place]

    def do(self, work: Callable[[Pictures], object]) -> None:
        """Change the pictures when none is being read."""
        with self._changed:
            self._work = work
            self._changed.notify()

    def close(self) -> None:
        """End the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(5.0)

    def _run(self) -> None:
        ahead = True
        while True:
            with self._changed:
                while not (self._closed or self._wishes or self._work or ahead):
                    self._changed.wait()
                if self._closed:
                    break
                work, self._work = self._work, None
                place, waiting = self._wishes.popitem() if self._wishes else (None, [])
            if work is not None:
                work(self._pictures)
            if place is not None:
                self._answer(place, waiting)
                ahead = True
            else:
                ahead = self._prepare()
        self._pictures.close()

    def _answer(self, place: int, waiting: list[asyncio.Future[bytes | None]]) -> None:
        found: bytes | None = None
        error: SourceError | None = None
        try:
            found = self._pictures.read(place)
        except SourceError as raised:
            error = raised
        except Exception as raised:  # noqa: BLE001 # whatever a decoder says: the page shows it, and the thread goes on
            error = SourceError(f"the picture cannot be decoded: {raised}")

        def settle() -> None:
            for future in waiting:
                if future.done():
                    continue
                if error is not None:
                    future.set_exception(error)
                else:
                    future.set_result(found)

        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(settle)

    def _prepare(self) -> bool:
        try:
            return self._pictures.ahead()
        except Exception:  # noqa: BLE001 # it shows again, and is told, when the picture is asked for
            return False


def _jpeg(frame: Frame) -> bytes:
    scale = min(1.0, _LONGEST_SIDE / max(frame.width, frame.height))
    return encode(frame, Variant.scaled(frame.width, frame.height, scale, _QUALITY))
