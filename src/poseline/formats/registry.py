"""Registry: all formats by name. A format is a way to write a log and a validator; most have a reader as well."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from poseline.errors import SettingsError
from poseline.formats.options import ExportOptions, ImportOptions
from poseline.formats.source import LogFile
from poseline.log import Tracks, tables
from poseline.optional import require
from poseline.settings import LOG_FORMATS


class Read(NamedTuple):
    """What a reader found in a file."""

    tracks: Tracks
    """Its poses. `times` are NaN, and `size` is (0, 0), where the file does not say; `header` may have `source` and
    `video`, with `fps`."""
    notes: Sequence[str] = ()
    """What is lost or was chosen, in words."""
    sparse: bool = False
    """Whether frames in which nobody is are left out: then all others of the clip are taken for such."""


Writer: TypeAlias = Callable[[LogFile, Path, ExportOptions], Sequence[str]]
"""Writes a log to a path; returns notes: what is lost in it. Raises OutputError where it cannot."""
JournalWriter: TypeAlias = Callable[[Path, Path], None]
"""The same from the path of a log to the path of a file."""
Validator: TypeAlias = Callable[[Path], None]
"""Reads what is at the path; raises OutputError if it is not whole, or not of the format."""
Reader: TypeAlias = Callable[[Path, ImportOptions], Read]
"""Reads what is at the path; raises SourceError if it is not of the format, SettingsError if an option is missing."""

JOURNAL = "jsonl"
"""The format of the log itself, which every run writes: all others are made from it."""
_EXTRA = "formats"
_FULL = ("polars",)
"""Modules that every installation has but a slim one."""


@dataclass(frozen=True)
class Format:
    """One format."""

    name: str
    """What it is called in `--log`, `--to` and `--from`."""
    write: Writer | None
    """None: it is only read; `poseline analyze` writes it."""
    validate: Validator
    read: Reader | None = None
    suffix: str = ""
    """What its name ends in behind `keypoints`; by default its own name, as in `keypoints.csv`."""
    folder: bool = False
    """Whether it is a folder of files."""
    takes_pictures: bool = False
    """Whether it can hold the frames of the clip."""
    of_tracks: bool = False
    """Whether it is written from the log's arrays, of which a part can be chosen, rather than from its lines."""
    reads_raw: bool = False
    """Whether it can be made of the log without the corrections that were made by hand."""
    needs: tuple[str, ...] = ()
    """Modules that must be installed, which the extra `formats` brings, or a full installation has."""

    def file_name(self, stem: str = "keypoints") -> str:
        """What its file or folder is called."""
        return stem + (self.suffix or f".{self.name}")

    def require(self) -> None:
        """Raise a SettingsError where a module that it needs is not installed."""
        for module in self.needs:
            require(module, f"the format {self.name}", install="" if module in _FULL else f"'poseline[{_EXTRA}]'")

    def convert(self, log: Path | LogFile, target: Path, options: ExportOptions | None = None) -> list[str]:
        """Write the keypoint log as `target`, and validate what was written; returns notes.

        Raises:
            SourceError: the log cannot be read.
            SettingsError: a module that it needs is not installed.
            OutputError: the file cannot be written, or did not become one of this format.
        """
        self.require()
        assert self.write is not None
        source = log if isinstance(log, LogFile) else LogFile(log)
        notes = self.write(source, target, options or ExportOptions())
        self.validate(target)
        return list(notes)


def from_journal(write: JournalWriter) -> Writer:
    """The writer that a function from the path of a log to the path of a file is."""

    def write_log(log: LogFile, target: Path, _: ExportOptions) -> Sequence[str]:
        write(log.path, target)
        return ()

    return write_log


def _table(name: str, write: Callable[..., None], validate: Validator) -> Format:
    """A table of the log's lines."""

    def write_log(log: LogFile, target: Path, _: ExportOptions) -> Sequence[str]:
        write(log.path, target, raw=log.raw)
        return ()

    return Format(name, write_log, validate, reads_raw=True, needs=("polars",))


