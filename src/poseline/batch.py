"""Batch: runs the sources of one command, one after another or several at once, with the same models."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

from poseline.errors import OutputError, PoselineError, SettingsError, SourceError
from poseline.interruption import INTERRUPTED, Interruption
from poseline.machine import cores, worker_cards
from poseline.request import RunRequest
from poseline.session import Models, Session
from poseline.settings import OutputSettings, Settings
from poseline.startup import tune_process
from poseline.words import counted, unused, were
from poseline.workers import (
    Context,
    Executor,
    Outcome,
    ProcessExecutor,
    SerialExecutor,
    UnitLost,
    Work,
)
from poseline.workers.worker import STOP_TIMEOUT

# All else is imported where it is first wanted: the network is compiled on a thread of its own as soon as the source
# is open, and the rest is loaded beside it.
if TYPE_CHECKING:
    from poseline.capture import Location, Source
    from poseline.inference import PoseEstimator, Turns
    from poseline.manifest import Manifest
    from poseline.pieces import PieceWorkers
    from poseline.pipeline import OnFrame, RunReport, Sink
    from poseline.pose import MeanSpeed, Observation
    from poseline.serve.keep import Recordings

    OnEnd: TypeAlias = Callable[[RunRequest, Outcome], None]
    OnOpen: TypeAlias = "Callable[[Source, Path], object]"


class Machines(Protocol):
    """Other machines, on which sources can run."""

    def executor(self, requests: Sequence[RunRequest], out: Path) -> tuple[Executor, Work]:
        """What runs these sources of the batch in the folder `out`, and what it does with each."""

    def pieces(self, request: RunRequest, interruption: Interruption) -> PieceWorkers:
        """What finds the poses in the pieces of this recording."""


log = logging.getLogger("poseline")

MANY = 20
"""Sources above which a batch is brief: one bar for all, and at the end a list of those that failed."""
_CORES_A_JOB = 4
_PROGRESS_SECONDS = 0.2
"""How often a worker reports its progress."""


def show_log() -> None:
    """Show the messages that Poseline's modules log, above the progress bar."""
    if not any(isinstance(each, _LogHandler) for each in log.handlers):
        log.addHandler(_LogHandler())
    log.setLevel(logging.INFO)


class _LogHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        from poseline.terminal import show_message  # with the first message: few starts have one

        show_message(record.getMessage())


def run_batch(
    sources: list[str], settings: Settings, interruption: Interruption, jobs: int | None = None,
    recursive: bool = False, on_log: Callable[[Path], object] = lambda _: None, serve: str | None = None,
    recordings: Recordings | None = None, as_batch: bool = False, retry: int = 0, machines: Machines | None = None,
) -> int:  # fmt: skip
    """Run one source after another, or several at once.

    Live sources run side by side in any case: each may have no end, and would keep the next from its beginning.
    Several recorded ones with a folder for their results are a batch: what `batch.jsonl` there has as done is kept.

    Args:
        sources: as typed.
        settings: of all of them.
        interruption: receives the user's signals.
        jobs: sources to run at once, or processes for the pieces of a single one; 0 for as many as suit the machine,
            None for 1, or with several GPUs one for each.
        recursive: look into folders to the bottom.
        on_log: given the log of each run that came to the end of its source.
        serve: an address: all run side by side in this process, and a page there shows them.
        recordings: how that page's recordings are made and kept.
        as_batch: a single recorded source is a batch too.
        retry: how often the sources of a batch that failed are run again.
        machines: where to run recorded sources, as a batch; where `jobs` is another number than 1, a single one in
            pieces.

    Returns:
        The exit code of the first source that failed, or 130 after an interruption.
    """
    from poseline.capture import locate

    show_log()
    if settings.output.send:
        from poseline import send

        send.check(settings.output.send, served=serve is not None)
    locations = locate(sources, recursive)
    _check(settings, locations, as_batch)
    several, live = len(locations) > 1, any(location.live for location in locations)
    recorded = serve is None and settings.output.directory is not None and not live
    if machines and not recorded:
        raise SettingsError("--on is for recorded sources, without --serve, and with a folder for the results: -o")
    runs = _Runs(settings, interruption, on_log)
    if serve is not None:
        return runs.served(with_unique_names(locations), serve, 1 if jobs is None else jobs, recordings)
    jobs = _jobs(jobs, several, settings.inference.device, local=machines is None)
    workers, jobs = (1, jobs) if several else (jobs, 1)
    if recorded and (several or as_batch or machines):
        return runs.missing(locations, jobs, workers, retry, machines)
    locations = with_unique_names(locations)
    if several and live:
        locations, jobs = _beside_live(locations, jobs)
    return runs.here(_requests(locations, settings), jobs, workers)


