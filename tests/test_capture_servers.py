"""Streams of real servers on loopback: GStreamer's RTSP, FFmpeg's HTTP, RTMP and UDP, and HLS."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from media_worlds import estimator, free_port, number_in, settings, until, write_clip
from poseline.capture import NetworkStream, Source, open_source
from poseline.errors import SourceError
from poseline.frame import Frame
from poseline.pipeline import open_pose_stream
from poseline.settings import CaptureSettings
from stream_worlds import (
    RATE,
    ffmpeg,
    needs_ffmpeg,
    needs_gstreamer,
    rtsp_server,
    web_server,
    write_units,
)  # fmt: skip

pytestmark = pytest.mark.system

PATIENT = CaptureSettings(open_timeout=30, read_timeout=20, max_outage=60)
STEP = 1 / RATE


@pytest.fixture(scope="module")
def units(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """256 numbered pictures, as many as there are numbers."""
    needs_gstreamer()
    return write_units(tmp_path_factory.mktemp("rtsp") / "units", {(64, 48): 256})


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """75 numbered pictures, 3 s, in an MP4 with a key frame every second."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    options = {"bf": "0", "qp": "10", "g": str(RATE), "sc_threshold": "0"}
    return write_clip(path, range(3 * RATE), Fraction(1, RATE), options=options)


def watched(source: Source, enough: int) -> list[Frame]:
    """The first frames of a source, which is then stopped."""
    frames: list[Frame] = []
    for frame in source.frames():
        frames.append(frame)
        if len(frames) == enough:
            source.stop()
    return frames


def numbers(frames: Sequence[Frame]) -> list[int]:
    return [number_in(frame.bgr) for frame in frames]


def steps(frames: Sequence[Frame]) -> list[float]:
    """Seconds from each frame to the next, as the log has them."""
    return [after.time - before.time for before, after in itertools.pairwise(frames)]


@pytest.mark.parametrize("offered", ["both", "tcp", "udp"])
def test_rtsp_comes_over_what_the_server_offers_with_exact_times(offered: str, units: Path, clip: Path) -> None:
    with rtsp_server(units, clip, "--transport", offered) as host:
        source = open_source(f"rtsp://{host}/live", PATIENT)
        assert isinstance(source, NetworkStream)
        frames = watched(source, 2 * RATE)
    assert numbers(frames) == list(range(2 * RATE)), "from the first on, and none lost of the burst at the beginning"
    assert [frame.time for frame in frames] == pytest.approx([STEP * number for number in range(2 * RATE)], abs=1e-5)
    assert [frame.pts for frame in frames] == [frame.picture.pts for frame in frames]  # type: ignore[union-attr] # planes
    assert source.info.frame_rate == RATE
    assert [note[:17] for note in source.notes] == (["received over UDP"] if offered == "udp" else [])


@pytest.mark.parametrize(("offered", "wanted"), [("udp", "tcp"), ("tcp", "udp")])
def test_rtsp_over_a_transport_that_the_server_does_not_offer_is_told(
    offered: str, wanted: str, units: Path, clip: Path
) -> None:
    with rtsp_server(units, clip, "--transport", offered) as host:
        with pytest.raises(SourceError, match=f"/live: over {wanted.upper()}: the server does not offer it"):
            open_source(f"rtsp://{host}/live", PATIENT.model_copy(update={"rtsp_transport": wanted}))
        source = open_source(f"rtsp://{host}/live", PATIENT.model_copy(update={"rtsp_transport": offered}))
        assert len(watched(source, 5)) == 5


def test_rtsp_passwords(units: Path, clip: Path) -> None:
    with rtsp_server(units, clip, "--login", "me:hunter#2@home") as host:
        for login in ("me:hunter%232%40home", "me:hunter%232@home"):
            assert len(watched(open_source(f"rtsp://{login}@{host}/live", PATIENT), 3)) == 3
        for login, words in (
            ("me:hunter3@", r"user name and password, or refuses the ones given \(401\)$"),
            ("me:hunter@3@", r"\(401\).*write # as %23, @ as %40"),
            ("me:hunter#2@home@", r"holds a #.*write # as %23, @ as %40"),
            ("", r"\(401\)$"),
        ):
            with pytest.raises(SourceError, match=words) as caught:
                open_source(f"rtsp://{login}{host}/live", PATIENT)
            assert "hunter" not in str(caught.value)
            assert "UDP" not in str(caught.value), "no other transport helps"


