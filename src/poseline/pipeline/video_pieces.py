"""VideoPieces: the annotated video of a recording in pieces, which several renderers draw and encode at the same time.

Each piece is a file of its own, without sound. This process copies their packets into the video one after another, and
the sound beside them; nothing is encoded again.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av

from poseline.atomic import cause
from poseline.capture import SourceInfo
from poseline.capture.part import microseconds
from poseline.errors import OutputError, PoselineError
from poseline.frame import Frame, black_pixels
from poseline.output import Closeable, EncodedPicture
from poseline.output.folder import piece_file, piece_files
from poseline.output.mp4 import FAILURES, is_recoverable, part_of
from poseline.overlay import Trails
from poseline.pipeline.annotated import AnnotatedVideo
from poseline.pipeline.renderer import Renderer, RenderResult, RenderTask, rendering_worker
from poseline.pose import Observation
from poseline.settings import Settings
from poseline.workers import Worker

_MOST_ON_CARD = 3
"""Renderers that encode on a GPU: some cards' drivers open no more encoders than that."""
_PIECE_NAME = re.compile(r"^.*\.piece-\d+: ", re.DOTALL)
"""How an error of a piece begins: with its file, which does not stay."""


class _Piece(NamedTuple):
    renderer: Renderer
    worker: Worker


