"""The video of an analysis: the clip with angles at the joints, their numbers, a trail, and plots that run along."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from math import nextafter
from pathlib import Path

import numpy as np

from poseline.analysis import Analysis, Person
from poseline.errors import SettingsError
from poseline.interruption import Interruption
from poseline.overlay import draw_hud
from poseline.overlay.style import id_colour
from poseline.overlay.text import load_letters
from poseline.pipeline.chain import Stage
from poseline.pose import UNTRACKED, Floats, Poses
from poseline.rendering.arcs import JOINTS, ArcLayer
from poseline.rendering.fit import Fit, Size
from poseline.rendering.layers import Layer, PoseLayer, Sheet, drawing
from poseline.rendering.logged_clip import LoggedClip
from poseline.rendering.plot import PlotLayer, Strip, plots_of, plotted, spans_of, ticks_of
from poseline.rendering.render import OnRendered, Rendered, RenderOptions, encode, free
from poseline.rendering.scene import Scene
from poseline.settings import OverlaySettings, Settings, load

__all__ = ["STYLE", "VideoOptions", "render_analysis"]

_LEAST_HEIGHT = 540
"""Of a picture in pixels, below which it is enlarged, so that numbers can be read."""
_ENLARGED = 720
_LEAST_FONT, _FONT_SHARE = 16.0, 0.025
"""Height of letters in pixels, and as a share of the mean of the picture's sides."""

STYLE = OverlaySettings(boxes=False, labels=False, trail=1.0)
"""What is drawn of people, where nothing else is asked for."""


@dataclass(frozen=True)
class VideoOptions:
    """How the video of an analysis looks."""

    settings: Settings = field(default_factory=lambda: Settings(overlay=STYLE))
    """What is drawn of people and how it is encoded: the sections overlay and output."""
    clip: Path | None = None
    """The clip; None: where the log says that it is."""
    size: Size | None = None
    """Of the picture, without the plots; None: the clip's, or 720p where that is small."""
    slowmo: float = 1.0
    """How many times as long the video is; it is silent then."""
    joints: tuple[str, ...] = ("knee", "hip", "elbow")
    """Whose angles are drawn, of knee, hip, elbow and shoulder; the first two that are known are plotted."""


def render_analysis(
    analysis: Analysis, target: Path, options: VideoOptions | None = None, *, overwrite: bool = True,
    on_frame: OnRendered | None = None, interruption: Interruption | None = None,
) -> Rendered:  # fmt: skip
    """Draw an analysis into its clip, as the video `target`; the main person has the plots.

    Raises:
        SourceError: the clip cannot be read, or is not that of the log. SettingsError: the analysis is of no log file,
        or a joint has no arc. OutputError: the video cannot be written.
    """
    options = options or VideoOptions()
    require_arcs(options.joints)
    with closing(opened(analysis, options.clip)) as logged:
        free(target, overwrite, inputs=(logged.path, logged.log.path))
        return _rendered(analysis, logged, target, options, on_frame, interruption or Interruption())


def opened(analysis: Analysis, clip: Path | None) -> LoggedClip:
    """The log of an analysis and its clip, of which the analysed part.

    Args:
        analysis: of a log's file.
        clip: the clip; None: where the log says that it is.

    Raises:
        SourceError: the clip cannot be read, or is not that of the log. SettingsError: the analysis is of no log file.
    """
    if analysis.log is None:
        raise SettingsError("a video is drawn from a log's file; analyze the path of a log, and not its tracks")
    end = nextafter(analysis.end * analysis.slowmo, np.inf) + 1e-6  # its last frame is part of it
    raw = analysis.corrections is None
    return LoggedClip(analysis.log, clip, analysis.start * analysis.slowmo, end, raw=raw)


