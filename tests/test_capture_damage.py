"""Damage where a card decodes: the CPU finds it and takes over. A CPU's decoder stands for the card's here."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from media_worlds import WAIT
from poseline.capture import VideoFile, file
from poseline.capture.container import Opened, open_container
from poseline.capture.damage import DamageCheck
from poseline.capture.decoder import Decoded, Decoder
from poseline.capture.sei import without_sei
from poseline.frame import plane_pixels
from poseline.settings import CaptureSettings, load

SETTINGS = CaptureSettings()
H264 = {"x264-params": "keyint=30:bframes=3:b-pyramid=normal:ref=3"}


def clip_of(path: Path, codec: str = "libx264", options: dict[str, str] | None = None, count: int = 320) -> Path:
    """A moving pattern of 160x120 pixels, 25 frames a second."""
    background = np.random.default_rng(0).integers(0, 200, (120, 160), np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        stream.options = {**(H264 if options is None else options)}
        for index in range(count):
            pixels = np.roll(background, index, axis=1)
            pixels[40:80, index % 120 : index % 120 + 40] = 250
            picture = av.VideoFrame.from_ndarray(pixels, format="gray").reformat(format="yuv420p")
            picture.pts = index
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


Change = Callable[[bytearray], bytearray]


def flipped(content: bytearray) -> bytearray:
    content[len(content) // 2] ^= 0x55
    return content


def zeroed(content: bytearray) -> bytearray:
    content[len(content) // 4 :] = bytes(len(content) - len(content) // 4)
    return content


def cut(content: bytearray) -> bytearray:
    return content[: len(content) // 3]


def blank(content: bytearray) -> bytearray:
    return bytearray(len(content))


def headless(content: bytearray) -> bytearray:
    return bytearray(b"\xff" * 8) + content[8:]


def damaged(clip: Path, path: Path, numbers: tuple[int, ...], change: Change = flipped) -> Path:
    """The clip with some packets changed, the largest near each of these numbers."""
    with av.open(str(clip)) as source, av.open(str(path), "w") as container:
        stream = container.add_stream_from_template(source.streams.video[0])
        packets = [packet for packet in source.demux(video=0) if packet.size]
        chosen = [max(range(number, number + 6), key=lambda place: packets[place].size) for number in numbers]
        for place, packet in enumerate(packets):
            given: av.Packet[Any] = packet
            if place in chosen:
                given = av.Packet(bytes(change(bytearray(bytes(packet)))))
                given.pts, given.dts, given.duration = packet.pts, packet.dts, packet.duration
                given.time_base, given.is_keyframe = packet.time_base, packet.is_keyframe
            given.stream = stream
            container.mux(given)
    return path


def opened(path: Path) -> Opened:
    """In one thread: with several, what FFmpeg puts in the place of damage depends on how far each of them is."""
    result = open_container(str(path), SETTINGS)
    result.stream.codec_context.thread_count = 1
    return result


def by_card(path: Path) -> Decoder:
    """A decoder with the check, as for a card."""

    def again() -> Opened:
        result = opened(path)
        result.open_for_cpu = lambda: opened(path)
        return result

    return Decoder(again(), again)


def by_cpu(path: Path) -> Decoder:
    return Decoder(opened(path), lambda: opened(path))


def seen(pictures: list[Decoded]) -> list[tuple[object, ...]]:
    return [(each.picture.pts, each.corrupt, plane_pixels(each.picture.planes[0]).tobytes()) for each in pictures]


def marks(path: Path) -> list[int | None]:
    """The time stamps of pictures that the CPU's decoder calls damaged."""
    return [each.picture.pts for each in by_cpu(path).frames() if each.corrupt]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clip_of(tmp_path_factory.mktemp("damage") / "sound.mp4")


@pytest.mark.parametrize("change", [flipped, zeroed, blank, cut, headless])
@pytest.mark.parametrize("numbers", [(3,), (290,), (100, 130, 250)])
def test_all_pictures_and_marks_are_those_of_the_cpu(
    sound: Path, tmp_path: Path, change: Change, numbers: tuple[int, ...]
) -> None:
    path = damaged(sound, tmp_path / "damaged.mp4", numbers, change)
    ours, theirs = by_card(path), by_cpu(path)
    assert seen(list(ours.frames())) == seen(list(theirs.frames()))
    assert ours.bad == theirs.bad
    assert ours.packets == theirs.packets
    assert ours.damaged_at is not None
    assert "decoded by the CPU" in ours.notes[-1]


