"""A part of a recording: exactly the frames that its times name, as when all of it is read."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from media_worlds import CAPTURE, number_in, settings, write_clip
from output_worlds import SAMPLES, lines, seconds
from poseline import stream
from poseline.capture import ClipSample, SimulatedCamera, VideoFile, locate, open_source
from poseline.capture.container import Opened, open_container
from poseline.errors import SettingsError, SourceError
from poseline.frame import Frame, plane_pixels
from poseline.log import read_log
from poseline.settings import CaptureSettings, load
from test_capture_deinterlace import interlaced
from test_capture_time import PLAIN, REORDERED, joined, restamped, trimmed
from test_run import recorded
from test_time_end_to_end import with_sound

OPEN_GOP = {
    "x264-params": "open-gop=1:bframes=3:b-adapt=0:keyint=25:min-keyint=25:scenecut=0", "preset": "medium",
}  # fmt: skip
OPEN_GOP_HEVC = {
    "x265-params": "open-gop=1:bframes=3:keyint=25:min-keyint=25:scenecut=0:log-level=none", "preset": "ultrafast",
}  # fmt: skip
REFRESHED = {"x264-params": "intra-refresh=1:keyint=25", "qp": "20", "preset": "medium", "bf": "0"}
COUNT = 130
VARYING = np.cumsum(np.random.default_rng(0).integers(1, 9000, COUNT)).tolist()
TICKS = Fraction(1, 90_000)

Facts = tuple[int, float, int, "int | None", NDArray[np.uint8]]


def clip(path: Path, options: dict[str, str] = REORDERED, codec: str = "libx264", pix_fmt: str = "yuv420p") -> Path:
    return write_clip(path, range(COUNT), Fraction(1, 25), options=options, codec=codec, pix_fmt=pix_fmt)


def varying(path: Path) -> Path:
    timescale = {"video_track_timescale": "90000"} if path.suffix == ".mp4" else {}
    return write_clip(path, VARYING, TICKS, options=REORDERED, container=timescale)


CLIPS: dict[str, tuple[str, Callable[[Path], Path]]] = {
    "MP4": ("a.mp4", lambda path: clip(path, PLAIN)),
    "MP4, B-frames": ("a.mp4", clip),
    "Matroska, B-frames": ("a.mkv", clip),
    "MPEG-TS, B-frames": ("a.ts", clip),
    "MPEG-PS": ("a.mpg", lambda path: clip(path, {"g": "12", "bf": "2"}, "mpeg2video")),
    "FLV": ("a.flv", clip),
    "AVI, B-frames": ("a.avi", clip),
    "WebM": ("a.webm", lambda path: clip(path, {"g": "25", "b:v": "300k"}, "libvpx")),
    "Motion JPEG": ("a.avi", lambda path: clip(path, {}, "mjpeg", "yuvj420p")),
    "open GOP": ("a.mp4", lambda path: clip(path, OPEN_GOP)),
    "open GOP, MPEG-TS": ("a.ts", lambda path: clip(path, OPEN_GOP)),
    "open GOP, HEVC": ("a.mkv", lambda path: clip(path, OPEN_GOP_HEVC, "libx265")),
    "intra refresh": ("a.ts", lambda path: clip(path, REFRESHED)),
    "varying rate": ("a.mp4", varying),
    "varying rate, MPEG-TS": ("a.ts", varying),
    "edit list": ("a.mp4", lambda path: trimmed(path, hidden=25, count=COUNT)),
    "late start": (
        "a.mp4", lambda path: write_clip(path, range(60, 60 + COUNT), Fraction(1, 25), options=REORDERED),
    ),
    "no time stamps": ("a.h264", clip),
    "a break": ("a.ts", lambda path: joined(path, [(100, 40), (5, 90)], REORDERED)),
    "wild stamps": ("a.mkv", lambda path: restamped(path, dict.fromkeys((20, 21), 50.0))),
    "a clock that wraps": ("a.ts", lambda path: joined(path, [(95_441, COUNT)], REORDERED)),
    "GIF": ("a.gif", lambda path: clip(path, {}, "gif", "rgb8")),
}  # fmt: skip


def facts(path: Path, start: float | None = None, end: float | None = None) -> list[Facts]:
    """Of each frame: its stamp, its time, the number that it shows, its repaired stamp and its pixels."""
    found: list[Facts] = []
    for index, frame in enumerate(VideoFile(path, CaptureSettings(start=start, end=end)).frames()):
        assert frame.index == index
        assert isinstance(frame.picture, av.VideoFrame)
        luma = plane_pixels(frame.picture.planes[0]).copy()
        found.append((frame.pts, frame.time, number_in(frame.bgr), frame.picture.pts, luma))
    return found


def assert_same(part: list[Facts], truth: list[Facts]) -> None:
    assert [each[:4] for each in part] == [each[:4] for each in truth]
    for (*_, pixels), (*_, expected) in zip(part, truth, strict=True):
        assert np.array_equal(pixels, expected)


@pytest.mark.parametrize("kind", CLIPS)
def test_a_part_has_the_frames_that_all_of_it_has_there(kind: str, tmp_path: Path) -> None:
    name, made = CLIPS[kind]
    path = made(tmp_path / name)
    whole = facts(path)
    assert len(whole) >= 50
    # A key frame and its neighbours, the first and the last frame; each by its own time, also as a log writes it.
    for first in (0, 1, 24, 25, 26, len(whole) // 2, len(whole) - 1):
        for start in (whole[first][1], round(whole[first][1], 6)):
            last = min(first + 7, len(whole) - 1)
            assert_same(facts(path, start=start, end=whole[last][1] + 1e-4), whole[first : last + 1])


@pytest.mark.system("ffmpeg")
def test_a_part_of_interlaced_video_is_made_whole_as_all_of_it_is(tmp_path: Path) -> None:
    path = interlaced(tmp_path / "a.mp4", codec=("libx264", "-g", "6", "-preset", "ultrafast"), length=1.5)
    whole = facts(path)
    source = VideoFile(path, CAPTURE)
    assert source._decoder.interlaced > 0
    for first in (6, 7, 12, 20):
        assert_same(facts(path, start=whole[first][1]), whole[first:])


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_it_is_sought_and_not_decoded_from_the_beginning(suffix: str, tmp_path: Path) -> None:
    path = write_clip(tmp_path / f"a.{suffix}", range(600), Fraction(1, 25), options=REORDERED)
    source = VideoFile(path, CaptureSettings(start=20, end=20.2))
    assert [number_in(frame.bgr) for frame in source.frames()] == [number % 256 for number in range(500, 505)]
    assert source._decoder._given < 100


def test_pictures_before_the_part_of_which_no_other_is_made_are_not_decoded(tmp_path: Path) -> None:
    options = {"g": "250", "bf": "3", "b-adapt": "0", "b-pyramid": "none"}  # three of four are of no use to others
    path = write_clip(tmp_path / "a.mp4", range(250), Fraction(1, 25), options=options)
    source = VideoFile(path, CaptureSettings(start=8, end=8.2))
    assert [number_in(frame.bgr) for frame in source.frames()] == [*range(200, 205)]
    assert source._decoder._given < 250 // 3
    assert source.notes == []


def test_times_are_the_clips_own_and_the_info_tells_of_the_part(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mp4")
    source = VideoFile(path, CaptureSettings(start=2, end=3))
    assert (source.info.frames, source.info.start, source.info.duration) == (None, 2.0, 1.0)
    frames = list(source.frames())
    assert [frame.time for frame in frames] == pytest.approx([2 + number / 25 for number in range(25)])
    assert source.notes == []
    assert VideoFile(path, CaptureSettings(start=4)).info.duration == pytest.approx(COUNT / 25 - 4, abs=0.01)


def test_a_part_ends_before_its_end_so_that_parts_join(tmp_path: Path) -> None:
    path = varying(tmp_path / "a.mkv")
    bounds = [0.0, 1.0, 1.733333, 4.2, 60.0]
    parts = [facts(path, start=start, end=end) for start, end in pairwise(bounds)]
    assert_same([each for part in parts for each in part], facts(path))


def test_without_a_start_it_begins_with_the_first_frame(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mp4")
    assert_same(facts(path, end=1.0), facts(path)[:25])


def test_the_first_picture_of_the_part_tells_the_size(tmp_path: Path) -> None:
    path = tmp_path / "a.ts"
    parts = [
        write_clip(tmp_path / "part.ts", range(begin, begin + 50), Fraction(1, 25), size=size, options=PLAIN,
                   container={"mpegts_copyts": "1"}).read_bytes()
        for begin, size in ((0, (64, 48)), (50, (96, 64)))
    ]  # fmt: skip
    path.write_bytes(b"".join(parts))
    assert VideoFile(path, CaptureSettings(start=1)).info.width == 64
    source = VideoFile(path, CaptureSettings(start=3))
    assert (source.info.width, source.info.height) == (96, 64)
    assert {(frame.width, frame.height) for frame in source.frames()} == {(96, 64)}


@pytest.mark.parametrize(("start", "end"), [(5.2, None), (100, 101), (None, 0.0)])
def test_a_part_without_a_frame_is_an_error(start: float | None, end: float | None, tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mp4")
    with pytest.raises(SourceError, match=r"a\.mp4: has no frame from [\d.]+ s( on| to .*); it is 5\.19 s long"):
        VideoFile(path, CaptureSettings(start=start, end=end))


def test_damage_before_the_part_is_not_counted(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.ts", PLAIN)
    content = bytearray(path.read_bytes())
    content[188 * 30 : 188 * 60] = bytes(188 * 30)
    path.write_bytes(content)
    assert sum(1 for _ in VideoFile(path, CAPTURE).frames()) < COUNT
    source = VideoFile(path, CaptureSettings(start=4))
    assert [number_in(frame.bgr) for frame in source.frames()] == list(range(100, COUNT))
    assert source.bad == 0
    assert source.notes == []


def test_an_animated_webp_has_parts(tmp_path: Path) -> None:
    from PIL import Image

    pictures = [Image.new("RGB", (32, 24), (10 * index, 0, 0)) for index in range(10)]
    path = tmp_path / "a.webp"
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=100, lossless=True)
    source = open_source(str(path), CaptureSettings(start=0.3, end=0.5))
    frames: list[Frame] = list(source.frames())
    assert [(frame.index, frame.time, int(frame.bgr[0, 0, 2])) for frame in frames] == [(0, 0.3, 30), (1, 0.4, 40)]
    assert source.info.frames is None
    with pytest.raises(SourceError, match="has no frame from 7 s on; it is 1.00 s long"):
        list(open_source(str(path), CaptureSettings(start=7)).frames())


@pytest.mark.parametrize("start", [1e16, 1e300])
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.gif"])
def test_no_clip_goes_on_for_ever(name: str, start: float, tmp_path: Path) -> None:
    from PIL import Image

    path = clip(tmp_path / name) if name != "a.gif" else tmp_path / name
    if name == "a.gif":
        pictures = [Image.new("RGB", (32, 24), (10 * index, 0, 0)) for index in range(10)]
        pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=100)
    with pytest.raises(SourceError, match=rf"{name}: has no frame from 1e\+\d+ s on"):
        list(open_source(str(path), CaptureSettings(start=start)).frames())


def test_a_rehearsal_shows_a_part_at_its_pace(tmp_path: Path) -> None:
    source = open_source(str(clip(tmp_path / "a.mp4")), CaptureSettings(start=2, end=2.2, live=True))
    assert isinstance(source, SimulatedCamera)
    assert [round(frame.time, 6) for frame in source.frames()] == [2, 2.04, 2.08, 2.12, 2.16]


def test_the_clip_that_int8_is_made_on_is_the_whole_one(tmp_path: Path) -> None:
    sample = ClipSample(clip(tmp_path / "a.mp4"), CaptureSettings(start=4, end=4.2))
    assert len(list(sample.frames(10))) == 10


@pytest.mark.parametrize(
    ("source", "kind"), [("0", "a camera"), ("picture.png", "a picture"), ("folder", "a row of pictures")]
)
def test_what_has_no_times_is_refused(source: str, kind: str, tmp_path: Path) -> None:
    from PIL import Image

    (tmp_path / "folder").mkdir()
    for name in ("picture.png", "folder/a.png", "folder/b.png"):
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    (location,) = locate([source if source == "0" else tmp_path / source])
    with pytest.raises(SourceError, match=f"--from and --to choose a part of a recording, and this is {kind}"):
        open_source(location, CaptureSettings(start=1))


@pytest.mark.parametrize(
    ("given", "seconds"),
    [(12.4, 12.4), ("12.4", 12.4), ("0", 0), (3, 3), ("1:02", 62), ("1:02:03.5", 3723.5), (" 90. ", 90), (".5", 0.5)],
)
def test_a_moment_is_seconds_or_hours_minutes_and_seconds(given: float | str, seconds: float) -> None:
    assert load(overrides={"capture": {"start": given}}).capture.start == seconds


@pytest.mark.parametrize("given", ["-1", -1, "1:2:3:4", "one", "1h", "nan", float("inf"), ":", "1:"])
def test_what_is_no_moment_is_refused(given: float | str) -> None:
    with pytest.raises(SettingsError, match=r"capture\.start"):
        load(overrides={"capture": {"start": given}})


def test_a_part_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(SettingsError, match="a part from 5 s to 4 s is empty"):
        load(overrides={"capture": {"start": 5, "end": "4"}})


def test_the_stream_in_python_gives_the_part() -> None:
    seen = list(stream(SAMPLES / "crossing.mp4", model="builtin", start="0:02", end=2.2, imgsz=160))
    whole = [line["time"] for line in lines(SAMPLES / "crossing.truth.jsonl") if "time" in line]
    assert [round(each.frame.time, 6) for each in seen] == [time for time in whole if 2 <= time < 2.2] != []


PART = settings(capture={"start": 1, "end": 2}, overlay={"boxes": False, "labels": False, "keypoints": False})


def test_the_log_has_the_clips_times_and_the_counts_add_up(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.ts")
    report = recorded(path, tmp_path / "out", chosen=settings(capture={"start": 1, "end": "0:02", "vid_stride": 2}))
    assert (report.error, report.ended) == (None, "complete")
    assert (report.counts.read, report.counts.processed, report.counts.dropped, report.counts.bad) == (13, 13, 0, 0)
    log = read_log(tmp_path / "out" / "keypoints.jsonl")
    assert [frame.time for frame in log.frames] == pytest.approx([1 + 2 * number / 25 for number in range(13)])
    assert [frame.index for frame in log.frames] == list(range(0, 26, 2))
    whole = list(VideoFile(path, CAPTURE).frames())
    assert [frame.pts for frame in log.frames] == [frame.pts for frame in whole[25:50:2]]
    assert (log.run["settings"]["capture"]["start"], log.run["settings"]["capture"]["end"]) == (1, 2)


@pytest.mark.parametrize("apart", [False, True], ids=["one process", "two"])
def test_the_video_begins_with_the_part_and_its_sound_is_cut_to_match(apart: bool, tmp_path: Path) -> None:
    path = with_sound(tmp_path / "a.ts", start=7, length=4)
    report = recorded(path, tmp_path / "out", chosen=PART, render_in_subprocess=apart)
    assert (report.error, report.notes) == (None, [])
    video, truth = tmp_path / "out" / "annotated.mp4", [float(stamp) for stamp in seconds(path, "a")]
    shown = [float(stamp) for stamp in seconds(video)]
    assert shown == pytest.approx([number / 25 for number in range(25)], abs=1e-4)
    begin = float(seconds(path)[0]) + 1
    heard = [float(stamp) for stamp in seconds(video, "a")]
    assert heard == pytest.approx([stamp - begin for stamp in truth if begin <= stamp < begin + 1], abs=1e-3)
    with av.open(str(video)) as container:
        shown_pictures = [np.asarray(frame.to_ndarray(format="bgr24"), np.uint8) for frame in container.decode(video=0)]
    assert [number_in(shown) for shown in shown_pictures] == list(range(25, 50))


def test_sound_is_left_out_where_nobody_knows_its_time(tmp_path: Path) -> None:
    path = tmp_path / "a.ts"
    path.write_bytes(b"".join(with_sound(tmp_path / "part.ts", start).read_bytes() for start in (100, 5)))
    report = recorded(path, tmp_path / "out", chosen=settings(capture={"start": 3}))
    assert report.notes == ["the sound was left out: the file's time stamps break before the part that was chosen"]
    assert [line["time"] for line in lines(tmp_path / "out" / "keypoints.jsonl")[1:-1]] == pytest.approx(
        [3 + number / 25 for number in range(25)]
    )


def test_a_break_within_the_part_moves_the_sound_too(tmp_path: Path) -> None:
    path = tmp_path / "a.ts"
    path.write_bytes(b"".join(with_sound(tmp_path / "part.ts", start).read_bytes() for start in (100, 5)))
    recorded(path, tmp_path / "out", chosen=settings(capture={"start": 1, "end": 3}))
    heard = [float(stamp) for stamp in seconds(tmp_path / "out" / "annotated.mp4", "a")]
    assert abs(heard[0]) < 0.05
    assert all(0 < later - earlier < 0.07 for earlier, later in pairwise(heard))


def test_the_end_of_a_clip_is_decoded_as_well_behind_a_seek(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mp4")
    assert_same(facts(path, start=4), facts(path)[100:])


def test_what_the_card_does_not_decode_is_sought_by_the_cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cards: list[object] = []

    def without_card(location: str, chosen: CaptureSettings, card: object = None, **_: object) -> Opened:
        cards.append(card)
        return open_container(location, chosen)

    monkeypatch.setattr("poseline.capture.file.open_container", without_card)
    path = clip(tmp_path / "a.mp4")
    source = VideoFile(path, CaptureSettings(decoder="cuda", start=4), consumer="cuda")
    assert [number_in(frame.bgr) for frame in source.frames()] == list(range(100, COUNT))
    assert [card is None for card in cards] == [False, True, True], "the card once, then the CPU, to look and to seek"
