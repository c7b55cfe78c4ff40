"""Pictures: the exact picture of each frame of a log as JPEG, decoded from the clip that the log is of.

A browser that seeks in a video shows a frame nearby, and which one it is cannot be known. So pictures are decoded here,
from the key frame before, and found by the time stamps that the log has. Neighbours of what was asked for are kept,
since the next step goes to one of them; and while nobody asks, the whole clip is prepared from its beginning, so that
in the end every frame is there at once, however far apart the clip's key frames are.
"""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from poseline.capture import Location, open_source
from poseline.errors import SourceError
from poseline.log import LogReader, Tracks, clip_of
from poseline.rendering.logged_clip import capture_of, require_frames
from poseline.serve.picture import Variant, encode

if TYPE_CHECKING:
    from poseline.capture import Source
    from poseline.frame import Frame

_LONGEST_SIDE = 1920
"""Pixels; larger pictures are made smaller."""
_QUALITY = 88
_ROOM = 1 << 30
"""Bytes of JPEG that are kept, in a temporary file."""
_BEHIND, _AHEAD = 32, 24
"""Frames before and after the one that was asked for that are kept too."""
_PASSED_BYTES = 64 << 20
"""Of decoded frames before the one that was asked for, which become JPEG when it has been sent."""
_WALKED = 64
"""Frames up to which decoding goes on, where a jump to a key frame is not sooner there."""
_EARLY = 0.002
"""Seconds before a frame's time from which on it is looked for: times in the log are rounded."""
_TRIED = 2000
"""Frames in the clip that the log does not have, one after another, after which it is given up."""


class Pictures(Protocol):
    """Where the pictures of a log come from."""

    def read(self, place: int) -> bytes | None:
        """The JPEG of the frame at this place of the log, from 0; None where it is not in the clip.

        Raises:
            SourceError: the clip cannot be read.
        """

    def kept(self, place: int) -> bytes | None:
        """The same where nothing needs to be decoded for it, else None; from any thread."""

    def look(self, place: int) -> None:
        """Frames around this place are likely to be asked for."""

    def ahead(self) -> bool:
        """Prepare one more frame that may be asked for next; False where there is none to prepare."""

    def follow(self, tracks: Tracks) -> None:
        """Know the frames of a log that has grown."""

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
    require_frames(reader)
    return Clip(source or clip_of(reader), reader, tracks)


