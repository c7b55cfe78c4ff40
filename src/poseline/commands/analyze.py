"""`poseline analyze`: a log's people to angles, metres and events, as files. No model is loaded for a log."""

# Without `from __future__ import annotations`: typer would evaluate the text of each option's type again at each start.

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from poseline.errors import OutputError, SettingsError, SourceError
from poseline.interruption import INTERRUPTED, Interruption

if TYPE_CHECKING:
    from poseline.analysis import Analysis
    from poseline.rendering import Rendered

FOLDER = "analysis"
WHAT, HOW, WRITE, VIDEO = "What", "How", "Output", "Video"


def analyze(
    context: typer.Context,
    sources: Annotated[list[str], typer.Argument(metavar="RUN|LOG|CLIP", help="Folder of a run, its keypoints.jsonl, or a clip, which is run first if runs/ has no log of it.")],
    person: Annotated[str, typer.Option("--person", metavar="ID|main|all", help="Whom: an id of the log, the one seen longest and largest, or everybody.", rich_help_panel=WHAT)] = "main",
    start: Annotated[str | None, typer.Option("--from", metavar="TIME", help="Begin at this time of the clip: seconds or h:mm:ss.", rich_help_panel=WHAT)] = None,
    end: Annotated[str | None, typer.Option("--to", metavar="TIME", help="End before this time of the clip.", rich_help_panel=WHAT)] = None,
    events: Annotated[str, typer.Option("--events", help="Kinds of events: squat,jump,gait, auto for all, or none.", rich_help_panel=WHAT)] = "auto",
    height: Annotated[float | None, typer.Option("--height", metavar="M", help="The person's height, for metres; with --person all, the main person's.", rich_help_panel=HOW)] = None,
    scale: Annotated[float | None, typer.Option("--scale", metavar="PX_PER_M", help="Pixels of a metre at the person's distance.", rich_help_panel=HOW)] = None,
    calibrate: Annotated[str | None, typer.Option("--calibrate", metavar="X1,Y1,X2,Y2=M", help="Two points in the picture, and the metres between them.", rich_help_panel=HOW)] = None,
    facing: Annotated[Literal["auto", "left", "right", "front", "back"], typer.Option("--facing", help="Where the person faces, as the camera sees it.", rich_help_panel=HOW)] = "auto",
    floor_angle: Annotated[str, typer.Option("--floor-angle", metavar="auto|DEG", help="Degrees by which the floor rises to the right; auto: by footprints.", rich_help_panel=HOW)] = "auto",
    smooth: Annotated[str, typer.Option("--smooth", metavar="auto|butterworth:HZ|none", help="Smoothing; HZ is the real -3 dB frequency (the field's \"6 Hz\" is 4.8).", rich_help_panel=HOW)] = "auto",
    max_gap: Annotated[float, typer.Option("--max-gap", metavar="S", help="Longest gap in seconds that is filled.", rich_help_panel=HOW)] = 0.2,
    slowmo: Annotated[float, typer.Option("--slowmo", metavar="N", help="The clip is N times slower than what it shows: 8 for 240 fps played at 30.", rich_help_panel=HOW)] = 1.0,
    swap_repair: Annotated[bool, typer.Option("--swap-repair/--no-swap-repair", help="Exchange left and right where they were taken for each other.", rich_help_panel=HOW)] = True,
    raw: Annotated[bool, typer.Option("--raw", help="The log as the network measured it, without corrections made by hand.", rich_help_panel=HOW)] = False,
    formats: Annotated[str, typer.Option("--formats", help="Of csv,parquet,trc,mot,c3d.", rich_help_panel=WRITE)] = "csv,trc,mot",
    report: Annotated[bool, typer.Option("--report", help="Write report.html too: one page for the athlete, to read or print.", rich_help_panel=WRITE)] = False,
    video: Annotated[bool, typer.Option("--video", help="Write angles.mp4 too: the clip with angles drawn.", rich_help_panel=WRITE)] = False,
    clip: Annotated[Path | None, typer.Option("--clip", help="The clip that --video draws on. (where the log says)", rich_help_panel=VIDEO)] = None,
    joints: Annotated[str, typer.Option("--joints", help="Whose angles --video draws: of knee,hip,elbow,shoulder.", rich_help_panel=VIDEO)] = "knee,hip,elbow",
    video_slowmo: Annotated[float, typer.Option("--video-slowmo", metavar="N", help="Slow motion: the video is N times as long, without sound.", rich_help_panel=VIDEO)] = 1.0,
    size: Annotated[str | None, typer.Option("--size", metavar="WxH|720p", help="Size of the video's picture, without plots. (as the clip; 720p if that is small)", rich_help_panel=VIDEO)] = None,
    config: Annotated[Path | None, typer.Option("-c", "--config", "--style", help="YAML file of settings; --video uses its overlay and output.", rich_help_panel=VIDEO)] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Folder of the files. (analysis/ beside the log)", rich_help_panel=WRITE)] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier analysis in the folder.", rich_help_panel=WRITE)] = False,
) -> None:  # fmt: skip
    """Analyze the people of a run: joint angles, speeds, metres, repetitions and steps, as tables and for OpenSim.

    It reads the keypoint log alone. See docs/sports.md for conventions, and for what one camera can tell.
    """
    from poseline.analysis.files import parse_formats
    from poseline.commands.common import person_of, place_of

    place_of("-o", output)
    options: dict[str, Any] = {
        "person": person_of("--person", person, ("main", "all")),
        "start": _time("--from", start),
        "end": _time("--to", end),
        "height": height,
        "scale": scale,
        "calibrate": _calibration(calibrate),
        "facing": facing,
        "floor_angle": _floor(floor_angle),
        "smooth": smooth,
        "max_gap": max_gap,
        "slowmo": slowmo,
        "events": _events(events),
        "swap_repair": swap_repair,
        "raw": raw,
    }
    draw = _video(clip, joints, video_slowmo, size, config, overwrite, context.obj) if video else None
    task = _Task(options, parse_formats(formats), overwrite, _report() if report else None, draw)
    task.check()
    raise typer.Exit(_all(sources, task, output, context.obj))


