"""Records: a run as lines of JSON, schema 1, for the keypoint log and for whoever gets them live.

`docs/log.md` describes every field.

- first, `{"type":"run","schema":1,...}`: the fields of `RunHeader`;
- a frame, `{"type":"frame","frame":i,"pts":n,"time":s,"persons":[{"id","score","box","keypoints"}...],
  "dropped_before":n,"corrupt":false}`. Pixels are those of the upright source, rounded to 0.01, scores to 0.0001.
  A number that is not finite is `null`. A person has `"class"` (a number, into the header's `"classes"`) only if the
  model knows more than one; a frame has `"source"` only if it is not the header's, and `"picture"`, such as
  `"pictures/a.jpg"`, only where an annotated picture of it is written;
- an outage, `{"type":"gap","from":s,"to":s,"reason":...}`, before the frame that ended it;
- a picture size, `{"type":"size","frame":i,"width":w,"height":h}`, before the first frame that has another size than
  the frame before it; the first frame is compared with the header's `video`, and has its record where that is null.
  Where the shape of the pixels changes, with or without the size, it has `"pixel_aspect"` as well;
- where a log is cut into parts, at the end of each but the last, `{"type":"next"}`. Each part begins with the run's
  record, in which `"segment"` counts the parts from 1; sizes are stated anew where they differ from that record's;
- last, `{"type":"end","ended":"complete","counts":{...},"elapsed":s,"fps":...,"error":null}`, with `"nulls":n` if there
  were any. `ended` is `complete` (the source came to its end), `interrupted` (the user ended the run) or `failed`
  (`error` says why). A log without this record belongs to a run that was killed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from poseline.errors import redact
from poseline.frame import Frame, Gap
from poseline.log.counts import Counts, Ended
from poseline.log.jsonable import jsonable
from poseline.pose import Floats, Observation, Poses
from poseline.short_repr import short_repr
from poseline.skeleton import Skeleton

SCHEMA = 1
_PER_PIXEL = 100.0
"""Steps in a pixel to which coordinates are rounded."""
_PER_SCORE = 10_000.0
"""Steps from 0 to 1 to which scores and confidences are rounded."""


def written_aspect(aspect: Fraction) -> float:
    """A pixel's width over its height as the log has it."""
    return round(float(aspect), 6)


@dataclass(frozen=True)
class RunHeader:
    """What a reader of the log must know about the run; passwords in its texts are hidden when it is written."""

    source: str
    """Path or URL."""
    model: Mapping[str, Any]
    """name, sha256, imgsz, input (width and height of the network's, None for separate pictures) and precision."""
    runtime: str
    """The engine that really ran, such as `openvino`."""
    device: str
    """The device that really ran, such as `cpu`."""
    skeleton: Skeleton
    video: Mapping[str, Any] | None
    """width, height, fps (a float, or None), time_base (such as "1/90000") and pixel_aspect (a pixel's width over its
    height); None for separate pictures."""
    settings: Mapping[str, Any]
    """All settings by section."""
    versions: Mapping[str, str]
    """Versions of Poseline and of what it stands on."""
    started: str
    """Wall-clock start, ISO 8601 with its zone: a label, never used to reckon with."""
    keypoints: str = ""
    """Of a run with smoothing: `measured`, as the log has them, or `smoothed`, as receivers get them."""
    classes: Sequence[str] = field(default=("person",))
    """The model's class names; written only if there is more than one."""
    imported: Mapping[str, Any] | None = None
    """Of a log made from another program's file: its `format`, `file`, `video` and `notes`; written only there."""

    __repr__ = short_repr

    def as_record(self) -> dict[str, Any]:
        """The log's first line."""
        record = {
            "type": "run",
            "schema": SCHEMA,
            "source": self.source,
            "model": self.model,
            "runtime": self.runtime,
            "device": self.device,
            "skeleton": {
                "names": self.skeleton.names,
                "edges": self.skeleton.edges,
                "sigmas": self.skeleton.sigmas,
                "pairs": self.skeleton.pairs,
            },
            "video": self.video,
            "settings": self.settings,
            "versions": self.versions,
            "started": self.started,
        }
        if self.keypoints:
            record["keypoints"] = self.keypoints
        if len(self.classes) > 1:
            record["classes"] = self.classes
        if self.imported:
            record["imported"] = self.imported
        written: dict[str, Any] = jsonable(record)
        return written


class _Shape(NamedTuple):
    """Of a picture."""

    size: tuple[int | None, int | None]
    """(width, height) in pixels."""
    aspect: float
    """A pixel's width over its height."""


