"""Journal: the file of corrections beside a keypoint log. Records are appended and never changed.

JSON Lines. The first record names the log that the others are about; then come acts, and `undo` and `redo` of acts.
Each is one write under a lock of the file, flushed to the disk, so that several programs may append at once and a
killed one loses at most the record that it was writing. A record that was torn is skipped; the next one begins a line
of its own.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from poseline.atomic import cause
from poseline.corrections.acts import act_of, now
from poseline.errors import OutputError, SettingsError, SourceError
from poseline.log_files import CORRECTIONS_NAME, part_number

SCHEMA = 1
"""Of the file; another number where a record changes its meaning."""
_LARGEST = 64_000_000
"""Bytes of the file, beyond which it is something else."""


@dataclass(frozen=True)
class LogIdentity:
    """Which log corrections are of."""

    sha256: str
    """Of its first record, without the number of the part: all parts of a run's log have the same."""
    name: str = ""
    source: str = ""

    @classmethod
    def of(cls, run: Mapping[str, Any], name: str = "") -> LogIdentity:
        """Of a log by its first record."""
        stated = {key: value for key, value in run.items() if key != "segment"}
        try:
            written = orjson.dumps(stated, option=orjson.OPT_SORT_KEYS)
        except TypeError:  # half of a surrogate pair or a huge integer, of which orjson knows nothing
            written = json.dumps(stated, sort_keys=True).encode()
        return cls(hashlib.sha256(written).hexdigest(), name, str(run.get("source", "")))


def corrections_path(log: Path) -> Path:
    """The file of corrections of the log at `log`: `corrections.jsonl` of a run's, else named as the log."""
    return log.with_name(CORRECTIONS_NAME if part_number(log.name) else f"{log.stem}.{CORRECTIONS_NAME}")


def by_whom() -> str:
    """The name of who is at this computer, for acts that name nobody; empty where the system has none."""
    from getpass import getuser

    try:
        return getuser()
    except (OSError, KeyError, ImportError):  # a container's user may have no name
        return ""


@dataclass(frozen=True)
class Journal:
    """What a file of corrections holds."""

    identity: LogIdentity | None
    """The log that it is of; None of a file that holds nothing."""
    records: Sequence[Mapping[str, Any]] = ()
    """Acts, undos and redos in their order; an act that comes again is left out."""
    skipped: int = 0
    """Lines that were torn."""


