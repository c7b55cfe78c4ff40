"""The whole chain for one person: from measured points to angles, metres and events."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from poseline.analysis import gait, jump, squat  # noqa: F401  # they register what finds their events
from poseline.analysis.angles import Angles, angles, definitions, unwrapped, velocities
from poseline.analysis.camera import Camera, CameraOption, camera
from poseline.analysis.event import Event, Movement, find_events
from poseline.analysis.facing import FacingChoice, FacingOption, facing
from poseline.analysis.feet import Footprint, footprints
from poseline.analysis.floor import Floor, floor, levelled
from poseline.analysis.mechanics import Mechanics, mechanics
from poseline.analysis.motion import Bools, Doubles, Motion
from poseline.analysis.scale import Known, Scale, approach, scale
from poseline.analysis.size import stature
from poseline.analysis.smoothing import PointState, Smoothed, Smoothing, smooth
from poseline.analysis.swaps import repair
from poseline.analysis.uncertainty import Plane, foreshortening, sigma
from poseline.short_repr import short_repr


@dataclass(frozen=True)
class AnalysisOptions:
    """What an analysis is told."""

    smoothing: Smoothing = field(default_factory=Smoothing)
    swap_repair: bool = True
    """Put left and right points right that were taken for each other."""
    facing: FacingOption = "auto"
    floor_angle: float | None = None
    """Degrees by which the floor rises to the picture's right; None: by footprints, 0 where they do not tell."""
    camera: CameraOption = "auto"
    known: Known = field(default_factory=Known)
    """What is known of lengths, for metres."""
    bias: float = 0.08
    """Standard deviation along one axis, in torsos, by which points are off for longer than smoothing reaches; the
    default is measured on rendered clips, see `uncertainty.sigma`."""
    events: tuple[str, ...] = ("auto",)
    """Kinds of events to look for, see `event.FINDERS`; none: ()."""
    hidden: float = 0.3
    """Confidence below which a point, and what is made of it, counts as hidden."""


@dataclass(frozen=True, eq=False)
class PersonAnalysis:
    """What is known of one person: T frames, K keypoints, A angles; lengths in square pixels or metres."""

    measured: Motion
    """As it was given, in square pixels, left and right put right."""
    smoothed: Smoothed
    """In square pixels of the picture, not levelled."""
    swapped: Bools
    """(T, K) points whose left and right were exchanged."""
    hidden: Bools
    """(T, K) points that were seen with little confidence, or not at all."""
    facing: FacingChoice
    floor: Floor
    camera: Camera
    footprints: tuple[Footprint, ...]
    """Where feet rested, in square pixels of the picture as it was."""
    stature: float
    """How tall the person is in square pixels, NaN where it could not be told."""
    scale: Scale | None
    """None where there are no metres: nothing known, the camera moves, or the person is not seen well enough."""
    raw_angles: Doubles
    """(T, A) degrees by the points as measured (left and right put right), the same A as `angles`."""
    angles: Angles
    """By the smoothed points, level with the floor. Its `sigma` is what noise leaves; `sigma_with_bias` more."""
    sigma_with_bias: Doubles
    """(T, A) degrees, with what a network is off by for good, as `AnalysisOptions.bias` says."""
    angle_hidden: Bools
    """(T, A) angles one of whose points is hidden."""
    plane: Plane
    """How far each angle's segments point out of the picture's plane."""
    mechanics: Mechanics
    events: tuple[Event, ...]
    notes: tuple[str, ...] = field(default=())
    """What a reader must know, in words."""

    __repr__ = short_repr

    @property
    def counts(self) -> dict[str, int]:
        """How many events of each kind there are."""
        kinds = [event.kind for event in self.events]
        return {kind: kinds.count(kind) for kind in sorted(set(kinds))}

    def of_angles(self, points: Bools) -> Bools:
        """(T, A) whether any point of an angle is among `points` (T, K)."""
        return _of_angles(self.measured, points)


