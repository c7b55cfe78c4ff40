"""The keypoint log: its writer, its reader, and what is made of it."""

from poseline.log.counts import Counts, Ended
from poseline.log.formats import FORMATS, JOURNAL, Format, chosen_formats, log_format
from poseline.log.place import LOG_NAME, journal_of, part_name, part_number
from poseline.log.reader import Ending, Log, LoggedFrame, LogReader, last_record, read_log
from poseline.log.records import Records, RunHeader, written_aspect
from poseline.log.tables import write_csv, write_parquet
from poseline.log.tracks import State, Tracks, read_tracks
from poseline.log.writer import KeypointLog

__all__ = [
    "FORMATS",
    "JOURNAL",
    "LOG_NAME",
    "Counts",
    "Ended",
    "Ending",
    "Format",
    "KeypointLog",
    "Log",
    "LogReader",
    "LoggedFrame",
    "Records",
    "RunHeader",
    "State",
    "Tracks",
    "chosen_formats",
    "journal_of",
    "last_record",
    "log_format",
    "part_name",
    "part_number",
    "read_log",
    "read_tracks",
    "write_csv",
    "write_parquet",
    "written_aspect",
]
