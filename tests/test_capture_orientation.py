"""All eight orientations of a display matrix, in numbers and as FFmpeg itself shows them."""

from __future__ import annotations

import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import TypeAlias

import av
import numpy as np
import pytest

from media_worlds import CAPTURE, upright_luma, write_clip
from poseline.capture import VideoFile
from poseline.capture.orientation import _orientation
from poseline.frame import Pixels, plane_pixels, turned
from poseline.orientation import UPRIGHT, Orientation

Numbers: TypeAlias = tuple[int, int, int, int]
EIGHT: dict[str, tuple[Numbers, Callable[[Pixels], Pixels]]] = {
    "as it is": ((1, 0, 0, 1), lambda p: p),
    "mirrored": ((-1, 0, 0, 1), lambda p: p[:, ::-1]),
    "flipped": ((1, 0, 0, -1), lambda p: p[::-1]),
    "half a turn": ((-1, 0, 0, -1), lambda p: p[::-1, ::-1]),
    "a quarter clockwise": ((0, 1, -1, 0), lambda p: np.rot90(p, -1)),
    "a quarter anticlockwise": ((0, -1, 1, 0), lambda p: np.rot90(p)),
    "transposed": ((0, 1, 1, 0), lambda p: p.T),
    "transposed the other way": ((0, -1, -1, 0), lambda p: p[::-1, ::-1].T),
}
"""The upper left of the matrix, and what is to be seen, for (height, width) pixels."""


def matrix(a: float, b: float, c: float, d: float) -> bytes:
    """A display matrix as FFmpeg gives it."""
    fixed = [round(number * 65536) for number in (a, b, 0, c, d, 0, 0, 0)]
    return struct.pack("=9i", *fixed, 1 << 30)


def with_matrix(path: Path, a: float, b: float, c: float, d: float) -> Path:
    """Write the matrix into an MP4's track header (ISO/IEC 14496-12, 8.3.2)."""
    content = bytearray(path.read_bytes())
    begin = content.index(b"tkhd") + 4 + 4 + 36  # version and flags, then up to the matrix
    content[begin : begin + 32] = struct.pack(">8i", *(round(number * 65536) for number in (a, b, 0, c, d, 0, 0, 0)))
    path.write_bytes(content)
    return path


def luma(frame: object) -> Pixels:
    assert isinstance(frame, av.VideoFrame)
    return plane_pixels(frame.planes[0])


@pytest.mark.parametrize("name", EIGHT)
def test_numbers_are_moved_to_where_the_matrix_says(name: str) -> None:
    numbers, moved = EIGHT[name]
    orientation = _orientation(matrix(*numbers))
    pixels = np.arange(24, dtype=np.uint8).reshape(4, 6)
    assert np.array_equal(orientation.of(pixels), moved(pixels))
    assert orientation.upright == (name == "as it is")
    assert orientation.note == ""
    # A pixel at (p, q) is shown at (a p + c q, b p + d q), but for where that begins: the matrix, word for word.
    a, b, c, d = numbers
    places = {(p, q): (a * p + c * q, b * p + d * q) for p in range(6) for q in range(4)}
    left, top = min(x for x, _ in places.values()), min(y for _, y in places.values())
    shown = orientation.of(pixels)
    assert all(shown[y - top, x - left] == pixels[q, p] for (p, q), (x, y) in places.items())


@pytest.mark.system("ffmpeg")
@pytest.mark.parametrize("size", [(96, 64), (97, 65)], ids=["even", "odd"])
@pytest.mark.parametrize("name", EIGHT)
def test_a_clip_stands_as_ffmpeg_shows_it(name: str, size: tuple[int, int], tmp_path: Path) -> None:
    pix_fmt = "yuv420p" if size[0] % 2 == 0 else "yuv444p"
    numbers, moved = EIGHT[name]
    path = write_clip(tmp_path / "clip.mp4", range(3), size=size, pix_fmt=pix_fmt)
    stored = [np.array(luma(frame.picture)) for frame in VideoFile(path, CAPTURE).frames()]
    source = VideoFile(with_matrix(path, *numbers), CAPTURE)
    width, height = size[::-1] if numbers[0] == 0 else size
    assert (source.info.width, source.info.height) == (width, height)
    frames = list(source.frames())
    assert len(frames) == 3
    for frame, before, ffmpegs in zip(frames, stored, upright_luma(path, width, height), strict=True):
        assert np.array_equal(luma(frame.picture), moved(before))
        assert np.array_equal(luma(frame.picture), ffmpegs)
        assert frame.bgr.shape == (height, width, 3)
    assert source.notes == []