def _own(name: str, *, reads: bool = True, writes: bool = True, **properties: Any) -> Format:
    """The format that the module of this name beside this one is; it is imported when it is first used.

    It has `write(tracks, target, options)`, which returns notes, and `validate(target)`, where `writes`, and
    `read(path, options)`, where `reads`: see `Writer`, `Validator` and `Reader`.
    """

    def module() -> Any:
        return import_module(f"poseline.formats.{name.replace('-', '_')}")

    def write(log: LogFile, target: Path, options: ExportOptions) -> Sequence[str]:
        notes: Sequence[str] = module().write(log.tracks, target, options)
        return notes

    def validate(target: Path) -> None:
        module().validate(target)

    def read(path: Path, options: ImportOptions) -> Read:
        found: Read = module().read(path, options)
        return found

    reader, writer = read if reads else None, write if writes else None
    return Format(name, writer, validate, reader, of_tracks=True, reads_raw=True, **properties)


_ALL = (
    _table("csv", tables.write_csv, tables.validate_csv),
    _table("parquet", tables.write_parquet, tables.validate_parquet),
    _own("c3d", writes=False, needs=("ezc3d",)),
    _own("coco", suffix=".coco.json", takes_pictures=True),
    _own("coco-results", suffix=".coco-results.json"),
    _own("cvat", folder=True),
    _own("deeplabcut", suffix=".dlc.csv", needs=("polars",)),
    _own("deeplabcut-h5", suffix=".dlc.h5", needs=("h5py",)),
    _own("movement", suffix=".movement.nc", needs=("h5py",)),
    _own("mot", suffix=".mot.txt"),
    _own("nwb", suffix="_nwb", folder=True, needs=("pynwb", "ndx_pose", "h5py")),
    _own("openpose", suffix="_openpose_json", folder=True),  # Pose2Sim looks for folders with json in their names
    _own("posetrack", suffix=".posetrack.json"),
    _own("rerun", suffix=".rrd", reads=False, takes_pictures=True, needs=("rerun",)),
    _own("sleap", suffix=".slp", needs=("h5py",)),
    _own("sleap-analysis", suffix=".analysis.h5", needs=("h5py",)),
    _own("trc", writes=False, needs=("polars",)),
    _own("yolo", folder=True, takes_pictures=True),
)
FORMATS: dict[str, Format] = {each.name: each for each in _ALL}
"""All formats by name. Settings know the names alone (`LOG_FORMATS`), so that reading them imports no format."""


def log_format(name: str, validate: Validator) -> Callable[[JournalWriter], JournalWriter]:
    """Register the function below as the format `name`: from the path of a log to the path of a file.

    Raises:
        ValueError: the name is taken, or is not made of lower-case letters, digits and dashes.
    """
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) or name in LOG_FORMATS:
        raise ValueError(f"{name!r}: a format's name is new, and made of a-z, 0-9 and dashes")

    def register(write: JournalWriter) -> JournalWriter:
        FORMATS[name] = Format(name, from_journal(write), validate)
        LOG_FORMATS.append(name)
        return write

    return register


def chosen_formats(names: Iterable[str]) -> list[Format]:
    """The formats of these names, each once, without the journal."""
    return [FORMATS[name] for name in dict.fromkeys(names) if name != JOURNAL]


def format_of(option: str, name: str, *, readable: bool = False) -> Format:
    """The format of this name, of those that can be read where `readable`, else of those that can be written.

    Raises:
        SettingsError: there is none, or a module that it needs is not installed; `option` is where it was asked for.
    """
    known = [each for each in FORMATS.values() if (each.read if readable else each.write)]
    for each in known:
        if each.name == name:
            each.require()
            return each
    raise SettingsError(f"{option} {name}: formats are {', '.join(each.name for each in known)}")
