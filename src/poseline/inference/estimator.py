"""PoseEstimator: frames in, observations out, with the network's requests kept in flight."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from fractions import Fraction

import av

from poseline.frame import Frame, plane_pixels
from poseline.inference.decode import decode_batch
from poseline.inference.focus import Focus
from poseline.inference.letterbox import Letterbox, round_up
from poseline.inference.runtimes import Request, Runtime
from poseline.inference.spec import ModelSpec
from poseline.pose import Observation, Speed
from poseline.settings import InferenceSettings


@dataclass(eq=False)
class Batch:
    """Frames of one layout that go through the network together."""

    letterbox: Letterbox
    request: Request
    frames: list[Frame] = field(default_factory=list)
    placing: float = 0.0
    """Seconds spent on scaling, over all frames."""
    started: float = 0.0

    def takes(self, frame: Frame, most: int) -> bool:
        """Whether there is a place for `frame` among at most so many."""
        return len(self.frames) < most and self.frames[0].layout == frame.layout


class PoseEstimator:
    """A pose model with its runtime. One thread at a time."""

    def __init__(self, spec: ModelSpec, runtime: Runtime, settings: InferenceSettings) -> None:
        self.spec, self.runtime, self.settings = spec, runtime, settings
        self._output = replace(spec, end2end=spec.end2end or runtime.final)
        self._free: dict[tuple[int, int], list[Request]] = {}
        self._coming: dict[tuple[int, int], Future[Request]] = {}

    @property
    def imgsz(self) -> int:
        """The longer side of the network's input that runs, in pixels: what was asked for may be rounded up."""
        return max(self.runtime.fixed_size or (round_up(self.settings.imgsz, self.spec.stride),))

    @property
    def size_note(self) -> str:
        """What runs instead, where the `imgsz` that was asked for cannot be had; else empty."""
        asked, fixed = self.settings.imgsz, self.runtime.fixed_size
        if fixed and "imgsz" in self.settings.model_fields_set and asked != self.imgsz:
            return f"imgsz {asked}: {self.spec.name} takes pictures of {fixed[1]}x{fixed[0]} alone: that is what runs"
        if not fixed and asked != self.imgsz:
            return f"imgsz {asked} is not a multiple of {self.spec.stride}: {self.imgsz} runs"
        return ""

    def input_size(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) of the network's input for a picture of this size, in pixels."""
        return self._letterbox(width, height).size

    def prepare(self, width: int, height: int) -> None:
        """Begin to get ready for pictures of this size, on a thread of its own; returns at once.

        The first `place` of such a picture waits for it; an error is raised there.
        """
        letterbox = self._letterbox(width, height)
        if letterbox.size in self._free or letterbox.size in self._coming:
            return
        coming = self._coming[letterbox.size] = Future()

        def get_ready() -> None:
            try:
                coming.set_result(self._exercised(_blank(width, height), letterbox))
            except BaseException as error:  # noqa: BLE001 # carried to whoever waits for it
                coming.set_exception(error)

        threading.Thread(target=get_ready, name="prepare", daemon=True).start()

    def _exercised(self, blank: Frame, letterbox: Letterbox) -> Request:
        """A new request, after as many dry runs as the runtime needs."""
        request = self.runtime.request(*letterbox.size[::-1])
        for _ in range(self.runtime.dry_runs):
            request.place(0, blank, letterbox)
            request.start(self.settings)
            request.wait()
        return request

    def estimate(self, frame: Frame) -> Observation:
        """The poses in one frame, now."""
        return self.finish(self.start(self.place(frame)))[0]

    def place(self, frame: Frame, batch: Batch | None = None, focus: Focus | None = None) -> Batch:
        """Scale the frame, or the part that `focus` says, into a place of `batch`, which takes it, or of a new one."""
        batch = batch or self._batch(frame, focus)
        began = time.perf_counter()
        batch.request.place(len(batch.frames), frame, batch.letterbox)
        batch.placing += time.perf_counter() - began
        batch.frames.append(frame)
        return batch

    def start(self, batch: Batch) -> Batch:
        """Set the network going."""
        batch.started = time.perf_counter()
        batch.request.start(self.settings)
        return batch

    def finish(self, batch: Batch) -> list[Observation]:
        """Wait for the network and decode what it says of each frame."""
        outputs = batch.request.wait()
        answered = time.perf_counter()
        asked = outputs[: len(batch.frames)]  # a network of a fixed batch answers for empty places too
        poses = decode_batch(asked, self._output, batch.letterbox, self.settings)
        self._free[batch.letterbox.size].append(batch.request)
        each = 1e3 / len(batch.frames)
        speed = Speed(
            preprocess=each * batch.placing,
            inference=each * (answered - batch.started),
            postprocess=each * (time.perf_counter() - answered),
        )
        shape = batch.letterbox.size[::-1]
        return [Observation(frame, found, speed, shape) for frame, found in zip(batch.frames, poses, strict=True)]

    def warm_up(self, width: int, height: int) -> None:
        """Compile the network for pictures of this size before the first one comes."""
        blank = _blank(width, height)
        for _ in range(2):  # an engine may get ready in its first run and record the second
            for batch in [self.start(self.place(blank)) for _ in range(self.runtime.in_flight)]:
                self.finish(batch)

    def _letterbox(self, width: int, height: int) -> Letterbox:
        return Letterbox.fit(width, height, self.settings.imgsz, self.spec.stride, self.runtime.fixed_size)

    def _batch(self, frame: Frame, focus: Focus | None) -> Batch:
        letterbox = self._letterbox(frame.width, frame.height)
        if focus is not None:
            letterbox = focus.letterbox(frame, letterbox)
        free = self._free.setdefault(letterbox.size, [])
        return Batch(letterbox, free.pop() if free else self._request(letterbox.size))

    def _request(self, size: tuple[int, int]) -> Request:
        """One that is being prepared, or a new one, which compiles the network at the first picture of this size."""
        coming = self._coming.pop(size, None)
        return self.runtime.request(*size[::-1]) if coming is None else coming.result()


