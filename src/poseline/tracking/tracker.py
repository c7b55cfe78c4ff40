"""Tracker: gives every person an id and keeps it while they move, are hidden for a while, or leave and come back.

Three rounds a frame, each over what the one before left unpaired:

1. detections of high score with all tracks, by likeness of box and keypoints;
2. detections of low score with tracks seen lately: people half hidden, who must not lose their id but start none
   (two rounds by score: Zhang et al., "ByteTrack", ECCV 2022);
3. detections that would start a track with tracks still unpaired, by nearness to where the track was heading, in a
   circle that widens with the time out of sight: fast starts, low frame rates, long occlusions, leaving and returning.

A detection that is left over starts a track. It gets its id at once if its score is high, or in the first frame;
else once it has been followed for a tenth of a second, so that a flicker in the background takes no id. Until then its
id is `UNTRACKED`, and stays so in the frames that have gone by.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from poseline.pose import UNTRACKED, Floats, Integers, Poses
from poseline.settings import TrackingSettings
from poseline.tracking.match import duplicates, likeness, nearness, pair
from poseline.tracking.motion import COAST, Doubles, Motion, to_centres

_SURE = 0.7
"""Score from which a new person needs no probation."""
_PROBATION = 0.09
"""Seconds for which a less sure one is followed before it gets an id: just under one frame at 10 frames a second."""
_NOBODY = -1
"""In place of a track's row: no track."""