@dataclass(frozen=True, eq=False)
class Prepared:
    """The first half of an analysis: all that can be told without the floor, which several people may share."""

    pixel_aspect: float
    """Of the picture in which the motion was given."""
    measured: Motion
    swapped: Bools
    smoothed: Smoothed
    facing: FacingChoice
    sizes: Doubles
    """(T,) how tall the person appears at each time, in square pixels."""
    stature: float
    footprints: tuple[Footprint, ...]
    floor: Floor
    """By this person's own footprints, or as it was set."""


def analyse_motion(motion: Motion, options: AnalysisOptions | None = None) -> PersonAnalysis:
    """Analyse one person.

    Args:
        motion: as measured, in pixels of the upright picture.
        options: what to do and what is known.

    Raises:
        SettingsError: a filter frequency that the frame rate does not allow, or an unknown kind of event.
    """
    options = options or AnalysisOptions()
    prepared = prepare(motion, options)
    return finish(prepared, options, prepared.floor)


def prepare(motion: Motion, options: AnalysisOptions) -> Prepared:
    """The first half: swaps, smoothing, facing and footprints."""
    square = motion.square().only_seen()
    repaired = repair(square) if options.swap_repair else None
    measured = square if repaired is None else repaired.motion
    swapped = np.zeros(square.seen.shape, bool) if repaired is None else repaired.swapped
    smoothed = smooth(measured, options.smoothing)
    sizes, tall = stature(smoothed.motion)
    prints = tuple(footprints(smoothed, sizes))
    ground = floor(prints) if options.floor_angle is None else Floor(options.floor_angle, float("nan"), 0)
    way = facing(smoothed.motion, options.facing)
    return Prepared(motion.pixel_aspect, measured, swapped, smoothed, way, sizes, tall, prints, ground)


def finish(prepared: Prepared, options: AnalysisOptions, ground: Floor) -> PersonAnalysis:
    """The second half, on a floor of the slope of `ground`: angles, metres and events."""
    measured, smoothed, way = prepared.measured, prepared.smoothed, prepared.facing
    level = _levelled(smoothed, ground.degrees)
    seen = _levelled_motion(measured, ground.degrees)
    cam = camera(level, options.camera)
    nearer = None if cam.verdict == "moving" else approach(level.motion, prepared.sizes)
    metres = None
    if cam.verdict != "moving":
        metres = scale(level.motion, options.known, prepared.stature, nearer, prepared.pixel_aspect)
    gap = options.smoothing.max_gap
    turned = _angles(level, way, gap)
    body = mechanics(level, metres)
    movement = Movement(level, way.facings, turned, prepared.stature, body, metres, cam)
    hidden = ~(np.nan_to_num(measured.confidence) >= options.hidden) | ~measured.seen
    steady = nearer is None and cam.verdict != "moving"
    result = PersonAnalysis(
        measured=measured,
        smoothed=smoothed,
        swapped=prepared.swapped,
        hidden=hidden,
        facing=way,
        floor=ground,
        camera=cam,
        footprints=prepared.footprints,
        stature=prepared.stature,
        scale=metres,
        raw_angles=_unwrapped(seen, angles(seen, way.facings), way, gap),
        angles=turned,
        sigma_with_bias=sigma(level.motion, level.variance, options.bias),
        angle_hidden=_of_angles(level.motion, hidden),
        plane=foreshortening(level.motion, None if steady else prepared.sizes / prepared.stature),
        mechanics=body,
        events=tuple(find_events(movement, options.events)) if options.events else (),
    )
    return replace(result, notes=_notes(result, options))


_UNSURE = 0.7
"""Share of frames that must agree on where the person faces."""
_MANY = 0.2
"""Share of frames out of the picture's plane, or of points filled in, that is worth a word."""


