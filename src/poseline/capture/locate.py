"""From what the user types to sources: cameras, addresses, files, folders and patterns."""

from __future__ import annotations

import glob
import logging
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av.error

from poseline.amounts import whole_in
from poseline.capture.animation import Animation
from poseline.capture.camera import Camera
from poseline.capture.camera_list import SUFFIXES, read_camera_list
from poseline.capture.container import MJPEG, Opened, is_url, open_container
from poseline.capture.file import NoFrame, SimulatedCamera, VideoFile, check_readable
from poseline.capture.folder import Search, listed, matching, shortened
from poseline.capture.http_address import NotAnImage, image_name, is_http, is_image_address
from poseline.capture.images import Images
from poseline.capture.network import STREAM_SCHEMES, may_be_live, named_host
from poseline.capture.part import NoPart, refuse_part
from poseline.capture.recognise import ANIMATED_WEBP, IMAGE_SUFFIXES, MOTION_JPEG, Kind, Recognised, recognise
from poseline.capture.source import Source
from poseline.capture.stream import NetworkStream, is_live
from poseline.errors import SourceError, redact
from poseline.home import expanded
from poseline.short_repr import short_repr
from poseline.words import counted

if TYPE_CHECKING:
    from poseline.settings import CaptureSettings

log = logging.getLogger("poseline")

_YOUTUBE = r"(www\.|m\.)?(youtube\.com|youtu\.be)/"
_WITHOUT_SCHEME = re.compile(r"[^\s/:@]{2,}:\S+@[\w.-]+(:\d+)?(/\S*)?")
"""`user:password@host`."""
_NO_VIDEO = (av.error.ArgumentError, av.error.InvalidDataError, av.error.PatchWelcomeError)
"""What FFmpeg says of a picture behind an address."""


@dataclass(frozen=True)
class Location:
    """Where one source is: a camera's number, an address, a video file, or pictures."""

    name: str
    """A short name for the folder of its results."""
    camera: int | None = None
    url: str | None = None
    video: Path | None = None
    pictures: tuple[Path | str, ...] = ()
    """Files, and addresses of pictures."""
    own: tuple[tuple[str, Any], ...] = ()
    """Settings of this source alone, by the names of `CaptureSettings`; they win."""

    __repr__ = short_repr  # which hides passwords

    @property
    def live(self) -> bool:
        """Whether it may have no end: a camera, or an address that does not name a recorded file."""
        return self.camera is not None or (self.url is not None and may_be_live(self.url))

    @property
    def inputs(self) -> tuple[Path, ...]:
        """The files it is read from."""
        return (self.video,) if self.video else tuple(place for place in self.pictures if isinstance(place, Path))

    def settings(self, common: CaptureSettings) -> CaptureSettings:
        """What it is read by: the common settings, or its own where it has any."""
        return common.model_copy(update=dict(self.own)) if self.own else common


def locate(sources: Sequence[str | Path], recursive: bool = False) -> list[Location]:
    """One location a video, camera or address; pictures that follow each other are one location.

    Of a folder or pattern, what would open by itself is taken, and what is passed over is logged in one line. With
    `recursive`, folders within a folder are searched too. A file that is reached in several ways is taken once.

    Raises:
        SourceError: a file, folder or pattern that leads to nothing readable.
    """
    found: list[Location] = []
    seen: set[Path] = set()
    for source in sources:
        for location in _unseen(_expand(str(source), recursive), seen):
            if location.pictures and found and found[-1].pictures:
                location = Location("pictures", pictures=found.pop().pictures + location.pictures)
            found.append(location)
    return found


def locate_one(source: str | Path, verb: str) -> Location:
    """The location of one source; `verb` is what the caller does with it, such as `open`.

    Raises:
        SourceError: it leads to nothing readable, or stands for several.
    """
    found = locate([source])
    if len(found) != 1:
        raise SourceError(f"{source}: holds {len(found)} sources; {verb} them one by one")
    return found[0]


def _unseen(locations: Sequence[Location], seen: set[Path]) -> list[Location]:
    """The locations without those files that were `seen` before, under this name or another."""
    found, again = [], []
    for location in locations:
        new: list[Path | str] = []
        for place in location.pictures or location.inputs:
            real = place.resolve() if isinstance(place, Path) else None
            if real in seen:
                again.append(str(place))
                continue
            if real is not None:
                seen.add(real)
            new.append(place)
        if new or not location.inputs:
            found.append(replace(location, pictures=tuple(new)) if location.pictures else location)
    if again:
        log.info("%s passed over, given before: %s", counted(len(again), "file"), shortened(again))
    return found


