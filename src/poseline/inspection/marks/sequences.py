"""Sequences: everybody's poses in order, one person after another, so that all frames are judged at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from poseline.analysis.motion import BODY, Bools, Doubles, Integers, middle
from poseline.analysis.persons import LoggedPerson, shape
from poseline.inspection.marks.mark import Mark
from poseline.log import Tracks
from poseline.pose import UNTRACKED
from poseline.short_repr import short_repr

BREAK = 0.3
"""Seconds between two poses from which one says nothing of the other."""
BORDER = 0.01
"""Share of the picture's size that counts as its border."""


@dataclass(frozen=True, eq=False)
class Sequences:
    """N poses of P persons: all of the first by frame, then all of the second, and so on."""

    tracks: Tracks
    rows: Integers
    """(N,) indices into `tracks.rows`."""
    person: Integers
    """(N,) index of the person, from 0, never falling."""
    named: Integers
    """(P,) the id by which each person is called where the log gives none."""
    cuts: Integers = field(default_factory=lambda: np.zeros(0, np.int64))
    """Rows that say nothing of the ones before them, whoever is the same."""

    __repr__ = short_repr

    @classmethod
    def of_persons(cls, tracks: Tracks, persons: Sequence[LoggedPerson]) -> Sequences:
        """Of persons whose fragments were joined."""
        rows = np.concatenate([person.rows for person in persons])
        count = [len(person.rows) for person in persons]
        return cls(tracks, rows, np.repeat(np.arange(len(persons)), count), np.array([each.id for each in persons]))

    @classmethod
    def of_ids(cls, tracks: Tracks) -> Sequences:
        """Of the log's own ids."""
        rows = np.flatnonzero(tracks.rows.id != UNTRACKED)
        rows = rows[np.lexsort((tracks.rows.frame[rows], tracks.rows.id[rows]))]
        named, person = np.unique(tracks.rows.id[rows], return_inverse=True)
        return cls(tracks, rows, person.astype(np.int64), named)

    def cut(self, marks: Iterable[Mark]) -> Sequences:
        """The same, cut at the end of each of these marks for the ids that it is about."""
        ends = {(number, mark.end) for mark in marks for number in mark.persons}
        if not ends:
            return self
        numbers, frames = np.array(sorted(ends)).T
        keys = numbers * (int(self.frame.max()) + 1) + frames
        own = self.ids * (int(self.frame.max()) + 1) + self.frame
        return replace(self, cuts=np.flatnonzero(np.isin(own, keys)).astype(np.int64))

    @cached_property
    def starts(self) -> Integers:
        """(P + 1,) where each person begins, and N."""
        return np.searchsorted(self.person, np.arange(len(self.named) + 1))

    @cached_property
    def place(self) -> Integers:
        """(N,) index into the frames of the log."""
        return self.tracks.rows.frame[self.rows].astype(np.int64)

    @cached_property
    def frame(self) -> Integers:
        """(N,) the log's number of the frame."""
        return self.tracks.frames[self.place]

    @cached_property
    def times(self) -> Doubles:
        """(N,) seconds."""
        return self.tracks.times[self.place]

    @cached_property
    def ids(self) -> Integers:
        """(N,) by which each is called."""
        own = self.tracks.rows.id[self.rows]
        ids: Integers = np.where(own == UNTRACKED, self.named[self.person], own)
        return ids

    @cached_property
    def points(self) -> Doubles:
        """(N, K, 2) square pixels, NaN where there is no point."""
        wide = np.array([self.tracks.pixel_aspect, 1.0])
        points: Doubles = self.tracks.rows.keypoints[self.rows, :, :2] * wide
        return points

    @cached_property
    def confidence(self) -> Doubles:
        """(N, K) 0..1."""
        confidence: Doubles = np.nan_to_num(self.tracks.rows.keypoints[self.rows, :, 2].astype(float))
        return confidence

    @cached_property
    def columns(self) -> dict[str, int]:
        """Which keypoint has which name."""
        return {name: column for column, name in enumerate(self.tracks.skeleton.names)}

    @cached_property
    def centre(self) -> Doubles:
        """(N, 2) the middle of shoulders and hips; NaN where one of them is not seen."""
        centre: Doubles = self.points[:, [self.columns[name] for name in BODY]].mean(axis=1)
        return centre

    @cached_property
    def at_side(self) -> Bools:
        """(N,) whose box touches the left or the right border of the picture, where people come and go."""
        width, _, _ = shape(self.tracks)
        boxes, margin = self.tracks.rows.box[self.rows], BORDER * width
        touches: Bools = (boxes[:, 0] <= margin) | (boxes[:, 2] >= (width or np.inf) - margin)
        return touches

    @cached_property
    def torso(self) -> Doubles:
        """(N,) each person's median distance from mid hip to mid shoulder, 0.3 of the box's height if never seen."""
        left_shoulder, right_shoulder, left_hip, right_hip = (self.points[:, self.columns[name]] for name in BODY)
        length = np.linalg.norm(left_shoulder + right_shoulder - left_hip - right_hip, axis=1) / 2
        boxes = self.tracks.rows.box[self.rows]
        usual = self.each(length, middle)
        other = self.each(0.3 * (boxes[:, 3] - boxes[:, 1]).astype(float), middle)
        torso: Doubles = np.maximum(np.where(usual > 0, usual, np.nan_to_num(other)), 1.0)[self.person]
        return torso

    def each(self, values: Doubles, measure: Callable[[Doubles], float]) -> Doubles:
        """(P,) a measure of each person's values."""
        return np.array(
            [measure(values[start:end]) for start, end in zip(self.starts[:-1], self.starts[1:], strict=True)]
        )

    @cached_property
    def gap(self) -> Doubles:
        """(N,) seconds since the pose before, inf for each person's first."""
        return self.since(1)

    def since(self, span: int) -> Doubles:
        """(N,) seconds since the pose `span` before it, inf where that is another person's or before a cut."""
        seconds = np.full(len(self.rows), np.inf)
        if len(self.rows) > span:
            same = self.person[span:] == self.person[:-span]
            seconds[span:] = np.where(same, self.times[span:] - self.times[:-span], np.inf)
        for after in range(span):
            seconds[self.cuts[self.cuts + after < len(seconds)] + after] = np.inf
        return seconds

    @cached_property
    def by_time(self) -> Integers:
        """(N,) rows in the order of frames."""
        order: Integers = np.argsort(self.place, kind="stable")
        return order

    @cached_property
    def sorted_times(self) -> Doubles:
        """(N,) seconds of the rows `by_time`."""
        times: Doubles = self.times[self.by_time]
        return times

    def runs(self, chosen: Bools, between: int = 0) -> list[tuple[int, int]]:
        """First and last row of each run in `chosen` (N,); runs with up to `between` rows between them are one.

        A run ends where the person is not seen for long.
        """
        rows = np.flatnonzero(chosen)
        if not len(rows):
            return []
        apart = (np.diff(rows) > between + 1) | (np.diff(self.person[rows]) != 0)
        apart |= np.diff(np.cumsum(self.gap >= BREAK)[rows]) > 0
        breaks = np.flatnonzero(apart) + 1
        return list(zip(rows[np.r_[0, breaks]].tolist(), rows[np.r_[breaks - 1, len(rows) - 1]].tolist(), strict=True))

    def near(self, chosen: Bools, reach: int) -> Bools:
        """(N,) rows at most `reach` from one that is chosen, of the same person."""
        result = chosen.copy()
        for span in range(1, reach + 1):
            same = self.person[span:] == self.person[:-span]
            result[span:] |= chosen[:-span] & same
            result[:-span] |= chosen[span:] & same
        return result

    def within(self, chosen: Bools, seconds: float) -> Bools:
        """(N,) rows at most so many seconds from one that is chosen, of the same person."""
        rows = np.flatnonzero(chosen)
        if not len(rows):
            return np.zeros(len(chosen), bool)
        after = np.searchsorted(rows, np.arange(len(chosen)))
        result = np.zeros(len(chosen), bool)
        for other in (rows[np.minimum(after, len(rows) - 1)], rows[np.maximum(after - 1, 0)]):
            result |= (self.person[other] == self.person) & (np.abs(self.times[other] - self.times) <= seconds)
        return result
