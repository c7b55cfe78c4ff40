"""The main person: who a picture is about, chosen as the frames come, and kept while somebody else passes by."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import replace
from math import exp

import numpy as np
from numpy.typing import NDArray

from poseline.pose import UNTRACKED, Floats, Observation, Poses
from poseline.tracking.match import iou

_CORNER = 0.5
"""What a person in the picture's corner counts, against one in its middle."""
_MEMORY = 0.5
"""Seconds over which prominence is averaged."""
_MORE = 1.3
"""How many times as prominent as the main person somebody must be to take their place."""
_FOR = 0.5
"""Seconds for which they must be."""
_ABSENT = 1.0
"""Seconds after which a main person who is not seen is dropped."""
_SAME_PLACE = 0.5
"""Overlap (IoU) from which a new id, at the place of the main person who is not seen, is that person."""


class MainPerson:
    """Chooses one id, frame by frame, knowing the past only.

    A person's prominence is size x confidence x centredness: the height of the box as a share of the picture's, the
    score, and 1 in the middle of the picture to 0.5 in its corners. It is averaged over half a second, in which a
    person who is not seen counts as 0. The main person is the most prominent one at first, and then stays until
    somebody else has been 1.3 times as prominent for half a second, or until they were not seen for a second.
    """

    def __init__(self) -> None:
        self._main: int | None = None
        self._box: Floats | None = None
        self._seen = self._last = 0.0
        self._averages: dict[int, float] = {}
        self._challenger: tuple[int, float] | None = None
        """Who is more prominent than the main person, and since when."""

    def update(self, poses: Poses, time: float, size: tuple[int, int]) -> Poses:
        """The main person's pose, or none where they are not seen.

        Args:
            poses: tracked.
            time: in seconds, later than before.
            size: (width, height) of the picture in pixels.
        """
        known = set(self._averages)
        best = self._average(poses, prominence(poses, size), time)
        absent = self._main not in poses.ids
        if absent and self._box is not None and time - self._seen <= _ABSENT:
            absent = not self._follow(poses, self._box, known)
        if self._main is None or (absent and time - self._seen > _ABSENT):
            self._main, self._challenger = best, None
        elif best is not None:
            self._challenge(self._main, best, time)
        chosen = np.flatnonzero(poses.ids == (UNTRACKED - 1 if self._main is None else self._main))[:1]
        if len(chosen):
            self._box, self._seen = poses.boxes[chosen[0]], time
        return poses[chosen]

    def _average(self, poses: Poses, now: NDArray[np.float64], time: float) -> int | None:
        """Take in this frame; returns the id, among those seen in it, with the largest average."""
        kept = exp(-max(0.0, time - self._last) / _MEMORY) if self._averages else 0.0
        self._last = time
        here = {
            number: value for number, value in zip(poses.ids.tolist(), now.tolist(), strict=True) if number != UNTRACKED
        }
        mixed = {
            number: kept * self._averages.get(number, 0.0) + (1 - kept) * here.get(number, 0.0)
            for number in {**self._averages, **here}
        }
        self._averages = {number: value for number, value in mixed.items() if number in here or value > 1e-6}
        return max(here, key=mixed.__getitem__, default=None)

    def _follow(self, poses: Poses, box: Floats, known: set[int]) -> bool:
        """Where the main person, last seen in `box`, has been given a new id, take that."""
        if not len(poses):
            return False
        overlaps = np.where(poses.ids == UNTRACKED, 0.0, iou(box[None], poses.boxes)[0])
        place = int(np.argmax(overlaps))
        if overlaps[place] < _SAME_PLACE or int(poses.ids[place]) in known:
            return False
        before, self._main = self._main, int(poses.ids[place])
        self._averages[self._main] = self._averages.pop(before, 0.0) if before is not None else 0.0
        return True

    def _challenge(self, main: int, best: int, time: float) -> None:
        if best == main or self._averages[best] <= _MORE * self._averages.get(main, 0.0):
            self._challenger = None
        elif self._challenger is None or self._challenger[0] != best:
            self._challenger = best, time
        elif time - self._challenger[1] >= _FOR:
            self._main, self._challenger = best, None


def prominence(poses: Poses, size: tuple[int, int]) -> NDArray[np.float64]:
    """(N,) size x confidence x centredness of each person, 0..1; 0 where a box is not finite."""
    boxes, picture = poses.boxes.astype(float), np.array(size, float)
    share = (boxes[:, 3] - boxes[:, 1]) / picture[1]
    away = np.linalg.norm((boxes[:, :2] + boxes[:, 2:]) / picture - 1, axis=1) / np.sqrt(2)
    found: NDArray[np.float64] = np.nan_to_num(share * poses.scores * (1 - (1 - _CORNER) * np.minimum(away, 1)))
    return found


def keep_main(observations: Iterator[Observation], tracked: bool) -> Generator[Observation, None, None]:
    """Pass every observation on with the main person alone; where the picture's size changes, choose anew.

    Not `tracked`: each frame, such as a separate picture, has its own, the most prominent one.
    """
    chooser = MainPerson()
    scene: tuple[str, int, int] | None = None
    for seen in observations:
        frame, size = seen.frame, (seen.frame.width, seen.frame.height)
        if not tracked:
            yield replace(seen, poses=seen.poses[np.argsort(-prominence(seen.poses, size), kind="stable")[:1]])
            continue
        previous, scene = scene, frame.scene
        if previous not in (None, scene):
            chooser = MainPerson()
        yield replace(seen, poses=chooser.update(seen.poses, frame.time, size))
