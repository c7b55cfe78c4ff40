"""Folder: where the results of a run go. It is checked and locked before the run begins."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import TracebackType

from poseline.atomic import cause
from poseline.errors import OutputError, SourceError
from poseline.formats import FORMATS
from poseline.log import LOG_NAME, LogReader, part_name, part_number
from poseline.log_files import CORRECTIONS_NAME
from poseline.output.disk import START_RESERVE, free_bytes
from poseline.output.lock import FolderLock
from poseline.output.mp4 import is_recoverable
from poseline.output.numbered import numbered

RUNS = Path("runs")
PICTURES = "pictures"
_VIDEO = r"annotated(?:-(\d+))?\.mp4"
_PIECE = r"annotated(?:-\d+)?\.piece-\d+"
_PIECES = re.compile(rf"{_PIECE}(\.part)?")
_OURS = re.compile(rf"(?:{_VIDEO}|{_PIECE})(\.part)?|summary\.json")
MOST_FOLDERS = 10_000
"""Of one name, with numbers behind it."""


@dataclass(frozen=True)
class OutputFolder:
    """A folder that this process alone may write results into, until it is left or closed."""

    path: Path
    _lock: FolderLock
    _created: bool

    @property
    def video(self) -> Path:
        """The annotated video; while it is written it has `.part` behind its name."""
        return self.path / "annotated.mp4"

    @property
    def journal(self) -> Path:
        """The keypoint log, JSON Lines, or its first part."""
        return self.path / LOG_NAME

    def part(self, number: int) -> Path:
        """The part of the keypoint log of this number, from 1."""
        return self.path / part_name(number)

    def video_part(self, number: int) -> Path:
        """The annotated video of this number, from 1."""
        return numbered(self.video, number)

    def keypoints(self, name: str) -> Path:
        """The keypoint log in the format of this name, such as `csv`."""
        return self.path / FORMATS[name].file_name()

    @property
    def summary(self) -> Path:
        """Counts, speed and settings of the run."""
        return self.path / "summary.json"

    @property
    def pictures(self) -> Path:
        """The folder of annotated pictures; `save_image` creates it."""
        return self.path / PICTURES

    def results(self) -> list[Path]:
        """The files of this run that are there, but for its pictures."""
        return results(self.path)

    def close(self) -> None:
        """Release the lock; a folder that we created and left empty disappears."""
        self._lock.release()
        if self._created:
            with suppress(OSError):  # it holds results
                self.path.rmdir()

    def __enter__(self) -> OutputFolder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def prepare(directory: Path | None, name: str, overwrite: bool, inputs: Sequence[Path]) -> OutputFolder:
    """The folder for a run's results, created if missing, checked and locked.

    Args:
        directory: the folder that the user asked for; None makes a new one: runs/`name`, else runs/`name`-2 ...
        name: what the run is about, such as the source's stem; characters unfit for a file name become dashes.
        overwrite: remove the results of an earlier run that `directory` holds, and nothing else: of its pictures, those
            that the run's log names.
        inputs: files that are read; none of them may be one that we would write.

    Raises:
        OutputError: it cannot be created or written to, another process uses it, it holds results and `overwrite` is
            off, one of the `inputs` would be overwritten, or its disk is nearly full. Nothing is changed then.
    """
    path, created = numbered_folder(name) if directory is None else given_folder(directory)
    lock = None
    try:
        lock = FolderLock(path)
        _refuse_inputs(path, inputs)
        earlier = _replaceable(path, overwrite)
        _require_space(path, earlier)
        for result in earlier:
            _remove(result)
        with suppress(OSError):  # there is none, or it holds pictures of the user's own
            (path / PICTURES).rmdir()
    except OSError as error:
        OutputFolder(path, lock, created).close() if lock else _forget(path, created)
        raise error if isinstance(error, OutputError) else OutputError(f"{path}: {cause(error)}") from error
    return OutputFolder(path, lock, created)


def video_number(name: str) -> int | None:
    """Which of a run's videos is called so, from 1; None for another file. Each change of size begins the next one."""
    found = re.fullmatch(_VIDEO, name)
    return found and int(found[1] or 1)


def piece_file(video: Path, number: int) -> Path:
    """Where the piece of this number, from 1, of a run's video is made; it does not stay."""
    return video.with_suffix(f".piece-{number}")


def is_piece(name: str) -> bool:
    """Whether a file that is called so is a piece of a run's video, finished or not."""
    return bool(_PIECES.fullmatch(name))


def piece_files(video: Path) -> list[Path]:
    """What is there of the pieces of a run's video: each has a file for each size of its pictures."""
    return [path for path in results(video.parent) if re.match(_PIECE, path.name)]


def _forget(path: Path, created: bool) -> None:
    if created:
        with suppress(OSError):
            path.rmdir()


def given_folder(path: Path) -> tuple[Path, bool]:
    """The folder that the user asked for, created if missing, and whether it was.

    Raises:
        OutputError: it cannot be created, or is a file.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            path.mkdir()
            return path, True
    except OSError as error:
        raise OutputError(f"{path}: the folder cannot be created: {cause(error)}; try another one with -o") from error
    if not path.is_dir():
        raise OutputError(f"{path} is a file, not a folder; try another -o")
    return path, False


_LONGEST_NAME = 240
"""Bytes of a folder's name, of the 255 that file systems take: letters may have four each."""


