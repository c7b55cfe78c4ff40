"""Render: a clip drawn anew from its log, in another style, without a network."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

from av.video.frame import VideoFrame
from pydantic import BaseModel, ValidationError

from poseline.atomic import cause
from poseline.capture import SourceInfo
from poseline.errors import OutputError, SettingsError
from poseline.interruption import Interruption
from poseline.output import choose_encoder
from poseline.overlay import Drawn
from poseline.overlay.text import load_letters
from poseline.pipeline.annotated import AnnotatedVideo
from poseline.pipeline.chain import Stage, chain
from poseline.pose import Observation
from poseline.rendering.blur import blurred_areas
from poseline.rendering.fit import Fit, Size
from poseline.rendering.layers import BlurLayer, Layer, PoseLayer, TrailLayer, drawing
from poseline.rendering.logged_clip import LoggedClip
from poseline.settings import Blurred, OutputSettings, OverlaySettings, Settings, load

_DEPTH = 8
"""Pictures between two stages."""


@dataclass(frozen=True)
class RenderOptions:
    """How a clip is drawn anew."""

    settings: Settings = field(default_factory=Settings)
    """What is drawn and how it is encoded: the sections overlay and output."""
    clip: Path | None = None
    """The clip; None: where the log says that it is."""
    ids: tuple[int, ...] | None = None
    """Whom to draw; None: everybody."""
    start: float | None = None
    """Seconds of the clip from which on it is rendered."""
    end: float | None = None
    """Seconds of the clip before which."""
    size: Size | None = None
    """Of the video; None: that of the clip."""
    blur: Blurred | None = None
    """What is made hard to recognise."""
    slowmo: float = 1.0
    """How many times as long the video is; it is silent then."""
    raw: bool = False
    """Draw the log without the corrections that were made by hand."""


@dataclass
class Rendered:
    """What came of it."""

    files: list[Path]
    """The video; several where the picture's size changes on the way."""
    frames: int = 0
    seconds: float = 0.0
    """That it took."""
    notes: list[str] = field(default_factory=list)
    interrupted: bool = False


OnRendered: TypeAlias = Callable[[Observation, SourceInfo], object]
"""What is called with each frame that is done, and the clip that it is of."""


def render(
    log: Path, target: Path, options: RenderOptions, *, overwrite: bool = False, layers: Sequence[Layer] = (),
    on_frame: OnRendered | None = None, interruption: Interruption | None = None,
) -> Rendered:  # fmt: skip
    """Draw the clip of `log` anew, into the video `target`.

    Args:
        log: a keypoint log.
        target: an .mp4 file.
        options: see there.
        overwrite: replace `target` if it is there.
        layers: what else is drawn, above the poses.
        on_frame: called with each frame that is done, and what is known of the clip.
        interruption: hears the user's signals; the first one ends it in good order.

    Raises:
        SourceError: the log or the clip cannot be read, or they do not belong together.
        SettingsError: an id that the log does not have, or options that contradict each other.
        OutputError: the video cannot be written.
    """
    with closing(LoggedClip(log, options.clip, options.start, options.end, raw=options.raw)) as logged:
        check_ids(logged, options.ids)
        free(target, overwrite, inputs=(logged.path, log))
        stages = _stages(logged, options, layers)
        load_letters()
        return encode(logged, stages, target, options, on_frame=on_frame, interruption=interruption or Interruption())


def _stages(logged: LoggedClip, options: RenderOptions, layers: Sequence[Layer]) -> list[Stage]:
    """What draws a clip's scenes, `layers` above the poses."""
    below = _blurring(logged, options.blur)
    overlay = options.settings.overlay.model_copy(update={"hud": False})  # the run's speed is none of this video's
    names = dict(enumerate(logged.log.classes)) or {0: "person"}
    drawn: list[Layer] = [*below]
    if overlay.trail:
        drawn.append(TrailLayer(overlay.trail, options.ids))
    drawn += [PoseLayer(logged.log.skeleton, names, options.ids), *layers]
    stages = [Stage("overlay", drawing(overlay, drawn))]
    if options.size is not None:
        fit, aspect = Fit(options.size), logged.video.info.pixel_aspect
        stages.insert(0, Stage("scaling", lambda scenes: (fit(scene, aspect) for scene in scenes)))
    return stages


