"""The keypoint log: its writer, its reader, and what is made of it."""

from poseline.log.clip import clip_of
from poseline.log.counts import Counts, Ended
from poseline.log.reader import Ending, Log, LoggedFrame, LogReader, last_record, read_log
from poseline.log.records import Records, RunHeader, written_aspect
from poseline.log.tables import write_csv, write_parquet
from poseline.log.tracks import Rows, Tracks, read_tracks
from poseline.log.tracks_log import write_tracks
from poseline.log.writer import KeypointLog
from poseline.log_files import LOG_NAME, journal_of, part_name, part_number
from poseline.pose import State

__all__ = [
    "LOG_NAME",
    "Counts",
    "Ended",
    "Ending",
    "KeypointLog",
    "Log",
    "LogReader",
    "LoggedFrame",
    "Records",
    "Rows",
    "RunHeader",
    "State",
    "Tracks",
    "clip_of",
    "journal_of",
    "last_record",
    "part_name",
    "part_number",
    "read_log",
    "read_tracks",
    "write_csv",
    "write_parquet",
    "write_tracks",
    "written_aspect",
]
