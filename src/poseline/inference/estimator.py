"""PoseEstimator: frames in, observations out, with the network's requests kept in flight."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import NamedTuple

import av

from poseline import forks
from poseline.errors import ModelError
from poseline.frame import Frame, plane_pixels
from poseline.inference.decode import decode_batch
from poseline.inference.letterbox import Letterbox, limits
from poseline.inference.roi import RoiSelector
from poseline.inference.runtimes import Request, Runtime
from poseline.inference.spec import ModelSpec
from poseline.inference.turns import Turn
from poseline.pose import Observation, Speed
from poseline.settings import InferenceSettings


class Kind(NamedTuple):
    """What distinguishes requests of one runtime."""

    size: tuple[int, int]
    """(width, height) of the network's input."""
    places: int
    """Most pictures in it."""
    alone: bool
    """No other is in flight beside it."""


@dataclass(eq=False)
class Batch:
    """Frames of one layout that go through the network together, and the settings of whoever asked for them."""

    letterbox: Letterbox
    settings: InferenceSettings
    kind: Kind
    request: Request
    frames: list[Frame] = field(default_factory=list)
    placing: float = 0.0
    """Seconds spent on scaling, over all frames."""
    started: float = 0.0

    def place(self, frame: Frame) -> None:
        """Scale the frame, or the part of it that the letterbox says, into the next place."""
        began = time.perf_counter()
        self.request.place(len(self.frames), frame, self.letterbox)
        self.placing += time.perf_counter() - began
        self.frames.append(frame)

    @property
    def full(self) -> bool:
        """Whether there is no place left."""
        return len(self.frames) == self.kind.places

    def takes(self, frame: Frame) -> bool:
        """Whether there is a place for `frame`."""
        return not self.full and self.frames[0].layout == frame.layout


