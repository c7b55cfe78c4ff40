"""Feed: one camera as the page knows it: its newest frame, its state, its counts and its events."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeAlias

import numpy as np
import orjson

from poseline.errors import redact
from poseline.frame import Gap
from poseline.pose import UNTRACKED, Observation, Poses

if TYPE_CHECKING:
    from asyncio import Future

    from poseline.capture import SourceInfo
    from poseline.log import RunHeader
    from poseline.serve.h264 import Coded
    from poseline.serve.picture import Variant
    from poseline.serve.recorder import Recorder, Recording

StateName: TypeAlias = Literal["starting", "live", "late", "lost", "ended", "failed"]

_LATE, _LATE_PERIODS = 1.0, 5
"""Seconds, or frame intervals if that is longer, without a frame after which a camera counts as late."""
_LOST = 5.0
"""Seconds without a frame after which it counts as lost."""
_ABSENT = 1.0
"""Seconds for which a person may be hidden before the page says that the person has left."""
_MOST_EVENTS = 100
_STEPS = np.array((100.0, 100.0, 10_000.0))
"""Steps in a pixel to which x and y are rounded, and from 0 to 1 confidences."""
_RATE_SECONDS = 2.0


class Retrying(Protocol):
    """The part of an outage that a page shows."""

    @property
    def retry_at(self) -> float | None:
        """When the next attempt is due, in `time.monotonic()` seconds; None where none is."""

    @property
    def cause(self) -> str:
        """Why the last attempt failed, in words and without a password; empty where none has."""


class State(NamedTuple):
    """How a camera is, in a word and in words."""

    name: StateName
    text: str


class Event(NamedTuple):
    """Something that happened."""

    number: int
    """Counts up from 1."""
    at: float
    """When, in `time.time()` seconds."""
    time: float
    """When, in seconds from the source's first frame."""
    kind: Literal["enter", "leave", "gap", "recording"]
    text: str
    person: int | None = None
    """The id of who entered or left."""
    file: str | None = None
    """The name of a recording that is finished."""


@dataclass(eq=False)
class Shot:
    """One frame as it is served, and what was made of it for somebody, once for all who want the same."""

    number: int
    """Counts up from 1 over the frames that came here."""
    observation: Observation
    at: float = 0.0
    """When it came here, processed, in `time.monotonic()` seconds."""
    encodings: dict[Variant, Future[bytes]] = field(default_factory=dict)
    coded: Future[Coded] | None = None
    messages: dict[Variant | None, bytes] = field(default_factory=dict)
    """By their JPEG's variant; None: with H.264."""
    line: str = ""
    _head: bytes = b""

    def head(self, index: int) -> bytes:
        """What goes with the picture: who is in it, where, and when it came, as JSON. `index` is the camera's."""
        if not self._head:
            self._head = self._made_head(index)
        return self._head

    def message(self, index: int, variant: Variant, jpeg: bytes) -> bytes:
        """A page's binary message: the length of the head in 4 bytes, the head, the picture."""
        if variant not in self.messages:
            head = self.head(index)
            self.messages[variant] = b"".join((len(head).to_bytes(4, "little"), head, jpeg))
        return self.messages[variant]

    def coded_message(self, index: int, coded: Coded) -> bytes:
        """The same with H.264."""
        if None not in self.messages:
            head = self.head(index)[:-1] + orjson.dumps({"codec": coded.codec}).replace(b"{", b",")
            self.messages[None] = b"".join((len(head).to_bytes(4, "little"), head, coded.content))
        return self.messages[None]

    def _made_head(self, index: int) -> bytes:
        frame = self.observation.frame
        return orjson.dumps(
            {
                "camera": index,
                "number": self.number,
                "frame": frame.index,
                "time": round(frame.time, 6),
                "arrival": round(1000 * frame.arrival, 1),
                "width": frame.width,
                "height": frame.height,
                "persons": persons(self.observation.shown),
            }
        )


