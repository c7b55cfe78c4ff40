"""HEIC and AVIF photos: whole and upright, whatever they are called; or what to do, where pillow-heif is missing."""

from __future__ import annotations

import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from heic_worlds import GRID, photo, whole
from media_worlds import CAPTURE, number_in, picture
from poseline import PoseModel
from poseline.capture import Images, VideoFile, locate, open_source, read_image
from poseline.capture.animation import Animation
from poseline.errors import SourceError
from poseline.frame import Pixels
from poseline.settings import CaptureSettings
from test_capture_images import save

ADVICE = r"is a HEIC picture, and needs pillow-heif: pip install 'poseline\[heif\]', or convert it to JPEG"


@pytest.fixture
def without_heif(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)


@pytest.fixture
def with_heif() -> None:
    pytest.importorskip("pillow_heif")


def near(one: Pixels, other: Pixels) -> bool:
    """Two decoders' versions of one picture."""
    return one.shape == other.shape and float(np.abs(one.astype(int) - other).mean()) < 3


@pytest.mark.usefixtures("with_heif")
@pytest.mark.parametrize("extras", [False, True], ids=["plain", "thumbnail and depth"])
@pytest.mark.parametrize("mirror", [None, 0, 1])
@pytest.mark.parametrize("turns", range(4))
def test_tiles_are_joined_and_stand_upright(turns: int, mirror: int | None, extras: bool, tmp_path: Path) -> None:
    path = tmp_path / "photo.heic"
    path.write_bytes(photo(turns, mirror, extras=extras))
    stored = whole()
    mirrored = stored if mirror is None else np.flip(stored, mirror)
    assert near(read_image(path, CAPTURE.max_pixels), np.rot90(mirrored, turns))


@pytest.mark.usefixtures("with_heif")
@pytest.mark.parametrize("name", ["photo.heic", "PHOTO.HEIC", "photo.hif", "photo.jpg", "photo.mp4", "photo"])
@pytest.mark.parametrize("brand", [b"heic", b"heix", b"mif1"])
def test_its_content_tells_it_from_a_video(name: str, brand: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(photo(brand=brand))
    source = open_source(tmp_path / name, CAPTURE)
    assert isinstance(source, Images)
    (frame,) = source.frames()
    assert near(frame.bgr, whole())
    assert frame.bgr.flags.c_contiguous
    assert (source.bad, source.notes) == (0, [])


@pytest.mark.usefixtures("without_heif")
def test_without_the_extra_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=ADVICE) as caught:
        open_source(GRID, CAPTURE)
    assert caught.value.exit_code == 3
    (tmp_path / "photo.mp4").write_bytes(GRID.read_bytes())
    with pytest.raises(SourceError, match=ADVICE):
        open_source(tmp_path / "photo.mp4", CAPTURE)
    with pytest.raises(SourceError, match="it is a HEIC picture"):
        VideoFile(tmp_path / "photo.mp4", CAPTURE)


@pytest.mark.usefixtures("without_heif")
def test_in_a_folder_it_is_counted_and_named(tmp_path: Path) -> None:
    save(tmp_path / "a.png", 5)
    (tmp_path / "b.HEIC").write_bytes(GRID.read_bytes())
    (location,) = locate([tmp_path])
    assert location.pictures == (tmp_path / "a.png", tmp_path / "b.HEIC")
    source = open_source(location, CAPTURE)
    assert [number_in(frame.bgr) for frame in source.frames()] == [5]
    assert source.bad == 1
    assert [note.partition(": ")[0] for note in source.notes] == [str(tmp_path / "b.HEIC")]


@pytest.mark.usefixtures("with_heif")
def test_in_a_folder_it_is_one_of_the_pictures(tmp_path: Path) -> None:
    save(tmp_path / "a.png", 5)
    (tmp_path / "b.HEIC").write_bytes(GRID.read_bytes())
    source = open_source(tmp_path, CAPTURE)
    assert [(frame.width, frame.height) for frame in source.frames()] == [(64, 48), (1024, 512)]
    assert source.bad == 0


@pytest.mark.usefixtures("with_heif")
def test_the_three_people_on_the_tiles_are_found() -> None:
    assert len(PoseModel("builtin")(GRID)[0]) == 3


@pytest.mark.usefixtures("with_heif")
def test_a_damaged_photo_and_a_large_one(tmp_path: Path) -> None:
    content = GRID.read_bytes()
    world = np.random.default_rng(1)
    (tmp_path / "cut.heic").write_bytes(content[: len(content) // 3])
    with pytest.raises(SourceError, match="cut.heic: the HEIC picture cannot be decoded"):
        read_image(tmp_path / "cut.heic", CAPTURE.max_pixels)
    for _ in range(40):
        damaged = bytearray(content)
        for place in world.integers(30, len(content), 20):
            damaged[place] ^= int(world.integers(1, 256))
        (tmp_path / "damaged.heic").write_bytes(damaged)
        try:
            assert read_image(tmp_path / "damaged.heic", CAPTURE.max_pixels).ndim == 3
        except SourceError as error:
            assert "damaged.heic: " in str(error)  # noqa: PT017 # it may as well be decoded
    with pytest.raises(SourceError, match="picture 1024x512 is over the limit of 1000 pixels"):
        open_source(GRID, CaptureSettings(max_pixels=1000))


@pytest.mark.usefixtures("with_heif")
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "I;16"])
def test_other_pixels_become_bgr(mode: str, tmp_path: Path) -> None:
    import pillow_heif

    bgr = np.repeat(np.repeat(picture(200), 4, axis=0), 4, axis=1)
    image = Image.fromarray(bgr[:, :, ::-1].copy())
    if mode == "I;16":
        deep = bgr[:, :, ::-1].astype(np.uint16) * 257
        done = pillow_heif.from_bytes("RGB;16", (256, 192), deep.tobytes())
    else:
        done = pillow_heif.from_pillow(image.convert(mode))
    done.save(tmp_path / "a.heic", quality=95)
    read = read_image(tmp_path / "a.heic", CAPTURE.max_pixels)
    assert read.shape == (192, 256, 3)
    assert read.dtype == np.uint8
    assert number_in(read[::4, ::4]) == 200


