"""One person's analysis, with the figures that a report takes from it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from poseline.analysis.analyse import PersonAnalysis
from poseline.analysis.event import Event, Quantity
from poseline.analysis.facing import Facing
from poseline.analysis.motion import Bools, Doubles, Integers
from poseline.analysis.report.words import base
from poseline.analysis.smoothing import PointState

_MOST = 0.5
_LOST = 45.0
"""Standard uncertainty in degrees above which nothing is known of an angle: of points that nearly coincide."""
_GETS_ON = 0.5
"""Statures that hips must cross the picture by: at one place they go to and fro by less, as in a squat."""
_HIPS_STAND = 0.471
"""Height of the hips over the ankles of one who stands, in statures: 0.528 - 0.057, see `scale`."""
_POINTS = {"depth": 1.0, "descent": 1.0, "height_by_hips": 0.7, "split": 1.4, "split_m": 1.4, "stride_length": 1.0}
"""How many times the bias of a point a value is off by: root of the sum of squares over the points that it is made of.

A middle counts half a point. Times, and heights by flight, are not made of places."""


@dataclass(frozen=True, eq=False)
class Subject:
    """A person of a report."""

    name: str
    """Such as `Person 1`."""
    found: PersonAnalysis
    ids: tuple[int, ...]
    """The ids of the log that are this person."""
    bias: float
    """Standard deviation along one axis, in torsos, by which a network's points are off for good."""

    @property
    def times(self) -> Doubles:
        """(T,) seconds."""
        return self.found.measured.times

    @property
    def names(self) -> tuple[str, ...]:
        """Of the angles."""
        return self.found.angles.names

    @cached_property
    def bases(self) -> tuple[str, ...]:
        """Angles without their sides, such as `knee`, in the order of their definition."""
        return tuple(dict.fromkeys(base(name) for name in self.names))

    def sides(self, own: str) -> list[tuple[str, int]]:
        """The sides of an angle, `left` and `right` or `middle`, and which column of the angles each is."""
        definitions = enumerate(self.found.angles.definitions)
        return [(definition.side, column) for column, definition in definitions if base(definition.name) == own]

    @cached_property
    def degrees(self) -> Doubles:
        """(T, A) smoothed."""
        return self.found.angles.degrees

    @cached_property
    def sigma(self) -> Doubles:
        """(T, A) standard uncertainty in degrees: of noise, and of what a network is off by for good."""
        return np.fmax(self.found.sigma_with_bias, self.found.angles.sigma)

    @cached_property
    def well(self) -> Bools:
        """(T, A) where an angle is worth stating: its points were seen well, and are far enough apart to tell it."""
        with np.errstate(invalid="ignore"):
            known: Bools = np.isfinite(self.degrees) & ~self.found.angle_hidden & (self.sigma <= _LOST)
        return known

    @cached_property
    def filled(self) -> Bools:
        """(T, A) angles one of whose points was filled in, or replaced as an outlier."""
        state = self.found.smoothed.state
        return self.found.of_angles((state == PointState.FILLED) | (state == PointState.OUTLIER))

    def share(self, state: PointState) -> float:
        """Of the points, over all frames."""
        return float((self.found.smoothed.state == state).mean())

    @cached_property
    def unsure(self) -> float:
        """Share of the points shown that were seen with little confidence."""
        shown = self.found.smoothed.state != PointState.MISSING
        measured = shown & self.found.measured.seen
        return float(self.found.hidden[measured].mean()) if measured.any() else float("nan")

    @cached_property
    def facings(self) -> dict[Facing, float]:
        """Share of the frames in which the person faces each way, the most frequent first; without those of none."""
        counts = {way: float((self.found.facing.facings == way).mean()) for way in Facing}
        return dict(sorted(((way, share) for way, share in counts.items() if share), key=lambda item: -item[1]))

    @property
    def frontal(self) -> float:
        """Share of the frames in which the person is seen from the front or the back."""
        return self.facings.get(Facing.FRONT, 0.0) + self.facings.get(Facing.BACK, 0.0)

    @property
    def from_the_front(self) -> bool:
        """Whether that is most of them: then what is told is the frontal plane."""
        return self.frontal > _MOST

    @property
    def seen(self) -> Bools:
        """(T,) whether the person was found at all."""
        return np.asarray(self.found.measured.seen.any(axis=1), bool)

    @cached_property
    def kinds(self) -> list[str]:
        """Kinds of events, the most time in them first."""
        lengths: dict[str, float] = {}
        for event in self.found.events:
            lengths[event.kind] = lengths.get(event.kind, 0.0) + max(event.end - event.start, 0.0)
        return sorted(lengths, key=lambda kind: (-lengths[kind], kind))

    def events(self, kind: str) -> list[Event]:
        """Those of one kind, by time."""
        return [event for event in self.found.events if event.kind == kind]

    def row(self, time: float) -> int:
        """The frame nearest to a time."""
        return int(np.abs(self.times - time).argmin())

    def value(self, event: Event, name: str) -> Quantity | None:
        """A value of an event with all that makes it uncertain: an event's own uncertainty knows of noise alone."""
        given = event.values.get(name)
        if given is None:
            return None
        sigma = float(np.hypot(given.sigma, self.lasting(event, name)))
        if name in self.names:
            sigma = float(np.fmax(self.sigma[self.row(event.time), self.names.index(name)], given.sigma))
        return Quantity(given.value, sigma, given.unit)

    def lasting(self, event: Event, name: str) -> float:
        """What a value of an event is off by for good, in its unit, by the bias of the points that it is made of."""
        torsos = self.bias * _POINTS.get(name, 0.0)
        if not torsos:
            return 0.0
        pixels = torsos * self.found.measured.torso
        unit = event.values[name].unit
        if unit == "m":
            scale = self.found.scale
            return 0.0 if scale is None else pixels / float(scale.px_per_m[self.row(event.time)])
        standing = _HIPS_STAND if name == "depth" else 1.0
        return pixels / (standing * self.found.stature)

    @property
    def moves(self) -> bool:
        """Whether the person gets on across the picture, and it is known by how much."""
        scale, x = self.found.scale, self.hips_m
        if scale is None or x is None or not len(self.hips_seen):
            return False
        tall = self.found.stature / float(np.median(scale.px_per_m))
        return bool(np.ptp(x[self.hips_seen]) > _GETS_ON * tall)

    @cached_property
    def hips_m(self) -> Doubles | None:
        """(T,) metres of the hips across the picture; None where there are no metres."""
        points, motion = self.found.mechanics.points_m, self.found.smoothed.motion
        return None if points is None else motion.with_points(points).place("mid_hip")[:, 0]

    @cached_property
    def hips_speed(self) -> tuple[Doubles, Doubles] | None:
        """(T,) metres a second of the hips across the picture and their uncertainty; None where there are no metres."""
        velocity, scale, smoothed = self.found.mechanics.velocity_m, self.found.scale, self.found.smoothed
        if velocity is None or scale is None:
            return None
        parts = list(smoothed.motion.parts("mid_hip"))
        across = velocity[:, parts, 0].mean(axis=1)
        noise = np.sqrt(smoothed.velocity_variance[:, parts].mean(axis=1) / len(parts)) / scale.px_per_m
        return across, np.hypot(noise, np.abs(across) * self.relative)

    def metres(self, value: float) -> Quantity:
        """A way of the hips with its uncertainty: of the scale, and of where the hips are at both ends."""
        scale, smoothed = self.found.scale, self.found.smoothed
        assert scale is not None
        parts, ends = list(smoothed.motion.parts("mid_hip")), self.hips_seen[[0, -1]]
        noise = smoothed.variance[ends][:, parts].mean(axis=1) / len(parts) + (self.bias * smoothed.motion.torso) ** 2
        places = float(np.sqrt((noise / scale.px_per_m[ends] ** 2).sum()))
        return Quantity(value, float(np.hypot(places, self.relative * value)), "m")

    @cached_property
    def hips_seen(self) -> Integers:
        """Rows in which the hips are known."""
        motion = self.found.smoothed.motion
        known: Integers = np.flatnonzero(np.isfinite(motion.place("mid_hip")).all(axis=1))
        return known

    @property
    def relative(self) -> float:
        """Share by which every length in metres is uncertain; 0 without metres."""
        scale = self.found.scale
        return 0.0 if scale is None else float(np.hypot(scale.sigma, scale.drift / 2))
