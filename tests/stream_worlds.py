"""Worlds for the tests of streams: real servers on loopback, by GStreamer and FFmpeg, whose frames have numbers."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import psutil
import pytest

import rtp_units
from media_worlds import picture, until

RATE = 25
"""Frames a second of all that is served here."""
PYTHON = "/usr/bin/python3"
"""The one that has GStreamer's bindings, if any."""


@functools.cache
def has_gstreamer() -> bool:
    """Whether GStreamer's RTSP server is here."""
    code = (
        "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import Gst, GstRtspServer; "
        "Gst.init(None); raise SystemExit(not all(map(Gst.ElementFactory.find, ('appsrc', 'qtdemux', 'rtph264pay'))))"
    )
    return os.path.exists(PYTHON) and not subprocess.run([PYTHON, "-c", code], capture_output=True).returncode


def needs_gstreamer() -> None:
    """Skip where GStreamer's RTSP server is not."""
    if not has_gstreamer():
        pytest.skip("needs GStreamer's RTSP server (Debian: gir1.2-gst-rtsp-server-1.0, gstreamer1.0-plugins-good)")


def needs_ffmpeg() -> None:
    """Skip where the program ffmpeg is not."""
    if not shutil.which("ffmpeg"):
        pytest.skip("needs the program ffmpeg")


def write_units(path: Path, sizes: dict[tuple[int, int], int]) -> Path:
    """H.264 pictures for `rtsp_server`: so many of each size, numbered on and on."""
    numbered = enumerate(size for size, count in sizes.items() for _ in range(count))
    pictures = (av.VideoFrame.from_ndarray(picture(number, size), format="bgr24") for number, size in numbered)
    return rtp_units.write(
        path, rtp_units.encoded((frame.reformat(format="yuv420p") for frame in pictures), RATE, qp="10", g="10")
    )


@contextmanager
def rtsp_server(units: Path, file: Path, *options: str) -> Iterator[str]:
    """GStreamer's RTSP server: `units` again and again at /live, the MP4 `file` at /recording; yields host:port."""
    script = Path(__file__).with_name("rtsp_server.py")
    command = [PYTHON, str(script), "--units", str(units), "--file", str(file), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            yield f"127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


@contextmanager
def ffmpeg(*arguments: str, listening: int = 0) -> Iterator[None]:
    """FFmpeg at work until the `with` is left; begun once it listens at a TCP port, if one is given."""
    command = ["ffmpeg", "-v", "error", "-y", *arguments]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            assert not listening or until(lambda: _listens(process.pid, listening))
            yield
        finally:
            process.kill()


def _listens(process: int, port: int) -> bool:
    """Looked up, since FFmpeg serves the first connection, and no other."""
    sockets = psutil.Process(process).net_connections("tcp4")
    return any(one.status == psutil.CONN_LISTEN and one.laddr.port == port for one in sockets)


@contextmanager
def web_server(folder: Path) -> Iterator[str]:
    """A web server of a folder's files; yields its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:  # says nothing
        pass