def test_colours_are_moved_with_the_light() -> None:
    """Red in the upper left corner of what is stored, on the planes at half size."""
    bgr = np.full((48, 64, 3), 90, np.uint8)
    bgr[:16, :16] = (0, 0, 220)
    frame = av.VideoFrame.from_ndarray(bgr, format="bgr24").reformat(format="yuv420p")
    frame.pts, frame.time_base = 7, Fraction(1, 25)
    for numbers, moved in EIGHT.values():
        upright = turned(frame, _orientation(matrix(*numbers)))
        shown = upright.to_ndarray(format="bgr24")
        expected = np.stack([moved(bgr[:, :, channel]) for channel in range(3)], axis=2)
        assert np.abs(shown[2:-2, 2:-2].astype(int) - expected[2:-2, 2:-2]).mean() < 6
        assert (upright.pts, upright.time_base) == (7, Fraction(1, 25))


@pytest.mark.parametrize(
    ("degrees", "nearest", "tilt"),
    [(0, 0, 0), (2, 0, 0), (30, 0, 30), (44, 0, 44), (46, 90, -44), (100, 90, 10), (200, 180, 20), (-20, 0, -20),
     (260, 270, -10)],
)  # fmt: skip
@pytest.mark.parametrize("mirror", [False, True])
def test_other_angles_become_the_nearest_quarter_and_are_told(
    degrees: int, nearest: int, tilt: float, mirror: bool
) -> None:
    def turn(angle: float) -> tuple[float, float, float, float]:
        cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
        return (-cos if mirror else cos, -sin if mirror else sin, -sin, cos)

    found, clean = _orientation(matrix(*turn(degrees))), _orientation(matrix(*turn(nearest)))
    assert (found.transposed, found.mirrored, found.flipped) == (clean.transposed, clean.mirrored, clean.flipped)
    assert found.tilt == pytest.approx(tilt if abs(tilt) > 5 else degrees, abs=0.01)
    assert bool(found.note) == (abs(tilt) > 5)
    if found.note:
        assert f"{abs(tilt)} degrees" in found.note


def test_a_scaled_matrix_turns_as_a_plain_one_and_nonsense_does_nothing() -> None:
    assert _orientation(matrix(0, 2.5, -0.5, 0)) == Orientation(transposed=True, mirrored=True)
    assert _orientation(matrix(0, 0, 0, 0)) == UPRIGHT


def test_a_tilted_clip_says_so(tmp_path: Path) -> None:
    path = with_matrix(write_clip(tmp_path / "clip.mp4", range(3)), 0.866, 0.5, -0.5, 0.866)
    source = VideoFile(path, CAPTURE)
    assert sum(1 for _ in source.frames()) == 3
    assert source.notes == [
        "the file asks for a turn by an odd angle; the pictures are turned to the nearest quarter turn, 30 degrees off"
    ]


@pytest.mark.system("ffmpeg")
def test_the_matrix_of_a_flip_alone_is_not_missed_behind_the_first_picture(tmp_path: Path) -> None:
    """PyAV's `rotation` is 0 for it."""
    path = with_matrix(write_clip(tmp_path / "clip.mp4", range(12), options={"g": "5", "bf": "0"}), 1, 0, 0, -1)
    for frame, ffmpegs in zip(VideoFile(path, CAPTURE).frames(), upright_luma(path, 64, 48), strict=True):
        assert np.array_equal(luma(frame.picture), ffmpegs)
