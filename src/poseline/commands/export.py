"""`poseline export`: a run's log in the formats of other programs."""

# Without `from __future__ import annotations`: typer would evaluate the text of each option's type again at each start.

from pathlib import Path
from typing import Annotated

import typer


def export(
    log: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run, or its keypoints.jsonl.")],
    to: Annotated[list[str], typer.Option("--to", metavar="FORMAT", help="A format such as coco, or several with commas; may be given several times. docs/formats.md has them all.")],
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="PATH", help="File or folder to write; with several formats, the folder for all. (beside the log)")] = None,
    clip: Annotated[Path | None, typer.Option("--clip", help="The clip that the log is of. (where the log says)")] = None,
    pictures: Annotated[bool, typer.Option("--pictures", help="Write the clip's frames as pictures too, for formats that hold them.")] = False,
    every: Annotated[int, typer.Option("--every", metavar="N", help="Only each N-th frame, such as for labels to correct by hand.")] = 1,
    corrected: Annotated[bool, typer.Option("--corrected", help="Only frames that were corrected by hand, with everybody in them, such as to train a model on.")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="As the network measured it, without corrections made by hand.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False,
) -> None:  # fmt: skip
    """Write a run's keypoints for other programs: COCO, OpenPose, DeepLabCut and others."""
    from poseline.commands.common import place_of, show_corrections, show_files
    from poseline.formats.exporting import export_log
    from poseline.log import journal_of

    place_of("-o", output)
    names = [name.strip() for text in to for name in text.split(",") if name.strip()]
    show_corrections(journal_of(log), raw)
    written = export_log(
        log, names, output, clip=clip, pictures=pictures, every=every, raw=raw, corrected=corrected, overwrite=overwrite
    )
    show_files(written.paths, written.notes)
