"""Tracker: gives every person an id and keeps it while they move, are hidden for a while, or leave and come back.

Four rounds a frame, each over what the one before left unpaired:

1. detections of high score with all tracks, by likeness of box, keypoints and, where it is known, the torso's colour;
2. detections of low score with tracks seen lately, if twice as alike: people half hidden, who must not lose their id
   but start none (two rounds by score: Zhang et al., "ByteTrack", ECCV 2022); those below `conf` count in no other way;
3. detections that would start a track with tracks still unpaired, by colour and nearness to where the track was
   heading, in a circle that widens with the time out of sight: fast starts, low frame rates, long occlusions, leaving
   and returning;
4. the same with tracks of the frame before, whatever the colour, if they are as alike as one person is from frame to
   frame: the light has changed, or an arm hides the shirt. Less alike, it is somebody else who comes before them.

A detection that is left over starts a track. It gets its id at once if its score is high, or in the first frame;
else once it has been followed for a tenth of a second, so that a flicker in the background takes no id. Until then its
id is `UNTRACKED`, and stays so in the frames that have gone by.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from poseline.pose import UNTRACKED, Floats, Integers, Poses
from poseline.settings import TrackingSettings
from poseline.tracking.appearance import learned, resemblance
from poseline.tracking.match import (
    SAME,
    Candidate,
    Indices,
    Shapes,
    alike_pairs,
    best_pairs,
    crowding,
    flattened,
    nearness,
    oks_weights,
)  # fmt: skip
from poseline.tracking.motion import COAST, Motion, to_centres

_SURE = 0.7
"""Score from which a new person needs no probation."""
_PROBATION = 0.09
"""Seconds for which a less sure one is followed before it gets an id: just under one frame at 10 frames a second."""
_NOBODY = -1
"""In place of a track's row: no track."""


@dataclass(slots=True)
class _Track:
    """What is known of somebody, beside place and look."""

    number: int
    """The id; `UNTRACKED` while on probation."""
    kind: int
    """The class."""
    age: float = 0.0
    """Seconds since first seen."""
    unseen: float = 0.0
    """Seconds since last seen."""


