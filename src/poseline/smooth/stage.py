"""The stage of the pipeline that takes the tremble out of what is drawn and sent."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import replace

from poseline.pose import Observation
from poseline.settings import SmoothingSettings
from poseline.smooth.one_euro import OneEuro


def smooth(observations: Iterator[Observation], settings: SmoothingSettings) -> Generator[Observation, None, None]:
    """Pass every observation on with its `smoothed` poses, beside those that were measured.

    It begins anew behind an outage, and where the source or the size of its pictures changes.
    """
    filtered = OneEuro(settings)
    scene: tuple[str, int, int] | None = None
    for seen in observations:
        frame = seen.frame
        previous, scene = scene, frame.scene
        if frame.gap is not None or scene != previous:
            filtered.forget()
        yield replace(seen, smoothed=filtered.update(seen.poses, frame.time))
