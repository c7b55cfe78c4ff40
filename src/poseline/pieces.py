"""Pieces: one recording cut at key frames; workers decode the pieces and find the poses, here they are joined in order.

Tracking, drawing and the log come behind that, in this process, so that ids and records are those of an undivided run.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from poseline.capture import Source, SourceInfo
from poseline.capture.file import bad_notes, shortage
from poseline.errors import PoselineError, StageStalled
from poseline.frame import Frame, Gap, black_pixels
from poseline.interruption import Interruption
from poseline.machine import cores
from poseline.pose import Floats, Integers, Observation, Poses, Speed
from poseline.request import RunRequest
from poseline.tracking.appearance import Torso, torso_colours
from poseline.workers import Executor, Outcome, ProcessExecutor, UnitLost, Work

if TYPE_CHECKING:
    from poseline.inference import PoseEstimator

_TOGETHER = 32
"""Frames in one message of a worker."""
_AHEAD = 4
"""Pieces for each worker that are begun before the first of them is tracked and written: their poses are kept."""
_SHORTEST = 4.0
"""Seconds of video that are worth a piece of their own: seeking and filling the network take their time."""
_SHORTEST_ON_GPU = 40.0
"""The same on a GPU, where a piece takes half a second to begin and a hundred frames a tenth."""
_MOST_ON_GPU = 8
"""Pieces for each worker of a long recording there."""
_SILENCE = 180.0
"""Seconds after which a process that says nothing counts as hung; longer than its own time-outs, which say more."""
_MOST_UNINDEXED = 8
"""Pieces for each worker of a file without an index: each of them reads all that lies before it."""


class _Stamp(NamedTuple):
    """A frame without its picture."""

    pts: int
    time_base: Fraction
    time: float
    corrupt: bool
    gap: Gap | None
    pixel_aspect: Fraction | None
    size: tuple[int, int]
    speed: Speed
    input_shape: tuple[int, int]
    persons: int


class Found(NamedTuple):
    """What was found in some frames: their persons' arrays stand one after another."""

    stamps: list[_Stamp]
    boxes: Floats
    scores: Floats
    keypoints: Floats
    classes: Integers
    colours: Floats
    """What each wears: the tracker reads it from the pictures, which stay in the worker."""

    @classmethod
    def of(cls, seen: Sequence[Observation]) -> Found:
        """What is in these observations, without their pictures."""
        poses = [each.poses for each in seen]
        return cls(
            [_stamp(each) for each in seen],
            np.concatenate([each.boxes for each in poses]),
            np.concatenate([each.scores for each in poses]),
            np.concatenate([each.keypoints for each in poses]),
            np.concatenate([each.classes for each in poses]),
            np.concatenate([each.colours for each in seen if each.colours is not None]),
        )

    def observations(self, source: str, first: int) -> Iterator[Observation]:
        """The observations, with frames of black pictures, numbered from `first`."""
        begin = 0
        for index, stamp in enumerate(self.stamps, first):
            own = slice(begin, begin + stamp.persons)
            poses = Poses.of(self.boxes[own], self.scores[own], self.keypoints[own], self.classes[own])
            begin += stamp.persons
            frame = Frame(
                black_pixels(*stamp.size), index, stamp.pts, stamp.time_base, stamp.time, time.monotonic(), source,
                stamp.corrupt, gap=stamp.gap, pixel_aspect=stamp.pixel_aspect,
            )  # fmt: skip
            yield Observation(frame, poses, stamp.speed, stamp.input_shape, self.colours[own])


def messages(seen: Iterator[Observation], torso: Torso | None) -> Iterator[Found]:
    """What a worker has found, some frames at a time."""
    kept = (_without_pixels(each, torso) for each in seen)
    while some := list(islice(kept, _TOGETHER)):
        yield Found.of(some)


def _without_pixels(seen: Observation, torso: Torso | None) -> Observation:
    """The same, with what the tracker would read from the picture, and without that."""
    colours = torso_colours(seen.frame, seen.poses.keypoints, torso)
    if colours is None:
        colours = np.full((len(seen.poses), 3), np.nan, np.float32)
    return replace(seen, frame=seen.frame.without_pixels(), colours=colours)


def _stamp(seen: Observation) -> _Stamp:
    frame = seen.frame
    return _Stamp(
        frame.pts, frame.time_base, frame.time, frame.corrupt, frame.gap, frame.pixel_aspect,
        (frame.width, frame.height), seen.speed, seen.input_shape, len(seen.poses),
    )  # fmt: skip


@dataclass(frozen=True)
class PieceResult:
    """What a worker says at the end of a piece."""

    bad: int
    notes: list[str]


