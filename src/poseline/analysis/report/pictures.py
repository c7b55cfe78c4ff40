"""Pictures of a person: frames of the clip with the skeleton, or, without the clip, the skeleton alone."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from poseline.analysis.motion import Bools, Doubles
from poseline.analysis.report.highlights import Highlight
from poseline.analysis.report.markup import Markup, number, tag
from poseline.analysis.report.subject import Subject
from poseline.frame import Pixels
from poseline.overlay import BgrCanvas, Style, draw_poses
from poseline.pose import Poses
from poseline.settings import OverlaySettings
from poseline.skeleton import Skeleton

_ROOM = 1.5
"""Width and height of a picture over those of the person in it."""
_LEAST_SHARE, _MOST_SHARE = 0.75, 1.6
"""Width over height that pictures are kept within."""
_PIXELS = 460.0
"""Of a picture's longer side: sharp on a phone, and on paper at 6 cm."""
_QUALITY = 80
"""Of JPEG."""


@dataclass(frozen=True)
class _Crop:
    """A part of the picture, in square pixels."""

    left: float
    top: float
    width: float
    height: float

    @property
    def scale(self) -> float:
        """Pixels shown for a square pixel."""
        return _PIXELS / max(self.width, self.height)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of what is shown, in pixels."""
        return max(2, round(self.width * self.scale)), max(2, round(self.height * self.scale))


def picture(
    pixels: Pixels | None, subject: Subject, moments: Sequence[Highlight], place: int, skeleton: Skeleton
) -> Markup:
    """One picture; all pictures of a person have the same size.

    Args:
        pixels: (H, W, 3) uint8 BGR, the clip's frame, upright as it is stored; None without the clip.
        subject: who is in it.
        moments: all pictures of the subject.
        place: which of them it is.
        skeleton: of the log.
    """
    crop = _crops(subject, moments)[place]
    moment = moments[place]
    if pixels is None:
        return _figure_alone(subject, moment, crop, skeleton)
    wide = subject.found.measured.width
    shown = _cut(pixels, wide, crop)
    places = (subject.found.smoothed.motion.points[moment.row] - [crop.left, crop.top]) * crop.scale
    _draw(shown, places, subject.found.hidden[moment.row], skeleton)
    told = f"{subject.name}, {moment.title}: the clip's frame with the skeleton drawn on it. {'. '.join(moment.told)}"
    width, height = crop.size
    return tag("img", src=_encoded(shown), alt=told, width=float(width), height=float(height))


def _crops(subject: Subject, moments: Sequence[Highlight]) -> list[_Crop]:
    """Around the person in each picture, all of one size, inside the clip's picture where it is large enough."""
    motion = subject.found.smoothed.motion
    boxes = [_extent(motion.points[moment.row]) for moment in moments]
    width = _ROOM * max(box[2] - box[0] for box in boxes)
    height = _ROOM * max(box[3] - box[1] for box in boxes)
    width, height = max(width, _LEAST_SHARE * height, 16.0), max(height, width / _MOST_SHARE, 16.0)
    width = min(width, max(float(motion.width), width / _ROOM))
    height = min(height, max(float(motion.height), height / _ROOM))
    return [
        _Crop(_start(left, right, width, motion.width), _start(top, bottom, height, motion.height), width, height)
        for left, top, right, bottom in boxes
    ]


def _extent(points: Doubles) -> tuple[float, float, float, float]:
    seen = points[np.isfinite(points).all(axis=1)]
    (left, top), (right, bottom) = seen.min(axis=0).tolist(), seen.max(axis=0).tolist()
    return left, top, right, bottom


def _start(first: float, last: float, length: float, whole: float) -> float:
    """Where a crop of a length begins: in the middle of a person, inside the picture, but all of the person in it.

    Args:
        first: where the person begins.
        last: where they end.
        length: of the crop.
        whole: of the picture.
    """
    middle = (first + last - length) / 2
    inside = min(max(middle, 0.0), max(0.0, whole - length))
    return min(max(inside, last - length), first)


def _cut(pixels: Pixels, wide: int, crop: _Crop) -> Pixels:
    """The crop of a picture, enlarged or reduced; what lies outside the picture is grey.

    Args:
        pixels: (H, W, 3).
        wide: width of the picture in square pixels.
        crop: in square pixels.
    """
    stretch = wide / pixels.shape[1]
    width, height = crop.size
    matrix = np.array([
        [crop.scale * stretch, 0, -crop.left * crop.scale],
        [0, crop.scale, -crop.top * crop.scale],
    ])  # fmt: skip
    source = pixels
    if crop.scale < 0.5:  # or fine patterns would flicker: reduced by averaging first
        factor = crop.scale * 2
        source = np.asarray(cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA), np.uint8)
        matrix[:, :2] /= factor
    result = cv2.warpAffine(source, matrix, (width, height), flags=cv2.INTER_LINEAR, borderValue=(128, 128, 128))
    return np.asarray(result, np.uint8)


def _draw(pixels: Pixels, places: Doubles, hidden: Bools, skeleton: Skeleton) -> None:
    """Draw the points, but for those that were seen with little confidence, on `pixels`."""
    keypoints = np.zeros((1, len(places), 3), np.float32)
    keypoints[0, :, :2] = places
    keypoints[0, :, 2] = np.isfinite(places).all(axis=1) & ~hidden
    keypoints[np.isnan(keypoints)] = 0
    poses = Poses.of(np.zeros((1, 4), np.float32), np.ones(1, np.float32), keypoints)
    style = Style.of(OverlaySettings(boxes=False, labels=False, line_width=3), pixels.shape[1], pixels.shape[0])
    draw_poses(BgrCanvas(pixels), poses, skeleton, style, {})


def _encoded(pixels: Pixels) -> str:
    done, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    assert done, "a picture in memory can be encoded"
    return f"data:image/jpeg;base64,{b64encode(data.tobytes()).decode('ascii')}"


def _figure_alone(subject: Subject, moment: Highlight, crop: _Crop, skeleton: Skeleton) -> Markup:
    """The skeleton as lines and dots."""
    points = (subject.found.smoothed.motion.points[moment.row] - [crop.left, crop.top]) * crop.scale
    known = np.isfinite(points).all(axis=1)
    hidden = subject.found.hidden[moment.row]
    width, height = crop.size
    limbs = [
        tag(
            "path",
            class_=f"limb {skeleton.limb_side(a, b)}{' faint' if hidden[a] or hidden[b] else ''}",
            d=_line(points, a, b),
        )
        for a, b in skeleton.edges
        if known[a] and known[b]
    ]
    joints = [
        tag(
            "circle",
            class_=f"joint {skeleton.side(row)}{' faint' if hidden[row] else ''}",
            cx=float(x),
            cy=float(y),
            r=5.0,
        )
        for row, (x, y) in enumerate(points.tolist())
        if known[row]
    ]
    told = f"{subject.name}, {moment.title}: the skeleton alone. {'. '.join(moment.told)}"
    box = f"0 0 {width} {height}"
    return tag("svg", tag("title", told), *limbs, *joints, class_="figure", viewBox=box, role="img")


def _line(points: Doubles, first: int, second: int) -> str:
    (x, y), (right, down) = points[first].tolist(), points[second].tolist()
    return f"M{number(x)} {number(y)}L{number(right)} {number(down)}"
