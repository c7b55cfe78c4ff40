"""Manifest: which sources of a batch are done, so that a batch that was cut off goes on where it stopped.

`batch.jsonl` in the batch's folder holds one JSON record a line; of several about one source, the last counts.

- `{"type":"start","time":s,"sources":n,"kept":n}`: a start of the batch; `time` is Unix time.
- `{"type":"source","source":...,"folder":...,"state":...,"size":bytes,"modified":ns,"pictures":hash,"settings":...}`:
  `state` is `waiting` (not yet run, or cut off), `done`, `failed` or `interrupted`. One that ended has `time`,
  `frames`, `persons`, `seconds`, `after` (seconds since the start before it), `code` (the exit code), `log` (bytes of
  its log) and `error` as well.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import orjson

from poseline.atomic import cause
from poseline.capture import Location
from poseline.errors import OutputError, SourceError
from poseline.home import expanded
from poseline.log import LOG_NAME
from poseline.log.jsonable import jsonable
from poseline.output.folder import results
from poseline.output.lock import FolderLock
from poseline.settings import Settings, card_numbers
from poseline.words import unused

MANIFEST_NAME = "batch.jsonl"
DONE, FAILED, INTERRUPTED, WAITING = "done", "failed", "interrupted", "waiting"
_NO_RESULT = {"output": {"directory", "overwrite", "show", "send"}}
"""Settings that change nothing in a source's results."""
_NUMBERS = ("time", "frames", "persons", "seconds", "after", "code", "log")
"""What a source that ended has numbers of."""
_NEEDED = {"source": ("source", "folder", "settings"), "start": ("time", "sources", "kept")}
"""What a record of each kind has in any case."""


@dataclass(frozen=True)
class Entry:
    """What the manifest says of one source."""

    source: str
    """Absolute path, or address with its password hidden."""
    folder: str
    """Name of its results' folder, below the batch's."""
    settings: str
    """Fingerprint of the settings and the model."""
    size: int | None = None
    """Bytes of the file, or of all its pictures; None of an address."""
    modified: int | None = None
    """When the file, or the latest of its pictures, was changed: nanoseconds of Unix time."""
    pictures: str = ""
    """A hash of the size and time of each picture, where there are several."""
    state: str = WAITING
    time: float = 0.0
    """When it ended: Unix time."""
    frames: int = 0
    persons: int = 0
    seconds: float = 0.0
    """What the run took."""
    after: float = 0.0
    """Seconds from the start of the batch to its end, by a clock that nobody sets."""
    code: int = 0
    """Exit code of its run."""
    log: int = 0
    """Bytes of its log: another size is of another run, such as one with other settings that was cut off."""
    error: str = ""

    def is_of(self, other: Entry) -> bool:
        """Whether both are about the same content under the same settings."""
        content = self.size, self.modified, self.pictures, self.settings
        return content == (other.size, other.modified, other.pictures, other.settings)


@dataclass(frozen=True)
class Status:
    """How far a batch is."""

    entries: Sequence[Entry]
    since_start: float
    """Seconds from the last start to the last source that ended; 0 where none has, or nobody knows."""
    ended: int
    """Sources that ended since the last start."""

    @property
    def states(self) -> Counter[str]:
        """How many sources are in each state."""
        return Counter(entry.state for entry in self.entries)

    @property
    def left(self) -> int:
        """Sources that wait, or were interrupted."""
        return self.states[WAITING] + self.states[INTERRUPTED]

    @property
    def seconds_left(self) -> float | None:
        """Seconds that those left will take at the pace since the last start; None before the first has ended."""
        return self.left * self.since_start / self.ended if self.ended and self.since_start else None


