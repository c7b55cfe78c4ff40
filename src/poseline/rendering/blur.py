"""Blur: faces, or whole people, made hard to recognise, from a log's keypoints. No guarantee of anonymity.

Where the head is not known for sure, more is blurred: all places where it may be. Somebody who is missing for a moment
is blurred on the way between where they were before and where they are after.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, TypeAlias

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from poseline.errors import SettingsError
from poseline.frame import Pixels, plane_pixels
from poseline.log import LoggedFrame
from poseline.pose import UNTRACKED
from poseline.settings import Blurred
from poseline.skeleton import Skeleton

Areas: TypeAlias = NDArray[np.float64]
"""(N, 5) x1 y1 x2 y2 in pixels, and the size of a head there."""

_HEAD = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")
_TRUSTED = 0.5
"""Confidence from which a keypoint is taken to be where it says."""
_OF_TORSO, _OF_SHOULDERS, _OF_BOX = 0.48, 0.62, 0.13
"""Height of a head as a share of the torso's length, of the shoulders' width, and of somebody who stands upright."""
_AROUND = 0.9
"""Heads, around the middle of the face, that are blurred at least."""
_BEYOND = 0.55
"""Heads that are blurred beyond the outermost keypoint of the face."""
_UNSURE = 1.3
"""Heads that are blurred around a place where a head may be."""
_MARGIN = 0.5
"""Heads that are blurred around a whole person."""
_LONGEST = 2.0
"""Seconds for which somebody may be missing and is blurred on the way between."""
_HOLD = 0.3
"""Seconds for which an area stays blurred before somebody comes and after they have gone."""
_GROWTH = 0.5
"""Heads by which an area grows in a second for which nobody was seen there."""
_FACE_CELL, _PERSON_CELL = 0.33, 0.8
"""Heads across a cell whose pixels are averaged: three of a face, one of a trunk's width."""


def blurred_areas(frames: Iterable[LoggedFrame], what: Blurred, skeleton: Skeleton) -> list[Areas]:
    """What is to be blurred in each frame of a log, (N, 5) of x1 y1 x2 y2 and the size of a head, in pixels.

    Raises:
        SettingsError: faces of a skeleton that has no keypoint in them.
    """
    find = _Finder(skeleton)
    if what == "faces" and not len(find.head):
        raise SettingsError(
            f"--blur faces needs keypoints of the head ({', '.join(_HEAD)}), which the log's skeleton has not; "
            "--blur persons blurs all of everybody"
        )
    found: list[list[Areas]] = []
    sightings: dict[int, list[_Sighting]] = defaultdict(list)
    times: list[float] = []
    for place, frame in enumerate(frames):
        times.append(frame.time)
        found.append([])
        poses = frame.poses
        for number, box, keypoints in zip(poses.ids.tolist(), poses.boxes, poses.keypoints, strict=True):
            areas = (find.person if what == "persons" else find.face)(box.astype(float), keypoints.astype(float))
            areas = areas[np.isfinite(areas).all(axis=1)]
            if len(areas):
                found[-1].append(areas)
                whole = np.array([*areas[:, :2].min(axis=0), *areas[:, 2:4].max(axis=0), areas[:, 4].max()])
                sightings[number].append(_Sighting(place, frame.time, whole))
    for number, seen in sightings.items():
        for stretch in _stretches(seen, together=number != UNTRACKED):
            _bridge(found, times, stretch)
            _hold(found, times, stretch)
    return [np.concatenate(areas) if areas else np.zeros((0, 5)) for areas in found]


class _Sighting(NamedTuple):
    """Where somebody was seen in one frame."""

    place: int
    """Which frame of the log."""
    time: float
    area: Areas
    """(5,) all that is blurred of them."""


def _stretches(seen: list[_Sighting], together: bool) -> list[list[_Sighting]]:
    """Sightings of one id, apart where it was not seen for long; not `together`: each by itself."""
    stretches: list[list[_Sighting]] = []
    for sighting in seen:
        if together and stretches and sighting.time - stretches[-1][-1].time <= _LONGEST:
            stretches[-1].append(sighting)
        else:
            stretches.append([sighting])
    return stretches


def _bridge(found: list[list[Areas]], times: list[float], seen: list[_Sighting]) -> None:
    """Blur the way between sightings of one person where frames between them have none."""
    for before, after in pairwise(seen):
        length = after.time - before.time
        for place in range(before.place + 1, after.place):
            since, until = times[place] - before.time, after.time - times[place]
            share = since / length if length > 0 else 0.5
            found[place].append(_grown((1 - share) * before.area + share * after.area, min(since, until))[None])


def _hold(found: list[list[Areas]], times: list[float], seen: list[_Sighting]) -> None:
    """Blur where somebody was first seen just before, and where they were last seen just after."""
    for sighting, step in ((seen[0], -1), (seen[-1], 1)):
        place = sighting.place + step
        while 0 <= place < len(times) and abs(times[place] - sighting.time) <= _HOLD:
            found[place].append(_grown(sighting.area, abs(times[place] - sighting.time))[None])
            place += step


def _grown(area: Areas, seconds: float) -> Areas:
    more = _GROWTH * seconds * area[4]
    grown: Areas = area + np.array([-more, -more, more, more, 0])
    return grown