@dataclass(frozen=True)
class PieceWorkers:
    """What finds the poses in the pieces of a recording: processes of this machine, or other machines."""

    most: int
    """Most pieces in work at once."""
    executor: Callable[[int, Callable[[int], bool]], Executor]
    """Makes what runs them, of so many at once; what it is given says, asked with a piece's number, whether that may
    begin."""
    work: Work
    """What is done with the request of one piece: `Found` is reported, and the result is a `PieceResult`."""
    drawing: int
    """Most processes of this machine that draw at once."""
    on_gpu: bool = False
    """Whether they run the network on GPUs."""
    silence: float | None = None
    """Seconds after which one that says nothing counts as hung; None: it is waited for."""
    estimator: PoseEstimator | None = None
    """On other machines: says what runs there. This one then tracks and draws, and needs no model."""


class JoinedPieces:
    """A `Source` whose frames come with what is seen in them: `observations` takes the place of the network.

    The workers begin with `begin`, or when the first frame is asked for.

    Args:
        whole: the recording, open; it is closed.
        request: what is to be run.
        cuts: times at which it is cut, inside the part that is wanted, rising, in seconds from its first frame.
        workers: what finds the poses.
    """

    def __init__(self, whole: Source, request: RunRequest, cuts: Sequence[float], workers: PieceWorkers) -> None:
        self.info: SourceInfo = whole.info
        self.notes = list(whole.notes)
        self.bad = 0
        self.cuts = cuts
        self._requests, self._work = _requests(request, cuts), workers.work
        self.drawing = min(workers.drawing, len(self._requests))
        self.workers = most = min(workers.most, len(self._requests))
        """Pieces in work at once, at most."""
        self._begun = 0
        self._executor = workers.executor(most, lambda piece: piece < self._begun + _AHEAD * most)
        self._silence = workers.silence
        self._ended = threading.Event()
        self._interruption = Interruption()
        self._seen: deque[Observation] = deque()
        self._results: list[SimpleQueue[Found | Outcome]] = [SimpleQueue() for _ in self._requests]
        whole.close()
        self._runner: threading.Thread | None = None

    def begin(self) -> None:
        """Start the workers: it takes them seconds to load their engine."""
        self._runner = threading.Thread(target=self._run, name="pieces", daemon=True)
        self._runner.start()

    def frames(self) -> Generator[Frame, None, None]:
        """The frames of all pieces in order, without pixels; what is seen in each waits for `observations`."""
        if self._runner is None:
            self.begin()
        index = 0
        try:
            for piece, results in enumerate(self._results):
                self._begun = piece
                while isinstance(found := self._next(results), Found):
                    for seen in found.observations(self.info.name, index):
                        if self._ended.is_set():
                            return
                        index += 1
                        self._seen.append(seen)
                        yield seen.frame
                if self._ended.is_set():
                    return
                self._conclude_piece(found)
            self._conclude(index)
        finally:
            self.close()

    def observations(self, frames: Iterator[Frame]) -> Generator[Observation, None, None]:
        """What is seen in each of the frames."""
        for _ in frames:
            yield self._seen.popleft()

    def stop(self) -> None:
        """End after the present frame; from a signal's handler too."""
        self._ended.set()
        self._results[self._begun].put(Outcome(started=False))  # wakes one that waits

    def close(self) -> None:
        """Stop the workers that still run, and wait for them."""
        self._interruption.signal_count += 1
        if self._runner is not None:
            self._runner.join()

    def _next(self, results: SimpleQueue[Found | Outcome]) -> Found | Outcome:
        if self._ended.is_set():
            return Outcome(started=False)
        try:
            return results.get(timeout=self._silence)
        except Empty:
            raise StageStalled(
                f"{self.info.name}: what looks for poses in a piece of it said nothing for {self._silence:g} s"
            ) from None

    def _run(self) -> None:
        try:
            outcomes = self._executor.run(
                self._requests, self._work, self._interruption,
                lambda piece, found: self._results[piece].put(found),
                lambda piece, outcome: self._results[piece].put(outcome),
            )  # fmt: skip
            unstarted = [piece for piece, outcome in enumerate(outcomes) if not outcome.started]
        except BaseException as error:  # noqa: BLE001 # raised where the frames are read
            what = f"{self.info.name}: its pieces cannot be run: {type(error).__name__}: {error}"
            fault = error if isinstance(error, PoselineError) else PoselineError(what)
            for results in self._results:
                results.put(Outcome(error=fault))
            return
        for piece in unstarted:
            self._results[piece].put(Outcome(error=PoselineError("stopped")))

    def _conclude_piece(self, outcome: Outcome) -> None:
        if isinstance(outcome.error, UnitLost | StageStalled) or outcome.traceback:
            raise PoselineError(f"{self.info.name}: looking for poses in a piece of it failed: {outcome.error}")
        if outcome.error is not None:
            raise outcome.error
        result: PieceResult = outcome.result
        self.bad += result.bad
        said = [*self.notes, *bad_notes(result.bad)]  # of the last piece alone; of all, when all are counted
        self.notes += [note for note in result.notes if note not in said]

    def _conclude(self, count: int) -> None:
        self.notes += filter(None, [shortage(self.info, count, count + self.bad), *bad_notes(self.bad)])


