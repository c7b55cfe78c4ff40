"""Annotator: a second process that draws and encodes a file's pictures, beside the one that finds the poses.

One Python interpreter finds the poses of a thousand pictures a second on a GPU, or draws on some hundreds; not both. So
the second process decodes the file for itself, on the CPU, and only poses go from the first one to it.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

from av.video.frame import VideoFrame

from poseline.capture import VideoFile
from poseline.errors import OutputError, PoselineError, StageStalled
from poseline.frame import Frame
from poseline.light import travel_light
from poseline.output import Finished
from poseline.output.encoder import EncoderName
from poseline.overlay import Drawn, Overlay
from poseline.pipeline.annotated import AnnotatedVideo
from poseline.pipeline.chain import Stage, chain
from poseline.pipeline.meter import Meter
from poseline.pipeline.observe import ENCODING_ADVICE, READING, overlay_stage
from poseline.pose import Observation, Poses
from poseline.settings import Settings
from poseline.skeleton import Skeleton
from poseline.words import counted

_TOGETHER = 8
"""Frames of which one message tells."""
_AHEAD = 4
"""Messages that may wait for it."""
_DEPTH = 8
"""Pictures between two stages."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_PATIENCE = 60.0
"""Seconds without a word from it after which it counts as hung."""


@dataclass(frozen=True)
class AnnotationTask:
    """What is to be drawn, and where it goes."""

    clip: Path
    video: Path
    settings: Settings
    encoder: EncoderName
    skeleton: Skeleton
    names: dict[int, str]


@dataclass
class AnnotationResult:
    """What came of it."""

    notes: list[str] = field(default_factory=list)
    meters: list[Meter] = field(default_factory=list)
    queues: dict[str, float] = field(default_factory=dict)
    cpu: float = 0.0
    """Seconds of all its threads on cores."""


class Annotator(Finished):
    """The process, as the first one sees it: observations in, an annotated video out.

    Raises (from `write` and `close`):
        PoselineError: what went wrong over there. The first one is kept and raised again by later writes.
    """

    def __init__(self, task: AnnotationTask) -> None:
        self.result = AnnotationResult()
        """Complete once it is closed."""
        self.waited = 0.0
        """Seconds for which it was waited for."""
        self._video = task.video
        self._told: list[tuple[int, Poses]] = []
        self._waiting = 0
        self._error: PoselineError | None = None
        self._ended = self._closed = False
        context = multiprocessing.get_context("spawn")  # a fork would share the threads and the device of this process
        # One for each way: of one for both, the end that is left cannot read what is in it when the other is gone.
        heard, self._telling = context.Pipe(duplex=False)
        self._hearing, answered = context.Pipe(duplex=False)
        self._process = context.Process(target=_serve, args=(heard, answered, task), daemon=True)
        with _signals_held():  # the new process inherits that, until it is able to ignore them
            self._process.start()
        heard.close()
        answered.close()

    def write(self, observation: Observation) -> None:
        """Have it drawn and encoded; waits while the other process is behind."""
        self._told.append((observation.frame.pts, observation.shown))
        if len(self._told) == _TOGETHER:
            self._send()

    def close(self) -> None:
        """Wait until all is drawn and the video is finished. A second call does nothing."""
        if self._closed:
            return
        self._closed = True
        try:
            if self._told:
                self._send()
            self._send()  # of nothing: the end
            while not self._ended:
                self._hear()
        finally:
            self._telling.close()
            self._hearing.close()
            self._process.join(_PATIENCE)
            self._process.kill()
        if self._error is not None:
            raise self._error

    def _send(self) -> None:
        while self._waiting >= _AHEAD and not self._ended:
            self._hear()
        if not self._ended and not self._tell():
            while not self._ended:
                self._hear()
        if self._ended:
            raise self._error or OutputError(f"{self._video}: drawing ended too early")

    def _tell(self) -> bool:
        """Hand over what is gathered; False where the other process has gone, and left word."""
        began = time.perf_counter()
        guard = threading.Timer(_PATIENCE, self._process.kill)  # many poses fill the pipe: this may wait as well
        guard.start()
        try:
            self._telling.send(self._told)
        except OSError:
            return False
        finally:
            guard.cancel()
            self.waited += time.perf_counter() - began
        self._told, self._waiting = [], self._waiting + 1
        return True

    def _hear(self) -> None:
        """Take in one word of it: that it has read a message, or how it ended."""
        said: AnnotationResult | PoselineError | None
        began = time.perf_counter()
        try:
            if self._hearing.poll(_PATIENCE):
                said = self._hearing.recv()
            else:
                self._process.kill()
                said = StageStalled(f"{self._video}: nothing was drawn for {_PATIENCE:g} s; try `poseline recover`")
        except (EOFError, OSError):
            self._process.join(_PATIENCE)
            said = OutputError(
                f"{self._video}: the process that draws ended with {self._process.exitcode}; try `poseline recover`"
            )
        self.waited += time.perf_counter() - began
        if said is None:
            self._waiting -= 1
        elif isinstance(said, AnnotationResult):
            self.result, self._ended = said, True
        else:
            self._error, self._ended = said, True


