"""Files that end within a packet, or are damaged near their end: every whole picture is given, and the loss counted."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import pytest

from media_worlds import CAPTURE, numbers, write_clip
from poseline.capture import VideoFile
from poseline.capture.container import open_container
from poseline.capture.recent import MOST_IN_FLIGHT, RecentPackets
from poseline.frame import Frame

DATA = Path(__file__).parent / "data"
THREADS = 8
COUNT = 60
H264 = {"bf": "3", "b_strategy": "0", "g": "25", "qp": "20", "preset": "medium"}
CODECS: dict[str, tuple[str, dict[str, str]]] = {
    "h264.mp4": ("libx264", H264),
    "short-groups.mp4": ("libx264", {**H264, "g": "3", "bf": "1"}),
    "one-group.mp4": ("libx264", {**H264, "g": "600"}),
    "intra.mp4": ("libx264", {**H264, "g": "1", "bf": "0"}),
    "h265.mp4": ("libx265", {"x265-params": "log-level=error:bframes=3:keyint=25:qp=20"}),
    "av1.mp4": ("libsvtav1", {"preset": "12", "crf": "30"}),
    "h264.flv": ("libx264", H264),
}
"""Where a torn packet cannot be decoded at all."""
FRONT = {"movflags": "+faststart"}


def whole(path: Path, codec: str, options: dict[str, str], container: dict[str, str] | None = None) -> Path:
    return write_clip(path, range(COUNT), codec=codec, options=options, container=container)


def packets_of(path: Path) -> list[tuple[int, int, int]]:
    """(where it begins, where it ends, its time stamp) of each packet, in bytes of the file."""
    with av.open(str(path)) as container:
        found = []
        for packet in container.demux(video=0):
            if packet.size:
                assert packet.pos is not None
                assert packet.pts is not None
                found.append((packet.pos, packet.pos + packet.size, packet.pts))
    return found


def read(path: Path, threads: int = THREADS) -> tuple[VideoFile, list[Frame]]:
    """The source at its end, decoded with so many threads whatever the machine has, and its frames."""
    opened = open_container(str(path), CAPTURE)
    opened.stream.codec_context.thread_count = threads
    source = VideoFile(path, CAPTURE, opened)
    return source, list(source.frames())


@pytest.mark.parametrize("last", [13, 28, 41, 57])
@pytest.mark.parametrize("name", CODECS)
def test_a_torn_packet_costs_itself_alone(name: str, last: int, tmp_path: Path) -> None:
    codec, options = CODECS[name]
    clip = whole(tmp_path / f"whole-{name}", codec, options, FRONT if name.endswith("mp4") else {})
    packets = packets_of(clip)
    begin, end, _ = packets[last]
    before_it = 16 if name.endswith("flv") else 0  # bytes of its tag
    path = tmp_path / name
    path.write_bytes(clip.read_bytes()[: max(begin + 1, end - 3) + before_it])
    source, frames = read(path)
    assert sorted(frame.pts for frame in frames) == sorted(pts for *_, pts in packets[:last])
    assert [frame.pts for frame in frames] == sorted(frame.pts for frame in frames)
    assert source.bad == 1
    assert "1 packet could not be decoded and was passed over" in source.notes


@pytest.mark.parametrize(
    ("suffix", "codec", "options"),
    [("ts", "libx264", H264), ("mpg", "mpeg2video", {"bf": "2", "g": "12", "qmin": "2", "qmax": "3"})],
)
def test_what_is_left_of_a_torn_picture_is_called_corrupt(
    suffix: str, codec: str, options: dict[str, str], tmp_path: Path
) -> None:
    clip = whole(tmp_path / f"whole.{suffix}", codec, options, {"muxdelay": "0"} if suffix == "ts" else {})
    path = tmp_path / f"torn.{suffix}"
    share = clip.stat().st_size * 6 // 10
    path.write_bytes(clip.read_bytes()[: share - share % 188 + 94 if suffix == "ts" else share])
    _, alone = read(path, threads=1)
    source, frames = read(path)
    assert [frame.pts for frame in frames] == [frame.pts for frame in alone]
    assert COUNT // 3 < len(frames) < COUNT
    assert numbers(iter(frame for frame in frames if not frame.corrupt))[:20] == list(range(20))
    assert source.bad == 0


def test_a_torn_block_of_matroska_is_left_out(tmp_path: Path) -> None:
    clip = whole(tmp_path / "whole.mkv", "libx264", H264)
    packets = packets_of(clip)
    path = tmp_path / "torn.mkv"
    path.write_bytes(clip.read_bytes()[: packets[40][1]])
    source, frames = read(path)
    assert sorted(frame.pts for frame in frames) == sorted(pts for *_, pts in packets[:40])
    assert (source.bad, len(source.notes)) == (0, 1)


@pytest.mark.parametrize("places", [(55,), (52, 57), (40, 55, 56), (50, 51, 52, 53)])
@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_damage_near_the_end_costs_no_picture_behind_it(codec: str, places: tuple[int, ...], tmp_path: Path) -> None:
    """Each picture stands for itself, so that one that cannot be decoded takes none along."""
    options = {**H264, "g": "1", "bf": "0"} if codec == "libx264" else {"x265-params": "log-level=error:keyint=1:qp=20"}
    clip = whole(tmp_path / "clip.mp4", codec, options)
    packets, content = packets_of(clip), bytearray(clip.read_bytes())
    for place in places:
        begin, end, _ = packets[place]
        content[begin:end] = b"\xff" * (end - begin)
    clip.write_bytes(content)
    source, frames = read(clip)
    assert numbers(iter(frames)) == [number for number in range(COUNT) if number not in places]
    assert source.bad == len(places)


def test_time_stamps_that_begin_anew_give_no_picture_twice(tmp_path: Path) -> None:
    """Two parts of the same stamps, a packet of the second one torn: FFmpeg loses more than it can give again."""
    part = whole(tmp_path / "part.ts", "libx264", {**H264, "g": "12"}).read_bytes()
    path = tmp_path / "both.ts"
    path.write_bytes(part + part[: len(part) * 8 // 10])
    _, alone = read(path, threads=1)
    _, frames = read(path)
    assert [frame.pts for frame in frames] == [frame.pts for frame in alone]


@pytest.mark.parametrize("threads", [1, THREADS])
def test_a_packet_without_a_picture_is_no_loss(threads: int) -> None:
    """A Dahua recording begins with one that holds settings alone, which FFmpeg's H.264 decoder calls an error."""
    source, frames = read(DATA / "cam.dav", threads)
    assert (len(frames), source.bad, source.notes) == (119, 0, [])