class PoseEstimator:
    """A pose model with its runtime. Several threads may use it, each with settings of its own.

    Args:
        spec: the model's.
        runtime: what runs it.
        settings: those of every call and run that brings none of its own.
        fixed_size: (height, width) of every input, as if the network took no other; None: what the network takes.
    """

    def __init__(
        self, spec: ModelSpec, runtime: Runtime, settings: InferenceSettings,
        *, fixed_size: tuple[int, int] | None = None,
    ) -> None:  # fmt: skip
        self.spec, self.runtime, self.settings = spec, runtime, settings
        self.fixed_size = fixed_size or runtime.fixed_size
        self._output = replace(spec, end2end=spec.end2end or runtime.final)
        self._free: dict[Kind, list[Request]] = {}
        """Requests that nobody uses; a thread takes one, and puts it back."""
        self._coming: dict[Kind, Future[Request]] = {}
        self._making, self._starting = threading.Lock(), threading.Lock()
        self._process: int | None = None
        """Where the first request was made: what it needs, threads above all, is there and in no fork of it."""

    @property
    def imgsz(self) -> int:
        """The longer side of the network's input that runs, in pixels: what was asked for may be rounded up."""
        return max(self.fixed_size or limits(self.settings.imgsz, self.spec.stride))

    @property
    def size_note(self) -> str:
        """What runs instead, where the `imgsz` that was asked for cannot be had; else empty."""
        asked, fixed = self.settings.imgsz, self.fixed_size
        runs = fixed or limits(asked, self.spec.stride)
        if asked == runs or asked == max(runs):
            return ""
        shown = asked if isinstance(asked, int) else f"{asked[1]}x{asked[0]}"
        if fixed:
            wanted = "imgsz" in self.settings.model_fields_set
            only = f"{self.spec.name} takes pictures of {fixed[1]}x{fixed[0]} alone: that is what runs"
            return f"imgsz {shown}: {only}" if wanted else ""
        instead = runs[0] if isinstance(asked, int) else f"{runs[1]}x{runs[0]}"
        return f"imgsz {shown} is not a multiple of {self.spec.stride}: {instead} runs"

    def input_size(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) of the network's input for a picture of this size, in pixels."""
        return self._letterbox(width, height, self.settings).size

    def prepare(self, width: int, height: int) -> None:
        """Begin to get ready for pictures of this size, on a thread of its own; returns at once.

        The first `batch` of such pictures waits for it; an error is raised there.
        """
        letterbox = self._letterbox(width, height, self.settings)
        kind = self._kind(letterbox)
        if kind in self._free or kind in self._coming:
            return
        coming = self._coming[kind] = Future()

        def get_ready() -> None:
            try:
                coming.set_result(self._warmed_up(_blank(width, height), letterbox, kind))
            except BaseException as error:  # noqa: BLE001 # carried to whoever waits for it
                coming.set_exception(error)

        threading.Thread(target=get_ready, name="prepare", daemon=True).start()

    def _warmed_up(self, blank: Frame, letterbox: Letterbox, kind: Kind) -> Request:
        """A new request, after as many warm-up runs as the runtime needs."""
        request = self._made(kind)
        for _ in range(self.runtime.warmup_runs):
            request.place(0, blank, letterbox)
            with self._starting:
                request.start(self.settings)
            request.wait()
        return request

    def estimate(self, frame: Frame, settings: InferenceSettings | None = None) -> Observation:
        """The poses in one frame, now: with the least delay, and without a place in the network for any other."""
        return self._at_once([frame], settings)[0]

    def estimate_all(self, frames: Sequence[Frame], settings: InferenceSettings | None = None) -> list[Observation]:
        """The poses in each of several pictures: those of one size in batches on a GPU, one by one elsewhere."""
        alike: dict[tuple[object, ...], list[int]] = {}
        for index, frame in enumerate(frames):
            alike.setdefault(frame.layout, []).append(index)
        most, seen = self.runtime.batch, dict[int, Observation]()
        for group in alike.values():
            for begin in range(0, len(group), most):
                chosen = group[begin : begin + most]
                found = self._at_once([frames[index] for index in chosen], settings)
                seen.update(zip(chosen, found, strict=True))
        return [seen[index] for index in range(len(frames))]

    def _at_once(self, frames: Sequence[Frame], settings: InferenceSettings | None) -> list[Observation]:
        """The poses in frames of one layout, not more than a batch of them."""
        places = 1 << (len(frames) - 1).bit_length()  # few numbers of places: a network may get ready for each
        batch = self.batch(frames[0], settings, places=min(places, self.runtime.batch), alone=True)
        for frame in frames:
            batch.place(frame)
        return self.finish(self.start(batch))

    def batch(
        self, frame: Frame, settings: InferenceSettings | None = None, *,
        roi: RoiSelector | None = None, places: int | None = None, alone: bool = False,
    ) -> Batch:  # fmt: skip
        """A batch without frames yet, for frames like this one.

        Args:
            frame: it is not placed.
            settings: of whoever asks; the estimator's own if None.
            roi: chooses the part of the frame (region of interest).
            places: most frames; as many as the runtime takes if None.
            alone: no other batch is in flight beside it.

        Raises:
            ModelError: the network cannot be compiled, or this process was forked from one that has used the model.
        """
        if self._process not in (None, forks.generation()):
            raise ModelError(
                f"{self.spec.name}: was used before this process was forked, and its threads stayed in the parent; "
                "load the model in the worker itself, or start workers with multiprocessing.get_context('spawn')"
            )
        settings = settings or self.settings
        letterbox = self._letterbox(frame.width, frame.height, settings)
        if roi is not None:
            letterbox = roi.letterbox(frame, letterbox)
        kind = self._kind(letterbox, places, alone)
        return Batch(letterbox, settings, kind, self._request(kind))

    def start(self, batch: Batch) -> Batch:
        """Set the network going."""
        batch.started = time.perf_counter()
        with self._starting:
            batch.request.start(batch.settings)
        return batch

    def finish(self, batch: Batch) -> list[Observation]:
        """Wait for the network and decode what it says of each frame."""
        outputs = batch.request.wait()
        answered = time.perf_counter()
        asked = outputs[: len(batch.frames)]  # a network of a fixed batch answers for empty places too
        poses = decode_batch(asked, self._output, batch.letterbox, batch.settings)
        self._free.setdefault(batch.kind, []).append(batch.request)
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
            batches = []
            for _ in range(self.runtime.in_flight):
                batch = self.batch(blank)
                batch.place(blank)
                batches.append(self.start(batch))
            for batch in batches:
                self.finish(batch)

    def _letterbox(self, width: int, height: int, settings: InferenceSettings) -> Letterbox:
        return Letterbox.fit(width, height, settings.imgsz, self.spec.stride, self.fixed_size)

    def _kind(self, letterbox: Letterbox, places: int | None = None, alone: bool = False) -> Kind:
        # One of a runtime that has no more than one in flight is always alone.
        return Kind(letterbox.size, places or self.runtime.batch, alone or self.runtime.in_flight == 1)

    def _request(self, kind: Kind) -> Request:
        """A free one, or one that is being prepared, or a new one."""
        try:
            return self._free[kind].pop()
        except LookupError:  # there is none, or another thread has just taken the last one
            coming = self._coming.pop(kind, None)
            return self._made(kind) if coming is None else coming.result()

    def _made(self, kind: Kind) -> Request:
        """A new one; the first one of its kind has the network compiled."""
        width, height = kind.size
        self._process = forks.generation()  # before the lock, which a fork would inherit locked
        with self._making:
            return self.runtime.request(height, width, kind.places, alone=kind.alone)


