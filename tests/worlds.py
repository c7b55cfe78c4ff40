"""Scripted people whose true identity is known: worlds for the tests.

`World.play()` gives what a detector would see, frame by frame, with noise, misses and low scores where one person
hides another, together with who each pose truly is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from poseline.frame import Frame, Pixels
from poseline.pose import Floats, Integers, Observation, Poses

Path = Callable[[float], tuple[float, float]]
Spans = Sequence[tuple[float, float]]

TICKS = Fraction(1, 90_000)

# x in -1..1 across half the body, y in 0..1 from crown to sole, in COCO's order; then how far each swings in x.
_BODY = np.array([
    (0.0, 0.07), (0.1, 0.05), (-0.1, 0.05), (0.2, 0.07), (-0.2, 0.07), (0.5, 0.2), (-0.5, 0.2), (0.7, 0.35),
    (-0.7, 0.35), (0.7, 0.5), (-0.7, 0.5), (0.35, 0.52), (-0.35, 0.52), (0.35, 0.74), (-0.35, 0.74), (0.35, 0.96),
    (-0.35, 0.96),
])  # fmt: skip
_SWING = np.array([0, 0, 0, 0, 0, 0, 0, 0.1, -0.1, 0.3, -0.3, 0, 0, -0.2, 0.2, -0.5, 0.5])
_STEPS_PER_SECOND = 1.8
_TORSO = [5, 6, 11, 12]


@dataclass(frozen=True)
class Person:
    """Somebody who walks along a path."""

    path: Path
    """Centre of the body in pixels at a time in seconds."""
    height: float = 120.0
    """Pixels from crown to sole; the body is 0.4 as wide."""
    score: float = 0.85
    """What the detector thinks of them when nothing hides them."""
    unseen: Spans = ()
    """(from, to) in seconds, to excluded: the detector does not find them."""
    phase: float = 0.0
    """Where in their step they are at time 0, in turns."""
    shirt: tuple[int, int, int] | None = None
    """Blue, green and red of what they wear; None: the picture does not show them."""

    def box(self, time: float) -> NDArray[np.float64]:
        """(4,) x1 y1 x2 y2 of the whole body in pixels, in or out of the picture."""
        x, y = self.path(time)
        half_width, half_height = 0.2 * self.height, 0.5 * self.height
        return np.array((x - half_width, y - half_height, x + half_width, y + half_height))

    def keypoints(self, time: float) -> NDArray[np.float64]:
        """(17, 2) pixels."""
        x1, y1, x2, y2 = self.box(time)
        swing = _SWING * np.sin(2 * np.pi * (_STEPS_PER_SECOND / 2 * time + self.phase))
        return np.stack(((x1 + x2) / 2 + (_BODY[:, 0] + swing) * (x2 - x1) / 2, y1 + _BODY[:, 1] * (y2 - y1)), axis=1)


@dataclass(frozen=True, eq=False)
class Sighting:
    """One frame of a world."""

    observation: Observation
    """What the detector gives, untracked, best score first."""
    truth: Integers
    """(N,) int64: for each pose, which of the world's persons it is; -1 for nobody."""


@dataclass(frozen=True)
class World:
    """People in a picture, the nearest to the camera first: they hide those behind."""

    people: tuple[Person, ...]
    seconds: float
    width: int = 640
    height: int = 360
    noise: float = 0.015
    """Standard deviation of what the detector measures, in body heights."""
    misses: float = 0.0
    """Share of sightings that the detector loses at random."""
    uneven: float = 0.0
    """Share of a frame's duration by which its time may be off, 0..1: a variable frame rate."""

    def play(self, fps: float = 30.0, seed: int = 0) -> Iterator[Sighting]:
        """Everything the detector sees at `fps` frames a second; the same for the same seed."""
        random = np.random.default_rng(seed)
        empty = np.full((self.height, self.width, 3), 96, np.uint8)
        for index in range(round(self.seconds * fps)):
            time = (index + self.uneven * random.random() * (index > 0)) / fps
            yield self._look(self._painted(empty, time), index, time, random)

    def _painted(self, empty: Pixels, time: float) -> Pixels:
        """The torsos of those who wear a shirt, the farthest first; a nearer one hides them from hip to shoulder."""
        dressed = [(person, person.shirt) for person in reversed(self.people) if person.shirt is not None]
        picture = empty.copy() if dressed else empty
        for person, shirt in dressed:
            if not _within(time, person.unseen):
                corners = np.clip(person.keypoints(time)[_TORSO], 0, (self.width, self.height)).astype(int)
                (left, top), (right, bottom) = corners.min(axis=0), corners.max(axis=0)
                picture[top:bottom, left:right] = shirt
        return picture

    def _look(self, picture: Pixels, index: int, time: float, random: np.random.Generator) -> Sighting:
        frame = Frame(picture, index, round(time / TICKS), TICKS, time, arrival=time, source="world")
        found = [(who, *self._detect(who, time, random)) for who in range(len(self.people))]
        found = sorted((one for one in found if one[2] > 0), key=lambda one: -one[2])
        if not found:
            return Sighting(Observation(frame, Poses.none(len(_BODY))), np.zeros(0, np.int64))
        truth, boxes, scores, keypoints = zip(*found, strict=True)
        poses = Poses.of(np.stack(boxes), np.array(scores, np.float32), np.stack(keypoints))
        return Sighting(Observation(frame, poses), np.array(truth, np.int64))

    def _detect(self, who: int, time: float, random: np.random.Generator) -> tuple[Floats, float, Floats]:
        """Box (4,), score (0: not found) and keypoints (17, 3) of one person, as the detector gives them."""
        person = self.people[who]
        jitter = random.normal(0, self.noise * person.height, 4 + 2 * len(_BODY))  # drawn for all: one stream of chance
        chance, wobble = random.random(), random.normal(0, 0.03)
        whole = person.box(time) + jitter[:4]
        limits = np.array([self.width, self.height, self.width, self.height])
        box = np.clip(whole, 0, limits)
        points = person.keypoints(time) + jitter[4:].reshape(-1, 2)
        in_front = [other.box(time) for other in self.people[:who] if not _within(time, other.unseen)]
        in_front = [front for front in in_front if _touch(whole, front)]
        hidden = max((_covered(box, front) for front in in_front), default=0.0)
        shown = _area(box) / _area(whole)
        out = ((points < 0) | (points >= limits[:2])).any(axis=1)
        behind = np.zeros(len(points), np.bool_)
        for front in in_front:
            behind |= ((points > front[:2]) & (points < front[2:])).all(axis=1)
        confidence = np.where(out | behind, 0.2, 0.9)
        lost = chance < self.misses or _within(time, person.unseen) or hidden > 0.8 or shown < 0.3
        score = 0.0 if lost else float(np.clip(person.score - 0.6 * hidden + wobble, 0.05, 0.99))
        keypoints = np.concatenate((points, confidence[:, None]), axis=1)
        return box.astype(np.float32), score, keypoints.astype(np.float32)


