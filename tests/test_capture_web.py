"""What a web server sends under whatever name is read, or named, as the same file on this machine is."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from media_worlds import CAPTURE, number_in, picture, write_clip
from output_worlds import decoded
from poseline.capture import SimulatedCamera, VideoFile, locate, open_source
from poseline.capture.animation import Animation
from poseline.errors import SourceError
from poseline.frame import Frame
from poseline.settings import CaptureSettings
from stream_worlds import web_server
from test_capture_animation import DURATIONS, images, write
from test_capture_images import save
from test_cli import logged, poseline

QUICK = CaptureSettings(open_timeout=2, read_timeout=2, max_outage=1)
PAGE = b"<!DOCTYPE html>\n<html>Please log in</html>"


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def motion_jpeg(path: Path, numbers: range = range(20, 26), size: tuple[int, int] = (640, 480)) -> Path:
    """JPEG pictures one behind the other, of noise and thus large, that show these numbers."""
    rows = []
    for number in numbers:
        pixels = picture(number, size)
        noise = np.random.default_rng(number).integers(0, 255, pixels[60:].shape)
        pixels[60:] = noise if size[1] > 60 else pixels[60:]
        rows.append(_jpeg(path.with_name("one.jpg"), Image.fromarray(pixels[:, :, ::-1].copy())))
    path.with_name("one.jpg").unlink()
    path.write_bytes(b"".join(rows))
    return path


def _jpeg(path: Path, image: Image.Image) -> bytes:
    image.save(path, quality=95)
    return path.read_bytes()


def moving(path: Path) -> Path:
    """A file that moves, by its name's first part."""
    kind = path.name.partition("-")[0]
    if kind == "webp":
        return write(path, "WEBP", lossless=True)
    if kind == "apng":
        return write(path, "PNG")
    if kind == "gif":
        return write(path, "GIF")
    if kind == "mp4":
        mp4 = write_clip(path.with_suffix(".mp4"), range(5), container={"movflags": "faststart"})
        return mp4.rename(path)
    small = kind == "small"
    return motion_jpeg(path, range(1) if kind == "single" else range(20, 26), (64, 48) if small else (640, 480))


def seen(frames: list[Frame]) -> list[tuple[int, float]]:
    return [(number_in(frame.bgr), frame.time) for frame in frames]


@pytest.mark.parametrize(
    "name",
    [
        "apng-.png", "apng-.apng", "apng-.jpg", "apng-.mp4", "apng-", "webp-.webp", "webp-.jpg", "webp-.mp4", "webp-",
        "gif-.gif", "gif-.png", "mjpeg-.mjpeg", "mjpeg-.mjpg", "mjpeg-.bin", "mjpeg-.mp4", "mjpeg-", "small-.mjpeg",
        "small-.bin", "single-.mjpeg", "mp4-.jpg",
    ],
)  # fmt: skip
def test_what_moves_is_the_same_at_an_address_as_in_a_file(name: str, tmp_path: Path) -> None:
    path = moving(tmp_path / name)
    here = open_source(path, QUICK)
    frames = list(here.frames())
    count = 1 if name.startswith("single") else 6 if "mjpeg" in name or name.startswith("small") else 5
    assert len(frames) == count
    with web_server(tmp_path) as address:
        [location] = locate([f"{address}/{name}"])
        there = open_source(location, QUICK)
        assert isinstance(there, Animation if name.startswith("webp") else VideoFile)
        assert seen(list(there.frames())) == seen(frames)
    assert (there.info.live, there.info.width, there.info.frames) == (False, here.info.width, here.info.frames)
    assert there.info.name == f"{address}/{name}"
    assert there.bad == here.bad == 0
    assert len(there.notes) == len(here.notes)


@pytest.mark.parametrize("name", ["apng-.png", "webp-.webp", "mjpeg-.mjpeg"])
def test_what_moves_at_an_address_can_be_a_simulated_camera(name: str, tmp_path: Path) -> None:
    moving(tmp_path / name)
    with web_server(tmp_path) as address:
        source = open_source(f"{address}/{name}", QUICK.model_copy(update={"live": True}))
        assert isinstance(source, SimulatedCamera)
        source.close()