def infer(
    frames: Iterator[Frame], estimator: PoseEstimator, settings: InferenceSettings | None = None,
    *, live: bool = False, low: float | None = None, turn: Turn | None = None,
) -> Generator[Observation, None, None]:  # fmt: skip
    """Observations in the frames' order, with as many frames in flight as the runtime likes.

    An error of `frames`, or of a frame, is raised behind the observations of the frames before it.

    Args:
        frames: of one source.
        estimator: the model.
        settings: of this run; the estimator's own if None.
        live: each frame goes alone, for the least delay.
        low: find persons of scores down to this, if it is below `conf`: a tracker may know them.
        turn: ended after each frame, for the next run of those that share the estimator.
    """
    settings = settings or estimator.settings
    in_flight = 1 if live else estimator.runtime.in_flight
    roi = RoiSelector(settings.roi_every, estimator.spec.stride, settings.conf) if settings.roi else None
    if low is not None and low < settings.conf:
        settings = settings.model_copy(update={"conf": low})
    batches = _batches(frames, estimator, settings, roi, live)
    in_progress: deque[Batch] = deque()
    ended: Exception | None = None
    try:
        while in_progress or ended is None:
            if ended is None:
                try:
                    in_progress.append(estimator.start(next(batches)))
                except Exception as error:  # noqa: BLE001 # it waits its turn, and is raised below
                    ended = error
            if in_progress and (ended is not None or len(in_progress) >= in_flight):
                batch = in_progress.popleft()
                found = estimator.finish(batch)
                if turn is not None:
                    turn.end()
                for seen in found:
                    if roi is not None:
                        roi.note(seen, batch.letterbox)
                    yield seen
        if not isinstance(ended, StopIteration):
            raise ended
    except GeneratorExit:
        for batch in in_progress:  # left early: their requests are wanted by whoever uses the estimator next
            estimator.finish(batch)
        raise
    finally:
        if turn is not None:
            turn.end()
        ended = None  # its traceback refers to this call: they would keep each other, and the last pictures, in memory


def _batches(
    frames: Iterator[Frame], estimator: PoseEstimator, settings: InferenceSettings, roi: RoiSelector | None, live: bool
) -> Iterator[Batch]:
    """The frames in batches, each as full as the runtime takes it; an error comes behind the frames before it."""
    batch: Batch | None = None
    ended: Exception | None = None
    try:
        for frame in frames:
            if batch is not None and not batch.takes(frame):
                yield batch
                batch = None
            if batch is None:
                fresh = estimator.batch(frame, settings, roi=roi, places=1 if live else None, alone=live)
                fresh.place(frame)
                batch = fresh
            else:
                batch.place(frame)
            if batch.full:  # at once: the next frame may be long in coming
                yield batch
                batch = None
    except Exception as error:  # noqa: BLE001 # raised below
        ended = error
    try:
        if batch is not None:
            yield batch
        if ended is not None:
            raise ended
    finally:
        ended = None  # as in `infer`


def _blank(width: int, height: int) -> Frame:
    """A grey frame, as a video decoder would give it."""
    picture = av.VideoFrame(width, height, "yuv420p")
    for plane in picture.planes:
        plane_pixels(plane).fill(128)
    return Frame(picture, 0, 0, Fraction(1), 0.0, 0.0)