@pytest.mark.parametrize("suffix", ["h264", "mp4"])
def test_settings_on_the_way_are_no_loss_and_damage_is(suffix: str, tmp_path: Path) -> None:
    clip = whole(tmp_path / "clip.mp4", "libx264", {**H264, "bf": "0", "g": "10"})
    path = tmp_path / f"settings.{suffix}"
    with av.open(str(clip)) as source, av.open(str(path), "w", options=FRONT if suffix == "mp4" else {}) as out:
        stream = source.streams.video[0]
        copy = out.add_stream_from_template(stream)
        for index, packet in enumerate(packet for packet in source.demux(stream) if packet.size):
            packet.stream = copy
            assert packet.pts is not None
            if suffix == "mp4" and index in (29, 49):
                message = b"\x06\x05\x01\x00\x80"  # an SEI message (ITU-T H.264, 7.3.2.3) where a picture was
                kept = av.Packet(len(message).to_bytes(4, "big") + message)
                kept.pts = kept.dts = packet.pts
                kept.time_base, kept.stream = packet.time_base, copy
                out.mux(kept)
                continue
            out.mux(packet)
    read_again, frames = read(path)
    assert (len(frames), read_again.bad) == (COUNT - 2 * (suffix == "mp4"), 0)


class _Packet:
    """As much of a packet as is counted."""

    def __init__(self, size: int, key: bool) -> None:
        self.size, self.is_keyframe = size, key


@pytest.mark.parametrize(
    ("every", "size", "kept"),
    [(1, 100, MOST_IN_FLIGHT), (30, 100, 90), (10_000, 100, 1000), (1, 4 << 20, 16), (10_000, 1 << 20, 0)],
    ids=["intra", "groups", "one group", "large", "large and one group"],
)
def test_the_packets_kept_are_bounded_and_begin_with_a_key_frame(every: int, size: int, kept: int) -> None:
    recent, make = RecentPackets(), _Packet
    add: Callable[..., None] = recent.add
    for index in range(1000):
        add(make(size, index % every == 0), index // 100)
    held = list(recent)
    assert abs(len(held) - kept) <= (30 if every == 30 else 1) or (kept == 0 and len(held) < 64)
    assert sum(packet.size for packet in held) <= 64 << 20
    if kept:
        assert held[0].is_keyframe
        assert recent.bad_before == (1000 - len(held)) // 100
    else:
        assert recent.bad_before is None


def test_the_time_of_a_whole_file_is_its_own(tmp_path: Path) -> None:
    """Nothing is decoded again where nothing is missing."""
    clip = whole(tmp_path / "clip.mp4", "libx264", H264)
    source, frames = read(clip)
    assert source._decoder._context is source._opened.stream.codec_context
    assert [frame.time for frame in frames] == pytest.approx([float(Fraction(index, 30)) for index in range(COUNT)])
