"""What commands have in common: parts and numbers as they are typed, progress, and what is said at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from poseline.amounts import whole_in
from poseline.errors import SettingsError
from poseline.interruption import INTERRUPTED

if TYPE_CHECKING:
    from poseline.capture import SourceInfo
    from poseline.pose import Observation
    from poseline.rendering import Rendered

PersonWord: TypeAlias = Literal["main", "all"]
"""Whom one may ask for without an id."""
_SHOWING_SECONDS = 0.1
"""How often the terminal is told of progress."""


def part(start: str | None, end: str | None) -> tuple[float | None, float | None]:
    """Seconds of `--from` and `--to`, which may be h:mm:ss.

    Raises:
        SettingsError: one is no time, or the part between them is empty.
    """
    from poseline.settings import load

    capture = load(overrides={"capture": {"start": start, "end": end}}).capture
    return capture.start, capture.end


def numbers(option: str, text: str | None) -> tuple[int, ...] | None:
    """`1,3` as numbers; None of None.

    Raises:
        SettingsError: it is no list of numbers.
    """
    if text is None:
        return None
    found = [whole_in(each.strip()) for each in text.split(",")]
    if None in found:
        raise SettingsError(f"{option}: {text!r} is not a list of numbers such as 1,3")
    return tuple(dict.fromkeys(number for number in found if number is not None))


def stated(values: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Sections of settings without what was not given, which is None."""
    return {
        section: {key: value for key, value in each.items() if value is not None} for section, each in values.items()
    }


def person_of(option: str, text: str, words: Sequence[PersonWord] = ("main",)) -> int | PersonWord:
    """One of the `words`, or an id.

    Raises:
        SettingsError: it is neither.
    """
    for word in words:
        if text == word:
            return word
    if (number := whole_in(text)) is None:
        raise SettingsError(f"{option}: {', '.join(words)} or an id of the log, got {text!r}")
    return number


def size_of(option: str, text: str | None) -> tuple[int, int] | None:
    """`1280x720` as (width, height); None of None.

    Raises:
        SettingsError: it is no size.
    """
    if text is None:
        return None
    sides = text.lower().partition("x")
    width, height = whole_in(sides[0]), whole_in(sides[2])
    if not (width and height):
        raise SettingsError(f"{option}: {text!r} is not a size such as 1280x720")
    return width, height


def place_of(option: str, path: Path | None) -> Path | None:
    """A file or folder to be written; None of None.

    Raises:
        SettingsError: it is `-`: a file of that name would be made, where standard output is meant.
    """
    if path is not None and str(path) == "-":
        raise SettingsError(f"{option} -: it cannot go to standard output; give the name of a file or folder")
    return path


def show_files(paths: Sequence[Path], notes: Sequence[str]) -> None:
    """Say what was written, and what is to be known of it."""
    from rich.markup import escape

    from poseline.terminal import console

    for note in notes:
        console.print(f"note: {escape(note)}", soft_wrap=True)
    for path in paths:
        console.print(f"  {escape(str(path))}", soft_wrap=True)


def show_corrections(log: Path, raw: bool) -> None:
    """Say in a line that a log is read with what was corrected by hand in it; nothing where nothing was.

    Raises:
        SourceError: the corrections cannot be read.
    """
    from poseline.corrections import Corrections, corrections_path

    if raw or not (path := corrections_path(log)).exists():
        return
    if count := len(Corrections.of(log)):
        from poseline.terminal import show_message
        from poseline.words import counted

        show_message(f"{counted(count, 'correction')} applied ({path}); --raw reads without")


def slow(option: str, times: float) -> float:
    """How many times as long a video is.

    Raises:
        SettingsError: less than 1, or too many.
    """
    if not 1 <= times <= 1000:
        raise SettingsError(f"{option}: how many times as long the video is, from 1 to 1000, got {times:g}")
    return times


@contextmanager
def rendering(name: str) -> Iterator[Callable[[Observation, SourceInfo], object] | None]:
    """Show how far a video has come; yields what is called with each frame, None where nobody watches."""
    from poseline.terminal import console

    if not console.is_terminal:
        yield None
        return
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[done]}"), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True) as shown:
        task, due, count = shown.add_task(escape(name), total=None, done=""), 0.0, 0

        def on_frame(seen: Observation, info: SourceInfo) -> None:
            nonlocal due, count
            count += 1
            if (now := time.monotonic()) >= due:
                due = now + _SHOWING_SECONDS
                done = seen.frame.time - info.start
                shown.update(task, completed=done, total=info.duration, done=f"{count} frames, {done:.1f} s")

        yield on_frame


def show_rendered(rendered: Rendered) -> int:
    """Say what was written, and how fast; returns the exit code."""
    from poseline.terminal import console
    from poseline.words import counted

    rate = rendered.frames / rendered.seconds if rendered.seconds > 0 else 0.0
    ending = " (interrupted)" if rendered.interrupted else ""
    console.print(f"{counted(rendered.frames, 'frame')} in {rendered.seconds:.1f} s, {rate:.0f} fps{ending}")
    show_files(rendered.files, rendered.notes)
    return INTERRUPTED if rendered.interrupted else 0