def crossing_pair() -> World:
    """Two people walk past each other; for a moment the nearer one hides the other."""
    left = Person(lambda t: (100 + 110 * t, 190), height=130)
    right = Person(lambda t: (540 - 110 * t, 180), phase=0.4)
    return World((left, right), seconds=4.0)


def meet_and_turn(*shirts: tuple[int, int, int]) -> World:
    """Two of one build run up to each other, out of sight for half a second, and each comes back the way they went."""

    def run(side: int) -> Path:
        return lambda t: (320 + side * (15 + 120 * abs(t - 1.5)), 180)

    people = (
        Person(run(side), unseen=[(1.25, 1.75)], shirt=shirt) for side, shirt in zip((-1, 1), shirts, strict=True)
    )
    return World(tuple(people), seconds=3.0)


def converge(shirt: tuple[int, int, int] | None = None) -> World:
    """Two of one build, in one shirt, go the same way on paths that cross: for a second the nearer hides the other."""

    def walk(side: int) -> Path:
        return lambda t: (320 + 85 * (t - 1.5), 180 + side * (4 + 42 * (t - 1.5)))

    return World((Person(walk(1), shirt=shirt), Person(walk(-1), phase=0.4, shirt=shirt)), seconds=3.0)


def take_the_place(*shirts: tuple[int, int, int]) -> World:
    """Somebody walks behind a pillar and stays there; two seconds later another of the same build steps out."""
    hiding, stepping_out = shirts
    gone = Person(lambda t: (200 + 60 * t, 180), unseen=[(1.0, 9.0)], shirt=hiding)
    come = Person(lambda t: (290 + 60 * (t - 3), 180), unseen=[(0.0, 3.0)], shirt=stepping_out)
    return World((gone, come), seconds=4.0)


def short_occlusion(seconds: float = 1.0) -> World:
    """Somebody walks on unseen for `seconds`, from the first second on, while another stands by."""
    walker = Person(lambda t: (120 + 60 * t, 180), unseen=[(1.0, 1.0 + seconds)])
    return World((walker, Person(lambda _: (560, 180))), seconds=2.0 + seconds)


def leave_and_return(away: float = 1.0) -> World:
    """Somebody walks out at the left edge, is gone for `away` seconds and walks in again; another stands by."""
    speed, start = 90.0, 150.0

    def walk(time: float) -> tuple[float, float]:
        gone = start / speed  # when the body's centre reaches the edge
        turn = gone + away / 2
        return start - speed * (time if time < turn else 2 * turn - time), 180.0

    return World((Person(walk), Person(lambda _: (500, 180), phase=0.3)), seconds=2 * start / speed + away)


def crowd(count: int, seconds: float = 3.0) -> World:
    """`count` people in rows, each swaying about their own place."""
    columns = int(np.ceil(np.sqrt(count * 2)))
    width, height = 60 * columns, 130 * int(np.ceil(count / columns)) + 20

    def sway(index: int) -> Path:
        x, y = 30 + 60 * (index % columns), 75 + 130 * (index // columns)
        return lambda t: (x + 10 * np.sin(2 * np.pi * (t / 2 + index / 7)), y)

    people = tuple(Person(sway(index), height=110, phase=index / 5) for index in range(count))
    return World(people, seconds, width, height)


def sudden_start() -> World:
    """Somebody stands, then runs at three body heights a second."""
    return World((Person(lambda t: (80 + 360 * max(t - 1, 0), 180)),), seconds=2.2)


def _within(time: float, spans: Spans) -> bool:
    return any(start <= time < end for start, end in spans)


def _area(box: NDArray[np.float64]) -> float:
    return float(np.prod(np.maximum(box[2:] - box[:2], 0)))


def _touch(box: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    return bool(box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3])


def _covered(box: NDArray[np.float64], front: NDArray[np.float64]) -> float:
    """Share of `box` that `front` hides."""
    common = np.concatenate((np.maximum(box[:2], front[:2]), np.minimum(box[2:], front[2:])))
    return _area(common) / max(_area(box), 1e-9)
