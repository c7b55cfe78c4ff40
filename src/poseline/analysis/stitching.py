"""Fragments of one person joined into one, after the fact: by time, by place and by the size of the torso.

A log keeps the ids that its tracker gave while it looked; this says which of them are one person, and leaves them as
they are. Two rounds:

1. detections without an id join the track that leads to where they are;
2. tracks that are never seen in the same frame are joined, nearest first, where one leads to the other: somebody was
   hidden and got a new id, or left the picture and came back.

Colours are not in a log, so two people who leave at the same place and of whom one returns cannot be told apart; every
join is listed with what spoke for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from poseline.analysis.motion import Bools, Doubles, Integers, middle
from poseline.pose import UNTRACKED
from poseline.short_repr import short_repr

_LONGEST = 4.0
"""Seconds for which somebody may be gone and still be taken for the same person."""
_HIDDEN = 1.0
"""Seconds for which a track leads to a detection without an id."""
_COAST = 0.5
"""Seconds for which somebody unseen is expected to go on as before."""
_NEAR, _ROAM, _FAR = 0.6, 1.5, 2.0
"""How far from where they are expected somebody may be: torsos at once, torsos a second more, and up to what second."""
_GROWTH = 1.4
"""Largest ratio of the sizes of two torsos that are one person's."""
_RECENT = 0.3
"""Seconds at an end of a track over which its speed and size are taken."""


@dataclass(frozen=True, eq=False)
class Fragment:
    """What a log holds under one id, or one detection without an id."""

    id: int
    """The id in the log; `UNTRACKED` (-1) for a detection without one."""
    frames: Integers
    """(N,) the frames of the clip in which it was seen, rising."""
    times: Doubles
    """(N,) seconds of those frames."""
    points: Doubles
    """(N, K, 2) square pixels, NaN where unseen."""

    __repr__ = short_repr


@dataclass(frozen=True)
class Join:
    """Two things taken for one person."""

    first: int
    """Index into the fragments; a track that had joined others before stands for all of them."""
    second: int
    gap: float
    """Seconds between the two where they are nearest in time."""
    distance: float
    """Torsos between where one was expected and where the other was seen."""


@dataclass(frozen=True)
class Stitched:
    """Who is who."""

    persons: tuple[tuple[int, ...], ...]
    """For each person the indices of their fragments, in order of time; persons by their first frame."""
    loose: tuple[int, ...]
    """Indices of detections without an id that no track leads to."""
    joins: tuple[Join, ...]

    __repr__ = short_repr


def stitch(fragments: Sequence[Fragment], names: Sequence[str]) -> Stitched:
    """Join the fragments that are one person.

    Args:
        fragments: those with an id at most once an id; those without (`UNTRACKED`) one for each detection.
        names: of the K keypoints.
    """
    tracks = {index: _Track.of(fragment, names, index) for index, fragment in enumerate(fragments)}
    loose = [index for index, fragment in enumerate(fragments) if fragment.id == UNTRACKED]
    known = [tracks[index] for index in tracks if fragments[index].id != UNTRACKED]
    joins: list[Join] = []
    left = _join_loose(known, [tracks[index] for index in loose], joins)
    known = _join_tracks(known, joins)
    persons = sorted(known, key=lambda track: track.frames[0])
    ordered = [tuple(sorted(track.parts, key=lambda part: fragments[part].frames[0])) for track in persons]
    return Stitched(tuple(ordered), tuple(track.parts[0] for track in left), tuple(joins))


