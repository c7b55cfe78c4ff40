from __future__ import annotations

import gc
import itertools
import json
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest

from media_worlds import WAIT, free_port, in_memory, number_in, numbers, turn, until, write_clip
from output_worlds import lines
from poseline.capture import NetworkStream, SimulatedCamera, Source, VideoFile, open_source
from poseline.capture.stream import TICKS, _threads
from poseline.errors import SourceError
from poseline.frame import Frame
from poseline.settings import CaptureSettings
from stream_worlds import web_server
from test_capture_images import save
from test_cli import logged, poseline

PATIENT = CaptureSettings(open_timeout=30, read_timeout=30, max_outage=60)
"""For servers that answer, as soon as this computer lets them."""
QUICK = CaptureSettings(open_timeout=2, read_timeout=2, max_outage=60)
"""For servers that do not."""
FRAMES = 40

Act = Callable[["Handler", bytes], None]
"""What a server does with one connection, and the clip that it has."""


class Handler(BaseHTTPRequestHandler):
    """Does what the next act of its server's script says; the last act is repeated."""

    def do_GET(self) -> None:  # http.server's name
        server = self.server
        assert isinstance(server, Server)
        act = server.script[min(server.connections, len(server.script) - 1)]
        server.connections += 1
        try:
            act(self, server.content)
        except OSError:  # the client has had enough
            self.close_connection = True

    def log_message(self, *_: object) -> None:  # says nothing
        pass


class Server(ThreadingHTTPServer):
    """Serves one clip in the ways of a script."""

    daemon_threads = True

    def __init__(self, content: bytes, script: list[Act]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.script, self.connections = content, script, 0
        self.released = threading.Event()

    @property
    def url(self) -> str:
        """Its address, with a password in it."""
        return f"http://me:hunter2@127.0.0.1:{self.server_address[1]}/live.ts"

    def handle_error(self, *_: object) -> None:
        """A client that leaves is no error here."""


def _begin(handler: Handler, length: int | None = None) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "video/mp2t")
    if length is not None:
        handler.send_header("Content-Length", str(length))
    handler.end_headers()


def whole(handler: Handler, content: bytes) -> None:
    """All of it, then a clean end."""
    _begin(handler)
    handler.wfile.write(content)


def whole_in_chunks(handler: Handler, content: bytes) -> None:
    """The same by HTTP/1.1, which says where the end is."""
    handler.protocol_version = "HTTP/1.1"
    handler.send_response(200)
    handler.send_header("Content-Type", "video/mp2t")
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    handler.wfile.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(content), content))
    handler.close_connection = True


