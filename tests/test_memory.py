"""Pictures in memory: whatever a notebook holds is taken as what it shows, or refused with what to give instead."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from poseline import PoseModel, SourceError
from poseline.capture import VideoFile, pixels_of
from poseline.frame import Pixels
from poseline.settings import CaptureSettings

SAMPLES = Path(__file__).parents[1] / "samples"
BLUE, GREEN, RED, GREY = 10, 120, 200, 90
COLOUR = np.full((4, 6, 3), (BLUE, GREEN, RED), np.uint8)
"""Wider than high, so that turned pictures show it."""


def marked(channels: int = 3, dtype: Any = np.uint8) -> np.ndarray[Any, Any]:
    """A picture whose every number is another."""
    return np.arange(4 * 6 * channels).reshape(4, 6, channels).astype(dtype)


ARRAYS: dict[str, tuple[Any, Any]] = {
    "BGR": (marked(), marked()),
    "a view that is turned round": (marked()[::-1, ::-1, ::-1], marked()[::-1, ::-1, ::-1]),
    "a part of a picture": (marked()[1:3, 2:5], marked()[1:3, 2:5]),
    "Fortran's order": (np.asfortranarray(marked()), marked()),
    "BGRA": (np.dstack([marked(), np.zeros((4, 6), np.uint8)]), marked()),
    "grey, two axes": (marked(1)[:, :, 0], np.repeat(marked(1), 3, 2)),
    "grey, three axes": (marked(1), np.repeat(marked(1), 3, 2)),
    "grey and alpha": (np.dstack([marked(1), np.zeros((4, 6), np.uint8)]), np.repeat(marked(1), 3, 2)),
    "16 bits": (marked(dtype=np.uint16) * 256 + 200, marked()),
    "16 bits of the other byte order": ((marked(dtype=np.uint16) * 256 + 200).astype(">u2"), marked()),
    "floats in 0..255": (marked(dtype=np.float32) + 0.3, marked()),
    "doubles, grey": (marked(1, np.float64)[:, :, 0], np.repeat(marked(1), 3, 2)),
    "floats, black": (np.zeros((4, 6, 3)), np.zeros((4, 6, 3), np.uint8)),
    "one pixel": (COLOUR[:1, :1], COLOUR[:1, :1]),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_are_taken_as_what_they_show(name: str) -> None:
    given, shown = ARRAYS[name]
    given.setflags(write=False)
    taken = pixels_of(given)
    assert taken.dtype == np.uint8
    assert taken.flags.c_contiguous
    np.testing.assert_array_equal(taken, shown)


REFUSED: dict[str, tuple[Any, str]] = {
    "channels first": (np.zeros((3, 40, 60), np.uint8), r"channels first; give \(H, W, C\).*transpose\(1, 2, 0\)"),
    "one channel first": (np.zeros((1, 40, 60), np.uint8), "channels first"),
    "seven channels": (np.zeros((40, 60, 7), np.uint8), "has 7 channels; give a file's name"),
    "a batch": (np.zeros((2, 40, 60, 3), np.uint8), r"holds several pictures; give a list of them: list\(array\)"),
    "one axis": (np.zeros(40, np.uint8), r"of shape \(40,\) is no picture; give"),
    "no axis": (np.array(3, np.uint8), r"of shape \(\) is no picture"),
    "no height": (np.zeros((0, 60, 3), np.uint8), r"of shape \(0, 60, 3\) is empty"),
    "no channel": (np.zeros((40, 60, 0), np.uint8), "is empty"),
    "whole numbers": (np.zeros((40, 60, 3), np.int64), r"an array of int64 .*astype\(numpy.uint8\)"),
    "truth values": (np.zeros((40, 60), np.bool_), "an array of bool"),
    "texts": (np.full((4, 6), "a"), "an array of <U1"),
    "floats in 0..1": (np.full((40, 60, 3), 0.5), r"seems to hold 0..1; give \(255 \* array\)"),
    "floats below": (np.full((40, 60, 3), -1.0), r"must hold 0..255, and this one holds -1..-1"),
    "floats above": (np.full((40, 60, 3), 256.0), "this one holds 256..256"),
    "no number": (np.full((40, 60, 3), np.nan), "this one holds nan..nan"),
    "nothing": (None, "there is no source; give a file|cannot be a NoneType; give a file's name"),
    "bytes": (b"\xff\xd8", "cannot be a bytes"),
    "a table": ({"a": 1}, "cannot be a dict"),
    "a file that is open": (io.BytesIO(b"\xff\xd8"), "cannot be a BytesIO"),
    "a number with a comma": (0.5, "cannot be a float"),
    "yes": (True, "cannot be a bool"),
}


@pytest.fixture(scope="module")
def model() -> PoseModel:
    return PoseModel("builtin")


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_picture_is_refused_with_what_to_give(name: str, model: PoseModel) -> None:
    given, words = REFUSED[name]
    with pytest.raises(SourceError, match=words):
        model(given)
    with pytest.raises(SourceError, match=words):
        model([COLOUR, given])


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV", "P", "PA", "L", "LA", "1", "I", "F"])
def test_pil_pictures_of_every_mode_show_what_they_show(mode: str) -> None:
    colour = Image.fromarray(np.ascontiguousarray(COLOUR[:, :, ::-1]))
    if mode in ("L", "LA", "I", "F"):
        colour, expected = Image.new("L", (6, 4), GREY), np.full((4, 6, 3), GREY, np.uint8)
    elif mode == "1":
        colour, expected = Image.new("L", (6, 4), 255), np.full((4, 6, 3), 255, np.uint8)
    else:
        expected = COLOUR
    palette = colour.quantize(4)
    picture = {"P": palette, "PA": palette.convert("PA")}.get(mode) or colour.convert(mode)
    taken = pixels_of(picture)
    assert taken.shape == (4, 6, 3)
    assert np.abs(taken.astype(int) - expected).max() <= 3  # in another way to write a colour, it is rounded


@pytest.mark.parametrize("dtype", ["<u2", ">u2", "<i4"])
def test_pil_pictures_of_16_bits_keep_the_upper_8(dtype: str) -> None:
    levels = (np.arange(24).reshape(4, 6) * 2700 + 7).astype(dtype)
    np.testing.assert_array_equal(pixels_of(Image.fromarray(levels))[:, :, 1], levels >> 8)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pil_pictures_are_turned_upright(orientation: int) -> None:
    rgb = np.ascontiguousarray(marked()[:, :, ::-1])
    exif, file = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    Image.fromarray(rgb).save(file, "PNG", exif=exif)
    picture = Image.open(file)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(file)))[:, :, ::-1]
    assert expected.shape == ((4, 6, 3) if orientation < 5 else (6, 4, 3))
    np.testing.assert_array_equal(pixels_of(picture), expected)


def test_pil_pictures_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    file = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(file, "PNG")
    (tmp_path / "torn.png").write_bytes(file.getvalue()[:2000])
    with (
        Image.open(tmp_path / "torn.png") as torn,
        pytest.raises(SourceError, match=r"torn\.png: PIL cannot read it: .*truncated"),
    ):
        pixels_of(torn)
    closed = Image.open(file)
    closed.close()
    with pytest.raises(SourceError, match="PIL cannot read it"):
        pixels_of(closed)
    with pytest.raises(SourceError, match="0x0 pixels is empty"):
        pixels_of(Image.new("RGB", (0, 0)))
    with pytest.raises(SourceError, match=r"must hold 0..65535, and this one holds 70000..70000"):
        pixels_of(Image.new("I", (4, 4), 70000))


@pytest.fixture(scope="module")
def people() -> Pixels:
    frames = VideoFile(SAMPLES / "crossing.mp4", CaptureSettings()).frames()
    pixels = next(frames).bgr
    frames.close()
    return pixels


def test_all_kinds_of_one_picture_are_one_result(model: PoseModel, people: Pixels, tmp_path: Path) -> None:
    pil = Image.fromarray(np.ascontiguousarray(people[:, :, ::-1]))
    pil.save(tmp_path / "people.png")
    [expected] = model(people)
    assert len(expected) >= 2
    alpha = np.dstack([people, np.full(people.shape[:2], 7, np.uint8)])
    several = model([pil, tmp_path / "people.png", alpha, str(tmp_path / "people.png"), people.astype(np.float32)])
    for result in [*model(pil), *several]:
        np.testing.assert_array_equal(result.keypoints.data, expected.keypoints.data)
        np.testing.assert_array_equal(result.orig_img, people)
    assert [Path(result.path).name for result in several] == [
        "image0.jpg", "people.png", "image2.jpg", "people.png", "image4.jpg"
    ]  # fmt: skip
    assert model(Image.open(tmp_path / "people.png"))[0].path == str(tmp_path / "people.png")
    assert [len(result) for result in model(picture for picture in (people, pil))] == [len(expected)] * 2
    assert model([]) == []


def test_tensors_are_rgb_in_0_to_1_with_their_channels_first(model: PoseModel, people: Pixels) -> None:
    torch = pytest.importorskip("torch")
    cut = np.ascontiguousarray(people[:512, :768])
    tensor = torch.from_numpy(np.ascontiguousarray(cut[:, :, ::-1])).permute(2, 0, 1)
    [expected] = model(cut, imgsz=768)
    assert len(expected) >= 1
    kinds = [tensor / 255, tensor, tensor.to(torch.int32), (tensor / 255).double(), tensor.float().requires_grad_()]
    for kind in kinds:
        [result] = model(kind)
        np.testing.assert_array_equal(result.orig_img, cut)
        np.testing.assert_array_equal(result.keypoints.data, expected.keypoints.data)
        assert result.input_shape == (512, 768), "in its own size"
    np.testing.assert_allclose(pixels_of((tensor / 255).half()), cut, atol=1)
    several = model(torch.stack([tensor, tensor.flip(2)]) / 255)
    assert [result.path for result in several] == ["image0.jpg", "image1.jpg"]
    np.testing.assert_array_equal(several[1].orig_img, cut[:, ::-1])
    np.testing.assert_array_equal(several[0].boxes.xyxy, expected.boxes.xyxy)
    assert model(tensor, imgsz=320)[0].input_shape[1] == 320
    np.testing.assert_array_equal(pixels_of(tensor[:1]), np.repeat(cut[:, :, 2:], 3, axis=2))
    np.testing.assert_array_equal(model([tensor, cut])[0].orig_img, cut)


def test_tensors_that_are_no_pictures_are_refused(model: PoseModel) -> None:
    torch = pytest.importorskip("torch")
    for tensor, words in [
        (torch.zeros(64, 64), r"not \(64, 64\)"),
        (torch.zeros(64, 64, 3), r"not \(64, 64, 3\); give tensor.permute\(2, 0, 1\)"),
        (torch.zeros(2, 3, 0, 64), r"not \(3, 0, 64\)"),
        (torch.zeros(4, 64, 64), r"not \(4, 64, 64\)"),
        (torch.full((3, 64, 64), -0.5), "this one holds -0.5..-0.5"),
        (torch.full((3, 64, 64), 300.0), "this one holds 300..300"),
        (torch.full((3, 64, 64), float("nan")), "this one holds nan..nan"),
        (torch.zeros(3, 64, 64, dtype=torch.bool), "a tensor of torch.bool"),
        (torch.zeros(3, 64, 64, dtype=torch.complex64), "a tensor of torch.complex64"),
    ]:
        with pytest.raises(SourceError, match=words):
            model(tensor)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (str(SAMPLES / "squat.mp4"), r"squat.mp4: is a video, which cannot stand in a list of pictures; give it alone"),
        (SAMPLES / "squat.mp4", "is a video"),
        (0, "0: is a camera"),
        ("1", "1: is a camera"),
        ("rtsp://me:secret@127.0.0.1/stream", r"rtsp://\*\*\*@127.0.0.1/stream: is a stream"),
        (SAMPLES, "samples: is several sources"),
        (str(SAMPLES / "*.mp4"), r"mp4: is several sources"),
    ],
)
def test_what_is_no_picture_cannot_stand_in_a_list(source: Any, words: str, model: PoseModel) -> None:
    with pytest.raises(SourceError, match=words):
        model([COLOUR, source])


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("", "the name of a source is empty; give a file"),
        ("nowhere.mp4", r"nowhere.mp4: no such file"),
        ("nowhere.jpg", r"nowhere.jpg: no such file"),
        (SAMPLES / "squatt.mp4", r"squatt.mp4: no such file; did you mean .*samples.squat.mp4\?"),
        (str(SAMPLES / "*.jpg"), r"\*.jpg: matches no file"),
        ("~nobody-of-this-name/a.jpg", r"a.jpg: .*"),
        ("x" * 5000, "File name too long"),
        ("a\0b.jpg", r"'a.x00b.jpg': is not the name of a file"),
        ("screen", "the screen is no source"),
        ("list.streams", "several at once are `poseline run"),
    ],
)
def test_what_is_not_there_is_told_so(source: Any, words: str, model: PoseModel) -> None:
    for given in (source, [COLOUR, source]):
        with pytest.raises(SourceError, match=words):
            model(given)


def test_a_model_that_is_called_imports_neither_pil_nor_torch() -> None:
    code = (
        "import sys, numpy\nfrom poseline import PoseModel\n"
        "model = PoseModel('builtin')\nmodel(numpy.zeros((64, 64, 3), numpy.uint8), verbose=False)\n"
        "print(sorted({'PIL', 'torch', 'ultralytics'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=280, check=True)
    assert done.stdout == "[]\n"
