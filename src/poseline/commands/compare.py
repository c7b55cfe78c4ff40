"""`poseline compare`: two runs side by side, aligned in time, as tables of their differences and as a video."""

# Without `from __future__ import annotations`: typer would evaluate the text of each option's type again at each start.

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from poseline.comparison import Comparison

WHAT, VIDEO, WRITE = "What", "Video", "Output"


def compare(
    context: typer.Context,
    first: Annotated[Path, typer.Argument(metavar="A", help="Folder of a run, or its keypoints.jsonl.")],
    second: Annotated[Path, typer.Argument(metavar="B", help="Another one.")],
    align: Annotated[Literal["auto", "event", "dtw", "none"], typer.Option("--align", help="By repetitions or steps, by dynamic time warping of angles, or from the first frames on; auto: event, else dtw.", rich_help_panel=WHAT)] = "auto",
    person: Annotated[str, typer.Option("--person", metavar="ID|main", help="Whom of A, and of B where --person-b is not given.", rich_help_panel=WHAT)] = "main",
    person_b: Annotated[str | None, typer.Option("--person-b", metavar="ID|main", help="Whom of B.", rich_help_panel=WHAT)] = None,
    height: Annotated[float | None, typer.Option("--height", metavar="M", help="The person's height, for metres.", rich_help_panel=WHAT)] = None,
    raw: Annotated[bool, typer.Option("--raw", help="As the network measured them, without corrections made by hand.", rich_help_panel=WHAT)] = False,
    video: Annotated[bool, typer.Option("--video/--no-video", help="Write compare.mp4.", rich_help_panel=VIDEO)] = True,
    clip_a: Annotated[Path | None, typer.Option("--clip-a", help="The clip of A. (where its log says)", rich_help_panel=VIDEO)] = None,
    clip_b: Annotated[Path | None, typer.Option("--clip-b", help="The clip of B. (where its log says)", rich_help_panel=VIDEO)] = None,
    joints: Annotated[str, typer.Option("--joints", help="Whose angles are drawn: of knee,hip,elbow,shoulder.", rich_help_panel=VIDEO)] = "knee,hip,elbow",
    slowmo: Annotated[float, typer.Option("--slowmo", metavar="N", help="Slow motion: the video is N times as long.", rich_help_panel=VIDEO)] = 1.0,
    config: Annotated[Path | None, typer.Option("-c", "--config", "--style", help="YAML file of settings; its overlay and output are used.", rich_help_panel=VIDEO)] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Folder of the files. (compare-B/ in A's folder)", rich_help_panel=WRITE)] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier comparison in the folder.", rich_help_panel=WRITE)] = False,
) -> None:  # fmt: skip
    """Compare two runs: their angles and events as tables, and both side by side as a video, aligned in time.

    Differences are B minus A. Angles are seen by one camera: two runs that were filmed from other sides differ by that.
    """
    from poseline import analyze
    from poseline.commands.common import person_of, place_of, rendering, show_corrections, show_rendered, slow
    from poseline.comparison import compare as compared
    from poseline.comparison import write
    from poseline.comparison.command import folder_for, names_of
    from poseline.comparison.video import CompareVideo, render_comparison
    from poseline.log import journal_of
    from poseline.rendering.analysis import check_joints, styled

    place_of("-o", output)
    logs = journal_of(first), journal_of(second)
    for log in logs:
        show_corrections(log, raw)
    options: dict[str, Any] = {"height": height, "raw": raw}
    analyses = [
        analyze(log, person=person_of(option, whom), **options)
        for log, option, whom in zip(
            logs, ("--person", "--person-b"), (person, person if person_b is None else person_b), strict=True
        )
    ]
    drawn = CompareVideo(
        styled(config), (clip_a, clip_b), names_of(*logs), slowmo=slow("--slowmo", slowmo), joints=check_joints(joints)
    )
    comparison = compared(analyses[0], analyses[1], align)
    folder = folder_for(output, *logs, overwrite)
    written = write(comparison, folder)
    _show(comparison, drawn.names)
    code = 0
    if video:
        with rendering("compare.mp4") as on_frame:
            rendered = render_comparison(
                comparison, folder / "compare.mp4", drawn, overwrite=overwrite, on_frame=on_frame,
                interruption=context.obj,
            )  # fmt: skip
        code = show_rendered(rendered)
    for path in written:
        typer.echo(f"  {path}")
    raise typer.Exit(code)


def _show(comparison: "Comparison", names: tuple[str, str]) -> None:
    """The tables, and how both were aligned."""
    from rich.markup import escape
    from rich.table import Table

    from poseline.terminal import console

    aligned = comparison.aligned
    console.print(
        f"A: {escape(names[0])}, B: {escape(names[1])}; aligned by {aligned.how}, "
        f"{aligned.start:.2f} to {aligned.end:.2f} s of A on {aligned.second[0]:.2f} to {aligned.second[-1]:.2f} s of B",
        soft_wrap=True,
    )
    table = Table("angle, B - A", box=None, pad_edge=False, header_style="dim")
    for heading in ("mean", "RMS", "max", "at", "noise"):
        table.add_column(heading, justify="right")
    for row in comparison.angles:
        cells = f"{row.mean:+.1f}", f"{row.rms:.1f}", f"{row.max:+.1f}", f"{row.at:.2f} s", f"{row.noise:.1f}"
        table.add_row(escape(row.angle), *cells)
    console.print(table)
    if comparison.events:
        events = Table("event", "", box=None, pad_edge=False, header_style="dim")
        for heading in ("A", "B", "B - A", "±"):
            events.add_column(heading, justify="right")
        for event in comparison.events:
            numbers = [f"{event.first:.2f}", f"{event.second:.2f}", f"{event.difference:+.2f}"]
            sigma = "" if event.sigma is None else f"{event.sigma:.2f}"
            events.add_row(f"{event.kind} {event.number}", f"{event.value} {event.unit}".strip(), *numbers, sigma)
        console.print(events)