def half_then_reset(handler: Handler, content: bytes) -> None:
    """Half of it, then the connection is torn."""
    _begin(handler)
    handler.wfile.write(content[: len(content) // 2])
    time.sleep(0.2)
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


def half_then_stall(handler: Handler, content: bytes) -> None:
    """Half of it, then nothing, with the connection open."""
    _begin(handler)
    handler.wfile.write(content[: len(content) // 2])
    assert isinstance(handler.server, Server)
    handler.server.released.wait(WAIT)


def silent(handler: Handler, _: bytes) -> None:
    """Not even headers."""
    assert isinstance(handler.server, Server)
    handler.server.released.wait(WAIT)


def with_length(handler: Handler, content: bytes) -> None:
    """A file like any other, all of it and its length said, as a web server gives it."""
    asked = handler.headers.get("Range")
    begin = int(asked.removeprefix("bytes=").partition("-")[0]) if asked else 0
    handler.send_response(206 if asked else 200)
    handler.send_header("Accept-Ranges", "bytes")
    if asked:
        handler.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
    handler.send_header("Content-Length", str(len(content) - begin))
    handler.end_headers()
    handler.wfile.write(content[begin:])


def refusing(code: int) -> Act:
    """An answer of nothing but a code."""
    return lambda handler, _: handler.send_error(code)


@pytest.fixture(scope="module")
def transport(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Numbered frames of MPEG-TS, 30 a second."""
    path = tmp_path_factory.mktemp("stream") / "clip.ts"
    stamps = [3000 * number for number in range(FRAMES)]
    return write_clip(path, stamps, Fraction(1, 90_000), options={"bf": "0", "qp": "10", "g": "10"}).read_bytes()


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """Starts servers, and ends them."""
    servers: list[Server] = []

    def start(content: bytes, *script: Act) -> Server:
        server = Server(content, list(script))
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.released.set()
        server.shutdown()
        server.server_close()


def watched(source: Source, enough: int) -> list[Frame]:
    """The first frames of a source, which is then stopped."""
    frames: list[Frame] = []
    for frame in source.frames():
        frames.append(frame)
        if len(frames) == enough:
            source.stop()
    return frames


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        (whole, "^disconnected$"),
        (whole_in_chunks, "^disconnected$"),
        (half_then_reset, "reset"),
        (half_then_stall, r"no answer within 2 s"),
    ],
    ids=["end", "end of chunks", "reset", "stall"],
)
def test_a_stream_that_breaks_and_comes_back_has_a_gap_and_no_made_up_frame(
    first: Act, reason: str, transport: bytes, serve: Callable[..., Server]
) -> None:
    server = serve(transport, first, whole)
    source = open_source(server.url, QUICK if first is half_then_stall else PATIENT)
    assert isinstance(source, NetworkStream)
    assert source.info.live
    frames = watched(source, FRAMES + 10)
    shown = [number_in(frame.bgr) for frame in frames]
    back = next(index for index, frame in enumerate(frames) if frame.gap is not None)
    assert shown == [*range(back), *range(FRAMES + 10 - back)], "what was sent, in order, and nothing else"
    assert back >= FRAMES // 3
    gap = frames[back].gap
    assert gap is not None
    assert (gap.start, gap.end) == (frames[back - 1].time, frames[back].time)
    assert gap.end - gap.start > 0.3
    assert re.search(reason, gap.reason)
    assert sum(frame.gap is not None for frame in frames) == 1
    assert [frame.index for frame in frames] == list(range(len(frames)))
    times = [frame.time for frame in frames]
    assert times == sorted(times)
    assert {frame.time_base for frame in frames} == {source.info.time_base}
    assert "hunter2" not in str((source.info, source.notes, gap, frames[0]))
    assert server.connections >= 2


@pytest.mark.parametrize("act", [whole, half_then_stall], ids=["end", "stall"])
def test_what_a_broken_connection_held_is_given_back(act: Act, transport: bytes, serve: Callable[..., Server]) -> None:
    """At once, not when Python looks for cycles: it seldom does where few objects are made."""
    source = open_source(serve(transport, act).url, QUICK.model_copy(update={"read_timeout": 1.0}))
    held: list[int] = []
    gc.collect()
    before, runs = in_memory(av.container.InputContainer), [each["collections"] for each in gc.get_stats()]
    gc.disable()
    try:
        for frame in source.frames():
            if frame.gap is not None:
                held.append(in_memory(av.container.InputContainer) - before)
            if len(held) == 3:
                source.stop()
    finally:
        gc.enable()
    assert held[-1] <= held[0] <= 2, held
    assert [each["collections"] for each in gc.get_stats()] == runs, "nothing was given back by a collection"


@pytest.mark.parametrize(("status", "kind"), [(503, av.error.HTTPServerError), (404, av.error.HTTPNotFoundError)])
def test_an_attempt_that_failed_leaves_nothing_behind(
    transport: bytes, serve: Callable[..., Server], status: int, kind: type[Exception]
) -> None:
    """A source that stays away is tried for hours, and each error would hold the whole call that it came from."""
    server = serve(transport, refusing(status))
    failed: list[str] = []

    def attempt() -> None:
        try:
            open_source(server.url, PATIENT)
        except SourceError as error:
            failed.append(str(error))

    gc.collect()
    gc.disable()
    try:
        before = in_memory(kind)
        for _ in range(3):
            trying = threading.Thread(target=attempt)  # as a run does; on the main thread another one connects
            trying.start()
            trying.join()
        assert in_memory(kind) == before
    finally:
        gc.enable()
    assert len(failed) == 3


def test_a_stream_that_stays_away_ends_the_run_in_time(transport: bytes, serve: Callable[..., Server]) -> None:
    server = serve(transport, whole, refusing(404))
    source = open_source(server.url, PATIENT.model_copy(update={"max_outage": 1}))
    frames = source.frames()
    assert len([next(frames) for _ in range(FRAMES)]) == FRAMES
    began = time.monotonic()
    with pytest.raises(SourceError, match=r"gone for 1 s; the last attempt: .*404") as caught:
        next(frames)
    assert time.monotonic() - began < 20, "of the minute that the others allow"
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (refusing(401), r"wants a user name and password.*\(401\)"), (refusing(403), r"forbids it \(403\)"),
        (refusing(404), r"does not know this address \(404\)"), (refusing(500), r"the server failed \(5xx\)"),
        (silent, "no answer within 2 s"),
        (lambda handler, _: with_length(handler, b"<html>no film</html>" * 100), "the server sends a web page"),
        (lambda handler, _: with_length(handler, bytes(range(20)) * 100), "not a video that FFmpeg can read"),
    ],
    ids=["401", "403", "404", "500", "silent", "a page", "noise"],
)  # fmt: skip
def test_a_stream_that_cannot_be_opened_is_told_once(act: Act, words: str, serve: Callable[..., Server]) -> None:
    with pytest.raises(SourceError, match=words) as caught:
        open_source(serve(b"", act).url, QUICK if act is silent else PATIENT)
    assert "hunter2" not in str(caught.value)
    assert "//***@127.0.0.1" in str(caught.value)


def test_nobody_there_is_told() -> None:
    with pytest.raises(SourceError, match="the connection was refused; is the server running"):
        open_source(f"http://me:hunter2@127.0.0.1:{free_port()}/x", PATIENT)


def test_stop_ends_the_waiting_for_a_stream(transport: bytes, serve: Callable[..., Server]) -> None:
    source = open_source(serve(transport, whole, refusing(404)).url, PATIENT)
    frames = source.frames()
    for _ in range(FRAMES):
        next(frames)
    threading.Timer(0.3, source.stop).start()
    began = time.monotonic()
    assert next(frames, None) is None
    assert time.monotonic() - began < 30, "of the minute that it may be gone"


def test_stop_does_not_wait_for_a_server_that_sends_nothing(transport: bytes, serve: Callable[..., Server]) -> None:
    source = open_source(serve(transport, half_then_stall).url, CaptureSettings(read_timeout=60))
    frames = source.frames()
    for _ in range(FRAMES // 3):
        next(frames)
    threading.Timer(1.0, source.stop).start()
    began = time.monotonic()
    assert len(list(frames)) < FRAMES
    assert time.monotonic() - began < 20, "of the minute that a read may take"


def test_decoders_of_live_streams_hold_few_pictures_back() -> None:
    """One for each thread but the first, so that only large pictures have more."""
    sizes: dict[tuple[int, int, int | None, int | None], int] = {
        (640, 480, 30, 30): 1, (1920, 1080, 30, 30): 1, (1920, 1080, None, None): 1, (3840, 2160, 30, 30): 3,
        (7680, 4320, 60, 60): 8, (1920, 1080, 30, 120): 1, (1920, 1080, None, 60): 2,
    }  # fmt: skip
    for (width, height, stated, guessed), threads in sizes.items():
        codec = SimpleNamespace(width=width, height=height, framerate=stated)
        opened: Any = SimpleNamespace(
            stream=SimpleNamespace(average_rate=guessed, base_rate=guessed, codec_context=codec)
        )
        assert _threads(opened) == threads


@pytest.fixture
def hasty() -> list[int]:
    """Time stamps, 90,000 a second, of 25 frames/s whose first ones come much faster, as after a camera's start."""
    return [750 * number for number in range(20)] + [15_000 + 3600 * number for number in range(60)]


def test_the_frame_rate_of_a_stream_is_its_codecs_and_not_a_guess(
    hasty: list[int], serve: Callable[..., Server], tmp_path: Path
) -> None:
    """H.264 states one, VP8 cannot."""
    clip = write_clip(tmp_path / "clip.mp4", range(len(hasty)), Fraction(1, 25), options={"bf": "0", "g": "20"})
    with av.open(str(clip)) as encoded, av.open(str(tmp_path / "clip.ts"), "w") as out:
        copied = out.add_stream_from_template(encoded.streams.video[0])
        packets = [packet for packet in encoded.demux(video=0) if packet.size]
        for packet, stamp in zip(packets, hasty, strict=True):
            packet.stream, packet.time_base, packet.pts, packet.dts = copied, TICKS, stamp, stamp
            out.mux(packet)
    source = open_source(serve((tmp_path / "clip.ts").read_bytes(), whole).url, PATIENT)
    assert isinstance(source, NetworkStream)
    with av.open(str(tmp_path / "clip.ts")) as guessed:
        assert guessed.streams.video[0].base_rate == 120, "what FFmpeg makes of the first stamps"
    assert source.info.frame_rate == 25
    source.close()

    path = write_clip(tmp_path / "clip.nut", hasty, TICKS, codec="libvpx", options={"g": "20"})
    source = open_source(serve(path.read_bytes(), whole).url, PATIENT)
    assert isinstance(source, NetworkStream)
    assert source.info.frame_rate is None
    frames = watched(source, 60)
    steps = [round(after.time - before.time, 3) for before, after in itertools.pairwise(frames)]
    assert steps == [0.008] * 19 + [0.008] + [0.04] * 39, "each at its own time all the same"


def parts(rate: int, ready: Callable[[], object]) -> Act:
    """Motion JPEG as cameras send it, each picture a part: ten at once, then ten at this rate when `ready`."""

    def act(handler: Handler, content: bytes) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "multipart/x-mixed-replace; boundary=next")
        handler.end_headers()
        for number in range(20):
            if number >= 10:
                assert until(ready)
                time.sleep(1 / rate)
            head = f"--next\r\nContent-Type: image/jpeg\r\nContent-Length: {len(content)}\r\n\r\n".encode()
            handler.wfile.write(head + content + b"\r\n")

    return act


def test_a_motion_jpeg_of_no_known_rate_runs_at_its_own_pace_and_its_end_is_no_failure(
    serve: Callable[..., Server], tmp_path: Path
) -> None:
    """All that takes a frame rate does without: the video's rate, its key frames, the trail and the log."""
    shown, out = save(tmp_path / "one.jpg", 77), tmp_path / "out"
    journal = out / "keypoints.jsonl"
    reads = parts(3, lambda: journal.exists() and journal.read_bytes().count(b"\n") > 5)
    server = serve(shown.read_bytes(), reads, refusing(404))
    done = poseline(
        "run", server.url, "-m", "builtin", "--imgsz", 64, "--max-outage", 0.5, "--trail", 1, "--every-frame",
        "-o", out,
    )  # fmt: skip
    assert done.returncode == 3, "the server has gone"
    header, *_ = lines(out / "keypoints.jsonl")
    assert header["video"]["fps"] is None
    times = [record["time"] for record in logged(out)]
    assert len(times) >= 20, "FFmpeg gives the last picture twice"
    assert times[19] - times[10] > 1.0, "3 a second, and not 25"
    with av.open(str(out / "annotated.mp4")) as video:
        written = [frame.time for frame in video.decode(video=0)]
    assert written == pytest.approx(times, abs=0.001)
    notes = json.loads((out / "summary.json").read_text())["notes"]
    (outage,) = [note.partition(": ")[2] for note in notes if note.startswith("outage")]
    assert outage == "disconnected, then: the server does not know this address (404)"


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A turned clip with a variable frame rate, as a phone makes them."""
    path = tmp_path / "clip.mp4"
    write_clip(path, [0, 1, 5, 6, 20, 40], size=(96, 64), container={"movflags": "+faststart"})
    return turn(path, 90)


def test_a_recording_behind_an_address_keeps_its_own_time(recording: Path, serve: Callable[..., Server]) -> None:
    source = open_source(serve(recording.read_bytes(), with_length).url, PATIENT)
    here = VideoFile(recording, PATIENT)
    assert isinstance(source, VideoFile)
    assert not source.info.live
    assert (source.info.width, source.info.height, source.info.frames) == (64, 96, 6)
    assert source.info.path is None
    assert "hunter2" not in source.info.name
    there, local = list(source.frames()), list(here.frames())
    assert [(frame.pts, frame.time) for frame in there] == [(frame.pts, frame.time) for frame in local]
    assert numbers(iter(there)) == numbers(iter(local))


def test_a_recording_can_be_rehearsed_from_an_address(recording: Path, serve: Callable[..., Server]) -> None:
    url = serve(recording.read_bytes(), with_length).url
    source = open_source(url, PATIENT.model_copy(update={"live": True}))
    assert isinstance(source, SimulatedCamera)
    assert source.info.live
    assert source.info.path is None


def test_a_download_that_breaks_off_is_no_success(tmp_path: Path, serve: Callable[..., Server]) -> None:
    path = write_clip(tmp_path / "clip.mp4", range(90), size=(640, 480), container={"movflags": "+faststart"})
    content = path.read_bytes()

    def broken(handler: Handler, content: bytes) -> None:
        _begin(handler, len(content))
        handler.wfile.write(content[: len(content) // 2])

    source = open_source(serve(content, broken).url, PATIENT)
    frames = source.frames()
    with pytest.raises(SourceError, match=r"the connection broke off after [1-8]\d? frames") as caught:
        list(frames)
    assert "hunter2" not in str(caught.value)


def test_an_address_of_segments_says_for_how_long_it_waited(
    transport: bytes, serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("poseline.capture.network._LONGEST_SEGMENT", 0.5)

    def stalling(handler: Handler, content: bytes) -> None:
        _begin(handler, len(content))
        handler.wfile.write(content[: len(content) // 2])
        silent(handler, content)

    address = serve(transport, stalling).url.replace("live.ts", "clip.m3u8")
    source = open_source(address, QUICK.model_copy(update={"read_timeout": 1.0}))
    assert isinstance(source, VideoFile)
    with pytest.raises(SourceError, match=r"broke off after \d+ frames: no answer within 1\.5 s"):
        list(source.frames())


def test_a_playlist_cannot_reach_into_this_machine(tmp_path: Path, serve: Callable[..., Server]) -> None:
    path = write_clip(tmp_path / "private.ts", range(10))
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://{path}\n#EXT-X-ENDLIST\n".encode()
    with pytest.raises(SourceError):
        open_source(serve(playlist, with_length).url.replace("live.ts", "live.m3u8"), PATIENT)


def test_several_streams_run_side_by_side_and_a_file_beside_them(
    transport: bytes, serve: Callable[..., Server], tmp_path: Path
) -> None:
    """Each stream stands until the other is watched, too: one after another, neither would come to its end."""
    watched = [threading.Event(), threading.Event()]

    def together(own: int) -> Act:
        def act(handler: Handler, content: bytes) -> None:
            _begin(handler)
            handler.wfile.write(content[: len(content) // 2])
            watched[own].set()
            if watched[1 - own].wait(WAIT):
                handler.wfile.write(content[len(content) // 2 :])

        return act

    urls = [serve(transport, together(own), refusing(404)).url for own in (0, 1)]
    clip = write_clip(tmp_path / "clip.mp4", range(20))
    done = poseline(
        "run", clip, *urls, "-m", "builtin", "--imgsz", 64, "--no-video", "--every-frame", "--timeout", 60,
        "--max-outage", 0.5, "-o", tmp_path / "out",
    )  # fmt: skip
    assert done.returncode == 3, "both streams are gone at last"
    assert "3 sources run at once, since live ones may have no end" in done.stdout
    assert done.stdout.count("gone for 0.5 s") == 2
    assert "hunter2" not in done.stdout + done.stderr
    counts = {path.name: len(logged(path)) for path in (tmp_path / "out").iterdir()}
    port = [url.rpartition(":")[2].partition("/")[0] for url in urls]
    assert counts == {"clip": 20, f"http-127.0.0.1-{port[0]}": FRAMES, f"http-127.0.0.1-{port[1]}": FRAMES}


@pytest.mark.parametrize("name", ["rec.ts", "rec.mpg", "rec.gif"])
def test_a_recording_that_states_no_length_is_read_once(name: str, tmp_path: Path) -> None:
    """MPEG-TS, MPEG-PS and GIF say nothing of their end; the server says how many bytes there are."""
    codec, pixels = {"rec.gif": ("gif", "rgb8"), "rec.mpg": ("mpeg2video", "yuv420p")}.get(name, ("libx264", "yuv420p"))
    with av.open(str(tmp_path / name), "w") as out:
        video = out.add_stream(codec, rate=25)
        assert isinstance(video, av.VideoStream)
        video.width, video.height, video.pix_fmt = 64, 48, pixels
        for index in range(25):
            shown = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 9 * index, np.uint8), "bgr24")
            shown.pts, shown.time_base = index, Fraction(1, 25)
            out.mux(video.encode(shown.reformat(format=pixels)))
        out.mux(video.encode(None))
    with web_server(tmp_path) as address:
        source = open_source(f"{address}/{name}", CaptureSettings(max_outage=2))
        frames = list(source.frames())
    assert not source.info.live
    assert len(frames) == 25
    assert frames[-1].time == pytest.approx(24 / 25, abs=0.05)
    assert not [note for note in source.notes if "outage" in note]


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_ctrl_c_ends_the_waiting_for_a_server_that_says_nothing(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"{scheme}://127.0.0.1:{server.getsockname()[1]}/x"
        command = [sys.executable, "-m", "poseline", "run", address, "-m", "builtin", "--no-video", "--timeout", "300"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        server.settimeout(WAIT)
        connection, _ = server.accept()  # the model is loaded, and it waits for an answer
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=WAIT)  # and not the minutes that opening may take
        connection.close()
    assert (process.returncode, told) == (130, "")