def infer(frames: Iterator[Frame], estimator: PoseEstimator) -> Generator[Observation, None, None]:
    """Observations in the frames' order, with as many frames in flight as the runtime likes.

    An error of `frames`, or of a frame, is raised behind the observations of the frames before it.
    """
    focus = Focus(estimator.settings.roi_every, estimator.spec.stride) if estimator.settings.roi else None
    batches = _batches(frames, estimator, focus)
    flying: deque[Batch] = deque()
    ended: Exception | None = None
    try:
        while flying or ended is None:
            if ended is None:
                try:
                    flying.append(estimator.start(next(batches)))
                except Exception as error:  # noqa: BLE001 # it waits its turn, and is raised below
                    ended = error
            if flying and (ended is not None or len(flying) >= estimator.runtime.in_flight):
                batch = flying.popleft()
                for seen in estimator.finish(batch):
                    if focus is not None:
                        focus.note(seen, batch.letterbox)
                    yield seen
    except GeneratorExit:
        for batch in flying:  # left early: their requests are wanted by whoever uses the estimator next
            estimator.finish(batch)
        raise
    if not isinstance(ended, StopIteration):
        raise ended


def _batches(frames: Iterator[Frame], estimator: PoseEstimator, focus: Focus | None) -> Iterator[Batch]:
    """The frames in batches, each as full as the runtime takes it; an error comes behind the frames before it."""
    most, batch, ended = estimator.runtime.batch, None, None
    try:
        for frame in frames:
            if batch is not None and not batch.takes(frame, most):
                yield batch
                batch = None
            batch = estimator.place(frame, batch, focus)
            if len(batch.frames) == most:  # at once: the next frame may be long in coming
                yield batch
                batch = None
    except Exception as error:  # noqa: BLE001 # raised below
        ended = error
    if batch is not None:
        yield batch
    if ended is not None:
        raise ended


def _blank(width: int, height: int) -> Frame:
    """A grey frame, as a video decoder would give it."""
    picture = av.VideoFrame(width, height, "yuv420p")
    for plane in picture.planes:
        plane_pixels(plane).fill(128)
    return Frame(picture, 0, 0, Fraction(1), 0.0, 0.0)
