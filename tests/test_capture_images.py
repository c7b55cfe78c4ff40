from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from media_worlds import CAPTURE, number_in, picture
from poseline.capture import Images, locate, open_source, read_image
from poseline.errors import SourceError
from poseline.frame import Pixels
from poseline.settings import CaptureSettings


def save(path: Path, number: int, size: tuple[int, int] = (64, 48)) -> Path:
    """A picture file that shows `number`."""
    done, encoded = cv2.imencode(path.suffix, picture(number, size))
    assert done
    path.write_bytes(encoded.tobytes())
    return path


def with_exif(jpeg: bytes, orientation: int) -> bytes:
    """The JPEG with an EXIF block that holds nothing but an orientation (EXIF 2.3, tag 0x0112)."""
    entry = b"\x01\x12\x00\x03\x00\x00\x00\x01" + orientation.to_bytes(2, "big") + b"\x00\x00"
    tiff = b"MM\x00\x2a\x00\x00\x00\x08" + b"\x00\x01" + entry + bytes(4)
    block = b"Exif\x00\x00" + tiff
    return jpeg[:2] + b"\xff\xe1" + (len(block) + 2).to_bytes(2, "big") + block + jpeg[2:]


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".webp", ".tif", ".ppm", ".PNG"])
def test_every_format_shows_its_number(suffix: str, tmp_path: Path) -> None:
    path = save(tmp_path / f"a{suffix.lower()}", 173).rename(tmp_path / f"b{suffix}")
    source = open_source(path, CAPTURE)
    frames = list(source.frames())
    assert [number_in(frame.bgr) for frame in frames] == [173]
    assert frames[0].bgr.shape == (48, 64, 3)
    assert frames[0].source == str(path)
    assert not source.info.live
    assert source.info.frames == 1


@pytest.mark.parametrize(
    ("orientation", "as_stored"),
    [
        (1, lambda upright: upright),
        (3, lambda upright: np.rot90(upright, 2)),
        (6, lambda upright: np.rot90(upright, 1)),
        (8, lambda upright: np.rot90(upright, -1)),
        (2, np.fliplr),
    ],
)
def test_exif_turns_a_picture_upright(orientation: int, as_stored: object, tmp_path: Path) -> None:
    assert callable(as_stored)
    stored: Pixels = np.ascontiguousarray(as_stored(picture(91)))
    path = tmp_path / "phone.jpg"
    path.write_bytes(with_exif(cv2.imencode(".jpg", stored, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes(), orientation))
    pixels = read_image(path, CAPTURE.max_pixels)
    assert pixels.shape == (48, 64, 3)
    assert number_in(pixels) == 91


def test_a_folder_is_read_by_name_one_second_each(tmp_path: Path) -> None:
    for number, name in enumerate(["b.png", "a.png", "c.JPG"]):
        save(tmp_path / name.lower(), number).rename(tmp_path / name)
    (tmp_path / "notes.txt").write_text("not a picture")
    (tmp_path / "folder.png").mkdir()
    source = open_source(tmp_path, CAPTURE)
    frames = list(source.frames())
    assert [number_in(frame.bgr) for frame in frames] == [1, 0, 2]
    assert [frame.time for frame in frames] == [0.0, 1.0, 2.0]
    assert [frame.pts * frame.time_base for frame in frames] == [0, 1, 2]
    assert source.info.name == "3 pictures"


def test_an_unreadable_picture_is_counted_and_named(tmp_path: Path) -> None:
    for number in range(4):
        save(tmp_path / f"{number}.png", number)
    (tmp_path / "1.png").write_bytes(b"This was a picture once.")
    (tmp_path / "2.png").write_bytes(b"")
    source = open_source(tmp_path, CAPTURE)
    frames = list(source.frames())
    assert [(frame.index, number_in(frame.bgr)) for frame in frames] == [(0, 0), (3, 3)]
    assert source.bad == 2
    assert [note.rpartition("/")[2] for note in source.notes] == [
        "1.png: not a picture that can be read: it is text",
        "2.png: the file is empty",
    ]


def test_no_readable_picture_is_no_success(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"x")
    source = open_source(tmp_path, CAPTURE)
    with pytest.raises(SourceError, match=r"none of 2 pictures could be read; the first: .*a\.png"):
        list(source.frames())


def test_the_only_picture_is_read_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"x")
    with pytest.raises(SourceError, match="not a picture that can be read"):
        open_source(tmp_path / "a.png", CAPTURE)


def test_a_cut_jpeg_and_a_large_one(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", 7, (640, 480))
    with pytest.raises(SourceError, match="picture 640x480 is over the limit of 100 pixels"):
        open_source(path, CaptureSettings(max_pixels=100))
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(SourceError, match="picture"):
        open_source(path, CAPTURE)


def test_a_missing_picture_and_one_without_permission(no_one: Path) -> None:
    with pytest.raises(SourceError, match=r"a\.png: no such file"):
        open_source(no_one / "a.png", CAPTURE)
    with pytest.raises(SourceError, match=r"a\.png: No such file"):
        read_image(no_one / "a.png", 100)
    save(no_one / "b.png", 1).chmod(0)
    with pytest.raises(SourceError, match="no permission"):
        open_source(no_one / "b.png", CAPTURE)


@pytest.mark.parametrize("kind", ["gray", "alpha", "16 bit"])
def test_other_pixels_become_bgr(kind: str, tmp_path: Path) -> None:
    pixels = {
        "gray": picture(200)[:, :, 0],
        "alpha": np.dstack([picture(200), np.full((48, 64), 128, np.uint8)]),
        "16 bit": picture(200).astype(np.uint16) * 257,
    }[kind]
    path = tmp_path / "a.png"
    path.write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
    read = read_image(path, CAPTURE.max_pixels)
    assert read.dtype == np.uint8
    assert np.array_equal(read, picture(200))


def test_stop_ends_it_after_the_present_picture(tmp_path: Path) -> None:
    source = Images([save(tmp_path / f"{number}.png", number) for number in range(3)], CAPTURE)
    frames = source.frames()
    next(frames)
    source.stop()
    assert next(frames, None) is None


def test_pictures_given_one_by_one_are_one_source(tmp_path: Path) -> None:
    paths = [save(tmp_path / f"{number}.png", number) for number in range(3)]
    found = locate(paths)
    assert [location.pictures for location in found] == [tuple(paths)]
