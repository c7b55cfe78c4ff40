"""The stage of the pipeline that gives persons their ids."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import replace

import numpy as np

from poseline.pose import UNTRACKED, Observation
from poseline.tracking.appearance import Torso, torso_colours
from poseline.tracking.tracker import Tracker


def track(
    observations: Iterator[Observation], tracker: Tracker | None, torso: Torso | None = None
) -> Generator[Observation, None, None]:
    """Pass every observation on in order, its poses with ids; without a tracker, pass them on as they are.

    Where the source or the size of its pictures changes, positions mean something else: nobody is carried over,
    and the ids go on counting.
    """
    scene: tuple[str, int, int] | None = None
    for seen in observations:
        if tracker is None:
            yield seen
            continue
        previous, scene = scene, seen.frame.scene
        if previous not in (None, scene):
            tracker.forget()
        yield followed(seen, tracker, torso, seen.frame.time)


def followed(seen: Observation, tracker: Tracker, torso: Torso | None, time: float) -> Observation:
    """The observation at `time`, in seconds, with the ids that `tracker` gives.

    Poses whose score is below the tracker's `conf` are left out, but for those that go on with a known person's track.
    With a `torso` (`Skeleton.torso`) people are also distinguished by what they wear.
    """
    colours = torso_colours(seen.frame, seen.poses.keypoints, torso) if seen.colours is None else seen.colours
    poses = tracker.update(seen.poses, time, colours)
    if len(poses) and poses.scores[-1] <= tracker.conf:  # the last one's is the lowest
        kept = (poses.scores > tracker.conf) | (poses.ids != UNTRACKED)
        count = np.count_nonzero(kept)
        poses = poses[:count] if np.count_nonzero(kept[:count]) == count else poses[kept]  # a slice copies nothing
    return replace(seen, poses=poses)