def _requests(request: RunRequest, cuts: Sequence[float]) -> list[RunRequest]:
    """One request a piece, each for its own part of the recording."""
    capture = request.settings.capture
    inference = request.settings.inference.of_worker
    starts, ends = [capture.start, *cuts], [*cuts, capture.end]
    return [
        replace(
            request,
            settings=request.settings.model_copy(
                update={"capture": capture.model_copy(update={"start": start, "end": end}), "inference": inference}
            ),
        )
        for start, end in zip(starts, ends, strict=True)
    ]


def joined(whole: Source, request: RunRequest, workers: PieceWorkers) -> JoinedPieces:
    """The recording in pieces.

    Raises:
        Uncuttable: it cannot be cut; the text says why.
    """
    from poseline.capture.key_frames import Uncuttable, cuts, has_index, key_times
    from poseline.capture.part import Part

    path, settings = whole.info.path, request.settings
    if path is None or whole.info.live or not whole.info.width:
        raise Uncuttable(f"{whole.info.name}: is no recording on this machine")
    for wanted, option in (
        (settings.capture.vid_stride > 1, "--vid-stride"), (settings.inference.roi, "--roi"),
        (settings.inference.arithmetic == "int8", "--precision int8"),
    ):  # fmt: skip
        if wanted:
            raise Uncuttable(f"{option} looks at more than one piece")
    part = Part(settings.capture)
    times = [
        time for time in key_times(path, settings.capture) if not part.is_before(time) and not part.is_behind(time)
    ]
    shortest, length = _SHORTEST, times[-1] - part.start if times else 0.0
    if workers.on_gpu:
        shortest = max(_SHORTEST_ON_GPU, length / (_MOST_ON_GPU * workers.most))
    if times and not has_index(path, settings.capture):
        shortest = max(shortest, length / (_MOST_UNINDEXED * workers.most))
    chosen = cuts(times, shortest, part.start)
    if not chosen:
        raise Uncuttable(f"{path}: has no key frame to cut at: pieces would be shorter than {shortest:g} s")
    return JoinedPieces(whole, request, chosen, workers)


def processes(asked: int, device: str, cards: Sequence[str], frames: int | None, work: Work) -> PieceWorkers:
    """Processes of this machine.

    Args:
        asked: as `--jobs` has it; 0 for as many as pay.
        device: that the network runs on.
        cards: GPUs over which they are spread; none where all use the same.
        frames: of the recording, where that is known.
        work: of each.
    """
    most = worker_count(asked, device, len(cards), frames)

    def executor(most: int, may_begin: Callable[[int], bool]) -> Executor:
        return ProcessExecutor(most, divide_cores=True, cards=cards, may_begin=may_begin)

    return PieceWorkers(most, executor, work, drawing=most, on_gpu=device.startswith("cuda"), silence=_SILENCE)


def worker_count(asked: int, device: str, cards: int, frames: int | None) -> int:
    """Processes for one recording: as many as are asked for; with 0, as many as pay on this machine.

    A network on a CPU fills few cores by itself. A GPU has several decoders, and one process uses one of them; but each
    process takes seconds to load PyTorch, which only a long recording makes up for.

    Args:
        asked: as `--jobs` has it; 0 for auto.
        device: that the network runs on.
        cards: GPUs over which the processes are spread; 0 if they are not.
        frames: of the recording, where that is known.
    """
    if asked:
        return asked
    filled = max(1, cores() // _CORES_A_WORKER)
    if not device.startswith("cuda"):
        return filled
    cards = max(1, cards)
    return max(cards, min(filled, _WORKERS_A_GPU * cards)) if (frames or 0) >= _WORTH_WORKERS * cards else cards


_CORES_A_WORKER = 4
_WORKERS_A_GPU = 4
_WORTH_WORKERS = 5_000
"""Frames from which on several processes on one GPU are sooner done than one."""
