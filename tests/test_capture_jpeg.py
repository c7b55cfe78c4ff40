"""A source's own JPEGs: kept whole, upright and such as every program shows, or not at all."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

import av
import cv2
import pytest

from media_worlds import number_in, picture, write_clip
from poseline.capture import NetworkStream, decoder, open_source
from poseline.capture.jpeg import whole_jpeg
from poseline.settings import CaptureSettings


def jpeg(number: int, *options: int) -> bytes:
    done, encoded = cv2.imencode(".jpg", picture(number, (160, 120)), options)
    assert done
    return bytes(encoded.data)


def without(content: bytes, marker: int) -> bytes:
    """A JPEG without its segments of a kind, as many cameras leave out the tables."""
    kept, place = content[:2], 2
    while content[place + 1] != 0xDA:
        length = 2 + int.from_bytes(content[place + 2 : place + 4], "big")
        if content[place + 1] != marker:
            kept += content[place : place + length]
        place += length
    return kept + content[place:]


WHOLE = jpeg(7)


@pytest.mark.parametrize(
    "content",
    [WHOLE, WHOLE + bytes(5000), jpeg(7, cv2.IMWRITE_JPEG_PROGRESSIVE, 1), jpeg(7, cv2.IMWRITE_JPEG_RST_INTERVAL, 4)],
    ids=["plain", "padded", "progressive", "restarts"],
)
def test_a_whole_jpeg_is_kept_as_it_is(content: bytes) -> None:
    kept = whole_jpeg(av.Packet(content))
    assert kept == content.rstrip(b"\0")


@pytest.mark.parametrize(
    "content",
    [
        without(WHOLE, 0xC4), WHOLE[:-2], WHOLE[:-2] + bytes(100), WHOLE[: len(WHOLE) // 2], WHOLE + WHOLE[:400],
        WHOLE[2:], b"", b"\xff\xd8\xff\xd9", b"\xff\xd8" + b"\xff" * 40 + b"\xff\xd9", b"\xff\xd8\xff\xc4\0\0\xff\xd9",
        WHOLE.replace(b"\xff\xc0", b"\xff\xc3"), b"\0\0\0\1ge" + bytes(50),
    ],
    ids=[
        "no Huffman tables", "no end", "no end but padding", "half", "something behind it", "no beginning", "empty",
        "nothing in it", "no segments", "a length of nothing", "lossless", "H.264",
    ],
)  # fmt: skip
def test_what_not_every_program_shows_is_not(content: bytes) -> None:
    assert whole_jpeg(av.Packet(content)) is None


@contextmanager
def camera(pictures: Iterator[bytes]) -> Iterator[str]:
    """The address of a camera that gives JPEGs over HTTP, thirty a second."""
    stopped = threading.Event()

    class Pictures(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # http.server's name
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=next")
            self.end_headers()
            for content in pictures:
                head = f"--next\r\nContent-Type: image/jpeg\r\nContent-Length: {len(content)}\r\n\r\n"
                if stopped.wait(1 / 30):
                    return
                try:
                    self.wfile.write(head.encode() + content + b"\r\n")
                except OSError:
                    return

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Pictures)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/video"
    finally:
        stopped.set()
        server.shutdown()
        server.server_close()


def test_a_network_cameras_jpegs_come_with_their_own_frames() -> None:
    given = [jpeg(number) for number in range(256)]
    with camera(itertools.cycle(given)) as address:
        source = cast("NetworkStream", open_source(address, CaptureSettings()))
        source.keeps_jpegs = True
        frames = list(itertools.islice(source.frames(), 20))
        source.stop()
    assert [frame.jpeg for frame in frames] == [given[number_in(frame.bgr)] for frame in frames]
    assert len({frame.jpeg for frame in frames}) == 20
    assert frames[0].without_pixels().jpeg is None


def test_a_picture_that_came_torn_has_none_and_those_around_it_their_own() -> None:
    given = [jpeg(number) for number in range(256)]
    torn = [content if number % 5 else content[: len(content) * 2 // 3] for number, content in enumerate(given)]
    with camera(itertools.cycle(torn)) as address:
        source = cast("NetworkStream", open_source(address, CaptureSettings()))
        source.keeps_jpegs = True
        frames = list(itertools.islice(source.frames(), 20))
        source.stop()
    numbers = [number_in(frame.bgr) for frame in frames if frame.jpeg is not None]
    assert [frame.jpeg for frame in frames if frame.jpeg is not None] == [given[number] for number in numbers]
    assert len(numbers) >= 12
    assert all(number % 5 for number in numbers)


def test_none_is_copied_where_nobody_asks_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder, "whole_jpeg", lambda _: pytest.fail("a JPEG was copied"))
    with camera(itertools.cycle([WHOLE])) as address:
        source = open_source(address, CaptureSettings())
        frames = list(itertools.islice(source.frames(), 5))
        source.stop()
    assert {frame.jpeg for frame in frames} == {None}


def test_other_sources_have_none(tmp_path: Any) -> None:
    clip = write_clip(tmp_path / "a.mp4", range(3))
    assert {frame.jpeg for frame in open_source(clip, CaptureSettings()).frames()} == {None}
