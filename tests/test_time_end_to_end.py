"""One clock: what the log, the annotated video, its sound and the progress bar make of time that is not steady."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from media_worlds import CAPTURE, ScriptedSource, estimator, picture, settings, write_clip
from output_worlds import decoded, lines, opened, pictures, seconds, tone
from poseline import model
from poseline.capture import AudioTrack, VideoFile
from poseline.frame import Frame
from poseline.log import read_log
from poseline.output import VideoWriter
from poseline.pipeline import RunReport
from poseline.settings import OutputSettings
from test_capture_time import MS, PLAIN, RECORDED, joined, raw, trimmed, unstated
from test_run import logged, recorded

TRACKED = settings(tracking={"enabled": True})


def offsets(path: Path, kind: str = "v") -> list[float]:
    """Seconds of a stream's packets from the first one."""
    stated = seconds(path, kind)
    return [float(stamp - stated[0]) for stamp in stated]


def keys(path: Path) -> list[float]:
    """Where the key frames of a video stand, in seconds."""
    with opened(path, "v") as (container, stream):
        packets = [packet for packet in container.demux(stream) if packet.size]
    return [float((packet.pts or 0) * packet.time_base) for packet in packets if packet.is_keyframe]


def with_sound(path: Path, start: float, length: float = 2.0, first: int = 0) -> Path:
    """A recording in MPEG-TS of 25 frames/s with a tone in AAC, both from `start` seconds on."""
    options = {"output_ts_offset": str(start), "muxdelay": "0"}
    with av.open(str(path), "w", format="mpegts", options=options) as out:
        video, sound = out.add_stream("libx264", rate=25, options=PLAIN), out.add_stream("aac", rate=48000)
        assert isinstance(video, av.VideoStream)
        assert isinstance(sound, av.AudioStream)
        video.width, video.height, video.pix_fmt, sound.layout = 64, 48, "yuv420p", "mono"
        wave = np.sin(2 * np.pi * 440 * np.arange(1920) / 48000, dtype=np.float32)[None] / 4
        for index in range(round(25 * length)):
            shown = av.VideoFrame.from_ndarray(picture(first + index), format="bgr24").reformat(format="yuv420p")
            shown.pts, shown.time_base = index, Fraction(1, 25)
            heard = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
            heard.sample_rate, heard.pts, heard.time_base = 48000, 1920 * index, Fraction(1, 48000)
            out.mux(video.encode(shown))
            out.mux(sound.encode(heard))
        out.mux(video.encode(None))
        out.mux(sound.encode(None))
    return path


@pytest.mark.parametrize("starts", [(100, 5), (30, 5), (5, 100)])
@pytest.mark.parametrize("apart", [False, True], ids=["one process", "two"])
def test_log_video_and_sound_of_a_recorder_that_restarted_agree(
    starts: Sequence[float], apart: bool, tmp_path: Path
) -> None:
    if apart and starts != (100, 5):
        return
    path = tmp_path / "clip.ts"
    path.write_bytes(b"".join(with_sound(tmp_path / "part.ts", start).read_bytes() for start in starts))
    report = recorded(path, tmp_path / "out", chosen=TRACKED, render_in_subprocess=apart)
    assert report.error is None
    frames, video = logged(tmp_path / "out"), tmp_path / "out" / "annotated.mp4"
    assert [frame["time"] for frame in frames] == pytest.approx([index / 25 for index in range(100)], abs=1e-6)
    assert offsets(video) == pytest.approx([frame["time"] for frame in frames], abs=1e-6)
    assert {person["id"] for frame in frames for person in frame["persons"]} == {1}, "nobody is taken for another"
    (gap,) = read_log(tmp_path / "out" / "keypoints.jsonl").gaps
    assert (gap.start, gap.end) == (1.96, 2.0)
    assert [line["type"] for line in lines(tmp_path / "out" / "keypoints.jsonl")].index("gap") == 51
    heard = offsets(video, "a")
    assert 3.9 < heard[-1] < 4.1
    assert all(0 < later - earlier < 0.07 for earlier, later in pairwise(heard)), "no hole"
    assert abs(float(seconds(video, "a")[0] - seconds(video)[0])) < 0.05
    assert report.notes == [
        "the time stamps break once: time goes on one frame later there, and the log has a gap record"
    ]