@contextmanager
def _signals_held() -> Iterator[None]:
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # it is started with the first process, and would let the signals in again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(heard: Connection, answered: Connection, task: AnnotationTask) -> None:
    """The process' life."""
    travel_light()
    if hasattr(os, "setsid"):
        os.setsid()  # the terminal's Ctrl-C is for the first process
    for number in _SIGNALS:  # it ends when there is no more to draw, and not before
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    try:
        result: AnnotationResult | PoselineError = annotate(task, _messages(heard, answered))
    except PoselineError as error:
        result = error
    except Exception as error:  # noqa: BLE001 # raised in the first process
        result = PoselineError(f"{task.video}: drawing failed: {type(error).__name__}: {error}")
    with suppress(OSError):  # the first process was killed: the video is complete as far as it was told of
        answered.send(result)


def _leave_with_parent() -> None:
    """Where the first process is gone, finish the video in a while, or leave it."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    time.sleep(_PATIENCE)
    os._exit(1)


def _messages(heard: Connection, answered: Connection) -> Iterator[tuple[int, Poses]]:
    """What the first process tells, until it says that this was all, or is gone."""
    with suppress(EOFError):
        while told := heard.recv():
            with suppress(OSError):
                answered.send(None)
            yield from told


def annotate(task: AnnotationTask, told: Iterator[tuple[int, Poses]]) -> AnnotationResult:
    """Draw poses on the clip's pictures and encode them.

    Args:
        task: the clip and the video.
        told: the time stamp of a frame and the poses in it, in the frames' order; other frames are left out.

    Raises:
        PoselineError: the clip cannot be read, or the video cannot be written.
    """
    settings, result, used = task.settings, AnnotationResult(), time.process_time()
    source = VideoFile(task.clip, settings.capture.model_copy(update={"decoder": "cpu"}))
    overlay = Overlay(settings.overlay, task.skeleton, task.names)
    with AnnotatedVideo(task.video, source.info, settings, task.encoder) as video:
        stages = [
            Stage(
                "decoding",
                lambda told: _observed(source.frames(), told, result.notes),
                "decoding what is drawn on",
                READING[1],
            ),
            overlay_stage(overlay.stage),
            Stage("encoding", lambda pictures: _encoded(pictures, video), "encoding", ENCODING_ADVICE),
        ]
        result.meters = [Meter.of(stage) for stage in stages]
        measured = [
            stage._replace(run=meter.measured(stage.run)) for stage, meter in zip(stages, result.meters, strict=True)
        ]
        with chain((each for each in told), measured, depth=_DEPTH) as (encoded, channels):
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
    frames: Generator[Frame, None, None], told: Iterator[tuple[int, Poses]], notes: list[str]
) -> Generator[Observation, None, None]:
    """Each frame that was told of, with its poses. On a damaged clip two decoders may give different frames."""
    missing, ours, theirs = 0, _Order(), _Order()
    placed = ((ours.of(frame.pts), frame) for frame in frames)
    here = next(placed, None)
    with closing(frames):
        for pts, poses in told:
            wanted = theirs.of(pts)
            while here is not None and here[0] < wanted:
                here = next(placed, None)
            if here is not None and here[0] == wanted:
                yield Observation(here[1], poses)
            else:
                missing += 1
    if missing:
        are, them = ("is", "it") if missing == 1 else ("are", "them")
        notes.append(f"{counted(missing, 'frame')} {are} not in the video: the CPU's decoder did not give {them}")


class _Order:
    """Where a frame stands among all, by its time stamp: they may repeat, and begin anew."""

    def __init__(self) -> None:
        self._last: tuple[int, int, int] | None = None

    def of(self, pts: int) -> tuple[int, int, int]:
        """How often time has run back before it, its stamp, and which of several of this stamp it is."""
        beginning, before, repeated = self._last or (0, pts - 1, 0)
        if pts < before:
            self._last = beginning + 1, pts, 0
        else:
            self._last = beginning, pts, repeated + 1 if pts == before else 0
        return self._last
