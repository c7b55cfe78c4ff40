"""Region of interest (ROI): the part of the frame that holds all persons; the network runs on that part alone.

The part is a smaller input at the same scale, so people have the same size in it. The network runs on the whole frame
every so many frames, and at once when a person was lost or came near the part's edge, or when something changed outside
the part: that may be somebody who walks in.
"""

from __future__ import annotations

import numpy as np

from poseline.frame import Frame, Pixels, plane_pixels
from poseline.inference.letterbox import Letterbox
from poseline.pose import Floats, Observation

_SURE = 0.5
"""Score from which a person is missed when they are gone; weaker ones come and go."""
_MARGIN = 0.15
"""Room around a person, as a share of their box's longer side: for limbs, and for what the network wants to see."""
_NEAR = 8
"""Pixels of the input; a box this close to the part's edge may go on beyond it."""
_STEPS = 4
"""Sides of parts come in quarters of the whole input's."""
_MOST_SIZES = 4
"""Sizes of parts in use: each is a network compiled for it."""
_USEFUL = 0.9
"""Share of the whole input's area above which a part is not worth the difference."""
_CELL, _SAMPLE = 32, 8
"""Pixels of the picture: the side of a cell whose brightness is watched, and between the samples that are taken."""
_CHANGE = 12
"""Grey levels by which a cell's brightness changes where something is going on; coding noise is below 3."""

SIZES = _MOST_SIZES + 1
"""Input sizes that a run with a region of interest uses, the whole frame's among them."""


