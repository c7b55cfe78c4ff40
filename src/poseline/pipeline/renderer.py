"""Renderer: a second process that draws poses on a file's frames and encodes the annotated video.

One Python interpreter can find the poses of a thousand frames a second on a GPU, or draw on some hundreds, but not
both. So the second process decodes the file itself, on the CPU, and only poses are sent to it. `VideoPieces` has
several of them, each for a piece of a recording.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from fractions import Fraction
from math import inf
from pathlib import Path
from queue import Empty
from typing import NamedTuple

from av.video.frame import VideoFrame

from poseline.capture import VideoFile
from poseline.errors import OutputError, PoselineError, StageStalled
from poseline.frame import Frame
from poseline.output import Closeable
from poseline.output.encoder import EncoderName
from poseline.overlay import Drawn, Overlay, Trails
from poseline.pipeline.annotated import AnnotatedVideo
from poseline.pipeline.chain import Stage, chain
from poseline.pipeline.meter import Meter, measured
from poseline.pipeline.pose_stream import ENCODING_ADVICE, READING, overlay_stage
from poseline.pipeline.stamp_order import matched
from poseline.pose import Observation, Poses
from poseline.settings import Settings
from poseline.skeleton import Skeleton
from poseline.startup import tune_process
from poseline.words import counted
from poseline.workers import Context, Outcome, Worker, WorkerDied

_TOGETHER = 8
"""Frames whose poses go in one message, at most."""
_TOGETHER_SECONDS = 0.19
"""Seconds of video after which they go: what has not gone is missing in the video where this process is killed."""
_AHEAD = 4
"""Messages that may wait for it."""
_DEPTH = 8
"""Pictures between two stages."""
_STALL_TIMEOUT = 60.0
"""Seconds without a word from it after which it counts as hung."""


@dataclass(frozen=True)
class RenderTask:
    """What is to be drawn, and where it goes."""

    clip: Path
    video: Path
    settings: Settings
    encoder: EncoderName
    skeleton: Skeleton
    names: dict[int, str]
    trails: Trails | None = None
    """Of the frames before the first one; None where there are none."""


class Begin(NamedTuple):
    """Where the first frame that was drawn stands in its source; see `Frame`."""

    pts: int
    time_base: Fraction
    time: float


@dataclass
class RenderResult:
    """What came of it."""

    files: list[Path] = field(default_factory=list)
    """The finished videos: one for each size of the pictures."""
    begin: Begin | None = None
    """None where no frame was drawn."""
    shift: Fraction = Fraction(0)
    """Seconds that were added to the pictures' time."""
    missing: int = 0
    """Frames whose poses were sent, but that the CPU's decoder did not give."""
    notes: list[str] = field(default_factory=list)
    meters: list[Meter] = field(default_factory=list)
    queues: dict[str, float] = field(default_factory=dict)
    cpu: float = 0.0
    """Seconds of all its threads on cores."""

    @property
    def remarks(self) -> list[str]:
        """What the user should know of it."""
        if not self.missing:
            return self.notes
        are, them = ("is", "it") if self.missing == 1 else ("are", "them")
        lost = f"{counted(self.missing, 'frame')} {are} not in the video: the CPU's decoder did not give {them}"
        return [lost, *self.notes]


def rendering_worker() -> Worker:
    """A process that draws. No signal ends it, but the end of its input: then it finishes the video."""
    return Worker(_render, ignore_signals=True, stop_timeout=_STALL_TIMEOUT)