@dataclass(eq=False)
class _Track:
    """Where somebody was, and how large."""

    parts: list[int]
    frames: Integers
    times: Doubles
    centres: Doubles
    """(N, 2) middle of the torso, or of what is seen."""
    sizes: Doubles
    """(N,) of the torso, NaN where it is not seen."""

    @classmethod
    def of(cls, fragment: Fragment, names: Sequence[str], index: int) -> _Track:
        place = {name: column for column, name in enumerate(names)}
        torso = [place[name] for name in ("left_shoulder", "right_shoulder", "left_hip", "right_hip") if name in place]
        points = fragment.points
        spread = np.linalg.norm(_middle(points[:, torso[:2]]) - _middle(points[:, torso[2:]]), axis=1)
        centre = _middle(points[:, torso])
        unseen = ~np.isfinite(centre).all(axis=1)
        centre[unseen] = _middle(points[unseen])
        rows = np.isfinite(centre).all(axis=1)
        return cls([index], fragment.frames[rows], fragment.times[rows], centre[rows], spread[rows])

    @property
    def start(self) -> float:
        """Seconds, when it is first seen."""
        return float(self.times[0])

    @property
    def end(self) -> float:
        """Seconds, when it is last seen."""
        return float(self.times[-1])

    def reaches(self, times: Doubles, seconds: float) -> Bools:
        """(N,) whether it begins and ends no farther than `seconds` from each of the times."""
        if not len(self.times):
            return np.zeros(len(times), bool)
        reached: Bools = (self.times[0] - seconds <= times) & (times <= self.times[-1] + seconds)
        return reached

    def has(self, frames: Integers) -> Bools:
        """(N,) whether it is seen in each of the frames."""
        if not len(self.frames):
            return np.zeros(len(frames), bool)
        place = np.searchsorted(self.frames, frames)
        found: Bools = self.frames[np.minimum(place, len(self.frames) - 1)] == frames
        return found

    def add(self, *others: _Track) -> None:
        """Take in others that are never seen in the same frame."""
        every = (self, *others)
        order = np.argsort(np.concatenate([each.frames for each in every]), kind="stable")
        for name in ("frames", "times", "centres", "sizes"):
            setattr(self, name, np.concatenate([getattr(each, name) for each in every])[order])
        self.parts += [part for each in others for part in each.parts]

    def size(self, time: float) -> float:
        """Of the torso near `time`, NaN where it is not seen then."""
        early, late = np.searchsorted(self.times, [time - _RECENT, time + _RECENT])
        if early == late:  # nearest end of a gap
            early = max(0, int(early) - 1)
            late = early + 2
        return middle(self.sizes[early:late])

    def expected(self, time: float) -> tuple[Doubles, float]:
        """Where somebody would be at a `time` at which they were not seen, and for how long they have not been."""
        after = int(np.searchsorted(self.times, time))
        if 0 < after < len(self.times) and self.times[after] - self.times[after - 1] <= _HIDDEN:
            share = (time - self.times[after - 1]) / (self.times[after] - self.times[after - 1])
            between = self.centres[after - 1] + share * (self.centres[after] - self.centres[after - 1])
            return between, float(min(time - self.times[after - 1], self.times[after] - time))
        before = after > 0 and (after == len(self.times) or time - self.times[after - 1] < self.times[after] - time)
        end = after - 1 if before else after
        ahead = time - self.times[end]
        coast = np.clip(ahead, -_COAST, _COAST)
        return self.centres[end] + self._speed(end, before) * coast, abs(float(ahead))

    def _speed(self, end: int, before: bool) -> Doubles:
        """(2,) px/s over the moments that lead to row `end`, or away from it."""
        near = self.times[end] - self.times if before else self.times - self.times[end]
        rows = (near >= 0) & (near <= _RECENT)
        if rows.sum() < 3:
            return np.zeros(2)
        away = self.times[rows] - self.times[rows].mean()
        speed: Doubles = (away[:, None] * self.centres[rows]).sum(axis=0) / (away**2).sum()
        return speed


def _join_loose(known: list[_Track], loose: list[_Track], joins: list[Join]) -> list[_Track]:
    """Give each detection without an id to the track that leads to it best; those that are left over."""
    seen = [number for number, detection in enumerate(loose) if len(detection.times)]
    if not seen:
        return loose
    times = np.array([loose[number].times[0] for number in seen])
    frames = np.array([loose[number].frames[0] for number in seen])
    ways: list[tuple[float, float, float, int, int]] = []
    for place, track in enumerate(known):
        for index in np.flatnonzero(track.reaches(times, _HIDDEN) & ~track.has(frames)).tolist():
            gap, distance = _between(track, loose[seen[index]], float(times[index]))
            if gap <= _HIDDEN and distance <= _reach(gap):
                ways.append((distance / _reach(gap), gap, distance, seen[index], place))
    taken: set[int] = set()
    given: dict[int, dict[int, int]] = {}  # of each track, the detection by its frame
    for _, gap, distance, number, place in sorted(ways, key=lambda way: way[0]):
        frame = int(loose[number].frames[0])
        if number not in taken and frame not in given.setdefault(place, {}):
            joins.append(Join(known[place].parts[0], loose[number].parts[0], gap, distance))
            given[place][frame] = number
            taken.add(number)
    for place, numbers in given.items():
        known[place].add(*(loose[number] for number in numbers.values()))
    return [detection for number, detection in enumerate(loose) if number not in taken]