def encode(
    logged: LoggedClip, stages: Sequence[Stage], target: Path, options: RenderOptions, *,
    on_frame: OnRendered | None, interruption: Interruption,
) -> Rendered:  # fmt: skip
    """Take a clip's scenes through `stages`, which end in `Drawn`, and encode what comes out with the clip's sound."""
    began, info = time.monotonic(), _info(logged.video.info, options)
    settings = options.settings.model_copy(
        update={
            "capture": logged.capture,
            "output": options.settings.output.model_copy(
                update={"audio": options.settings.output.audio and options.slowmo == 1}
            ),
        }
    )
    encoder, note = choose_encoder(settings.output.encoder)
    result = Rendered([], notes=[note] if note else [])
    with interruption.shielded(), AnnotatedVideo(target, info, settings, encoder) as video:
        with (
            chain(logged.scenes(), stages, depth=_DEPTH) as (pictures, _),
            interruption.stopping(logged.stop),
        ):
            for drawn in interruption.interruptible(pictures):
                _write(video, drawn, options.slowmo)
                result.frames += 1
                if on_frame:
                    on_frame(drawn.observation, logged.video.info)
        result.notes += [*logged.notes, *video.conclude()]
    result.files = list(video.files)
    result.interrupted = interruption.signal_count > 0
    result.seconds = time.monotonic() - began
    return result


def _write(video: AnnotatedVideo, drawn: Drawn, slowmo: float) -> None:
    picture = drawn.picture
    assert isinstance(picture, VideoFrame)
    if slowmo != 1 and picture.pts is not None:
        picture.pts = round(picture.pts * slowmo)
    video.write(picture, drawn.observation.frame)


def _info(info: SourceInfo, options: RenderOptions) -> SourceInfo:
    rate = info.frame_rate
    return replace(
        info,
        frame_rate=rate / Fraction(options.slowmo).limit_denominator(1000) if rate else None,
        pixel_aspect=Fraction(1) if options.size else info.pixel_aspect,
    )


def _blurring(logged: LoggedClip, what: Blurred | None) -> list[Layer]:
    if what is None:
        return []
    return [BlurLayer(blurred_areas(logged.records(), what, logged.log.skeleton), round_ones=what == "faces")]


def check_ids(logged: LoggedClip, ids: Sequence[int] | None) -> None:
    """Raise a SettingsError for an id that the log does not have."""
    if ids is None:
        return
    known: set[int] = set()
    for record in logged.records():
        known.update(record.poses.ids.tolist())
        if known.issuperset(ids):
            return
    missing, here = sorted(set(ids) - known)[0], sorted(known - {-1})
    some = ", ".join(map(str, here[:20])) + (" ..." if len(here) > 20 else "")
    raise SettingsError(f"--ids: {logged.log.path} has no person {missing} there; it has {some or 'none'}")


def free(target: Path, overwrite: bool, inputs: Sequence[Path]) -> None:
    """See to it that `target` can be written, and that nothing which is read would be.

    Raises:
        SettingsError: it is no .mp4. OutputError: it is there, it is one of the `inputs`, or its folder is not there.
    """
    if target.suffix.lower() != ".mp4":
        raise SettingsError(f"{target}: a video is written as .mp4; give a name that ends so")
    if not target.parent.is_dir():
        raise OutputError(f"{target}: its folder is not there; make it first")
    if target.is_dir():
        raise OutputError(f"{target}: is a folder")
    if any(path.exists() and target.exists() and os.path.samefile(path, target) for path in inputs):
        raise OutputError(f"{target}: is what is read; give another name with -o")
    for path in (target, target.with_name(f"{target.name}.part")):
        if os.path.lexists(path):
            if not overwrite:
                raise OutputError(f"{path} is there already; --overwrite replaces it, -o gives another name")
            try:
                path.unlink()
            except OSError as error:
                raise OutputError(f"{path}: cannot be replaced: {cause(error)}") from error


def style_of(run: dict[str, Any], given: Settings) -> Settings:
    """What a run drew and how it was encoded, changed by what is `given`.

    Args:
        run: the log's first record; what of its settings is not valid here, as from another version, is left out.
        given: of its sections overlay and output, what was set counts, and no default.
    """
    told, merged = run.get("settings") or {}, {}
    for section, model, names in (
        ("overlay", OverlaySettings, set(OverlaySettings.model_fields)),
        ("output", OutputSettings, {"encoder", "preset", "crf", "audio"}),
    ):
        kept = {key: value for key, value in (told.get(section) or {}).items() if key in names}
        try:
            model.model_validate(kept)
        except ValidationError:
            kept = {}
        chosen: BaseModel = getattr(given, section)
        changed = {key: getattr(chosen, key) for key in chosen.model_fields_set & names}
        merged[section] = {**kept, **changed}
    return load(overrides=merged)
