"""Terminal: what is said of a run, and the table at its end. Plain where nobody watches."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, TextIO

from poseline.errors import PoselineError, redact
from poseline.pose import describe
from poseline.words import counted

if TYPE_CHECKING:
    from rich.console import Console

    from poseline.capture import SourceInfo
    from poseline.inference import PoseEstimator
    from poseline.manifest import Status
    from poseline.output import Recovered
    from poseline.pipeline import Meter, OnFrame, RunReport
    from poseline.pose import MeanSpeed, Observation
    from poseline.skeleton import Skeleton

    console: Console
    """Standard output, or the file that all is redirected to, by way of rich."""


class _Stream:
    """A stream that text is shown on. Rich is imported where somebody watches, or where its tables are shown.

    Args:
        name: of the stream in `sys`.
        file: what is written to instead.
    """

    def __init__(self, name: str, file: TextIO | None = None) -> None:
        self._name, self._file = name, file

    @cached_property
    def rich(self) -> Console:
        """The same stream for rich."""
        from rich.console import Console

        return Console(
            file=self._file, stderr=self._name == "stderr", highlight=False, emoji=False,
            width=120 if self._file else None,
        )  # fmt: skip

    @property
    def is_terminal(self) -> bool:
        """Whether somebody watches; the environment can say so too, and rich knows how."""
        stream = self._file or getattr(sys, self._name)
        return stream is not None and (stream.isatty() or not _ASKED.isdisjoint(os.environ)) and self.rich.is_terminal

    def show(self, text: str, style: str = "", lead: str = "", lead_style: str = "") -> None:
        """A line: no word of it is markup, no path is broken in two, passwords are hidden. `lead` comes before it."""
        text = redact(text)
        if self.is_terminal:
            from rich.text import Text

            self.rich.print(Text.assemble((lead, lead_style), (text, style)), soft_wrap=True)
        else:
            try:
                print(lead + text, file=self._file or getattr(sys, self._name), flush=True)
            except BrokenPipeError:
                self.rich.on_broken_pipe()


_ASKED = {"FORCE_COLOR", "TTY_COMPATIBLE"}
"""Variables by which rich is told that a stream is a terminal."""
_out = _Stream("stdout")
_errors = _Stream("stderr")


if not TYPE_CHECKING:  # else a type checker would believe in every name

    def __getattr__(name):
        if name != "console":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return _out.rich


def redirect(file: TextIO, say: Callable[[str], None]) -> None:
    """Show everything in `file` from now on, errors too, as plain text, but give messages to `say`."""
    global _out, _errors, show_message  # the one place that chooses where all is shown
    _out = _errors = _Stream("stdout", file)
    show_message = say


def _print_message(text: str) -> None:
    _out.show(text)


show_message: Callable[[str], None] = _print_message
"""Say something that is not about one source alone: what a module has to say, or which model runs."""


def show_printed(text: str) -> None:
    """What a worker has printed, lines and all."""
    if text:
        _out.show(text.removesuffix("\n"))


def show_error(error: BaseException) -> None:
    """One error, once, in words."""
    name = "" if isinstance(error, PoselineError) else f"{type(error).__name__}: "
    _errors.show(name + str(error), lead="error: ", lead_style="bold red")


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
    if not _out.is_terminal:
        yield None
        return
    from poseline.progress import bar, status_line

    with status_line(info, _out.rich) if info.live else bar(info, _out.rich) as on_frame:
        yield on_frame


def show_image(observation: Observation, number: int, total: int | None, names: dict[int, str]) -> None:
    """One picture's line, such as `image 1/1 bus.jpg: 640x480 4 persons, 31.2ms`."""
    height, width = observation.input_shape
    _out.show(
        f"image {number}/{total or '?'} {observation.frame.source}: {height}x{width} "
        f"{describe(observation.poses, names)}, {observation.speed.inference:.1f}ms"
    )


def show_speed(mean: MeanSpeed, channels: int) -> None:
    """The mean cost of the pictures, if there were any, with the channels of the network's input."""
    if mean.count:
        _out.show(mean.line(channels))


