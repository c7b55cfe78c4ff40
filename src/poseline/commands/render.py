"""`poseline render`: a run's clip drawn anew from its log, in another style."""

# Without `from __future__ import annotations`: typer would evaluate the text of each option's type again at each start.

from pathlib import Path
from typing import Annotated, Any

import typer

from poseline.settings import Blurred, Encoder, Preset

WHAT, DRAW, WRITE = "What", "Drawing", "Output"


def render(
    context: typer.Context,
    log: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run, or its keypoints.jsonl.")],
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="The video to write. (rendered.mp4 beside the log)", rich_help_panel=WRITE)] = None,
    clip: Annotated[Path | None, typer.Option("--clip", help="The clip that the log is of. (where the log says)", rich_help_panel=WHAT)] = None,
    start: Annotated[str | None, typer.Option("--from", metavar="TIME", help="Begin at this time of the clip: seconds or h:mm:ss.", rich_help_panel=WHAT)] = None,
    end: Annotated[str | None, typer.Option("--to", metavar="TIME", help="End before this time of the clip.", rich_help_panel=WHAT)] = None,
    ids: Annotated[str | None, typer.Option("--ids", help="Draw these persons only, such as 1,3.", rich_help_panel=WHAT)] = None,
    blur: Annotated[Blurred | None, typer.Option("--blur", help="Blur all faces, or all persons, that the log knows. No guarantee of anonymity.", rich_help_panel=WHAT)] = None,
    size: Annotated[str | None, typer.Option("--size", metavar="WxH|720p", help="Size of the video. (as the clip)", rich_help_panel=DRAW)] = None,
    slowmo: Annotated[float, typer.Option("--slowmo", metavar="N", help="Slow motion: N times as long, without sound.", rich_help_panel=DRAW)] = 1.0,
    config: Annotated[Path | None, typer.Option("-c", "--config", "--style", help="YAML file of settings; its overlay and output are used. (as the run)", rich_help_panel=DRAW)] = None,
    boxes: Annotated[bool | None, typer.Option("--boxes/--no-boxes", help="Draw bounding boxes. (as the run)", rich_help_panel=DRAW)] = None,
    labels: Annotated[bool | None, typer.Option("--labels/--no-labels", help="Draw ids and confidences. (as the run)", rich_help_panel=DRAW)] = None,
    keypoints: Annotated[bool | None, typer.Option("--keypoints/--no-keypoints", help="Draw keypoints and limbs. (as the run)", rich_help_panel=DRAW)] = None,
    trail: Annotated[float | None, typer.Option("--trail", help="Seconds of each person's path to draw. (as the run)", rich_help_panel=DRAW)] = None,
    line_width: Annotated[int | None, typer.Option("--line-width", help="Line width in pixels. (as the run)", rich_help_panel=DRAW)] = None,
    font_size: Annotated[float | None, typer.Option("--font-size", help="Text height in pixels. (as the run)", rich_help_panel=DRAW)] = None,
    raw: Annotated[bool, typer.Option("--raw", help="As the network measured it, without corrections made by hand.", rich_help_panel=WHAT)] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the video if it is there.", rich_help_panel=WRITE)] = False,
    audio: Annotated[bool | None, typer.Option("--audio/--no-audio", help="Copy the clip's sound. (as the run)", rich_help_panel=WRITE)] = None,
    encoder: Annotated[Encoder | None, typer.Option("--encoder", help="Video encoder. (as the run)", rich_help_panel=WRITE)] = None,
    preset: Annotated[Preset | None, typer.Option("--preset", help="x264 preset: speed against file size. (as the run)", rich_help_panel=WRITE)] = None,
    crf: Annotated[int | None, typer.Option("--crf", help="Video quality, 0 (best) to 51. (as the run)", rich_help_panel=WRITE)] = None,
) -> None:  # fmt: skip
    """Draw the clip of a run anew from its log, in another style: no model is loaded.

    The clip must be there as it was: frames are found by their time stamps.
    """
    from poseline import settings as configuration
    from poseline.commands.common import (
        numbers,
        part,
        place_of,
        rendering,
        show_corrections,
        show_rendered,
        slow,
        stated,
    )
    from poseline.log import LogReader, journal_of
    from poseline.rendering import RenderOptions, Size, style_of
    from poseline.rendering import render as draw_anew

    place_of("-o", output)
    journal = journal_of(log)
    show_corrections(journal, raw)
    given: dict[str, dict[str, Any]] = {
        "overlay": {
            "boxes": boxes, "labels": labels, "keypoints": keypoints, "trail": trail, "line_width": line_width,
            "font_size": font_size,
        },
        "output": {"encoder": encoder, "preset": preset, "crf": crf, "audio": audio},
    }  # fmt: skip
    begin, stop = part(start, end)
    options = RenderOptions(
        style_of(LogReader(journal, raw=True).run, configuration.load(config, stated(given))),
        clip, numbers("--ids", ids), begin, stop, Size.parse(size) if size else None, blur, slow("--slowmo", slowmo),
        raw,
    )  # fmt: skip
    target = output or journal.with_name("rendered.mp4")
    with rendering(target.name) as on_frame:
        rendered = draw_anew(journal, target, options, overwrite=overwrite, on_frame=on_frame, interruption=context.obj)
    raise typer.Exit(show_rendered(rendered))
