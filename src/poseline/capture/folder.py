"""Folder: which files of a folder are media, and what is passed over."""

from __future__ import annotations

import glob
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from poseline.capture.recognise import AMBIGUOUS_SUFFIXES, IMAGE_SUFFIXES, VIDEO_SUFFIXES, Kind, recognise
from poseline.errors import SourceError
from poseline.log_files import part_number
from poseline.words import counted

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
    links: list[Path] = field(default_factory=list)
    """Links to folders, which are not followed."""
    broken: list[Path] = field(default_factory=list)
    """Links to what is not there."""
    special: list[Path] = field(default_factory=list)
    """Pipes and devices that are called as a medium is."""
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
            elif hidden:
                self.files.append(entry)
            elif entry.is_symlink() and not entry.exists():
                self.broken.append(entry)
            elif is_medium(entry):
                self.media.append((entry, f"{prefix}{entry.stem}"))
            elif entry.suffix.lower() in IMAGE_SUFFIXES | VIDEO_SUFFIXES and not entry.is_file():
                self.special.append(entry)
            else:
                self.files.append(entry)

    def _add_folder(self, folder: Path, recursive: bool, prefix: str) -> None:
        if not recursive:
            self.folders.append(folder)
            return
        if folder.is_symlink():  # it may lead back to where we come from
            self.links.append(folder)
            return
        try:
            inside = listed(folder)
        except SourceError:
            self.unreadable.append(folder)
            return
        if any(part_number(entry.name) for entry in inside):
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
            names = shortened([folder.name for folder in self.folders])
            parts.append(f"{counted(len(self.folders), 'folder')} not searched: {names} (--recursive searches folders)")
        if self.links:
            names = shortened([folder.name for folder in self.links])
            to = "a folder" if len(self.links) == 1 else "folders"
            parts.append(f"{counted(len(self.links), 'link')} to {to} not followed: {names}")
        if self.broken:
            names = shortened([file.name for file in self.broken])
            verb = "leads" if len(self.broken) == 1 else "lead"
            parts.append(f"{counted(len(self.broken), 'link')} that {verb} nowhere: {names}")
        if self.special:
            names = shortened([file.name for file in self.special])
            what = "device or pipe" if len(self.special) == 1 else "devices or pipes"
            parts.append(f"{len(self.special)} {what} passed over: {names}")
        if self.results:
            parts.append(f"{counted(self.results, 'folder')} of results passed over")
        if self.unreadable:
            names = shortened([str(folder) for folder in self.unreadable])
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


def matching(pattern: Path) -> list[Path]:
    """What a pattern matches, by name; `**` stands for all folders below, but for links, which may lead back.

    What is hidden is matched only where the pattern says so.
    """
    if "**" not in pattern.parts:
        return [Path(name) for name in sorted(glob.glob(str(pattern)))]
    first = next(place for place, part in enumerate(pattern.parts) if glob.has_magic(part))
    base, parts = Path(*pattern.parts[:first]), list(pattern.parts[first:])
    if parts[-1] == "**":
        parts.append("*")
    hidden = any(part.startswith(".") for part in parts)
    # Not glob.glob, which follows links, and comes to the same files again and again by ever longer ways.
    return sorted(
        match
        for match in set(base.glob("/".join(part if part == "**" else re.sub(r"\*+", "*", part) for part in parts)))
        if hidden or not any(part.startswith(".") for part in match.relative_to(base).parts)
    )


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
    return suffix in IMAGE_SUFFIXES | VIDEO_SUFFIXES  # a damaged one, too: whoever reads it says what is wrong


def _kinds(files: Sequence[Path]) -> str:
    kinds = Counter("hidden" if file.name.startswith(".") else file.suffix.lower() or "no suffix" for file in files)
    ranked = sorted(kinds.items(), key=lambda kind: (-kind[1], kind[0]))
    return shortened([f"{count} {kind}" if len(kinds) > 1 else kind for kind, count in ranked])


def shortened(names: Sequence[str]) -> str:
    """The first names, for one line."""
    return ", ".join(names[:_MOST_NAMES]) + (" ..." if len(names) > _MOST_NAMES else "")