def _check(settings: Settings, locations: Sequence[Location], as_batch: bool) -> None:
    """Raise an error for what would end the runs, before a model is loaded."""
    output = settings.output
    if as_batch and output.directory is None:
        raise SettingsError("poseline batch: name the folder of the results with -o; another start goes on there")
    if output.show:
        from poseline.output import Window

        Window.check()
    if output.video and output.encoder == "nvenc":
        from poseline.output import choose_encoder

        choose_encoder("nvenc")
    if output.segment and (pictures := next((each for each in locations if each.pictures), None)):
        raise SettingsError(f"--segment cuts videos, and {pictures.name} is none; leave it out")


@dataclass(frozen=True)
class _Runs:
    """The runs of one command: what they have in common, and the ways to run them.

    Each way returns the exit code of the first source that failed, or 130 after an interruption.
    """

    settings: Settings
    interruption: Interruption
    on_log: Callable[[Path], object]
    on_end: OnEnd | None = None
    """Given each source that ended; without it, the error of a single one is raised."""
    brief: bool = False
    """Whether no more is said of one source than what ends all of them."""

    def missing(self, locations: list[Location], jobs: int, workers: int, retry: int, machines: Machines | None) -> int:
        """Run what the batch's manifest does not have as done, and again what failed."""
        from poseline.manifest import FAILED, WAITING, Manifest
        from poseline.terminal import show_batch, show_message

        folder, code = self.settings.output.directory, 0
        assert folder is not None
        brief = len(locations) > MANY and not self.settings.output.show
        # a folder that the manifest names holds nothing but what an earlier start left
        again = self.settings.model_copy(update={"output": self.settings.output.model_copy(update={"overwrite": True})})
        with Manifest(folder) as manifest:
            runs = replace(self, on_end=partial(_note, manifest), brief=brief)
            missing = manifest.plan(locations, self.settings)
            if kept := len(locations) - len(missing):
                show_message(f"{kept} of {counted(len(locations), 'source')} {were(kept)} done before")
            for _ in range(1 + retry):
                if not missing or self.interruption.signal_count:
                    break
                requests = [
                    # workers of a start that was killed just now are finishing their files
                    RunRequest(each, _for_one(again, each, several=True), separately=True, patience=STOP_TIMEOUT)
                    for each in missing
                ]
                if machines:
                    code = runs.elsewhere(requests, machines, folder, in_pieces=workers != 1)
                else:
                    code = runs.here(requests, jobs, workers)
                if manifest.in_state(WAITING, missing):
                    break  # what ended it is wrong for all of them
                missing = manifest.in_state(FAILED, missing)
            status = manifest.status()
            if status.ended or kept:  # else nothing could be run, and the error says why
                show_batch(status, kept, failures=brief)
        return code

    def elsewhere(self, requests: list[RunRequest], machines: Machines, out: Path, in_pieces: bool) -> int:
        """Run them on other machines; with `in_pieces` a single one is cut, if it can be."""
        from poseline.capture.key_frames import Uncuttable
        from poseline.startup.model_preload import model_preload

        if in_pieces:
            model_preload.cancel()  # other machines load it
            workers = machines.pieces(requests[0], self.interruption)
            try:
                return self._run(SerialExecutor(), _SourceWork(workers), requests, lambda *_: None)
            except Uncuttable as error:
                log.info("one machine reads it: %s", error)
        return self.at_once(requests, *machines.executor(requests, out))

    def here(self, requests: list[RunRequest], jobs: int, workers: int) -> int:
        """Run one after another in this process, or `jobs` at once; a brief batch always in workers, whatever happens.

        `workers` processes find the poses in the pieces of a single recording.
        """
        if not (self.brief or (len(requests) > 1 and jobs > 1)):
            return self._run(SerialExecutor(), _SourceWork(workers), requests, lambda *_: None)
        cards = worker_cards(self.settings.inference.device)
        return self.at_once(
            [_of_worker(request) for request in requests], ProcessExecutor(jobs, cards=cards), WorkerSourceWork()
        )

    def at_once(self, requests: list[RunRequest], executor: Executor, work: Work) -> int:
        """Run several at once, each with a progress bar, or with one for all of a brief batch."""
        from poseline.progress import progress_of_many, progress_of_several
        from poseline.startup.model_preload import model_preload
        from poseline.terminal import console, show_message

        output = self.settings.output
        if output.show:
            raise SettingsError("--show shows one source at a time; give one live SOURCE, and leave --jobs out")
        if "-" in output.send:
            raise SettingsError("--send - prints one source at a time; give one live SOURCE, and leave --jobs out")
        model_preload.cancel()  # each worker loads its own
        shown: set[str] = set()

        def on_progress(index: int, content: tuple[int, int | None] | str) -> None:
            if not isinstance(content, str):
                show(index, *content)
            elif content not in shown:  # each worker has its own model, and the same message about it
                shown.add(content)
                show_message(content)

        names = [request.source.name for request in requests]
        with (progress_of_many if self.brief else progress_of_several)(names, console) as show:
            return self._run(executor, work, requests, on_progress)

    def served(self, locations: list[Location], address: str, jobs: int, recordings: Recordings | None) -> int:
        """Run all side by side in this process, behind a page."""
        from poseline.serve.cameras import run_served

        if "-" in self.settings.output.send and len(locations) > 1:
            raise SettingsError("--send - prints one source at a time; give one SOURCE, or send to another address")

        def run_one(*arguments: Any, **options: Any) -> RunReport:
            report = run_source(*arguments, **options)
            if log := _complete_log(report):
                self.on_log(log)
            return report

        requests, models = _requests(locations, self.settings), Models(_show_loaded)
        return run_served(requests, address, jobs, run_one, models, self.interruption, recordings)

    def _run(
        self, executor: Executor, work: Work, requests: list[RunRequest], on_progress: Callable[[int, Any], None]
    ) -> int:
        from poseline.capture.key_frames import Uncuttable

        fatal: list[int] = []  # exit codes of what is wrong for all

        def on_done(index: int, outcome: Outcome) -> bool:
            """Enter and show how a source ended; whether another one may end better."""
            if isinstance(outcome.error, Uncuttable):  # it runs in another way
                raise outcome.error
            if self.on_end:
                self.on_end(requests[index], outcome)
            if outcome.error is None:
                self._show_result(outcome.result)
                return not outcome.result.interrupted
            if len(requests) == 1 and not self.on_end:
                raise outcome.error
            if _concerns_one(outcome):
                if not self.brief or outcome.traceback:  # else it is in the list at the end
                    _show_failure(requests[index], outcome)
                return not fatal
            if not fatal:  # else it is the same error of the model or the settings once more
                _show_failure(requests[index], outcome)
            fatal.append(outcome.error.exit_code)
            return False

        ran = executor.run(requests, work, self.interruption, on_progress, on_done)
        outcomes = [outcome for outcome in ran if outcome.started]
        codes = [each.error.exit_code if each.error else each.result.code for each in outcomes]
        if self.interruption.signal_count or any(each.result and each.result.interrupted for each in outcomes):
            return codes[-1] if codes and codes[-1] else INTERRUPTED
        return next((code for code in [*fatal, *codes] if code), 0)

    def _show_result(self, result: SourceResult) -> None:
        from poseline.terminal import show_printed

        if not self.brief:
            show_printed(result.output)
        if result.log is not None:
            self.on_log(result.log)


