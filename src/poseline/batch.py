"""Batch: runs the sources of one command, one after another or several at once, with the same models."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from io import StringIO
from typing import TYPE_CHECKING, Any

from poseline.errors import OutputError, PoselineError, SettingsError, SourceError
from poseline.interruption import INTERRUPTED, Interruption
from poseline.session import Models, RunRequest, Session
from poseline.settings import OutputSettings, Settings
from poseline.startup import tune_process

# All else is imported where it is first wanted: the network is compiled on a thread of its own as soon as the source
# is open, and the rest is loaded beside it.
if TYPE_CHECKING:
    from poseline.capture import Location, Source
    from poseline.inference import PoseEstimator
    from poseline.pipeline import OnFrame, RunReport
    from poseline.pose import Observation

log = logging.getLogger("poseline")

INTERNAL = 1
_PROGRESS_SECONDS = 0.2
"""How often a worker reports its progress."""


def show_log() -> None:
    """Show the messages that Poseline's modules log, above the progress bar."""
    logger = logging.getLogger("poseline")
    logger.addHandler(_LogHandler())
    logger.setLevel(logging.INFO)


class _LogHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        from poseline.terminal import show_message  # with the first message: few starts have one

        show_message(record.getMessage())


def run_batch(
    sources: list[str], settings: Settings, interruption: Interruption, jobs: int = 1, recursive: bool = False
) -> int:
    """Run one source after another, or `jobs` at once; the code of the first that failed.

    Live sources run side by side in any case: each may have no end, and would keep the next from its beginning.
    With `recursive`, folders are looked into to the bottom.
    """
    from poseline.capture import locate

    show_log()
    locations = locate(sources, recursive)
    if settings.output.show:
        from poseline.output import Window

        Window.check()
    if settings.output.video and settings.output.encoder == "nvenc":
        from poseline.output import choose_encoder

        choose_encoder("nvenc")  # on_progress before a model is loaded
    several = len(locations) > 1
    locations = with_unique_names(locations)
    if several and any(location.live for location in locations):
        locations, jobs = _beside_live(locations, jobs)
    if jobs > 1 and several:
        return _run_at_once(locations, settings, interruption, jobs)
    models = Models(_show_loaded)
    code = 0
    for location in locations:
        try:
            report = run_source(location, _for_one(settings, location, several), models, interruption)
        except (SourceError, OutputError) as error:  # this source's own trouble; a model's is everybody's
            if not several:
                raise
            from poseline.terminal import show_error

            show_error(error)
            code = code or error.exit_code
            continue
        if report.interrupted or interruption.signal_count:
            return _code(report) or INTERRUPTED
        code = code or _code(report)
    return code


def _beside_live(locations: list[Location], jobs: int) -> tuple[list[Location], int]:
    """The live sources first, and jobs enough for all of them, and for the others one after another."""
    locations = sorted(locations, key=lambda location: not location.live)
    live = sum(location.live for location in locations)
    needed = live + (live < len(locations))
    if jobs < needed:
        log.info("%d sources run at once, since live ones may have no end", needed)
    return locations, max(jobs, needed)


def _run_at_once(locations: list[Location], settings: Settings, interruption: Interruption, jobs: int) -> int:
    from poseline.progress import progress_of_several
    from poseline.startup.model_preload import model_preload
    from poseline.terminal import console, show_error, show_message
    from poseline.workers import Outcome, run_jobs

    if settings.output.show:
        raise SettingsError("--show shows one source at a time; give one live SOURCE, and leave --jobs out")
    model_preload.cancel()  # each worker loads its own
    tasks = [(location, _for_one(settings, location, several=True)) for location in locations]

    shown_before: set[str] = set()
    fatal: list[PoselineError] = []

    def on_done(index: int, outcome: Outcome) -> bool:
        """Show how it on_done; whether another source may do better."""
        if outcome.result is None:
            show_error(PoselineError(f"{locations[index].name}: its process on_done with {outcome.exitcode}"))
            return True
        done: _SourceResult = outcome.result
        for message in done.messages:
            if message not in shown_before:  # each worker has its own model, and the same to say of it
                shown_before.add(message)
                show_message(message)
        console.print(done.shown, end="", markup=False, soft_wrap=True)
        if done.error is not None and not fatal:
            fatal.append(done.error)
            show_error(done.error)
        return done.error is None

    with progress_of_several([location.name for location in locations], console) as show:
        outcomes = run_jobs(tasks, jobs, _SourceWork(), interruption, lambda index, done: show(index, *done), on_done)
    if interruption.signal_count:
        return INTERRUPTED
    if fatal:
        return fatal[0].exit_code
    codes = [INTERNAL if outcome.result is None else outcome.result.code for outcome in outcomes]
    return next((code for code in codes if code), 0)


@dataclass(frozen=True)
class _SourceResult:
    """What a worker returns of one source."""

    code: int
    messages: list[str]
    """Messages that are not about this source alone."""
    shown: str
    """What its run printed."""
    error: PoselineError | None = None
    """An error that every other source would meet too, such as a model that cannot be loaded."""