def check_part(location: Location, settings: CaptureSettings) -> None:
    """Raise a SourceError where a part is asked for of what has no times; of an address only its content tells."""
    if location.camera is not None:
        refuse_part(settings, location.name, "a camera")
    elif location.pictures and not _is_one_address(location.pictures):
        refuse_part(settings, location.name, "a picture" if len(location.pictures) == 1 else "a row of pictures")


def _is_one_address(places: Sequence[Path | str]) -> bool:
    """Whether it is one address that names a picture: what it sends may be an animation all the same."""
    return len(places) == 1 and isinstance(places[0], str)


def open_source(location: Location | str | Path, settings: CaptureSettings, consumer: str = "cpu") -> Source:
    """Open one source. Files give every frame, unless `settings.live` makes a camera of them.

    `consumer` is the device that works on the pictures, such as `cuda`: where it has a decoder of its own, and
    `settings.decoder` lets it, the pictures of a file stay in its memory.

    Raises:
        SourceError: it cannot be opened, or `location` stands for several.
    """
    if not isinstance(location, Location):
        location = locate_one(location, "open")
    settings = location.settings(settings)
    check_part(location, settings)
    if location.camera is not None:
        return Camera(location.camera, settings)
    if location.pictures:
        return _open_images(location.pictures, settings)
    if location.url:
        return _open_address(location.url, settings)
    assert location.video is not None
    recording: Source
    if recognise(location.video) is ANIMATED_WEBP:
        recording = Animation(location.video, settings)
    else:
        recording = VideoFile(location.video, settings, consumer=consumer)
    return _paced(recording, settings)


def _open_images(places: Sequence[Path | str], settings: CaptureSettings) -> Source:
    try:
        return _still(places, settings)
    except NotAnImage as error:  # an animation, or of a camera that calls its stream video.jpg
        url = str(places[0])
        if source := _open_recognised(url, error.found, settings):
            return source
        try:
            return _open_video(url, settings)
        except NoPart:
            raise
        except SourceError as failure:
            is_video = error.found is not None and error.found.kind is Kind.VIDEO
            raise failure if is_video else error from None


def _still(places: Sequence[Path | str], settings: CaptureSettings) -> Images:
    """Pictures without times, of which there is no part."""
    images = Images(places, settings)
    refuse_part(settings, images.info.name, "a picture")
    return images


def _open_address(url: str, settings: CaptureSettings) -> Source:
    """A stream, a recording, or what only its content tells: a picture, such as an IP camera's snapshot."""
    try:
        return _open_video(url, settings)
    except SourceError as error:
        if not is_http(url) or not (isinstance(error, NoFrame) or isinstance(error.__cause__, _NO_VIDEO)):
            raise
        failure = error
    try:
        return _still([url], settings)
    except NotAnImage as error:
        if source := _open_recognised(url, error.found, settings):
            return source
        named = error.found is not None and error.found.kind is Kind.OTHER
        raise error if named else failure from None
    finally:
        del failure  # its traceback refers to this call


def _open_recognised(url: str, found: Recognised | None, settings: CaptureSettings) -> Source | None:
    """What FFmpeg does not recognise by itself, but its content tells."""
    if found is ANIMATED_WEBP:
        return _paced(Animation(url, settings), settings)
    if found is MOTION_JPEG:
        return _source_of(open_container(url, settings, form=MJPEG), url, settings)
    return None


def _open_video(url: str, settings: CaptureSettings) -> Source:
    """What FFmpeg opens, or a photo that it takes for a video."""
    opened = open_container(url, settings)
    if is_http(url) and _may_be_a_photo(opened):
        try:
            pictures = _still([url], settings)
        except NotAnImage:
            return _source_of(opened, url, settings)
        except SourceError:
            opened.container.close()
            raise
        opened.container.close()
        return pictures
    return _source_of(opened, url, settings)


def _source_of(opened: Opened, url: str, settings: CaptureSettings) -> Source:
    if is_live(opened):
        if settings.in_part:
            opened.container.close()
        refuse_part(settings, redact(url), "a live stream")
        return NetworkStream(url, settings, opened)
    return _paced(VideoFile(url, settings, opened), settings)