def _rendered(
    analysis: Analysis, logged: LoggedClip, target: Path, options: VideoOptions, on_frame: OnRendered | None,
    interruption: Interruption,
) -> Rendered:  # fmt: skip
    """Draw an analysis into its clip, which is open."""
    info = logged.video.info
    size = options.size or Size(_ENLARGED if info.height < _LEAST_HEIGHT else info.height // 2 * 2)
    width, height = size.of(info.width, info.height, float(info.pixel_aspect))
    joints = plotted(analysis.main, options.joints)
    strip = Strip.of(width, height, len(joints))
    fit = Fit(Size(height, width), strip.height)
    rows = rows_of(analysis)
    layers: list[Layer] = [_Trails(analysis.persons, rows, options.settings.overlay.trail)]
    layers.append(PoseLayer(logged.log.skeleton, {0: "person"}))
    layers.append(_Status(analysis))
    layers += [ArcLayer(person, options.joints, own) for person, own in zip(analysis.persons, rows, strict=True)]
    if joints:
        person = analysis.main
        plots, spans, ticks = plots_of(person, joints), spans_of(person), ticks_of(person)
        layers.append(PlotLayer(plots, strip, analysis.start, analysis.end, spans, ticks))
    posed = posing(analysis, rows)
    load_letters()
    overlay = options.settings.overlay.model_copy(update={"hud": False})
    if overlay.font_size is None:  # numbers are what it is about
        overlay = overlay.model_copy(update={"font_size": max(_LEAST_FONT, _FONT_SHARE * (width + height) / 2)})
    stages = [
        Stage("scaling", lambda scenes: (fit(posed(scene), info.pixel_aspect) for scene in scenes)),
        Stage("overlay", drawing(overlay, layers, below=strip.height)),
    ]
    encoding = RenderOptions(options.settings, size=size, slowmo=options.slowmo)
    return encode(logged, stages, target, encoding, on_frame=on_frame, interruption=interruption)


def check_joints(text: str) -> tuple[str, ...]:
    """The joints in a list such as `knee,hip`.

    Raises:
        SettingsError: one of them has no arc.
    """
    joints = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    require_arcs(joints)
    return joints


def require_arcs(joints: Sequence[str]) -> None:
    """Raise a SettingsError for a joint that has no arc."""
    if unknown := [joint for joint in joints if joint not in JOINTS]:
        raise SettingsError(f"--joints: no arc is drawn for {unknown[0]!r}; there are {', '.join(JOINTS)}")


def styled(config: Path | None) -> Settings:
    """The settings of a video: those of a file where it sets them, else `STYLE`."""
    given = load(config)
    if config is None:
        return given.model_copy(update={"overlay": STYLE})
    chosen = {key: getattr(given.overlay, key) for key in given.overlay.model_fields_set}
    return given.model_copy(update={"overlay": STYLE.model_copy(update=chosen)})


def rows_of(analysis: Analysis) -> list[dict[int, int]]:
    """For each person, which row of their arrays each frame of the log is, by its number."""
    return [{int(number): row for row, number in enumerate(person.frames)} for person in analysis.persons]


def posing(analysis: Analysis, rows: Sequence[dict[int, int]]) -> Callable[[Scene], Scene]:
    """What puts the analysed points in the place of the log's, and leaves others out."""

    def posed(scene: Scene) -> Scene:
        found = [
            _pose(person, own[scene.number])
            for person, own in zip(analysis.persons, rows, strict=True)
            if scene.number in own
        ]
        seen = scene.seen
        poses = Poses.none(seen.poses.keypoints.shape[1])
        if found:
            keypoints = np.stack([each for each, _, _ in found])
            boxes = np.stack([box for _, box, _ in found])
            poses = Poses.of(boxes, np.ones(len(found), np.float32), keypoints)
            poses = poses.with_ids(np.array([number for _, _, number in found], np.int64))
        time = scene.seen.frame.time / analysis.slowmo
        return replace(scene, seen=replace(seen, poses=poses), time=time)

    return posed


def _pose(person: Person, row: int) -> tuple[Floats, Floats, int]:
    """Keypoints (K, 3), box (4,) and id; what is missing has confidence 0."""
    points = person.points[row].astype(np.float32)
    known = np.isfinite(points).all(axis=1)
    keypoints = np.column_stack((np.where(known[:, None], points, 0), known)).astype(np.float32)
    boxes = person.result.measured.boxes
    box = np.full(4, np.nan) if boxes is None else boxes[row] / np.array([person.pixel_aspect, 1] * 2)
    return keypoints, box.astype(np.float32), person.id if person.id != UNTRACKED else 1


class _Trails:
    """The path of each person's hips in the last seconds."""

    def __init__(self, persons: Sequence[Person], rows: Sequence[dict[int, int]], seconds: float) -> None:
        self._persons, self._rows, self._seconds = persons, rows, seconds

    def draw(self, sheet: Sheet) -> None:
        if not self._seconds:
            return
        for person, rows in zip(self._persons, self._rows, strict=True):
            row = rows.get(sheet.scene.number)
            if row is None:
                continue
            motion = person.result.smoothed.motion
            first = int(np.searchsorted(person.times, person.times[row] - self._seconds))
            path = motion.place("mid_hip")[first : row + 1] / np.array([person.pixel_aspect, 1.0])
            path = sheet.scene.moved(path)
            if len(path) > 1:
                segments = np.stack((path[:-1], path[1:]), axis=1)
                sheet.canvas.lines(segments, id_colour(max(person.id, 1)), sheet.style.line_width)


class _Status:
    """Time and events in the upper left corner."""

    def __init__(self, analysis: Analysis) -> None:
        self._analysis = analysis

    def draw(self, sheet: Sheet) -> None:
        time, person = sheet.scene.time, self._analysis.main
        lines = [f"{time:.2f} s"]
        if len(self._analysis.persons) > 1:
            lines.append(f"person {person.id}")
        for kind, count in person.counts.items():
            done = sum(event.kind == kind and event.start <= time for event in person.events)
            lines.append(f"{kind} {done} of {count}")
        draw_hud(sheet.canvas, sheet.style, lines)
        height, width = sheet.style.font.mask(*lines).shape
        sheet.taken.append((0, 0, width + 2 * sheet.style.line_width, height + 2 * sheet.style.line_width))
