"""Scaler: a frame's picture into the network's input, each pixel touched once on the way."""

from __future__ import annotations

import numpy as np
from av.video.frame import VideoFrame

from poseline.frame import Frame, Pixels, plane_pixels
from poseline.inference.colours import network_matrix
from poseline.inference.letterbox import Letterbox

PAD = 114
"""The grey of the margins that YOLO models are trained with."""


class Scaler:
    """Writes pictures into network inputs; keeps its scratch memory from frame to frame. One thread at a time."""

    def __init__(self) -> None:
        self._planes: list[Pixels] = []
        """Y, U and V, all of the size that the picture has in the input; Y alone where grey is made of it."""
        self._yuv = self._rgb = np.empty((0, 0, 3), np.uint8)
        """The same side by side, and red, green and blue so, or grey."""

    def fill(self, frame: Frame, letterbox: Letterbox, planes: Pixels) -> None:
        """Write the picture, scaled, into `planes`, (3, H, W) uint8 RGB or (1, H, W) grey; the margins stay."""
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
        matrix = network_matrix(picture.colorspace, picture.color_range, len(inner))
        if len(inner) == 1 and not matrix[:, 1:3].any():  # luma is the grey
            matrix = matrix[:, ::3]
        self._fit(len(inner), matrix.shape[1] - 1, *inner.shape[1:])
        for source, target, halvings in zip(picture.planes, self._planes, (0, 1, 1), strict=False):
            part = _part(plane_pixels(source), letterbox, halvings)
            cv2.resize(part, target.shape[::-1], dst=target)
        cv2.merge(self._planes, dst=self._yuv)
        cv2.transform(self._yuv, matrix, dst=self._rgb)
        cv2.split(self._rgb, mv=list(inner))

    def _fit(self, channels: int, planes: int, height: int, width: int) -> None:
        """Have scratch memory of this size."""
        if self._yuv.shape != (height, width, planes) or self._rgb.shape != (height, width, channels):
            self._planes = list(np.empty((planes, height, width), np.uint8))
            self._yuv, self._rgb = (np.empty((height, width, count), np.uint8) for count in (planes, channels))

    def _from_bgr(self, pixels: Pixels, inner: Pixels) -> None:
        import cv2

        size = inner.shape[:0:-1]
        if len(inner) == 1:
            pixels = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), np.uint8)
        if pixels.shape[1::-1] != size:
            pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_LINEAR), np.uint8)
        if len(inner) == 1:
            np.copyto(inner[0], pixels)
            return
        for target, channel in zip(inner, (2, 1, 0), strict=True):
            np.copyto(target, pixels[:, :, channel])


def _part(pixels: Pixels, letterbox: Letterbox, halvings: int) -> Pixels:
    """What the letterbox takes of a picture, or of a plane whose sides were halved so often."""
    (left, top), (width, height) = letterbox.corner, letterbox.source
    right, bottom = left + width + halvings, top + height + halvings  # the last sample of an odd side stands for half
    return pixels[top >> halvings : bottom >> halvings, left >> halvings : right >> halvings]
