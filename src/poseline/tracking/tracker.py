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

import numpy as np
from numpy.typing import NDArray

from poseline.pose import UNTRACKED, Floats, Integers, Poses
from poseline.settings import TrackingSettings
from poseline.tracking.appearance import learned, resemblance
from poseline.tracking.match import SAME, crowded, duplicates, likeness, nearness, pair, spread_out
from poseline.tracking.motion import COAST, Doubles, Motion, to_centres

_SURE = 0.7
"""Score from which a new person needs no probation."""
_PROBATION = 0.09
"""Seconds for which a less sure one is followed before it gets an id: just under one frame at 10 frames a second."""
_NOBODY = -1
"""In place of a track's row: no track."""
_NO_ID = np.array([UNTRACKED])


class Tracker:
    """Keeps the tracks of one run. Ids count from 1 and are never reused by this tracker. For one thread.

    State is parallel arrays, one row a track, so that a frame costs the same few numpy calls however many are in it.
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
        self._sigmas = np.asarray(sigmas, np.float32)
        self._next_id = 1
        self.forget()

    def forget(self) -> None:
        """Drop every track, as at a change of scene. Ids already given are not given again."""
        self._time: float | None = None
        self._step = 0.0  # seconds since the frame before
        self._motion = Motion()
        self._ids: Integers = np.zeros(0, np.int64)  # UNTRACKED while on probation
        self._classes: Integers = np.zeros(0, np.int64)
        self._keypoints: Floats = np.zeros((0, len(self._sigmas), 3), np.float32)  # as last seen, carried along
        self._colours: Floats = np.zeros((0, 3), np.float32)  # NaN while unknown
        self._age: Doubles = np.zeros(0)  # seconds since first seen
        self._unseen: Doubles = np.zeros(0)  # seconds since last seen

    def __len__(self) -> int:
        """How many tracks are alive: in sight, waiting, or on probation."""
        return len(self._ids)

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
        alike = self._likeness(found)
        among = alike[len(self) :]
        spread = spread_out(among)
        usable = np.ones(len(found), np.bool_) if spread else ~duplicates(among)
        owners, fresh = self._associate(found, worn, alike[: len(self)], usable)
        if worn is not None and not spread:
            worn = np.where(crowded(among)[:, None], np.nan, worn)  # a torso half behind another's is not learned
        self._follow(found, worn, owners)
        if np.count_nonzero(fresh):
            owners[fresh] = self._start(found[fresh], None if worn is None else worn[fresh], known=first)
        ids: Integers = np.concatenate((self._ids, _NO_ID)).take(owners)  # the last, for _NOBODY
        nameless = self._ids == UNTRACKED
        if np.count_nonzero(nameless):
            self._keep(~nameless | (self._unseen <= _PROBATION))
        return ids

    def _check(self, poses: Poses, time: float) -> None:
        if not math.isfinite(time):
            raise ValueError(f"the time of a frame must be finite, got {time}")
        if poses.keypoints.shape[1] != len(self._sigmas):
            raise ValueError(f"poses have {poses.keypoints.shape[1]} keypoints, but the tracker {len(self._sigmas)}")

    def _advance(self, time: float) -> None:
        self._step = 0.0 if self._time is None else max(time - self._time, 0.0)
        self._time = time
        moved = self._motion.predict(self._step, self._unseen)
        self._keypoints[:, :, :2] += moved[:, None]
        self._age += self._step
        self._unseen += self._step
        self._keep(self._unseen <= self._settings.buffer)

    def _likeness(self, found: Poses) -> Floats:
        """(T + M, M) of each track with each detection, then of the M detections among themselves."""
        boxes = np.concatenate((self._motion.boxes(), found.boxes))
        keypoints = np.concatenate((self._keypoints, found.keypoints))
        return likeness(boxes, keypoints, found.boxes, found.keypoints, self._sigmas)

    def _associate(
        self, found: Poses, worn: Floats | None, alike: Floats, usable: NDArray[np.bool_]
    ) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """(M,) the row of each detection's track, or `_NOBODY`; and (M,) which of these last start one."""
        owners = np.full(len(found), _NOBODY, np.intp)
        free = np.ones(len(self), np.bool_)

        def claim(scores: Floats, tracks: NDArray[np.bool_], detections: NDArray[np.bool_], least: float) -> None:
            rows, columns = pair(scores * (tracks[:, None] & detections), least)
            owners[columns] = rows
            free[rows] = False

        same = self._classes[:, None] == found.classes
        dressed = same if worn is None else same * resemblance(self._colours, worn)
        # Where one stands before the other, there is one detection for both: whoever was seen last is the one in front.
        dressed_alike = alike * dressed / (1 + np.minimum(self._unseen, COAST))[:, None]
        high = found.scores >= self._settings.high
        claim(dressed_alike, free, usable & high, self._settings.match)
        if np.count_nonzero(low := usable & ~high) and np.count_nonzero(lately := free & (self._unseen <= COAST)):
            claim(dressed_alike, lately, low, 2 * self._settings.match)
        newcomers = usable & (owners == _NOBODY) & (found.scores >= max(self._settings.new, self.conf))
        if np.count_nonzero(newcomers) and np.count_nonzero(free):
            near = nearness(self._motion.position, to_centres(found.boxes), self._unseen)
            claim(near * dressed, free, newcomers, 0.0)
            if worn is not None:
                followed = self._unseen <= self._step + _PROBATION
                claim(alike * same, free & followed, newcomers, SAME)
            newcomers &= owners == _NOBODY
        return owners, newcomers

    def _follow(self, found: Poses, worn: Floats | None, owners: NDArray[np.intp]) -> None:
        """Move the tracks that were seen to where they were seen, and name those whose probation ends with it."""
        detections = (owners != _NOBODY).nonzero()[0]
        tracks = owners.take(detections)
        self._motion.update(tracks, to_centres(found.boxes.take(detections, axis=0)))
        self._keypoints[tracks] = found.keypoints.take(detections, axis=0)
        self._unseen[tracks] = 0
        if worn is not None:
            known, seen = self._colours.take(tracks, axis=0), worn.take(detections, axis=0)
            self._colours[tracks] = learned(known, seen, self._step)
        nameless = self._ids.take(tracks) == UNTRACKED
        if np.count_nonzero(nameless):
            proven = (self._age[tracks] >= _PROBATION) | (found.scores[detections] >= _SURE)
            named = tracks[proven & nameless]
            self._ids[named] = self._new_ids(len(named))

    def _start(self, found: Poses, worn: Floats | None, known: bool) -> NDArray[np.intp]:
        """Append a track for each of the M detections and return their M rows.

        They get ids at once if `known`, else where their score is high.
        """
        named = (found.scores >= _SURE) | known
        ids = np.full(len(found), UNTRACKED, np.int64)
        ids[named] = self._new_ids(int(named.sum()))
        rows = np.arange(len(self), len(self) + len(found))
        nothing = np.zeros(len(found))
        self._motion.start(to_centres(found.boxes))
        self._ids = np.concatenate((self._ids, ids))
        self._classes = np.concatenate((self._classes, found.classes))
        self._keypoints = np.concatenate((self._keypoints, found.keypoints))
        unknown = np.full((len(found), 3), np.nan, np.float32)
        self._colours = np.concatenate((self._colours, unknown if worn is None else worn))
        self._age = np.concatenate((self._age, nothing))
        self._unseen = np.concatenate((self._unseen, nothing))
        return rows

    def _new_ids(self, count: int) -> Integers:
        first, self._next_id = self._next_id, self._next_id + count
        return np.arange(first, first + count, dtype=np.int64)

    def _keep(self, chosen: NDArray[np.bool_]) -> None:
        if np.count_nonzero(chosen) == len(chosen):
            return
        self._motion.keep(chosen)
        self._ids, self._classes = self._ids[chosen], self._classes[chosen]
        self._keypoints, self._colours = self._keypoints[chosen], self._colours[chosen]
        self._age, self._unseen = self._age[chosen], self._unseen[chosen]
