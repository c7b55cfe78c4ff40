from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.reformatter import ColorRange, Colorspace

from output_worlds import CLIPS, SAMPLES, decoded, flat, opened, pictures, seconds, stamps, tone
from poseline.errors import OutputError
from poseline.output import VideoWriter, disk, mp4, mp4_can_hold, recover
from poseline.settings import OutputSettings

SETTINGS = OutputSettings.model_validate({})
THIRTIETH = Fraction(1, 30)


def write(path: Path, frames: Iterator[av.VideoFrame], **options: Any) -> VideoWriter:
    with VideoWriter(path, SETTINGS, **options) as writer:
        for frame in frames:
            writer.write(frame)
    return writer


def nature(path: Path) -> tuple[object, ...]:
    """Time base, size, colour space, range and pixel format of a video."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        coded = stream.codec_context
        return stream.time_base, coded.width, coded.height, coded.colorspace, coded.color_range, coded.pix_fmt


@pytest.mark.parametrize("clip", CLIPS)
def test_a_clips_time_stamps_and_time_base_stay_as_they_are(clip: str, tmp_path: Path) -> None:
    count = 40
    path = SAMPLES / f"{clip}.mp4"
    with av.open(str(path)) as source:
        stream = source.streams.video[0]
        frames = (frame for frame, _ in zip(source.decode(stream), range(count), strict=False))
        writer = write(tmp_path / "out.mp4", frames, frame_rate=stream.average_rate)
    assert writer.segments == [tmp_path / "out.mp4"]
    assert (writer.frames, writer.repaired) == (count, 0)
    assert stamps(tmp_path / "out.mp4") == stamps(path)[:count]
    assert nature(tmp_path / "out.mp4") == nature(path)


@pytest.mark.parametrize(
    ("pts", "time_base"),
    [
        (range(10), Fraction(1, 25)),
        ((0, 3, 4, 9, 20, 21, 400, 4000), Fraction(1, 1000)),
        (range(7), Fraction(1001, 30000)),
        ((126001, 129003, 135000, 135001), Fraction(1, 90000)),
        ((3600 * 25, 3600 * 25 + 2), Fraction(1, 25)),
        ((5, 33338, 70000), Fraction(1, 1_000_000)),
    ],
    ids=["constant", "variable", "ntsc", "late start", "an hour late", "microseconds"],
)
def test_any_rate_is_exact(pts: Any, time_base: Fraction, tmp_path: Path) -> None:
    writer = write(tmp_path / "out.mp4", pictures(pts, time_base))
    assert seconds(tmp_path / "out.mp4") == [stamp * time_base for stamp in pts]
    assert writer.repaired == 0
    assert decoded(tmp_path / "out.mp4") == len(pts)


@pytest.mark.parametrize("start", [-5, 86_401 * 30, 1_700_000_000 * 30])
def test_a_start_that_no_clip_has_becomes_zero(start: int, tmp_path: Path) -> None:
    write(tmp_path / "out.mp4", pictures([start, start + 1, start + 5], THIRTIETH))
    assert seconds(tmp_path / "out.mp4") == [0, THIRTIETH, 5 * THIRTIETH]
    assert decoded(tmp_path / "out.mp4") == 3


def test_a_live_source_does_not_start_with_its_cameras_uptime(tmp_path: Path) -> None:
    write(tmp_path / "out.mp4", pictures([54000, 54001], THIRTIETH), live=True)
    assert seconds(tmp_path / "out.mp4") == [0, THIRTIETH]


@pytest.mark.parametrize(
    ("pts", "written", "repaired"),
    [
        ([0, 10, 10, 20], [0, 10, 11, 20], 1),
        ([0, 10, None, 20], [0, 10, 11, 20], 1),
        ([None, 10, 20], [0, 10, 20], 1),
        ([0, 10, 8, 20], [0, 10, 11, 20], 1),
        ([0, 10, 20, 3000, 0, 10, 20], [0, 10, 20, 3000, 3010, 3020, 3030], 1),
    ],
    ids=["twice", "none", "none at first", "backwards", "from the beginning again"],
)
def test_time_moves_on_and_repairs_are_counted(
    pts: list[int | None], written: list[int], repaired: int, tmp_path: Path
) -> None:
    writer = write(tmp_path / "out.mp4", pictures(pts, Fraction(1, 300)))
    assert stamps(tmp_path / "out.mp4") == written
    assert (writer.repaired, decoded(tmp_path / "out.mp4")) == (repaired, len(pts))


@pytest.mark.parametrize("size", [(63, 48), (64, 47), (63, 47)])
def test_an_odd_size_is_padded_and_no_pixel_moves(size: tuple[int, int], tmp_path: Path) -> None:
    ramp = np.add.outer(np.arange(size[1]) * 2, np.arange(size[0])).astype(np.uint8)
    bgr = np.repeat(ramp[:, :, None], 3, axis=2)
    source = av.VideoFrame.from_ndarray(bgr, format="bgr24").reformat(format="yuv420p")
    source.pts, source.time_base = 0, THIRTIETH
    with VideoWriter(tmp_path / "out.mp4", SETTINGS.model_copy(update={"crf": 1})) as writer:
        writer.write(source)
    assert (source.width, source.height) == size
    with av.open(str(tmp_path / "out.mp4")) as result:
        back = next(result.decode(video=0)).to_ndarray(format="gray").astype(int)
    luma = source.to_ndarray(format="gray").astype(int)
    assert back.shape == (48, 64)
    assert np.abs(back[: size[1], : size[0]] - luma).max() <= 4
    assert np.abs(back[: size[1], -1] - luma[:, -1]).max() <= 4


def test_another_size_begins_another_file_and_nothing_is_stretched(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "annotated.mp4", SETTINGS) as writer:
        for index, size in enumerate([(64, 48)] * 3 + [(32, 80)] * 4 + [(64, 48)] * 2):
            picture = flat(100, size)
            picture.pts, picture.time_base = index, THIRTIETH
            writer.write(picture)
    assert [path.name for path in writer.segments] == ["annotated.mp4", "annotated-2.mp4", "annotated-3.mp4"]
    assert [nature(path)[1:3] for path in writer.segments] == [(64, 48), (32, 80), (64, 48)]
    assert [seconds(path) for path in writer.segments] == [
        [index * THIRTIETH for index in part] for part in (range(3), range(3, 7), range(7, 9))
    ]


@pytest.mark.parametrize("name", ["yuv420p", "yuvj420p", "bgr24", "yuv444p"])
def test_colours_stay(name: str, tmp_path: Path) -> None:
    colour = (40, 60, 200)
    source = av.VideoFrame.from_ndarray(np.full((48, 64, 3), colour, np.uint8), format="bgr24").reformat(format=name)
    source.pts, source.time_base = 0, THIRTIETH
    write(tmp_path / "out.mp4", iter([source]))
    *_, colorspace, color_range, pix_fmt = nature(tmp_path / "out.mp4")
    assert pix_fmt == ("yuvj420p" if name == "yuvj420p" else "yuv420p")
    if name == "bgr24":
        assert (color_range, colorspace) == (ColorRange.MPEG, Colorspace.ITU709)
    with av.open(str(tmp_path / "out.mp4")) as result:
        frame = next(result.decode(video=0))
        assert np.abs(frame.to_ndarray(format="bgr24").astype(int) - colour).max() <= 6


def test_picture_types_of_the_decoder_are_no_orders(tmp_path: Path) -> None:
    def all_keys() -> Iterator[av.VideoFrame]:
        for picture in pictures(range(20), THIRTIETH):
            picture.pict_type = av.video.frame.PictureType.I
            yield picture

    write(tmp_path / "out.mp4", all_keys())
    with opened(tmp_path / "out.mp4", "v") as (container, stream):
        assert sum(packet.is_keyframe for packet in container.demux(stream)) == 1


def test_sound_is_copied_and_in_time(tmp_path: Path) -> None:
    path = SAMPLES / "sprint.mp4"
    with av.open(str(path)) as sound:
        stream = sound.streams.audio[0]
        time_base = sound.streams.video[0].time_base
        assert time_base is not None
        frames = pictures(stamps(path), time_base)
        writer = write(tmp_path / "out.mp4", frames, audio=sound.demux(stream), audio_template=stream)
    assert writer.audio_lost is None
    assert stamps(tmp_path / "out.mp4", "a") == stamps(path, "a")
    assert seconds(tmp_path / "out.mp4") == seconds(path)


def test_sound_and_pictures_are_moved_together(tmp_path: Path) -> None:
    tone(tmp_path / "tone.mp4", "aac", "mp4")
    days = 2 * 86400

    def late(sound: Any, stream: Any) -> Iterator[av.Packet[Any]]:
        for packet in sound.demux(stream):
            if packet.size:
                packet.pts += days * 48000
                packet.dts += days * 48000
                yield packet

    with av.open(str(tmp_path / "tone.mp4")) as sound:
        stream = sound.streams.audio[0]
        frames = pictures(range(days * 30, days * 30 + 30), THIRTIETH)
        write(tmp_path / "out.mp4", frames, audio=late(sound, stream), audio_template=stream)
    before = seconds(tmp_path / "tone.mp4", "a")
    assert before[0] < 0, "an encoder's lead-in is what makes this hard"
    assert seconds(tmp_path / "out.mp4", "a") == before
    assert seconds(tmp_path / "out.mp4")[0] == 0


def test_sound_ends_soon_after_the_last_picture(tmp_path: Path) -> None:
    tone(tmp_path / "tone.mp4", "aac", "mp4", length=5)
    with av.open(str(tmp_path / "tone.mp4")) as sound:
        stream = sound.streams.audio[0]
        frames = pictures(range(30), THIRTIETH)
        write(tmp_path / "out.mp4", frames, audio=sound.demux(stream), audio_template=stream)
    assert 1.9 < seconds(tmp_path / "out.mp4", "a")[-1] <= 2


@pytest.mark.parametrize("start", [0, 1, 20011])
def test_sound_that_starts_later_starts_as_late(start: int, tmp_path: Path) -> None:
    tone(tmp_path / "tone.mkv", "ac3", "matroska")

    def late(packets: Iterator[av.Packet[Any]], begin: int) -> Iterator[av.Packet[Any]]:
        for index, packet in enumerate(packets):
            packet.time_base = Fraction(1, 48000)
            packet.pts = packet.dts = begin + 1536 * index
            yield packet

    with av.open(str(tmp_path / "tone.mkv")) as sound:
        stream = sound.streams.audio[0]
        frames = pictures(range(60), THIRTIETH)
        packets = (packet for packet in sound.demux(stream) if packet.size)
        write(tmp_path / "out.mp4", frames, audio=late(packets, start), audio_template=stream)
    heard = seconds(tmp_path / "out.mp4", "a")
    assert heard == [Fraction(start + 1536 * index, 48000) for index in range(len(heard))]
    assert len(heard) > 30
    assert seconds(tmp_path / "out.mp4") == [index * THIRTIETH for index in range(60)]


def test_sound_without_a_packet_gets_no_track_so_that_a_killed_run_is_readable(tmp_path: Path) -> None:
    tone(tmp_path / "tone.mp4", "aac", "mp4")
    with av.open(str(tmp_path / "tone.mp4")) as sound:
        writer = VideoWriter(
            tmp_path / "annotated.mp4", SETTINGS, audio=iter(()), audio_template=sound.streams.audio[0]
        )
        for picture in pictures(range(60), THIRTIETH):
            writer.write(picture)
        (tmp_path / "killed.mp4.part").write_bytes((tmp_path / "annotated.mp4.part").read_bytes())
        writer.close()
    with av.open(str(tmp_path / "annotated.mp4")) as annotated:
        assert not annotated.streams.audio
    assert recover(tmp_path / "killed.mp4.part").frames > 45


def test_broken_sound_ends_and_says_so_and_the_video_goes_on(tmp_path: Path) -> None:
    tone(tmp_path / "tone.mp4", "aac", "mp4")

    def breaking(packets: Iterator[av.Packet[Any]]) -> Iterator[av.Packet[Any]]:
        for _ in range(10):
            yield next(packets)
        raise av.error.InvalidDataError(1, "bad packet")

    with av.open(str(tmp_path / "tone.mp4")) as sound:
        stream = sound.streams.audio[0]
        frames = pictures(range(30), THIRTIETH)
        writer = write(tmp_path / "out.mp4", frames, audio=breaking(sound.demux(stream)), audio_template=stream)
    assert "bad packet" in str(writer.audio_lost)
    assert decoded(tmp_path / "out.mp4") == 30
    assert len(stamps(tmp_path / "out.mp4", "a")) == 10


@pytest.mark.parametrize("codec", sorted(mp4._AUDIO_CODECS))
def test_every_sound_that_is_said_to_fit_does(codec: str, tmp_path: Path) -> None:
    encoder = {"mp3": "libmp3lame", "opus": "libopus"}.get(codec, codec)
    tone(tmp_path / "tone.mkv", encoder, "matroska")
    with av.open(str(tmp_path / "tone.mkv")) as sound:
        stream = sound.streams.audio[0]
        assert mp4_can_hold(stream.codec_context.name.removesuffix("float"))
        frames = pictures(range(30), THIRTIETH)
        writer = write(tmp_path / "out.mp4", frames, audio=sound.demux(stream), audio_template=stream)
    assert writer.audio_lost is None
    with av.open(str(tmp_path / "out.mp4")) as result:
        samples = sum(frame.samples for frame in result.decode(audio=0))
    assert 0.9 * 48000 < samples < 1.2 * 48000


def test_sound_that_does_not_fit_is_known() -> None:
    assert not mp4_can_hold("pcm_mulaw")
    assert not mp4_can_hold("vorbis")


def test_what_is_there_is_never_replaced(tmp_path: Path) -> None:
    for name in ("out.mp4", "out.mp4.part"):
        (tmp_path / name).write_text("precious")
        with pytest.raises(OutputError, match=r"out\.mp4.*already there"):
            write(tmp_path / "out.mp4", pictures(range(3), THIRTIETH))
        assert [path.name for path in tmp_path.iterdir()] == [name]
        assert (tmp_path / name).read_text() == "precious"
        (tmp_path / name).unlink()


def test_a_video_that_appears_meanwhile_is_not_replaced_either(tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "out.mp4", SETTINGS)
    for picture in pictures(range(5), THIRTIETH):
        writer.write(picture)
    (tmp_path / "out.mp4").write_text("precious")
    with pytest.raises(OutputError, match=r"meantime; what was written is in .*out\.mp4\.part"):
        writer.close()
    assert (tmp_path / "out.mp4").read_text() == "precious"
    assert decoded(tmp_path / "out.mp4.part") == 5


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"missing/out\.mp4: .*No such file"):
        write(tmp_path / "missing" / "out.mp4", pictures(range(3), THIRTIETH))


def test_no_picture_makes_no_file(tmp_path: Path) -> None:
    assert write(tmp_path / "out.mp4", iter(())).segments == []
    assert list(tmp_path.iterdir()) == []


def breaking_off(before: Callable[[], None]) -> Iterator[av.VideoFrame]:
    """20 pictures and then an error."""
    yield from pictures(range(20), THIRTIETH)
    before()
    raise ZeroDivisionError


def test_a_run_that_breaks_off_leaves_a_finished_video_and_its_own_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        write(tmp_path / "out.mp4", breaking_off(lambda: None))
    assert decoded(tmp_path / "out.mp4") == 20


def test_an_error_on_closing_does_not_hide_the_first(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        write(tmp_path / "out.mp4", breaking_off((tmp_path / "out.mp4.part").unlink))
    assert not (tmp_path / "out.mp4").exists()


def test_a_file_deleted_under_us_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "_INTERVAL", 0.0)
    writer = VideoWriter(tmp_path / "out.mp4", SETTINGS)
    frames = pictures(range(20), THIRTIETH)
    writer.write(next(frames))
    (tmp_path / "out.mp4.part").unlink()
    with pytest.raises(OutputError, match=r"out\.mp4.*deleted"):
        writer.write(next(frames))


def test_a_folder_that_is_renamed_is_an_error_of_the_video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "_INTERVAL", 0.0)
    (tmp_path / "run").mkdir()
    writer = VideoWriter(tmp_path / "run" / "out.mp4", SETTINGS)
    frames = pictures(range(20), THIRTIETH)
    writer.write(next(frames))
    (tmp_path / "run").rename(tmp_path / "other")
    for _ in range(2):
        with pytest.raises(OutputError, match=r"run/out\.mp4: the video cannot be written: No such file"):
            writer.write(next(frames))
    writer.close()
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["out.mp4.part"]


def test_a_disk_that_fills_up_closes_the_recording_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "_INTERVAL", 0.0)
    writer = VideoWriter(tmp_path / "out.mp4", SETTINGS)
    frames = pictures(range(20), THIRTIETH)
    for _ in range(10):
        writer.write(next(frames))
    monkeypatch.setattr(disk, "RUN_RESERVE", 10**18)
    with pytest.raises(OutputError, match=r"MB are free.*closed"):
        writer.write(next(frames))
    assert decoded(tmp_path / "out.mp4") == 11
    with pytest.raises(OutputError, match="MB are free"):
        writer.write(next(frames))


def test_a_disk_that_takes_long_does_not_hold_up_the_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "_INTERVAL", 0.0)
    began, written, in_time = threading.Event(), threading.Event(), []

    def slow(_: int) -> None:
        began.set()
        in_time.append(written.wait(60))

    monkeypatch.setattr(os, "fdatasync", slow, raising=False)
    writer = VideoWriter(tmp_path / "out.mp4", SETTINGS)
    frames = pictures(range(20), THIRTIETH)
    writer.write(next(frames))
    assert began.wait(60)
    for picture in frames:
        writer.write(picture)
    written.set()
    writer.close()
    assert in_time
    assert all(in_time), "the pictures waited for the disk"
    assert decoded(tmp_path / "out.mp4") == 20
    assert "disk-sync" not in [thread.name for thread in threading.enumerate()]


@pytest.mark.parametrize("then", ["write", "close"])
@pytest.mark.skipif(os.name != "posix", reason="elsewhere a file that is only read cannot be sent to its disk")
def test_what_the_disk_lost_is_an_error_of_the_next_picture_or_of_the_end(
    then: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "_INTERVAL", 0.0)
    told = threading.Event()

    def full(_: int) -> None:
        told.set()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fdatasync", full, raising=False)
    writer = VideoWriter(tmp_path / "out.mp4", SETTINGS)
    frames = pictures(range(20), THIRTIETH)
    writer.write(next(frames))
    assert told.wait(60)
    if then == "write":
        for thread in [each for each in threading.enumerate() if each.name == "disk-sync"]:
            thread.join(60)
    with pytest.raises(OutputError, match=os.strerror(errno.ENOSPC)):
        writer.write(next(frames)) if then == "write" else writer.close()
    assert (tmp_path / "out.mp4.part").exists()


def test_a_file_system_that_knows_no_sync_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "_INTERVAL", 0.0)
    asked = threading.Event()

    def refused(_: int) -> None:
        asked.set()
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(os, "fdatasync", refused, raising=False)
    with VideoWriter(tmp_path / "out.mp4", SETTINGS) as writer:
        frames = pictures(range(5), THIRTIETH)
        writer.write(next(frames))
        assert asked.wait(60)
        for picture in frames:
            writer.write(picture)
    assert decoded(tmp_path / "out.mp4") == 5


FULL_DISK = """
import resource, signal, sys
from fractions import Fraction
from pathlib import Path
import av, numpy as np
from poseline.errors import OutputError
from poseline.output import VideoWriter
from poseline.settings import OutputSettings
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, 2 * (int(sys.argv[2]),))
noise = np.random.default_rng(0)
writer = VideoWriter(Path(sys.argv[1]), OutputSettings())
errors = []
for index in range(60):
    picture = av.VideoFrame.from_ndarray(noise.integers(0, 255, (96, 128, 3), np.uint8), format="bgr24")
    picture = picture.reformat(format="yuv420p")
    picture.pts, picture.time_base = index, Fraction(1, 30)
    try:
        writer.write(picture)
    except OutputError as error:
        errors.append((index, error))
