"""Importing: another program's keypoints as a run's folder with a log, for analysis, rendering and comparison."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from poseline import __version__
from poseline.atomic import make_folder, replacing
from poseline.errors import OutputError, SettingsError, SourceError
from poseline.formats.clip import MOST_FRAMES, ClipFrames, read_clip
from poseline.formats.files import reading
from poseline.formats.options import ImportOptions
from poseline.formats.registry import Format, Read, format_of
from poseline.log import LOG_NAME, Tracks, write_tracks
from poseline.pose import Integers
from poseline.skeleton import Skeleton

_LONGEST_SIDE = 1_000_000
"""Pixels; no picture is larger."""
_LARGEST = 2**53
"""No frame has such a number."""


class Imported(NamedTuple):
    """What was read."""

    tracks: Tracks
    """The poses, with their times and their picture's size."""
    log: Path | None
    """The keypoint log that was written; None where no folder was given."""
    notes: list[str]
    """What the file does not hold, and what stands in its place, in words."""


def import_log(
    path: str | Path,
    format: str,  # noqa: A002 # the word of the command line
    folder: str | Path | None = None,
    *,
    video: str | Path | None = None,
    fps: float | None = None,
    size: tuple[int, int] | None = None,
    first: int = 0,
    skeleton: str | Path | Skeleton | None = None,
    overwrite: bool = False,
) -> Imported:
    """Read another program's keypoints, and write a log of them; docs/formats.md describes each format.

    Args:
        path: the file, or the folder of files.
        format: the name of its format, such as `coco`.
        folder: where to write `keypoints.jsonl`; it is made if it is missing. None: only the arrays are returned.
        video: the clip that the keypoints are of: it gives the times of frames and the size of the picture.
        fps: frames a second, where the file holds no times and there is no clip: frame n is at n / fps seconds.
        size: (width, height) of the picture in pixels, where the file does not hold it and there is no clip.
        first: the file's number of the clip's first frame, such as 1, where it holds no times.
        skeleton: names of the keypoints, where the file does not hold them: a `Skeleton`, or its YAML file.
        overwrite: replace the log that the folder holds.

    Raises:
        SourceError: the file or the clip cannot be read, or they do not belong together.
        SettingsError: an unknown format, an option that is missing, or a module that is not installed.
        OutputError: the log cannot be written, or is there and `overwrite` is off.
    """
    path = Path(path)
    chosen = format_of("--from", format, readable=True)
    if fps is not None and not (math.isfinite(fps) and fps > 0 and math.isfinite(MOST_FRAMES / fps)):
        raise SettingsError(f"--fps: more than 0 frames a second, got {fps:g}")
    if fps is not None and video is not None:
        raise SettingsError("--fps: the times of frames come from --video; leave one of the two out")
    log = None if folder is None else _place(Path(folder), overwrite)
    if not path.exists():
        raise SourceError(f"{path}: no such file or folder")
    clip = None if video is None else read_clip(Path(video))
    if clip is not None and size not in (None, clip.size):
        raise SettingsError(f"--size: the clip's picture is {clip.size[0]}x{clip.size[1]}; leave --size out")
    if size is not None and not 0 < min(size) <= max(size) <= _LONGEST_SIDE:
        raise SettingsError(f"--size: no picture has {size[0]}x{size[1]} pixels")
    if abs(first) >= _LARGEST:
        raise SettingsError(f"--first: no frame has the number {first}")
    if skeleton is not None and not isinstance(skeleton, Skeleton):
        skeleton = Skeleton.load(skeleton)
    told = size if clip is None else clip.size
    read = _read(chosen, path, ImportOptions(told, skeleton))
    read = _from_first(path, read, first, placed=clip is not None or fps is not None)
    tracks = _sized(path, _timed(path, read, clip, fps), clip, size)
    tracks = replace(tracks, header=_header(path, chosen.name, tracks, clip, fps, read.notes))
    if log is not None:
        make_folder(log.parent)
        with replacing(log) as temporary:
            write_tracks(temporary, tracks)
    return Imported(tracks, log, list(read.notes))


def _read(chosen: Format, path: Path, options: ImportOptions) -> Read:
    """What the file holds, in its order and with numbers that can be."""
    assert chosen.read is not None
    with reading(path, chosen.name):
        read = chosen.read(path, options)
    frames, times = read.tracks.frames, read.tracks.times
    if not len(frames):
        raise SourceError(f"{path}: holds no frame")
    if frames[0] < 0 or (np.diff(frames) <= 0).any():
        raise SourceError(f"{path}: a frame has a number below 0, or the same as another")
    if frames[-1] - frames[0] >= MOST_FRAMES:
        raise SourceError(f"{path}: frames {frames[0]} to {frames[-1]} are no frames of one clip")
    sizes = np.array([read.tracks.size], np.float64) if read.tracks.shapes is None else read.tracks.shapes[:, :2]
    if ((sizes < 0) | (sizes > _LONGEST_SIDE)).any():
        width, height = sizes[((sizes < 0) | (sizes > _LONGEST_SIDE)).any(axis=1)][0]
        raise SourceError(f"{path}: no picture has {width:g}x{height:g} pixels")
    if (np.diff(times) < 0).any():
        place = int(np.argmax(np.diff(times) < 0)) + 1
        raise SourceError(f"{path}: the time of frame {frames[place]} is before that of the frame before it")
    return read


