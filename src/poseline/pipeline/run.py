"""A run: one source, all stages, all outputs. The one place that names every stage."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone

from poseline import __version__
from poseline.capture import Source, SourceInfo
from poseline.errors import PoselineError
from poseline.formats import LogFile, chosen_formats
from poseline.inference import PoseEstimator, Turn
from poseline.interruption import Interruption
from poseline.log import RunHeader, journal_of, written_aspect
from poseline.optional import installed_versions
from poseline.output import OutputFolder, write_summary
from poseline.overlay import Overlay
from poseline.pipeline.chain import Stage
from poseline.pipeline.meter import Meter
from poseline.pipeline.newest import Newest
from poseline.pipeline.pose_stream import ENCODING_ADVICE, Estimated, PoseStream, open_pose_stream, overlay_stage
from poseline.pipeline.renderer import RenderResult
from poseline.pipeline.report import OnFrame, RunReport
from poseline.pipeline.sink import Sink
from poseline.pipeline.sinks import Sinks
from poseline.pose import Observation
from poseline.settings import Settings
from poseline.startup import settle_process
from poseline.words import often, were


def run(
    source: Source,
    estimator: PoseEstimator,
    settings: Settings,
    folder: OutputFolder,
    on_frame: OnFrame | None = None,
    interruption: Interruption | None = None,
    *,
    render_in_subprocess: bool = False,
    sinks: Sequence[Sink] = (),
    stages: Sequence[Stage] = (),
    turn: Turn | None = None,
) -> RunReport:
    """Run `source` to its end into `folder`.

    What went wrong is in the report, with every file finished as far as it could be: `error` for the first error,
    `interrupted` where the user ended it. `source.stop()` ends it early and gracefully, from any thread.

    Args:
        source: opened, not yet read.
        estimator: the model, loaded.
        settings: of all stages.
        folder: prepared, empty.
        on_frame: called after each frame was recorded.
        interruption: receives the user's signals.
        render_in_subprocess: draw and encode the pictures of a file in a second process, or those of a recording in
            pieces in several; nothing is drawn in this one.
        sinks: where results go beside the folder; none of them may need a picture with `render_in_subprocess`.
        stages: further stages, behind tracking, from observations to observations.
        turn: for runs that share the estimator.
    """
    interruption = interruption or Interruption()
    info = source.info
    for each in chosen_formats(settings.output.log):
        each.require()
    report = RunReport(
        info.name, total=info.frames, start=info.start, duration=info.duration, live=info.live, timed=info.width > 0
    )
    header = _header(source, estimator, settings)
    if info.live:
        settle_process()
    started, used = time.monotonic(), time.process_time()
    try:
        with Sinks(
            folder,
            header,
            source.info,
            settings,
            sinks,
            render_in_subprocess=estimator.spec if render_in_subprocess else None,
            pieces=source if isinstance(source, Estimated) else None,
        ) as recorder:
            with _noting_errors(report):
                _drive(source, estimator, settings, recorder, report, on_frame, interruption, stages, turn)
            with _noting_errors(report):
                recorder.finish()
            report.elapsed, report.cpu = time.monotonic() - started, time.process_time() - used
            if recorder.renderer:
                _join(report, recorder.renderer.result)
            _check_counts(report)
            report.notes += [*source.notes, *_remarks(source, estimator, report, recorder), *recorder.notes]
            with _noting_errors(report):
                recorder.log.require_there()
                journal = LogFile(journal_of(folder.path), raw=True)
                for each in chosen_formats(settings.output.log):
                    notes = each.convert(journal, folder.keypoints(each.name))
                    report.notes += [f"{each.name}: {note}" for note in notes]
            # Last, when it is known how all the rest came out.
            recorder.log.end(report.counts, report.elapsed, report.fps, report.failure, ended=report.ended)
            report.files = sorted([*folder.results(), *recorder.pictures])
    except PoselineError as error:
        report.error = report.error or error
    _write_summary(report, folder)
    return report


@contextmanager
def _noting_errors(report: RunReport) -> Iterator[None]:
    """What goes wrong within is reported, and the files are closed all the same; the first error is the one to show."""
    try:
        yield
    except (KeyboardInterrupt, Exception) as error:  # noqa: BLE001 # reported
        report.error = report.error or error
        report.interrupted |= isinstance(error, KeyboardInterrupt)


def _drive(
    source: Source,
    estimator: PoseEstimator,
    settings: Settings,
    recorder: Sinks,
    report: RunReport,
    on_frame: OnFrame | None,
    interruption: Interruption,
    stages: Sequence[Stage],
    turn: Turn | None,
) -> None:
    output = Meter("output", "logging" if recorder.renderer else "encoding and logging", ENCODING_ADVICE)
    wanted = settings.output.video or settings.output.show or any(each.sink.needs_picture for each in recorder.others)
    drawing = _drawing(source, estimator, settings) if wanted and not recorder.renderer else []
    stream: PoseStream | None = None
    try:
        with open_pose_stream(
            source, estimator, settings, [*stages, *_smoothing(source, settings), *drawing], turn=turn
        ) as stream:
            report.meters = [*stream.meters, output, *(each.meter for each in recorder.others)]
            try:
                _record(stream, output, source, recorder, report, on_frame, interruption)
                output.ended = True
            finally:
                source.stop()  # wakes one that waits; not within `stopping`: a signal would stop it inside its stop
                report.queues = {channel.name: channel.fill for channel in stream.channels}
    finally:
        if stream is not None:  # and has stopped: what each stage still had in hand is known now
            _note(report, stream, source, recorder)
            unwritten = 0 if output.ended else output.taken - recorder.log.frames
            report.counts.dropped = stream.lost_frames + unwritten


def _record(
    stream: PoseStream,
    output: Meter,
    source: Source,
    recorder: Sinks,
    report: RunReport,
    on_frame: OnFrame | None,
    interruption: Interruption,
) -> None:
    """Record what comes out of the last stage, until it ends or the user stops it."""

    def stop_gracefully() -> None:
        source.stop()
        recorder.resume()

    ages, drawn = Newest(), Newest()
    try:
        with interruption.stopping(stop_gracefully):
            for item in interruption.interruptible(stream.items):
                output.taken += 1
                observation = item if isinstance(item, Observation) else item.observation
                if item is not observation:
                    drawn.append(time.monotonic() - observation.frame.arrival)
                wall, cpu = time.perf_counter() - recorder.waited, time.thread_time()
                goes_on = recorder.write(item)
                output.add(time.perf_counter() - recorder.waited - wall, time.thread_time() - cpu)
                goes_on = recorder.write_others(item) and goes_on
                report.last_recorded = now = time.monotonic()
                report.first_recorded = report.first_recorded or now
                ages.append(now - observation.frame.arrival)
                _note(report, stream, source, recorder)
                if on_frame:
                    on_frame(observation, report)
                if not goes_on:
                    report.interrupted = True
                    break
        report.interrupted |= interruption.signal_count > 0
    finally:
        report.ages, report.drawn_ages = list(ages), list(drawn)


def _smoothing(source: Source, settings: Settings) -> list[Stage]:
    """The stage that smooths what is drawn and sent; separate pictures know nothing of each other."""
    if not settings.smoothing.enabled or not source.info.width:
        return []
    from poseline.smooth import smooth

    return [Stage("smoothing", lambda seen: smooth(seen, settings.smoothing), "smoothing", "--no-smooth")]


def _drawing(source: Source, estimator: PoseEstimator, settings: Settings) -> list[Stage]:
    overlay = Overlay(settings.overlay, estimator.spec.skeleton, estimator.spec.names)
    draw = overlay.stage if source.info.width else overlay.stills
    return [overlay_stage(draw)]


def _join(report: RunReport, annotated: RenderResult) -> None:
    """Count the second process in: a frame is done when it is encoded."""
    report.last_recorded = time.monotonic()
    report.cpu += annotated.cpu
    report.meters += annotated.meters
    report.queues |= annotated.queues


def _note(report: RunReport, stream: PoseStream, source: Source, recorder: Sinks) -> None:
    """The counts so far; frames on their way are in none of them but `read`."""
    counts, log = report.counts, recorder.log
    counts.bad, counts.processed, counts.persons, counts.corrupt = source.bad, log.frames, log.persons, log.corrupt
    counts.read = stream.read() + counts.bad
    counts.dropped = stream.dropped_frames
    report.outages = log.outages


def _check_counts(report: RunReport) -> None:
    """Every frame that was read is processed, dropped or bad; one that is none of them was lost by a bug."""
    counts = report.counts
    if isinstance(report.error, KeyboardInterrupt):
        # It is raised between any two instructions, so a frame may be in no count: it is dropped as well.
        counts.dropped = counts.read - counts.bad - counts.processed
    if counts.balanced:
        return
    fault = PoselineError(
        f"internal error: {counts.read} frames were read, but {counts.processed} processed, {counts.dropped} dropped "
        f"and {counts.bad} bad make {counts.processed + counts.dropped + counts.bad}: frames were lost or doubled, and "
        "the log is not to be trusted; please report it, with the command and the source"
    )
    if report.error is None:
        report.error = fault
    else:
        report.notes.append(str(fault))


def _remarks(source: Source, estimator: PoseEstimator, report: RunReport, recorder: Sinks) -> Iterator[str]:
    """What the user should know of how it was run, and of what is in the log."""
    counts, log, aspect = report.counts, recorder.log, source.info.pixel_aspect
    if estimator.size_note:
        yield estimator.size_note
    if counts.corrupt:
        count = counts.corrupt
        yield f"{count} of {counts.processed} pictures {were(count)} damaged and patched by the decoder"
    if source.info.width and log.sizes:
        yield f"the picture's size changed {often(log.sizes)}: `size` records in the log say from which frame on"
    if log.aspects:
        yield (
            f"the shape of its pixels changed {often(log.aspects)}: `size` records in the log say from which frame on; "
            "multiply x by the frame's own `pixel_aspect` before you measure lengths and angles"
        )
    elif aspect != 1:
        yield (
            f"its pixels are not square, but {aspect} times as wide as high: multiply x by {float(aspect):.6g} before "
            "you measure lengths and angles in the log (`pixel_aspect` there)"
        )


def _write_summary(report: RunReport, folder: OutputFolder) -> None:
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
            "imgsz": estimator.imgsz,
            "input": _input(estimator, info),
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
            "pixel_aspect": written_aspect(info.pixel_aspect),
        }
        if info.width
        else None,
        settings=settings.model_dump(mode="json"),
        versions=versions(),
        keypoints="measured" if settings.smoothing.enabled and info.width else "",
        started=datetime.now(timezone.utc).astimezone().isoformat(timespec="seconds"),
        classes=tuple(spec.names.values()),
    )


def _input(estimator: PoseEstimator, info: SourceInfo) -> dict[str, int] | None:
    """Size of the network's input for the source's pictures, in pixels; None where each has its own."""
    if not info.width:
        return None
    width, height = estimator.input_size(info.width, info.height)
    return {"width": width, "height": height}


_STANDS_ON = (
    "numpy", "av", "opencv-python", "opencv-python-headless", "openvino", "onnxruntime", "ultralytics", "torch",
)  # fmt: skip


def versions() -> dict[str, str]:
    """Versions of Poseline and of what it stands on; what is not installed is left out."""
    found = {"poseline": __version__, "python": platform.python_version()}
    return found | installed_versions(_STANDS_ON)
