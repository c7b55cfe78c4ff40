"""Progress: what moves on the terminal while runs go on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from poseline.capture import SourceInfo
from poseline.pipeline import OnFrame, RunReport
from poseline.pose import Observation

_SHOWING_SECONDS = 0.1
"""Seconds between two updates of a run's progress on the terminal."""


def now_and_then(show: OnFrame, seconds: float) -> OnFrame:
    """`show`, called for a frame only where the last one was so many seconds ago: nobody reads a thousand a second."""
    due = 0.0

    def on_frame(observation: Observation, report: RunReport) -> None:
        nonlocal due
        now = time.monotonic()
        if now >= due:
            due = now + seconds
            show(observation, report)

    return on_frame


@contextmanager
def bar(info: SourceInfo, console: Console) -> Iterator[OnFrame]:
    """A bar for a file; yields what a run calls after each frame."""
    columns = (
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), _Frames(), _Rate(), TimeRemainingColumn(),
        TextColumn("{task.fields[persons]}"),
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True) as shown:
        task = shown.add_task(escape(Path(info.name).name), total=info.frames, persons="")

        def on_frame(observation: Observation, report: RunReport) -> None:
            done, total = report.counts.processed, report.expected(observation.frame)
            shown.update(task, completed=done, total=total, persons=f"{len(observation.poses)} seen")

        yield now_and_then(on_frame, _SHOWING_SECONDS)


@contextmanager
def progress_of_several(names: Sequence[str], console: Console) -> Iterator[Callable[[int, int, int | None], None]]:
    """One line a source; yields what is called with a source's index, its frames done, and how many it has."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), _Frames(), _Rate())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        tasks = [bars.add_task(escape(name), total=None, start=False) for name in names]

        def report_progress(index: int, done: int, total: int | None) -> None:
            bars.start_task(tasks[index])
            bars.update(tasks[index], completed=done, total=total)

        yield report_progress


@contextmanager
def progress_of_many(names: Sequence[str], console: Console) -> Iterator[Callable[[int, int, int | None], None]]:
    """One line for all sources; yields what is called with a source's index, its frames done, and how many it has."""
    columns = SpinnerColumn(), TextColumn("{task.fields[text]}"), BarColumn(), _Frames(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        task = bars.add_task("", total=len(names), text="")
        frames: dict[int, int] = {}

        def report_progress(index: int, done: int, total: int | None) -> None:
            del total
            frames[index] = done
            # sources are begun in their order: those in work are the last few
            bars.update(task, completed=len(frames), text=f"{names[index]}, {sum(frames.values())} frames in all")

        yield report_progress


class _Frames(ProgressColumn):
    """Frames done of frames there are."""

    def render(self, task: Task) -> Text:
        total = "?" if task.total is None else f"{task.total:.0f}"
        return Text(f"{task.completed:.0f}/{total}")


class _Rate(ProgressColumn):
    """Frames a second, lately."""

    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else f"{task.speed:.1f} fps")


@contextmanager
def status_line(info: SourceInfo, console: Console) -> Iterator[OnFrame]:
    """A line for a live source; yields what a run calls after each frame."""
    started = time.monotonic()
    with Live(Text(f"{info.name}: waiting for the first frame"), console=console, transient=True) as line:

        def on_frame(observation: Observation, report: RunReport) -> None:
            passed = max(time.monotonic() - started, 1e-9)
            age = 1e3 * (time.monotonic() - observation.frame.arrival)
            counts = report.counts
            line.update(
                Text(
                    f"● {info.name}  {observation.frame.time:.1f} s  {counts.processed / passed:.1f} fps  "
                    f"{age:.0f} ms  {counts.dropped} dropped  {len(observation.poses)} seen"
                )
            )

        yield now_and_then(on_frame, _SHOWING_SECONDS)