def test_one_wild_time_stamp_makes_no_long_video_and_no_new_person(tmp_path: Path) -> None:
    path = joined(tmp_path / "clip.ts", [(1, 8), (101.32, 1), (1.36, 11)])
    report = recorded(path, tmp_path / "out", chosen=TRACKED)
    frames, video = logged(tmp_path / "out"), tmp_path / "out" / "annotated.mp4"
    assert [frame["time"] for frame in frames] == pytest.approx([index / 25 for index in range(20)], abs=1e-6)
    assert offsets(video) == pytest.approx([index / 25 for index in range(20)], abs=1e-6)
    assert {person["id"] for frame in frames for person in frame["persons"]} == {1}
    assert frames[8]["pts"] - frames[7]["pts"] == pytest.approx(100.04 * 90_000, abs=2), "as the source states it"
    assert [note for note in report.notes if "out of line" in note] == report.notes != []


def test_a_break_between_frames_that_are_taken_is_told(tmp_path: Path) -> None:
    path = joined(tmp_path / "clip.ts", [(100, 25), (5, 25)])
    recorded(path, tmp_path / "out", chosen=settings(capture={"vid_stride": 2}))
    frames, video = logged(tmp_path / "out"), tmp_path / "out" / "annotated.mp4"
    assert [frame["frame"] for frame in frames] == list(range(0, 50, 2))
    assert [frame["time"] for frame in frames] == pytest.approx([index / 25 for index in range(0, 50, 2)], abs=1e-6)
    assert offsets(video) == pytest.approx([frame["time"] for frame in frames], abs=1e-6)
    assert len(read_log(tmp_path / "out" / "keypoints.jsonl").gaps) == 1


@pytest.mark.parametrize("suffix", ["webm", "avi", "ts"])
def test_a_recording_without_a_rate_has_none_in_its_log_and_key_frames_by_time(suffix: str, tmp_path: Path) -> None:
    recorded(unstated(tmp_path, suffix), tmp_path / "out")
    journal = lines(tmp_path / "out" / "keypoints.jsonl")
    assert journal[0]["video"]["fps"] is None
    video = tmp_path / "out" / "annotated.mp4"
    assert offsets(video) == pytest.approx([line["time"] for line in journal if line["type"] == "frame"], abs=1e-6)
    assert len(keys(video)) >= 4
    assert all(1 <= later - earlier < 1.13 for earlier, later in pairwise(keys(video)))


SETTINGS = OutputSettings.model_validate({})


@pytest.mark.parametrize(
    ("stamps", "time_base", "rate", "due"),
    [
        (range(100), Fraction(1, 30), Fraction(30), [0, 30, 60, 90]),
        (range(100), Fraction(1001, 30000), Fraction(30000, 1001), [0, 30, 60, 90]),
        (range(0, 4000, 40), MS, None, [0, 25, 50, 75]),
        (range(50), Fraction(1, 5), Fraction(1000), [0, 5, 10, 15, 20, 25, 30, 35, 40, 45]),
        (RECORDED, MS, Fraction(1000), [0, 7, 11]),
        (range(5), Fraction(1), None, [0, 1, 2, 3, 4]),
        (range(5000, 5100), Fraction(1, 200), Fraction(200), [0]),
    ],
)
def test_a_key_frame_comes_once_a_second_of_presentation_time(
    stamps: Sequence[int], time_base: Fraction, rate: Fraction | None, due: list[int], tmp_path: Path
) -> None:
    with VideoWriter(tmp_path / "out.mp4", SETTINGS, frame_rate=rate) as writer:
        for shown in pictures(stamps, time_base):
            writer.write(shown)
    assert keys(tmp_path / "out.mp4") == pytest.approx([float(stamps[index] * time_base) for index in due], abs=1e-3)
    assert decoded(tmp_path / "out.mp4") == len(stamps)


def test_a_video_in_which_time_hardly_moves_has_key_frames_too(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "out.mp4", SETTINGS, frame_rate=None) as writer:
        for shown in pictures(range(1300), Fraction(1, 90_000)):
            writer.write(shown)
    assert len(keys(tmp_path / "out.mp4")) == 3, "one in 600 frames at least"


