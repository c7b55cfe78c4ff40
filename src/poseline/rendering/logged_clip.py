"""LoggedClip: a keypoint log, and the clip that it is of; together they are a run again, without a network."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from poseline.capture import Location, open_source
from poseline.errors import SourceError
from poseline.frame import Frame
from poseline.log import LoggedFrame, LogReader, clip_of, last_record
from poseline.pipeline.stamp_order import matched
from poseline.pose import Observation
from poseline.rendering.scene import Scene
from poseline.settings import CaptureSettings
from poseline.words import counted, were

_TRIED = 20
"""Records of the log of which at least one must have its frame in the clip."""
_UNLIKE = 0.02
"""Share by which the clip may have other than the frames that the run read; indices are often off by one or two."""
_LOST = 0.5
"""Share of the records that may lack their frame in the clip, as where one of two decoders stops at damage."""


class LoggedClip:
    """The frames of a clip, each with what a log says of it.

    Args:
        log: a keypoint log.
        clip: the clip; None: where the log says that it is.
        start: seconds of the clip from which on frames are wanted; None: from the log's first one.
        end: seconds of the clip before which they are wanted; None: to the log's last one.
        raw: without the corrections that were made by hand.

    Raises:
        SourceError: the log or the clip cannot be read, or they do not belong together.
    """

    def __init__(
        self, log: Path, clip: Path | None = None, start: float | None = None, end: float | None = None, *,
        raw: bool = False,
    ) -> None:  # fmt: skip
        self.log = LogReader(log, raw=raw)
        if not self.log.size[0]:
            raise SourceError(f"{log}: is of separate pictures, which have no times; a video is needed")
        if clip is not None and not clip.is_file():
            raise SourceError(f"{clip}: no such file")
        require_frames(self.log)
        self.path = clip or clip_of(self.log)
        self.capture = capture_of(self.log, start, end)
        self.video = open_source(Location(self.path.name, video=self.path), self.capture)
        self.notes: list[str] = []
        self._start, self._end = self.capture.start, self.capture.end
        self._stopped, self._begun = False, False
        try:
            self._check_shape()
        except SourceError:
            self.video.close()
            raise

    def scenes(self) -> Generator[Scene, None, None]:
        """Each frame that the log has and the clip too, found by its time stamp, with its poses."""
        self._begun = True
        missing = found = 0
        frames = self.video.frames()
        with closing(frames):
            for place, (frame, record) in enumerate(matched(frames, self.records(), lambda record: record.pts)):
                if self._stopped:
                    return
                if frame is None:
                    missing += 1
                    self._check_found(found, missing, ended=False)
                else:
                    self._check_size(frame, record)
                    found += 1
                    yield Scene(Observation(frame, record.poses), record.index, place, frame.time)
        self._check_found(found, missing, ended=True)
        if missing:
            self.notes.append(f"{counted(missing, 'frame')} of the log {were(missing)} not found in the clip")
        self.notes += self.video.notes

    def stop(self) -> None:
        """Have `scenes` end soon, from any thread."""
        self._stopped = True
        self.video.stop()

    def close(self) -> None:
        """Nobody wants more of it: where its scenes were never read, the clip is closed, else `scenes` does so."""
        self.stop()
        if not self._begun:
            self.video.close()

    def records(self) -> Iterator[LoggedFrame]:
        """The log's frames in the part that is wanted; `Scene.place` counts them."""
        for record in self.log.frames():
            if self._end is not None and round(record.time, 6) >= round(self._end, 6):
                return
            if self._start is None or round(record.time, 6) >= round(self._start, 6):
                yield record

    def _check_shape(self) -> None:
        info, told = self.video.info, self.log.run["video"]
        if told.get("time_base") not in (None, str(info.time_base)):
            raise self._another(f"its time stamps are in units of {info.time_base} s, the log's of {told['time_base']}")
        if not self.capture.in_part and (info.width, info.height) != self.log.size:
            width, height = self.log.size
            raise self._another(f"its picture is {info.width}x{info.height}, the log's {width}x{height}")
        expected = self._expected()
        if info.frames and expected and abs(info.frames - expected) > _UNLIKE * max(info.frames, expected):
            raise self._another(f"it has {info.frames} frames, the log's had {expected}")

    def _expected(self) -> int | None:
        """How many frames the clip had; None where the run did not read all of it, or nothing tells."""
        stride = (self.log.run.get("settings", {}).get("capture") or {}).get("vid_stride") or 1
        end = last_record(self.log.path)
        if stride != 1 or end.get("type") != "end" or end.get("ended") != "complete":
            return None
        return int(end.get("counts", {}).get("read") or 0) or None

    def _check_size(self, frame: Frame, record: LoggedFrame) -> None:
        if (record.width, record.height) not in ((frame.width, frame.height), (None, None)):
            raise self._another(
                f"at {frame.time:.3f} s its picture is {frame.width}x{frame.height}, "
                f"the log's {record.width}x{record.height}"
            )

    def _check_found(self, found: int, missing: int, ended: bool) -> None:
        if missing > _LOST * (found + missing) and (ended or (not found and missing >= _TRIED)):
            raise self._another(f"it has no frame at the times of {missing} of {found + missing} frames of the log")
        if ended and not found:
            raise SourceError(f"{self.log.path}: holds no frame in the part that was asked for")

    def _another(self, reason: str) -> SourceError:
        return SourceError(
            f"{self.path} is not the clip that {self.log.path} is of: {reason}; give the right one with --clip"
        )


def require_frames(log: LogReader) -> None:
    """Raise a SourceError where a log does not say which frames it is of, as one that was imported without its clip."""
    imported = log.run.get("imported")
    if imported and not imported.get("video"):
        raise SourceError(
            f"{log.path}: was imported without its clip, so its frames are not known there; import it with --video CLIP"
        )


def capture_of(log: LogReader, start: float | None, end: float | None) -> CaptureSettings:
    """How the run read the clip, and of that the part from `start` to `end`."""
    run: dict[str, Any] = log.run.get("settings", {}).get("capture") or {}
    kept = {key: run[key] for key in ("source_fps", "deinterlace", "start", "end", "max_pixels") if key in run}
    starts = [time for time in (kept.get("start"), start) if time is not None]
    ends = [time for time in (kept.get("end"), end) if time is not None]
    part = {"start": max(starts, default=None), "end": min(ends, default=None)}
    try:
        return CaptureSettings.model_validate({**kept, **part, "decoder": "cpu"})
    except ValidationError as error:
        reason = error.errors()[0].get("ctx", {}).get("error", error.errors()[0]["msg"])
        raise SourceError(f"{log.path}: {reason}") from None