@dataclass(frozen=True)
class _Task:
    """What to do with each log."""

    options: dict[str, Any]
    formats: tuple[Any, ...]
    overwrite: bool
    report: Callable[["Analysis", Path], object] | None
    video: Callable[["Analysis", Path], "Rendered"] | None

    def check(self) -> None:
        """Raise what is wrong whatever the log, before a clip is run for it."""
        from poseline.analysis.clip import check_options
        from poseline.analysis.files.c3d import require_ezc3d
        from poseline.optional import require

        check_options(
            **{name: value for name, value in self.options.items() if name not in ("person", "facing", "raw")}
        )
        require("polars", "an analysis, in its tables,")
        if "c3d" in self.formats:
            require_ezc3d()
            if all(self.options[name] is None for name in ("height", "scale", "calibrate")):
                raise SettingsError("--formats c3d holds metres: give --height, --scale or --calibrate")

    def run(self, log: Path, folder: Path) -> None:
        """Analyse a log into a folder, and show what came out."""
        from poseline.analysis import analyze, files
        from poseline.commands.analysis_shown import show_analysis
        from poseline.commands.common import show_corrections

        show_corrections(log, self.options.get("raw", False))
        analysis = analyze(log, **self.options)
        written = files.write(analysis, folder, self.formats, self.overwrite, self.report)
        if self.video is not None:
            rendered = self.video(analysis, folder / "angles.mp4")
            written.files.extend(rendered.files)
            if rendered.notes:
                written.notes["angles.mp4"] = "; ".join(rendered.notes)
        show_analysis(analysis, written)


def _all(sources: Sequence[str], task: _Task, output: Path | None, interruption: Interruption) -> int:
    """Analyse one after another; the code of the first that failed."""
    from poseline.terminal import show_error

    code, taken = 0, set[str]()
    for source in sources:
        try:
            log, failed = _log(source, interruption)
            code = code or failed
            if interruption.signal_count:
                return INTERRUPTED
            if log is None:
                continue
            task.run(log, _folder(log, output, len(sources) > 1, taken))
        except (SourceError, OutputError, SettingsError) as error:
            if len(sources) == 1:
                raise
            show_error(error)
            code = code or error.exit_code
    return code


def _folder(log: Path, output: Path | None, several: bool, taken: set[str]) -> Path:
    """Where the files of a log go; with several, each has a folder of its own below the one that was asked for."""
    if output is None:
        return log.parent / FOLDER
    if not several:
        return output
    from poseline.log import part_number
    from poseline.words import unused

    name = unused(log.absolute().parent.name if part_number(log.name) else log.stem, taken)
    taken.add(name)
    return output / name


