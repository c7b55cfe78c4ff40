"""`poseline inspect`: a finished run in a browser, to look at and to correct; or what deserves a look, as a list."""

# Without `from __future__ import annotations`: typer would evaluate the text of each option's type again at each start.

from pathlib import Path
from typing import Annotated

import typer

PAGE, LIST = "Page", "List"


def inspect(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run, or its keypoints.jsonl.")],
    host: Annotated[str, typer.Option("--host", help="Where the page is: this computer alone, or 0.0.0.0 for the whole network.", rich_help_panel=PAGE)] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="The page's port; 0: any that is free.", rich_help_panel=PAGE)] = 8200,
    source: Annotated[Path | None, typer.Option("--source", metavar="PATH", help="The clip, or the folder of the pictures. (where the log says)", rich_help_panel=PAGE)] = None,
    by: Annotated[str | None, typer.Option("--by", metavar="NAME", help="Who corrects, as the corrections name them. (the user of this computer)", rich_help_panel=PAGE)] = None,
    listed: Annotated[bool, typer.Option("--list", help="No page: list what deserves a look as a table, the worst first.", rich_help_panel=LIST)] = False,
    as_json: Annotated[bool, typer.Option("--json", help="No page: list it as JSON, one record a line.", rich_help_panel=LIST)] = False,
) -> None:  # fmt: skip
    """Look at a finished run in a browser and correct it: what deserves a look is marked, and each act can be undone.

    The log is never changed: corrections are written to corrections.jsonl beside it. docs/inspect.md tells more.
    """
    if not (listed or as_json):
        from poseline.commands.inspect_page import serve_page

        serve_page(run, host, port, source, by, context.obj)
        return
    from poseline.commands.marks_shown import show_marks
    from poseline.inspection import find_marks
    from poseline.log import journal_of, read_tracks

    tracks = read_tracks(journal_of(run))
    show_marks(find_marks(tracks), tracks, as_json)