def test_a_card_decodes_what_stands_before_the_damage(tmp_path: Path) -> None:
    long = clip_of(tmp_path / "long.mp4", count=700)
    decoder = by_card(damaged(long, tmp_path / "damaged.mp4", (600,)))
    card = decoder._context
    before = sum(1 for _ in decoder.frames() if decoder._context is card)
    assert 300 <= before < 600
    assert decoder.damaged_at is not None
    assert 23.5 <= decoder.damaged_at <= 25


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("closed.mp4", "libx264", None),
        ("open.mkv", "libx264", {"x264-params": "keyint=30:open-gop=1:bframes=3"}),
        ("refresh.mp4", "libx264", {"x264-params": "keyint=30:intra-refresh=1"}),
        ("slices.ts", "libx264", {"x264-params": "keyint=30:slices=3"}),
        ("interlaced.mp4", "libx264", {"x264-params": "keyint=30:interlaced=1", "flags": "+ildct+ilme"}),
        ("raw.h264", "libx264", None),
        ("open.mp4", "libx265", {"x265-params": "keyint=30:log-level=none"}),
        ("film.mpg", "mpeg2video", {"g": "12", "bf": "2"}),
        ("clip.webm", "libvpx", {"g": "30", "cpu-used": "8", "deadline": "realtime"}),
        ("clip.avi", "mjpeg", {}),
    ],
)
def test_no_false_alarm(name: str, codec: str, options: dict[str, str] | None, tmp_path: Path) -> None:
    """From the beginning, from a later key frame, and from the middle of a group."""
    path = clip_of(tmp_path / name, codec, options, count=100) if codec != "mjpeg" else mjpeg(tmp_path / name)
    for first in ("all", "key", "middle"):
        decoder = by_card(path)
        packets = list(decoder.read())
        keys = [place for place, packet in enumerate(packets) if packet.is_keyframe]
        begin = {"all": 0, "key": keys[min(1, len(keys) - 1)], "middle": 5}[first]
        check = DamageCheck(lambda: open_container(str(path), SETTINGS))
        assert list(check.passed(iter(packets[begin:]))) == packets[begin:], first
        assert check.damaged is None


