from __future__ import annotations

import gc
import os
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from media_worlds import CAPTURE, estimator, in_memory, number_in, numbers, probed_pts, turn, upright_luma, write_clip
from output_worlds import CLIPS, SAMPLES, stamps, tone
from poseline.capture import SimulatedCamera, VideoFile
from poseline.capture.clock import SourceClock
from poseline.errors import SourceError
from poseline.frame import plane_pixels
from poseline.inference import infer
from poseline.settings import CaptureSettings

VFR = [0, 3000, 3001, 9000, 20_000, 20_050, 90_000, 90_001, 180_000]
"""Steps from one tick to a second, at 1/90000."""


def assert_ffprobes_times(path: Path) -> None:
    frames = list(VideoFile(path, CAPTURE).frames())
    assert [frame.pts for frame in frames] == probed_pts(path)
    assert [frame.index for frame in frames] == list(range(len(frames)))
    with av.open(str(path)) as container:
        assert {frame.time_base for frame in frames} == {container.streams.video[0].time_base}


@pytest.mark.system("ffprobe")
@pytest.mark.parametrize("name", CLIPS)
def test_every_frame_has_ffprobes_time(name: str) -> None:
    assert_ffprobes_times(SAMPLES / f"{name}.mp4")


@pytest.mark.system("ffprobe")
@pytest.mark.parametrize("name", ["openpose_video.avi", "sports2d_demo.mp4", "p2s_multi_cam04.mp4"])
def test_every_frame_of_a_real_clip_has_ffprobes_time(name: str, shared: Path) -> None:
    assert_ffprobes_times(shared / "clips" / name)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
@pytest.mark.parametrize("reordered", [False, True], ids=["plain", "b-frames"])
def test_frames_come_in_presentation_order(suffix: str, reordered: bool, tmp_path: Path) -> None:
    options = {"bf": "3", "b_strategy": "0", "qp": "10", "preset": "medium"} if reordered else None
    path = write_clip(tmp_path / f"clip.{suffix}", range(60), options=options)
    frames = list(VideoFile(path, CAPTURE).frames())
    assert numbers(iter(frames)) == list(range(60))
    assert [frame.pts for frame in frames] == stamps(path)


def test_variable_frame_rate_is_kept_to_the_tick(tmp_path: Path) -> None:
    path = write_clip(
        tmp_path / "clip.mp4", VFR, Fraction(1, 90_000), container={"video_track_timescale": "90000"}
    )  # fmt: skip
    frames = list(VideoFile(path, CAPTURE).frames())
    assert [frame.pts for frame in frames] == VFR == stamps(path)
    assert [frame.time for frame in frames] == [pts / 90_000 for pts in VFR]
    assert numbers(iter(frames)) == list(range(len(VFR)))


@pytest.mark.parametrize("start", [-12, 700])
def test_time_begins_at_zero_and_pts_stay(start: int, tmp_path: Path) -> None:
    told = [3000 * number for number in range(start, start + 20)]
    path = write_clip(
        tmp_path / "clip.ts", told, Fraction(1, 90_000),
        container={"avoid_negative_ts": "disabled", "mpegts_copyts": "1", "muxdelay": "0"},
    )  # fmt: skip
    frames = list(VideoFile(path, CAPTURE).frames())
    assert [frame.pts for frame in frames] == stamps(path)
    assert (frames[0].pts < 0) == (start < 0)
    assert [frame.time for frame in frames] == [pytest.approx(number / 30, abs=1e-9) for number in range(20)]


def test_frames_whose_stamps_are_missing_are_kept(tmp_path: Path) -> None:
    # Matroska has no word for a time before 0: ffprobe calls these stamps N/A
    path = write_clip(tmp_path / "clip.mkv", range(-12, 8), container={"avoid_negative_ts": "disabled"})
    frames = list(VideoFile(path, CAPTURE).frames())
    assert numbers(iter(frames)) == list(range(20))
    assert np.allclose(np.diff([frame.time for frame in frames[:12]]), 0.033)


