"""`poseline corrections`: what was corrected by hand in a run's log: to list, to add, to undo, to merge."""

# Without `from __future__ import annotations`: typer would evaluate the text of each option's type again at each start.

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from poseline.errors import SettingsError, SourceError

if TYPE_CHECKING:
    from poseline.corrections import Act, Corrections

CHANGE = "Change"


def corrections(
    log: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run, or its keypoints.jsonl.")],
    act: Annotated[list[str] | None, typer.Option("--act", metavar="JSON|-", help="Make an act, such as '{\"do\":\"swap_persons\",\"persons\":[1,3],\"from\":40,\"to\":55}'; several times, or - for a line each on standard input.", rich_help_panel=CHANGE)] = None,
    undo: Annotated[str | None, typer.Option("--undo", metavar="ACT|last", help="Undo an act.", rich_help_panel=CHANGE)] = None,
    redo: Annotated[str | None, typer.Option("--redo", metavar="ACT|last", help="Put an act in force that was undone.", rich_help_panel=CHANGE)] = None,
    merge: Annotated[Path | None, typer.Option("--merge", metavar="FILE", help="Add the corrections that somebody else made of the same log; what contradicts yours is told, and left undone.", rich_help_panel=CHANGE)] = None,
    by: Annotated[str | None, typer.Option("--by", metavar="NAME", help="Who makes the change. (your user name)", rich_help_panel=CHANGE)] = None,
) -> None:  # fmt: skip
    """List what was corrected by hand in a run's log, or change it. The log itself is never touched.

    All commands that read the log apply corrections; with --raw they do not. docs/corrections.md describes all acts.
    """
    from poseline.corrections import Corrections, by_whom
    from poseline.log import journal_of

    given = [name for name, value in (("--act", act), ("--undo", undo), ("--redo", redo), ("--merge", merge)) if value]
    if len(given) > 1:
        raise SettingsError(f"{' and '.join(given)}: one change at a time")
    journal = journal_of(log)
    corrected, who = Corrections.of(journal), by_whom() if by is None else by
    if act:
        _make(corrected, journal, act, who)
    elif merge is not None:
        _merge(corrected, journal, merge)
    elif undo or redo:
        _turn(corrected, undo, redo, who)
    else:
        _list(corrected)


def _make(corrected: "Corrections", log: Path, texts: list[str], who: str) -> None:
    """Make acts; where one is wrong, those before it are made."""
    from poseline.corrections import change_of, describe
    from poseline.log import read_tracks

    tracks = read_tracks(log, raw=True)
    for place, record in _records(texts):
        try:
            made = corrected.append(change_of(record), by=who, act=_id(record), tracks=tracks)
        except SettingsError as error:
            raise SettingsError(f"{place}: {error}") from None
        typer.echo(f"{made.id}  {describe(made)}")


def _records(texts: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each act, and where it comes from."""
    import orjson

    for text in texts:
        given = text.encode("utf-8", "surrogatepass")  # what is no UTF-8 is no JSON either
        lines = sys.stdin.buffer.read().splitlines() if text == "-" else [given]
        for number, line in enumerate(lines, 1):
            place = f"--act -, line {number}" if text == "-" else "--act"
            if not line.strip():
                continue
            try:
                record = orjson.loads(line)
            except ValueError as error:
                raise SettingsError(f"{place}: is not JSON: {error}") from None
            if not isinstance(record, dict):
                raise SettingsError(f'{place}: an act is a JSON object, such as {{"do": "delete", "person": 3}}')
            yield place, record


def _id(record: dict[str, Any]) -> str | None:
    number = record.get("act")
    return number if isinstance(number, str) and number else None


def _turn(corrected: "Corrections", undo: str | None, redo: str | None, who: str) -> None:
    from poseline.corrections import describe

    turn, word, asked = (corrected.undo, "undone", undo) if undo else (corrected.redo, "in force again", redo)
    act = turn(None if asked == "last" else asked, by=who)
    typer.echo("nothing to do" if act is None else f"{word}: {act.id}  {describe(act)}")


def _merge(corrected: "Corrections", log: Path, file: Path) -> None:
    from poseline.corrections import Corrections, describe, merge
    from poseline.log import LOG_NAME, LogReader
    from poseline.words import counted

    if file.is_dir():
        file = Corrections.of(file).path
    if not file.is_file():
        raise SourceError(f"{file}: no such file of corrections")
    merged = merge(corrected, Corrections(file, LogReader(log, raw=True).run, LOG_NAME))
    if merged.records:
        corrected.add(merged.records)
    for act in merged.added:
        typer.echo(f"added: {act.id}  {describe(act)}")
    for conflict in merged.conflicts:
        typer.echo(f"conflict: {conflict.theirs.id}  {conflict}")
    typer.echo(f"{counted(len(merged.added), 'act')} added, {counted(len(merged.conflicts), 'conflict')}")
    if merged.conflicts:
        typer.echo(
            "what is in conflict is left undone: --redo ACT puts it in force, --undo ACT takes the other one back"
        )


def _list(corrected: "Corrections") -> None:
    from rich.table import Table
    from rich.text import Text

    from poseline.corrections import describe
    from poseline.terminal import console
    from poseline.words import counted

    torn = f"; {counted(corrected.skipped, 'line')} torn, left out" if corrected.skipped else ""
    if not corrected.acts and not corrected.undone:
        where = "" if corrected.path.exists() else f": {corrected.path} is not there"
        console.print(f"no corrections{where}{torn}", markup=False, highlight=False, soft_wrap=True)
        return
    undone = {act.id for act in corrected.undone}
    table = Table("act", "by", "when", "what", box=None, pad_edge=False, header_style="dim")
    for act in _in_order(corrected):
        style = "dim strike" if act.id in undone else ""
        words = f"{describe(_anonymous(act))}{' (undone)' if act.id in undone else ''}"
        table.add_row(Text(act.id), Text(act.by), Text(act.when), Text(words, style))
    console.print(table)
    console.print(f"{counted(len(corrected.acts), 'correction')} in force, {len(undone)} undone{torn}", highlight=False)


def _in_order(corrected: "Corrections") -> "list[Act]":
    known = {act.id: act for act in (*corrected.acts, *corrected.undone)}
    return [known[record["act"]] for record in corrected.journal if record["type"] == "act"]


def _anonymous(act: "Act") -> "Act":
    from dataclasses import replace

    return replace(act, by="")
