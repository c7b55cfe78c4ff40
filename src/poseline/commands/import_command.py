"""`poseline import`: another program's keypoints as a run's folder."""

# Without `from __future__ import annotations`: typer would evaluate the text of each option's type again at each start.

from pathlib import Path
from typing import Annotated

import typer


def import_keypoints(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="File, or folder of files, that another program wrote.")],
    format: Annotated[str, typer.Option("--from", metavar="FORMAT", help="Its format, such as coco; docs/formats.md has them all.")],  # noqa: A002 # the option's name is --from
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="DIR", help="Folder of the new log. (runs/NAME)")] = None,
    video: Annotated[Path | None, typer.Option("--video", metavar="CLIP", help="The clip that the keypoints are of, which has the times of frames and the picture's size.")] = None,
    fps: Annotated[float | None, typer.Option("--fps", help="Frames a second, where the file holds no times and there is no clip.")] = None,
    size: Annotated[str | None, typer.Option("--size", metavar="WxH", help="Size of the picture, where the file does not hold it and there is no clip.")] = None,
    first: Annotated[int, typer.Option("--first", metavar="N", help="The file's number of the clip's first frame.")] = 0,
    skeleton: Annotated[Path | None, typer.Option("--skeleton", help="YAML file with the keypoints' names, where the file does not hold them.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the log that the folder holds.")] = False,
) -> None:  # fmt: skip
    """Make a keypoint log of another program's keypoints, for analyze, render, compare and export."""
    from poseline.commands.common import place_of, show_files, size_of
    from poseline.formats.importing import import_log
    from poseline.words import counted

    folder = place_of("-o", output) or Path("runs") / path.resolve().name.split(".")[0]
    read = import_log(
        path,
        format,
        folder,
        video=video,
        fps=fps,
        size=size_of("--size", size),
        first=first,
        skeleton=skeleton,
        overwrite=overwrite,
    )
    assert read.log is not None
    persons = len(read.tracks.rows)
    show_files([read.log], [*read.notes, f"{counted(len(read.tracks), 'frame')}, {counted(persons, 'pose')}"])