def _join_tracks(known: list[_Track], joins: list[Join]) -> list[_Track]:
    """Join tracks, the surest first, until none leads to another."""
    left = {number: track for number, track in enumerate(known) if len(track.times)}
    possible = {pair: way for pair in combinations(left, 2) if (way := _way(left[pair[0]], left[pair[1]])) is not None}
    while possible:
        (first, second), (_, gap, distance) = min(possible.items(), key=lambda item: item[1][0])
        joins.append(Join(left[first].parts[0], left[second].parts[0], gap, distance))
        left[first].add(left.pop(second))
        possible = {pair: way for pair, way in possible.items() if first not in pair and second not in pair}
        for other in left:
            pair = min(first, other), max(first, other)
            if other != first and (way := _way(left[pair[0]], left[pair[1]])) is not None:
                possible[pair] = way
    return list(left.values())


def _way(first: _Track, second: _Track) -> tuple[float, float, float] | None:
    """How unlike it is that two tracks are one person, with their gap and distance; None: they cannot be."""
    apart = max(first.start, second.start) - min(first.end, second.end)
    if apart > _LONGEST or (apart <= 0 and first.has(second.frames).any()):
        return None
    times = np.concatenate([first.times, second.times])
    order = np.argsort(times, kind="stable")
    times = times[order]
    of_second = np.isin(order, np.arange(len(first.times)), invert=True)
    worst = (0.0, 0.0, 0.0)
    for row in np.flatnonzero(of_second[1:] != of_second[:-1]):
        early, late = (second, first) if of_second[row] else (first, second)
        gap = float(times[row + 1] - times[row])
        if gap > _LONGEST:
            return None
        distance = min(
            _between(_until(early, times[row]), late, float(times[row + 1]))[1],
            _between(_since(late, times[row + 1]), early, float(times[row]))[1],
        )
        if distance > _reach(gap):
            return None
        worst = max(worst, (distance / _reach(gap) + gap / _LONGEST, gap, distance))
    return worst


def _between(track: _Track, other: _Track, time: float) -> tuple[float, float]:
    """How long `track` had not been seen at a `time` of `other`, and how many torsos they are from each other then.

    inf torsos where they are not of one size.
    """
    size, own = track.size(time), other.size(time)
    if not (np.isfinite(size) and np.isfinite(own)):
        size = own = float(np.nanmax([size, own, 1.0]))
    if max(size, own) > _GROWTH * min(size, own):
        return 0.0, float("inf")
    place, gap = track.expected(time)
    row = int(np.argmin(np.abs(other.times - time)))
    return gap, float(np.linalg.norm(place - other.centres[row]) / max((size + own) / 2, 1.0))


def _until(track: _Track, time: float) -> _Track:
    """What it did up to `time`."""
    return _rows(track, track.times <= time)


def _since(track: _Track, time: float) -> _Track:
    """What it did from `time` on."""
    return _rows(track, track.times >= time)


def _rows(track: _Track, rows: Bools) -> _Track:
    return _Track(track.parts, track.frames[rows], track.times[rows], track.centres[rows], track.sizes[rows])


def _reach(gap: float) -> float:
    return _NEAR + _ROAM * min(gap, _FAR)


def _middle(points: Doubles) -> Doubles:
    """(N, 2) the mean of what is seen of (N, P, 2), NaN where nothing is."""
    seen = np.isfinite(points[:, :, 0]) & np.isfinite(points[:, :, 1])
    count = seen.sum(axis=1, keepdims=True)
    total = np.where(seen[:, :, None], points, 0).sum(axis=1)
    result: Doubles = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return result