@pytest.mark.parametrize("name", ["apng-.png", "apng-", "webp-.webp", "webp-", "mjpeg-.mp4", "mjpeg-.mjpeg"])
def test_what_moves_has_parts_at_an_address_as_in_a_file(name: str, tmp_path: Path) -> None:
    path = moving(tmp_path / name)
    part = QUICK.model_copy(update={"start": 0.1, "end": 0.2})
    whole = seen(list(open_source(path, QUICK).frames()))
    with web_server(tmp_path) as address:
        source = open_source(f"{address}/{name}", part)
        assert seen(list(source.frames())) == [each for each in whole if 0.1 <= each[1] < 0.2] != []
        late = part.model_copy(update={"start": 7.0, "end": None})
        with pytest.raises(SourceError, match=f"{address}/{name}: has no frame from 7 s on"):
            list(open_source(f"{address}/{name}", late).frames())


@pytest.mark.parametrize("name", ["snap.jpg", "snap.cgi"])
def test_a_picture_at_an_address_has_no_parts(name: str, tmp_path: Path) -> None:
    save(tmp_path / "w.jpg", 77).rename(tmp_path / name)
    with web_server(tmp_path) as address, pytest.raises(SourceError, match=f"{name}: --from and --to .* is a picture;"):
        open_source(f"{address}/{name}", QUICK.model_copy(update={"start": 1.0}))


@pytest.mark.parametrize("name", ["snap.mp4", "snap.mkv", "snap.cgi", "snap.html", "snap"])
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".bmp"])
def test_a_picture_is_read_whatever_the_server_calls_it(name: str, suffix: str, tmp_path: Path) -> None:
    save(tmp_path / f"w{suffix}", 77).rename(tmp_path / name)
    with web_server(tmp_path) as address:
        frames = list(open_source(f"{address}/{name}", QUICK).frames())
    assert [number_in(frame.bgr) for frame in frames] == [77]


OTHERS = {
    "page": (PAGE, "a web page; was the download refused, or a log-in asked for?"),
    "pdf": (b"%PDF-1.4\n%\xe2\xe3\xcf\xd3", "a PDF document"),
    "svg": (b"<svg></svg>", "an SVG drawing; convert it to PNG"),
    "text": (b"not found\n", "text"),
    "zip": (b"PK\x03\x04" + bytes(100), "a ZIP archive or an office document"),
}


@pytest.mark.parametrize("suffix", [".html", ".jpg", ".mp4", ".mjpeg", ".ts", ""])
@pytest.mark.parametrize("kind", OTHERS)
def test_what_is_neither_is_named_in_a_sentence_that_holds(kind: str, suffix: str, tmp_path: Path) -> None:
    content, words = OTHERS[kind]
    (tmp_path / f"x{suffix}").write_bytes(content)
    with web_server(tmp_path) as address, pytest.raises(SourceError) as caught:
        open_source(f"{address}/x{suffix}", QUICK)
    assert str(caught.value) == f"{address}/x{suffix}: the server sends {words}"
    with pytest.raises(SourceError) as caught:
        open_source(tmp_path / f"x{suffix}", QUICK)
    assert f"it is {words}" in str(caught.value), "the same words for a file"


def test_a_damaged_animation_is_told_as_in_a_file(tmp_path: Path) -> None:
    path = write(tmp_path / "a.webp", "WEBP")
    os.truncate(path, 60)
    with web_server(tmp_path) as address, pytest.raises(SourceError, match="animated WebP cannot be decoded; is it"):
        open_source(f"{address}/a.webp", QUICK)


def test_an_animation_among_pictures_is_named_and_left_out(tmp_path: Path) -> None:
    write(tmp_path / "b.webp", "WEBP")
    save(tmp_path / "a.png", 5)
    with web_server(tmp_path) as address:
        [location] = locate([f"{address}/a.png", f"{address}/b.webp"])
        source = open_source(location, CAPTURE)
        assert [number_in(frame.bgr) for frame in source.frames()] == [5]
    told = "not one picture, but an animated WebP picture; `poseline run` and stream() take it by itself"
    assert source.notes == [f"{address}/b.webp: {told}"]


@pytest.mark.parametrize(("name", "form"), [("an.png", "PNG"), ("an.webp", "WEBP")])
def test_a_run_of_an_animation_behind_an_address(name: str, form: str, tmp_path: Path) -> None:
    write(tmp_path / name, form)
    assert len(images()) == len(DURATIONS) == 5
    with web_server(tmp_path) as address:
        done = poseline("run", f"{address}/{name}", "-m", "builtin", "--imgsz", 64, "-o", tmp_path / "out")
    assert (done.returncode, done.stderr) == (0, "")
    assert "not one picture" not in done.stdout
    assert [record["time"] for record in logged(tmp_path / "out")] == pytest.approx([0, 0.04, 0.12, 0.14, 0.34])
    assert decoded(tmp_path / "out" / "annotated.mp4") == 5
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["counts"]["processed"] == 5