class Manifest:
    """The manifest of a folder that this process alone may write to, until it is closed.

    Raises:
        OutputError: the folder cannot be created or written to, or another process uses it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._path = folder, folder / MANIFEST_NAME
        self._created = not folder.exists()
        self._begun = time.monotonic()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{folder}: the folder cannot be created: {cause(error)}; try another -o") from error
        self._lock = FolderLock(folder)
        try:
            self._is_new = not self._path.exists()
            records = [] if self._is_new else _records(self._path.read_bytes())
        except OSError as error:
            self._lock.release()
            raise OutputError(f"{self._path}: cannot be read: {cause(error)}; try another -o") from error
        self._entries = {entry.source: entry for entry in _entries(records)}

    def plan(self, locations: Sequence[Location], settings: Settings) -> list[Location]:
        """Begin: the sources that are not done, each named as its folder below the batch's is.

        A source keeps the folder that it had in an earlier start.

        Raises:
            OutputError: a folder holds results that no batch made, and `settings.output.overwrite` is off.
        """
        fingerprint = _fingerprint(settings)
        missing, planned = [], list[Entry]()
        taken = {entry.folder for entry in self._entries.values()}
        for location in locations:
            now = _entry(location, fingerprint)
            before = self._entries.get(now.source)
            name = before.folder if before else unused(_folder_name(location.name), taken)
            taken.add(name)
            if not (before and not settings.output.overwrite and self._is_done(before, now)):
                missing.append(replace(location, name=name))
                planned.append(replace(now, folder=name))
            if before is None and not settings.output.overwrite:
                self._refuse_results_of_others(name)
        start = {"type": "start", "time": time.time(), "sources": len(locations)}
        new = [entry for entry in planned if entry.source not in self._entries]  # the others are known by their folders
        self._append([start | {"kept": len(locations) - len(missing)}, *map(_as_record, new)])
        self._entries.update((entry.source, entry) for entry in planned)
        return missing

    def in_state(self, state: str, locations: Sequence[Location]) -> list[Location]:
        """Those of the planned locations that are in this state."""
        return [location for location in locations if self._entries[_identity(location)].state == state]

    def status(self) -> Status:
        """How far the batch is."""
        return read_status(self._folder)

    def record(self, location: Location, state: str, **ended: Any) -> None:
        """Note how the run of a planned location ended; `ended` holds further fields of its `Entry`."""
        after = round(time.monotonic() - self._begun, 3)
        entry = replace(self._entries[_identity(location)], state=state, time=time.time(), after=after, **ended)
        entry = replace(entry, log=self._log_size(entry))
        self._entries[entry.source] = entry
        self._append([_as_record(entry)])

    def close(self) -> None:
        """Release the folder. Where nothing was ever begun, as for want of a model, it is left as it was found."""
        if self._is_new and not any(self._has_folder(entry) for entry in self._entries.values()):
            with suppress(OSError):
                self._path.unlink()
        self._lock.release()
        if self._created:
            with suppress(OSError):  # it holds results
                self._folder.rmdir()

    def __enter__(self) -> Manifest:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _log_size(self, entry: Entry) -> int:
        """Bytes of the log in its folder; 0 where there is none."""
        try:
            return (self._folder / entry.folder / LOG_NAME).stat().st_size
        except OSError:
            return 0

    def _has_folder(self, entry: Entry) -> bool:
        """Whether its run was begun, which makes the folder when the model is loaded, or failed before."""
        return entry.state != WAITING or (self._folder / entry.folder).exists()

    def _is_done(self, before: Entry, now: Entry) -> bool:
        """Whether its results are there, and are those of the file and the settings of now."""
        return before.state == DONE and before.is_of(now) and self._log_size(before) == before.log

    def _refuse_results_of_others(self, name: str) -> None:
        path = self._folder / name
        if path.is_dir() and (held := results(path)):
            raise OutputError(
                f"{path} already holds {held[0].name}, which {MANIFEST_NAME} does not know of: "
                "try --overwrite, or another folder with -o"
            )

    def _append(self, records: Sequence[Mapping[str, Any]]) -> None:
        lines = b"".join(orjson.dumps(jsonable(record)) + b"\n" for record in records)
        try:
            with self._path.open("ab+") as file:
                if file.tell() and not self._ends_with_a_line(file):
                    lines = b"\n" + lines
                file.write(lines)
        except OSError as error:
            raise OutputError(f"{self._path}: cannot be written: {cause(error)}") from error

    @staticmethod
    def _ends_with_a_line(file: Any) -> bool:
        file.seek(-1, 2)
        return bool(file.read(1) == b"\n")


def read_status(folder: Path) -> Status:
    """How far the batch in `folder` is, also while it runs.

    Raises:
        SourceError: there is none.
    """
    path = folder / MANIFEST_NAME
    try:
        records = _records(path.read_bytes())
    except OSError as error:
        raise SourceError(
            f"{path}: cannot be read: {cause(error)}; name the folder that a batch was given as -o"
        ) from error
    latest = {entry.source: entry for entry in _entries(records)}
    # By the order of the lines, and not by their times, which go back where the clock is set back.
    start = max((index for index, record in enumerate(records) if record.get("type") == "start"), default=0)
    ended = {entry.source: entry.after for entry in _entries(records[start:]) if entry.state in (DONE, FAILED)}
    return Status(list(latest.values()), max(ended.values(), default=0.0), len(ended))


def _records(content: bytes) -> list[dict[str, Any]]:
    """All whole records; a line that a kill cut short, or that was garbled by hand, is none."""
    found = []
    for line in content.splitlines():
        with suppress(orjson.JSONDecodeError):
            record = orjson.loads(line)
            if isinstance(record, dict) and _is_whole(record):
                found.append(record)
    return found


def _is_whole(record: Mapping[str, Any]) -> bool:
    """Whether it has what its kind must have, and numbers where numbers belong."""
    texts = ("source", "folder", "settings", "pictures", "state", "error")
    return (
        all(name in record for name in _NEEDED.get(str(record.get("type")), ()))
        and all(isinstance(record.get(name, ""), str) for name in texts)
        and all(isinstance(record.get(name, 0), int | float) for name in (*_NUMBERS, "sources", "kept"))
        and all(isinstance(record.get(name), int | None) for name in ("size", "modified"))
    )


def _entries(records: Sequence[Mapping[str, Any]]) -> list[Entry]:
    names = Entry.__dataclass_fields__
    return [
        Entry(**{key: value for key, value in record.items() if key in names})
        for record in records
        if record.get("type") == "source"
    ]


def _as_record(entry: Entry) -> dict[str, Any]:
    fields = {name: getattr(entry, name) for name in Entry.__dataclass_fields__}
    if not entry.pictures:
        del fields["pictures"]
    if entry.state == WAITING:
        for name in (*_NUMBERS, "error"):
            del fields[name]
    return {"type": "source", **fields}


def _identity(location: Location) -> str:
    """What a source is known by: its absolute path or address; of several pictures, the first's and a hash of all.

    It is text as a record holds it, also of a file whose name is no UTF-8.
    """
    places = [place for place in (location.video, location.url) if place is not None] or location.pictures
    names = [str(jsonable(place.absolute() if isinstance(place, Path) else place)) for place in places]
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more, {_hash(names)}"


def _folder_name(name: str) -> str:
    """The name as a record can hold it: what is no UTF-8 in it becomes dashes."""
    return re.sub("[\ud800-\udfff]", "-", name)


def _entry(location: Location, fingerprint: str) -> Entry:
    states = []
    with suppress(OSError):  # whoever reads it says so better
        states = [path.stat() for path in location.inputs]
    each = [(state.st_size, state.st_mtime_ns) for state in states]
    return Entry(
        _identity(location), location.name, fingerprint,
        size=sum(size for size, _ in each) if each else None,
        modified=max(modified for _, modified in each) if each else None,
        pictures=_hash(each) if len(each) > 1 else "",
    )  # fmt: skip


def _hash(value: object) -> str:
    """16 letters by which values of JSON's kinds are told apart."""
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]


def _fingerprint(settings: Settings) -> str:
    """A hash of what results depend on: settings, and the content of a model's own file."""
    dumped = settings.model_dump(mode="json", exclude=_NO_RESULT)
    if card_numbers(settings.inference.device):
        dumped["inference"]["device"] = "cuda"  # whichever GPU it is
    digest = hashlib.sha256(orjson.dumps(dumped, option=orjson.OPT_SORT_KEYS))
    model = expanded(settings.inference.model or "")
    files = (
        [model] if model.is_file() else sorted(model.rglob("*")) if settings.inference.model and model.is_dir() else []
    )
    for path in files:
        if path.is_file():
            with suppress(OSError):  # whoever loads it says so better
                digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