def read_journal(path: Path) -> Journal:
    """The records of a file of corrections; of one that is not there, none.

    Raises:
        SourceError: it cannot be read, is no file of corrections, or was written by a newer version.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except FileNotFoundError:
        return Journal(None)
    except OSError as error:
        raise SourceError(f"{path}: the corrections cannot be read: {cause(error)}") from error
    if len(data) > _LARGEST:
        raise SourceError(f"{path}: larger than {_LARGEST // 1_000_000} MB; it is no file of corrections")
    return _parsed(path, data)


def append(path: Path, identity: LogIdentity, records: Sequence[Mapping[str, Any]]) -> tuple[Journal, bool]:
    """Append records, in one write; those of acts that the file has already are left out.

    Returns:
        What the file holds now, and whether anything was written.

    Raises:
        SourceError: what is there is not the corrections of this log, or cannot be read.
        OutputError: it cannot be written.
    """
    try:
        with _locked(path) as handle:
            data = _content(handle)
            held = _parsed(path, data)
            if held.identity is not None:
                require_same(path, held.identity, identity)
            known = {record["act"] for record in held.records if record["type"] == "act"}
            fresh = [record for record in records if record["type"] != "act" or record["act"] not in known]
            if not fresh:
                return held, False
            lines = [_line(record) for record in fresh]
            head = b"" if data.endswith(b"\n") else b"\n"  # behind a torn record
            if held.identity is None:  # empty, or a first record that was torn before any act was whole
                os.ftruncate(handle, 0)
                of = {"name": identity.name, "sha256": identity.sha256, "source": identity.source}
                head = _line({"type": "corrections", "schema": SCHEMA, "log": of, "created": now()})
            _write(handle, head + b"".join(lines))
            os.fsync(handle)
            return Journal(identity, [*held.records, *map(orjson.loads, lines)], held.skipped), True
    except OSError as error:
        if isinstance(error, SourceError):
            raise
        raise OutputError(f"{path}: the correction cannot be written: {cause(error)}") from error


def require_same(path: Path, held: LogIdentity, identity: LogIdentity) -> None:
    """Raise a SourceError where corrections are of another log."""
    if held.sha256 != identity.sha256:
        of = f" ({held.source})" if held.source and held.source != identity.source else ""
        raise SourceError(
            f"{path}: these corrections are of another log{of} than the one that lies here; "
            "move them away, or read with --raw (Python: raw=True)"
        )


def _parsed(path: Path, data: bytes) -> Journal:
    lines = data.split(b"\n")
    first = _record(lines[0])
    if (
        first is None
        and not any(lines[1:])
        and (not lines[0] or lines[0].startswith(b'{"type":"corrections"'[: len(lines[0])]))
    ):
        return Journal(None)  # nothing was written yet but, at most, a part of the first record
    identity = _identity(path, first)
    records: list[Mapping[str, Any]] = []
    known, skipped = set[str](), 0
    for number, line in enumerate(lines[1:], 2):
        record = _record(line)
        if record is None:
            skipped += bool(line.strip())
        elif _checked(path, number, record) == "act":
            if record["act"] not in known:
                known.add(record["act"])
                records.append(record)
        else:
            records.append(record)
    return Journal(identity, records, skipped)


def _identity(path: Path, first: Mapping[str, Any] | None) -> LogIdentity:
    if first is None or first.get("type") != "corrections":
        raise SourceError(f"{path}: not a file of corrections: its first line is no `corrections` record")
    if first.get("schema") != SCHEMA:
        raise SourceError(
            f"{path}: corrections of schema {first.get('schema')}; this version reads schema {SCHEMA}. "
            "Update Poseline, or read the log without them: --raw (Python: raw=True)"
        )
    log = first.get("log")
    if not (isinstance(log, dict) and isinstance(log.get("sha256"), str)):
        raise SourceError(f"{path}: its first line does not say which log it is of")
    return LogIdentity(log["sha256"], str(log.get("name", "")), str(log.get("source", "")))


def _checked(path: Path, number: int, record: Mapping[str, Any]) -> str:
    """The type of a record; raises a SourceError where it is none of this version: to leave it out would be wrong."""
    try:
        kind = record.get("type")
        if kind == "act":
            act_of(record)
        elif kind not in ("undo", "redo") or not isinstance(record.get("act"), str):
            raise SettingsError(f"a record of type {kind!r}")
    except SettingsError as error:
        raise SourceError(
            f"{path}, line {number}: this version does not know what that is: {error}. "
            "Update Poseline, or read the log without corrections: --raw (Python: raw=True)"
        ) from None
    return str(kind)


def _record(line: bytes) -> dict[str, Any] | None:
    """The record in a line; None of one that was torn. A part of a record is never a whole one."""
    try:
        found = orjson.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _line(record: Mapping[str, Any]) -> bytes:
    """A record as it is written; half of a surrogate pair, as of a name that is not UTF-8, is a question mark."""
    try:
        return orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:
        return json.dumps(record, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def _content(handle: int) -> bytes:
    os.lseek(handle, 0, os.SEEK_SET)
    parts = []
    while part := os.read(handle, 1 << 20):
        parts.append(part)
    return b"".join(parts)


def _write(handle: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(handle, rest) :]


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """An open file, made where it is missing, that nobody else can lock until it is left."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o644)
    try:
        _lock(handle)
        yield handle
    finally:
        os.close(handle)  # the lock goes with it


if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> None:
        os.lseek(handle, 0x7FFFFFFF, os.SEEK_SET)  # behind all content: a locked part cannot be read by others
        msvcrt.locking(handle, msvcrt.LK_LOCK, 1)

else:
    import fcntl

    def _lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX)
