"""`poseline inspect`: what in a finished run deserves a look."""

# Without `from __future__ import annotations`: typer would evaluate the text of each option's type again at each start.

from pathlib import Path
from typing import Annotated

import typer


def inspect(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run, or its keypoints.jsonl.")],
    listed: Annotated[bool, typer.Option("--list", help="List what deserves a look as a table, the worst first.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="List it as JSON, one record a line.")] = False,
) -> None:  # fmt: skip
    """Look at a finished run: ids that break, left and right exchanged, jumps, doubtful keypoints, gaps."""
    from poseline.commands.marks_shown import show_marks
    from poseline.errors import SettingsError
    from poseline.inspection import find_marks
    from poseline.log import journal_of, read_tracks

    if not (listed or as_json):
        raise SettingsError("poseline inspect: give --list or --json")
    tracks = read_tracks(journal_of(run))
    show_marks(find_marks(tracks), tracks, as_json)