def mjpeg(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuvj420p"
        for index in range(30):
            pixels = np.full((120, 160, 3), 5 * index, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def test_settings_between_the_pictures_are_no_damage(sound: Path) -> None:
    """Packets without a picture: FFmpeg's decoder of H.264 calls each an error."""
    opened = open_container(str(sound), SETTINGS)
    packets = [packet for packet in opened.container.demux(opened.stream) if packet.size]
    message: av.Packet[Any] = av.Packet(b"\x00\x00\x00\x04\x06\x05\x01\x80")
    message.stream = opened.stream
    given = [*packets[:40], message, *packets[40:]]
    check = DamageCheck(lambda: open_container(str(sound), SETTINGS))
    assert list(check.passed(iter(given))) == given


H264_SEI = ("0605ffffff0180", "06052061626380", "060430b500314741393480", "0600010080", "06")
HEVC_SEI = ("4e0105ffff0180", "4e01052061626380", "4e01891880", "50018410", "4e01011080")


@pytest.mark.parametrize(
    ("name", "codec", "messages"),
    [("clip.mp4", "libx264", H264_SEI), ("clip.ts", "libx264", H264_SEI), ("clip.mp4", "libx265", HEVC_SEI)],
)
def test_messages_that_are_not_valid_are_no_damage(
    name: str, codec: str, messages: tuple[str, ...], tmp_path: Path
) -> None:
    """As some cameras write them beside sound pictures."""
    path = clip_of(tmp_path / name, codec, None if codec == "libx264" else {"x265-params": "log-level=none"}, count=40)
    source = opened(path)
    packets = [packet for packet in source.container.demux(source.stream) if packet.size]
    for message in messages:
        unit = bytes.fromhex(message)
        before = b"\0\0\0\1" if name.endswith("ts") else len(unit).to_bytes(4, "big")
        given = [with_content(packet, before + unit + bytes(packet)) for packet in packets]
        check = DamageCheck(lambda: opened(path))
        assert list(check.passed(iter(given))) == given, message
        given[20] = with_content(packets[20], before + unit + bytes(packets[20])[: packets[20].size // 2])
        check = DamageCheck(lambda: opened(path))
        list(check.passed(iter(given)))
        assert check.damaged is not None


def with_content(packet: Any, content: bytes) -> Any:
    result: Any = av.Packet(content)
    result.pts, result.dts, result.is_keyframe = packet.pts, packet.dts, packet.is_keyframe
    result.time_base, result.stream = packet.time_base, packet.stream
    return result


def test_only_messages_are_left_out(sound: Path) -> None:
    source = opened(sound)
    packet = next(each for each in source.container.demux(source.stream) if each.size)
    plain = without_sei(packet)
    assert plain is not None
    assert plain is not packet  # x264's own message stands in the first packet
    assert bytes(packet).endswith(bytes(plain))
    same = with_content(packet, bytes(plain))
    assert without_sei(same) is same
    recovery, other = b"\0\0\0\4\x06\x06\x01\x80", b"\0\0\0\5\x06\x05\x01\x07\x80"
    both = b"\0\0\0\7\x06\x05\x01\x07\x06\x01\x80"
    for kept, content in ((recovery, recovery + other), (both, other + both), (b"", other)):
        found = without_sei(with_content(packet, content))
        assert (b"" if found is None else bytes(found)) == kept
    torn = with_content(packet, bytes(packet)[:-3])
    assert without_sei(torn) is torn


LEFT_EARLY = """
import sys
from pathlib import Path
from poseline.capture.container import open_container
from poseline.capture.sei import without_sei
from poseline.settings import CaptureSettings

for _ in range(10):
    opened = open_container(Path(sys.argv[1]).as_posix(), CaptureSettings())
    context, changed = opened.stream.codec_context, 0
    context.thread_count = 4
    for number, packet in enumerate(opened.container.demux(opened.stream)):
        plain = without_sei(packet)
        changed += plain is not packet
        context.decode(plain)
        if number == 8:
            break
    assert changed == 9
    opened.container.close()
    del packet, plain, context, opened
"""


def test_a_decoder_whose_threads_are_busy_can_be_left(tmp_path: Path) -> None:
    """In a process of its own: where it hangs, it holds Python's lock."""
    path = clip_of(tmp_path / "a.mp4", options={"preset": "ultrafast", "x264-params": "pic-struct=1"}, count=30)
    subprocess.run([sys.executable, "-c", LEFT_EARLY, str(path)], check=True, timeout=WAIT)


def test_without_time_stamps_nothing_comes_twice(tmp_path: Path) -> None:
    path = clip_of(tmp_path / "long.mp4", count=500)
    broken = damaged(path, tmp_path / "broken.mp4", (420,))
    raw = tmp_path / "raw.h264"
    with av.open(str(broken)) as source, av.open(str(raw), "w") as container:
        stream = container.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                container.mux(packet)
    decoder = by_card(raw)
    assert seen(list(decoder.frames())) == seen(list(by_cpu(raw).frames()))
    assert decoder.damaged_at is not None


def test_who_stops_early_waits_for_nobody(sound: Path) -> None:
    pictures = by_card(sound).frames()
    next(pictures)
    pictures.close()  # type: ignore[attr-defined] # a generator


def card_of_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a CPU's decoder stand for a card's, whose pictures all can stay."""

    def opened_by(location: str, settings: CaptureSettings, card: object = None, form: str | None = None) -> Any:
        result = open_container(location, settings, form=form)
        if card is not None and settings.damage_check == "auto":
            result.open_for_cpu = lambda: open_container(location, settings)
        return result

    monkeypatch.setattr(file, "accelerators", lambda *_: ["a card"])
    monkeypatch.setattr(file, "refusal", lambda *_: "")
    monkeypatch.setattr(file, "open_container", opened_by)


def read(path: Path, settings: CaptureSettings = SETTINGS) -> tuple[list[tuple[int, float, bool]], list[str]]:
    source = VideoFile(path, settings, consumer="cuda")
    return [(frame.pts, frame.time, frame.corrupt) for frame in source.frames()], source.notes


def test_a_file_says_what_it_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = clip_of(tmp_path / "long.mp4", count=700)
    late, early = damaged(long, tmp_path / "late.mp4", (600,)), damaged(long, tmp_path / "early.mp4", (10,))
    expected = {path: read(path)[0] for path in (long, late, early)}
    card_of_cpus(monkeypatch)
    for path, words in (
        (long, ""),
        (late, "damaged at about 24"),
        (early, "decoded by the CPU: damaged at about 0"),
    ):
        frames, notes = read(path)
        assert frames == expected[path]
        notes = [note for note in notes if "damaged" in note]
        assert len(notes) == bool(words)
        assert all(note.startswith(words) for note in notes)
        frames, notes = read(path, CaptureSettings(damage_check="no"))
        assert frames == expected[path]
        assert not any("damaged" in note for note in notes)


def test_a_part_of_a_damaged_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = damaged(clip_of(tmp_path / "long.mp4", count=500), tmp_path / "damaged.mp4", (400,))
    for start in (0.0, 8.1, 17.0):
        part = CaptureSettings(start=start, end=19.0)
        with monkeypatch.context() as patched:
            expected, _ = read(path, part)
            card_of_cpus(patched)
            assert read(path, part)[0] == expected


def test_yaml_means_no(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text("capture:\n  damage_check: no\n")
    assert load(path).capture.damage_check == "no"