class VideoPieces(Closeable):
    """Observations in, an annotated video out, as from a `Renderer`.

    As many pieces are drawn at once as there are processes, each started when it has something to draw. `write` waits
    for the first piece where another begins and all are busy, so that no more than the poses of these are kept.

    Args:
        task: the whole video.
        info: of the whole recording, or of the part of it that is wanted.
        cuts: times at which it is cut, rising, in seconds from the recording's first frame.
        processes: most pieces at once.

    Raises (from `write` and `close`):
        PoselineError: what went wrong in one of the processes, or in joining. The video then keeps its name `.part`,
            and holds the pieces before.
    """

    def __init__(self, task: RenderTask, info: SourceInfo, cuts: Sequence[float], processes: int) -> None:
        self.result = RenderResult()
        """Of all pieces together; complete once it is closed."""
        self._task, self._cuts = task, deque(cuts)
        self._processes = min(processes, len(cuts) + 1, _MOST_ON_CARD if task.encoder == "nvenc" else processes)
        trail = task.settings.overlay.trail
        self._trails = Trails(trail) if trail else None
        self._waited = 0.0
        self._begun = 0
        self._error: BaseException | None = None
        self._closed = self._whole = False
        self._pieces: deque[_Piece] = deque()
        """Those that are begun and not yet joined."""
        self._idle: list[Worker] = []
        self._video = AnnotatedVideo(task.video, info, task.settings, task.encoder)

    @property
    def waited(self) -> float:
        """Seconds spent waiting for the other processes."""
        return self._waited + sum(piece.renderer.waited for piece in self._pieces)

    def write(self, observation: Observation) -> None:
        """Have it drawn and encoded."""
        if self._error is not None:
            raise self._error
        try:
            if self._begins_piece(observation.frame.time) or not self._pieces:
                self._begin_piece(observation.frame.time)
            self._pieces[-1].renderer.write(observation)
        except BaseException as error:  # whatever it is, what comes after it would follow a hole
            raise self._failed(error) from error
        if self._trails is not None:
            self._trails.update(observation.shown, observation.frame.time)

    def close(self) -> None:
        """Wait until all pieces are drawn, and finish the video. A second call does nothing."""
        if self._closed:
            return
        self._closed = True
        try:
            if self._error is None:
                self._finish()
        except BaseException as error:
            raise self._failed(error) from error
        finally:
            self._release()

    def _begins_piece(self, time: float) -> bool:
        begins = False
        while self._cuts and microseconds(self._cuts[0]) <= microseconds(time):
            self._cuts.popleft()
            begins = True
        return begins

    def _begin_piece(self, time: float) -> None:
        if self._pieces:
            self._pieces[-1].renderer.complete()
        failed = any(piece.renderer.failed for piece in self._pieces)
        while self._pieces and (
            failed or len(self._pieces) == self._processes or self._pieces[0].renderer.ended
        ):  # raises the error of one that failed, when those before it are joined
            self._join_first()
        self._begun += 1
        settings = _of_piece(self._task.settings, time if self._begun > 1 else None)
        file = piece_file(self._task.video, self._begun)
        task = replace(self._task, video=file, settings=settings, trails=self._trails)  # as they are now: it is pickled
        worker = self._idle.pop() if self._idle else rendering_worker()
        self._pieces.append(_Piece(Renderer(task, worker), worker))

    def _finish(self) -> None:
        if self._pieces:
            self._pieces[-1].renderer.complete()
        while self._pieces:
            self._join_first()
        self.result.notes += self._video.conclude()
        self._whole = True
        for meter in self.result.meters:
            meter.wall /= self._processes  # they work side by side: the run waits for so much of it
        self.result.queues = {name: fill / max(1, self._begun) for name, fill in self.result.queues.items()}

    def _join_first(self) -> None:
        """Wait for the first piece, and append it to the video."""
        piece = self._pieces[0]
        piece.renderer.close()
        result = piece.renderer.result
        _include(self.result, result)
        try:
            for file in result.files:
                self._append(file, result)
        except PoselineError:
            raise
        except FAILURES as error:
            raise OutputError(f"{file}: cannot be joined: {cause(error)}") from error
        self._waited += piece.renderer.waited
        self._idle.append(self._pieces.popleft().worker)

    def _append(self, file: Path, result: RenderResult) -> None:
        assert result.begin is not None
        with av.open(str(file), format="mp4") as container:
            stream = container.streams.video[0]
            frame = Frame(
                black_pixels(stream.width, stream.height), 0, result.begin.pts, result.begin.time_base,
                result.begin.time, 0.0, pixel_aspect=stream.sample_aspect_ratio or Fraction(1),
            )  # fmt: skip
            for packet in container.demux(stream):
                if packet.size and packet.pts is not None:
                    pts = round((packet.pts * packet.time_base - result.shift) / frame.time_base)
                    self._video.write(EncodedPicture(packet, pts, frame.time_base, stream), frame)
        file.unlink(missing_ok=True)

    def _failed(self, error: BaseException) -> BaseException:
        """Keep the first error."""
        self._error = self._error or self._of_video(error)
        return self._error

    def _of_video(self, error: BaseException) -> BaseException:
        """The error of a piece as one of the whole video, with what to try: a piece's own file does not stay."""
        text, is_of_piece = _PIECE_NAME.subn("", str(error))
        if not isinstance(error, PoselineError) or not is_of_piece:
            return error
        video, part = self._task.video, part_of(self._task.video)
        all_of_it = f"try `poseline render {video.parent}` for all that the log has"
        recovered = f"what was joined before is in {part}, `poseline recover` makes it playable; "
        return type(error)(
            f"{video}: {text.partition('; ')[0]}; {recovered if is_recoverable(part) else ''}{all_of_it}"
        )

    def _release(self) -> None:
        """End the processes, and remove those of their files that are in no video."""
        workers = [*self._idle, *(piece.worker for piece in self._pieces)]
        for worker in workers:
            worker.end_input()
            if not self._whole:
                worker.process.kill()
        for worker in workers:
            worker.close()
        if not self._whole:
            self._video.abandon()
        with self._video:
            pass
        for file in piece_files(self._task.video):
            file.unlink(missing_ok=True)


def _of_piece(settings: Settings, start: float | None) -> Settings:
    """What a piece is drawn by that begins at `start`, in seconds; None: at the beginning of all that is wanted."""
    capture, output = settings.capture, settings.output.model_copy(update={"audio": False})
    if start is not None:
        capture = capture.model_copy(update={"start": start})
    return settings.model_copy(update={"capture": capture, "output": output})


def _include(whole: RenderResult, piece: RenderResult) -> None:
    whole.missing += piece.missing
    whole.cpu += piece.cpu
    whole.notes += [note for note in piece.notes if note not in whole.notes]
    if not whole.meters:
        whole.meters = piece.meters
    else:
        for meter, other in zip(whole.meters, piece.meters, strict=True):
            meter.include(other)
    for name, fill in piece.queues.items():
        whole.queues[name] = whole.queues.get(name, 0.0) + fill
