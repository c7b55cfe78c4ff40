"""Renderer: a second process that draws poses on a file's frames and encodes the annotated video.

One Python interpreter can find the poses of a thousand frames a second on a GPU, or draw on some hundreds, but not
both. So the second process decodes the file itself, on the CPU, and only poses are sent to it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty

from av.video.frame import VideoFrame

from poseline.capture import VideoFile
from poseline.errors import OutputError, PoselineError, StageStalled
from poseline.frame import Frame
from poseline.output import Closeable
from poseline.output.encoder import EncoderName
from poseline.overlay import Drawn, Overlay
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


@dataclass
class RenderResult:
    """What came of it."""

    notes: list[str] = field(default_factory=list)
    meters: list[Meter] = field(default_factory=list)
    queues: dict[str, float] = field(default_factory=dict)
    cpu: float = 0.0
    """Seconds of all its threads on cores."""


class Renderer(Closeable):
    """The renderer as the first process sees it: observations in, an annotated video out.

    Raises (from `write` and `close`):
        PoselineError: what went wrong in the second process. The first error is kept and raised again by later writes.
    """

    def __init__(self, task: RenderTask) -> None:
        self.result = RenderResult()
        """Complete once it is closed."""
        self.waited = 0.0
        """Seconds spent waiting for it."""
        self._video = task.video
        self._collected: list[tuple[int, Poses]] = []
        self._collected_since = 0.0
        self._unread = 0
        self._error: PoselineError | None = None
        self._ended = self._closed = False
        # No signal ends it, but the end of its input: then it finishes the video.
        self._worker = Worker(_render, ignore_signals=True, stop_timeout=_STALL_TIMEOUT)
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

    def close(self) -> None:
        """Wait until all is drawn and the video is finished. A second call does nothing."""
        if self._closed:
            return
        self._closed = True
        try:
            if self._collected:
                self._send(self._collected)
            self._send(None)  # the end
            while not self._ended:
                self._receive()
        finally:
            self._worker.close()
        if self._error is not None:
            raise self._error

    def _send(self, content: list[tuple[int, Poses]] | None) -> None:
        while self._unread >= _AHEAD and not self._ended:
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
                lambda found: _observed(source.frames(), found, result.notes),
                "decoding what is drawn on",
                READING[1],
            ),
            overlay_stage(overlay.stage),
            Stage("encoding", lambda pictures: _encoded(pictures, video), "encoding", ENCODING_ADVICE),
        ]
        stages, result.meters = measured(stages)
        with chain((each for each in found), stages, depth=_DEPTH) as (encoded, channels):
            for _ in encoded:
                pass
            result.queues = {channel.name: channel.fill for channel in channels}
        result.notes += video.conclude()
    result.cpu = time.process_time() - used
    return result


def _encoded(pictures: Iterator[Drawn], video: AnnotatedVideo) -> Generator[Drawn, None, None]:
    for drawn in pictures:
        assert isinstance(drawn.picture, VideoFrame)
        video.write(drawn.picture, drawn.observation.frame)
        yield drawn


def _observed(
    frames: Generator[Frame, None, None], found: Iterator[tuple[int, Poses]], notes: list[str]
) -> Generator[Observation, None, None]:
    """Each frame whose poses were sent, with them. On a damaged clip two decoders may give different frames."""
    missing = 0
    with closing(frames):
        for frame, (_, poses) in matched(frames, found, lambda one: one[0]):
            if frame is None:
                missing += 1
            else:
                yield Observation(frame, poses)
    if missing:
        are, them = ("is", "it") if missing == 1 else ("are", "them")
        notes.append(f"{counted(missing, 'frame')} {are} not in the video: the CPU's decoder did not give {them}")