def show_report(report: RunReport) -> None:
    """Counts, the cost of each stage, the bottleneck and the files."""
    from poseline.pipeline.report import percentile

    counts = report.counts
    ending = "" if report.ended == "complete" else f" ({report.ended})"
    _out.show(
        f"{report.source}: {counts.read} frames read, {counts.processed} processed, {counts.dropped} dropped, "
        f"{counts.bad} bad; {counts.persons} persons; {report.elapsed:.1f} s, {report.fps:.1f} fps{ending}"
    )
    if counts.processed and report.timed:
        _show_stages(report)
    for word, ages in (("drawn", report.drawn_ages), ("recorded", report.ages)):
        if report.live and ages:
            median, most = percentile(ages, 50) or 0.0, percentile(ages, 95) or 0.0
            _out.show(f"age of a frame when {word}: median {median:.0f} ms, 95 % within {most:.0f} ms")
    if report.timed and report.advice:
        _out.show(report.advice)
    for note in report.notes:
        _out.show(f"note: {note}")
    for path in report.files:
        _out.show(f"  {path}")


def show_batch(status: Status, kept: int = 0, failures: bool = True) -> None:
    """How far a batch is, how long the rest may take, and with `failures` what failed and why."""
    states = status.states
    done = [entry for entry in status.entries if entry.state == "done"]
    parts = [f"{counted(len(status.entries), 'source')}: {len(done)} done" + (f" ({kept} before)" if kept else "")]
    parts += [f"{states[state]} {state}" for state in ("failed", "interrupted", "waiting") if states[state]]
    frames, persons = sum(entry.frames for entry in done), sum(entry.persons for entry in done)
    _out.show(f"{', '.join(parts)}; {frames} frames, {persons} persons")
    if status.left and status.seconds_left is not None:
        _out.show(f"about {timedelta(seconds=round(status.seconds_left))} left at the pace of the last start")
    for entry in status.entries:
        if failures and entry.state == "failed":
            _out.show(f"failed: {entry.folder}: {entry.error}")


def show_recovered(recovered: Recovered) -> None:
    """What could be saved of a killed run, and what could not."""
    from poseline.output.encoder import LOST_SECONDS

    _out.show(f"{recovered.video}: playable, {counted(recovered.frames, 'picture')}, {recovered.seconds:.2f} s")
    lost = recovered.lost_seconds
    if lost is None:
        _out.show("there is no keypoint log of it here: how much is lost at its end is not known")
    elif lost > 0:
        _out.show(f"{lost:.2f} s are lost at its end; the keypoint log has their poses")
        if lost > float(LOST_SECONDS):  # of the video, more than a kill of the whole run costs
            quoted = shlex.quote(str(recovered.video.parent))
            _out.show(f"of a clip that is still there, `poseline render {quoted}` draws it whole")
    else:
        _out.show("nothing is lost at its end: the keypoint log goes no further")
    if recovered.ended is not None:
        _out.show(f"how the run ended, as its log says: {recovered.ended}")
    if recovered.journal is not None:
        _out.show(f"{recovered.journal}: the keypoint log without its last line, which was cut short")


def _show_stages(report: RunReport) -> None:
    """The table of the stages: names to the left, numbers to the right."""
    rows = _stages(report)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for index, (name, *numbers) in enumerate(rows):
        cells = [name.ljust(widths[0]), *map(str.rjust, numbers, widths[1:])]
        busiest = index > 0 and report.meters[index - 1] is report.bottleneck
        _out.show("  ".join(cells), style="dim" if index == 0 else "bold" if busiest else "")


def _stages(report: RunReport) -> list[tuple[str, ...]]:
    """The headings, and a row for each stage."""
    total = sum(meter.wall for meter in report.meters) or 1.0
    drops = any(meter.dropped for meter in report.meters)
    headings = ("stage", "ms/frame", "cpu ms", "share", "busy", "dropped")
    rows = [headings, *((*_row(meter, total, report.elapsed), str(meter.dropped)) for meter in report.meters)]
    return rows if drops else [row[:-1] for row in rows]


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
    from rich.markup import escape
    from rich.table import Table

    names = [escape(name) for name in skeleton.names]
    table = Table("keypoint", "body part", "side", "joined to", box=None, pad_edge=False, header_style="dim")
    for index, name in enumerate(names):
        joined = [b if a == index else a for a, b in skeleton.edges if index in (a, b)]
        table.add_row(str(index), name, skeleton.side(index), ", ".join(names[end] for end in sorted(joined)))
    _out.rich.print(table)