class Renderer(Closeable):
    """The renderer as the first process sees it: observations in, an annotated video out.

    Args:
        task: what is to be drawn.
        worker: an idle one, which takes all observations at once and stays as it is; None: one of its own, for which
            `write` waits while it is behind.

    Raises (from `write` and `close`):
        PoselineError: what went wrong in the second process. The first error is kept and raised again by later writes.
    """

    def __init__(self, task: RenderTask, worker: Worker | None = None) -> None:
        self.result = RenderResult()
        """Complete once it is closed."""
        self.waited = 0.0
        """Seconds spent waiting for it."""
        self._video = task.video
        self._collected: list[tuple[int, Poses]] = []
        self._collected_since = 0.0
        self._unread = 0
        self._error: PoselineError | None = None
        self._ended = self._complete = self._closed = False
        self._own, self._ahead = worker is None, _AHEAD if worker is None else inf
        self._worker = worker or rendering_worker()
        self._worker.send(task)

    def write(self, observation: Observation) -> None:
        """Have it drawn and encoded; waits while the renderer is behind."""
        now = observation.frame.time
        if not self._collected:
            self._collected_since = now
        self._collected.append((observation.frame.pts, observation.shown))
        if len(self._collected) == _TOGETHER or now - self._collected_since >= _TOGETHER_SECONDS:
            self._send(self._collected)
            self._collected = []

    def complete(self) -> None:
        """No further observation comes: the video is finished meanwhile. A second call does nothing."""
        if self._complete:
            return
        self._complete = True
        if self._collected:
            self._send(self._collected)
        self._send(None)  # the end

    @property
    def ended(self) -> bool:
        """Whether it has come to its end, good or bad, so that `close` waits for nothing."""
        while not self._ended and not self._worker.events.empty():
            self._receive()
        return self._ended

    @property
    def failed(self) -> bool:
        """Whether it has ended with an error, which `close` raises."""
        return self.ended and self._error is not None

    def close(self) -> None:
        """Wait until all is drawn and the video is finished. A second call does nothing."""
        if self._closed:
            return
        self._closed = True
        try:
            self.complete()
            while not self._ended:
                self._receive()
        finally:
            if self._own:
                self._worker.close()
        if self._error is not None:
            raise self._error

    def _send(self, content: list[tuple[int, Poses]] | None) -> None:
        while self._unread >= self._ahead and not self._ended:
            self._receive()
        if not self._ended:
            began = time.perf_counter()
            guard = threading.Timer(_STALL_TIMEOUT, self._worker.process.kill)  # many poses fill the pipe
            guard.start()
            try:
                self._worker.send_input(content)
            finally:
                guard.cancel()
                self.waited += time.perf_counter() - began
            self._unread += 1
        elif content is not None:
            raise self._error or OutputError(f"{self._video}: drawing ended too early")

    def _receive(self) -> None:
        """Wait for one message: that the renderer has read one of our messages, or how it ended."""
        began = time.perf_counter()
        try:
            _, message = self._worker.events.get(timeout=_STALL_TIMEOUT)
        except Empty:
            self._worker.process.kill()
            error = StageStalled(f"{self._video}: nothing was drawn for {_STALL_TIMEOUT:g} s; {_advice(self._video)}")
            message = Outcome(error=error)
        self.waited += time.perf_counter() - began
        if not isinstance(message, Outcome):
            self._unread -= 1
            return
        self._ended, self._error = True, message.error
        if self._own:
            self._worker.end_input()
        if isinstance(message.error, WorkerDied):
            code = message.error.process_exit_code
            self._error = OutputError(
                f"{self._video}: the process that draws ended with {code}; {_advice(self._video)}"
            )
        elif message.traceback:
            self._error = PoselineError(f"{self._video}: drawing failed: {message.error}")
        elif message.error is None:
            self.result = message.result


def _advice(video: Path) -> str:
    """The log is ahead of the video by what was on its way."""
    return f"try `poseline recover {video.parent}`, or `poseline render {video.parent}` for all that the log has"


def _render(task: RenderTask, context: Context) -> RenderResult:
    """In the worker."""
    tune_process()

    def messages() -> Iterator[tuple[int, Poses]]:
        for message in context.inputs:
            context.report_progress(None)
            yield from message

    return render(task, messages())


def render(task: RenderTask, found: Iterator[tuple[int, Poses]]) -> RenderResult:
    """Draw poses on the clip's pictures and encode them.

    Args:
        task: the clip and the video.
        found: the time stamp of a frame and the poses in it, in the frames' order; other frames are left out.

    Raises:
        PoselineError: the clip cannot be read, or the video cannot be written.
    """
    settings, result, used = task.settings, RenderResult(), time.process_time()
    source = VideoFile(task.clip, settings.capture.model_copy(update={"decoder": "cpu"}))
    overlay = Overlay(settings.overlay, task.skeleton, task.names)
    with AnnotatedVideo(task.video, source.info, settings, task.encoder) as video:
        stages = [
            Stage(
                "decoding",
                lambda found: _observed(source.frames(), found, result),
                "decoding what is drawn on",
                READING[1],
            ),
            overlay_stage(lambda seen: overlay.stage(seen, task.trails)),
            Stage("encoding", lambda pictures: _encoded(pictures, video, result), "encoding", ENCODING_ADVICE),
        ]
        stages, result.meters = measured(stages)
        with chain((each for each in found), stages, depth=_DEPTH) as (encoded, channels):
            for _ in encoded:
                pass
            result.queues = {channel.name: channel.fill for channel in channels}
        result.notes += video.conclude()
        result.files, result.shift = list(video.files), video.shift
    result.cpu = time.process_time() - used
    return result


def _encoded(pictures: Iterator[Drawn], video: AnnotatedVideo, result: RenderResult) -> Generator[Drawn, None, None]:
    for drawn in pictures:
        frame = drawn.observation.frame
        assert isinstance(drawn.picture, VideoFrame)
        video.write(drawn.picture, frame)
        if result.begin is None:
            result.begin = Begin(frame.pts, frame.time_base, frame.time)
        yield drawn


def _observed(
    frames: Generator[Frame, None, None], found: Iterator[tuple[int, Poses]], result: RenderResult
) -> Generator[Observation, None, None]:
    """Each frame whose poses were sent, with them. On a damaged clip two decoders may give different frames."""
    with closing(frames):
        for frame, (_, poses) in matched(frames, found, lambda one: one[0]):
            if frame is None:
                result.missing += 1
            else:
                yield Observation(frame, poses)
