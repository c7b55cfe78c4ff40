"""`poseline verify`: the same frames on two runtimes, precisions or exports, and how far their results are apart."""

# Without `from __future__ import annotations`: typer would evaluate the text of each option's type again at each start.

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from poseline.settings import Precision, RuntimeName

if TYPE_CHECKING:
    from poseline.verification import Against, Comparison, Spread, Verification

WHAT, MODEL, WRITE = "What", "Model", "Output"
BELOW = 6
"""Exit code where the result is below the bound that was asked for."""


def verify(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A .pt, .onnx or OpenVINO folder, a published name, or builtin.")],
    clip: Annotated[str, typer.Argument(metavar="CLIP", help="A video, a picture or a folder of pictures, with people like those it will be used on.")],
    against: Annotated[list[str] | None, typer.Option("--against", metavar="[MODEL|RUNTIME][:PRECISION]", help="What to compare with: another model, openvino, torch or onnx, a precision, or both such as torch:fp32; may be given several times. (its fp32 reference)", rich_help_panel=WHAT)] = None,
    frames: Annotated[int, typer.Option("--frames", min=1, help="Most frames that are looked at, from all over the clip.", rich_help_panel=WHAT)] = 100,
    start: Annotated[str | None, typer.Option("--from", metavar="TIME", help="Begin at this time of the clip: seconds or h:mm:ss; then its frames are taken one after another.", rich_help_panel=WHAT)] = None,
    end: Annotated[str | None, typer.Option("--to", metavar="TIME", help="End before this time of the clip.", rich_help_panel=WHAT)] = None,
    device: Annotated[str, typer.Option("--device", help="Where the model runs; references run on the CPU.", rich_help_panel=MODEL)] = "auto",
    runtime: Annotated[RuntimeName, typer.Option("--runtime", help="Runtime of the model.", rich_help_panel=MODEL)] = "auto",
    precision: Annotated[Precision, typer.Option("--precision", help="Precision of the model; auto: what `poseline run` takes here.", rich_help_panel=MODEL)] = "auto",
    imgsz: Annotated[int, typer.Option("--imgsz", help="Longer side of the network's input, in pixels.", rich_help_panel=MODEL)] = 640,
    conf: Annotated[float, typer.Option("--conf", help="Confidence from which a person counts as found.", rich_help_panel=MODEL)] = 0.25,
    iou: Annotated[float, typer.Option("--iou", help="NMS IoU threshold.", rich_help_panel=MODEL)] = 0.7,
    fail_below: Annotated[float | None, typer.Option("--fail-below", min=0, max=1, metavar="OKS", help="Exit with code 6 where the mean OKS is lower.", rich_help_panel=WRITE)] = None,
    worst: Annotated[int, typer.Option("--worst", min=0, max=100, help="Pictures of the worst frames.", rich_help_panel=WRITE)] = 4,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Folder of verify.json and the pictures. (runs/verify-CLIP)", rich_help_panel=WRITE)] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier verification in the folder.", rich_help_panel=WRITE)] = False,
) -> None:  # fmt: skip
    """Verify a model: run it and a reference on the same frames, and say how far persons, keypoints and angles are apart.

    The exit code is 0 whatever the verdict, unless --fail-below says what is wanted. docs/verify.md explains each figure.
    """
    from poseline.commands.common import place_of, rendering
    from poseline.settings import load
    from poseline.verification import load_sides
    from poseline.verification import verify as compared
    from poseline.verification.clip import Clip
    from poseline.verification.files import Files

    place_of("-o", output)
    given: dict[str, Any] = {
        "model": model, "device": device, "runtime": runtime, "precision": precision, "imgsz": imgsz, "conf": conf,
        "iou": iou,
    }  # fmt: skip
    settings = load(overrides={"capture": {"start": start, "end": end}, "inference": given})
    opened = Clip.open(clip, settings.capture)
    with Files.prepare(output, opened.location.name, overwrite) as files:
        side, references = load_sides(settings.inference, against or (), opened.sample)
        with rendering("verify") as on_frame:
            found = compared(
                opened.info.name, opened.frames(frames), side, references, worst=worst,
                pixel_aspect=float(opened.info.pixel_aspect),
                on_frame=None if on_frame is None else lambda seen: on_frame(seen, opened.info),
            )  # fmt: skip
        written = files.write(found)
    _show(found)
    for path in written:
        typer.echo(f"  {path}")
    if fail_below is not None and found.oks < fail_below:
        typer.echo(f"below the bound: mean OKS {found.oks:.4f}, and --fail-below is {fail_below:g}")
        raise typer.Exit(BELOW)


def _show(found: "Verification") -> None:
    """The verdicts, with tables."""
    from rich.markup import escape

    from poseline.terminal import console

    console.print(escape(f"model: {found.model.name}, input {_sizes(found.inputs)}"), soft_wrap=True)
    for each in found.against:
        console.print(escape(f"against: {each.reference.name}, input {_sizes(each.inputs)}"), soft_wrap=True)
        _show_against(each)
    for note in found.notes:
        console.print(escape(f"note: {note}"), soft_wrap=True)


def _show_against(each: "Against") -> None:
    from rich.markup import escape

    from poseline.terminal import console

    style = {"same": "green", "close": "yellow", "different": "bold red"}[each.verdict]
    console.print(f"[{style}]{escape(each.words)}[/]", soft_wrap=True)
    for cause in each.causes:
        console.print(escape(f"  likely: {cause}"), soft_wrap=True)
    console.print(_table(each.found))


def _table(found: "Comparison") -> Any:
    from rich.markup import escape
    from rich.table import Table

    table = Table("difference", box=None, pad_edge=False, header_style="dim")
    for heading in ("mean", "median", "95 %", "worst", "in frame", "of"):
        table.add_column(heading, justify="right")

    def add(name: str, spread: "Spread | None", unit: str, digits: int) -> None:
        if spread is not None:
            values = (spread.mean, spread.median, spread.most, spread.worst)
            table.add_row(
                escape(f"{name}{unit}"),
                *(f"{value:.{digits}f}" for value in values),
                str(spread.frame),
                str(spread.count),
            )

    add("score", found.scores, "", 3)
    for name, spread in found.keypoints.items():
        add(name, spread, ", px", 2)
    for joint, spread in found.angles.items():
        add(f"{joint} angle", spread, ", °", 2)
    if found.near:
        table.add_row(f"persons whom one scores just below --conf: {found.near}")
    return table


def _sizes(inputs: tuple[tuple[int, int], ...]) -> str:
    return ", ".join(f"{width}x{height}" for width, height in inputs[:3]) + (" ..." if len(inputs) > 3 else "")
