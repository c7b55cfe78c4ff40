"""What the network is shown, against the whole picture in colour, resized by OpenCV."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from av.video.reformatter import ColorRange, Colorspace
from numpy.typing import NDArray

from media_worlds import estimator, one_person, picture
from poseline.frame import Frame, Picture, Pixels, plane_pixels
from poseline.inference import Letterbox
from poseline.inference.scaler import PAD, Scaler

Field = NDArray[np.float64]

# Luma's weights of red and blue: ITU-R BT.601 and BT.709.
WEIGHTS = {Colorspace.ITU601: (0.299, 0.114), Colorspace.ITU709: (0.2126, 0.0722)}

ROUNDING = 3.5
"""Of luma and of both colour differences, with their factors, and of the answer."""


def waves(width: int, height: int, phase: float, low: float, high: float) -> Field:
    """(height, width) of slow waves between two values."""
    x, y = np.meshgrid((np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height)
    return low + (high - low) * (0.5 + 0.25 * np.sin(7 * x + phase) + 0.25 * np.cos(5 * y + 2 * phase))


def wavy(width: int, height: int, colorspace: int, color_range: int) -> av.VideoFrame:
    """A yuv420p picture of no extreme colour."""
    frame = av.VideoFrame(width, height, "yuv420p")
    frame.colorspace, frame.color_range = colorspace, color_range
    for plane, (phase, low, high) in zip(frame.planes, ((0, 70, 190), (1, 100, 150), (2, 105, 155)), strict=True):
        plane_pixels(plane)[:] = waves(plane.width, plane.height, phase, low, high).round()
    return frame


def in_colour(frame: av.VideoFrame, colorspace: int, full_range: bool) -> Field:
    """(H, W, 3) red, green, blue by the standards' formulas."""
    size = (frame.width, frame.height)
    y, u, v = (cv2.resize(plane_pixels(plane).astype(np.float64), size) for plane in frame.planes)
    luma = y / 255 if full_range else (y - 16) / 219
    blue_difference, red_difference = ((part - 128) / (255 if full_range else 224) for part in (u, v))
    of_red, of_blue = WEIGHTS[Colorspace(colorspace)]
    red = luma + 2 * (1 - of_red) * red_difference
    blue = luma + 2 * (1 - of_blue) * blue_difference
    green = (luma - of_red * red - of_blue * blue) / (1 - of_red - of_blue)
    return 255 * np.stack([red, green, blue], axis=2)


def shown(frame_picture: Picture, letterbox: Letterbox, scaler: Scaler | None = None) -> Pixels:
    """(3, H, W), and that its margins are as they were."""
    frame = Frame(frame_picture, 0, 0, Fraction(1), 0.0, 0.0)
    width, height = letterbox.size
    planes = np.full((3, height, width), PAD, np.uint8)
    (scaler or Scaler()).fill(frame, letterbox, planes)
    outside = np.ones(planes.shape, np.bool_)
    inner(outside, letterbox)[:] = False
    assert (planes[outside] == PAD).all()
    return planes


def inner(planes: NDArray[np.generic], letterbox: Letterbox) -> NDArray[np.generic]:
    (left, top), (width, height) = letterbox.offset, letterbox.scaled
    return planes[:, top : top + height, left : left + width]


def off(planes: Pixels, letterbox: Letterbox, colours: Field) -> float:
    """Greatest distance from `colours`, resized, in steps of 255."""
    expected = cv2.resize(colours, letterbox.scaled, interpolation=cv2.INTER_LINEAR).transpose(2, 0, 1)
    return float(np.abs(inner(planes.astype(np.float64), letterbox) - expected).max())


@pytest.mark.parametrize("size", [(1280, 720), (322, 242), (99, 201), (640, 384), (64, 36)])
@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("colorspace", WEIGHTS)
def test_a_videos_colours_are_its_own(size: tuple[int, int], colorspace: Colorspace, full_range: bool) -> None:
    frame = wavy(*size, colorspace, ColorRange.JPEG if full_range else ColorRange.MPEG)
    letterbox = Letterbox.fit(*size, 640, 32)
    planes = shown(frame, letterbox)
    assert off(planes, letterbox, in_colour(frame, colorspace, full_range)) <= ROUNDING
    other = next(matrix for matrix in WEIGHTS if matrix is not colorspace)
    assert off(planes, letterbox, in_colour(frame, other, full_range)) > 4, "the other matrix could be told apart"
    assert off(planes, letterbox, in_colour(frame, colorspace, not full_range)) > 8


