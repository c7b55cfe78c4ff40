"""Folder: which files of a folder are media, and what is passed over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from poseline.capture.recognise import AMBIGUOUS_SUFFIXES, PICTURE_SUFFIXES, VIDEO_SUFFIXES, Kind, recognise
from poseline.errors import SourceError
from poseline.words import counted

_JOURNAL = "keypoints.jsonl"
"""What lies in every folder of results."""
_UNFINISHED = frozenset({".crdownload", ".download", ".part", ".partial", ".tmp"})
"""Of files that a download or a run is still writing, or never finished."""
_MOST_NAMES = 6
"""Kinds of files, or folders, that one line names."""


@dataclass
class Search:
    """What was found among files and folders, in order."""

    media: list[tuple[Path, str]] = field(default_factory=list)
    """Each file that would open by itself, and a name for its results, in which the folders within stand too."""
    files: list[Path] = field(default_factory=list)
    """Files passed over."""
    folders: list[Path] = field(default_factory=list)
    """Folders not searched."""
    results: int = 0
    """Folders of results, passed over."""
    unreadable: list[Path] = field(default_factory=list)
    """Folders that could not be searched."""

    def add(self, entries: Iterable[Path], recursive: bool, prefix: str = "") -> None:
        """Sort `entries` out; with `recursive`, what the folders among them hold, too."""
        for entry in entries:
            hidden = entry.name.startswith(".")
            if entry.is_dir():
                if hidden:
                    self.files.append(entry)  # counted among what is hidden
                else:
                    self._add_folder(entry, recursive, prefix)
            elif not hidden and is_medium(entry):
                self.media.append((entry, f"{prefix}{entry.stem}"))
            else:
                self.files.append(entry)

    def _add_folder(self, folder: Path, recursive: bool, prefix: str) -> None:
        if not recursive or folder.is_symlink():  # a link may lead back to where we come from
            self.folders.append(folder)
            return
        try:
            inside = listed(folder)
        except SourceError:
            self.unreadable.append(folder)
            return
        if any(entry.name == _JOURNAL for entry in inside):
            self.results += 1
        else:
            self.add(inside, recursive, f"{prefix}{folder.name}-")

    @property
    def passed_over(self) -> str:
        """What was not taken, in one line; empty if there is nothing."""
        parts = []
        if self.files:
            parts.append(f"{counted(len(self.files), 'file')} passed over: {_kinds(self.files)}")
        if self.folders:
            names = _shortened([folder.name for folder in self.folders])
            parts.append(
                f"{counted(len(self.folders), 'folder')} not searched: {names} (--recursive searches folders)"
            )
        if self.results:
            parts.append(f"{counted(self.results, 'folder')} of results passed over")
        if self.unreadable:
            names = _shortened([str(folder) for folder in self.unreadable])
            parts.append(f"{counted(len(self.unreadable), 'folder')} that cannot be read: {names}")
        return "; ".join(parts)


def listed(folder: Path) -> list[Path]:
    """What a folder holds, by name.

    Raises:
        SourceError: it cannot be read.
    """
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise SourceError(f"{folder}: the folder cannot be read: {error.strerror}") from error


def is_medium(path: Path) -> bool:
    """Whether a file would open by itself, by its content, or is called as if it should."""
    suffix = path.suffix.lower()
    if suffix in _UNFINISHED or not path.is_file():
        return False
    found = recognise(path)
    if found is not None and found.kind is not Kind.OTHER:
        return True
    if suffix in AMBIGUOUS_SUFFIXES:
        return found is None
    return suffix in PICTURE_SUFFIXES | VIDEO_SUFFIXES  # a damaged one, too: whoever reads it says what is wrong


def _kinds(files: Sequence[Path]) -> str:
    kinds = Counter("hidden" if file.name.startswith(".") else file.suffix.lower() or "no suffix" for file in files)
    ranked = sorted(kinds.items(), key=lambda kind: (-kind[1], kind[0]))
    return _shortened([f"{count} {kind}" if len(kinds) > 1 else kind for kind, count in ranked])


def _shortened(names: Sequence[str]) -> str:
    return ", ".join(names[:_MOST_NAMES]) + (" ..." if len(names) > _MOST_NAMES else "")
