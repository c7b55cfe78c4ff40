"""Session: one source, opened and taken through the pipeline; all that was opened is closed when it is left.

The command line, its workers, `stream` and the benchmark reach the pipeline through here, and nowhere else.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, TypeAlias

from poseline.machine import cores, worker_cards
from poseline.request import RunRequest
from poseline.settings import Settings
from poseline.workers import Context, in_worker

# All else is imported where it is first wanted: the network is compiled on a thread of its own as soon as the source
# is open, and the rest is loaded beside it.
if TYPE_CHECKING:
    from poseline.capture import ClipSample, Location, Source
    from poseline.inference import PoseEstimator, Turns
    from poseline.interruption import Interruption
    from poseline.output import OutputFolder
    from poseline.pieces import PieceResult, PieceWorkers
    from poseline.pipeline import OnFrame, RunReport, Sink, Stage
    from poseline.pose import Observation
    from poseline.tracking import Tracker

    OnLoad: TypeAlias = "Callable[[PoseEstimator], object]"

log = logging.getLogger("poseline")

_CORES_TO_RENDER = 4
"""Cores from which on a second process has some of its own."""


class Models:
    """Models that were loaded, by whether they are for live use and by the clip that int8 was calibrated on.

    Args:
        on_load: called with each that is new.
        loaded: the one to be used for everything.
    """

    def __init__(self, on_load: OnLoad | None = None, loaded: PoseEstimator | None = None) -> None:
        self._on_load, self._loaded = on_load, loaded
        self._kept: dict[tuple[bool, Path | None], PoseEstimator] = {}

    def get(
        self, settings: Settings, *, live: bool, clip: Path | None = None, size: tuple[int, int] = (0, 0)
    ) -> PoseEstimator:
        """The model that `settings` ask for, loaded if it is not yet.

        Args:
            settings: its inference section names the model.
            live: for the least delay of one frame, rather than for the most frames a second.
            clip: the source, where it is a file: int8 is calibrated on it unless the settings name another.
            size: (width, height) of the pictures, for which it gets ready on a thread of its own; (0, 0) if unknown.

        Raises:
            ModelError: it cannot be found, trusted, converted or run. SettingsError: options contradict each other.
        """
        if self._loaded is not None:
            return self._loaded
        from poseline.inference import load_estimator

        inference = settings.inference
        clip = (inference.calibrate or clip) if inference.arithmetic == "int8" else None
        key = live, clip
        new = key not in self._kept
        if new:
            if clip:
                self._kept.clear()  # each clip has a network of its own, and a folder may hold many
            self._kept[key] = load_estimator(inference, live=live, sample=_sample(clip, settings))
        estimator = self._kept[key]
        if all(size):
            estimator.prepare(*size)
        if new and self._on_load:
            self._on_load(estimator)
        return estimator


class Session:
    """One source with its model, from opening to closing.

    `run` takes it through the pipeline into a folder, `observations` gives the caller what is seen; one of them, once.

    Args:
        request: what is to be run.
        models: where the model comes from, and where the next session finds it.
        sinks: where results go beside the folder, and beside what the settings send.
        stages: further stages, behind tracking.
        into_folder: whether `run` will be called, which draws and writes as the settings say.
        turns: of the live runs that share the model, if there are several.
        workers: processes that find the poses, each in a piece of a recording; 1 for this process alone, 0 for as many
            as the machine can keep busy. What cannot be cut runs whole. Or what finds them on other machines, with the
            model that `models` was made with.

    Raises (on entering):
        SourceError, ModelError, SettingsError: the source cannot be opened, or the model cannot be loaded.
        Uncuttable: it is to be cut for other machines, and cannot be.
    """

    source: Source
    estimator: PoseEstimator

    def __init__(
        self, request: RunRequest, models: Models, *, sinks: Sequence[Sink] = (), stages: Sequence[Stage] = (),
        into_folder: bool = False, turns: Turns | None = None, workers: int | PieceWorkers = 1,
    ) -> None:  # fmt: skip
        self._request, self._models = request, models
        self._sinks = [*_senders(request, sinks), *sinks] if into_folder else sinks
        self._stages, self._into_folder = stages, into_folder
        self._turns, self._workers = turns, workers
        self._render_in_subprocess = False
        self._read = False

    def __enter__(self) -> Session:
        # A file is opened before the model is loaded, so that a bad one is reported at once; a camera after, so that no
        # stale picture waits in it: of that it is only looked whether it is there.
        from poseline.capture import check_part, check_present

        location, settings = self._request.source, self._request.settings
        if self._into_folder:
            _check_formats(settings.output.log)
        check_present(location)
        check_part(location, settings.capture)
        estimator = None if location.inputs else self._loaded_for_live(location)
        output = settings.output
        pictured = any(sink.needs_picture for sink in self._sinks)
        drawn_on = self._into_folder and (output.video or output.show or pictured)
        in_subprocess = drawn_on and not pictured and may_render_in_subprocess(self._request)
        may_be_drawn = not pictured
        divided = self._workers != 1 and self._may_begin_early()
        drawn_here = drawn_on and not in_subprocess
        self.source = _open(location, settings, drawn_on=drawn_here, elsewhere=divided)
        try:
            if divided and not self._divide("cuda", drawn_on, may_be_drawn):
                self.source.close()
                self.source = _open(location, settings, drawn_on=drawn_here)
                divided = False
            info = self.source.info
            if not divided:  # else the pictures are here, and may be drawn on here
                self._render_in_subprocess = in_subprocess and info.on_device
            live = info.live or (self._request.separately and not info.width)
            size = (0, 0) if divided else (info.width, info.height)
            self.estimator = estimator or self._models.get(settings, live=live, clip=location.video, size=size)
            if self._workers != 1 and not divided:
                self._divide(self.estimator.runtime.device, drawn_on, may_be_drawn)
            if self._into_folder and info.live and info.width:  # a file waits for the network; its first frames warm it
                self.estimator.warm_up(*size)
        except BaseException:
            self.source.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._read:  # one that was read closes itself, on the thread that reads it
            self.source.close()

    def _loaded_for_live(self, location: Location) -> PoseEstimator:
        """The model for a source that is no file, loaded before that is opened; such a run may last for months."""
        from poseline.startup import tune_malloc

        tune_malloc()
        return self._models.get(self._request.settings, live=True, clip=location.video)

    def _may_begin_early(self) -> bool:
        """Whether workers begin before this process has loaded the network: on GPUs each takes seconds for that."""
        from poseline.inference import seems_on_gpu

        return not isinstance(self._workers, int) or seems_on_gpu(self._request.settings.inference)

    def _divide(self, device: str, drawn_on: bool, may_be_drawn: bool) -> bool:
        """Let workers find the poses, on `device`, each in a piece of the recording; whether it can be cut."""
        from poseline.capture.key_frames import Uncuttable
        from poseline.pieces import joined

        here = isinstance(self._workers, int)
        workers = self._processes(self._workers, device) if isinstance(self._workers, int) else self._workers
        if here and workers.most == 1:
            return False
        try:
            if drawn_on and not (may_be_drawn and may_render_elsewhere(self._request)):
                raise Uncuttable("the pictures are wanted in this process")
            self.source = pieces = joined(self.source, self._request, workers)
        except Uncuttable as error:
            if not here:
                raise
            log.info("one process reads it: %s", error)
            self._workers = 1
            return False
        pieces.begin()
        self._render_in_subprocess = drawn_on
        return True

    def _processes(self, asked: int, device: str) -> PieceWorkers:
        from poseline.pieces import processes

        cards = worker_cards(self._request.settings.inference.device)
        return processes(asked, device, cards, self.source.info.frames, PieceWork())

    def estimates(self) -> Iterator[Observation]:
        """The same as `observations`, but nobody is tracked yet."""
        from poseline.pipeline import open_pose_stream

        self._read = True
        settings = self._request.settings
        with open_pose_stream(
            self.source, self.estimator, settings, inference=settings.inference, estimate_only=True
        ) as stream:
            items: Iterator[Observation] = stream.items
            yield from items

    def observations(self, tracker: Tracker | None = None) -> Iterator[Observation]:
        """What is seen, frame by frame, as it comes; decoding and inference run beside the caller's loop.

        Where the settings want tracking, `tracker` does it; a new one if None.
        """
        from poseline.pipeline import open_pose_stream

        self._read = True
        settings = self._request.settings
        with open_pose_stream(
            self.source,
            self.estimator,
            settings,
            self._stages,
            inference=settings.inference,
            tracker=tracker,
        ) as stream:
            items: Iterator[Observation] = stream.items
            yield from items

    def run(
        self, folder: OutputFolder, on_frame: OnFrame | None = None, interruption: Interruption | None = None
    ) -> RunReport:
        """Take the source to its end, into `folder` and the sinks; what went wrong is in the report."""
        from poseline.inference import Turn
        from poseline.pipeline import run

        self._read = True
        turn = Turn(self._turns) if self._turns and self.source.info.live else None
        return run(
            self.source, self.estimator, self._request.settings, folder, on_frame, interruption,
            render_in_subprocess=self._render_in_subprocess, sinks=self._sinks, stages=self._stages, turn=turn,
        )  # fmt: skip


def _check_formats(names: Sequence[str]) -> None:
    """Raise a SettingsError where one of these formats needs a package that is not installed."""
    if any(name != "jsonl" for name in names):
        from poseline.formats import chosen_formats

        for each in chosen_formats(names):
            each.require()


def _senders(request: RunRequest, others: Sequence[Sink]) -> Sequence[Sink]:
    """Sinks of the addresses that the settings send keypoints to."""
    if not request.settings.output.send:
        return ()
    from poseline import send

    served = any(sink.name == "serve" for sink in others)
    return send.senders(request.settings.output.send, request.source.name, served)


def may_render_in_subprocess(request: RunRequest) -> bool:
    """Whether a second process may draw a file's pictures, so that a GPU can keep them: this one has no time.

    Not where there are few cores; nor where none `may_render_elsewhere`.
    """
    return may_render_elsewhere(request) and cores() >= _CORES_TO_RENDER


def may_render_elsewhere(request: RunRequest) -> bool:
    """Whether other processes than this one can draw a file's pictures.

    Not beside a window, which shows each picture when its poses are found; not with --jobs, where Python runs in many
    processes already; not for some of a file's frames, since drawing is not what takes the time then; and not where the
    video is cut into segments, which this process does at the same frames as in the log.
    """
    output, capture = request.settings.output, request.settings.capture
    drawn = request.source.video and output.video and not output.show and not request.settings.overlay.hud
    whole = output.segment is None
    every = not capture.live and capture.vid_stride == 1
    return bool(drawn) and every and whole and not in_worker()


def _open(location: Location, settings: Settings, drawn_on: bool, elsewhere: bool = False) -> Source:
    from poseline.capture import open_source

    capture = settings.capture
    if elsewhere or (capture.decoder == "auto" and drawn_on):
        capture = capture.model_copy(update={"decoder": "cpu"})  # pictures to be drawn on are wanted in host memory
    return open_source(location, capture, "cpu" if capture.decoder == "cpu" else _device(location, settings))


def _device(location: Location, settings: Settings) -> str:
    """What works on the source's pictures."""
    if not location.video:
        return "cpu"  # as far as decoding is concerned
    from poseline.inference import device_of

    return device_of(settings.inference)


def _sample(clip: Path | None, settings: Settings) -> ClipSample | None:
    from poseline.capture import ClipSample

    return ClipSample(clip, settings.capture) if clip else None


class PieceWork:
    """Finds the poses of one piece of a recording after another, with the same model; in a worker."""

    def __init__(self) -> None:
        self._models = Models()

    def model(self, request: RunRequest) -> PoseEstimator:
        """What finds them."""
        from poseline.startup import tune_process

        tune_process()
        return self._models.get(request.settings, live=False)

    def __call__(self, request: RunRequest, context: Context) -> PieceResult:
        """Report what is found, some frames at a time."""
        from poseline.capture.part import NoPart
        from poseline.pieces import PieceResult, messages
        from poseline.startup import tune_process

        tune_process()
        try:
            with Session(request, self._models) as session:
                for message in messages(session.estimates(), session.estimator.spec.skeleton.torso):
                    context.report_progress(message)
                    if context.interruption.signal_count:
                        break
                return PieceResult(session.source.bad, session.source.notes)
        except NoPart as error:  # nothing of it could be decoded
            return PieceResult(0, [str(error)])
