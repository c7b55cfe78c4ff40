"""PoseEstimator: frame in, observation out, with the network's requests kept in flight."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator, Iterator
from dataclasses import dataclass

from poseline.frame import Frame
from poseline.inference.decode import decode
from poseline.inference.letterbox import Letterbox
from poseline.inference.runtimes import Request, Runtime
from poseline.inference.scaler import PAD, Scaler
from poseline.inference.spec import ModelSpec
from poseline.pose import Observation, Speed
from poseline.settings import InferenceSettings


@dataclass(eq=False)
class _Slot:
    """A request and the margins painted in it."""

    request: Request
    letterbox: Letterbox | None = None


@dataclass(frozen=True, eq=False)
class Ticket:
    """A frame whose poses are being worked out."""

    frame: Frame
    letterbox: Letterbox
    slot: _Slot
    preprocess: float
    started: float


class PoseEstimator:
    """A pose model with its runtime. One thread at a time."""

    def __init__(self, spec: ModelSpec, runtime: Runtime, settings: InferenceSettings) -> None:
        self.spec, self.runtime, self.settings = spec, runtime, settings
        self._free: dict[tuple[int, int], list[_Slot]] = {}
        self._scaler = Scaler()

    def estimate(self, frame: Frame) -> Observation:
        """The poses in one frame, now."""
        return self.finish(self.start(frame))

    def start(self, frame: Frame) -> Ticket:
        """Scale the frame into a free request and set it going."""
        letterbox = Letterbox.fit(
            frame.width, frame.height, self.settings.imgsz, self.spec.stride, self.runtime.fixed_size
        )
        slot = self._slot(letterbox)  # compiles the network, at the first picture of this size
        began = time.perf_counter()
        planes = slot.request.pixels[0]
        if slot.letterbox != letterbox:
            planes.fill(PAD)
            slot.letterbox = letterbox
        self._scaler.fill(frame, letterbox, planes)
        started = time.perf_counter()
        slot.request.start(self.settings.conf)
        return Ticket(frame, letterbox, slot, started - began, started)

    def finish(self, ticket: Ticket) -> Observation:
        """Wait for the network and decode what it says."""
        output = ticket.slot.request.wait()[0]
        answered = time.perf_counter()
        poses = decode(output, self.spec, ticket.letterbox, self.settings)
        self._free[ticket.letterbox.size].append(ticket.slot)
        speed = Speed(
            preprocess=1e3 * ticket.preprocess,
            inference=1e3 * (answered - ticket.started),
            postprocess=1e3 * (time.perf_counter() - answered),
        )
        width, height = ticket.letterbox.size
        return Observation(ticket.frame, poses, speed, (height, width))

    def warm_up(self, width: int, height: int) -> None:
        """Compile the network for pictures of this size before the first one comes."""
        letterbox = Letterbox.fit(width, height, self.settings.imgsz, self.spec.stride, self.runtime.fixed_size)
        slots = [self._slot(letterbox) for _ in range(self.runtime.in_flight)]
        for slot in slots:
            slot.request.start(self.settings.conf)
            slot.request.wait()
        self._free[letterbox.size].extend(slots)

    def _slot(self, letterbox: Letterbox) -> _Slot:
        free = self._free.setdefault(letterbox.size, [])
        width, height = letterbox.size
        return free.pop() if free else _Slot(self.runtime.request(height, width))


def infer(frames: Iterator[Frame], estimator: PoseEstimator) -> Generator[Observation, None, None]:
    """Observations in the frames' order, with as many frames in flight as the runtime likes.

    An error of `frames`, or of a frame, is raised behind the observations of the frames before it.
    """
    flying: deque[Ticket] = deque()
    ended: Exception | None = None
    try:
        while flying or ended is None:
            if ended is None:
                try:
                    flying.append(estimator.start(next(frames)))
                except Exception as error:  # noqa: BLE001 # it waits its turn, and is raised below
                    ended = error
            if flying and (ended is not None or len(flying) >= estimator.runtime.in_flight):
                yield estimator.finish(flying.popleft())
    except GeneratorExit:
        for ticket in flying:  # left early: their requests are wanted by whoever uses the estimator next
            estimator.finish(ticket)
        raise
    if not isinstance(ended, StopIteration):
        raise ended