class Tracker:
    """Keeps the tracks of one run. Ids count from 1 and are never reused by this tracker. For one thread.

    Places, keypoints and colours are arrays, one row a track, worked on for all at once. Choices are made in Python
    over the few pairs that overlap: there a numpy call costs more than what it would do.
    """

    def __init__(self, settings: TrackingSettings, sigmas: Floats | tuple[float, ...], conf: float = 0.0) -> None:
        """A tracker of nobody yet.

        Args:
            settings: thresholds and times.
            sigmas: the skeleton's, one for each of the K keypoints that all poses must have.
            conf: score from which a detection counts by itself; one below it may go on with a track, but starts none.
        """
        self.conf = conf
        self._settings = settings
        self._keypoint_count = len(sigmas)
        self._oks_weights = oks_weights(np.asarray(sigmas, np.float32))
        self._along = np.tile(np.eye(2, 3, dtype=np.float32), len(sigmas))  # (2, 3 K): x and y to x, y, 0, x, y, 0...
        self._next_id = 1
        self.forget()

    def forget(self) -> None:
        """Drop every track, as at a change of scene. Ids already given are not given again."""
        self._time: float | None = None
        self._step = 0.0  # seconds since the frame before
        self._tracks: list[_Track] = []
        self._motion = Motion()
        self._points: Floats = np.zeros((0, 3 * self._keypoint_count), np.float32)  # as last seen, carried along
        self._colours: Floats = np.zeros((0, 3), np.float32)  # NaN while unknown
        self._all_seen = True  # in the frame before

    def __len__(self) -> int:
        """How many tracks are alive: in sight, waiting, or on probation."""
        return len(self._tracks)

    def update(self, poses: Poses, time: float, colours: Floats | None = None) -> Poses:
        """Follow everybody into the next frame.

        Args:
            poses: what was detected, best score first, with as many keypoints as there are sigmas.
            time: the frame's time in seconds; one that does not advance counts as no time passed.
            colours: (N, 3) what each wears, NaN where unknown, as `torso_colours` gives it; None if unknown.

        Returns:
            The same poses in the same order with ids filled in. A pose stays `UNTRACKED` that matches no track and
            has too low a score to start one, that is on probation, that repeats a better detection of the same
            person, or whose box is not finite.

        Raises:
            ValueError: `time` is not finite, or `poses` have another number of keypoints than there are sigmas.
        """
        self._check(poses, time)
        first = self._time is None
        self._advance(time)
        finite, high_enough = np.isfinite(poses.boxes), poses.scores >= self._settings.low
        if np.count_nonzero(finite) == finite.size and np.count_nonzero(high_enough) == len(poses):
            return poses.with_ids(self._identify(poses, colours, first))
        valid = finite.all(axis=1) & high_enough
        ids = np.full(len(poses), UNTRACKED, np.int64)
        ids[valid] = self._identify(poses[valid], None if colours is None else colours[valid], first)
        return poses.with_ids(ids)

    def _identify(self, found: Poses, worn: Floats | None, first: bool) -> Integers:
        """(M,) the ids of the M detections."""
        count, tracks = len(self), self._tracks
        boxes = np.concatenate((self._motion.boxes(), found.boxes))
        everybody = Shapes.of(boxes, np.concatenate((self._points, flattened(found.keypoints))))
        detected = everybody.since(count)
        rows, detections, likeness = alike_pairs(everybody, detected, self._oks_weights)
        end = int(rows.searchsorted(count))  # of the pairs with tracks; behind it those among the detections
        alike = list(zip(rows.tolist(), detections.tolist(), likeness.tolist(), strict=True))
        repeated, crowded = crowding((row - count, other, like) for row, other, like in alike[end:])
        suits = self._resemblance(worn, rows[:end], detections[:end])
        owners, fresh = self._associate(found, worn, alike[:end], suits, repeated)
        if worn is not None and crowded:
            worn = worn.copy()
            worn[list(crowded)] = np.nan  # a torso half behind another's is not learned
        self._follow(found, detected.points, worn, owners)
        if fresh:
            chosen = np.array(fresh)
            self._start(found[chosen], detected.points[chosen], None if worn is None else worn[chosen], known=first)
            for row, detection in enumerate(fresh, count):
                owners[detection] = row
        ids = np.array([UNTRACKED if row == _NOBODY else tracks[row].number for row in owners], np.int64)
        self._keep([
            row
            for row, track in enumerate(tracks)
            if track.number != UNTRACKED or track.unseen <= _PROBATION
        ])  # fmt: skip
        return ids

    def _check(self, poses: Poses, time: float) -> None:
        if not math.isfinite(time):
            raise ValueError(f"the time of a frame must be finite, got {time}")
        if poses.keypoints.shape[1] != self._keypoint_count:
            raise ValueError(f"poses have {poses.keypoints.shape[1]} keypoints, but the tracker {self._keypoint_count}")

    def _advance(self, time: float) -> None:
        self._step = 0.0 if self._time is None else max(time - self._time, 0.0)
        self._time = time
        unseen = None if self._all_seen else np.array([track.unseen for track in self._tracks])
        moved = self._motion.predict(self._step, unseen)
        self._points += moved.astype(np.float32).dot(self._along)
        for track in self._tracks:
            track.age += self._step
            track.unseen += self._step
        self._keep([row for row, track in enumerate(self._tracks) if track.unseen <= self._settings.buffer])

    def _associate(
        self, found: Poses, worn: Floats | None, alike: list[Candidate], suits: list[float], repeated: set[int]
    ) -> tuple[list[int], list[int]]:
        """The row of each detection's track, or `_NOBODY`; and which of these last start one.

        Args:
            found: the detections.
            worn: their colours.
            alike: tracks and detections that overlap, and how alike they are.
            suits: how well each of these pairs goes together in colour.
            repeated: detections that are no persons of their own.
        """
        tracks, least = self._tracks, self._settings.match
        scores, kinds = found.scores.tolist(), found.classes.tolist()
        owners = [_NOBODY] * len(found)

        def claim(candidates: list[Candidate]) -> None:
            for row, detection in best_pairs(candidates):
                owners[detection] = row

        # Where one stands before the other, there is one detection for both: whoever was seen last is the one in front.
        waited = [1 + min(track.unseen, COAST) for track in tracks]
        possible = [
            (row, detection, like, colour)
            for (row, detection, like), colour in zip(alike, suits, strict=True)
            if tracks[row].kind == kinds[detection] and detection not in repeated
        ]
        dressed = [(row, detection, like * colour / waited[row]) for row, detection, like, colour in possible]
        high = self._settings.high
        claim([each for each in dressed if each[2] >= least and scores[each[1]] >= high])
        left = [detection for detection, owner in enumerate(owners) if owner == _NOBODY and detection not in repeated]
        if not left:
            return owners, left
        free = set(range(len(self))).difference(owners)
        claim([
            each
            for each in dressed
            if each[2] >= 2 * least
            and scores[each[1]] < high
            and each[0] in free
            and tracks[each[0]].unseen <= COAST
        ])  # fmt: skip
        enough = max(self._settings.new, self.conf)
        newcomers = [detection for detection in left if owners[detection] == _NOBODY and scores[detection] >= enough]
        free.difference_update(owners)
        if newcomers and free:
            claim(self._near(sorted(free), newcomers, found, worn))
            if worn is not None:
                lately = self._step + _PROBATION
                free.difference_update(owners)
                claim([
                    (row, detection, like)
                    for row, detection, like, _ in possible
                    if like >= SAME
                    and row in free
                    and detection in newcomers  # also from a track to which round 3 gave it
                    and tracks[row].unseen <= lately
                ])  # fmt: skip
        return owners, [detection for detection in newcomers if owners[detection] == _NOBODY]

    def _resemblance(self, worn: Floats | None, rows: Indices, detections: Indices) -> list[float]:
        """How alike each pair of a track and a detection is in what they wear; 1 where that is unknown."""
        if worn is None:
            return [1.0] * len(rows)
        alike: list[float] = resemblance(self._colours.take(rows, axis=0), worn.take(detections, axis=0)).tolist()
        return alike

    def _near(self, rows: list[int], detections: list[int], found: Poses, worn: Floats | None) -> list[Candidate]:
        """Those of the detections that could be one of these tracks by place, size, class and colour."""
        places, kinds = self._motion.position.tolist(), found.classes.tolist()
        centres = to_centres(found.boxes).tolist()
        near = [
            (row, detection, nearness(places[row], centres[detection], self._tracks[row].unseen))
            for row in rows
            for detection in detections
            if self._tracks[row].kind == kinds[detection]
        ]
        near = [each for each in near if each[2] > 0]
        suits = self._resemblance(worn, *np.array([each[:2] for each in near], np.intp).reshape(-1, 2).T)
        return [
            (row, detection, close * colour)
            for (row, detection, close), colour in zip(near, suits, strict=True)
            if colour > 0
        ]

    def _follow(self, found: Poses, points: Floats, worn: Floats | None, owners: list[int]) -> None:
        """Move the tracks that were seen to where they were seen, and name those whose probation ends with it."""
        for detection, row in enumerate(owners):
            if row != _NOBODY:
                track = self._tracks[row]
                track.unseen = 0.0
                if track.number == UNTRACKED and (track.age >= _PROBATION or found.scores[detection] >= _SURE):
                    track.number = self._new_id()
        pairs = sorted([(row, detection) for detection, row in enumerate(owners) if row != _NOBODY])
        seen = np.array([row for row, _ in pairs], np.intp)
        detections = np.array([detection for _, detection in pairs], np.intp)
        self._all_seen = len(pairs) == len(self)
        rows = slice(None) if self._all_seen else seen  # a slice selects without a copy
        self._motion.update(seen, to_centres(found.boxes.take(detections, axis=0)))
        self._points[rows] = points.take(detections, axis=0)
        if worn is not None:
            self._colours[rows] = learned(self._colours[rows], worn.take(detections, axis=0), self._step)

    def _start(self, found: Poses, points: Floats, worn: Floats | None, known: bool) -> None:
        """Append a track for each of the M detections.

        They get ids at once if `known`, else where their score is high.
        """
        for score, kind in zip(found.scores.tolist(), found.classes.tolist(), strict=True):
            number = self._new_id() if known or score >= _SURE else UNTRACKED
            self._tracks.append(_Track(number, kind))
        self._motion.start(to_centres(found.boxes))
        self._points = np.concatenate((self._points, points))
        unknown = np.full((len(found), 3), np.nan, np.float32)
        self._colours = np.concatenate((self._colours, unknown if worn is None else worn))

    def _new_id(self) -> int:
        self._next_id += 1
        return self._next_id - 1

    def _keep(self, rows: list[int]) -> None:
        if len(rows) == len(self):
            return
        self._motion.keep(rows)
        self._tracks = [self._tracks[row] for row in rows]
        self._points, self._colours = self._points[rows], self._colours[rows]
