"""The video of a comparison: two clips side by side, aligned in time, and their angles in plots below."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path

import av
import numpy as np

from poseline.analysis import Analysis, Facing, Person
from poseline.comparison.compare import Comparison, at_times
from poseline.interruption import Interruption
from poseline.overlay import Canvas, Colour, Drawn, Font, Style, YuvCanvas
from poseline.overlay.style import KEYPOINT_COLOURS, LIMB_COLOURS, WHITE
from poseline.overlay.text import load_letters
from poseline.pipeline.chain import Stage
from poseline.rendering.analysis import opened, posing, require_arcs, rows_of
from poseline.rendering.arcs import ArcLayer, unsure
from poseline.rendering.fit import Fit, Size, blank, moved, paste
from poseline.rendering.layers import Layer, PoseLayer, Sheet
from poseline.rendering.logged_clip import LoggedClip
from poseline.rendering.plot import Curve, Plot, PlotLayer, Span, Strip, plotted
from poseline.rendering.render import OnRendered, Rendered, RenderOptions, encode, free
from poseline.rendering.scene import Scene
from poseline.settings import Settings

_HEIGHT = 720
"""Of the pictures in pixels, where nothing else is asked for."""
_GAP = 8
"""Pixels between the two, even."""
_COLOURS: tuple[Colour, Colour] = (LIMB_COLOURS["left"], LIMB_COLOURS["right"])
"""Of the first and the second motion in the plots."""


@dataclass(frozen=True)
class CompareVideo:
    """How the video of a comparison looks."""

    settings: Settings
    """What is drawn of people and how it is encoded: the sections overlay and output."""
    clips: tuple[Path | None, Path | None] = (None, None)
    """The clips; None: where the logs say that they are."""
    names: tuple[str, str] = ("A", "B")
    """What stands above them."""
    height: int = _HEIGHT
    """Of the pictures in pixels, even."""
    slowmo: float = 1.0
    """How many times as long the video is."""
    joints: tuple[str, ...] = ("knee", "hip", "elbow")
    """Whose angles are drawn; the first two that are known are plotted."""


def render_comparison(
    comparison: Comparison, target: Path, options: CompareVideo, *, overwrite: bool = False,
    on_frame: OnRendered | None = None, interruption: Interruption | None = None,
) -> Rendered:  # fmt: skip
    """Draw both clips side by side into the video `target`; it has the times of the first one, and no sound.

    Raises:
        SourceError: a clip cannot be read, or is not that of its log. OutputError: the video cannot be written.
        SettingsError: a log is no file.
    """
    analyses = comparison.first, comparison.second
    require_arcs(options.joints)
    with ExitStack() as clips:
        ours, theirs = (
            clips.enter_context(closing(opened(analysis, clip)))
            for analysis, clip in zip(analyses, options.clips, strict=True)
        )
        free(target, overwrite, inputs=(ours.path, theirs.path, ours.log.path, theirs.log.path))
        return _rendered(comparison, (ours, theirs), target, options, on_frame, interruption or Interruption())


def _rendered(
    comparison: Comparison, clips: tuple[LoggedClip, LoggedClip], target: Path, options: CompareVideo,
    on_frame: OnRendered | None, interruption: Interruption,
) -> Rendered:  # fmt: skip
    """Draw both clips, which are open."""
    analyses, (ours, theirs) = (comparison.first, comparison.second), clips
    sides = [_Side(analysis, logged, options) for analysis, logged in zip(analyses, clips, strict=True)]
    joints = plotted(comparison.first.main, options.joints)
    width = sides[0].width + _GAP + sides[1].width
    found = _plots(comparison, joints)
    strip = Strip.of(width, options.height, len(found))
    start, end = comparison.first.start, comparison.first.end
    plots = PlotLayer(found, strip, start, end, _spans(comparison)) if found else None
    overlay = options.settings.overlay.model_copy(
        update={"font_size": options.settings.overlay.font_size or max(16.0, 0.026 * options.height)}
    )
    style = replace(Style.of(overlay, options.height, options.height), size=(width, options.height + strip.height))
    load_letters()

    def draw(scenes: Iterator[Scene]) -> Generator[Drawn, None, None]:
        with closing(_Follower(theirs)) as follower:
            for scene in scenes:
                time = scene.time / comparison.first.slowmo
                wanted = float(comparison.aligned.second_at(np.array([time]))[0])
                other = follower.at(wanted * comparison.second.slowmo)
                yield _drawn((replace(scene, time=time), other), sides, style, plots, options.names)

    settings = options.settings.model_copy(
        update={"output": options.settings.output.model_copy(update={"audio": False})}
    )
    encoding = RenderOptions(settings, size=Size(options.height), slowmo=options.slowmo)
    stages = [Stage("overlay", draw)]
    return encode(ours, stages, target, encoding, on_frame=on_frame, interruption=interruption)


class _Side:
    """One of the two pictures."""

    def __init__(self, analysis: Analysis, logged: LoggedClip, options: CompareVideo) -> None:
        info, rows = logged.video.info, rows_of(analysis)
        self.width, height = Size(options.height).of(info.width, info.height, float(info.pixel_aspect))
        self.layers: list[Layer] = [PoseLayer(logged.log.skeleton, {0: "person"})]
        self.layers.append(ArcLayer(analysis.main, options.joints, rows[0]))
        self._fit, self._aspect = Fit(Size(height, self.width)), info.pixel_aspect
        self._posed = posing(analysis, rows)

    def fitted(self, scene: Scene) -> Scene:
        return self._fit(self._posed(scene), self._aspect)


class _Follower:
    """Scenes of the second clip at times that mostly rise."""

    def __init__(self, logged: LoggedClip) -> None:
        self._scenes = logged.scenes()
        self._here = next(self._scenes)
        self._next = next(self._scenes, None)

    def at(self, time: float) -> Scene:
        """The scene nearest to `time`, in seconds of the clip; never one before the last that was given."""
        while self._next is not None and abs(self._next.time - time) <= abs(self._here.time - time):
            self._here, self._next = self._next, next(self._scenes, None)
        return self._here

    def close(self) -> None:
        self._scenes.close()


def _drawn(
    scenes: tuple[Scene, Scene], sides: list[_Side], style: Style, plots: PlotLayer | None, names: tuple[str, str]
) -> Drawn:
    """Both scenes on one picture, below their `names`; `style` has its size, with the plots."""
    fitted = [side.fitted(scene) for side, scene in zip(sides, scenes, strict=True)]
    sources = [scene.seen.frame.picture for scene in fitted]
    first, second = sources
    assert isinstance(first, av.VideoFrame)
    assert isinstance(second, av.VideoFrame)
    whole = blank(style.size, like=first)
    whole.pts, whole.time_base = first.pts, first.time_base
    paste(whole, first, (0, 0))
    paste(whole, second, (sides[0].width + _GAP, 0))
    canvas = YuvCanvas(whole)
    taken: list[tuple[float, float, float, float]] = []
    for index, (scene, side) in enumerate(zip(fitted, sides, strict=True)):
        left = index * (sides[0].width + _GAP)
        place = np.array([left, 0], np.float32)
        poses = moved(scene.seen.poses, np.ones(2, np.float32), place)
        shifted = replace(scene, corner=scene.corner + place, seen=replace(scene.seen, poses=poses))
        title = f"{names[index]}  {scenes[index].time:.2f} s"
        _title(canvas, style.font, title, left, _TITLES[index], taken)
        for layer in side.layers:
            layer.draw(Sheet(whole, canvas, style, shifted, taken))
    if plots is not None:
        plots.draw(Sheet(whole, canvas, style, scenes[0]))
    seen = scenes[0].seen
    return Drawn(seen, whole)


_TITLES: tuple[Colour, Colour] = (KEYPOINT_COLOURS["left"], KEYPOINT_COLOURS["right"])


def _title(
    canvas: Canvas, font: Font, text: str, left: int, ground: Colour, taken: list[tuple[float, float, float, float]]
) -> None:
    mask = font.mask(text)
    canvas.stamp((left + 8, 8), mask, ground, WHITE)
    taken.append((left + 8, 8, left + 8 + mask.shape[1], 8 + mask.shape[0]))


def _plots(comparison: Comparison, joints: list[str]) -> list[Plot]:
    """For each joint, of the side that the camera sees, the first's angle and the second's at the aligned times."""
    first, second = comparison.first.main, comparison.second.main
    side = _near(first)
    theirs = comparison.aligned.second_at(first.times)
    made = []
    for joint in joints:
        name = f"{side}_{joint}"
        if name not in first.angles.names or name not in second.angles.names:
            continue
        weak = unsure(second, name).astype(float)
        curves = (
            Curve("A", _COLOURS[0], first.times, first.angles[name], unsure(first, name)),
            Curve("B", _COLOURS[1], first.times, at_times(second, second.angles[name], theirs),
                  np.nan_to_num(at_times(second, weak, theirs)) > 0.5),
        )  # fmt: skip
        made.append(Plot(f"{side.capitalize()} {joint}", curves))
    return made


def _near(person: Person) -> str:
    """The side that the camera sees most: of somebody who faces left the left one."""
    return "left" if (person.facings == Facing.LEFT).mean() > 0.5 else "right"


def _spans(comparison: Comparison) -> list[Span]:
    pairs = comparison.aligned.events
    return [
        Span(one.start, one.end, f"{one.kind} {number}", f"{number}")
        for number, (one, _) in enumerate(pairs, 1)
        if one.side is None
    ]
