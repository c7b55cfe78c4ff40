"""Following: ids of persons in pictures that come one by one, from call to call."""

from __future__ import annotations

import threading
from dataclasses import replace

from poseline.pose import UNTRACKED, Observation
from poseline.settings import TrackingSettings
from poseline.skeleton import Skeleton
from poseline.tracking import Tracker, followed

INTERVAL = 1 / 30
"""Seconds between two pictures that state no time: those of a camera or video, as most are."""


class Following:
    """A tracker that goes on from picture to picture, and from call to call.

    Args:
        skeleton: of the poses.
        conf: least confidence of a person who is not followed yet.
        persist: whether pictures under different names show the same persons; else each name is a new beginning.
    """

    def __init__(self, skeleton: Skeleton, conf: float, *, persist: bool) -> None:
        self.tracker = Tracker(TrackingSettings(), skeleton.sigmas, conf)
        self.low = min(conf, TrackingSettings().low)
        """Confidence down to which persons are to be detected: one who is known may be hidden for a while."""
        self._torso, self._persist = skeleton.torso, persist
        self._scene: tuple[object, ...] | None = None
        self._time = 0.0
        self._one_by_one = threading.Lock()

    def add(self, seen: Observation) -> Observation:
        """The observation with ids; persons who have none are left out."""
        with self._one_by_one:
            frame = seen.frame
            scene = (frame.width, frame.height) if self._persist else frame.scene
            if self._scene not in (None, scene):
                self.tracker.forget()
            self._scene = scene
            self._time += INTERVAL
            return identified(followed(seen, self.tracker, self._torso, self._time))

    def begin_source(self) -> Tracker:
        """The tracker, for a source with times of its own: nobody is carried over into it, but ids go on counting."""
        self.tracker.forget()
        self._scene = ("nothing seen before",)
        return self.tracker


def identified(seen: Observation) -> Observation:
    """Without the persons who have no id, as results of tracking are."""
    known = seen.poses.ids != UNTRACKED
    return seen if known.all() else replace(seen, poses=seen.poses[known])
