"""Analysis: what a whole log says of its people, as arrays with their units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from poseline.analysis.analyse import AnalysisOptions, PersonAnalysis
from poseline.analysis.angles import Angles
from poseline.analysis.event import Event
from poseline.analysis.facing import Facings
from poseline.analysis.floor import Floor
from poseline.analysis.motion import Bools, Doubles, Integers
from poseline.analysis.smoothing import PointState, States
from poseline.corrections import Facts
from poseline.short_repr import short_repr

SCHEMA = 1
"""Of `analysis.json` and `events.json`; another number where a field changes its meaning."""

STEP_KINDS = frozenset({"step"})
"""Kinds of events that are not repetitions of an exercise."""


@dataclass(frozen=True)
class Gap:
    """A stretch in which a keypoint was not measured, between two frames in which it was."""

    keypoint: str
    start: float
    """Seconds: the first frame without it."""
    end: float
    """Seconds: the next frame with it."""
    filled: bool
    """Whether it was short enough to be filled in; if not, the keypoint is missing there."""


@dataclass(frozen=True, eq=False)
class Person:
    """One person: T frames from their first to their last, K keypoints, A angles.

    Everything is in the order of `times`. A frame of the clip in which the person was not found is a row too. Pixels
    are those of the upright picture as it is stored (a pixel may be wider than high); metres are x to the right from
    the picture's middle and y up from the floor.
    """

    id: int
    """The id in the log under which the person is seen most; `UNTRACKED` (-1) in a log without ids."""
    ids: tuple[int, ...]
    """All ids in the log that are this person, in order of time."""
    frames: Integers
    """(T,) int64 frame numbers of the clip."""
    found: Bools
    """(T,) whether the log holds the person in this frame."""
    result: PersonAnalysis
    """Everything that was worked out, in square pixels: smoothing, footprints, mechanics, foreshortening."""
    pixel_aspect: float = 1.0
    """Width of a pixel of the picture over its height."""
    height: float | None = None
    """The person's height in metres as it was given; None where it was not."""

    __repr__ = short_repr

    @property
    def times(self) -> Doubles:
        """(T,) seconds, strictly rising: the clip's true time stamps, divided by `Analysis.slowmo`."""
        return self.result.measured.times

    @property
    def names(self) -> tuple[str, ...]:
        """K keypoint names, such as `left_knee`."""
        return self.result.measured.names

    @cached_property
    def points(self) -> Doubles:
        """(T, K, 2) smoothed x, y in pixels, y down; NaN where `states` is MISSING."""
        return self._stored(self.result.smoothed.motion.points)

    @cached_property
    def raw_points(self) -> Doubles:
        """(T, K, 2) x, y in pixels as the network found them, left and right put right; NaN where not seen."""
        return self._stored(self.result.measured.points)

    @property
    def points_m(self) -> Doubles | None:
        """(T, K, 2) smoothed x, y in metres, y up; None where there are no metres."""
        return self.result.mechanics.points_m

    @property
    def velocity_m(self) -> Doubles | None:
        """(T, K, 2) metres a second across the picture and up; None where there are no metres."""
        return self.result.mechanics.velocity_m

    @property
    def acceleration_m(self) -> Doubles | None:
        """(T, K, 2) metres a second squared; None where there are no metres."""
        return self.result.mechanics.acceleration_m

    @property
    def confidence(self) -> Doubles:
        """(T, K) of the network in each keypoint, 0..1; 0 where it was not found."""
        return np.nan_to_num(self.result.measured.confidence)

    @property
    def point_sigma(self) -> Doubles:
        """(T, K) standard deviation of a smoothed point along one axis that noise leaves, in square pixels."""
        return np.sqrt(self.result.smoothed.variance)

    @property
    def states(self) -> States:
        """(T, K) uint8, a `PointState` for each keypoint: missing, measured, filled or outlier."""
        return self.result.smoothed.state

    @property
    def corrected(self) -> Bools:
        """(T, K) where a keypoint was set by hand, or between frames in which it was."""
        hand = self.result.measured.by_hand
        return np.zeros(self.states.shape, bool) if hand is None else hand.points

    @property
    def swapped(self) -> Bools:
        """(T, K) where left and right were taken for each other, and exchanged."""
        return self.result.swapped

    @property
    def hidden(self) -> Bools:
        """(T, K) where a keypoint was seen with little confidence, or not at all."""
        return self.result.hidden

    @property
    def angles(self) -> Angles:
        """Smoothed angles: definitions, names, and (T, A) degrees, velocity (degrees/s) and sigma (degrees)."""
        return self.result.angles

    @property
    def raw_angles(self) -> Doubles:
        """(T, A) degrees by `raw_points`."""
        return self.result.raw_angles

    @property
    def sigma_with_bias(self) -> Doubles:
        """(T, A) degrees: `angles.sigma` and what a network is usually off by for longer than smoothing reaches."""
        return self.result.sigma_with_bias

    @property
    def out_of_plane(self) -> Bools:
        """(T, A) where an angle's segments point so far out of the picture's plane that it is not the body's angle."""
        return self.result.plane.away

    @property
    def stature_m(self) -> float | None:
        """How tall the person is, in metres: as it was given, or by the scale; None where there are no metres."""
        scale = self.result.scale
        if scale is None or self.height is not None:
            return self.height if scale is not None else None
        return float(self.result.stature / np.median(scale.px_per_m))

    @property
    def facings(self) -> Facings:
        """(T,) int8, a `Facing` for each frame: right, left, front or back."""
        return self.result.facing.facings

    @property
    def events(self) -> tuple[Event, ...]:
        """What the person did, in order of time."""
        return self.result.events

    @property
    def repetitions(self) -> tuple[Event, ...]:
        """Those events that are repetitions of an exercise: all but steps."""
        return tuple(event for event in self.events if event.kind not in STEP_KINDS)

    @property
    def counts(self) -> dict[str, int]:
        """How many events of each kind there are."""
        return self.result.counts

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader must know of this person's numbers, in words."""
        return self.result.notes

    @property
    def filled(self) -> float:
        """Share of the points shown that were filled in, or replaced as outliers, 0..1."""
        return self.result.smoothed.filled

    @property
    def missing(self) -> float:
        """Share of all points that are missing, 0..1."""
        return float((self.states == PointState.MISSING).mean())

    @cached_property
    def gaps(self) -> tuple[Gap, ...]:
        """Every stretch in which a keypoint was not measured (outliers count as not), by time."""
        return tuple(sorted(_gaps(self), key=lambda gap: (gap.start, gap.keypoint)))

    def _stored(self, points: Doubles) -> Doubles:
        """From square pixels to those of the picture as it is stored."""
        return points if self.pixel_aspect == 1 else points / np.array([self.pixel_aspect, 1.0])