class Tracker:
    """Keeps the tracks of one run. Ids count from 1 and are never reused by this tracker. For one thread.

    State is parallel arrays, one row a track, so that a frame costs the same few numpy calls however many are in it.
    """

    def __init__(self, settings: TrackingSettings, sigmas: Floats | tuple[float, ...]) -> None:
        """`sigmas` are the skeleton's, one for each of the K keypoints that all poses must have."""
        self._settings = settings
        self._sigmas = np.asarray(sigmas, np.float32)
        self._next_id = 1
        self.forget()
        pair(np.ones((1, 1), np.float32), 0.0)  # scipy loads here: in the first frame it would cost a live run dear

    def forget(self) -> None:
        """Drop every track, as at a change of scene. Ids already given are not given again."""
        self._time: float | None = None
        self._motion = Motion()
        self._ids: Integers = np.zeros(0, np.int64)  # UNTRACKED while on probation
        self._classes: Integers = np.zeros(0, np.int64)
        self._keypoints: Floats = np.zeros((0, len(self._sigmas), 3), np.float32)  # as last seen
        self._seen_at: Doubles = np.zeros((0, 2))  # filtered centre when last seen
        self._age: Doubles = np.zeros(0)  # seconds since first seen
        self._unseen: Doubles = np.zeros(0)  # seconds since last seen

    def __len__(self) -> int:
        """How many tracks are alive: in sight, waiting, or on probation."""
        return len(self._ids)

    def update(self, poses: Poses, time: float) -> Poses:
        """Follow everybody into the next frame.

        Args:
            poses: what was detected, best score first, with as many keypoints as there are sigmas.
            time: the frame's time in seconds; one that does not advance counts as no time passed.

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
        usable = self._usable(poses)
        owners = self._associate(poses, usable)
        self._follow(poses, owners)
        fresh = usable & (owners == _NOBODY) & (poses.scores >= self._settings.new)
        owners[fresh] = self._start(poses, fresh, known=first)
        ids = np.append(self._ids, UNTRACKED)[owners]  # the last, for _NOBODY
        self._keep((self._ids != UNTRACKED) | (self._unseen <= _PROBATION))
        return poses.with_ids(ids)

    def _check(self, poses: Poses, time: float) -> None:
        if not math.isfinite(time):
            raise ValueError(f"the time of a frame must be finite, got {time}")
        if poses.keypoints.shape[1] != len(self._sigmas):
            raise ValueError(f"poses have {poses.keypoints.shape[1]} keypoints, but the tracker {len(self._sigmas)}")

    def _advance(self, time: float) -> None:
        seconds = 0.0 if self._time is None else max(time - self._time, 0.0)
        self._time = time
        self._motion.predict(seconds, self._unseen)
        self._age += seconds
        self._unseen += seconds
        self._keep(self._unseen <= self._settings.buffer)

    def _usable(self, poses: Poses) -> NDArray[np.bool_]:
        """(N,): of some score, finite, and no second detection of one person."""
        usable: NDArray[np.bool_] = (poses.scores >= self._settings.low) & np.isfinite(poses.boxes).all(axis=1)
        usable[usable] = ~duplicates(poses.boxes[usable], poses.keypoints[usable], self._sigmas)
        return usable

    def _associate(self, poses: Poses, usable: NDArray[np.bool_]) -> NDArray[np.intp]:
        """(N,) the row of each detection's track, or `_NOBODY`."""
        owners = np.full(len(poses), _NOBODY, np.intp)
        free = np.ones(len(self), np.bool_)

        def claim(scores: Floats, tracks: NDArray[np.bool_], detections: NDArray[np.bool_], least: float) -> None:
            rows, columns = np.flatnonzero(tracks & free), np.flatnonzero(detections & (owners == _NOBODY))
            found, seen = pair(scores[rows[:, None], columns], least)
            owners[columns[seen]] = rows[found]
            free[rows[found]] = False

        alike = self._likeness(poses)
        high = poses.scores >= self._settings.high
        claim(alike, free, usable & high, self._settings.match)
        claim(alike, self._unseen <= COAST, usable & ~high, self._settings.match)
        newcomers = usable & (owners == _NOBODY) & (poses.scores >= self._settings.new)
        if newcomers.any() and free.any():
            claim(self._nearness(poses), free, newcomers, 0.0)
        return owners

    def _likeness(self, poses: Poses) -> Floats:
        """(T, N), each track's keypoints carried along with its box; 0 for another class."""
        expected = self._keypoints.copy()
        expected[:, :, :2] += (self._motion.position[:, :2] - self._seen_at)[:, None]
        alike = likeness(self._motion.boxes(), expected, poses.boxes, poses.keypoints, self._sigmas)
        return self._of_one_class(alike, poses)

    def _nearness(self, poses: Poses) -> Floats:
        """(T, N); 0 for another class."""
        near = nearness(self._motion.position, to_centres(poses.boxes), self._unseen)
        return self._of_one_class(near, poses)

    def _of_one_class(self, scores: Floats, poses: Poses) -> Floats:
        same: Floats = np.where(self._classes[:, None] == poses.classes, scores, np.float32(0))
        return same

    def _follow(self, poses: Poses, owners: NDArray[np.intp]) -> None:
        """Move the tracks that were seen to where they were seen, and name those whose probation ends with it."""
        detections = np.flatnonzero(owners != _NOBODY)
        tracks = owners[detections]
        self._motion.update(tracks, to_centres(poses.boxes[detections]))
        self._seen_at[tracks] = self._motion.position[tracks, :2]
        self._keypoints[tracks] = poses.keypoints[detections]
        self._unseen[tracks] = 0
        proven = (self._age[tracks] >= _PROBATION) | (poses.scores[detections] >= _SURE)
        named = tracks[proven & (self._ids[tracks] == UNTRACKED)]
        self._ids[named] = self._new_ids(len(named))

    def _start(self, poses: Poses, fresh: NDArray[np.bool_], known: bool) -> NDArray[np.intp]:
        """Append a track for each of the M detections chosen by `fresh`, (N,), and return their M rows.

        They get ids at once if `known`, else where their score is high.
        """
        centres = to_centres(poses.boxes[fresh])
        named = (poses.scores[fresh] >= _SURE) | known
        ids = np.full(len(centres), UNTRACKED, np.int64)
        ids[named] = self._new_ids(int(named.sum()))
        rows = np.arange(len(self), len(self) + len(centres))
        self._motion.start(centres)
        self._ids = np.append(self._ids, ids)
        self._classes = np.append(self._classes, poses.classes[fresh])
        self._keypoints = np.concatenate((self._keypoints, poses.keypoints[fresh]))
        self._seen_at = np.concatenate((self._seen_at, centres[:, :2]))
        self._age = np.append(self._age, np.zeros(len(centres)))
        self._unseen = np.append(self._unseen, np.zeros(len(centres)))
        return rows

    def _new_ids(self, count: int) -> Integers:
        first, self._next_id = self._next_id, self._next_id + count
        return np.arange(first, first + count, dtype=np.int64)

    def _keep(self, chosen: NDArray[np.bool_]) -> None:
        if chosen.all():
            return
        self._motion.keep(chosen)
        self._ids, self._classes = self._ids[chosen], self._classes[chosen]
        self._keypoints, self._seen_at = self._keypoints[chosen], self._seen_at[chosen]
        self._age, self._unseen = self._age[chosen], self._unseen[chosen]