def test_a_decoded_jpeg_films_full_range_is_seen(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "film.avi"), "w") as out:
        stream = out.add_stream("mjpeg", rate=30, options={"qmin": "1", "qmax": "1"})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuvj420p"
        stream.codec_context.color_range = ColorRange.JPEG
        whole = wavy(320, 240, Colorspace.ITU601, ColorRange.JPEG)
        out.mux(stream.encode(whole.reformat(format="yuvj420p", dst_color_range=ColorRange.JPEG)))
        out.mux(stream.encode(None))
    with av.open(str(tmp_path / "film.avi")) as film:
        frame = next(film.decode(video=0))
    assert frame.format.name == "yuvj420p"
    letterbox = Letterbox.fit(320, 240, 160, 32)
    planes = shown(frame, letterbox)
    assert off(planes, letterbox, in_colour(frame, Colorspace.ITU601, True)) <= ROUNDING
    assert off(planes, letterbox, in_colour(whole, Colorspace.ITU601, True)) <= 8, "as it was before it was compressed"


@pytest.mark.parametrize("colorspace", [3, 8, 10, 14])
def test_a_colour_space_that_ffmpeg_does_not_convert_counts_as_unspecified(colorspace: int) -> None:
    unspecified, strange = (wavy(320, 240, number, ColorRange.MPEG) for number in (2, colorspace))
    with pytest.raises(OSError, match="not supported"):
        strange.reformat(format="bgr24")
    letterbox = Letterbox.fit(320, 240, 160, 32)
    np.testing.assert_array_equal(shown(strange, letterbox), shown(unspecified, letterbox))
    bgr, expected = (Frame(seen, 0, 0, Fraction(1), 0.0, 0.0).bgr for seen in (strange, unspecified))
    np.testing.assert_array_equal(bgr, expected)
    assert strange.colorspace == colorspace, "its planes mean what they meant"


@pytest.mark.parametrize("size", [(1280, 720), (97, 203), (640, 352), (1, 300)])
def test_an_array_is_resized_as_opencv_does(size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    letterbox = Letterbox.fit(*size, 640, 32)
    planes = shown(pixels, letterbox)
    expected = cv2.resize(pixels, letterbox.scaled, interpolation=cv2.INTER_LINEAR)[:, :, ::-1].transpose(2, 0, 1)
    np.testing.assert_array_equal(inner(planes, letterbox), expected)


def test_one_scaler_takes_pictures_of_all_sizes_and_ranges_in_turn() -> None:
    scaler = Scaler()
    for size, color_range in (((320, 240), 1), ((240, 320), 1), ((320, 240), 2), ((322, 242), 1)) * 2:
        frame, letterbox = wavy(*size, Colorspace.ITU709, color_range), Letterbox.fit(*size, 96, 32)
        np.testing.assert_array_equal(shown(frame, letterbox, scaler), shown(frame, letterbox))


def test_the_margins_of_the_last_picture_are_painted_over() -> None:
    seen: list[Pixels] = []

    def script(pixels: Pixels) -> NDArray[np.float32]:
        seen.append(pixels[0].copy())
        return one_person(pixels)

    model = estimator(script)
    model.fixed_size = (64, 64)
    for size in ((64, 32), (32, 64), (64, 32)):
        model.estimate(Frame(picture(255, size), 0, 0, Fraction(1), 0.0, 0.0))
    wide, tall, again = seen
    assert (wide[:, :16] == PAD).all()
    assert (wide[:, 48:] == PAD).all()
    assert (tall[:, :, :16] == PAD).all()
    assert (tall[:, :, 48:] == PAD).all()
    np.testing.assert_array_equal(wide, again)
    np.testing.assert_array_equal(wide[:, 16:48], picture(255, (64, 32))[:, :, ::-1].transpose(2, 0, 1))
