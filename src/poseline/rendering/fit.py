"""Fit: pictures and poses brought to another size, their shape kept, black beside them where it differs."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fractions import Fraction

import av
import cv2
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter

from poseline.amounts import whole_in
from poseline.errors import SettingsError
from poseline.frame import Frame, Pixels, plane_pixels
from poseline.luma import FULL_RANGE
from poseline.pose import Floats, Observation, Poses
from poseline.rendering.scene import Scene

_LARGEST = 8192
"""Pixels on a side; beyond, H.264's decoders give up."""


@dataclass(frozen=True)
class Size:
    """What `--size` asks for, in square pixels, both even."""

    height: int
    width: int | None = None
    """None: as the picture's shape makes it."""

    @classmethod
    def parse(cls, text: str) -> Size:
        """`1280x720`, or `720p` for a height.

        Raises:
            SettingsError: it is neither, or not a size that a video can have.
        """
        found = re.fullmatch(r"(?:(\d+)x)?(\d+)(p?)", text.strip().lower())
        if found is None or bool(found[1]) == bool(found[3]):
            raise SettingsError(f"--size: {text!r} is not a size such as 1280x720 or 720p")
        sides = [whole_in(side) or 0 for side in (found[2], found[1]) if side]
        if not all(16 <= side <= _LARGEST for side in sides):
            raise SettingsError(f"--size: {text!r}: sides are from 16 to {_LARGEST} pixels")
        return cls(*(side // 2 * 2 for side in sides))

    def of(self, width: int, height: int, aspect: float) -> tuple[int, int]:
        """(width, height) in pixels of what a picture of this size becomes; `aspect`: of its pixels."""
        return self.width or max(2, round(self.height * width * aspect / height / 2) * 2), self.height


class Fit:
    """Brings frames, with their poses, to one size, in square pixels.

    Args:
        size: of the picture.
        below: pixels of black below it, even.
    """

    def __init__(self, size: Size, below: int = 0) -> None:
        self._size, self._below = size, below
        self._target: tuple[int, int] | None = None
        self._reformatter = VideoReformatter()

    def __call__(self, scene: Scene, aspect: Fraction) -> Scene:
        """`scene` in the new size; `aspect` is that of the source's pixels, where the frame has none of its own."""
        frame = scene.seen.frame
        pixels = float(frame.pixel_aspect or aspect)
        self._target = self._target or self._size.of(frame.width, frame.height, pixels)  # one video, whatever follows
        width, height = self._target
        scale = min(width / (frame.width * pixels), height / frame.height)
        inner = _even(frame.width * pixels * scale, width), _even(frame.height * scale, height)
        corner = ((width - inner[0]) // 4 * 2, (height - inner[1]) // 4 * 2)
        picture = self._resized(frame, inner)
        whole = width, height + self._below
        if inner != whole:
            inside, picture = picture, blank(whole, like=picture)
            paste(picture, inside, corner)
        if isinstance(frame.picture, av.VideoFrame):
            picture.pts, picture.time_base = frame.picture.pts, frame.picture.time_base
        else:
            picture.pts, picture.time_base = frame.pts, frame.time_base
        factor = np.array([inner[0] / frame.width, inner[1] / frame.height], np.float32)
        place = np.array(corner, np.float32)
        seen = Observation(
            replace(frame, picture=picture, pixel_aspect=Fraction(1)), moved(scene.seen.poses, factor, place)
        )
        return replace(scene, seen=seen, factor=factor, corner=place)

    def _resized(self, frame: Frame, size: tuple[int, int]) -> av.VideoFrame:
        if isinstance(frame.picture, np.ndarray):
            shrinks = size[0] < frame.width
            resized: Pixels = np.asarray(
                cv2.resize(frame.picture, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC), np.uint8
            )
            return av.VideoFrame.from_ndarray(resized, format="bgr24").reformat(format="yuv420p")
        picture = frame.picture
        if (picture.width, picture.height) == size:
            return picture
        # The colours stay as they are: only planes are scaled.
        return self._reformatter.reformat(picture, size[0], size[1], interpolation=Interpolation.BICUBIC)


def moved(poses: Poses, factor: Floats, corner: Floats) -> Poses:
    """Poses in a picture that is enlarged by `factor` and put at `corner`, both x and y."""
    keypoints = poses.keypoints.copy()
    keypoints[:, :, :2] = keypoints[:, :, :2] * factor + corner
    boxes = poses.boxes * np.tile(factor, 2) + np.tile(corner, 2)
    return Poses(boxes.astype(np.float32), poses.scores, keypoints, poses.classes, poses.ids)


def _even(length: float, most: int) -> int:
    return min(max(2, round(length / 2) * 2), most)


def blank(size: tuple[int, int], like: av.VideoFrame) -> av.VideoFrame:
    """A black yuv420p picture of `size` (width, height), both even, whose colours mean what those of `like` do."""
    whole = av.VideoFrame(*size, "yuv420p")
    full = like.color_range == FULL_RANGE or like.format.name == "yuvj420p"
    for number, plane in enumerate(whole.planes):
        plane_pixels(plane)[:] = (0 if full else 16) if number == 0 else 128
    whole.color_range = FULL_RANGE if full else like.color_range
    whole.colorspace, whole.color_primaries, whole.color_trc = like.colorspace, like.color_primaries, like.color_trc
    return whole


def paste(whole: av.VideoFrame, picture: av.VideoFrame, corner: tuple[int, int]) -> None:
    """Put a yuv420p picture on `whole`, its upper left corner at `corner`, both even; its colours stay as they are."""
    for number, (source, target) in enumerate(zip(picture.planes, whole.planes, strict=True)):
        pixels = plane_pixels(source)
        x, y = corner if number == 0 else (corner[0] // 2, corner[1] // 2)
        plane_pixels(target)[y : y + pixels.shape[0], x : x + pixels.shape[1]] = pixels
