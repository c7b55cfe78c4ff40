"""Runs: the sources of one command, one after another or several at once, and what they have in common: the models."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poseline.errors import OutputError, PoselineError, SettingsError, SourceError
from poseline.interruption import INTERRUPTED, Interruption
from poseline.light import travel_light
from poseline.session import Models, RunRequest, Session
from poseline.settings import OutputSettings, Settings

# All else is imported where it is first wanted: the network is compiled on a thread of its own as soon as the source
# is open, and the rest is loaded beside it.
if TYPE_CHECKING:
    from poseline.capture import Location, Source
    from poseline.inference import PoseEstimator, Turns
    from poseline.pipeline import OnFrame, RunReport, Sink
    from poseline.pose import Observation
    from poseline.serve.keep import Recordings

log = logging.getLogger("poseline")

INTERNAL = 1
_TELLING_SECONDS = 0.2
"""How often a worker says how far it has come."""


def show_log() -> None:
    """Show what Poseline's modules have to say, above the progress bar."""
    logger = logging.getLogger("poseline")
    logger.addHandler(_Shown())
    logger.setLevel(logging.INFO)


class _Shown(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        from poseline.terminal import show_message  # with the first message: few starts have one

        show_message(record.getMessage())


def run_all(
    sources: list[str], settings: Settings, interruption: Interruption, jobs: int = 1, recursive: bool = False,
    serve: str | None = None, recordings: Recordings | None = None,
) -> int:  # fmt: skip
    """Run one source after another, or `jobs` at once; the code of the first that failed.

    Live sources run side by side in any case: each may have no end, and would keep the next from its beginning.
    With `recursive`, folders are looked into to the bottom. With `serve`, an address, a page there shows them.
    """
    from poseline.capture import locate

    show_log()
    locations = locate(sources, recursive)
    if settings.output.show:
        from poseline.output import Window

        Window.check()
    if settings.output.video and settings.output.encoder == "nvenc":
        from poseline.output import choose_encoder

        choose_encoder("nvenc")  # told before a model is loaded
    several = len(locations) > 1
    locations = _told_apart(locations)
    if serve is not None:
        from poseline.serve.cameras import run_served

        tasks = [(location, _for_one(settings, location, several)) for location in locations]
        return run_served(tasks, serve, jobs, _run_one, Models(_show_loaded), interruption, recordings)
    if several and any(location.live for location in locations):
        locations, jobs = _beside_live(locations, jobs)
    if jobs > 1 and several:
        return _run_at_once(locations, settings, interruption, jobs)
    models = Models(_show_loaded)
    code = 0
    for location in locations:
        try:
            report = _run_one(location, _for_one(settings, location, several), models, interruption)
        except (SourceError, OutputError) as error:  # this source's own trouble; a model's is everybody's
            if not several:
                raise
            from poseline.terminal import show_error

            show_error(error)
            code = code or error.exit_code
            continue
        if report.interrupted or interruption.asked:
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
    from poseline.head_start import head_start
    from poseline.jobs import Outcome, run_jobs
    from poseline.progress import progress_of_several
    from poseline.terminal import console, show_error, show_message

    if settings.output.show:
        raise SettingsError("--show shows one source at a time; give one live SOURCE, and leave --jobs out")
    head_start.dismiss()  # each worker loads its own
    tasks = [(location, _for_one(settings, location, several=True)) for location in locations]

    said: set[str] = set()
    fatal: list[PoselineError] = []

    def ended(index: int, outcome: Outcome) -> bool:
        """Show how it ended; whether another source may do better."""
        if outcome.result is None:
            show_error(PoselineError(f"{locations[index].name}: its process ended with {outcome.exitcode}"))
            return True
        done: _Done = outcome.result
        for message in done.messages:
            if message not in said:  # each worker has its own model, and the same to say of it
                said.add(message)
                show_message(message)
        console.print(done.shown, end="", markup=False, soft_wrap=True)
        if done.error is not None and not fatal:
            fatal.append(done.error)
            show_error(done.error)
        return done.error is None

    with progress_of_several([location.name for location in locations], console) as show:
        outcomes = run_jobs(tasks, jobs, _Job(), interruption, lambda index, done: show(index, *done), ended)
    if interruption.asked:
        return INTERRUPTED
    if fatal:
        return fatal[0].exit_code
    codes = [INTERNAL if outcome.result is None else outcome.result.code for outcome in outcomes]
    return next((code for code in codes if code), 0)


@dataclass(frozen=True)
class _Done:
    """What a worker tells of one source."""

    code: int
    messages: list[str]
    """What there is to say that is not about this source alone."""
    shown: str
    """What there is to show of it."""
    error: PoselineError | None = None
    """What no other source would escape, such as a model that cannot be loaded."""


class _Job:
    """What a worker does with each source; its model is loaded once."""

    def __init__(self) -> None:
        self._models = Models(_show_loaded)

    def __call__(
        self, task: tuple[Location, Settings], tell: Callable[[Any], None], interruption: Interruption
    ) -> _Done:
        """Run one source."""
        travel_light()
        from poseline import terminal

        shown, messages = StringIO(), list[str]()
        terminal.redirect(shown, messages.append)
        if not len(self._models):
            show_log()
        try:
            code = _code(_run_one(*task, self._models, interruption, _telling(tell)))
        except (SourceError, OutputError) as error:  # this source's own trouble; a model's is everybody's
            terminal.show_error(error)
            code = error.exit_code
        except PoselineError as error:
            return _Done(error.exit_code, messages, shown.getvalue(), error)
        return _Done(code, messages, shown.getvalue())


def _show_loaded(estimator: PoseEstimator) -> None:
    """Say which model runs, when it is new."""
    from poseline.terminal import show_model

    show_model(estimator)


def _telling(tell: Callable[[Any], None]) -> OnFrame:
    """Tell how far a run has come, now and then."""
    from poseline.progress import now_and_then

    def say(observation: Observation, report: RunReport) -> None:
        tell((report.counts.processed, report.expected(observation.frame)))

    return now_and_then(say, _TELLING_SECONDS)


def _told_apart(locations: list[Location]) -> list[Location]:
    """No two of the same name, so that the second's results never replace the first's."""
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


def _run_one(
    location: Location, settings: Settings, models: Models, interruption: Interruption, told: OnFrame | None = None,
    *, sinks: Sequence[Sink] = (), turns: Turns | None = None, opened: Callable[[Source, Path], object] | None = None,
) -> RunReport:  # fmt: skip
    request = RunRequest(location, settings, separately=True)
    with Session(request, models, sinks=sinks, turns=turns, into_folder=True) as session:
        return _recorded(session, location, settings, interruption, told, opened)


def _recorded(
    session: Session,
    location: Location,
    settings: Settings,
    interruption: Interruption,
    told: OnFrame | None,
    opened: Callable[[Source, Path], object] | None = None,
) -> RunReport:
    """Run the source into a folder of its own, and show how it went."""
    from poseline.output import prepare
    from poseline.terminal import progress, show_error, show_report, show_speed

    source, estimator = session.source, session.estimator
    seen: list[Observation] = []
    with (
        interruption.held(),
        prepare(settings.output.directory, location.name, settings.output.overwrite, location.inputs) as folder,
    ):
        if opened:
            opened(source, folder.path)
        with nullcontext(told) if told else progress(source.info) as on_frame:
            on_frame = _pictures(source, estimator, seen) if _are_pictures(source) else on_frame
            _set_apart_what_is_loaded()
            report = session.run(folder, on_frame, interruption)
        if _are_pictures(source):
            show_speed(seen, estimator.runtime.channels)
        show_report(report)
        if report.error is not None and not isinstance(report.error, KeyboardInterrupt):
            show_error(report.error)
    return report


def _are_pictures(source: Source) -> bool:
    """Separate pictures, each of a size of its own; of an address only its content tells."""
    return not source.info.width


def _set_apart_what_is_loaded() -> None:
    """Have Python look for garbage among new objects alone: what is loaded stays, and is most of all there is.

    Before a process's first run there is next to no garbage, and looking for it would take 45 ms of the start. After a
    run that takes 0.3 ms, and the garbage of that run would stay with the rest for ever.
    """
    if gc.get_freeze_count():
        gc.collect()
    gc.freeze()


def _pictures(source: Source, estimator: PoseEstimator, seen: list[Observation]) -> Any:
    from poseline.terminal import show_picture

    def on_frame(observation: Observation, _: RunReport) -> None:
        seen.append(_without_pixels(observation))
        show_picture(observation, observation.frame.index + 1, source.info.frames, estimator.spec.names)

    return on_frame


def _without_pixels(observation: Observation) -> Observation:
    """What the closing line needs, so that a folder of pictures is not kept in memory."""
    import numpy as np

    return replace(observation, frame=replace(observation.frame, picture=np.zeros((1, 1, 3), np.uint8)))


def _code(report: RunReport) -> int:
    if report.error is None or isinstance(report.error, KeyboardInterrupt):
        return INTERRUPTED if report.interrupted else 0
    return report.error.exit_code if isinstance(report.error, PoselineError) else INTERNAL
