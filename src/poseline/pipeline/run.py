"""A run: one source, all stages, all outputs. The one place that names every stage."""

from __future__ import annotations

import platform
import time
from collections import deque
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version

from poseline import __version__
from poseline.capture import Source
from poseline.errors import PoselineError
from poseline.inference import PoseEstimator
from poseline.interruption import Interruption
from poseline.output import OutputFolder, RunHeader, write_csv, write_parquet, write_summary
from poseline.overlay import Overlay
from poseline.pipeline.annotator import AnnotationResult
from poseline.pipeline.chain import Stage
from poseline.pipeline.meter import Meter
from poseline.pipeline.observe import Running, observing
from poseline.pipeline.record import Recorder
from poseline.pipeline.report import OnFrame, RunReport
from poseline.pose import Observation
from poseline.settings import Settings

_AGES = 10_000
"""Frame ages kept for percentiles; the newest."""


def run(
    source: Source,
    estimator: PoseEstimator,
    settings: Settings,
    folder: OutputFolder,
    on_frame: OnFrame | None = None,
    interruption: Interruption | None = None,
    *,
    apart: bool = False,
) -> RunReport:
    """Run `source` to its end into `folder`.

    What went wrong is in the report, with every file finished as far as it could be: `error` for the first error,
    `interrupted` where the user ended it. Ending early in good order is `source.stop()`, from any thread.

    Args:
        source: opened, not yet read.
        estimator: the model, loaded.
        settings: of all stages.
        folder: prepared, empty.
        on_frame: called after each frame was recorded.
        interruption: hears the user's signals.
        apart: draw and encode the pictures of a file in a second process; nothing is drawn in this one.
    """
    interruption = interruption or Interruption()
    info = source.info
    report = RunReport(
        info.name, total=info.frames, duration=info.duration, live=info.live, timed=info.width > 0
    )  # fmt: skip
    header = _header(source, estimator, settings)
    started, used = time.monotonic(), time.process_time()
    try:
        with Recorder(folder, header, source.info, settings, apart=estimator.spec if apart else None) as recorder:
            try:
                _drive(source, estimator, settings, recorder, report, on_frame, interruption)
            except (KeyboardInterrupt, Exception) as error:  # noqa: BLE001 # reported; the files are closed first
                report.error = error
            _count(report, source, recorder)
            try:
                recorder.conclude(report.counts, started, report.error)
            finally:
                report.elapsed, report.cpu = time.monotonic() - started, time.process_time() - used
            if recorder.annotator:
                _join(report, recorder.annotator.result)
            report.notes += recorder.notes
    except PoselineError as error:
        report.error = report.error or error  # the first one is the one to show
    report.interrupted |= isinstance(report.error, KeyboardInterrupt)
    _finish(report, folder, settings)
    return report


def _drive(
    source: Source,
    estimator: PoseEstimator,
    settings: Settings,
    recorder: Recorder,
    report: RunReport,
    on_frame: OnFrame | None,
    interruption: Interruption,
) -> None:
    def wind_down() -> None:
        source.stop()
        recorder.resume()

    output = Meter("output")
    ages: deque[float] = deque(maxlen=_AGES)
    drawn: deque[float] = deque(maxlen=_AGES)
    drawing = [] if recorder.annotator else _drawing(source, estimator, settings)
    with observing(source, estimator, settings, drawing) as running:
        report.meters = [*running.meters, output]
        try:
            with interruption.stopping(wind_down):
                for item in interruption.breakable(running.items):
                    observation = item if isinstance(item, Observation) else item.observation
                    if item is not observation:
                        drawn.append(time.monotonic() - observation.frame.arrival)
                    wall, cpu = time.perf_counter() - recorder.waited, time.thread_time()
                    goes_on = recorder.write(item)
                    output.add(time.perf_counter() - recorder.waited - wall, time.thread_time() - cpu)
                    report.last_recorded = now = time.monotonic()
                    report.first_recorded = report.first_recorded or now
                    ages.append(now - observation.frame.arrival)
                    _note(report, running, source, recorder)
                    if on_frame:
                        on_frame(observation, report)
                    if not goes_on:
                        report.interrupted = True
                        break
            report.interrupted |= interruption.asked > 0
        finally:
            source.stop()  # wakes one that waits; not within `stopping`, since a signal would stop it inside its stop
            report.ages, report.drawn_ages = list(ages), list(drawn)
            report.queues = {channel.name: channel.fill for channel in running.channels}
            _note(report, running, source, recorder)


def _drawing(source: Source, estimator: PoseEstimator, settings: Settings) -> list[tuple[str, Stage]]:
    if not (settings.output.video or settings.output.show):
        return []
    overlay = Overlay(settings.overlay, estimator.spec.skeleton, estimator.spec.names)
    return [("overlay", overlay.stage if source.info.width else overlay.stills)]


def _join(report: RunReport, annotated: AnnotationResult) -> None:
    """Count the second process in: a frame is done when it is encoded."""
    report.last_recorded = time.monotonic()
    report.cpu += annotated.cpu
    report.meters += annotated.meters
    report.queues |= annotated.queues


def _note(report: RunReport, running: Running, source: Source, recorder: Recorder) -> None:
    counts = report.counts
    counts.bad, counts.processed, counts.persons = source.bad, recorder.log.frames, recorder.log.persons
    counts.read = running.read() + counts.bad
    counts.dropped = running.channels[0].dropped


def _count(report: RunReport, source: Source, recorder: Recorder) -> None:
    """The final counts: what was on its way when a run broke off was given up too."""
    counts = report.counts
    counts.processed, counts.persons = recorder.log.frames, recorder.log.persons
    counts.dropped = counts.read - counts.bad - counts.processed
    report.notes += source.notes


def _finish(report: RunReport, folder: OutputFolder, settings: Settings) -> None:
    """Make the tables from the journal, and the summary."""
    try:
        if "csv" in settings.output.log:
            write_csv(folder.journal, folder.csv)
        if "parquet" in settings.output.log:
            write_parquet(folder.journal, folder.parquet)
    except PoselineError as error:
        report.error = report.error or error
    ours = (folder.journal, folder.csv, folder.parquet, *folder.path.glob("annotated*"), *folder.pictures.glob("*"))
    report.files = sorted(path for path in ours if path.is_file())  # the folder may hold files of the user's own
    try:
        write_summary(folder.summary, report.as_dict())
        report.files.append(folder.summary)
    except PoselineError as error:
        report.error = report.error or error


def _header(source: Source, estimator: PoseEstimator, settings: Settings) -> RunHeader:
    info, spec, runtime = source.info, estimator.spec, estimator.runtime
    return RunHeader(
        source=info.name,
        model={
            "name": spec.name,
            "sha256": spec.sha256,
            "imgsz": settings.inference.imgsz,
            "precision": runtime.precision,
        },
        runtime=runtime.name,
        device=runtime.device,
        skeleton=spec.skeleton,
        video={
            "width": info.width,
            "height": info.height,
            "fps": float(info.frame_rate) if info.frame_rate else None,
            "time_base": str(info.time_base),
        }
        if info.width
        else None,
        settings=settings.model_dump(mode="json"),
        versions=versions(),
        started=datetime.now(timezone.utc).astimezone().isoformat(timespec="seconds"),
        classes=tuple(spec.names.values()),
    )


def versions() -> dict[str, str]:
    """Versions of Poseline and of what it stands on; what is not installed is left out."""
    found = {"poseline": __version__, "python": platform.python_version()}
    for package in ("numpy", "av", "opencv-python", "openvino", "onnxruntime", "ultralytics", "torch"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
