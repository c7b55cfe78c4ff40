"""Formats: what a keypoint log can be written as, beside the journal. Each is one function and one validator."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from poseline.log.tables import validate_csv, validate_parquet, write_csv, write_parquet
from poseline.optional import require
from poseline.settings import LOG_FORMATS

Writer: TypeAlias = Callable[[Path, Path], None]
"""Writes the log at the first path as a file at the second; raises OutputError where it cannot."""
Validator: TypeAlias = Callable[[Path], None]
"""Reads the file at the path; raises OutputError if it is not a whole file of the format."""

JOURNAL = "jsonl"
"""The format of the log itself, which every run writes: all others are made from it."""


@dataclass(frozen=True)
class Format:
    """One format."""

    name: str
    """What it is called in `--log`, and how its file's name ends: `csv` makes `keypoints.csv`."""
    write: Writer
    validate: Validator
    package: str = ""
    """What must be installed for it beside what every run needs."""

    def convert(self, log: Path, target: Path) -> None:
        """Write the keypoint log at `log` as `target`, and validate what was written.

        Raises:
            SourceError: the log cannot be read.
            OutputError: the file cannot be written, or did not become one of this format.
        """
        self.write(log, target)
        self.validate(target)


FORMATS: dict[str, Format] = {
    "csv": Format("csv", write_csv, validate_csv, "polars"),
    "parquet": Format("parquet", write_parquet, validate_parquet, "polars"),
}
"""All formats by name. Settings know the names alone (`LOG_FORMATS`), so that reading them imports no writer."""


def log_format(name: str, validate: Validator) -> Callable[[Writer], Writer]:
    """Register the function below as the format `name`.

    Raises:
        ValueError: the name is taken, or is not made of lower-case letters, digits and dashes.
    """
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) or name in LOG_FORMATS:
        raise ValueError(f"{name!r}: a format's name is new, and made of a-z, 0-9 and dashes")

    def register(write: Writer) -> Writer:
        FORMATS[name] = Format(name, write, validate)
        LOG_FORMATS.append(name)
        return write

    return register


def chosen_formats(names: Iterable[str]) -> list[Format]:
    """The formats of these names, each once, without the journal."""
    return [FORMATS[name] for name in dict.fromkeys(names) if name != JOURNAL]


def check_formats(names: Iterable[str]) -> None:
    """Raise a SettingsError where one of these formats needs a package that is not installed."""
    for chosen in chosen_formats(names):
        if chosen.package:
            require(chosen.package, f"--log {chosen.name}")