def test_a_password_that_was_changed_is_told_and_tried_until_it_fits_again(units: Path, clip: Path) -> None:
    frames: list[Frame] = []
    options = "--port", str(free_port()), "--login"
    with rtsp_server(units, clip, *options, "me:first") as host:
        source = open_source(f"rtsp://me:first@{host}/live", PATIENT.model_copy(update={"max_outage": 300.0}))
        assert isinstance(source, NetworkStream)
        watching = threading.Thread(target=lambda: frames.extend(source.frames()), daemon=True)  # one after another
        watching.start()
        assert until(lambda: frames, 60)
    with rtsp_server(units, clip, *options, "me:second"):
        assert until(lambda: "401" in source.outage.cause, 60)
        assert source.outage.cause.startswith("over TCP: the server wants a user name and password, or refuses")
    with rtsp_server(units, clip, *options, "me:first"):
        assert until(lambda: any(frame.gap for frame in frames), 60)
        source.stop()
        watching.join(60)
    (gap,) = [frame.gap for frame in frames if frame.gap]
    assert gap.reason.startswith("disconnected, then: over TCP: the server wants a user name and password, or refuses")
    assert source.outage.cause == "", "over"


def test_rtsp_of_another_path_is_told(units: Path, clip: Path) -> None:
    with (
        rtsp_server(units, clip) as host,
        pytest.raises(SourceError, match=r"over TCP: the server does not know this address \(404\)$"),
    ):
        open_source(f"rtsp://{host}/nowhere", PATIENT)


def test_a_recording_over_rtsp_comes_in_its_own_time_and_ends(units: Path, clip: Path) -> None:
    with rtsp_server(units, clip) as host:
        source = open_source(f"rtsp://{host}/recording", PATIENT)
        frames = list(source.frames())
    assert source.info.live
    assert numbers(frames) == list(range(3 * RATE))
    assert steps(frames) == pytest.approx([STEP] * (3 * RATE - 1), abs=1e-4)
    assert source.notes == []


@pytest.mark.parametrize("pause", ["60", "3.4"])  # FFmpeg keeps the first time-out to itself, and would wait once more
def test_a_pause_beyond_the_time_out_is_an_outage(pause: str, units: Path, clip: Path) -> None:
    with rtsp_server(units, clip, "--pause-at", "30", "--pause", pause) as host:
        source = open_source(f"rtsp://{host}/live", PATIENT.model_copy(update={"read_timeout": 2.0}))
        frames = watched(source, 40)
    assert numbers(frames) == [*range(30), *range(10)], "a new session begins with the first picture"
    gap = frames[30].gap
    assert gap is not None
    assert (gap.start, gap.end) == (frames[29].time, frames[30].time)
    assert gap.end - gap.start > 2
    assert "no answer within 2 s" in gap.reason
    assert steps(frames)[:29] + steps(frames)[30:] == pytest.approx([STEP] * 38, abs=1e-4)
    assert [note for note in source.notes if "outage" in note]


def test_a_pause_within_the_time_out_is_in_the_times_and_no_outage(units: Path, clip: Path) -> None:
    with rtsp_server(units, clip, "--pause-at", "30", "--pause", "1") as host:
        source = open_source(f"rtsp://{host}/live", PATIENT)
        frames = watched(source, 50)
    assert numbers(frames) == list(range(50))
    assert [frame.time for frame in frames[30:]] == pytest.approx([1 + STEP * number for number in range(30, 50)])
    assert not [frame for frame in frames if frame.gap]
    assert source.notes == []


def test_a_server_that_is_started_anew_goes_on_in_the_runs_time(units: Path, clip: Path) -> None:
    frames: list[Frame] = []
    port = str(free_port())
    with rtsp_server(units, clip, "--port", port) as host:
        source = open_source(f"rtsp://{host}/live", PATIENT)
        stream = source.frames()
        frames += [next(stream) for _ in range(30)]
    with rtsp_server(units, clip, "--port", port):
        while len(frames) < 60 or number_in(frames[-1].bgr) < 5 or not any(frame.gap for frame in frames):
            frames.append(next(stream))
        source.stop()
        assert next(stream, None) is None
    (back,) = [index for index, frame in enumerate(frames) if frame.gap]
    shown = numbers(frames)
    assert shown == [*range(back), *range(len(frames) - back)]
    gap = frames[back].gap
    assert gap is not None
    assert gap.end - gap.start > 0.4, "the first attempt is made after half a second"
    assert steps(frames)[: back - 1] + steps(frames)[back:] == pytest.approx([STEP] * (len(frames) - 2), abs=1e-4)


def test_a_stream_may_change_its_size(clip: Path, tmp_path: Path) -> None:
    needs_gstreamer()
    units = write_units(tmp_path / "units", {(64, 48): 30, (96, 64): 30})
    with rtsp_server(units, clip) as host:
        source = open_source(f"rtsp://{host}/live", PATIENT)
        frames = watched(source, 60)
    assert numbers(frames) == list(range(60))
    assert [(frame.width, frame.height) for frame in frames] == [(64, 48)] * 30 + [(96, 64)] * 30
    assert steps(frames) == pytest.approx([STEP] * 59, abs=1e-4)
    assert (source.info.width, source.info.height) == (64, 48)


