"""Exporting: a keypoint log in the formats of other programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from poseline.atomic import make_folder
from poseline.errors import OutputError, SettingsError, SourceError
from poseline.formats.options import ExportOptions
from poseline.formats.registry import Format, format_of
from poseline.formats.source import LogFile
from poseline.log import LOG_NAME, LogReader, Tracks, clip_of, journal_of, write_tracks
from poseline.words import counted, were


class Exported(NamedTuple):
    """What was written."""

    paths: list[Path]
    """A file or folder for each format, in their order."""
    notes: list[str]
    """What is lost in it, in words, beginning with the format's name."""


def export_log(
    log: str | Path | Tracks,
    to: str | Sequence[str],
    target: str | Path | None = None,
    *,
    clip: str | Path | None = None,
    pictures: bool = False,
    every: int = 1,
    raw: bool = False,
    corrected: bool = False,
    overwrite: bool = False,
) -> Exported:
    """Write a keypoint log in formats of other programs; docs/formats.md describes each.

    Args:
        log: a run's folder, or its `keypoints.jsonl`; or tracks, such as `import_log` gives, with a `target`.
        to: the name of a format, such as `coco`, or several.
        target: the file or folder to write, with several formats the folder for all of them; None: beside the log.
        clip: the clip that the log is of, for `pictures`; None: where the log says.
        pictures: write the frames as pictures too, for formats that can hold them (`yolo`).
        every: write each n-th frame only, for formats of poses.
        raw: write the log without the corrections that were made by hand.
        corrected: write those frames only in which something was corrected, with everybody in them, for formats of
            poses: what a model can be trained on.
        overwrite: replace what is there.

    Raises:
        SourceError: the log, or the clip, cannot be read.
        SettingsError: an unknown format, or a module that one needs is not installed.
        OutputError: a file cannot be written, or is there and `overwrite` is off.
    """
    if isinstance(log, Tracks):
        if target is None:
            raise SettingsError("export_log: tracks lie nowhere; say where to write with `target`")
        if corrected:
            raise SettingsError("export_log: tracks have no corrections; give the run whose frames were corrected")
        with TemporaryDirectory() as folder:
            journal = Path(folder) / LOG_NAME
            write_tracks(journal, log)
            return export_log(journal, to, target, clip=clip, pictures=pictures, every=every, overwrite=overwrite)
    journal = journal_of(log)
    names = [to] if isinstance(to, str) else list(dict.fromkeys(to))
    formats = [format_of("--to", name) for name in names]
    _check_options(formats, clip, pictures, every, raw, corrected)
    options = ExportOptions(_clip(journal, clip) if pictures else None)
    targets = _targets(formats, journal, Path(target) if target else None)
    for each, path in zip(formats, targets, strict=True):
        if path.resolve() == journal.resolve():
            raise OutputError(f"{path} is the log itself; choose another place with -o")
        _check(each, path, overwrite)
    source, notes = LogFile(journal, every, raw=raw, corrected=corrected), list(_of_pixels(journal))
    if corrected:
        if not len(source.tracks):
            raise SettingsError(f"--corrected: no frame of {journal} was corrected")
        notes.append(f"{counted(len(source.tracks), 'frame')} that {were(len(source.tracks))} corrected")
    for each, path in zip(formats, targets, strict=True):
        make_folder(path.parent)
        notes += [f"{each.name}: {note}" for note in each.convert(source, path, options)]
    return Exported(targets, notes)


def _check_options(
    formats: Sequence[Format], clip: str | Path | None, pictures: bool, every: int, raw: bool, corrected: bool
) -> None:
    """Raise a SettingsError for an option that one of the formats, or another option, does not go with."""
    if pictures and not any(each.takes_pictures for each in formats):
        raise SettingsError(
            f"--pictures: {', '.join(each.name for each in formats)} cannot hold the pictures of a clip"
        )
    if clip is not None and not pictures:
        raise SettingsError("--clip is where pictures come from; add --pictures")
    for each in formats:
        for option, given in (("--every", every != 1), ("--corrected", corrected)):
            if given and not each.of_tracks:
                raise SettingsError(f"{option}: {each.name} is of all frames; export it by itself")
        if raw and not each.reads_raw:
            raise SettingsError(f"--raw: {each.name} reads the log by itself, with its corrections; export it without")
    if raw and corrected:
        raise SettingsError("--raw leaves corrections out, and --corrected is about them; give one of the two")
    if every < 1:
        raise SettingsError(f"--every: each n-th frame, n from 1 on, got {every}")


def _of_pixels(journal: Path) -> Iterator[str]:
    """What no other program is told of the shape of the pixels."""
    aspect = LogReader(journal, raw=True).pixel_aspect
    if aspect != 1:
        yield f"its pixels are not square: multiply x by {aspect:g} before you measure lengths and angles"


def _clip(journal: Path, clip: str | Path | None) -> Path:
    """Where the pictures of the log's frames come from."""
    log = LogReader(journal, raw=True)
    if clip is not None and not Path(clip).exists():
        raise SourceError(f"{clip}: no such file")
    if clip is None and log.run.get("video") is None:
        return journal.parent  # of separate pictures, each of which the log names
    return clip_of(log) if clip is None else Path(clip)


def _targets(formats: Sequence[Format], journal: Path, target: Path | None) -> list[Path]:
    names = [each.file_name(journal.stem) for each in formats]
    if target is None:
        return [journal.with_name(name) for name in names]
    if len(formats) > 1 or (target.is_dir() and not formats[0].folder):
        if target.exists() and not target.is_dir():
            raise OutputError(f"{target} is a file; several formats go into a folder")
        return [target / name for name in names]
    return [target]


def _check(each: Format, path: Path, overwrite: bool) -> None:
    """Refuse to replace what must stay."""
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return
    if not overwrite:
        raise OutputError(f"{path} exists: try --overwrite, or another place with -o")
    if path.is_dir() != each.folder:
        kinds = "folder", "file"
        raise OutputError(f"{path} is a {kinds[each.folder]}, and {each.name} is a {kinds[not each.folder]}; move it")
    if each.folder:
        try:
            each.validate(path)
        except OutputError as error:
            raise OutputError(f"{path} holds something else than {each.name}, and is not replaced: {error}") from None
