"""Recording: what `poseline run` does with one source, from Python, with sinks and stages of one's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from poseline.capture import locate_one
from poseline.output import prepare
from poseline.pipeline import RunReport, Sink, Stage
from poseline.request import RunRequest
from poseline.session import Models, Session
from poseline.settings import load


def record(
    source: str | Path,
    folder: str | Path | None = None,
    *,
    sinks: Sequence[Sink] = (),
    stages: Sequence[Stage] = (),
    capture: Mapping[str, Any] | None = None,
    inference: Mapping[str, Any] | None = None,
    tracking: Mapping[str, Any] | None = None,
    smoothing: Mapping[str, Any] | None = None,
    overlay: Mapping[str, Any] | None = None,
    output: Mapping[str, Any] | None = None,
) -> RunReport:
    """Take a source to its end, into a folder of results and into `sinks`.

    Args:
        source: one video, picture folder, camera number or address.
        folder: of the results; None: runs/NAME, then runs/NAME-2 ...
        sinks: further places for the results.
        stages: further steps, between tracking and drawing.
        capture: how the source is read; this and what follows are sections of `Settings`, as in a `-c` file.
        inference: the model, and what counts as found, such as `{"model": "builtin"}`.
        tracking: how persons keep their ids.
        smoothing: of what is drawn and sent.
        overlay: what is drawn.
        output: what is written, such as `{"video": False}`.

    Returns:
        What happened: counts, speed, files, notes.

    Raises:
        PoselineError: what went wrong, when the files are finished as far as they could be.
    """
    sections = {
        "capture": capture, "inference": inference, "tracking": tracking,
        "smoothing": smoothing, "overlay": overlay, "output": output,
    }  # fmt: skip
    chosen = load(overrides={name: dict(values) for name, values in sections.items() if values})
    location = locate_one(source, "record")
    directory = Path(folder) if folder is not None else chosen.output.directory
    request = RunRequest(location, chosen)
    with (
        Session(request, Models(), sinks=sinks, stages=stages, into_folder=True) as session,
        prepare(directory, location.name, chosen.output.overwrite, location.inputs) as out,
    ):
        report = session.run(out)
    if report.error is not None:
        raise report.error
    return report