class _SourceWork:
    """Runs one source after another in a worker; the model is loaded once."""

    def __init__(self) -> None:
        self._models = Models(_show_loaded)

    def __call__(
        self, task: tuple[Location, Settings], report_progress: Callable[[Any], None], interruption: Interruption
    ) -> _SourceResult:
        """Run one source."""
        tune_process()
        from poseline import terminal

        shown, messages = StringIO(), list[str]()
        terminal.redirect(shown, messages.append)
        if not len(self._models):
            show_log()
        try:
            code = _code(run_source(*task, self._models, interruption, _progress_reporter(report_progress)))
        except (SourceError, OutputError) as error:  # this source's own trouble; a model's is everybody's
            terminal.show_error(error)
            code = error.exit_code
        except PoselineError as error:
            return _SourceResult(error.exit_code, messages, shown.getvalue(), error)
        return _SourceResult(code, messages, shown.getvalue())


def _show_loaded(estimator: PoseEstimator) -> None:
    """Say which model runs, when it is new."""
    from poseline.terminal import show_model

    show_model(estimator)


def _progress_reporter(report_progress: Callable[[Any], None]) -> OnFrame:
    """A callback of a run that reports its progress now and then."""
    from poseline.progress import now_and_then

    def say(observation: Observation, report: RunReport) -> None:
        report_progress((report.counts.processed, report.expected(observation.frame)))

    return now_and_then(say, _PROGRESS_SECONDS)


def with_unique_names(locations: list[Location]) -> list[Location]:
    """Rename sources so that no two have the same name, and no results replace another's."""
    taken: set[str] = set()
    for index, location in enumerate(locations):
        name, number = location.name, 2
        while name in taken:
            name, number = f"{location.name}-{number}", number + 1
        taken.add(name)
        locations[index] = replace(location, name=name)
    return locations


def _for_one(settings: Settings, location: Location, several: bool) -> Settings:
    """With several sources, each has a folder of its own below the one that was asked for."""
    directory = settings.output.directory
    if directory is None or not several:
        return settings
    output: OutputSettings = settings.output.model_copy(update={"directory": directory / location.name})
    return settings.model_copy(update={"output": output})


def run_source(
    location: Location,
    settings: Settings,
    models: Models,
    interruption: Interruption,
    on_progress: OnFrame | None = None,
) -> RunReport:
    """Run one source: open it, load its model if that is new, and take it through the pipeline into its folder."""
    with Session(RunRequest(location, settings, separately=True), models, into_folder=True) as session:
        return _recorded(session, location, settings, interruption, on_progress)


def _recorded(
    session: Session, location: Location, settings: Settings, interruption: Interruption, on_progress: OnFrame | None
) -> RunReport:
    """Run the source into a folder of its own, and show how it went."""
    from poseline.output import prepare
    from poseline.terminal import progress, show_error, show_report, show_speed

    source, estimator = session.source, session.estimator
    seen: list[Observation] = []
    with (
        interruption.shielded(),
        prepare(settings.output.directory, location.name, settings.output.overwrite, location.inputs) as folder,
    ):
        with nullcontext(on_progress) if on_progress else progress(source.info) as on_frame:
            on_frame = _show_images(source, estimator, seen) if _are_images(source) else on_frame
            _freeze_loaded_objects()
            report = session.run(folder, on_frame, interruption)
        if _are_images(source):
            show_speed(seen, estimator.runtime.channels)
        show_report(report)
        if report.error is not None and not isinstance(report.error, KeyboardInterrupt):
            show_error(report.error)
    return report


def _are_images(source: Source) -> bool:
    """Separate pictures, each of a size of its own; of an address only its content tells."""
    return not source.info.width


def _freeze_loaded_objects() -> None:
    """Exclude all objects that exist now, modules above all, from garbage collection (`gc.freeze`).

    Before a process's first run there is next to no garbage, and a collection would take 45 ms of the start. Later it
    takes 0.3 ms, and without it the garbage of the last run would be frozen too.
    """
    if gc.get_freeze_count():
        gc.collect()
    gc.freeze()


def _show_images(source: Source, estimator: PoseEstimator, seen: list[Observation]) -> Any:
    from poseline.terminal import show_image

    def on_frame(observation: Observation, _: RunReport) -> None:
        seen.append(_without_pixels(observation))
        show_image(observation, observation.frame.index + 1, source.info.frames, estimator.spec.names)

    return on_frame


def _without_pixels(observation: Observation) -> Observation:
    """What the closing line needs, so that a folder of pictures is not kept in memory."""
    import numpy as np

    return replace(observation, frame=replace(observation.frame, picture=np.zeros((1, 1, 3), np.uint8)))


def _code(report: RunReport) -> int:
    if report.error is None or isinstance(report.error, KeyboardInterrupt):
        return INTERRUPTED if report.interrupted else 0
    return report.error.exit_code if isinstance(report.error, PoselineError) else INTERNAL