@pytest.mark.parametrize(
    ("address", "how"),
    [
        ("http://127.0.0.1:{}/live.ts", ["-c", "copy", "-f", "mpegts", "-listen", "1"]),
        ("rtmp://127.0.0.1:{}/live/x", ["-c", "copy", "-f", "flv", "-listen", "1"]),
        ("udp://127.0.0.1:{}", ["-c", "copy", "-f", "mpegts"]),
    ],
    ids=["http", "rtmp", "udp"],
)
def test_ffmpegs_own_servers_give_every_frame_its_own_time(address: str, how: list[str], clip: Path) -> None:
    needs_ffmpeg()
    port = free_port()
    address = address.format(port)
    looped = ["-re", "-stream_loop", "-1", "-i", str(clip)]
    with ffmpeg(*looped, *how, address, listening=port if "-listen" in how else 0):
        source = open_source(address, PATIENT)
        frames = watched(source, 2 * RATE)
    shown = numbers(frames)
    assert [(after - before) % (3 * RATE) for before, after in itertools.pairwise(shown)] == [1] * (2 * RATE - 1)
    assert source.info.frame_rate == RATE, "as the clip's H.264 states it"
    assert frames[0].time == 0
    assert steps(frames) == pytest.approx([STEP] * (2 * RATE - 1), abs=0.0015)  # RTMP counts milliseconds
    assert source.notes == []


def test_pictures_without_stamps_have_the_times_of_arrival(clip: Path) -> None:
    """Motion JPEG over HTTP: FFmpeg would give them 25 a second, whatever their rate."""
    needs_ffmpeg()
    port = free_port()
    address = f"http://127.0.0.1:{port}/video"
    slow = ["-re", "-i", str(clip), "-vf", "fps=10", "-c:v", "mjpeg", "-f", "mpjpeg", "-listen", "1"]
    with ffmpeg(*slow, address, listening=port):
        source = open_source(address, PATIENT)
        frames = watched(source, 28)
    assert len(frames) == 28
    assert source.info.frame_rate is None, "none is announced"
    assert min(steps(frames)) > 0
    assert frames[-1].time - frames[-21].time > 1.2, "10 a second, and not 25"


def test_a_stream_whose_server_has_gone_ends_the_run(clip: Path) -> None:
    needs_ffmpeg()
    port = free_port()
    address = f"http://127.0.0.1:{port}/live.ts"
    with ffmpeg("-re", "-i", str(clip), "-c", "copy", "-f", "mpegts", "-listen", "1", address, listening=port):
        source = open_source(address, PATIENT.model_copy(update={"max_outage": 0.6}))
        frames: list[Frame] = []
        with pytest.raises(SourceError, match=r"gone for 0.6 s; the last attempt: .*the connection was refused"):
            frames.extend(source.frames())  # what came before the error stays
    assert numbers(frames) == list(range(3 * RATE))


def test_hls_loses_no_frame_to_newer_ones_and_ends_with_its_list(clip: Path, tmp_path: Path) -> None:
    """A segment comes at once; the run gives up what is older, and yet has all, at the stream's own times."""
    needs_ffmpeg()
    playlist = tmp_path / "live.m3u8"
    how = ["-c", "copy", "-f", "hls", "-hls_time", "1", "-hls_list_size", "3", str(playlist)]
    with web_server(tmp_path) as address, ffmpeg("-re", "-stream_loop", "1", "-i", str(clip), *how):
        assert until(playlist.exists)
        source = open_source(f"{address}/live.m3u8", PATIENT)
        assert isinstance(source, NetworkStream)
        with open_pose_stream(source, estimator(seconds=0.005), settings()) as running:
            seen = [observation.frame for observation in running.items]
            dropped = running.channels[0].dropped
    assert len(seen) + dropped >= 4 * RATE, "six seconds, of which one or two were over"
    assert dropped < 0.5 * len(seen), "of a segment that came at once, all but a few would be"
    times = np.array([frame.time for frame in seen])
    shown = np.array(numbers(seen))
    assert np.diff(times) * RATE == pytest.approx(np.diff(shown) % (3 * RATE), abs=0.01), "each frame has its own time"
    assert not [note for note in source.notes if "outage" in note], "its list was closed"


def test_hls_may_be_silent_for_a_segment_beside_the_time_out(clip: Path, tmp_path: Path) -> None:
    needs_ffmpeg()
    playlist = tmp_path / "live.m3u8"
    how = ["-c", "copy", "-f", "hls", "-hls_time", "3", "-hls_list_size", "3", str(playlist)]
    with web_server(tmp_path) as address, ffmpeg("-re", "-stream_loop", "4", "-i", str(clip), *how):
        assert until(playlist.exists, 20)
        source = open_source(f"{address}/live.m3u8", PATIENT.model_copy(update={"read_timeout": 1.0}))
        frames = watched(source, 7 * RATE)
    assert not [frame.gap for frame in frames if frame.gap]
    assert np.diff(numbers(frames)) % (3 * RATE) == pytest.approx(1)
