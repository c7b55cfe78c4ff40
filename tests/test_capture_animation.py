"""What moves in a format for pictures: all pictures, with their times."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from media_worlds import CAPTURE, number_in, picture
from poseline.capture import SimulatedCamera, VideoFile, locate, open_source, read_image
from poseline.capture.animation import Animation
from poseline.errors import SourceError
from poseline.settings import CaptureSettings

DURATIONS = [40, 80, 20, 200, 33]
TIMES = [0, 0.04, 0.12, 0.14, 0.34]


def images(count: int = 5) -> list[Image.Image]:
    """Pictures that show 10, 11 ...; Pillow stores what changed of each."""
    return [Image.fromarray(picture(10 + index)[:, :, ::-1].copy()) for index in range(count)]


def write(path: Path, form: str, durations: list[Any] = DURATIONS, **options: Any) -> Path:
    first, *rest = images(len(durations))
    first.save(path, form, save_all=True, append_images=rest, duration=durations, **options)
    return path


@pytest.mark.parametrize(
    ("name", "form", "options"),
    [
        ("a.webp", "WEBP", {"lossless": True}), ("a.webp", "WEBP", {"quality": 90}),
        ("a.mp4", "WEBP", {"lossless": True}),
        ("a.png", "PNG", {}), ("a.apng", "PNG", {}), ("a.jpg", "PNG", {}), ("a.png", "PNG", {"disposal": 1}),
        ("a.png", "PNG", {"blend": 1}), ("a.gif", "GIF", {}), ("a.avif", "AVIF", {"quality": 95}),
    ],
)  # fmt: skip
def test_all_its_pictures_come_at_their_times(name: str, form: str, options: dict[str, Any], tmp_path: Path) -> None:
    path = write(tmp_path / name, form, **options)
    assert [location.video for location in locate([path])] == [path]
    source = open_source(path, CAPTURE)
    assert (source.info.width, source.info.height, source.info.live) == (64, 48, False)
    frames = list(source.frames())
    assert [number_in(frame.bgr) for frame in frames] == [10, 11, 12, 13, 14]
    coarse = 0.011 if form == "GIF" else 0.0001  # a GIF counts in hundredths
    assert [frame.time for frame in frames] == pytest.approx(TIMES, abs=coarse)
    assert [float(frame.pts * frame.time_base) for frame in frames] == pytest.approx(TIMES, abs=coarse)
    assert (source.bad, source.notes) == (0, [])


@pytest.mark.parametrize(("name", "form"), [("a.webp", "WEBP"), ("a.png", "PNG")])
def test_a_folder_takes_it_for_a_video_too(name: str, form: str, tmp_path: Path) -> None:
    write(tmp_path / name, form)
    images()[0].save(tmp_path / "b.png")
    assert [(location.name, bool(location.video)) for location in locate([tmp_path])] == [("b", False), ("a", True)]


@pytest.mark.parametrize(("name", "form"), [("a.webp", "WEBP"), ("a.png", "PNG")])
def test_one_picture_of_the_same_format_is_a_picture(name: str, form: str, tmp_path: Path) -> None:
    images()[0].save(tmp_path / name, form)
    assert locate([tmp_path / name])[0].pictures == (tmp_path / name,)
    with pytest.raises(SourceError, match="not one picture, but an animated"):
        read_image(write(tmp_path / name, form), CAPTURE.max_pixels)


def test_a_picture_that_stands_before_an_animation_is_no_part_of_it(tmp_path: Path) -> None:
    path = write(tmp_path / "a.png", "PNG", DURATIONS[1:], default_image=True)
    assert len(images(4)) == 4
    frames = list(open_source(path, CAPTURE).frames())
    assert [number_in(frame.bgr) for frame in frames] == [11, 12, 13]


def test_a_picture_without_a_duration_is_shown_as_browsers_do(tmp_path: Path) -> None:
    frames = list(open_source(write(tmp_path / "a.webp", "WEBP", [40, 0, 40]), CAPTURE).frames())
    assert [frame.pts for frame in frames] == [0, 40, 140]
    frames = list(open_source(write(tmp_path / "a.png", "PNG", [40, 0, 40]), CAPTURE).frames())
    steps = np.diff([frame.time for frame in frames])
    assert steps[0] == pytest.approx(0.04)
    assert 0.01 < steps[1] <= 0.1


def test_transparent_parts_of_an_animated_webp_are_black(tmp_path: Path) -> None:
    shown = [Image.new("RGBA", (32, 32), (0, 0, 0, 0)) for _ in range(2)]
    for number, image in enumerate(shown):
        image.paste((255, 255, 255, 255), (8 * number, 0, 8 * number + 8, 32))
    shown[0].save(tmp_path / "a.webp", save_all=True, append_images=shown[1:], duration=50, lossless=True)
    first, second = open_source(tmp_path / "a.webp", CAPTURE).frames()
    assert (int(first.bgr[5, 4, 0]), int(first.bgr[5, 20, 0])) == (255, 0)
    assert (int(second.bgr[5, 12, 0]), int(second.bgr[5, 4, 0])) == (255, 0)


def test_an_animated_webp_is_read_once_and_can_be_stopped(tmp_path: Path) -> None:
    source = Animation(write(tmp_path / "a.webp", "WEBP"), CAPTURE)
    assert (source.info.frames, source.info.time_base, source.info.path) == (5, Fraction(1, 1000), None)
    frames = source.frames()
    next(frames)
    source.stop()
    assert next(frames, None) is None
    assert source.notes == []


def test_an_animated_webp_may_play_the_camera(tmp_path: Path) -> None:
    source = open_source(write(tmp_path / "a.webp", "WEBP"), CaptureSettings(live=True))
    assert isinstance(source, SimulatedCamera)
    frames = list(source.frames())
    assert frames[-1].arrival - frames[0].arrival >= 0.33
    assert source.info.live


def test_a_damaged_or_large_animated_webp_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "a.webp", "WEBP", lossless=True)
    with pytest.raises(SourceError, match="picture 64x48 is over the limit of 100 pixels"):
        open_source(path, CaptureSettings(max_pixels=100))
    with pytest.raises(SourceError, match="not a video that FFmpeg can read: it is an animated WebP"):
        VideoFile(path, CAPTURE)
    content = path.read_bytes()
    path.write_bytes(content[:60])
    with pytest.raises(SourceError, match="the animated WebP cannot be decoded; is it complete"):
        open_source(path, CAPTURE)
    place = content.rindex(b"VP8L") + 8 + 5  # behind the header of the last picture
    path.write_bytes(content[:place] + bytes(len(content) - place))
    source = open_source(path, CAPTURE)
    assert len(list(source.frames())) == 4
    assert source.bad == 1
    assert source.notes == [f"read 4 of 5 pictures: {path} is cut short or damaged"]


def test_pages_are_not_times_but_they_are_told(tmp_path: Path) -> None:
    first, *rest = images(3)
    first.save(tmp_path / "scan.tif", save_all=True, append_images=rest)
    source = open_source(tmp_path / "scan.tif", CAPTURE)
    assert [number_in(frame.bgr) for frame in source.frames()] == [10]
    assert source.notes == [f"{tmp_path / 'scan.tif'}: holds 3 pictures; the first was taken"]
    first.save(tmp_path / "scan.tif", save_all=True, append_images=rest, tiffinfo={254: 1})
    assert open_source(tmp_path / "scan.tif", CAPTURE).notes == [], "reduced versions are no pages"
    first.save(tmp_path / "scan.tif")
    assert open_source(tmp_path / "scan.tif", CAPTURE).notes == []