writer.close()
assert errors[0][1] is errors[-1][1], "the first error is the one that is kept"
print(errors[0][0])
print(errors[0][1])
"""


def on_full_disk(path: Path, size: int) -> list[str]:
    """Which picture failed, and what was said, where so many bytes fit."""
    command = [sys.executable, "-c", FULL_DISK, str(path), str(size)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit of a file's size to stand for a full disk")
def test_a_full_disk_is_told_and_what_was_written_is_recovered(tmp_path: Path) -> None:
    path = tmp_path / "annotated.mp4"
    written, message = on_full_disk(path, 150_000)
    assert f"{path}: " in message
    assert os.strerror(27) in message
    assert f"{path}.part" in message
    assert not path.exists()
    saved = recover(path.with_name("annotated.mp4.part"))
    assert int(written) - saved.frames <= 6, "a fifth of a second"
    assert decoded(path) == saved.frames > 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit of a file's size to stand for a full disk")
def test_a_disk_that_is_full_from_the_beginning_has_nothing_to_recover(tmp_path: Path) -> None:
    _, message = on_full_disk(tmp_path / "annotated.mp4", 100)
    assert message == f"{tmp_path / 'annotated.mp4'}: the video cannot be written: {os.strerror(27)}"


def test_time_stamps_are_exact_where_the_rate_varies_and_sound_ends_fragments(tmp_path: Path) -> None:
    stamps = np.cumsum(np.random.default_rng(0).integers(100, 900, 100)).tolist()
    with av.open(str(tone(tmp_path / "tone.m4a", "aac", "ipod", 6.0))) as sound:
        stream = sound.streams.audio[0]
        with VideoWriter(
            tmp_path / "out.mp4", OutputSettings(), frame_rate=Fraction(25), audio=sound.demux(stream),
            audio_template=stream,
        ) as writer:  # fmt: skip
            for picture in pictures(stamps, Fraction(1, 12_800)):
                writer.write(picture)
    assert seconds(tmp_path / "out.mp4") == [Fraction(stamp, 12_800) for stamp in stamps]