class Clip:
    """The frames of a video."""

    def __init__(self, path: Path, log: LogReader, tracks: Tracks) -> None:
        self._path, self._log = path, log
        self._reading: _Reading | None = None
        """What was asked for, and what comes behind it."""
        self._sweep: _Reading | None = None
        """The whole clip, from its beginning on."""
        self._swept = False
        self._passed: deque[tuple[int, Frame]] = deque()
        self._wanted = 0
        self.follow(tracks)
        source = self._open(None)
        size, source_size = log.size, (source.info.width, source.info.height)
        source.close()
        if size[0] and size != source_size:
            raise SourceError(
                f"{path} is not the clip of this log: its picture is {source_size[0]}x{source_size[1]}, "
                f"the log's {size[0]}x{size[1]}; give the right one with --source"
            )
        self._kept = _Kept()
        self._most_passed = max(4, min(_BEHIND, _PASSED_BYTES // max(1, size[0] * size[1] * 3 // 2)))

    def follow(self, tracks: Tracks) -> None:
        """See `Pictures`."""
        assert tracks.pts is not None
        self._times = tracks.times
        self._places: Mapping[int, int] = dict(zip(tracks.pts.tolist(), range(len(tracks)), strict=True))
        self._end_readings()
        self._swept = False

    def read(self, place: int) -> bytes | None:
        """See `Pictures`."""
        self._wanted = place
        if (kept := self._kept.get(place)) is not None:
            return kept
        if self._reading is None or not self._reading.place < place <= self._reading.place + _WALKED:
            self._begin(place)
        assert self._reading is not None
        self._passed = deque(maxlen=self._most_passed)
        while (read := self._reading.next()) is not None:
            if read[0] >= place:
                self._keep(*read)
                break
            self._passed.append(read)
        return self._kept.get(place)

    def kept(self, place: int) -> bytes | None:
        """See `Pictures`."""
        return self._kept.get(place)

    def look(self, place: int) -> None:
        """See `Pictures`."""
        self._wanted = place

    def ahead(self) -> bool:
        """See `Pictures`."""
        if self._passed:
            self._keep(*self._passed.pop())
            return True
        if self._reading is not None and self._wanted - _BEHIND <= self._reading.place < self._wanted + _AHEAD:
            if (read := self._reading.next()) is not None:
                self._keep(*read)
                return True
            self._end_reading()
        return self._prepare()

    def close(self) -> None:
        """See `Pictures`."""
        self._end_readings()
        self._kept.close()

    def _prepare(self) -> bool:
        """Prepare the next frame of the whole clip, where there is room for all of it."""
        if self._swept or len(self._times) * self._kept.mean > _ROOM:
            return False
        if self._sweep is None:
            self._sweep = _Reading(self._open(None), self._places)
        read = self._sweep.next()
        if read is None:
            self._sweep.close()
            self._swept, self._sweep = True, None
            return False
        self._keep(*read)
        return True

    def _keep(self, place: int, frame: Frame) -> None:
        if place not in self._kept:
            self._kept.put(place, _jpeg(frame))

    def _begin(self, place: int) -> None:
        self._end_reading()
        time = float(self._times[place])
        source = self._open(time - _EARLY if place else None)
        if place and source.info.start > time + _EARLY:  # times that do not lead there: from the clip's beginning
            source.close()
            source = self._open(None)
        self._reading = _Reading(source, self._places)

    def _end_readings(self) -> None:
        self._end_reading()
        if self._sweep is not None:
            self._sweep.close()
            self._sweep = None

    def _end_reading(self) -> None:
        if self._reading is not None:
            self._reading.close()
            self._reading = None

    def _open(self, start: float | None) -> Source:
        settings = capture_of(self._log, start if start is None else max(0.0, start), None)
        return open_source(Location(self._path.name, video=self._path), settings)


class _Reading:
    """A clip that is being decoded, and which of the log's frames came last."""

    def __init__(self, source: Source, places: Mapping[int, int]) -> None:
        self.place = -1
        """Of the frame that came last; -1 of none."""
        self._source, self._places = source, places
        self._frames = source.frames()

    def next(self) -> tuple[int, Frame] | None:
        """The next frame that the log has, and its place there; None where there is none."""
        for unknown, frame in enumerate(self._frames):
            place = self._places.get(frame.pts)
            if place is not None:
                self.place = place
                return place, frame
            if unknown > _TRIED:
                break
        return None

    def close(self) -> None:
        """End it."""
        self._frames.close()
        self._source.close()


class Separate:
    """Pictures that are files of their own."""

    def __init__(self, log: Path, names: Sequence[str], folder: Path | None) -> None:
        self._log, self._names, self._folder = log, names, folder
        if folder is not None and not folder.is_dir():
            raise SourceError(f"{folder}: no such folder; --source is the folder of the pictures of the run")
        if len(names) and self._path(names[0]) is None:
            raise SourceError(f"{log}: is of {names[0]}, and no such picture is here; give their folder with --source")
        self._kept = _Kept()

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

    def kept(self, place: int) -> bytes | None:
        """See `Pictures`."""
        return self._kept.get(place)

    def look(self, place: int) -> None:
        """See `Pictures`."""

    def ahead(self) -> bool:
        """See `Pictures`."""
        return False

    def follow(self, tracks: Tracks) -> None:
        """See `Pictures`."""
        assert tracks.sources is not None
        self._names = tracks.sources

    def close(self) -> None:
        """See `Pictures`."""
        self._kept.close()

    def _path(self, name: str) -> Path | None:
        given = Path(name)
        beside = (self._log.parent, self._log.parent.parent)
        places = [self._folder / given.name] if self._folder else [given, *(each / given for each in beside)]
        return next((path for path in places if path.is_file()), None)


class _Kept:
    """JPEGs by place, in a temporary file, for any thread; when it is full, it begins anew."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 # `close` closes it
        self._held: dict[int, tuple[int, int]] = {}
        self._end = 0
        self._lock = threading.Lock()

    def __contains__(self, place: int) -> bool:
        return place in self._held

    @property
    def mean(self) -> float:
        """Bytes of a JPEG."""
        return self._end / max(1, len(self._held))

    def get(self, place: int) -> bytes | None:
        """The JPEG of this place, where it is kept."""
        with self._lock:
            if place not in self._held or self._file.closed:
                return None
            start, length = self._held[place]
            self._file.seek(start)
            return self._file.read(length)

    def put(self, place: int, jpeg: bytes) -> None:
        """Keep it."""
        with self._lock:
            if self._end + len(jpeg) > _ROOM:
                self._held.clear()
                self._end = 0
            self._file.seek(self._end)
            self._file.write(jpeg)
            self._held[place] = self._end, len(jpeg)
            self._end += len(jpeg)

    def close(self) -> None:
        """Give the file back."""
        with self._lock:
            self._file.close()


class PictureThread:
    """A thread that reads pictures for a server: the newest wish first, and ahead of wishes when there is none."""

    def __init__(self, pictures: Pictures, loop: asyncio.AbstractEventLoop) -> None:
        self._pictures, self._loop = pictures, loop
        self._wishes: dict[int, list[asyncio.Future[bytes | None]]] = {}
        self._work: Callable[[Pictures], object] | None = None
        self._near: int | None = None
        """A place that was asked for, and was there already."""
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="pictures", daemon=True)
        self._thread.start()

    async def get(self, place: int) -> bytes | None:
        """See `Pictures.read`. Who does not wait any longer is not served."""
        if (kept := self._pictures.kept(place)) is not None:
            with self._changed:
                self._near = place
                self._changed.notify()
            return kept
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
                while not (self._closed or self._wishes or self._work or ahead or self._near is not None):
                    self._changed.wait()
                if self._closed:
                    break
                work, self._work = self._work, None
                near, self._near = self._near, None
                place, waiting = self._wishes.popitem() if self._wishes else (None, [])
            if work is not None:
                work(self._pictures)
            if near is not None:
                self._pictures.look(near)
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
