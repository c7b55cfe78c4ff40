"""Interlaced video: made by FFmpeg from a sample whose truth is known, and read whole."""

from __future__ import annotations

import subprocess
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from media_worlds import CAPTURE, numbers, picture, probed_pts, write_clip
from output_worlds import SAMPLES
from poseline import PoseModel, stream
from poseline.capture import VideoFile
from poseline.capture.deinterlace import Deinterlacer
from poseline.frame import Frame, plane_pixels
from poseline.settings import CaptureSettings, load
from test_capture_orientation import with_matrix
from test_samples import FULLY_VISIBLE, frames, pairs

pytestmark = pytest.mark.system("ffmpeg")

AS_IT_IS = CaptureSettings(deinterlace="no")
NOTE = "pictures were interlaced and were made whole (bwdif); --deinterlace no leaves such pictures as they are"


def ffmpeg(*arguments: object) -> None:
    subprocess.run(["ffmpeg", "-v", "error", "-y", *map(str, arguments)], check=True)


def interlaced(path: Path, order: str = "tff", codec: tuple[str, ...] = ("libx264",), length: float = 1) -> Path:
    """The sprint, 30 pictures a second, as 15 interlaced ones: each holds two moments, line by line."""
    first = "top" if order == "tff" else "bottom"
    ffmpeg(
        "-i", SAMPLES / "sprint.mp4", "-t", length, "-an", "-vf", f"tinterlace=interleave_{first},setfield={order}",
        "-c:v", *codec, "-flags", "+ildct+ilme", path,
    )  # fmt: skip
    return path


@pytest.fixture(scope="module")
def sprint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return interlaced(
        tmp_path_factory.mktemp("interlaced") / "sprint.mp4", codec=("libx264", "-crf", "16", "-x264opts", "tff=1")
    )


def combing(path: Path, settings: CaptureSettings) -> float:
    """Mean difference of a line from those around it: what moves and is interlaced has most of it."""
    found = []
    for frame in VideoFile(path, settings).frames():
        assert isinstance(frame.picture, av.VideoFrame)
        luma = plane_pixels(frame.picture.planes[0]).astype(int)
        found.append(np.abs(luma[:-2] - 2 * luma[1:-1] + luma[2:]).mean())
    return float(np.mean(found))


def pictures_of(path: Path, settings: CaptureSettings = CAPTURE) -> tuple[list[Frame], list[str]]:
    source = VideoFile(path, settings)
    return list(source.frames()), source.notes


def similarity(path: Path, deinterlace: str) -> float:
    """Mean OKS of what the built-in model finds, against the truth of the first of each picture's two moments."""
    found = []
    settings = load(overrides={"capture": {"deinterlace": deinterlace}}).capture
    model = PoseModel("builtin")
    for frame in VideoFile(path, settings).frames():
        known = frames("sprint")[2 * frame.index]["persons"]
        paired = pairs(known, model.estimator.estimate(frame).poses)
        found += [paired.get(at, (0, 0.0))[1] for at, one in enumerate(known) if one["visible"] >= FULLY_VISIBLE]
    return float(np.mean(found))


def test_what_was_interlaced_comes_whole(sprint: Path) -> None:
    before, after = combing(sprint, AS_IT_IS), combing(sprint, CAPTURE)
    plain = combing(SAMPLES / "sprint.mp4", CAPTURE)
    assert before > 3 * plain, "the test's own clip must show it"
    assert after < 1.3 * plain


def test_each_picture_keeps_its_place_and_time(sprint: Path) -> None:
    found, notes = pictures_of(sprint)
    left, none = pictures_of(sprint, AS_IT_IS)
    assert [frame.pts for frame in found] == [frame.pts for frame in left] == probed_pts(sprint)
    assert [frame.time for frame in found] == [frame.time for frame in left]
    assert [frame.layout for frame in found] == [frame.layout for frame in left]
    assert notes == [f"15 {NOTE}"]
    assert none == []


def test_people_are_found_better_in_it(sprint: Path) -> None:
    left, whole = similarity(sprint, "no"), similarity(sprint, "auto")
    assert whole >= 0.85, "as in the clip itself"
    assert whole > left


@pytest.mark.parametrize(
    ("suffix", "order", "codec"),
    [
        ("mpg", "tff", ("mpeg2video", "-q:v", "2")), ("ts", "bff", ("libx264", "-x264opts", "bff=1")),
        ("avi", "tff", ("mpeg4", "-q:v", "2")), ("mkv", "bff", ("ffv1",)),
        ("mov", "tff", ("prores_ks",)),
    ],
)  # fmt: skip
def test_every_codec_that_says_so_is_heard(suffix: str, order: str, codec: tuple[str, ...], tmp_path: Path) -> None:
    path = interlaced(tmp_path / f"clip.{suffix}", order, codec, length=0.6)
    found, notes = pictures_of(path)
    assert [frame.pts for frame in found] == [frame.pts for frame in pictures_of(path, AS_IT_IS)[0]]
    assert f"{len(found)} {NOTE}" in notes
    assert combing(path, CAPTURE) < 0.5 * combing(path, AS_IT_IS)


def test_a_dv_tape_is_read_whole_and_knows_its_pixels(tmp_path: Path) -> None:
    ffmpeg("-i", SAMPLES / "sprint.mp4", "-t", "0.4", "-target", "pal-dv", tmp_path / "tape.dv")
    source = VideoFile(tmp_path / "tape.dv", CAPTURE)
    assert (source.info.width, source.info.height, source.info.pixel_aspect) == (720, 576, Fraction(16, 15))
    assert sum(1 for _ in source.frames()) == 10
    assert source.notes == [f"10 {NOTE}"]