def test_a_bare_stream_without_stamps_gets_steady_ones(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.h264", range(20), options={"bf": "0", "qp": "10"})
    frames = list(VideoFile(path, CAPTURE).frames())
    assert numbers(iter(frames)) == list(range(20))
    steps = np.diff([frame.time for frame in frames])
    assert steps.min() > 0
    assert np.allclose(steps, steps[0])


def test_a_missing_stamp_is_a_step_behind_the_last() -> None:
    clock = SourceClock(Fraction(1, 90_000), Fraction(30))
    assert [clock.stamp(pts) for pts in (9000, None, None, 18_000)] == [
        (9000, 0.0), (12_000, 3000 / 90_000), (15_000, 6000 / 90_000), (18_000, 0.1),
    ]  # fmt: skip
    assert clock.missing == 2


def test_a_first_stamp_may_be_missing() -> None:
    clock = SourceClock(None, None)
    assert [clock.stamp(pts) for pts in (None, None)] == [(0, 0.0), (3000, 3000 / 90_000)]


@pytest.mark.system("ffmpeg")
@pytest.mark.parametrize("size", [(96, 64), (97, 65)])
@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_turned_clip_stands_upright_as_ffmpeg_turns_it(degrees: int, size: tuple[int, int], tmp_path: Path) -> None:
    pix_fmt = "yuv420p" if size[0] % 2 == 0 else "yuv444p"
    path = turn(write_clip(tmp_path / "clip.mp4", range(5), size=size, pix_fmt=pix_fmt), degrees)
    source = VideoFile(path, CAPTURE)
    width, height = size if degrees == 180 else size[::-1]
    assert (source.info.width, source.info.height) == (width, height)
    frames = list(source.frames())
    truth = upright_luma(path, width, height)
    assert len(frames) == len(truth) == 5
    for frame, luma in zip(frames, truth, strict=True):
        assert isinstance(frame.picture, av.VideoFrame)
        assert np.array_equal(plane_pixels(frame.picture.planes[0]), luma)
        assert frame.bgr.shape == (height, width, 3)
    assert [frame.pts for frame in frames] == stamps(path)


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "size", "suffix"),
    [
        ("libx264", "yuv420p10le", (64, 48), "mp4"), ("libx264", "yuv444p", (71, 53), "mp4"),
        ("libx264", "yuv422p", (64, 48), "mp4"), ("ffv1", "gray", (64, 48), "mkv"),
        ("ffv1", "yuv420p", (71, 53), "mkv"), ("ffv1", "bgr0", (64, 48), "mkv"),
        ("mjpeg", "yuvj420p", (71, 53), "avi"), ("ffv1", "gray16le", (64, 48), "mkv"),
    ],
)  # fmt: skip
def test_every_pixel_format_arrives_as_8_bit_yuv420p(
    codec: str, pix_fmt: str, size: tuple[int, int], suffix: str, tmp_path: Path
) -> None:
    path = write_clip(
        tmp_path / f"clip.{suffix}", range(40, 52), size=size, codec=codec, pix_fmt=pix_fmt, first=40,
        options={"qp": "10"},
    )  # fmt: skip
    frames = list(VideoFile(path, CAPTURE).frames())
    assert numbers(iter(frames)) == list(range(40, 52))
    for frame in frames:
        assert isinstance(frame.picture, av.VideoFrame)
        assert frame.picture.format.name in ("yuv420p", "yuvj420p")
        assert (frame.width, frame.height) == size
        assert abs(int(frame.bgr[20:40, 40:60].mean()) - 60) <= 4, "as bright as it was drawn"


def test_a_picture_made_twice_is_the_same_and_read_only(clip: Path) -> None:
    frame = next(VideoFile(clip, CAPTURE).frames())
    assert frame.bgr is frame.bgr
    with pytest.raises(ValueError, match="read-only"):
        frame.bgr[0, 0] = 0


def flipped(path: Path, flips: int, seed: int, begin: int = 0, end: int | None = None) -> bytes:
    """The file with so many of its bits turned over, anywhere from `begin` to `end`."""
    content, world = np.frombuffer(path.read_bytes(), np.uint8).copy(), np.random.default_rng(seed)
    places = world.integers(begin, end or len(content), flips)
    np.bitwise_xor.at(content, places, np.left_shift(1, world.integers(0, 8, flips)).astype(np.uint8))
    return content.tobytes()