def test_sound_in_mpeg_ts_reaches_the_video(tmp_path: Path) -> None:
    path = with_sound(tmp_path / "clip.ts", 5)
    assert recorded(path, tmp_path / "out").error is None
    video = tmp_path / "out" / "annotated.mp4"
    with av.open(str(video)) as result:
        samples = np.concatenate([heard.to_ndarray()[0] for heard in result.decode(audio=0)])
    assert len(samples) == pytest.approx(2 * 48000, rel=0.05)
    assert np.abs(samples[4800:-4800]).max() == pytest.approx(0.25, abs=0.05), "the tone that was encoded"
    assert float(seconds(video, "a")[0]) == pytest.approx(float(seconds(path, "a")[0]), abs=1e-4)


def moving(stamps: Sequence[int], moved: dict[int, float], folder: Path, sound: Iterator[Any]) -> VideoWriter:
    """Pictures at these 25ths of a second with a tone's packets; at some, the source's time was moved by seconds."""
    with AudioTrackOf(folder) as stream:
        writer = VideoWriter(folder / "out.mp4", SETTINGS, audio=sound, audio_template=stream)
        for index, shown in enumerate(pictures(stamps, Fraction(1, 25))):
            if index in moved:
                writer.move_audio(Fraction(moved[index]), Fraction(stamps[index], 25))
            writer.write(shown)
        writer.close()
    return writer


class AudioTrackOf:
    """A tone's stream, open meanwhile."""

    def __init__(self, folder: Path) -> None:
        self._track = AudioTrack(video_with(tone(folder / "tone.m4a", "aac", "ipod", 8.0)), CAPTURE)

    def __enter__(self) -> av.AudioStream:
        assert self._track.stream is not None
        return self._track.stream

    def __exit__(self, *_: object) -> None:
        self._track.close()


def video_with(sound: Path) -> Path:
    """The tone beside a picture, since a source has one."""
    path = sound.with_name("both.mp4")
    with av.open(str(sound)) as heard, av.open(str(path), "w") as out:
        copy = out.add_stream_from_template(heard.streams.audio[0])
        stream = out.add_stream("libx264", rate=1)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for packet in heard.demux(audio=0):
            if packet.size:
                packet.stream = copy
                out.mux(packet)
        out.mux(stream.encode(av.VideoFrame(64, 48, "yuv420p")))
        out.mux(stream.encode(None))
    return path


def heard(folder: Path, jumps: dict[int, float]) -> Iterator[av.Packet[Any]]:
    """The tone's packets, 1024/48000 s each; from some on, moved by seconds."""
    ticks = 0
    with av.open(str(folder / "both.mp4")) as container:
        for index, packet in enumerate(packet for packet in container.demux(audio=0) if packet.size):
            ticks = round(48000 * jumps.get(index, ticks / 48000))
            assert packet.dts is not None
            assert packet.pts is not None
            packet.dts, packet.pts = packet.dts + ticks, packet.pts + ticks
            yield packet


def test_sound_goes_on_where_only_the_pictures_stamps_were_wild(tmp_path: Path) -> None:
    writer = moving(range(100), {50: -100.0, 52: 0.04}, tmp_path, heard(tmp_path, {}))
    assert writer.audio_lost is None
    stamps = offsets(tmp_path / "out.mp4", "a")
    assert stamps[-1] > 4.5
    assert max(later - earlier for earlier, later in pairwise(stamps)) < 0.2, "a short hole at most"


def test_sound_that_does_not_follow_the_pictures_ends_and_says_so(tmp_path: Path) -> None:
    writer = moving(range(150), {50: -100.0}, tmp_path, heard(tmp_path, {}))
    assert writer.audio_lost == "its time stamps do not follow the pictures'"
    assert 1.9 < offsets(tmp_path / "out.mp4", "a")[-1] < 2.1


def test_sound_that_steps_back_alone_ends_and_says_so(tmp_path: Path) -> None:
    writer = moving(range(150), {}, tmp_path, heard(tmp_path, {100: -50.0}))
    assert writer.audio_lost == "its time stamps step back where the pictures' do not"
    assert 2.0 < offsets(tmp_path / "out.mp4", "a")[-1] < 2.2


