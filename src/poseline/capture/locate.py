"""From what the user types to sources: cameras, addresses, files, folders and patterns."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from poseline.capture.camera import Camera
from poseline.capture.container import is_url, open_container
from poseline.capture.file import Rehearsal, VideoFile, check_readable
from poseline.capture.network import STREAM_SCHEMES, may_be_live
from poseline.capture.pictures import PICTURE_SUFFIXES, Pictures
from poseline.capture.source import Source
from poseline.capture.stream import NetworkStream, is_live
from poseline.errors import SourceError

if TYPE_CHECKING:
    from poseline.settings import CaptureSettings

_VIDEO_SUFFIXES = frozenset(
    {".3gp", ".asf", ".avi", ".flv", ".gif", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ogv",
     ".ts", ".webm", ".wmv"}
)  # fmt: skip


@dataclass(frozen=True)
class Location:
    """Where one source is: a camera's number, an address, a video file, or picture files."""

    name: str
    """A short name for the folder of its results."""
    camera: int | None = None
    url: str | None = None
    video: Path | None = None
    pictures: tuple[Path, ...] = ()

    @property
    def live(self) -> bool:
        """Whether it may have no end: a camera, or an address that does not name a recorded file."""
        return self.camera is not None or (self.url is not None and may_be_live(self.url))

    @property
    def inputs(self) -> tuple[Path, ...]:
        """The files it is read from."""
        return (self.video,) if self.video else self.pictures


def locate(sources: Sequence[str | Path]) -> list[Location]:
    """One location a video, camera or address; pictures that follow each other are one location.

    Raises:
        SourceError: a file, folder or pattern that leads to nothing readable.
    """
    found: list[Location] = []
    for source in sources:
        for location in _expand(str(source)):
            if location.pictures and found and found[-1].pictures:
                location = Location("pictures", pictures=found.pop().pictures + location.pictures)
            found.append(location)
    return found


def open_source(location: Location | str | Path, settings: CaptureSettings, consumer: str = "cpu") -> Source:
    """Open one source. Files give every frame, unless `settings.live` makes a camera of them.

    `consumer` is the device that works on the pictures, such as `cuda`: where it has a decoder of its own, and
    `settings.decoder` lets it, the pictures of a file stay in its memory.

    Raises:
        SourceError: it cannot be opened, or `location` stands for several.
    """
    if not isinstance(location, Location):
        found = locate([location])
        if len(found) != 1:
            raise SourceError(f"{location}: holds {len(found)} sources; open them one by one")
        location = found[0]
    if location.camera is not None:
        return Camera(location.camera, settings)
    if location.pictures:
        return Pictures(location.pictures, settings)
    opened = open_container(location.url, settings) if location.url else None
    if location.url and opened and is_live(opened):
        return NetworkStream(location.url, settings, opened)
    recording = VideoFile(location.video or str(location.url), settings, opened, consumer)
    return Rehearsal(recording) if settings.live else recording


def _expand(source: str) -> list[Location]:
    if source.isdecimal():
        return [Location(f"camera-{int(source)}", camera=int(source))]
    if is_url(source):
        return [_address(source)]
    path = Path(source).expanduser()
    if os.path.isdir(path):  # unlike Path.is_dir, also says no to a name that is too long
        return _folder(path, _listed(path))
    if glob.has_magic(source) and not os.path.lexists(path):
        return _folder(path, [Path(name) for name in sorted(glob.glob(str(path), recursive=True))])
    check_readable(path)
    return [_file(path)]


def _address(url: str) -> Location:
    scheme, _, rest = url.partition("://")
    if scheme.lower() not in STREAM_SCHEMES:
        raise SourceError(f"{url}: {scheme}:// is not among {', '.join(STREAM_SCHEMES)}")
    if re.search(r"\s", url):
        raise SourceError(f"an address of {scheme}:// holds a space; write it as %20")  # the rest may be a password
    # Not urlsplit: a password may hold / # ? and [ too, and must not become a part of the folder's name.
    host = re.split(r"[/?#]", rest.rpartition("@")[2])[0]
    host = re.sub(r"[^\w.-]+", "-", host).strip("-") or "stream"
    return Location(f"{scheme}-{host}", url=url)


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise SourceError(f"{folder}: the folder cannot be read: {error.strerror}") from error


def _folder(path: Path, files: Sequence[Path]) -> list[Location]:
    known = [file for file in files if file.is_file() and file.suffix.lower() in PICTURE_SUFFIXES | _VIDEO_SUFFIXES]
    if not known:
        raise SourceError(f"{path}: holds no picture or video" if path.is_dir() else f"{path}: matches no file")
    pictures = tuple(file for file in known if file.suffix.lower() in PICTURE_SUFFIXES)
    name = pictures[0].stem if len(pictures) == 1 else path.resolve().name if path.is_dir() else "pictures"
    together = [Location(name, pictures=pictures)] if pictures else []
    return together + [_file(file) for file in known if file not in pictures]


def _file(path: Path) -> Location:
    if path.suffix.lower() in PICTURE_SUFFIXES:
        return Location(path.stem, pictures=(path,))
    return Location(path.stem, video=path)