class Records:
    """Makes the lines of one run, each with its newline at the end.

    Args:
        header: the first record.
        shown: take the poses that are drawn, `Observation.shown`, rather than those that were measured.
    """

    def __init__(self, header: RunHeader, *, shown: bool = False) -> None:
        self.nulls = 0
        """Numbers that were not finite and became null."""
        self.sizes = 0
        """Picture sizes written: changes, and the first one of separate pictures."""
        self.aspects = 0
        """Changes of the pixels' shape written."""
        self._shown = shown
        if shown and header.keypoints:
            header = replace(header, keypoints="smoothed")
        self._header = header.as_record()
        self.run = _line(self._header)
        """The first line."""
        self._source = redact(header.source)
        self._keypoints = len(header.skeleton)
        each = (_PER_PIXEL, _PER_PIXEL, _PER_SCORE)
        self._steps = np.array((_PER_SCORE, *4 * (_PER_PIXEL,), *self._keypoints * each))  # of score, box, keypoints
        self._many_classes = len(header.classes) > 1
        video = header.video or {}
        self._stated = _Shape((video.get("width"), video.get("height")), video.get("pixel_aspect", 1.0))
        self._shape = self._stated  # of the last frame written
        self._written = self._stated  # as this part of the log says, up to here
        self._aspect: Fraction | None = None  # as the last frame said

    def part(self, number: int) -> bytes:
        """The first line of a part of the log, from 1."""
        self._written = self._stated
        return _line({**self._header, "segment": number})

    def next(self) -> bytes:
        """The last line of a part that is followed by another one."""
        return _line({"type": "next"})

    def frame(self, observation: Observation, picture: str | None = None) -> bytes:
        """A frame's line, behind that of its picture's new size, if it has one.

        `picture` is the file of the annotated picture, as it is called in the run's folder, where there is one.
        """
        frame, poses = observation.frame, observation.shown if self._shown else observation.poses
        changed = self._shape.size != (frame.width, frame.height) or self._aspect is not frame.pixel_aspect
        size = self._changed_size(frame) if changed or self._written is not self._shape else b""
        record = {
            "type": "frame",
            "frame": frame.index,
            "pts": frame.pts,
            "time": round(frame.time, 6) if math.isfinite(frame.time) else None,
            "persons": self._persons(poses),
            "dropped_before": frame.dropped_before,
            "corrupt": frame.corrupt,
        }
        if frame.source not in ("", self._source) and (source := redact(frame.source)) != self._source:
            record["source"] = jsonable(source)
        if picture is not None:
            record["picture"] = jsonable(picture)
        return size + _line(record)

    def gap(self, gap: Gap) -> bytes:
        """An outage's line; it comes before the frame that ended it."""
        return _line(jsonable({"type": "gap", "from": gap.start, "to": gap.end, "reason": gap.reason}))

    def lines(self, observation: Observation) -> bytes:
        """A frame's lines, behind that of the outage that it ended, if any."""
        gap = observation.frame.gap
        return (b"" if gap is None else self.gap(gap)) + self.frame(observation)

    def end(self, counts: Counts, elapsed: float, fps: float, error: str | None, ended: Ended | None) -> bytes:
        """The last line, see `KeypointLog.end`."""
        record = {
            "type": "end",
            "ended": ended or ("complete" if error is None else "failed"),
            "counts": counts.as_dict(),
            "elapsed": elapsed,
            "fps": fps,
            "error": error,
        }
        return _line(jsonable({**record, "nulls": self.nulls} if self.nulls else record))

    def _changed_size(self, frame: Frame) -> bytes:
        """The line of what has changed of size and shape of the pixels, if anything has."""
        before, written, self._aspect = self._shape, self._written, frame.pixel_aspect
        aspect = before.aspect if self._aspect is None else written_aspect(self._aspect)
        self._shape = self._written = _Shape((frame.width, frame.height), aspect)
        self.sizes += self._shape.size != before.size
        self.aspects += aspect != before.aspect
        if self._shape == written:
            return b""
        reshaped = aspect != written.aspect
        record = {"type": "size", "frame": frame.index, "width": frame.width, "height": frame.height}
        return _line({**record, "pixel_aspect": aspect} if reshaped else record)

    def _persons(self, poses: Poses) -> list[dict[str, Any]]:
        count, keypoints = poses.keypoints.shape[:2]
        if keypoints != self._keypoints:
            raise ValueError(f"the log's skeleton has {self._keypoints} keypoints, not {keypoints}")
        flat = poses.keypoints.reshape(count, 3 * keypoints)
        numbers = self._rounded(np.concatenate((poses.scores[:, None], poses.boxes, flat), axis=1))
        columns = (poses.ids, numbers[:, 0], numbers[:, 1:5], numbers[:, 5:].reshape(count, keypoints, 3))
        persons: list[dict[str, Any]] = [
            {"id": number, "score": score, "box": box, "keypoints": keypoints}
            for number, score, box, keypoints in zip(*columns, strict=True)
        ]
        if self._many_classes:
            for person, number in zip(persons, poses.classes.tolist(), strict=True):
                person["class"] = number
        return persons

    def _rounded(self, numbers: Floats) -> NDArray[np.float64]:
        """(N, 5 + 3 K) `numbers` to whole steps; those that are not finite are counted, and will be written as null."""
        steps = self._steps
        rounded: NDArray[np.float64] = np.rint(numbers.astype(np.float64) * steps) / steps + 0.0  # + 0.0 makes 0 of -0
        self.nulls += rounded.size - int(np.count_nonzero(np.isfinite(rounded)))
        return rounded


def rounded_person(number: int, score: float, box: Floats, keypoints: Floats) -> dict[str, Any]:
    """A person's record as JSON types: rounded as the log is, None for what is not finite."""

    def plain(value: float, steps: float) -> float | None:
        return round(value * steps) / steps if math.isfinite(value) else None

    points = [[plain(x, _PER_PIXEL), plain(y, _PER_PIXEL), plain(c, _PER_SCORE)] for x, y, c in keypoints.tolist()]
    corners = [plain(value, _PER_PIXEL) for value in box.tolist()]
    return {"id": number, "score": plain(score, _PER_SCORE), "box": corners, "keypoints": points}


def _line(record: Mapping[str, Any]) -> bytes:
    return orjson.dumps(record, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE)