def decoded_plainly(path: Path) -> int:
    """Frames that PyAV's own loop gives before it gives up."""
    count = 0
    with suppress(av.error.FFmpegError), av.open(str(path)) as container:
        for _ in container.decode(video=0):
            count += 1
    return count


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """316 frames that move, with their index at the front so that damage falls into the pictures alone."""
    path = tmp_path_factory.mktemp("long") / "clip.mp4"
    options = {"preset": "veryfast", "g": "30", "crf": "23", "threads": "2"}  # x264 makes other bits with more
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as out:
        stream = out.add_stream("libx264", rate=30, options=options)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 360, 640, "yuv420p"
        noise = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (700, 420, 3), dtype=np.uint8), (0, 0), 9)
        noise = cv2.normalize(noise, None, 0, 255, cv2.NORM_MINMAX)
        for index in range(316):
            shift = index % 60
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(noise[shift : shift + 640, :360]), format="bgr24")
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("seed", range(3))
def test_a_thousand_flipped_bits_lose_few_frames(seed: int, long_clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "flipped.mp4"
    path.write_bytes(flipped(long_clip, 1000, seed, begin=long_clip.read_bytes().index(b"mdat") + 4))
    source = VideoFile(path, CAPTURE)
    frames = list(source.frames())
    assert decoded_plainly(path) < 160, "a plain decode must lose most of it"
    assert len(frames) >= 300
    assert source.bad > 0
    assert any(frame.corrupt for frame in frames)
    assert f"{source.bad} packets could not be decoded" in " ".join(source.notes)
    assert len(frames) + source.bad <= 316 + 3


def test_damage_is_told_in_a_turned_clip_too(long_clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "flipped.mp4"
    path.write_bytes(flipped(long_clip, 300, 5, begin=long_clip.read_bytes().index(b"mdat") + 4))
    straight = [frame.corrupt for frame in VideoFile(path, CAPTURE).frames()]
    turned = [frame.corrupt for frame in VideoFile(turn(path, 90), CAPTURE).frames()]
    assert any(straight)
    assert any(turned)  # which ones differs by a frame from run to run: the decoder's threads repair side by side


@pytest.mark.parametrize("seed", range(40))
def test_no_damage_hangs_or_escapes(seed: int, tmp_path: Path) -> None:
    suffix = ("mp4", "mkv", "ts", "avi")[seed % 4]
    world = np.random.default_rng(seed)
    whole = write_clip(tmp_path / f"whole.{suffix}", range(40))
    damaged = tmp_path / f"damaged.{suffix}"
    content = flipped(whole, int(world.choice([1, 20, 200])), seed)
    damaged.write_bytes(content[: world.integers(100, len(content))] if seed % 3 == 0 else content)
    began = time.monotonic()
    try:
        source = VideoFile(damaged, CAPTURE)
        count = sum(1 for _ in source.frames())
    except SourceError as error:
        count = 1 if str(damaged) in str(error) else 0
    assert 0 < count <= 45
    assert time.monotonic() - began < 60


def test_a_file_that_is_cut_short_says_so(long_clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "short.mp4"
    path.write_bytes(long_clip.read_bytes()[: long_clip.stat().st_size // 4])
    source = VideoFile(path, CAPTURE)
    count = sum(1 for _ in source.frames())
    assert 20 < count < 120
    assert source.notes[0].startswith(f"read {count} of 316 frames")


def test_a_whole_file_has_nothing_to_tell(long_clip: Path) -> None:
    source = VideoFile(long_clip, CAPTURE)
    assert sum(1 for _ in source.frames()) == 316
    assert source.notes == []
    assert source.bad == 0


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the file is empty"),
        (bytes(64), "not a video that FFmpeg can read"),
        (b"This is a letter, and nobody would call it a film.\n" * 50, "not a video that FFmpeg can read"),
        (
            b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
            "not a video that FFmpeg can read",
        ),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "not a video that FFmpeg can read: it is a playlist"),
    ],
    ids=["empty", "64 bytes", "text", "playlist", "ffconcat"],
)
def test_what_is_no_video_is_refused_in_words(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=words) as caught:
        VideoFile(path, CAPTURE)
    assert str(path) in str(caught.value)
    assert caught.value.exit_code == 3


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    path = tone(tmp_path / "sound.mp4", "aac", "mp4")
    with pytest.raises(SourceError, match=r"has no video stream \(it has: audio\)"):
        VideoFile(path, CAPTURE)


def test_a_video_without_a_frame_is_no_success(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", range(10))
    content = path.read_bytes()
    begin = content.index(b"mdat") + 4
    end = content.index(b"moov") - 4
    path.write_bytes(content[:begin] + bytes(end - begin) + content[end:])
    with pytest.raises(SourceError, match="no frame could be decoded"):
        VideoFile(path, CAPTURE)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"nowhere\.mp4: no such file"):
        VideoFile(tmp_path / "nowhere.mp4", CAPTURE)
    with pytest.raises(SourceError, match="is a folder"):
        VideoFile(tmp_path, CAPTURE)
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(SourceError, match="cannot be read: Not a directory"):
        VideoFile(tmp_path / "file" / "clip.mp4", CAPTURE)
    with pytest.raises(SourceError, match="cannot be read: File name too long"):
        VideoFile(tmp_path / ("x" * 300), CAPTURE)


def test_no_permission_is_told(no_one: Path) -> None:
    path = no_one / "clip.mp4"
    path.write_bytes(b"x")
    path.chmod(0)
    with pytest.raises(SourceError, match="no permission to read it"):
        VideoFile(path, CAPTURE)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(SourceError, match="is a device or a pipe"):
        VideoFile(tmp_path / "pipe.mp4", CAPTURE)


def test_a_picture_over_the_limit_is_refused(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", range(3))
    with pytest.raises(SourceError, match=r"picture 64x48 is over the limit of 3071 pixels"):
        VideoFile(path, CaptureSettings(max_pixels=64 * 48 - 1))
    assert len(list(VideoFile(path, CaptureSettings(max_pixels=64 * 48)).frames())) == 3


@pytest.mark.parametrize(
    "name", ["12:30.mp4", "concat:clip.mp4", "-clip.mp4", "100% [ü] *.mp4", "a'b\"c.mp4", "%03d.mp4"]
)
def test_any_file_name_is_a_file_name(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_clip(tmp_path / "plain.mp4", range(3)).rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert numbers(VideoFile(Path(name), CAPTURE).frames()) == [0, 1, 2]


def test_stop_ends_it_at_the_next_frame(clip: Path) -> None:
    source = VideoFile(clip, CAPTURE)
    frames = source.frames()
    for _ in range(5):
        next(frames)
    source.stop()
    assert next(frames, None) is None
    assert source.notes == [], "a clip that the user left is not cut short"


def test_a_rehearsal_keeps_the_clips_pace(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", [30 * second + tick for second in range(3) for tick in (0, 6, 7, 8, 20)])
    source = SimulatedCamera(VideoFile(path, CAPTURE))
    assert source.info.live
    frames = list(source.frames())
    late = [frame.arrival - frames[0].arrival - frame.time for frame in frames]
    assert min(late) >= -0.001
    assert np.median(late) < 0.5, "of almost three seconds; a busy machine may be late for some"
    assert [number_in(frame.bgr) for frame in frames] == list(range(15))


def test_a_rehearsal_stops_between_two_frames(tmp_path: Path) -> None:
    source = SimulatedCamera(VideoFile(write_clip(tmp_path / "clip.mp4", [0, 3000]), CAPTURE))
    frames = source.frames()
    next(frames)
    source.stop()
    began = time.monotonic()
    assert next(frames, None) is None
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("read", [0, 2])
def test_a_file_that_is_closed_gives_nothing_more(read: int, tmp_path: Path) -> None:
    file = VideoFile(write_clip(tmp_path / "clip.mp4", range(9)), CAPTURE)
    if read:
        frames = file.frames()
        assert numbers(islice(frames, read)) == [*range(read)]
        frames.close()
    else:
        file.close()
    assert list(file.frames()) == []


@pytest.mark.parametrize("read", ["all of it", "all of it, by a network", "a part of it", "nothing of it"])
@pytest.mark.parametrize("degrees", [0, 90])
def test_a_file_its_decoder_and_its_pictures_go_when_nobody_holds_them(read: str, degrees: int, tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", range(9), options={"g": "3", "bf": "0"})
    if degrees:
        turn(path, degrees)
    gc.collect()
    gc.disable()  # a decoder may hold much of a card's memory, as may each picture, and Python does not know how much
    try:
        before = in_memory(av.VideoFrame)
        file = VideoFile(path, CAPTURE)
        kept: list[Callable[[], object]] = [weakref.ref(file), weakref.ref(file._decoder)]
        frames = file.frames()
        assert in_memory(av.VideoFrame) > before
        if read == "all of it, by a network":
            assert sum(1 for _ in infer(frames, estimator())) == 9
        elif read == "all of it":
            assert sum(1 for _ in frames) == 9
        elif read == "a part of it":
            next(frames)
        frames.close()
        file.close()
        del file, frames
        assert [reference() for reference in kept] == [None, None]
        assert in_memory(av.VideoFrame) == before
    finally:
        gc.enable()
