"""Write: the files of an analysis into a folder, each of them whole or not at all."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias, get_args

import numpy as np

from poseline import __version__
from poseline.analysis.files.c3d import even_times, parts, require_ezc3d, write_c3d
from poseline.analysis.files.markers import marker_names, metric_markers, pixel_markers
from poseline.analysis.files.mot import largest_block, write_mot
from poseline.analysis.files.summary import analysis_record, events_record, write_json
from poseline.analysis.files.tables import angle_table, point_table, write_table
from poseline.analysis.files.trc import write_trc
from poseline.analysis.result import Analysis, Person
from poseline.atomic import cause, replacing
from poseline.errors import OutputError, SettingsError
from poseline.optional import require

Format: TypeAlias = Literal["csv", "parquet", "trc", "mot", "c3d"]
FORMATS: tuple[Format, ...] = get_args(Format)
_NO_METRES = "no metres are known"
_OURS = re.compile(
    r"(angles|points)\.(csv|parquet)|(events|analysis)\.json|report\.html|"
    r"person\d+(_px|_m)?\.trc|person\d+\.mot|person\d+(-\d+)?\.c3d"
)


def parse_formats(text: str) -> tuple[Format, ...]:
    """The formats in a list such as `csv,trc`.

    Raises:
        SettingsError: one is not known.
    """
    asked = [part.strip() for part in text.split(",") if part.strip()]
    for part in asked:
        if part not in FORMATS:
            raise SettingsError(f"--formats: unknown format {part!r}; known are {', '.join(FORMATS)}")
    return tuple(known for known in FORMATS if known in asked)


def existing(folder: Path) -> list[Path]:
    """Files of an earlier analysis in `folder`; others are not among them."""
    return sorted(path for path in folder.iterdir() if _OURS.fullmatch(path.name)) if folder.is_dir() else []


class Written(NamedTuple):
    """What was written."""

    files: list[Path]
    """In order; `analysis.json` last."""
    notes: dict[str, str]
    """By a file's name, what is not plain from it: what it holds a part of, or why it was not written."""


def write(
    analysis: Analysis,
    folder: str | Path,
    formats: Sequence[Format] = ("csv", "trc", "mot"),
    overwrite: bool = False,
    report: Callable[[Analysis, Path], object] | None = None,
) -> Written:
    """Write an analysis into a folder, which is made if it is missing.

    Always `events.json` and `analysis.json`; by format tables of everybody (`angles`, `points`), and for each person
    `personID_px.trc`, where there are metres `personID_m.trc` and `personID.c3d`, and `personID.mot`.

    Args:
        analysis: of a log.
        folder: to write to.
        formats: which of `FORMATS`.
        overwrite: replace the files of an earlier analysis; others stay.
        report: writes `report.html` to a path.

    Raises:
        OutputError: a file cannot be written, or the folder holds an earlier analysis.
        SettingsError: polars is not installed; or c3d is asked for, and ezc3d is not.
    """
    folder = Path(folder)
    require("polars", "an analysis, in its tables,")
    if "c3d" in formats:
        require_ezc3d()
    _clear(folder, overwrite)
    files = _Files(folder)
    kinds = [kind for kind in ("csv", "parquet") if kind in formats]
    for name, made in (("angles", angle_table), ("points", point_table)):
        table = made(analysis) if kinds else None
        for kind in kinds:
            files.add(f"{name}.{kind}", write_table, table, kind)
    for person in analysis.persons:
        _person_files(files, person, formats, asked=analysis.options.known.anything)
    files.add("events.json", write_json, events_record(analysis))
    if report is not None:
        files.add("report.html", lambda path: report(analysis, path))
    files.add("analysis.json", write_json, analysis_record(analysis, __version__, files.notes))
    return Written(files.written, {name: note for name, note in files.notes.items() if note})


class _Files:
    """What has been written, and what there is to say of it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.written: list[Path] = []
        self.notes: dict[str, str] = {}
        """By the name of each file, what is not plain from it."""

    def add(self, name: str, write: Callable[..., object], *values: object, note: str = "") -> None:
        """Write one file, whole or not at all, by `write(path, *values)`."""
        from polars.exceptions import PolarsError  # polars takes long to import

        path = self._folder / name
        with replacing(path) as temporary:
            try:
                write(temporary, *values)
            except (PolarsError, RuntimeError) as error:  # RuntimeError: ezc3d's
                raise OutputError(f"{path}: cannot be written: {cause(error)}") from error
        self.written.append(path)
        self.notes[name] = note

    def leave_out(self, name: str, reason: str) -> None:
        """Say why a file was not written."""
        self.notes[name] = f"not written: {reason}"


def _person_files(files: _Files, person: Person, formats: Sequence[Format], asked: bool) -> None:
    """Write what there is of one person; that there are no metres is news only where they were `asked` for."""
    stem, metric = f"person{max(person.id, 0)}", person.points_m is not None
    if "trc" in formats:
        names = marker_names(person.names)
        pixels, metres = f"{stem}_px.trc", f"{stem}_m.trc"
        files.add(pixels, write_trc, pixels, person.times, names, pixel_markers(person), "px")
        if metric:
            files.add(metres, write_trc, metres, person.times, names, metric_markers(person), "m")
        elif asked:
            files.leave_out(metres, _NO_METRES)
    if "mot" in formats:
        _add_mot(files, f"{stem}.mot", person)
    if "c3d" in formats and metric:
        _add_c3d(files, stem, person)
    elif "c3d" in formats:
        files.leave_out(f"{stem}.c3d", _NO_METRES)


def _add_mot(files: _Files, name: str, person: Person) -> None:
    block = largest_block(np.isfinite(person.angles.degrees))
    if block is None:
        files.leave_out(name, "no angle is known")
        return
    start, end = person.times[block.start], person.times[block.stop - 1]
    cut = "" if block.stop - block.start == len(person.times) else f"only from {start:.3f} s to {end:.3f} s"
    without = [name for column, name in enumerate(person.angles.names) if column not in block.columns]
    left_out = f"without {', '.join(without)}" if without else ""
    why = "no gap may be in it" if cut or without else ""
    note = "; ".join(part for part in (cut, left_out, why) if part)
    files.add(name, write_mot, name, person, block, note=note)


def _add_c3d(files: _Files, stem: str, person: Person) -> None:
    times = even_times(person.times)
    note = "" if times is person.times else "read off at even times, since the clip's are uneven"
    pieces = parts(len(times))
    for number, rows in enumerate(pieces, 1):
        name = f"{stem}.c3d" if len(pieces) == 1 else f"{stem}-{number}.c3d"
        files.add(name, write_c3d, person, times, rows, note=note)


def _clear(folder: Path, overwrite: bool) -> None:
    """Make the folder, and remove an earlier analysis from it where that may be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held = existing(folder)
        if held and not overwrite:
            names = ", ".join(path.name for path in held[:6]) + (" ..." if len(held) > 6 else "")
            raise OutputError(f"{folder} already holds {names}: try --overwrite, or another folder with -o")
        for path in held:
            path.unlink()
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(f"{folder}: cannot be written to: {cause(error)}; try another folder with -o") from error