def _show_failure(request: RunRequest, outcome: Outcome) -> None:
    from poseline.terminal import show_error

    error = outcome.error
    assert error is not None
    # what was lost does not say which source it worked on
    show_error(PoselineError(f"{request.source.name}: {error}") if isinstance(error, UnitLost) else error)
    sys.stderr.write(outcome.traceback)


def _note(manifest: Manifest, request: RunRequest, outcome: Outcome) -> None:
    """Enter how a source's run ended; what is wrong for all of them, such as a bad model, is no source's end."""
    from poseline.manifest import DONE, FAILED, INTERRUPTED

    if (error := outcome.error) is not None:
        if _concerns_one(outcome):
            manifest.record(request.source, FAILED, code=error.exit_code, error=str(error))
        return
    result: SourceResult = outcome.result
    state = DONE if not result.code else INTERRUPTED if result.interrupted else FAILED
    manifest.record(
        request.source, state, frames=result.frames, persons=result.persons, seconds=round(result.seconds, 3),
        code=result.code, error=result.error,
    )  # fmt: skip


def _jobs(asked: int | None, several: bool, device: str, *, local: bool) -> int:
    """Sources to run at once, or processes for pieces of a single one; 0 for those as many as suit the machine.

    Where the user leaves it to us, there is one for each GPU that is named or, of several sources, that is there; a
    network on a CPU fills a few cores by itself.

    Raises:
        DeviceError: a GPU that is named is not there.
    """
    one_a_card = asked is None and ("," in device or (several and device == "cuda"))
    wanted = local and ("," in device or one_a_card or (several and asked == 0))  # else not asked for: it takes a while
    cards = worker_cards(device) if wanted else []
    if asked is None:
        asked = len(cards) or 1 if one_a_card else 1
    if "," in device and asked == 1:
        log.info("one process runs, and uses the first of %s", device)
    return asked or (max(cores() // _CORES_A_JOB, len(cards), 1) if several else 0)


def _beside_live(locations: list[Location], jobs: int) -> tuple[list[Location], int]:
    """The live sources first, and jobs enough for all of them, and for the others one after another."""
    locations = sorted(locations, key=lambda location: not location.live)
    live = sum(location.live for location in locations)
    needed = live + (live < len(locations))
    if jobs < needed:
        log.info("%d sources run at once, since live ones may have no end", needed)
    return locations, max(jobs, needed)


def _of_worker(request: RunRequest) -> RunRequest:
    update = {"inference": request.settings.inference.of_worker}
    return replace(request, settings=request.settings.model_copy(update=update))


def _concerns_one(outcome: Outcome) -> bool:
    """Whether an error is one of this source alone, and not of the model or the settings."""
    return isinstance(outcome.error, SourceError | OutputError | UnitLost) or bool(outcome.traceback)


class SourceResult(NamedTuple):
    """What comes of one source."""

    code: int
    interrupted: bool
    log: Path | None
    """Its log, where it came to the end of its source."""
    frames: int
    persons: int
    seconds: float
    error: str
    output: str = ""
    """What a worker has printed."""

    @classmethod
    def of(cls, report: RunReport, output: str = "") -> SourceResult:
        """What a report says."""
        counts = report.counts
        return cls(
            report.exit_code, report.interrupted, _complete_log(report), counts.processed, counts.persons,
            report.elapsed, report.failure or "", output,
        )  # fmt: skip


class _SourceWork:
    """Runs one source after another with the same models.

    Args:
        workers: as `run_source` has it.
    """

    def __init__(self, workers: int | PieceWorkers = 1) -> None:
        self._workers = workers
        loaded = None if isinstance(workers, int) else workers.estimator
        self._models = Models(_show_loaded, loaded)
        if loaded is not None:
            _show_loaded(loaded)

    def __call__(self, request: RunRequest, context: Context) -> SourceResult:
        """Run one source."""
        report = run_source(request, self._models, context.interruption, workers=self._workers)
        return SourceResult.of(report)


class WorkerSourceWork(_SourceWork):
    """The same in a worker: messages and progress are reported, and what is printed is part of the result."""

    def __call__(self, request: RunRequest, context: Context) -> SourceResult:
        """Run one source."""
        return self.run(request, context)

    def run(self, request: RunRequest, context: Context, into: Path | None = None) -> SourceResult:
        """Run one source, into another folder than that of its settings where one is given."""
        tune_process()
        from poseline import terminal
        from poseline.progress import now_and_then

        def report_progress(observation: Observation, report: RunReport) -> None:
            context.report_progress((report.counts.processed, report.expected(observation.frame)))

        printed = StringIO()
        terminal.redirect(printed, context.report_progress)
        show_log()
        on_frame = now_and_then(report_progress, _PROGRESS_SECONDS)
        report = run_source(request, self._models, context.interruption, on_frame, into=into)
        return SourceResult.of(report, printed.getvalue())


def _complete_log(report: RunReport) -> Path | None:
    from poseline.log import part_number

    parts = [(number, path) for path in report.files if (number := part_number(path.name))]
    return min(parts)[1] if parts and report.ended == "complete" else None


def _show_loaded(estimator: PoseEstimator) -> None:
    """Say which model runs, when it is new."""
    from poseline.terminal import show_model

    show_model(estimator)


def with_unique_names(locations: list[Location]) -> list[Location]:
    """Rename sources so that no two have the same name, and no results replace another's."""
    taken: set[str] = set()
    for index, location in enumerate(locations):
        name = unused(location.name, taken)
        taken.add(name)
        locations[index] = replace(location, name=name)
    return locations


def _requests(locations: list[Location], settings: Settings) -> list[RunRequest]:
    several = len(locations) > 1
    return [RunRequest(location, _for_one(settings, location, several), separately=True) for location in locations]


def _for_one(settings: Settings, location: Location, several: bool) -> Settings:
    """With several sources, each has a folder of its own below the one that was asked for."""
    directory = settings.output.directory
    if directory is None or not several:
        return settings
    output: OutputSettings = settings.output.model_copy(update={"directory": directory / location.name})
    return settings.model_copy(update={"output": output})


def run_source(
    request: RunRequest, models: Models, interruption: Interruption, on_frame: OnFrame | None = None,
    *, sinks: Sequence[Sink] = (), turns: Turns | None = None, on_open: OnOpen | None = None,
    workers: int | PieceWorkers = 1, into: Path | None = None,
) -> RunReport:  # fmt: skip
    """Run one source: open it, load its model if that is new, and take it through the pipeline into its folder.

    Args:
        request: what is to be run.
        models: where the model comes from.
        interruption: receives the user's signals.
        on_frame: called after each frame; without it progress is shown on the terminal.
        sinks: where results go beside the folder and the addresses of `--send`.
        turns: of the live runs that share the model, if there are several.
        on_open: called with the open source and the folder, before the first frame.
        workers: processes that find the poses in pieces of a recording; 0 for as many as suit the machine. Or what
            finds them on other machines.
        into: the folder to write to, if it is another than that of the settings.
    """
    with Session(request, models, sinks=sinks, turns=turns, into_folder=True, workers=workers) as session:
        return _recorded(session, request, interruption, on_frame, on_open, into)


def _recorded(
    session: Session, request: RunRequest, interruption: Interruption, given: OnFrame | None, on_open: OnOpen | None,
    into: Path | None,
) -> RunReport:  # fmt: skip
    """Run the source into a folder of its own, and show how it went."""
    from poseline.output import prepare, wait_until_free
    from poseline.pose import MeanSpeed
    from poseline.terminal import progress, show_error, show_report, show_speed

    location, output = request.source, request.settings.output
    source, estimator = session.source, session.estimator
    directory, mean = into or output.directory, MeanSpeed()
    if directory is not None:
        wait_until_free(directory, request.patience)  # not shielded: a signal ends it
    with (
        interruption.shielded(),
        prepare(directory, location.name, output.overwrite, location.inputs) as folder,
    ):
        if on_open:
            on_open(source, folder.path)
        with nullcontext(given) if given else progress(source.info) as on_frame:
            on_frame = _show_images(source, estimator, mean) if _are_images(source) else on_frame
            report = session.run(folder, on_frame, interruption)
        if _are_images(source):
            show_speed(mean, estimator.runtime.channels)
        show_report(report)
        if report.error is not None and not isinstance(report.error, KeyboardInterrupt):
            show_error(report.error)
    return report


def _are_images(source: Source) -> bool:
    """Separate pictures, each of a size of its own; what an address holds is known once it is open."""
    return not source.info.width


def _show_images(source: Source, estimator: PoseEstimator, mean: MeanSpeed) -> Any:
    from poseline.terminal import show_image

    def on_frame(observation: Observation, _: RunReport) -> None:
        mean.add(observation.speed, observation.input_shape)
        show_image(observation, observation.frame.index + 1, source.info.frames, estimator.spec.names)

    return on_frame