def test_sound_that_pauses_comes_back_in_its_place(tmp_path: Path) -> None:
    writer = moving([*range(50), *range(400, 500)], {}, tmp_path, heard(tmp_path, {80: 14.0}))
    assert writer.audio_lost is None
    stamps = offsets(tmp_path / "out.mp4", "a")
    assert max(later - earlier for earlier, later in pairwise(stamps)) == pytest.approx(14, abs=0.05)
    assert stamps[-1] > 19


def expected(path: Path, stride: int, taken: int) -> int | None:
    """What is shown as the number of frames when so many were taken."""
    source = VideoFile(path, CAPTURE)
    frames = [frame for frame in source.frames() if frame.index % stride == 0]
    report = RunReport(source.info.name, total=source.info.frames, duration=source.info.duration)
    report.counts.processed = taken
    return report.expected(frames[taken - 1])


CLIPS: dict[str, tuple[Callable[[Path], Path], int]] = {
    "mp4": (lambda folder: write_clip(folder / "clip.mp4", range(60)), 60),
    "trimmed": (lambda folder: trimmed(folder / "clip.mp4", hidden=25), 35),
    "mkv": (lambda folder: write_clip(folder / "clip.mkv", range(60)), 60),
}


@pytest.mark.parametrize("stride", [1, 3])
@pytest.mark.parametrize("kind", CLIPS)
def test_progress_ends_where_the_clip_ends(kind: str, stride: int, tmp_path: Path) -> None:
    make, count = CLIPS[kind]
    path, all_of_them = make(tmp_path), len(range(0, count, stride))
    assert expected(path, stride, all_of_them) in (all_of_them, all_of_them + 1)
    assert expected(path, stride, all_of_them // 2) == pytest.approx(all_of_them, abs=1)


def test_progress_of_varying_rate_ends_where_the_clip_ends(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.avi", RECORDED, MS, options=PLAIN)
    assert expected(path, 1, len(RECORDED)) == len(RECORDED)


def test_no_wrong_end_is_shown_where_nobody_knows_it(tmp_path: Path) -> None:
    assert expected(joined(tmp_path / "clip.ts", [(100, 25), (5, 25)]), 1, 25) is None


def test_pythons_stream_takes_the_rate_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "load_estimator", lambda *_, **__: estimator())
    seen = list(model.stream(raw(tmp_path, "reordered.h264", Fraction(30)), source_fps=50))
    assert [observation.frame.time for observation in seen] == pytest.approx([index / 50 for index in range(60)])


def test_pictures_that_come_without_a_count_have_no_end(tmp_path: Path) -> None:
    frame = next(VideoFile(raw(tmp_path, "plain.h264", Fraction(30)), CAPTURE).frames())
    assert isinstance(frame, Frame)
    assert RunReport("camera").expected(frame) is None
    assert ScriptedSource(None).info.frames is None


@pytest.mark.parametrize("stride", [1, 3, 7])
def test_a_gap_is_told_between_the_frames_that_are_in_the_log(stride: int, tmp_path: Path) -> None:
    clip = joined(tmp_path / "clip.ts", [(100, 50), (5, 50), (5, 50)])
    recorded(clip, tmp_path / "out", chosen=settings(capture={"vid_stride": stride}))
    log = read_log(tmp_path / "out" / "keypoints.jsonl")
    times = [frame.time for frame in log.frames]
    assert times == pytest.approx([stride * index / 25 for index in range(len(times))])
    assert len(log.gaps) == 2
    for gap in log.gaps:
        place = [round(time, 6) for time in times].index(round(gap.end, 6))
        assert gap.start == pytest.approx(times[place - 1])


def test_the_whole_command_takes_a_fraction_as_a_rate(builtin: Path, tmp_path: Path) -> None:
    clip = raw(tmp_path, "plain.h264", Fraction(60), count=4)
    words = ["run", str(clip), "-m", str(builtin), "-o", str(tmp_path / "out"), "--source-fps", "30000/1001"]
    subprocess.run([sys.executable, "-m", "poseline", *words], check=True, capture_output=True)
    log = read_log(tmp_path / "out" / "keypoints.jsonl")
    assert [frame.time for frame in log.frames] == pytest.approx([index * 1001 / 30000 for index in range(4)], abs=1e-6)
