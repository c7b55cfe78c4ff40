"""Pictures: the frames of a clip as picture files, what these are called, and which frame one is of."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path, PurePath

import numpy as np

from poseline.atomic import cause
from poseline.errors import OutputError, SourceError
from poseline.frame import Pixels
from poseline.log import Tracks
from poseline.log.tracks import Doubles
from poseline.words import counted

_NUMBERED = re.compile(r"(.*?)(\d+)(\.\w+)?")


def picture_names(tracks: Tracks) -> list[str]:
    """A name for each frame's picture: `clip_000012.jpg` for frame 12; separate pictures keep their own."""
    if tracks.sources is not None:
        names = [PurePath(source).name for source in tracks.sources]
        return names if len(set(names)) == len(names) else list(tracks.sources)
    stem = clip_name(tracks).rpartition(".")[0] or clip_name(tracks)
    return [f"{stem}_{number:06d}.jpg" for number in tracks.frames.tolist()]


def picture_sizes(tracks: Tracks) -> Doubles:
    """(T, 2) width and height of each frame's picture in pixels; 0 where they are not known."""
    if tracks.shapes is None:
        return np.full((len(tracks), 2), tracks.size, np.float64)
    stated = tracks.shapes[:, :2]
    sizes: Doubles = np.where(np.isfinite(stated), stated, tracks.size)
    return sizes


def clip_name(tracks: Tracks) -> str:
    """The clip's name without its folder; `clip` where that is not known."""
    source = str(tracks.header.get("source", "")).split("?")[0].rstrip("/")
    return re.sub(r"[^\w.-]+", "-", re.split(r"[/\\]", source)[-1]).strip("-.") or "clip"


def numbered(names: Sequence[str]) -> list[int] | None:
    """The numbers at the ends of the names of pictures, if the names differ in nothing else; None otherwise."""
    found = [_NUMBERED.fullmatch(PurePath(name).name) for name in names]
    if not all(found):
        return None
    heads = {each[1] for each in found if each}
    numbers = [int(each[2]) for each in found if each]
    return numbers if len(heads) == 1 and len(set(numbers)) == len(numbers) else None


def write_pictures(tracks: Tracks, source: Path, place: Callable[[int], Path]) -> list[str]:
    """Write the picture of each frame, as JPEG of high quality; separate pictures are copied.

    Args:
        tracks: of a clip, with the time stamps of its frames, or of separate pictures.
        source: the clip; of separate pictures, the folder from which their paths go on.
        place: where the picture of a frame goes, by its place among the frames.

    Returns:
        Notes: frames that the clip does not have.

    Raises:
        SourceError: the clip, or a picture, cannot be read.
        OutputError: a picture cannot be written.
    """
    if tracks.sources is not None:
        for number, name in enumerate(tracks.sources):
            _copy(source, name, place(number))
        return []
    missing = set(range(len(tracks)))
    for number, pixels in _frames(tracks, source):
        _save(pixels, place(number))
        missing.discard(number)
    if len(missing) == len(tracks):
        raise SourceError(f"{source}: has none of the log's frames; give the right clip with --clip")
    return [f"{counted(len(missing), 'frame')} of the log not in the clip: without a picture"] if missing else []


def _frames(tracks: Tracks, clip: Path) -> Iterator[tuple[int, Pixels]]:
    """Places among the log's frames, and (H, W, 3) BGR pixels of each."""
    from poseline.capture import locate, open_source  # decoders take long to import
    from poseline.settings import CaptureSettings

    location = locate([clip])[0]
    if location.video is None:
        raise SourceError(f"{clip}: no video file")
    source = open_source(location, CaptureSettings(decoder="cpu"))
    stamps = None if tracks.pts is None else tracks.pts.tolist()
    same_clock = str((tracks.header.get("video") or {}).get("time_base")) == str(source.info.time_base)
    by_stamp = stamps is not None and same_clock
    wanted = {key: place for place, key in enumerate(stamps if by_stamp and stamps else tracks.frames.tolist())}
    with closing(source.frames()) as frames:
        for frame in frames:
            place = wanted.get(frame.pts if by_stamp else frame.index)
            if place is not None:
                yield place, frame.bgr


def _copy(folder: Path, name: str, target: Path) -> None:
    for path in (Path(name), folder / name, folder / PurePath(name).name):
        if os.path.isfile(path):  # unlike Path.is_file, also says no to a name that is too long
            try:
                shutil.copyfile(path, target)
            except OSError as error:
                raise OutputError(f"{target}: cannot be written: {cause(error)}") from error
            return
    raise SourceError(f"{name}: no such picture, here or in {folder}")


def _save(pixels: Pixels, target: Path) -> None:
    import cv2

    done, encoded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 95])
    if not done:
        raise OutputError(f"{target}: the picture cannot be encoded")
    try:
        target.write_bytes(encoded.data)
    except OSError as error:
        raise OutputError(f"{target}: cannot be written: {cause(error)}") from error