class RoiSelector:
    """Decides frame by frame which part of the frame the network runs on. For one run, in one thread.

    Args:
        every: the whole picture is looked at again after so many frames.
        stride: sides and places of parts are multiples of it, in input pixels.
        conf: score above which somebody is looked after.
    """

    def __init__(self, every: int, stride: int, conf: float = 0.0) -> None:
        self._every, self._stride, self._conf = every, stride, conf
        self._sizes: set[tuple[int, int]] = set()
        self._whole: Letterbox | None = None
        self._forget()

    def _forget(self) -> None:
        self._around: Floats | None = None  # (4,) x1 y1 x2 y2 around everybody since the last whole frame, in pixels
        self._speed = np.zeros(4, np.float32)  # pixels a frame by which those four last moved outwards
        self._last = -1  # index of the newest frame that was answered
        self._asked = -1  # index of the newest frame that may show somebody new: until it is answered, all are whole
        self._sure = 0  # people who must not be missed
        self._lost = False  # somebody was lost, or may be going beyond the part
        self._age = 0  # frames since the last whole one
        self._scene: Pixels = np.zeros((0, 0), np.uint8)  # how bright its cells were
        self._rest = np.zeros((0, 0), np.int32)  # frames for which each cell is not watched

    def letterbox(self, frame: Frame, whole: Letterbox) -> Letterbox:
        """What to look at in `frame`: `whole`, its letterbox, or a part of it."""
        if whole != self._whole:
            self._whole = whole
            self._forget()
        self._age += 1
        scene = _cells(frame)
        if scene.shape != self._scene.shape:
            self._scene, self._rest = scene, np.zeros(scene.shape, np.int32)
        part = self._part(frame, whole)
        if part is not None and (self._changed(scene, part) or self._lost):
            self._asked, self._lost = frame.index, False
        if part is None or self._asked > self._last or self._age >= self._every:
            self._age, self._scene = 0, scene
            return whole
        return part

    def note(self, seen: Observation, letterbox: Letterbox) -> None:
        """Take in what was found in a frame that was looked at through `letterbox`."""
        poses, whole = seen.poses[seen.poses.scores > self._conf], letterbox.picture is None
        passed, self._last = max(seen.frame.index - self._last, 1), seen.frame.index
        if whole:
            self._sure = int((poses.scores >= _SURE).sum())
        elif seen.frame.index > self._asked:  # what earlier ones say, a whole frame is asked about already
            self._lost |= len(poses) < self._sure or _at_the_edge(poses.boxes, letterbox)
        if not len(poses):
            self._around = None
            return
        around = _around(poses.boxes)
        if self._around is not None and not whole:
            outwards = (around - self._around) * (-1, -1, 1, 1)
            self._speed = np.maximum(outwards, 0) / passed
            around = _union(around, self._around)
        self._around = around

    def _part(self, frame: Frame, whole: Letterbox) -> Letterbox | None:
        """The smallest part of the sizes in use that holds everybody, or None where the whole is no larger."""
        if self._around is None:
            return None
        ahead = self._speed * (frame.index - self._last)
        around = self._around + ahead * (-1, -1, 1, 1)
        x1, y1, x2, y2 = whole.to_input(around.reshape(2, 2)).reshape(4).tolist()
        (left, right), (top, bottom) = self._snapped(x1, x2, whole.size[0]), self._snapped(y1, y2, whole.size[1])
        size = self._size((right - left, bottom - top), whole.size)
        if size is None:
            return None
        corner = (self._placed(left, right, size[0], whole.size[0]), self._placed(top, bottom, size[1], whole.size[1]))
        return whole.part(*corner, *size)

    def _snapped(self, begin: float, end: float, limit: int) -> tuple[int, int]:
        stride = self._stride
        return max(0, int(begin // stride) * stride), min(limit, int(-(-end // stride)) * stride)

    def _placed(self, begin: int, end: int, length: int, limit: int) -> int:
        """Where a part of `length` begins that holds begin..end in its middle."""
        spare = (length - (end - begin)) // 2 // self._stride * self._stride
        return min(max(begin - spare, 0), limit - length)

    def _size(self, need: tuple[int, int], whole: tuple[int, int]) -> tuple[int, int] | None:
        wanted = (self._rounded(need[0], whole[0]), self._rounded(need[1], whole[1]))
        if len(self._sizes) < _MOST_SIZES and _area(wanted) <= _USEFUL * _area(whole):
            self._sizes.add(wanted)
        fitting = [size for size in self._sizes if size[0] >= need[0] and size[1] >= need[1]]
        return min(fitting, key=_area, default=None)

    def _rounded(self, length: int, whole: int) -> int:
        """Up to a quarter, half, three quarters or all of `whole`."""
        steps = -(-length * _STEPS // whole)
        return -(-whole * steps // _STEPS // self._stride) * self._stride

    def _changed(self, scene: Pixels, part: Letterbox) -> bool:
        """Whether a cell outside the part is no longer as bright as in the last whole frame.

        A cell that has changed is ignored for a while, or a tree in the wind would make every frame a whole one; who
        walks comes into other cells, and who stands is found when the whole is looked at anyhow.
        """
        import cv2

        changed = (cv2.absdiff(scene, self._scene) > _CHANGE) & (self._rest == 0)
        (left, top), (width, height) = part.corner, part.source
        changed[top // _CELL : -(-(top + height) // _CELL), left // _CELL : -(-(left + width) // _CELL)] = False
        self._rest = np.where(changed, self._every, np.maximum(self._rest - 1, 0))
        return bool(changed.any())


def _around(boxes: Floats) -> Floats:
    """(4,) what holds all boxes with room around them."""
    room = _MARGIN * (boxes[:, 2:] - boxes[:, :2]).max(axis=1, keepdims=True)
    around: Floats = np.concatenate(((boxes[:, :2] - room).min(axis=0), (boxes[:, 2:] + room).max(axis=0)))
    return around


def _union(one: Floats, other: Floats) -> Floats:
    return np.concatenate((np.minimum(one[:2], other[:2]), np.maximum(one[2:], other[2:])))


def _at_the_edge(boxes: Floats, part: Letterbox) -> bool:
    """Whether a box comes near an edge of the part that is not the picture's own."""
    (left, top), (width, height) = part.corner, part.source
    picture = part.picture or part.source
    near = _NEAR * width / part.scaled[0]
    edges = np.array((left, top, -(left + width), -(top + height)), np.float32)
    inner = np.array((left > 0, top > 0, left + width < picture[0], top + height < picture[1]))
    return bool((inner & (boxes * (1, 1, -1, -1) < edges + near)).any())


def _cells(frame: Frame) -> Pixels:
    """(rows, columns) mean brightness of the picture's cells, from samples."""
    import cv2

    picture = frame.picture
    luma = picture[:, :, 1] if isinstance(picture, np.ndarray) else plane_pixels(picture.planes[0])
    size = (-(-frame.width // _CELL), -(-frame.height // _CELL))
    samples = np.ascontiguousarray(luma[::_SAMPLE, ::_SAMPLE])
    return np.asarray(cv2.resize(samples, size, interpolation=cv2.INTER_AREA), np.uint8)


def _area(size: tuple[int, int]) -> int:
    return size[0] * size[1]