def _log(source: str, interruption: Interruption) -> tuple[Path | None, int]:
    """The log that is meant, and the exit code of the run that made it; None where that made none."""
    from poseline.log import journal_of
    from poseline.terminal import show_message

    path = Path(source)
    if path.is_dir() or path.suffix.lower() == ".jsonl":
        return journal_of(path), 0
    if not path.is_file():
        raise SourceError(
            f"{source}: there is no such run, log or clip; a camera or a stream is recorded by `poseline run` first"
        )
    found = _log_of(path)
    if found is not None:
        show_message(f"{path.name}: analyzed by the log {found}, which is newer than the clip")
        return found, 0
    from poseline import batch
    from poseline.settings import Settings

    code = batch.run_batch([str(path)], Settings(), interruption)
    return _log_of(path), code


def _log_of(clip: Path) -> Path | None:
    """The newest log of a clip in the folder of runs, of a run that came to the clip's end after the clip was made."""
    from poseline.log import LOG_NAME, LogReader, last_record

    made, found = clip.stat().st_mtime, list[tuple[float, Path]]()
    for log in Path("runs").glob(f"*/{LOG_NAME}"):
        with suppress(OSError, SourceError):
            when = log.stat().st_mtime
            run = LogReader(log, raw=True).run
            source = Path(str(run["source"]))
            same = when >= made and source.exists() and os.path.samefile(source, clip)
            if same and _whole(run) and last_record(log).get("ended") == "complete":
                found.append((when, log))
    return max(found)[1] if found else None


def _whole(run: dict[str, Any]) -> bool:
    """Whether a run was of the whole clip and of everybody in it."""
    settings: dict[str, Any] = run.get("settings") or {}
    capture, tracking = settings.get("capture") or {}, settings.get("tracking") or {}
    return capture.get("start") is None and capture.get("end") is None and not tracking.get("main")


def _report() -> Callable[["Analysis", Path], object]:
    from poseline.analysis.report import write_report

    return write_report


def _video(
    clip: Path | None, joints: str, slowmo: float, size: str | None, config: Path | None, overwrite: bool,
    interruption: Interruption,
) -> Callable[["Analysis", Path], "Rendered"]:  # fmt: skip
    """What draws the video of an analysis."""
    from poseline.commands.common import rendering, slow
    from poseline.rendering import Size
    from poseline.rendering.analysis import VideoOptions, check_joints, render_analysis, styled

    options = VideoOptions(
        styled(config), clip, Size.parse(size) if size else None, slow("--video-slowmo", slowmo), check_joints(joints)
    )

    def draw(analysis: "Analysis", target: Path) -> "Rendered":
        with rendering(target.name) as on_frame:
            return render_analysis(
                analysis, target, options, overwrite=overwrite, on_frame=on_frame, interruption=interruption
            )

    return draw


def analyze_logs(logs: Sequence[Path], interruption: Interruption) -> int:
    """Analyse logs that were just written, each beside itself; the exit code."""
    from poseline.analysis.files import parse_formats

    task = _Task({}, parse_formats("csv,trc,mot"), overwrite=True, report=None, video=None)
    return _all([str(log) for log in logs], task, None, interruption)


def _time(option: str, text: str | None) -> float | None:
    from poseline.amounts import moment_in

    if text is None:
        return None
    seconds = moment_in(text)
    if seconds is None:
        raise SettingsError(f"{option}: a time is seconds or h:mm:ss, such as 83.5 or 1:23.5, got {text!r}")
    return seconds


def _calibration(text: str | None) -> tuple[float, ...] | None:
    if text is None:
        return None
    points, _, metres = text.partition("=")
    try:
        numbers = tuple(float(number) for number in (*points.split(","), metres))
    except ValueError:
        numbers = ()
    if len(numbers) != 5:
        raise SettingsError(f"--calibrate: X1,Y1,X2,Y2=M, such as 100,700,500,700=2.5, got {text!r}")
    return numbers


def _floor(text: str) -> float | None:
    if text == "auto":
        return None
    try:
        return float(text)
    except ValueError:
        raise SettingsError(f"--floor-angle: auto, or degrees such as -1.5, got {text!r}") from None


def _events(text: str) -> tuple[str, ...]:
    kinds = tuple(part.strip() for part in text.split(",") if part.strip())
    return () if kinds == ("none",) else kinds
