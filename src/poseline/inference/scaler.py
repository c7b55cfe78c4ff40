"""Scaler: a frame's picture into the network's input, each pixel touched once on the way."""

from __future__ import annotations

import numpy as np
from av.video.frame import VideoFrame

from poseline.frame import Frame, Pixels, plane_pixels
from poseline.inference.colours import colour_matrix
from poseline.inference.letterbox import Letterbox

PAD = 114
"""The grey of the margins that YOLO models are trained with."""


class Scaler:
    """Writes pictures into network inputs; keeps its scratch memory from frame to frame. One thread at a time."""

    def __init__(self) -> None:
        self._sized = (0, 0)
        self._kept: tuple[list[Pixels], Pixels, Pixels]

    def fill(self, frame: Frame, letterbox: Letterbox, planes: Pixels) -> None:
        """Write the picture, scaled, into `planes` (3, H, W) uint8 RGB; the margins stay as they are."""
        left, top = letterbox.offset
        width, height = letterbox.scaled
        inner = planes[:, top : top + height, left : left + width]
        if isinstance(frame.picture, VideoFrame):
            self._from_planes(frame.picture, letterbox, inner)
        else:
            self._from_bgr(_part(frame.picture, letterbox, 0), inner)

    def _from_planes(self, picture: VideoFrame, letterbox: Letterbox, inner: Pixels) -> None:
        import cv2  # with the first frame: until then there is a network to be compiled

        # Scaled as YUV, then converted: the full-size RGB never exists. The sampling is that of OpenCV's linear
        # resize, with which the models are trained and their published results are made; a scaler that averages,
        # as FFmpeg's does, gives other pictures to the network, and measurably other keypoints.
        planes, yuv, rgb = self._scratch(*inner.shape[1:])
        for source, target, halvings in zip(picture.planes, planes, (0, 1, 1), strict=True):
            part = _part(plane_pixels(source), letterbox, halvings)
            cv2.resize(part, target.shape[::-1], dst=target)
        cv2.merge(planes, dst=yuv)
        cv2.transform(yuv, colour_matrix(picture.colorspace, picture.color_range), dst=rgb)
        cv2.split(rgb, mv=list(inner))

    def _scratch(self, height: int, width: int) -> tuple[list[Pixels], Pixels, Pixels]:
        """Y, U and V of the same size one by one, the same side by side, and red, green and blue side by side."""
        if self._sized != (height, width):
            planes, (yuv, rgb) = np.empty((3, height, width), np.uint8), np.empty((2, height, width, 3), np.uint8)
            self._sized, self._kept = (height, width), (list(planes), yuv, rgb)
        return self._kept

    def _from_bgr(self, pixels: Pixels, inner: Pixels) -> None:
        import cv2

        size = inner.shape[:0:-1]
        if pixels.shape[1::-1] != size:
            pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_LINEAR), np.uint8)
        for target, channel in zip(inner, (2, 1, 0), strict=True):
            np.copyto(target, pixels[:, :, channel])


def _part(pixels: Pixels, letterbox: Letterbox, halvings: int) -> Pixels:
    """What the letterbox takes of a picture, or of a plane whose sides were halved so often."""
    (left, top), (width, height) = letterbox.corner, letterbox.source
    right, bottom = left + width + halvings, top + height + halvings  # the last sample of an odd side stands for half
    return pixels[top >> halvings : bottom >> halvings, left >> halvings : right >> halvings]
