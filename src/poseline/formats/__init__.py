"""Formats: keypoint logs to and from the files of other programs. Each format is a file, imported when it is used."""

from poseline.formats.options import ExportOptions, ImportOptions
from poseline.formats.registry import FORMATS, JOURNAL, Format, Read, chosen_formats, from_journal, log_format
from poseline.formats.source import LogFile

__all__ = [
    "FORMATS",
    "JOURNAL",
    "ExportOptions",
    "Format",
    "ImportOptions",
    "LogFile",
    "Read",
    "chosen_formats",
    "from_journal",
    "log_format",
]