@dataclass(frozen=True, eq=False)
class Analysis:
    """What a log says of its people. Times are in seconds, divided by `slowmo`; pixels are those of the picture."""

    persons: tuple[Person, ...]
    """Those who were asked for, the main person first: who is seen longest and largest."""
    source: str
    """Path or address of the clip, as the log has it, without passwords."""
    log: Path | None
    """The log; None where `Tracks` were given."""
    size: tuple[int, int]
    """(width, height) of the picture in pixels."""
    pixel_aspect: float
    """Width of a pixel over its height."""
    start: float
    """Seconds, of the first frame that was looked at."""
    end: float
    """Seconds, of the last frame that was looked at."""
    frames: int
    """How many frames were looked at."""
    slowmo: float
    """By how much the clip is slower than what it shows; all times, speeds and rates are of what it shows."""
    people: int
    """How many people the log holds, `persons` among them."""
    floor: Floor
    """The floor's slope in the picture, by the footprints of all persons."""
    options: AnalysisOptions
    """How it was worked out."""
    header: dict[str, Any] = field(default_factory=dict)
    """The log's first record: model, runtime, settings and so on."""
    ended: str = "complete"
    """How the run behind the log ended: complete, interrupted, failed, killed or unknown."""
    warnings: tuple[str, ...] = ()
    """What a reader must know of the whole, in words; each person has their own besides."""
    corrections: Facts | None = None
    """What was corrected by hand in the log; None where nothing was, or it was read raw."""

    __repr__ = short_repr

    @property
    def main(self) -> Person:
        """The person who is seen longest and largest, of those who were asked for."""
        return self.persons[0]

    @property
    def metres(self) -> bool:
        """Whether somebody's movement is known in metres."""
        return any(person.points_m is not None for person in self.persons)

    @property
    def rate(self) -> float:
        """Frames a second, by the median interval; NaN of a single frame."""
        step = max((person.result.measured.step for person in self.persons), default=0.0)
        return 1 / step if step else float("nan")

    def person(self, number: int) -> Person:
        """The person who has this id in the log.

        Raises:
            KeyError: nobody of `persons` has it.
        """
        for person in self.persons:
            if number in person.ids:
                return person
        raise KeyError(number)

    def write(
        self,
        folder: str | Path,
        formats: Sequence[str] = ("csv", "trc", "mot"),
        overwrite: bool = False,
        report: bool = False,
    ) -> list[Path]:
        """Write the files of `poseline analyze` into a folder.

        Args:
            folder: to write to; it is made if it is missing.
            formats: of csv, parquet, trc, mot and c3d.
            overwrite: replace the files of an earlier analysis in it.
            report: write `report.html` too.

        Returns:
            The files that were written.

        Raises:
            OutputError: a file cannot be written, or the folder holds an earlier analysis.
            SettingsError: a format that there is not.
        """
        from poseline.analysis import files
        from poseline.analysis.report import write_report

        asked = files.parse_formats(",".join(formats))
        return files.write(self, folder, asked, overwrite, write_report if report else None).files


PersonChoice = int | Literal["main", "all"]


def _gaps(person: Person) -> list[Gap]:
    measured = person.states == PointState.MEASURED
    shown = person.states != PointState.MISSING
    found = []
    for column, name in enumerate(person.names):
        rows = np.flatnonzero(measured[:, column])
        for before in np.flatnonzero(np.diff(rows) > 1):
            first, last = rows[before] + 1, rows[before + 1]
            whole = bool(shown[first:last, column].all())
            found.append(Gap(name, float(person.times[first]), float(person.times[last]), whole))
    return found