def test_progressive_video_is_not_touched(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", range(20))
    with av.open(str(path)) as container:
        stored = [frame.to_ndarray() for frame in container.decode(video=0)]
    source = VideoFile(path, CAPTURE)
    for frame, before in zip(source.frames(), stored, strict=True):
        assert isinstance(frame.picture, av.VideoFrame)
        assert np.array_equal(frame.picture.to_ndarray(), before)
    assert source.notes == []


@pytest.mark.parametrize("order", ["progressive first", "interlaced first"])
@pytest.mark.parametrize("second_size", ["960:540", "480:270"])
def test_where_it_changes_in_mid_file_no_picture_is_lost(order: str, second_size: str, tmp_path: Path) -> None:
    """Two pieces of MPEG-2 behind each other, of one size or two; each picture comes once, in order."""
    plain, woven, codec = tmp_path / "plain.ts", tmp_path / "woven.ts", ("-c:v", "mpeg2video", "-q:v", "3", "-bf", "0")
    sizes = ("960:540", second_size) if order == "progressive first" else (second_size, "960:540")
    ffmpeg("-i", SAMPLES / "sprint.mp4", "-t", "0.4", "-an", "-vf", f"scale={sizes[0]}", *codec, plain)
    ffmpeg(
        "-ss", "2", "-i", SAMPLES / "sprint.mp4", "-t", "0.8", "-an", "-r", "15", "-flags", "+ildct+ilme",
        "-vf", f"scale={sizes[1]},tinterlace=interleave_top,setfield=tff", *codec, woven,
    )  # fmt: skip
    pieces = (plain, woven) if order == "progressive first" else (woven, plain)
    path = tmp_path / "both.ts"
    path.write_bytes(b"".join(piece.read_bytes() for piece in pieces))
    found, notes = pictures_of(path)
    left, _ = pictures_of(path, AS_IT_IS)
    assert len(found) == len(left) >= 23, "FFmpeg's decoder loses one where the size changes"
    assert [frame.pts for frame in found] == [frame.pts for frame in left]
    assert [(frame.width, frame.height) for frame in found] == [(frame.width, frame.height) for frame in left]
    assert f"12 {NOTE}" in notes or f"11 {NOTE}" in notes
    rivals = [small(frame) for frame in left]
    for index, one in enumerate(small(frame) for frame in found):  # each is, but for its lines, the picture that it was
        differences = [np.abs(one - other).mean() if one.shape == other.shape else np.inf for other in rivals]
        assert int(np.argmin(differences)) == index


def small(frame: Frame) -> NDArray[np.float64]:
    """A picture so small that its lines do not show."""
    height, width = frame.height // 16, frame.width // 16
    blocks = frame.bgr[: 16 * height, : 16 * width].reshape(height, 16, width, 16, 3)
    return np.asarray(blocks.mean(axis=(1, 3)), np.float64)


def test_a_turned_interlaced_clip_is_made_whole_first(tmp_path: Path) -> None:
    path = interlaced(tmp_path / "clip.mp4", codec=("libx264", "-x264opts", "tff=1"), length=0.4)
    straight, _ = pictures_of(path)
    sideways, notes = pictures_of(with_matrix(path, 0, 1, -1, 0))
    for one, other in zip(straight, sideways, strict=True):
        assert (other.width, other.height) == (540, 960)
        assert np.abs(np.rot90(one.bgr, -1).astype(int) - other.bgr).mean() < 2
    assert notes == [f"6 {NOTE}"]


def test_a_picture_of_a_few_pixels_stays_as_it_is(tmp_path: Path) -> None:
    ffmpeg(
        "-f", "lavfi", "-i", "testsrc=s=16x4:r=25:d=0.2", "-vf", "setfield=tff", "-c:v", "ffv1", "-pix_fmt", "yuv420p",
        tmp_path / "tiny.mkv",
    )  # fmt: skip
    found, notes = pictures_of(tmp_path / "tiny.mkv")
    assert len(found) == 5
    assert notes == ["5 interlaced pictures were not made whole: too small"]


def woven(number: int, pts: int | None) -> av.VideoFrame:
    frame = av.VideoFrame.from_ndarray(picture(number), format="bgr24").reformat(format="yuv420p")
    frame.pts, frame.time_base = pts, Fraction(1, 1000)
    return frame


@pytest.mark.parametrize("stamps", [[5], [5, 6], [None, None, None], [9, 9, 3, 400_000_000, 4, 5]])
def test_one_comes_out_for_each_that_goes_in_whatever_its_stamp(stamps: list[int | None]) -> None:
    given = [woven(number, stamp) for number, stamp in enumerate(stamps)]
    deinterlacer = Deinterlacer(given[0])
    ready = [one for frame in given for one, _ in deinterlacer.give(frame)]
    assert len(ready) == len(given) - 1, "it waits for the next one's lines"
    ready += [one for one, _ in deinterlacer.flush()]
    assert [(frame.pts, frame.time_base) for frame in ready] == [(stamp, Fraction(1, 1000)) for stamp in stamps]
    assert numbers(Frame(one, 0, 0, Fraction(1), 0.0, 0.0) for one in ready) == list(range(len(stamps)))
    assert not deinterlacer.takes(av.VideoFrame(32, 32, "yuv420p"))


def test_the_setting_is_a_word_also_where_yaml_reads_no_as_false(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("capture:\n  deinterlace: no\n")
    assert load(path).capture.deinterlace == "no"
    path.write_text("capture:\n  deinterlace: auto\n")
    assert load(path).capture.deinterlace == "auto"


def test_a_stream_of_it_too(sprint: Path) -> None:
    observation = next(stream(sprint, model="builtin"))
    assert not np.array_equal(observation.frame.bgr, next(VideoFile(sprint, AS_IT_IS).frames()).bgr)