def _levelled(smoothed: Smoothed, degrees: float) -> Smoothed:
    """As a camera held level with the floor would see it."""
    return replace(
        smoothed,
        motion=_levelled_motion(smoothed.motion, degrees),
        velocity=levelled(smoothed.velocity, degrees),
        acceleration=levelled(smoothed.acceleration, degrees),
    )


def _levelled_motion(motion: Motion, degrees: float) -> Motion:
    return motion.with_points(levelled(motion.points, degrees, (motion.width / 2, motion.height / 2)))


def _angles(level: Smoothed, way: FacingChoice, max_gap: float) -> Angles:
    degrees = _unwrapped(level.motion, angles(level.motion, way.facings), way, max_gap)
    speeds = velocities(level.motion, degrees, level.velocity, way.facings)
    return Angles(definitions(level.motion), degrees, speeds, sigma(level.motion, level.variance))


def _unwrapped(motion: Motion, degrees: Doubles, way: FacingChoice, max_gap: float) -> Doubles:
    segments = [definition.kind == "segment" for definition in definitions(motion)]
    result = degrees.copy()
    result[:, segments] = unwrapped(motion.times, degrees[:, segments], way.facings, max_gap)
    return result


def _of_angles(motion: Motion, points: Bools) -> Bools:
    """(T, A) whether any point of an angle is among `points` (T, K)."""
    columns = [
        points[:, [part for name in definition.points for part in motion.parts(name)]].any(axis=1)
        for definition in definitions(motion)
    ]
    return np.stack(columns, axis=1) if columns else np.zeros((len(motion), 0), bool)


def _notes(person: PersonAnalysis, options: AnalysisOptions) -> tuple[str, ...]:
    notes: list[str] = []
    if np.isnan(person.facing.agreement):
        notes.append("Nothing shows which way the person faces; right is assumed. Set it if that is wrong.")
    elif person.facing.agreement < _UNSURE:
        notes.append(
            f"Which way the person faces is not sure: {person.facing.agreement:.0%} of the frames agree. "
            "Set it if flexion has the wrong sign."
        )
    told = options.known.anything
    if person.camera.verdict == "moving":
        without = "; no metres are given" if told else ""
        notes.append(f"The camera moves, or the floor does: {person.camera.reason}{without}.")
    elif person.camera.verdict == "unknown" and person.scale is not None:
        notes.append(
            f"Whether the camera stood still is not known: {person.camera.reason}. Metres hold only if it did."
        )
    if told and person.scale is None and person.camera.verdict != "moving":
        notes.append("The person is not seen well enough to tell their height in pixels; no metres are given.")
    if person.scale is not None and person.scale.drift:
        notes.append(
            f"The person's size changes by {person.scale.drift:.0%}: they come nearer or go away, "
            "and metres hold only at the distance of the scale."
        )
    if person.scale is not None and person.scale.varies:
        notes.append(
            "The person comes nearer or goes away; metres follow, but movement towards the camera is not in them."
        )
    if not person.floor.known:
        notes.append("The floor's slope is not known from the feet; the camera is taken to be level.")
    if person.swapped.any():
        share = float(person.swapped.any(axis=1).mean())
        notes.append(f"Left and right were taken for each other, and exchanged, in {share:.1%} of the frames.")
    if (share := person.smoothed.filled) > _MANY:
        notes.append(f"{share:.0%} of the points shown were filled in or replaced.")
    if (missing := float((person.smoothed.state == PointState.MISSING).mean())) > _MANY:
        notes.append(
            f"{missing:.0%} of the points are missing: unseen for longer than {options.smoothing.max_gap:g} s."
        )
    out = [
        f"{definition.name} {share:.0%}"
        for definition, share in zip(person.angles.definitions, person.plane.share, strict=True)
        if share > _MANY and definition.kind == "joint"
    ]
    if out:
        notes.append(
            "Out of the picture's plane, so that the angle seen is not the angle that is: " + ", ".join(out) + "."
        )
    return tuple(notes)