def _paced(recording: Source, settings: CaptureSettings) -> Source:
    """The recording, made a camera of where that is wanted."""
    return SimulatedCamera(recording) if settings.live else recording


def _may_be_a_photo(opened: Opened) -> bool:
    """Whether it is as FFmpeg shows a HEIC or AVIF picture: streams of one picture, one for each tile."""
    return "mp4" in opened.container.format.name and opened.stream.frames == 1


def _of_list(path: Path, recursive: bool) -> list[Location]:
    """The sources that a YAML file lists, each under the name that it has there."""
    found: list[Location] = []
    for listed_source in read_camera_list(path):
        if Path(listed_source.source).suffix.lower() in SUFFIXES:
            raise SourceError(f"{path}: {listed_source.source} is a list too; name its sources here")
        named = _expand(listed_source.source, recursive)
        if listed_source.name and len(named) > 1:
            raise SourceError(
                f"{path}: {listed_source.source} stands for {len(named)} sources, which cannot share a name"
            )
        found += [replace(each, name=listed_source.name or each.name, own=listed_source.own) for each in named]
    return found


def _expand(source: str, recursive: bool) -> list[Location]:
    if not source.strip():
        raise SourceError("a SOURCE is empty; give a camera's number, a file, a folder or an address")
    if (number := whole_in(source)) is not None:
        return [Location(f"camera-{number}", camera=number)]
    if is_url(source):
        return [_address(source)]
    path = expanded(source)
    if path.suffix.lower() in SUFFIXES:
        return _of_list(path, recursive)
    if os.path.isdir(path):  # unlike Path.is_dir, also says no to a name that is too long
        return _folder(path, listed(path), recursive)
    if glob.has_magic(source) and not os.path.lexists(path):
        matches = matching(path)
        if "**" in source:  # what folders hold is matched already
            matches = [match for match in matches if not match.is_dir()]
        return _folder(path, matches, recursive)
    if _WITHOUT_SCHEME.fullmatch(source) and not os.path.lexists(path):  # it is not repeated: it may hold a password
        raise SourceError(
            f"an address begins with its scheme, such as rtsp://; the one of {source.rpartition('@')[2]} has none"
        )
    check_readable(path)
    return [_file(path)]


def _address(url: str) -> Location:
    scheme, _, rest = url.partition("://")
    if scheme.lower() not in STREAM_SCHEMES:
        raise SourceError(f"{url}: {scheme}:// is not among {', '.join(STREAM_SCHEMES)}")
    if re.search(r"\s", url):
        raise SourceError(f"an address of {scheme}:// holds a space; write it as %20")  # the rest may be a password
    if re.match(_YOUTUBE, rest, re.IGNORECASE):
        raise SourceError(f"{url}: is a page, not a video; fetch the video first: yt-dlp -o clip.mp4 ADDRESS")
    if is_image_address(url) and (name := image_name(url)):
        return Location(name, pictures=(url,))
    host = re.sub(r"[^\w.-]+", "-", named_host(url)).strip("-") or "stream"
    return Location(f"{scheme}-{host}", url=url)


def _folder(path: Path, entries: Sequence[Path], recursive: bool) -> list[Location]:
    """What a folder holds, or a pattern matches: its pictures together, and each video by itself."""
    search = Search()
    search.add(entries, recursive)
    is_folder = path.is_dir()
    if not search.media:
        seen = f" ({search.passed_over})" if search.passed_over else ""
        nothing = "picture or video" if is_folder or entries else "file"
        raise SourceError(f"{path}: {'holds' if is_folder else 'matches'} no {nothing}{seen}")
    if search.passed_over:
        log.info("%s: %s", path, search.passed_over)
    found = [_file(file, name) for file, name in search.media]
    pictures = tuple(picture for location in found for picture in location.pictures)
    videos = [location for location in found if location.video]
    if not pictures:
        return videos
    alone = next(location.name for location in found if location.pictures) if len(pictures) == 1 else ""
    return [Location(alone or (path.resolve().name if is_folder else "pictures"), pictures=pictures), *videos]


def _file(path: Path, name: str | None = None) -> Location:
    """A picture or a video, by its content, and by its name where that says nothing."""
    found = recognise(path)
    if found is not None and found.kind is not Kind.OTHER:
        picture = found.kind is Kind.IMAGE
    else:
        picture = path.suffix.lower() in IMAGE_SUFFIXES
    name = path.stem if name is None else name
    return Location(name, pictures=(path,)) if picture else Location(name, video=path)
