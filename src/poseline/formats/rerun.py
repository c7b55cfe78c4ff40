"""Rerun's `.rrd`: poses in time over the clip, to be looked at with `rerun keypoints.rrd`.

Everybody has an entity below `clip` with one row for each frame in which they are, and an empty one where they leave:
Rerun shows the last row until the next. With `--pictures` an MP4 of moderate size is in the file itself.
"""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poseline.atomic import replacing
from poseline.errors import OutputError, SourceError
from poseline.formats.arrays import person_name
from poseline.formats.options import ExportOptions
from poseline.log import Tracks
from poseline.log.tracks import Rows
from poseline.pose import UNTRACKED, Integers

_CLIP = "clip"
_LARGEST = 200_000_000
"""Bytes of a clip that is put into the file; it is in memory meanwhile."""
_GOLDEN = 0.618034
"""Turns between the hues of ids that follow each other: neighbours look different."""


def write(tracks: Tracks, target: Path, options: ExportOptions) -> Sequence[str]:
    """Write the recording; returns a note where the clip is not in it."""
    import rerun

    with replacing(target) as temporary:
        recording = rerun.RecordingStream("poseline")
        try:
            recording.save(temporary)
            note = _send_clip(recording, tracks, options.pictures_of)
            recording.log(_CLIP, _context(tracks), static=True)
            for name, color, rows in _persons(tracks):
                _send_person(recording, tracks, f"{_CLIP}/{name}", color, rows)
        finally:
            recording.disconnect()  # writes what is left
    return [note] if note else []


def validate(target: Path) -> None:
    """Raise an OutputError unless the file is a whole recording."""
    from rerun.chunk import RrdReader

    try:
        reader = RrdReader(target)
        names = [str(entry) for entry in reader.store().schema().index_columns()] if reader.recordings() else []
    except Exception as error:  # noqa: BLE001 # its own library raises errors of many kinds for a file that is not whole
        raise OutputError(f"{target}: is not a recording of Rerun: {error}") from None
    if not names:
        raise OutputError(f"{target}: is not a recording of Rerun: it has no time in it")


def _persons(tracks: Tracks) -> list[tuple[str, tuple[int, ...], Rows]]:
    """Name, colour and rows of everybody; poses without an id are told apart by their place in the frame."""
    rows = tracks.rows
    rank = np.arange(len(rows)) - np.searchsorted(rows.frame, rows.frame)
    whose = np.where(rows.id == UNTRACKED, -1 - rank, rows.id)
    order = np.argsort(whose, kind="stable")
    numbers, starts = np.unique(whose[order], return_index=True)
    found = []
    for number, own in zip(numbers.tolist(), np.split(order, starts[1:]), strict=True):
        name = person_name(tracks, number) if number >= 0 else f"without_id_{-number}"
        hue = colorsys.hsv_to_rgb(number * _GOLDEN % 1, 0.8, 1.0)
        found.append((name, tuple(round(255 * part) for part in hue), rows[own]))
    return found


def _send_person(recording: Any, tracks: Tracks, entity: str, color: tuple[int, ...], rows: Rows) -> None:
    import rerun

    leaves = np.setdiff1d(rows.frame + 1, rows.frame)
    leaves = leaves[leaves < len(tracks)]  # where an empty row comes
    frames = np.concatenate([rows.frame, leaves])
    order = np.argsort(frames, kind="stable")
    there = np.isfinite(rows.keypoints[:, :, :2]).all(axis=2)
    lengths = np.concatenate([there.sum(axis=1), np.zeros(len(leaves), np.intp)])[order]
    points, identity = rows.keypoints[there], np.nonzero(there)[1]
    boxes = np.concatenate([np.ones(len(rows), np.intp), np.zeros(len(leaves), np.intp)])[order]
    index = _index(tracks, frames[order])
    recording.log(entity, rerun.Points2D.from_fields(class_ids=[0], colors=[color], radii=[rerun.Radius.ui_points(3)]),
                  static=True)  # fmt: skip
    keypoints = rerun.Points2D.columns(positions=points[:, :2], keypoint_ids=identity)
    confidence = rerun.AnyValues.columns(confidence=points[:, 2])
    recording.send_columns(entity, index, [*keypoints.partition(lengths), *confidence.partition(lengths)])
    middle, half = (rows.box[:, 2:] + rows.box[:, :2]) / 2, (rows.box[:, 2:] - rows.box[:, :2]) / 2
    around = rerun.Boxes2D.columns(centers=middle, half_sizes=half)
    score = rerun.AnyValues.columns(score=rows.score)
    recording.log(f"{entity}/box", rerun.Boxes2D.from_fields(colors=[color]), static=True)
    recording.send_columns(f"{entity}/box", index, [*around.partition(boxes), *score.partition(boxes)])


def _index(tracks: Tracks, places: NDArray[np.intp]) -> list[Any]:
    """The frame numbers and times of some frames."""
    import rerun

    nanoseconds = np.rint(tracks.times[places] * 1e9).astype("timedelta64[ns]")
    return [
        rerun.TimeColumn("frame", sequence=tracks.frames[places]),
        rerun.TimeColumn("time", duration=nanoseconds),
    ]


def _context(tracks: Tracks) -> Any:
    """Names of the keypoints, and the lines between them."""
    import rerun

    names = tracks.skeleton.names
    return rerun.AnnotationContext(
        [
            rerun.ClassDescription(
                info=rerun.AnnotationInfo(id=0, label="person"),
                keypoint_annotations=[rerun.AnnotationInfo(id=index, label=name) for index, name in enumerate(names)],
                keypoint_connections=list(tracks.skeleton.edges),
            )
        ]
    )


def _send_clip(recording: Any, tracks: Tracks, clip: Path | None) -> str | None:
    """Put the clip into the recording, if it can be; returns why not."""
    import rerun

    from poseline.capture.trimmed import hidden_seconds  # decoders take long to import
    from poseline.settings import CaptureSettings

    if clip is None:
        return "without the clip: --pictures puts it in"
    if clip.suffix.lower() not in (".mp4", ".m4v") or not clip.is_file():
        return f"without the clip: Rerun takes MP4 alone, and {clip.name} is none"
    if clip.stat().st_size > _LARGEST:
        return f"without the clip: {clip.name} has more than {_LARGEST // 1_000_000} MB"
    asset = rerun.AssetVideo(path=clip)
    try:
        stamps: Integers = np.sort(np.array(asset.read_frame_timestamps_nanos(), np.int64))
    except RuntimeError as error:
        return f"without the clip: {error}"
    if not len(stamps) or not len(tracks):
        return "without the clip: it has no frames"
    middles = (stamps[1:] + stamps[:-1]) / 2 - stamps[0]
    try:
        hidden = hidden_seconds(clip, CaptureSettings(decoder="cpu"))
    except SourceError as error:
        return f"without the clip: {error}"
    # A log's time is 0 at the first frame that is shown; Rerun also counts those that a trimmed clip hides before it.
    times = tracks.times + hidden
    shown = stamps[np.searchsorted(middles, times * 1e9)]
    recording.log(_CLIP, asset, static=True)
    frames = rerun.VideoFrameReference.columns_nanos(shown)
    recording.send_columns(_CLIP, _index(tracks, np.arange(len(tracks))), frames)
    return None
