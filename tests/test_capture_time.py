"""Files whose time stamps, counts or frame rates are not what they seem: each with its right value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from media_worlds import CAPTURE, numbers, write_clip
from poseline.capture import ClipSample, VideoFile
from poseline.capture.announced import exact_rate
from poseline.capture.stated_bytes import stated_bytes
from poseline.errors import SettingsError
from poseline.frame import Frame, Gap
from poseline.settings import CaptureSettings, load

PLAIN = {"bf": "0", "g": "25", "qp": "20"}
REORDERED = {"bf": "2", "g": "25", "b_strategy": "0", "qp": "20", "preset": "medium"}
MS = Fraction(1, 1000)
RECORDED = [0, 71, 166, 281, 304, 338, 440, 1440, 1500, 1516, 1533, 4070]
"""Milliseconds of a recording of varying rate."""


def joined(path: Path, parts: Sequence[tuple[float, int]], options: dict[str, str] | None = None) -> Path:
    """Recordings of 25 frames/s, one behind the other as a recorder that restarts leaves them: (start in s, frames)."""
    content, first = b"", 0
    for start, count in parts:
        part = write_clip(
            path.with_name(f"part{path.suffix}"), range(count), Fraction(1, 25), first=first,
            codec="mpeg2video" if path.suffix == ".mpg" else "libx264",
            options={"g": "12"} if path.suffix == ".mpg" else options or PLAIN,
            container={"output_ts_offset": str(start), "muxdelay": "0"},
        ).read_bytes()  # fmt: skip
        content += part[13:] if path.suffix == ".flv" and content else part  # an FLV's header stands once
        first += count
    path.write_bytes(content)
    return path


def read(path: Path, settings: CaptureSettings = CAPTURE) -> tuple[VideoFile, list[Frame]]:
    """The source at its end, and its frames, whose pictures must have the same clock as they."""
    source = VideoFile(path, settings)
    frames = list(source.frames())
    for frame in frames:
        assert isinstance(frame.picture, av.VideoFrame)
        assert frame.picture.time_base == frame.time_base == source.info.time_base
        assert frame.picture.pts is not None
        first = frames[0].picture
        assert isinstance(first, av.VideoFrame)
        assert first.pts is not None
        assert frame.time == pytest.approx(float((frame.picture.pts - first.pts) * frame.time_base), abs=1e-9)
    return source, frames


def steady(frames: Sequence[Frame], count: int, rate: float, tolerance: float = 1e-6) -> None:
    """That these are `count` frames in their order, at `rate` a second."""
    assert numbers(iter(frames)) == [number % 256 for number in range(count)]
    assert [frame.time for frame in frames] == pytest.approx([index / rate for index in range(count)], abs=tolerance)


@pytest.mark.parametrize("options", [PLAIN, REORDERED], ids=["plain", "b-frames"])
@pytest.mark.parametrize("wild", [100, 37_600, 3])
def test_one_wild_time_stamp_costs_one_interval(wild: float, options: dict[str, str], tmp_path: Path) -> None:
    path = joined(tmp_path / "clip.ts", [(1, 8), (1 + 8 / 25 + wild, 1), (1 + 9 / 25, 11)], options)
    source, frames = read(path)
    steady(frames, 20, 25)
    assert frames[8].pts * frames[8].time_base == pytest.approx(Fraction(1 + 8 / 25 + wild), abs=1e-4), (
        "as it is stated"
    )
    assert [frame.pts for frame in frames[9:]] == [frames[0].pts + 3600 * index for index in range(9, 20)]
    assert not any(frame.gap for frame in frames)
    assert source.notes == ["1 time stamp out of line or repeated: such a frame stands one interval later"]


@pytest.mark.parametrize(
    ("name", "starts", "options"),
    [
        ("far.ts", (100, 5), PLAIN), ("far.ts", (100, 5), REORDERED), ("near.ts", (30, 5), PLAIN),
        ("near.ts", (30, 5), REORDERED), ("ahead.ts", (5, 100), PLAIN), ("thrice.ts", (100, 5, 5), PLAIN),
        ("far.mkv", (100, 5), PLAIN), ("near.mpg", (30, 5), PLAIN), ("near.flv", (30, 5), PLAIN),
        ("far.flv", (100, 5), PLAIN),
    ],
)  # fmt: skip
def test_stamps_that_restart_go_on(name: str, starts: Sequence[float], options: dict[str, str], tmp_path: Path) -> None:
    path = joined(tmp_path / name, [(start, 50) for start in starts], options)
    source, frames = read(path)
    # These two round to milliseconds, and say 30 frames/s, wrongly: so long is their break.
    steady(frames, 50 * len(starts), 25, tolerance=0.01 if name.endswith((".mkv", ".flv")) else 1e-6)
    gaps = [(frame.index, frame.gap) for frame in frames if frame.gap]
    assert [index for index, _ in gaps] == [50 * part for part in range(1, len(starts))]
    for index, gap in gaps:
        step = float((frames[index].pts - frames[index - 1].pts) * frames[index].time_base)
        if name == "far.ts":
            assert step == pytest.approx(2**33 / 90_000 - 97, abs=0.1), "FFmpeg takes a minute back for a clock's wrap"
        turn = 2**32 / 1000 if name.endswith(".flv") else 2**33 / 90_000
        step -= turn * (step > turn / 2)
        how = "jump ahead" if step > 0 else "step back"
        assert gap.reason == f"the source's time stamps {how} by {abs(step):.3f} s"
        assert (gap.start, gap.end) == (frames[index - 1].time, frames[index].time)
    often = {1: "once", 2: "2 times"}[len(gaps)]
    words = f"the time stamps break {often}: time goes on one frame later there, and the log has a gap record"
    assert source.notes == [words]


def restamped(path: Path, moved: dict[int, float], count: int = 50) -> Path:
    """A clip of 25 frames/s in which the stamps of some frames lie so many seconds later."""
    with av.open(str(path), "w") as out:
        source = av.open(str(write_clip(path.with_name("plain.mp4"), range(count), Fraction(1, 25))))
        with source:
            stream = source.streams.video[0]
            copy = out.add_stream_from_template(stream)
            for index, packet in enumerate(packet for packet in source.demux(stream) if packet.size):
                assert packet.pts is not None
                packet.pts += round(moved.get(index, 0.0) / packet.time_base)
                packet.stream = copy
                out.mux(packet)
    return path


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "nut", "ts"])
@pytest.mark.parametrize("wild", [(20, 21), (20, 21, 22), (3, 30, 31)])
def test_wild_time_stamps_in_a_row_cost_an_interval_each(wild: Sequence[int], suffix: str, tmp_path: Path) -> None:
    source, frames = read(restamped(tmp_path / f"clip.{suffix}", dict.fromkeys(wild, 50.0)))
    steady(frames, 50, 25, tolerance=0.01)
    assert source.notes == [
        f"{len(wild)} time stamps out of line or repeated: such a frame stands one interval later"
    ]  # fmt: skip


@pytest.mark.parametrize(("suffix", "wild"), [("nut", (49,)), ("mp4", (49,)), ("mp4", (48, 49))])
def test_a_wild_time_stamp_at_the_end_costs_one_interval(suffix: str, wild: Sequence[int], tmp_path: Path) -> None:
    source, frames = read(restamped(tmp_path / f"clip.{suffix}", dict.fromkeys(wild, 100.0)))
    steady(frames, 50, 25, tolerance=0.001)
    assert not any(frame.gap for frame in frames)
    assert len(source.notes) == 1


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "mov", "flv"])
def test_a_last_picture_after_a_long_pause_that_the_file_confirms_is_kept(suffix: str, tmp_path: Path) -> None:
    stamps = [*range(0, 1000, 100), 101_000]
    source, frames = read(write_clip(tmp_path / f"clip.{suffix}", stamps, MS, options=PLAIN))
    assert [round(1000 * frame.time) for frame in frames] == stamps
    assert source.notes == []


def test_a_break_is_told_although_the_user_ends_it(tmp_path: Path) -> None:
    source = VideoFile(joined(tmp_path / "clip.ts", [(100, 10), (5, 10)]), CAPTURE)
    frames = source.frames()
    for _ in range(15):
        next(frames)
    source.stop()
    assert next(frames, None) is None
    assert source.notes == [
        "the time stamps break once: time goes on one frame later there, and the log has a gap record"
    ]


@pytest.mark.parametrize("options", [PLAIN, REORDERED], ids=["plain", "b-frames"])
def test_a_clock_that_wraps_goes_on_smoothly(options: dict[str, str], tmp_path: Path) -> None:
    path = joined(tmp_path / "clip.ts", [(95_441, 150)], options)  # 2^33 ticks of 1/90000 s are 95,443.7 s
    source, frames = read(path)
    steady(frames, 150, 25)
    assert source.notes == []


PAUSED = [*range(0, 1000, 100), *range(31_000, 32_000, 100)]


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "webm", "avi", "flv"])
def test_a_picture_that_stands_for_half_a_minute_is_no_break(suffix: str, tmp_path: Path) -> None:
    codec, options = ("libvpx", {"b:v": "200k"}) if suffix == "webm" else ("libx264", PLAIN)
    path = write_clip(tmp_path / f"clip.{suffix}", PAUSED, MS, codec=codec, options=options)
    source, frames = read(path)
    assert [round(1000 * frame.time) for frame in frames] == PAUSED
    assert source.notes == []


def test_in_mpeg_ts_the_same_is_a_break(tmp_path: Path) -> None:
    source, frames = read(write_clip(tmp_path / "clip.ts", PAUSED, MS, options=PLAIN))
    assert [round(1000 * frame.time) for frame in frames] == list(range(0, 2000, 100))
    assert frames[10].gap == Gap(0.9, 1.0, "the source's time stamps jump ahead by 30.100 s")
    assert len(source.notes) == 1


def trimmed(path: Path, hidden: int, count: int = 60, moov_first: bool = False, group: int = 0) -> Path:
    """A clip that was cut without encoding it anew: an edit list hides its first pictures, which the others need.

    A key frame stands before every `group` pictures, or once.
    """
    whole = write_clip(path.with_name("whole.mp4"), range(count), options={**REORDERED, "g": str(group or count)})
    with av.open(str(whole)) as source, av.open(
        str(path), "w", options={"movflags": "faststart"} if moov_first else {}
    ) as out:  # fmt: skip
        stream = source.streams.video[0]
        copy, shift = out.add_stream_from_template(stream), round(hidden / (30 * (stream.time_base or 1)))
        for packet in source.demux(stream):
            if packet.size and packet.pts is not None and packet.dts is not None:
                packet.pts, packet.dts, packet.stream = packet.pts - shift, packet.dts - shift, copy
                out.mux(packet)
    return path


def test_pictures_that_an_edit_list_hides_are_not_missed(tmp_path: Path) -> None:
    path = trimmed(tmp_path / "clip.mp4", hidden=25)
    with av.open(str(path)) as container:
        assert container.streams.video[0].frames == 60, "the header counts them"
    source, frames = read(path)
    assert numbers(iter(frames)) == list(range(25, 60))
    assert [frame.time for frame in frames] == pytest.approx([index / 30 for index in range(35)])
    assert (source.info.frames, source.info.frame_rate, source.notes) == (35, Fraction(30), [])


def test_a_trimmed_file_that_is_cut_short_says_so(tmp_path: Path) -> None:
    path = trimmed(tmp_path / "clip.mp4", hidden=25, moov_first=True)
    path.write_bytes(path.read_bytes()[:-500])
    source, frames = read(path)
    assert 0 < len(frames) < 35
    assert source.notes[0] == f"read {len(frames)} of 35 frames: {path} is cut short or damaged"


def test_a_start_that_an_edit_list_delays_is_kept(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", range(60, 90), options=REORDERED)
    source, frames = read(path)
    assert [frame.time for frame in frames] == pytest.approx([index / 30 for index in range(30)])
    assert float(frames[0].pts * frames[0].time_base) == pytest.approx(2)
    assert (source.info.frames, source.notes) == (30, [])


@pytest.mark.parametrize("codec", ["libx264", "mpeg4", "mjpeg"])
def test_an_avi_of_varying_rate_misses_nothing(codec: str, tmp_path: Path) -> None:
    path = write_clip(
        tmp_path / "clip.avi", RECORDED, MS, codec=codec, pix_fmt="yuvj420p" if codec == "mjpeg" else "yuv420p",
        options=PLAIN if codec == "libx264" else {"qmin": "2", "qmax": "3"},
    )  # fmt: skip
    with av.open(str(path)) as container:
        assert container.streams.video[0].frames > 4000, "the header counts the empty chunks in between"
    source, frames = read(path)
    assert numbers(iter(frames)) == list(range(len(RECORDED)))
    assert [round(1000 * frame.time) for frame in frames] == RECORDED
    assert (source.info.frames, source.info.frame_rate, source.notes) == (len(RECORDED), None, [])


def test_pictures_of_an_avi_that_are_reordered_stand_at_an_even_pace(tmp_path: Path) -> None:
    source, frames = read(write_clip(tmp_path / "clip.avi", range(60), options=REORDERED))
    steady(frames, 60, 30)
    assert (source.info.frames, source.notes) == (60, [])


CUT: dict[str, tuple[str, str, dict[str, str], dict[str, str]]] = {
    "avi": ("libx264", "yuv420p", PLAIN, {}),
    "mkv": ("libx264", "yuv420p", REORDERED, {}),
    "webm": ("libvpx", "yuv420p", {"b:v": "200k"}, {}),
    "mp4": ("libx264", "yuv420p", PLAIN, {"movflags": "frag_keyframe+empty_moov"}),
}


@pytest.mark.parametrize("suffix", CUT)
def test_a_file_that_does_not_count_its_pictures_is_cut_short(suffix: str, tmp_path: Path) -> None:
    codec, pix_fmt, options, container = CUT[suffix]
    whole = write_clip(
        tmp_path / f"whole.{suffix}", range(100), codec=codec, pix_fmt=pix_fmt, options=options, container=container
    )
    assert stated_bytes(whole) == whole.stat().st_size
    assert read(whole)[0].notes == []
    path = tmp_path / f"cut.{suffix}"
    path.write_bytes(whole.read_bytes()[: 6 * whole.stat().st_size // 10])
    source, frames = read(path)
    assert 10 < len(frames) < 90
    share = 100 * path.stat().st_size // (stated_bytes(path) or 1)
    assert source.notes[0] == f"read {len(frames)} frames: {path} is cut short, to {share} % of the size that it states"
    assert source.info.frames is None, "no index: what the header counts may be anything"


def test_a_recording_that_states_no_size_is_not_cut_short(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.webm", range(40), codec="libvpx", options={}, container={"live": "1"})
    source, frames = read(path)
    assert stated_bytes(path) is None
    assert (len(frames), source.notes) == (40, [])
    assert stated_bytes(tmp_path / "missing.mp4") is None
    (tmp_path / "letter").write_text("Not a video at all, and long enough.")
    assert stated_bytes(tmp_path / "letter") is None


def test_two_packets_a_picture_are_its_fields_and_no_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, frames = read(write_clip(tmp_path / "clip.mp4", range(20)))
    object.__setattr__(source.info, "frames", 40)
    assert source._cut_short(len(frames)) == f"read 20 of 40 frames: {source.info.name} is cut short or damaged"
    monkeypatch.setattr(source._decoder, "packets", 40)
    assert "40 frames" in source._cut_short(len(frames))  # of pictures that are not interlaced it is a loss
    monkeypatch.setattr(source._decoder, "has_fields", True)
    assert source._cut_short(len(frames)) == ""


RAW: dict[str, tuple[str, str, dict[str, str]]] = {
    "plain.h264": ("libx264", "yuv420p", PLAIN),
    "reordered.h264": ("libx264", "yuv420p", REORDERED),
    "reordered.h265": ("libx265", "yuv420p", {"x265-params": "log-level=error:bframes=2:qp=20"}),
    "reordered.m4v": ("mpeg4", "yuv420p", {"bf": "2", "qmin": "2", "qmax": "3"}),
    "reordered.m2v": ("mpeg2video", "yuv420p", {"bf": "2", "qmin": "2", "qmax": "3"}),
    "timeless.h265": ("libx265", "yuv420p", {"x265-params": "log-level=error:vui-timing-info=0:qp=20"}),
    "timeless.mjpeg": ("mjpeg", "yuvj420p", {"qmin": "2", "qmax": "3"}),
}
_RAW_FORMAT = {".h264": "h264", ".h265": "hevc", ".m4v": "m4v", ".m2v": "mpeg2video", ".mjpeg": "mjpeg"}


def raw(folder: Path, name: str, rate: Fraction, count: int = 60) -> Path:
    """Pictures encoded, without a container."""
    codec, pix_fmt, options = RAW[name]
    path = folder / name
    with av.open(str(path), "w", format=_RAW_FORMAT[path.suffix]) as out:
        stream = out.add_stream(codec, rate=rate, options=options)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pix_fmt
        stream.codec_context.time_base = 1 / rate
        for frame in VideoFile(write_clip(folder / "shown.mp4", range(count)), CAPTURE).frames():
            shown = av.VideoFrame.from_ndarray(frame.bgr, format="bgr24").reformat(format=pix_fmt)
            shown.pts, shown.time_base = frame.index, 1 / rate
            out.mux(stream.encode(shown))
        out.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("name", "rate"),
    [
        *((name, Fraction(60)) for name in RAW if "timeless" not in name),
        *((name, Fraction(30000, 1001)) for name in ("plain.h264", "reordered.h265", "reordered.m2v")),
    ],
)
def test_pictures_without_a_container_have_their_codecs_rate(name: str, rate: Fraction, tmp_path: Path) -> None:
    source, frames = read(raw(tmp_path, name, rate))
    steady(frames, 60, float(rate))
    assert (source.info.frame_rate, source.info.time_base, source.notes) == (rate, 1 / rate, [])


@pytest.mark.parametrize("name", ["timeless.h265", "timeless.mjpeg"])
def test_a_rate_that_nothing_states_is_assumed_and_said(name: str, tmp_path: Path) -> None:
    path = raw(tmp_path, name, Fraction(60))
    source, frames = read(path)
    steady(frames, 60, 25)
    assert source.notes == [
        f"{path} has no time stamps and states no frame rate: 25 frames/s are assumed; --source-fps gives another"
    ]
    source, frames = read(path, CaptureSettings(source_fps=59.94))
    steady(frames, 60, 60000 / 1001)
    assert (source.info.frame_rate, source.notes) == (Fraction(60000, 1001), [])


def test_a_codecs_rate_that_cannot_be_is_none(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "clip.h264"), "w") as out:
        stream = out.add_stream("libx264", rate=1000, options=PLAIN)  # as of a recording whose stamps are milliseconds
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(20):
            shown = av.VideoFrame(64, 48, "yuv420p")
            shown.pts, shown.time_base = index, MS
            out.mux(stream.encode(shown))
        out.mux(stream.encode(None))
    source, frames = read(tmp_path / "clip.h264")
    assert source.info.frame_rate == 25
    assert frames[-1].time == 19 / 25
    assert "25 frames/s are assumed" in source.notes[0]


def test_the_users_rate_wins_over_the_codecs(tmp_path: Path) -> None:
    source, frames = read(raw(tmp_path, "reordered.h264", Fraction(60)), CaptureSettings(source_fps=120))
    steady(frames, 60, 120)
    assert source.notes == []


def test_time_stamps_win_over_the_users_rate_and_that_is_said(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", range(10))
    source, frames = read(path, CaptureSettings(source_fps=120))
    steady(frames, 10, 30)
    assert source.notes == [f"--source-fps is not used: {path} has time stamps of its own"]


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (25, Fraction(25)), (12.5, Fraction(25, 2)), (23.976, Fraction(24000, 1001)), (23.98, Fraction(24000, 1001)),
        (29.97, Fraction(30000, 1001)), (59.94, Fraction(60000, 1001)), (119.88, Fraction(120000, 1001)),
        (30, Fraction(30)), (15.5, Fraction(31, 2)), (0.5, Fraction(1, 2)), (1000, Fraction(1000)), (1, Fraction(1)),
    ],
)  # fmt: skip
def test_a_rounded_rate_means_the_exact_one(given: float, meant: Fraction) -> None:
    assert exact_rate(given) == meant


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("30000/1001", Fraction(30000, 1001)), ("24000/1001", Fraction(24000, 1001)), ("50", Fraction(50)),
        ("60000/1001", Fraction(60000, 1001)), ("1/2", Fraction(1, 2)), ("29.97", Fraction(30000, 1001)),
        (Fraction(120000, 1001), Fraction(120000, 1001)), (" 25/1 ", Fraction(25)),
    ],
)  # fmt: skip
def test_a_rate_may_be_a_fraction(given: object, meant: Fraction, tmp_path: Path) -> None:
    capture = load(overrides={"capture": {"source_fps": given, "cam_fps": given}}).capture
    assert capture.cam_fps == pytest.approx(float(Fraction(str(given).strip())))
    source, _ = read(raw(tmp_path, "plain.h264", Fraction(60), count=3), capture)
    assert source.info.frame_rate == meant


@pytest.mark.parametrize(
    "given", [0, -25, 1001, "fast", "30000/0", "0/1", "-25/1", "1/2/3", "nan", "inf", "2002000/1001"]
)
def test_a_rate_that_is_none_is_refused(given: object) -> None:
    with pytest.raises(SettingsError, match=r"capture\.source_fps"):
        load(overrides={"capture": {"source_fps": given}})


def without_rate(path: Path) -> Path:
    """Make a Matroska file forget its frame rate, as browsers and many screen recorders leave it out."""
    content = bytearray(path.read_bytes())
    begin = content.index(b"\x23\xe3\x83")  # DefaultDuration becomes Void
    size = 4 + (content[begin + 3] & 0x7F)
    content[begin : begin + size] = bytes((0xEC, 0x80 | size - 2)) + bytes(size - 2)
    path.write_bytes(content)
    return path


def unstated(folder: Path, suffix: str) -> Path:
    """A recording of varying rate that states none, or 1000 and more."""
    stamps = np.cumsum(np.random.default_rng(1).integers(20, 120, 60)).tolist()
    codec, options = ("libvpx", {"b:v": "200k"}) if suffix == "webm" else ("libx264", PLAIN)
    path = write_clip(folder / f"clip.{suffix}", stamps, MS, codec=codec, options=options)
    return without_rate(path) if suffix in ("webm", "mkv") else path


@pytest.mark.parametrize("suffix", ["webm", "mkv", "avi", "ts"])
def test_a_rate_that_cannot_be_is_unknown(suffix: str, tmp_path: Path) -> None:
    path = unstated(tmp_path, suffix)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.average_rate or stream.base_rate or 0) >= 1000, "what FFmpeg says"
    source, frames = read(path)
    assert source.info.frame_rate is None
    assert len(frames) == 60
    assert source.notes == []


@pytest.mark.parametrize(("rate", "suffix"), [(240, "mp4"), (1000, "mp4"), (240, "mkv"), (120, "ts"), (10, "avi")])
def test_a_fast_rate_that_is_true_is_kept(rate: int, suffix: str, tmp_path: Path) -> None:
    with av.open(str(tmp_path / f"clip.{suffix}"), "w") as out:
        stream = out.add_stream("libx264", rate=rate, options=PLAIN)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(40):
            shown = av.VideoFrame(64, 48, "yuv420p")
            shown.pts, shown.time_base = index, Fraction(1, rate)
            out.mux(stream.encode(shown))
        out.mux(stream.encode(None))
    source, frames = read(tmp_path / f"clip.{suffix}")
    assert source.info.frame_rate == rate
    assert frames[-1].time == pytest.approx(39 / rate, abs=0.001)


@pytest.mark.parametrize(
    ("make", "counted", "lasts"),
    [
        (lambda folder: write_clip(folder / "clip.mp4", range(60)), 60, 2.0),
        (lambda folder: trimmed(folder / "clip.mp4", hidden=25), 35, 35 / 30),
        (lambda folder: write_clip(folder / "clip.avi", RECORDED, MS, options=PLAIN), len(RECORDED), 4.1),
        (lambda folder: write_clip(folder / "clip.mkv", range(60)), None, 2.0),
        (lambda folder: write_clip(folder / "clip.flv", range(60)), None, 2.0),
        (lambda folder: joined(folder / "clip.ts", [(100, 25), (5, 25)]), None, None),
        (lambda folder: joined(folder / "clip.mkv", [(1, 25), (9, 25)]), None, 2.0),
    ],
    ids=["mp4", "trimmed", "avi", "mkv", "flv", "ts", "joined mkv"],
)  # fmt: skip
def test_what_is_announced_is_what_will_come(
    make: Callable[[Path], Path], counted: int | None, lasts: float | None, tmp_path: Path
) -> None:
    info = VideoFile(make(tmp_path), CAPTURE).info
    assert info.frames == counted
    assert info.duration == (lasts if lasts is None else pytest.approx(lasts, abs=0.08))


def test_a_sample_of_a_clip_whose_stamps_break_is_spread_over_it(tmp_path: Path) -> None:
    path = joined(tmp_path / "clip.ts", [(100, 50), (5, 50)])
    assert numbers(ClipSample(path).frames(5)) == [0, 20, 40, 60, 80]
    timeless = raw(tmp_path, "reordered.h264", Fraction(30))
    assert numbers(ClipSample(timeless).frames(4)) == [0, 15, 30, 45]
