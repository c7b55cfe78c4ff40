"""`poseline evaluate`: a model, or a run, against labels: average precision of poses, or how well ids are kept."""

# Without `from __future__ import annotations`: typer would evaluate the text of each option's type again at each start.

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from poseline.settings import Precision, RuntimeName

if TYPE_CHECKING:
    from poseline.evaluation import Dataset, Identities, PoseScores, Tracked
    from poseline.settings import Settings

WHAT, MODEL, WRITE = "What", "Model", "Output"
_VALIDATED_CONF = 0.001
"""Least confidence for average precision, which weighs persons by it; as in ultralytics' `val`."""


def evaluate(
    model: Annotated[str, typer.Argument(metavar="MODEL|RUN", help="A model as for run, or the folder or log of a run.")],
    labels: Annotated[Path, typer.Argument(metavar="LABELS", help="Poses: a YOLO dataset's .yaml or COCO's .json. Ids: a .truth.jsonl, MOTChallenge's gt.txt or PoseTrack's .json.")],
    split: Annotated[str, typer.Option("--split", help="Part of a YOLO dataset.", rich_help_panel=WHAT)] = "val",
    pictures: Annotated[Path | None, typer.Option("--pictures", help="Folder of the pictures of COCO's labels. (beside them)", rich_help_panel=WHAT)] = None,
    clip: Annotated[Path | None, typer.Option("--clip", help="Video, or folder of pictures, that the ids are of. (beside the file)", rich_help_panel=WHAT)] = None,
    measure: Annotated[Literal["auto", "oks", "box"], typer.Option("--measure", help="What makes a person found, for ids: keypoints or boxes; auto: keypoints where there are labels of them.", rich_help_panel=WHAT)] = "auto",
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:N or mps.", rich_help_panel=MODEL)] = "auto",
    runtime: Annotated[RuntimeName, typer.Option("--runtime", help="Runtime that executes the network.", rich_help_panel=MODEL)] = "auto",
    precision: Annotated[Precision, typer.Option("--precision", help="Numeric precision of the network.", rich_help_panel=MODEL)] = "auto",
    imgsz: Annotated[int, typer.Option("--imgsz", help="Longer side of the network's input, in pixels.", rich_help_panel=MODEL)] = 640,
    conf: Annotated[float | None, typer.Option("--conf", help="Least confidence. (0.001 for poses, 0.25 for ids)", rich_help_panel=MODEL)] = None,
    iou: Annotated[float, typer.Option("--iou", help="NMS IoU threshold.", rich_help_panel=MODEL)] = 0.7,
    raw: Annotated[bool, typer.Option("--raw", help="A run as the network measured it, without corrections made by hand.", rich_help_panel=WHAT)] = False,
    json: Annotated[Path | None, typer.Option("--json", help="File for all that was measured.", rich_help_panel=WRITE)] = None,
) -> None:  # fmt: skip
    """Evaluate a model, or a run that was made before, against LABELS.

    Poses are scored by COCO's evaluation (pycocotools), ids by TrackEval; pip install 'poseline[evaluate]'.
    """
    from poseline.commands.common import place_of, stated
    from poseline.evaluation import Dataset, read_labels
    from poseline.settings import load

    place_of("--json", json)
    read = read_labels(labels, pictures=pictures, split=split, clip=clip)
    if conf is None and isinstance(read, Dataset):
        conf = _VALIDATED_CONF
    given: dict[str, Any] = {
        "model": model, "device": device, "runtime": runtime, "precision": precision, "imgsz": imgsz, "conf": conf,
        "iou": iou,
    }  # fmt: skip
    settings = load(overrides=stated({"inference": given}))
    result: Any
    if isinstance(read, Dataset):
        result = scores = _scores(model, read, settings, raw)
        _show_scores(scores)
    else:
        result = ids = _identities(model, read, settings, measure, raw)
        _show_identities(ids)
    if json is not None:
        _write(json, {"schema": 1, "model": model, "labels": str(labels)}, result)
        typer.echo(f"  {json}")


def _scores(model: str, dataset: "Dataset", settings: "Settings", raw: bool) -> "PoseScores":
    from poseline.commands.common import show_corrections
    from poseline.evaluation import average_precision, of_model, of_run
    from poseline.evaluation.dataset import matched_classes
    from poseline.inference import load_estimator
    from poseline.log import LogReader, journal_of
    from poseline.terminal import show_model

    if _is_run(model):
        log = journal_of(model)
        show_corrections(log, raw)
        names = dict(enumerate(LogReader(log, raw=True).classes or ("person",)))
        return average_precision(dataset, of_run(log, dataset, raw=raw), matched_classes(dataset, names))
    estimator = load_estimator(settings.inference)
    show_model(estimator)
    categories = matched_classes(dataset, estimator.spec.names)
    return average_precision(dataset, of_model(estimator, dataset), categories)


def _identities(
    model: str, truth: "Tracked", settings: "Settings", measure: Literal["auto", "oks", "box"], raw: bool
) -> "Identities":
    from poseline.commands.common import show_corrections
    from poseline.evaluation import identities, tracked_by_model, tracked_in_run
    from poseline.inference import load_estimator
    from poseline.log import journal_of
    from poseline.terminal import show_model

    if _is_run(model):
        log = journal_of(model)
        show_corrections(log, raw)
        found = tracked_in_run(log, raw=raw)
    else:
        estimator = load_estimator(settings.inference)
        show_model(estimator)
        found = tracked_by_model(estimator, truth, settings)
    return identities(truth, found, None if measure == "auto" else measure)


def _is_run(name: str) -> bool:
    """Whether it is the log of a run or its folder, and not a model."""
    from poseline.log import LOG_NAME

    return name.endswith(".jsonl") or (Path(name) / LOG_NAME).is_file()


def _show_scores(scores: "PoseScores") -> None:
    from rich.table import Table

    from poseline.terminal import console

    console.print(f"{scores.pictures} pictures, {scores.persons} labelled persons")
    table = Table("", box=None, pad_edge=False, header_style="dim")
    columns = list(scores.pose)
    for column in columns:
        table.add_column(column, justify="right")
    for name, row in (("pose", scores.pose), ("box", scores.box)):
        table.add_row(name, *(_number(row.get(column)) for column in columns))
    console.print(table)
    for name, value in scores.classes.items():
        console.print(f"{name}: pose AP {_number(value)}", markup=False)


def _show_identities(found: "Identities") -> None:
    from poseline.terminal import console
    from poseline.words import counted

    how = {"oks": "keypoints (OKS)", "box": "boxes (IoU)"}[found.measure]
    console.print(
        f"{counted(found.frames, 'frame')}, people: {found.people}, ids given: {found.ids}; compared by {how}"
    )
    console.print(
        f"HOTA {found.hota:.3f} (detection {found.detection:.3f}, association {found.association:.3f})  "
        f"IDF1 {found.idf1:.3f}  MOTA {found.mota:.3f}",
        soft_wrap=True,
    )
    console.print(f"id switches {found.switches}, missed {found.missed}, false {found.false}")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _write(path: Path, facts: dict[str, Any], result: "PoseScores | Identities") -> None:
    from dataclasses import asdict

    import orjson

    from poseline.atomic import replacing

    with replacing(path) as temporary:
        temporary.write_bytes(orjson.dumps({**facts, **asdict(result)}, option=orjson.OPT_INDENT_2))
