"""Streams in segments (HLS) of which some are missing or cut short: FFmpeg passes over them without an error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import accumulate, pairwise
from pathlib import Path

import pytest

from media_worlds import number_in, write_clip
from poseline.capture import Source, open_source
from poseline.capture.stream_clock import StreamClock
from poseline.capture.stream_holes import StreamHoles
from poseline.frame import Frame
from poseline.settings import CaptureSettings
from stream_worlds import web_server

RATE, SEGMENT, SEGMENTS = 20, 30, 3
"""Frames a second, frames of a segment, segments."""
PATIENT = CaptureSettings(open_timeout=30, read_timeout=20, max_outage=60)


def stream(folder: Path, listed: int = SEGMENTS, there: Sequence[int] = range(SEGMENTS)) -> Path:
    """A list that is closed, of segments whose frames are numbered on and on; returns the folder."""
    for part in there:
        stamps = [(part * SEGMENT + number) * 90_000 // RATE for number in range(SEGMENT)]
        write_clip(
            folder / f"{part}.ts", stamps, Fraction(1, 90_000), first=part * SEGMENT,
            options={"bf": "0", "qp": "10", "g": str(SEGMENT)}, container={"mpegts_copyts": "1"},
        )  # fmt: skip
    entries = "".join(f"#EXTINF:{SEGMENT / RATE},\n{part}.ts\n" for part in range(listed))
    (folder / "list.m3u8").write_text(f"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n{entries}#EXT-X-ENDLIST\n")
    return folder


def watched(folder: Path) -> tuple[Source, list[Frame]]:
    """The source and all of its frames."""
    with web_server(folder) as address:
        source = open_source(f"{address}/list.m3u8", PATIENT)
        return source, list(source.frames())


def cut(path: Path) -> None:
    """Leave the first third."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])


def check_hole(source: Source, frames: list[Frame]) -> None:
    """The third segment's frames come at their own times behind a gap, and it is noted."""
    shown = [number_in(frame.bgr) for frame in frames]
    assert shown[:SEGMENT] == list(range(SEGMENT))
    assert shown[-SEGMENT:] == list(range(2 * SEGMENT, 3 * SEGMENT))
    assert [frame.time * RATE for frame in frames] == pytest.approx(shown, abs=0.01), "each frame has its own time"
    (gap,) = [frame.gap for frame in frames if frame.gap]
    assert frames[-SEGMENT].gap is gap
    assert (gap.start * RATE, gap.end * RATE) == pytest.approx((shown[-SEGMENT - 1], 2 * SEGMENT), abs=0.01)
    assert "a segment may be missing or cut short" in gap.reason
    seconds = gap.end - gap.start
    assert f"no frames for {seconds:.1f} s, once: a segment may be missing or cut short" in source.notes


def test_a_whole_stream_has_no_hole(tmp_path: Path) -> None:
    source, frames = watched(stream(tmp_path))
    assert [number_in(frame.bgr) for frame in frames] == list(range(SEGMENTS * SEGMENT))
    assert not [frame.gap for frame in frames if frame.gap]
    assert not source.notes


@pytest.mark.parametrize("harm", [cut, Path.unlink], ids=["cut short", "missing"])
def test_a_segment_without_its_frames_is_a_gap_and_a_note(harm: Callable[[Path], object], tmp_path: Path) -> None:
    harm(stream(tmp_path) / "1.ts")
    check_hole(*watched(tmp_path))


def test_a_live_stream_tells_of_it_too(tmp_path: Path) -> None:
    """Its list has the first segment at first; then the others, of which one is missing, and the list is closed."""
    listed = stream(tmp_path) / "list.m3u8"
    closed = listed.read_text()
    listed.write_text(closed.partition("#EXTINF:1.5,\n1.ts")[0])
    (tmp_path / "1.ts").unlink()
    frames: list[Frame] = []
    with web_server(tmp_path) as address:
        source = open_source(f"{address}/list.m3u8", PATIENT)
        assert source.info.live
        for frame in source.frames():
            if not frames:
                listed.write_text(closed)
            frames.append(frame)
    check_hole(source, frames)


def test_the_end_of_a_list_that_does_not_come_is_told(tmp_path: Path) -> None:
    (stream(tmp_path) / "2.ts").unlink()
    source, frames = watched(tmp_path)
    assert len(frames) == 2 * SEGMENT
    assert source.notes == ["read 60 frames: the list of segments states 4.5 s, and frames end at 3.0 s"]


def test_few_frames_a_second_are_no_holes() -> None:
    holes = StreamHoles()
    assert not any(holes.between(2.0 * number, 2.0 * number + 2) for number in range(10))
    assert not holes.between(20, 24), "one was left out"
    assert not holes.notes()
    holes.between(24, 26)
    holes.between(26, 28)
    assert holes.between(28, 60)
    assert holes.notes()


def test_frames_that_become_rare_are_one_hole_at_most() -> None:
    """A screen's stream gives a picture where something changes."""
    holes = StreamHoles()
    steps = [0.04] * 20 + [2.0] * 20 + [0.1, 2.0] * 20
    times = list(accumulate(steps))
    assert len([time for before, time in pairwise(times) if holes.between(before, time)]) == 1


def test_the_last_frame_stands_as_long_as_those_before_it() -> None:
    holes = StreamHoles()
    for time in (0, 5, 10):
        holes.between(time, time + 5)
    assert not holes.ends_early(4, 15, 20)
    assert "states 30.0 s, and frames end at 15.0 s" in holes.ends_early(4, 15, 30)


def test_a_connections_first_frame_is_no_measure() -> None:
    holes = StreamHoles()
    holes.between(0, 0.04)
    holes.begin_anew()
    assert not holes.between(0.04, 30)


@pytest.mark.parametrize(("segmented", "stamp", "time"), [(True, 8.0, 8.0), (True, 20.0, 1.04), (False, 8.0, 1.04)])
def test_only_a_stream_in_segments_may_leap_and_not_far(segmented: bool, stamp: float, time: float) -> None:
    """Several segments are missing, and the next one is there at once; all wait for its time, so it must not be far."""
    clock = StreamClock(segmented)
    clock.connected()
    for number in range(26):
        clock.time_of(number * 0.04, None, 0.04, 100.0)
    assert clock.time_of(stamp, None, 0.04, 100.1) == pytest.approx(time, abs=0.01)


def test_live_segments_may_be_missing_for_as_long_as_they_took() -> None:
    """FFmpeg gives a segment's last two packets when the next one is there; nobody waits longer for what comes then."""
    clock = StreamClock(segmented=True)
    clock.connected()
    for number in range(50):
        clock.time_of(number * 0.04, None, 0.04, 160.0 if number > 47 else 100 + number // 25)
    assert clock.time_of(60.0, None, 0.04, 160.0) == pytest.approx(60.0)
    assert not clock.notes()
    clock.time_of(60.04, None, 0.04, 160.0)
    assert clock.pace.due(60.0) == pytest.approx(160.0, abs=0.1)


def test_many_segments_of_a_recording_may_be_missing(tmp_path: Path) -> None:
    """More than those 10 s beyond which the stamps of MPEG-TS count as begun anew."""
    source, frames = watched(stream(tmp_path, listed=10, there=(0, 9)))
    assert [frame.time for frame in frames[SEGMENT - 1 : SEGMENT + 1]] == pytest.approx([1.45, 13.5])
    assert source.notes == ["no frames for 12.1 s, once: a segment may be missing or cut short"]
    assert frames[SEGMENT].gap