class Feed:
    """One camera. `put` is called by the run's thread, all else by the server's.

    Args:
        name: short, for addresses and files; unique within a server.
        woken: called after each change, from any thread.
    """

    def __init__(self, name: str, woken: Callable[[], None], clock: Callable[[], float] = time.monotonic) -> None:
        self.name, self.title = name, name
        self._woken, self._clock = woken, clock
        self.newest: Shot | None = None
        self.outage: Retrying | None = None
        """Tells when a broken source is tried again."""
        self.header: RunHeader | None = None
        self.info: SourceInfo | None = None
        self.recorder: Recorder | None = None
        self.revision = 0
        """Counts up with each change of what `description` says."""
        self.processed = self.dropped = 0
        self.events: deque[Event] = deque(maxlen=_MOST_EVENTS)
        self._events, self._noting = 0, threading.Lock()
        self._arrivals: deque[tuple[float, int]] = deque()
        self._present: dict[int, float] = {}
        self._ending: State | None = None
        self._trouble = ""

    def begin(self, header: RunHeader, info: SourceInfo) -> None:
        """The source is open."""
        self.header, self.info, self.title = header, info, redact(info.name)
        self._trouble, self._ending = "", None
        self.revision += 1
        self._woken()

    def put(self, observation: Observation) -> None:
        """Take the next frame; the one before it is forgotten."""
        frame = observation.frame
        self.processed += 1
        self.dropped += frame.dropped_before
        self._arrivals.append((frame.arrival, 1 + frame.dropped_before))
        while frame.arrival - self._arrivals[0][0] > _RATE_SECONDS:
            self._arrivals.popleft()
        if frame.gap is not None:
            self._note_gap(frame.gap)
        self._note_persons(observation)
        self.newest = shot = Shot(self.processed, observation, self._clock())
        self._woken()
        if self.recorder is not None:
            self.recorder.put(shot, lambda: self.record(shot))

    def trouble(self, reason: str, outage: Retrying) -> None:
        """It could not be opened, and is tried again."""
        self._trouble, self.outage = redact(reason), outage
        self._woken()

    def note_recording(self, text: str, recording: Recording | None) -> None:
        """What the recorder says, and the recording that it has finished."""
        at = self.newest.observation.frame.time if self.newest else 0.0
        self._note("recording", at, text, file=recording.video.name if recording else None)
        self._woken()

    def end(self, error: str | None) -> None:
        """Its run has ended, by an error or in good order."""
        self._ending = State("failed", redact(error)) if error else State("ended", "the run has ended")
        self._woken()

    @property
    def rates(self) -> tuple[float, float]:
        """Frames a second that the camera gives, and that are processed, over the last seconds."""
        arrivals = list(self._arrivals)
        if len(arrivals) < 2 or self._clock() - arrivals[-1][0] > _RATE_SECONDS:
            return 0.0, 0.0
        passed = max(arrivals[-1][0] - arrivals[0][0], 1e-3)
        return sum(given for _, given in arrivals[1:]) / passed, (len(arrivals) - 1) / passed

    @property
    def state(self) -> State:
        """How it is now."""
        if self._ending:
            return self._ending
        now = self._clock()
        at, cause = (self.outage.retry_at, self.outage.cause) if self.outage else (None, "")
        if self._trouble:
            return State("lost", f"{self._trouble}{_again(at, now)}")
        if self.newest is None:
            return State("starting", "waiting for the first picture")
        silent = now - self.newest.observation.frame.arrival
        interval = 1 / (self.info.frame_rate or 30) if self.info else 1 / 30
        if at is not None or silent > _LOST:
            return State("lost", f"no picture for {silent:.0f} s{': ' * bool(cause)}{cause}{_again(at, now)}")
        if silent > max(_LATE, _LATE_PERIODS * interval):
            return State("late", f"no picture for {silent:.1f} s")
        return State("live", "live")

    def status(self) -> dict[str, Any]:
        """State and counts, as JSON types."""
        state, (given, processed) = self.state, self.rates
        observation = self.newest.observation if self.newest else None
        recorder = self.recorder
        recording = {"recording": recorder.recording, "recorded_s": round(recorder.seconds, 1)} if recorder else {}
        return {
            **recording,
            "state": state.name,
            "text": state.text,
            "given_fps": round(given, 1),
            "processed_fps": round(processed, 1),
            "processed": self.processed,
            "dropped": self.dropped,
            "persons": len(observation.poses) if observation else 0,
            "inference_ms": round(observation.speed.inference, 1) if observation else None,
        }

    def description(self) -> dict[str, Any]:
        """What does not change from frame to frame, as JSON types."""
        skeleton = self.header.skeleton if self.header else None
        return {
            "name": self.name,
            "title": self.title,
            "width": self.info.width if self.info else 0,
            "height": self.info.height if self.info else 0,
            "pixel_aspect": float(self.info.pixel_aspect) if self.info else 1.0,
            "keypoints": list(skeleton.names) if skeleton else [],
            "edges": [list(edge) for edge in skeleton.edges] if skeleton else [],
            "sides": [skeleton.side(index) for index in range(len(skeleton))] if skeleton else [],
            "model": str(self.header.model.get("name", "")) if self.header else "",
            "device": self.header.device if self.header else "",
        }

    def run_record(self, shown: bool = False) -> dict[str, Any]:
        """What the keypoint log's first record says of the model and its skeleton.

        With `shown`, the records that follow have the keypoints that are drawn, which smoothing may have changed.
        """
        assert self.header is not None
        skeleton = self.header.skeleton
        kind = self.header.keypoints and ("smoothed" if shown else "measured")
        return {
            "type": "run",
            "source": self.title,
            "camera": self.name,
            "model": self.header.model.get("name"),
            "skeleton": {"names": skeleton.names, "edges": skeleton.edges, "sigmas": skeleton.sigmas},
            "started": self.header.started,
            **({"keypoints": kind} if kind else {}),
        }

    def record(self, shot: Shot, shown: bool = False) -> bytes:
        """A frame's record, as in the keypoint log, with the keypoints' names; see `run_record` for `shown`."""
        observation = shot.observation
        frame = observation.frame
        return orjson.dumps(
            {
                "type": "frame",
                "camera": self.name,
                "frame": frame.index,
                "pts": frame.pts,
                "time": round(frame.time, 6),
                "width": frame.width,
                "height": frame.height,
                "age": round(self._clock() - frame.arrival, 4),
                "keypoints": list(self.header.skeleton.names) if self.header else [],
                "persons": persons(observation.shown if shown else observation.poses, self._many_classes),
                "dropped_before": frame.dropped_before,
                "corrupt": frame.corrupt,
            }
        )

    def line(self, shot: Shot) -> str:
        """The record of what is shown, made once for all who get it as it comes."""
        if not shot.line:
            shot.line = self.record(shot, shown=True).decode()
        return shot.line

    @property
    def _many_classes(self) -> bool:
        return self.header is not None and len(self.header.classes) > 1

    def _note_gap(self, gap: Gap) -> None:
        self._note("gap", gap.end, f"{max(0.0, gap.end - gap.start):.1f} s without pictures: {redact(gap.reason)}")

    def _note_persons(self, observation: Observation) -> None:
        now = observation.frame.time
        present = self._present
        for number in observation.poses.ids.tolist():
            if number != UNTRACKED:
                if number not in present:
                    self._note("enter", now, f"person {number} entered", number)
                present[number] = now
        for number in [number for number, seen in present.items() if now - seen > _ABSENT]:
            self._note("leave", present.pop(number), f"person {number} left", number)

    def _note(
        self, kind: Literal["enter", "leave", "gap", "recording"], at: float, text: str, person: int | None = None,
        file: str | None = None,
    ) -> None:  # fmt: skip
        with self._noting:  # the recorder has a thread of its own
            self._events += 1
            self.events.append(Event(self._events, time.time(), at, kind, text, person, file))


def persons(poses: Poses, many_classes: bool = False) -> list[dict[str, Any]]:
    """Everybody's id, score, box and keypoints, and class with `many_classes`, rounded as in the keypoint log.

    Places are pixels of the upright source picture.
    """
    places = (np.rint(poses.keypoints.astype(np.float64) * _STEPS) / _STEPS).tolist()
    columns = (poses.ids.tolist(), np.round(poses.scores.astype(np.float64), 4).tolist(),
               np.round(poses.boxes.astype(np.float64), 2).tolist(), places)  # fmt: skip
    found: list[dict[str, Any]] = [
        {"id": number, "score": score, "box": box, "keypoints": keypoints}
        for number, score, box, keypoints in zip(*columns, strict=True)
    ]
    if many_classes:
        for person, number in zip(found, poses.classes.tolist(), strict=True):
            person["class"] = number
    return found


def _again(at: float | None, now: float) -> str:
    return "" if at is None else f" (trying again in {max(0.0, at - now):.0f} s)"
