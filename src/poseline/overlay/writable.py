"""A private copy of a frame's picture, to draw on and to encode."""

from __future__ import annotations

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace

from poseline.frame import Frame, Pixels, plane_pixels, reformatted, turned
from poseline.orientation import Orientation


def writable_yuv(frame: Frame) -> av.VideoFrame:
    """`frame`'s picture as a yuv420p frame of its own, with its time, colour space and colour range.

    Its pts is the picture's own, where that has one in the frame's time base: repaired, where the source's was wrong.

    The decoder's own planes must not be drawn on: it predicts the next pictures from them.
    Width and height are even, as H.264 needs them: an odd picture's last column or row is repeated.
    A BGR picture becomes BT.709 in limited range, by swscale's quick way: up to 4 levels from the exact colour.
    """
    picture = frame.picture
    yuv = _from_bgr(picture) if isinstance(picture, np.ndarray) else _from_planes(picture, frame.orientation)
    yuv.pts, yuv.time_base = frame.pts, frame.time_base
    if not isinstance(picture, np.ndarray) and picture.time_base == frame.time_base and picture.pts is not None:
        yuv.pts = picture.pts
    return yuv


def _from_planes(picture: av.VideoFrame, orientation: Orientation | None) -> av.VideoFrame:
    if picture.format.name not in ("yuv420p", "yuvj420p"):  # on a device, or a third party's
        picture = reformatted(picture, "yuv420p")
    if orientation is not None:
        picture = turned(picture, orientation)
    copy = av.VideoFrame(picture.width + picture.width % 2, picture.height + picture.height % 2, "yuv420p")
    for source, target in zip(picture.planes, copy.planes, strict=True):
        _copy_padded(plane_pixels(source), plane_pixels(target))
    copy.colorspace, copy.color_primaries, copy.color_trc = (
        picture.colorspace,
        picture.color_primaries,
        picture.color_trc,
    )
    copy.color_range = ColorRange.JPEG if picture.format.name == "yuvj420p" else picture.color_range
    return copy


def _copy_padded(source: Pixels, target: Pixels) -> None:
    """Copy a plane; where the target is a column or a row larger, repeat the last one."""
    height, width = source.shape
    np.copyto(target[:height, :width], source)
    target[:height, width:] = source[:, -1:]
    target[height:] = target[height - 1]


def _from_bgr(pixels: Pixels) -> av.VideoFrame:
    height, width = pixels.shape[:2]
    if height % 2 or width % 2:
        pixels = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    memory = np.ascontiguousarray(pixels)  # only read; `from_ndarray` would copy it, which takes longer than all else
    yuv = av.VideoFrame.from_numpy_buffer(memory, format="bgr24").reformat(
        format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
    )
    yuv.colorspace, yuv.color_range = Colorspace.ITU709, ColorRange.MPEG
    return yuv
