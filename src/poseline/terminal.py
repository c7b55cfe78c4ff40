"""Terminal: what is said of a run, and the table at its end. Plain where nobody watches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, TextIO

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from poseline.capture import SourceInfo
from poseline.errors import PoselineError
from poseline.inference import PoseEstimator
from poseline.output import Recovered
from poseline.pipeline import Meter, OnFrame, RunReport
from poseline.pipeline.report import percentile
from poseline.pose import MeanSpeed, Observation, describe
from poseline.skeleton import Skeleton
from poseline.words import counted

if TYPE_CHECKING:
    from poseline.manifest import Status

console = Console(highlight=False, emoji=False)
errors = Console(stderr=True, highlight=False, emoji=False)


def redirect(file: TextIO, say: Callable[[str], None]) -> None:
    """Show everything in `file` from now on, errors too, as plain text, but give messages to `say`."""
    global console, errors, show_message  # the one place that chooses where all is shown
    console = errors = Console(file=file, highlight=False, emoji=False, width=120)
    show_message = say


def _print_message(text: str) -> None:
    """What a module has to say; no path in it is broken in two where nobody watches, as rich's own handler does."""
    console.print(escape(text), soft_wrap=True)


show_message: Callable[[str], None] = _print_message
"""Say something that is not about one source alone: what a module has to say, or which model runs."""


def show_error(error: BaseException) -> None:
    """One error, once, in words."""
    name = "" if isinstance(error, PoselineError) else f"{type(error).__name__}: "
    errors.print(f"[bold red]error:[/] {escape(name + str(error))}", soft_wrap=True)


def show_model(estimator: PoseEstimator) -> None:
    """Which model runs on what, in one line."""
    spec, runtime = estimator.spec, estimator.runtime
    show_message(
        f"{spec.name} ({spec.sha256[:12]}), {len(spec.skeleton)} keypoints, "
        f"on {runtime.name}, {runtime.device}, {runtime.precision}"
    )


@contextmanager
def progress(info: SourceInfo) -> Iterator[OnFrame | None]:
    """Yield what a run calls after each frame; None where the terminal is not one."""
    if not console.is_terminal:
        yield None
        return
    from poseline.progress import bar, status_line  # where nobody watches, a start does without

    with status_line(info, console) if info.live else bar(info, console) as on_frame:
        yield on_frame


def show_image(observation: Observation, number: int, total: int | None, names: dict[int, str]) -> None:
    """One picture's line, such as `image 1/1 bus.jpg: 640x480 4 persons, 31.2ms`."""
    height, width = observation.input_shape
    console.print(
        f"image {number}/{total or '?'} {escape(observation.frame.source)}: {height}x{width} "
        f"{describe(observation.poses, names)}, {observation.speed.inference:.1f}ms",
        soft_wrap=True,
    )


def show_speed(mean: MeanSpeed, channels: int) -> None:
    """The mean cost of the pictures, if there were any, with the channels of the network's input."""
    if mean.count:
        console.print(mean.line(channels), soft_wrap=True)


def show_report(report: RunReport) -> None:
    """Counts, the cost of each stage, the bottleneck and the files."""
    counts = report.counts
    ending = "" if report.ended == "complete" else f" ({report.ended})"
    console.print(
        f"{escape(report.source)}: {counts.read} frames read, {counts.processed} processed, {counts.dropped} dropped, "
        f"{counts.bad} bad; {counts.persons} persons; {report.elapsed:.1f} s, {report.fps:.1f} fps{ending}",
        soft_wrap=True,
    )
    if counts.processed and report.timed:
        console.print(_stages(report))
    for word, ages in (("drawn", report.drawn_ages), ("recorded", report.ages)):
        if report.live and ages:
            median, most = percentile(ages, 50) or 0.0, percentile(ages, 95) or 0.0
            console.print(f"age of a frame when {word}: median {median:.0f} ms, 95 % within {most:.0f} ms")
    if report.timed and report.advice:
        console.print(report.advice, soft_wrap=True)
    for note in report.notes:
        console.print(f"note: {escape(note)}", soft_wrap=True)
    for path in report.files:
        console.print(f"  {escape(str(path))}", soft_wrap=True)


def show_batch(status: Status, kept: int = 0, failures: bool = True) -> None:
    """How far a batch is, how long the rest may take, and with `failures` what failed and why."""
    states = status.states
    done = [entry for entry in status.entries if entry.state == "done"]
    parts = [f"{counted(len(status.entries), 'source')}: {len(done)} done" + (f" ({kept} before)" if kept else "")]
    parts += [f"{states[state]} {state}" for state in ("failed", "interrupted", "waiting") if states[state]]
    frames, persons = sum(entry.frames for entry in done), sum(entry.persons for entry in done)
    console.print(f"{', '.join(parts)}; {frames} frames, {persons} persons", soft_wrap=True)
    if status.left and status.seconds_left is not None:
        console.print(f"about {timedelta(seconds=round(status.seconds_left))} left at the pace of the last start")
    for entry in status.entries:
        if failures and entry.state == "failed":
            console.print(f"failed: {escape(entry.folder)}: {escape(entry.error)}", soft_wrap=True)


def show_recovered(recovered: Recovered) -> None:
    """What could be saved of a killed run, and what could not."""
    console.print(
        f"{escape(str(recovered.video))}: playable, {counted(recovered.frames, 'picture')}, {recovered.seconds:.2f} s",
        soft_wrap=True,
    )
    lost = recovered.lost_seconds
    if lost is None:
        console.print("there is no keypoint log of it here: how much is lost at its end is not known")
    elif lost > 0:
        console.print(f"{lost:.2f} s are lost at its end; the keypoint log has their poses")
    else:
        console.print("nothing is lost at its end: the keypoint log goes no further")
    if recovered.ended is not None:
        console.print(f"how the run ended, as its log says: {recovered.ended}")
    if recovered.journal is not None:
        console.print(
            f"{escape(str(recovered.journal))}: the keypoint log without its last line, which was cut short",
            soft_wrap=True,
        )


def _stages(report: RunReport) -> Table:
    table = Table("stage", box=None, pad_edge=False, header_style="dim")
    for heading in ("ms/frame", "cpu ms", "share", "busy"):
        table.add_column(heading, justify="right")
    total = sum(meter.wall for meter in report.meters) or 1.0
    drops = any(meter.dropped for meter in report.meters)
    if drops:
        table.add_column("dropped", justify="right")
    for meter in report.meters:
        style = "bold" if meter is report.bottleneck else ""
        dropped = (str(meter.dropped),) if drops else ()
        table.add_row(*_row(meter, total, report.elapsed), *dropped, style=style)
    return table


def _row(meter: Meter, total: float, elapsed: float) -> tuple[str, ...]:
    each = 1e3 / max(meter.items, 1)
    return (
        meter.name,
        f"{meter.wall * each:.2f}",
        f"{meter.cpu * each:.2f}",
        f"{100 * meter.wall / total:.0f} %",
        f"{100 * meter.wall / elapsed:.0f} %" if elapsed else "",
    )


def show_skeleton(skeleton: Skeleton) -> None:
    """Which keypoint is which body part, as a table."""
    table = Table("keypoint", "body part", "side", "joined to", box=None, pad_edge=False, header_style="dim")
    for index, name in enumerate(skeleton.names):
        joined = [b if a == index else a for a, b in skeleton.edges if index in (a, b)]
        table.add_row(str(index), name, skeleton.side(index), ", ".join(skeleton.names[end] for end in sorted(joined)))
    console.print(table)