def avif(size: tuple[int, int] = (128, 96), orientation: int = 1, count: int = 1) -> bytes:
    """An AVIF whose picture i shows 3 + i; later ones are shown 40, 80, 120 ms ... ."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    images = [Image.fromarray(picture(3 + index, size)[:, :, ::-1].copy()) for index in range(count)]
    target, more = BytesIO(), {}
    if count > 1:
        more = {"save_all": True, "append_images": images[1:], "duration": [40 * (index + 1) for index in range(count)]}
    images[0].save(target, "AVIF", quality=95, exif=exif, **more)
    return target.getvalue()


@pytest.mark.parametrize("name", ["a.avif", "a.jpg", "a.mp4"])
def test_an_avif_is_a_picture(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(avif())
    source = open_source(tmp_path / name, CAPTURE)
    assert isinstance(source, Images)
    assert [number_in(frame.bgr) for frame in source.frames()] == [3]


@pytest.mark.parametrize(
    ("orientation", "moved"),
    [
        (1, lambda p: p), (2, np.fliplr), (3, lambda p: np.rot90(p, 2)), (4, np.flipud),
        (5, lambda p: p.transpose(1, 0, 2)), (6, lambda p: np.rot90(p, -1)),
        (7, lambda p: np.rot90(p, 2).transpose(1, 0, 2)), (8, np.rot90),
    ],
)  # fmt: skip
def test_an_avif_stands_upright_as_its_boxes_say(orientation: int, moved: object, tmp_path: Path) -> None:
    assert callable(moved)
    (tmp_path / "a.avif").write_bytes(avif(orientation=orientation))
    assert near(read_image(tmp_path / "a.avif", CAPTURE.max_pixels), moved(picture(3, (128, 96))))


def test_a_sequence_of_avif_pictures_is_a_video(tmp_path: Path) -> None:
    path = tmp_path / "a.avif"
    path.write_bytes(avif(count=4))
    source = open_source(path, CAPTURE)
    assert isinstance(source, VideoFile)
    frames = list(source.frames())
    assert [number_in(frame.bgr) for frame in frames] == [3, 4, 5, 6], "not the still that stands before it"
    assert [frame.time for frame in frames] == pytest.approx([0, 0.04, 0.12, 0.24])


def test_an_old_pillow_and_a_damaged_avif_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.avif").write_bytes(avif()[:200])
    with pytest.raises(SourceError, match="the AVIF picture cannot be decoded; is it complete"):
        read_image(tmp_path / "a.avif", CAPTURE.max_pixels)
    (tmp_path / "a.avif").write_bytes(avif())
    with pytest.raises(SourceError, match="picture 128x96 is over the limit of 100 pixels"):
        read_image(tmp_path / "a.avif", 100)
    monkeypatch.setattr("PIL.features.check", lambda _: False)
    with pytest.raises(SourceError, match="needs Pillow 11.3 or later"):
        read_image(tmp_path / "a.avif", CAPTURE.max_pixels)


@pytest.mark.parametrize("name", ["a.avif", "a.webp"])
def test_damage_is_told_beside_ultralytics_too(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once imported, it has put an `Image.open` of its own into Pillow, which wants pi-heif for whatever is damaged."""

    def replaced(*_: object, **__: object) -> None:
        raise ModuleNotFoundError("No module named 'pi_heif'")

    monkeypatch.setattr("PIL.Image.open", replaced)
    animated = b"RIFF\x40\0\0\0WEBPVP8X\x0a\0\0\0\x02\0\0\0\x0f\0\0\x0f\0\0"
    (tmp_path / name).write_bytes(avif()[:200] if name == "a.avif" else animated)
    with pytest.raises(SourceError, match=f"{name}: .*; is it complete"):
        if name == "a.avif":
            read_image(tmp_path / name, CAPTURE.max_pixels)
        else:
            Animation(tmp_path / name, CAPTURE)


@pytest.mark.usefixtures("with_heif")
@pytest.mark.parametrize(("main", "which"), [(0, "the first"), (1, "the main one")])
def test_several_photos_in_a_file_are_said(main: int, which: str, tmp_path: Path) -> None:
    import pillow_heif

    path = tmp_path / "two.heic"
    file = pillow_heif.HeifFile()
    for number in (3, 5):
        file.add_from_pillow(Image.fromarray(picture(number, (128, 96))[:, :, ::-1].copy()))
    try:
        file.save(path, quality=90, primary_index=main)
    except RuntimeError:
        pytest.skip("this pillow-heif cannot write HEIC")
    source = open_source(path, CAPTURE)
    (frame,) = source.frames()
    assert number_in(frame.bgr) == (3, 5)[main]
    assert source.notes == [f"{path}: holds 2 pictures; {which} was taken"]


@pytest.mark.usefixtures("with_heif")
@pytest.mark.parametrize("extras", [False, True], ids=["plain", "thumbnail and depth"])
def test_one_photo_with_its_parts_is_one(extras: bool, tmp_path: Path) -> None:
    (tmp_path / "photo.heic").write_bytes(photo(extras=extras))
    assert open_source(tmp_path / "photo.heic", CAPTURE).notes == []