def numbered_folder(name: str) -> tuple[Path, bool]:
    """A new folder: runs/`name`, else runs/`name`-2 and so on, and True, as it was created.

    Raises:
        OutputError: it cannot be created.
    """
    fit = re.sub(r"[^\w.-]+", "-", name).strip(".-")[:80]
    stem = fit.encode()[:_LONGEST_NAME].decode(errors="ignore") or "run"
    try:
        RUNS.mkdir(exist_ok=True)
        if path := new_folder(RUNS / stem):
            return path, True
    except OSError as error:
        raise OutputError(
            f"{RUNS.absolute()}: a folder cannot be created here: {cause(error)}; name one with -o"
        ) from error
    raise OutputError(f"{RUNS.absolute()} holds {MOST_FOLDERS} runs of {stem}; name a folder with -o")


def new_folder(first: Path, *, exist_ok: bool = False) -> Path | None:
    """Create `first`, or with the first number behind its name that is free: clip, clip-2 ...

    Args:
        first: the folder, in one that is there.
        exist_ok: take a folder that is there already.

    Returns:
        The folder; None where too many are there.

    Raises:
        OSError: it cannot be created.
    """
    for number in range(1, MOST_FOLDERS):
        path = first if number == 1 else first.with_name(f"{first.name}-{number}")
        with suppress(FileExistsError):
            path.mkdir(exist_ok=exist_ok)  # creates or fails, so two processes never get the same one
            return path
    return None


def results(path: Path) -> list[Path]:
    """The files of a run that the folder holds, but for its pictures; files of the user's own are not among them.

    No file where there is no such folder: somebody may have removed it.
    """
    tables = {each.file_name() for each in FORMATS.values()}
    try:
        entries = list(os.scandir(path))
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(Path(entry) for entry in entries if entry.name in tables or _is_ours(entry.name))


def _is_ours(name: str) -> bool:
    return bool(_OURS.fullmatch(name) or part_number(name))


def _refuse_inputs(path: Path, inputs: Sequence[Path]) -> None:
    held = results(path)
    for source in inputs:
        if not source.exists():
            continue  # whoever reads it says so better
        for result in held:
            if result.exists() and os.path.samefile(source, result):
                raise OutputError(f"{result} would overwrite the input {source}; try another folder with -o")
        if source.resolve().parent == (path / PICTURES).resolve():
            raise OutputError(f"{path / PICTURES} holds the input {source}; try another folder with -o")


def _replaceable(path: Path, overwrite: bool) -> list[Path]:
    """The results of an earlier run, which all may be removed: the log last, since it names the pictures."""
    held = results(path)
    pictures = path / PICTURES
    if overwrite and (by_hand := path / CORRECTIONS_NAME).exists() and any(part_number(each.name) for each in held):
        raise OutputError(
            f"{by_hand}: the log of this folder was corrected by hand, and the corrections are of no other log: "
            "move them away to replace it, or try another folder with -o"
        )
    if not overwrite:
        names = [result.name for result in held]
        if pictures.is_dir() and any(pictures.iterdir()):
            names.append(f"{PICTURES}/")
        if names:
            raise OutputError(
                f"{path} already holds {', '.join(names)}: try --overwrite, or another folder with -o{_remedy(held)}"
            )
    for result in held:
        if _is_folder(result):
            _require_format(result)
    return [*_logged_images(path), *held]


def _remedy(held: Sequence[Path]) -> str:
    """What makes a video of what a run that was killed has left."""
    if any(each.name.endswith(".mp4.part") and is_recoverable(each) for each in held):
        return "; `poseline recover` makes a .mp4.part file playable"
    if any(is_piece(each.name) for each in held):
        return "; no piece of its video was joined, and `poseline render` draws it from the log"
    return ""


def _logged_images(path: Path) -> list[Path]:
    """The annotated pictures that are there of the run whose log is in `path`."""
    pictures = path / "pictures"
    if not pictures.is_dir():
        return []
    names: list[str] = []
    with suppress(SourceError):  # there is no log, or one that nobody can read
        names += (
            str(record["picture"])
            for record, _ in LogReader(path / LOG_NAME, raw=True).records()
            if "picture" in record
        )
    found = (pictures / PurePosixPath(name).name for name in names)  # never a path that leads elsewhere
    return [picture for picture in dict.fromkeys(found) if os.path.lexists(picture) and not picture.is_dir()]


def _is_folder(result: Path) -> bool:
    return result.is_dir() and not result.is_symlink()


def _remove(result: Path) -> None:
    try:
        shutil.rmtree(result) if _is_folder(result) else result.unlink()
    except OSError as error:
        raise OutputError(f"{result}: cannot be replaced: {cause(error)}") from error


def _require_format(result: Path) -> None:
    """Refuse to remove a folder that holds something else than the format that it is called for."""
    known = next((each for each in FORMATS.values() if each.file_name() == result.name and each.folder), None)
    if known is None:
        raise OutputError(f"{result}: is a folder, and no file of a run: move it away, or try another folder with -o")
    try:
        known.validate(result)
    except OutputError as error:
        raise OutputError(f"{result}: holds something else than {known.name}, and is not removed: {error}") from None


def _require_space(path: Path, earlier: Sequence[Path]) -> None:
    """Refuse a disk that is nearly full, also when what an earlier run has left there is removed."""
    free = free_bytes(path)
    if free < START_RESERVE and free + sum(map(_size, earlier)) < START_RESERVE:
        raise OutputError(
            f"{path}: only {free / 1e6:.0f} MB are free on its disk, a run needs {START_RESERVE / 1e6:.0f} MB; "
            "make room, or try another disk with -o"
        )


def _size(result: Path) -> int:
    """Bytes of a file, or of all files of a folder."""
    files = result.rglob("*") if _is_folder(result) else [result]
    return sum(file.lstat().st_size for file in files)
