"""Layers: what is drawn on each picture, one above the other."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from av.video.frame import VideoFrame

from poseline.overlay import Canvas, Drawn, Style, Trails, YuvCanvas, draw_poses, writable_yuv
from poseline.pose import Poses
from poseline.rendering.blur import Areas, blur
from poseline.rendering.scene import Scene
from poseline.settings import OverlaySettings
from poseline.skeleton import Skeleton


@dataclass(frozen=True, eq=False)
class Sheet:
    """One picture that is drawn on."""

    picture: VideoFrame
    """8-bit yuv420p, nobody else's."""
    canvas: Canvas
    """On the picture."""
    style: Style
    """For the picture's size."""
    scene: Scene
    """What is seen in it."""
    taken: list[tuple[float, float, float, float]] = field(default_factory=list)
    """x1, y1, x2, y2 of places where text stands that no other is to cover."""


class Layer(Protocol):
    """Draws on each sheet in turn."""

    def draw(self, sheet: Sheet) -> None:
        """Draw on `sheet`."""


def drawing(
    settings: OverlaySettings, layers: Sequence[Layer], below: int = 0
) -> Callable[[Iterator[Scene]], Generator[Drawn, None, None]]:
    """The stage that draws `layers`, the lowest first, on a copy of each picture.

    The lowest `below` pixels are no part of what the camera saw: letters and lines are as for the picture without them.
    """

    def draw(scenes: Iterator[Scene]) -> Generator[Drawn, None, None]:
        style: Style | None = None
        for scene in scenes:
            frame = scene.seen.frame
            picture = writable_yuv(frame)
            if style is None or style.size != (frame.width, frame.height):
                style = replace(Style.of(settings, frame.width, frame.height - below), size=(frame.width, frame.height))
            sheet = Sheet(picture, YuvCanvas(picture), style, scene)
            for layer in layers:
                layer.draw(sheet)
            yield Drawn(scene.seen, picture)

    return draw


class PoseLayer:
    """Boxes, limbs, keypoints and labels, as the style's settings want them.

    Args:
        skeleton: of the poses.
        names: of the model's classes.
        ids: whom to draw; None: everybody.
    """

    def __init__(self, skeleton: Skeleton, names: dict[int, str], ids: Sequence[int] | None = None) -> None:
        self._skeleton, self._names, self._ids = skeleton, names, ids

    def draw(self, sheet: Sheet) -> None:
        """Draw the poses."""
        draw_poses(sheet.canvas, chosen(sheet.scene.seen.poses, self._ids), self._skeleton, sheet.style, self._names)


class TrailLayer:
    """The path of each person in the last seconds."""

    def __init__(self, seconds: float, ids: Sequence[int] | None = None) -> None:
        self._trails, self._ids = Trails(seconds), ids

    def draw(self, sheet: Sheet) -> None:
        """Draw the paths up to this picture."""
        seen = sheet.scene.seen
        self._trails.update(chosen(seen.poses, self._ids), seen.frame.time)
        self._trails.draw(sheet.canvas, sheet.style)


class BlurLayer:
    """Faces or people made hard to recognise: see `blurred_areas`.

    Args:
        areas: for each frame of the log, in pixels of the source.
        round_ones: ellipses, else rectangles.
    """

    def __init__(self, areas: Sequence[Areas], round_ones: bool) -> None:
        self._areas, self._round = areas, round_ones

    def draw(self, sheet: Sheet) -> None:
        """Blur what is to be blurred in this picture."""
        scene = sheet.scene
        areas = self._areas[scene.place]
        if len(areas):
            corners = scene.moved(areas[:, :4].reshape(-1, 2, 2)).reshape(-1, 4)
            blur(sheet.picture, np.column_stack((corners, areas[:, 4] * scene.factor.mean())), self._round)


def chosen(poses: Poses, ids: Sequence[int] | None) -> Poses:
    """The persons of these ids; all where `ids` is None."""
    return poses if ids is None else poses[np.isin(poses.ids, ids)]