@dataclass(frozen=True, eq=False)
class _Finder:
    """Finds heads and people by the keypoints of one skeleton."""

    skeleton: Skeleton

    @property
    def head(self) -> list[int]:
        """Which keypoints are on the head."""
        return [index for index, name in enumerate(self.skeleton.names) if name in _HEAD]

    def person(self, box: Areas, keypoints: Areas) -> Areas:
        """(1, 5): all of a person."""
        trusted = keypoints[(keypoints[:, 2] >= _TRUSTED) & np.isfinite(keypoints).all(axis=1), :2]
        corners = np.concatenate((box.reshape(2, 2), trusted))
        size = self.size(box, keypoints)
        lower, upper = corners.min(axis=0) - _MARGIN * size, corners.max(axis=0) + _MARGIN * size
        return np.array([[*lower, *upper, size]])

    def face(self, box: Areas, keypoints: Areas) -> Areas:
        """(N, 5): the head, or all places where it may be."""
        size = self.size(box, keypoints)
        points = keypoints[self.head]
        points = points[np.isfinite(points).all(axis=1)]
        sure = points[points[:, 2] >= _TRUSTED, :2]
        if len(sure) >= 2:
            middle = (sure.min(axis=0) + sure.max(axis=0)) / 2
            radius = max(_AROUND * size, float(np.linalg.norm(sure - middle, axis=1).max()) + _BEYOND * size)
            return _around(middle[None], radius, size)
        places = [points[:, :2].mean(axis=0)] if len(points) else []
        places += list(sure)
        places += [np.array([(box[0] + box[2]) / 2, box[1] + 0.6 * size])]
        places += self._above_shoulders(keypoints, size)
        return _around(np.array(places), _UNSURE * size, size)

    def size(self, box: Areas, keypoints: Areas) -> float:
        """The height of the head in pixels; where estimates differ, the largest of them."""
        found = [_OF_BOX * float(box[3] - box[1]), 8.0]
        torso = self.skeleton.torso
        if torso is not None:
            left, right, left_hip, right_hip = keypoints[list(torso)]
            if min(left[2], right[2]) >= _TRUSTED:
                found.append(_OF_SHOULDERS * float(np.linalg.norm(left[:2] - right[:2])))
                if min(left_hip[2], right_hip[2]) >= _TRUSTED:
                    length = (left[:2] + right[:2] - left_hip[:2] - right_hip[:2]) / 2
                    found.append(_OF_TORSO * float(np.linalg.norm(length)))
        return max(size for size in found if np.isfinite(size))

    def _above_shoulders(self, keypoints: Areas, size: float) -> list[Areas]:
        """Where the head is by shoulders and hips."""
        torso = self.skeleton.torso
        if torso is None:
            return []
        left, right, left_hip, right_hip = keypoints[list(torso), :2]
        shoulders, hips = (left + right) / 2, (left_hip + right_hip) / 2
        length = float(np.linalg.norm(shoulders - hips))
        up = (shoulders - hips) / length if length > 0 else np.array([0.0, -1.0])
        place = shoulders + 0.9 * size * up
        return [place] if np.isfinite(place).all() else []


def _around(middles: Areas, radius: float, size: float) -> Areas:
    return np.concatenate((middles - radius, middles + radius, np.full((len(middles), 1), size)), axis=1)


def blur(picture: av.VideoFrame, areas: Areas, round_ones: bool) -> None:
    """Blur `areas` of a yuv420p picture in place: ellipses if `round_ones`, else rectangles.

    Each is averaged into coarse cells, which no sharpening brings back, and smoothed.
    """
    planes = [plane_pixels(plane) for plane in picture.planes]
    finite = areas[np.isfinite(areas).all(axis=1)]
    for x1, y1, x2, y2, size in finite.tolist():
        for plane, scale in zip(planes, (1, 2, 2), strict=True):
            _blur(plane, (x1 / scale, y1 / scale, x2 / scale, y2 / scale), size / scale, round_ones)


def _blur(plane: Pixels, area: tuple[float, float, float, float], size: float, round_one: bool) -> None:
    height, width = plane.shape
    left, top = max(0, int(area[0])), max(0, int(area[1]))
    right, bottom = min(width, int(area[2]) + 1), min(height, int(area[3]) + 1)
    if right <= left or bottom <= top:
        return
    part = plane[top:bottom, left:right]
    cell = max(2.0, size * (_FACE_CELL if round_one else _PERSON_CELL))
    cells = max(1, round((right - left) / cell)), max(1, round((bottom - top) / cell))
    coarse = cv2.resize(part, cells, interpolation=cv2.INTER_AREA)
    smooth = cv2.resize(coarse, (right - left, bottom - top), interpolation=cv2.INTER_LINEAR)
    if not round_one:
        part[:] = smooth
        return
    mask = np.zeros(part.shape, np.uint8)
    middle = round((area[0] + area[2]) / 2 - left), round((area[1] + area[3]) / 2 - top)
    radii = max(1, round((area[2] - area[0]) / 2)), max(1, round((area[3] - area[1]) / 2))
    cv2.ellipse(mask, middle, radii, 0, 0, 360, (255,), -1)
    cv2.copyTo(smooth, mask, part)