def _place(folder: Path, overwrite: bool) -> Path:
    """The log in a folder."""
    log = folder / LOG_NAME
    if log.exists() and not overwrite:
        raise OutputError(f"{log} exists: try --overwrite, or another folder with -o")
    return log


def _from_first(path: Path, read: Read, first: int, placed: bool) -> Read:
    """The same with frames counted from 0, where they are `placed` in time by their numbers."""
    tracks, notes = read.tracks, list(read.notes)
    if np.isfinite(tracks.times).all() or not placed:
        if first:
            raise SettingsError(f"--first: the frames of {path.name} are not placed by their numbers; leave it out")
        return read
    if tracks.frames[0] < first:
        raise SettingsError(f"--first {first}: {path.name} has a frame {tracks.frames[0]} before it")
    if first == 0 and tracks.frames[0] == 1:
        notes.append("frame 1 is the clip's second; if the file counts from 1, say --first 1")
    return read._replace(tracks=replace(tracks, frames=tracks.frames - first), notes=notes)


def _timed(path: Path, read: Read, clip: ClipFrames | None, fps: float | None) -> Tracks:
    """The same with times: the clip's, those of the file, or by the rate."""
    tracks = read.tracks
    known = bool(np.isfinite(tracks.times).all())
    if known and fps is not None:
        raise SettingsError(f"--fps: {path.name} holds the times of its frames; leave --fps out")
    if clip is not None:
        return _on_clip(path, read, clip)
    if known:
        return tracks
    if fps is not None:
        if read.sparse:
            tracks = _among(tracks, np.arange(tracks.frames[0], tracks.frames[-1] + 1))
        return replace(tracks, times=tracks.frames / fps, sources=None, shapes=None)
    if tracks.sources is not None:  # as in the log of a run over pictures
        places = np.arange(len(tracks))
        return replace(tracks, frames=places, times=places.astype(np.float64))
    raise SettingsError(f"{path.name} holds no times: give the clip with --video, or its rate with --fps")


def _on_clip(path: Path, read: Read, clip: ClipFrames) -> Tracks:
    """The poses on frames of the clip, with their time stamps."""
    tracks = read.tracks
    place = tracks.frames
    if np.isfinite(tracks.times).all():
        place = np.searchsorted((clip.times[1:] + clip.times[:-1]) / 2, tracks.times)  # the nearest frame
        step = float(np.median(np.diff(clip.times))) if len(clip) > 1 else 1.0
        off = float(np.abs(clip.times[place] - tracks.times).max())
        if off > step / 2 or (np.diff(place) <= 0).any():
            raise SourceError(f"{path}: its times are not those of the frames of {clip.path}; is it another clip?")
    elif place[-1] >= len(clip) or place[0] < 0:
        frames = f"frames {place[0]} to {place[-1]}, and {clip.path} has 0 to {len(clip) - 1}"
        raise SourceError(f"{path}: has {frames}; is it another clip?")
    tracks = replace(tracks, frames=place, sources=None, shapes=None, pixel_aspect=clip.pixel_aspect)
    if read.sparse:
        tracks = _among(tracks, np.arange(len(clip)))
    return replace(tracks, times=clip.times[tracks.frames], pts=clip.pts[tracks.frames])


def _among(tracks: Tracks, frames: Integers) -> Tracks:
    """The same poses among more frames, those numbered `frames`, ascending."""
    place = np.searchsorted(frames, tracks.frames)
    return replace(tracks, frames=frames, rows=replace(tracks.rows, frame=place[tracks.rows.frame]))


def _sized(path: Path, tracks: Tracks, clip: ClipFrames | None, size: tuple[int, int] | None) -> Tracks:
    """The same with the size of the picture."""
    if clip is None and tracks.shapes is not None and np.isfinite(tracks.shapes).all():
        return replace(tracks, size=tuple(tracks.shapes[0, :2].astype(int).tolist()))
    told = clip.size if clip else size
    if told is None and not all(tracks.size):
        raise SettingsError(f"{path.name} does not hold the size of the picture: give --video, or --size WxH")
    if told is not None and all(tracks.size) and tuple(tracks.size) != tuple(told):
        held, given = ("{}x{}".format(*each) for each in (tracks.size, told))
        raise SourceError(f"{path}: its picture is {held}, not {given}; is it another clip?")
    return replace(tracks, size=tracks.size if told is None else told)


def _header(
    path: Path, format_name: str, tracks: Tracks, clip: ClipFrames | None, fps: float | None, notes: Sequence[str]
) -> dict[str, Any]:
    """The first record of the log: where it comes from."""
    held: dict[str, Any] = tracks.header
    video = dict(held.get("video") or {})
    if clip is not None:
        video |= {"fps": clip.fps, "time_base": clip.time_base}
    elif fps is not None:
        video["fps"] = fps
    return {
        "source": str(clip.path) if clip else held.get("source") or str(path),
        "video": None if tracks.sources is not None else video,
        "versions": {"poseline": __version__},
        "started": datetime.now(timezone.utc).astimezone().isoformat(timespec="seconds"),
        "imported": {
            "format": format_name,
            "file": str(path),
            "video": None if clip is None else str(clip.path),
            "notes": list(notes),
        },
    }
