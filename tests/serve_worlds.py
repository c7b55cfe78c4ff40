"""A page's server with scripted cameras, and clients that speak to it with every byte of their own choosing."""

from __future__ import annotations

import base64
import os
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from fractions import Fraction
from types import TracebackType
from typing import Any

import av
import numpy as np
import orjson

from media_worlds import WAIT
from poseline.capture import SourceInfo
from poseline.frame import Frame, plane_pixels
from poseline.log import RunHeader
from poseline.pose import Observation, Poses
from poseline.serve.address import Address
from poseline.serve.feed import Feed
from poseline.serve.server import Server
from poseline.skeleton import COCO17

WIDTH, HEIGHT = 320, 240
INFO = SourceInfo("camera 0", live=True, width=WIDTH, height=HEIGHT, frame_rate=Fraction(30))


def header() -> RunHeader:
    return RunHeader(
        source="camera 0", model={"name": "model.pt"}, runtime="none", device="none", skeleton=COCO17, video=None,
        settings={}, versions={}, started=datetime.now(timezone.utc).isoformat(),
    )  # fmt: skip


def picture(level: int = 100, width: int = WIDTH, height: int = HEIGHT) -> av.VideoFrame:
    """A grey frame in limited range, of this luma."""
    frame = av.VideoFrame(width, height, "yuv420p")
    for plane, value in zip(frame.planes, (level, 128, 128), strict=True):
        plane_pixels(plane).fill(value)
    return frame


def standing(x: float = 100.0, identity: int = 1) -> Poses:
    """Somebody 100 pixels tall, whose keypoints stand in a column."""
    points = np.array([[[x, 60 + 5 * index, 0.9] for index in range(17)]], np.float32)
    poses = Poses.of(np.array([[x - 20, 50, x + 20, 150]], np.float32), np.array([0.8], np.float32), points)
    return poses.with_ids(np.array([identity]))


def seen(
    index: int, poses: Poses | None = None, arrival: float | None = None, shown: Any = None, **of_frame: Any
) -> Observation:
    """What is seen in frame number `index` of 30 a second."""
    frame = Frame(
        picture() if shown is None else shown, index, index, Fraction(1, 30), index / 30,
        time.monotonic() if arrival is None else arrival, **of_frame,
    )  # fmt: skip
    return Observation(frame, Poses.none(17) if poses is None else poses)


@contextmanager
def serving(host: str = "127.0.0.1", *names: str) -> Iterator[Server]:
    """A server with cameras of these names, one called `front` if none; nothing has come from them yet."""
    server = Server(Address(host, 0))
    for name in names or ("front",):
        server.hub.add(name).begin(header(), INFO)
    server.start()
    try:
        yield server
    finally:
        server.stop()


class Filming:
    """A camera that gives a frame every 1/30 s, on a thread of its own."""

    def __init__(self, feed: Feed, rate: float = 30.0, size: tuple[int, int] = (WIDTH, HEIGHT)) -> None:
        self.stopped = threading.Event()
        self._feed, self._rate, self._size = feed, rate, size
        self._thread = threading.Thread(target=self._film, daemon=True)

    def _film(self) -> None:
        index, began = 0, time.monotonic()
        noise = np.random.default_rng(0).integers(16, 235, (self._size[1], self._size[0]), np.uint8)
        while not self.stopped.wait(max(0.0, began + index / self._rate - time.monotonic())):
            frame = picture(width=self._size[0], height=self._size[1])
            plane_pixels(frame.planes[0])[:] = np.roll(noise, index, axis=1)
            self._feed.put(seen(index, standing(60 + index % 200), shown=frame))
            index += 1

    def __enter__(self) -> Filming:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopped.set()
        self._thread.join()


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes
    raw: bytes = field(repr=False, default=b"")


def send(port: int, request: bytes, timeout: float = WAIT) -> Answer:
    """Send bytes, and read until the server has said all or closes; status 0 where it says nothing."""
    with socket.create_connection(("127.0.0.1", port), timeout) as connection:
        connection.sendall(request)
        return read_answer(connection)


def read_answer(connection: socket.socket) -> Answer:
    raw = b""
    try:
        while b"\r\n\r\n" not in raw and (chunk := connection.recv(65536)):
            raw += chunk
        head, _, body = raw.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        while len(body) < int(headers.get("content-length", 0)) and (chunk := connection.recv(65536)):
            body += chunk
    except ConnectionError:
        return Answer(0, {}, b"", raw)
    status = lines[0].split(" ")
    return Answer(int(status[1]) if len(status) > 1 else 0, headers, body, raw)


def request(port: int, path: str = "/", method: str = "GET", body: bytes = b"", /, **headers: str | None) -> Answer:
    """An ordinary request; `headers` have underscores for dashes, and None leaves one out."""
    return send(port, raw_request(port, path, method, body, **headers))


def raw_request(port: int, path: str = "/", method: str = "GET", body: bytes = b"", /, **headers: str | None) -> bytes:
    chosen: dict[str, str | None] = {"Host": f"127.0.0.1:{port}", "Connection": "close"}
    chosen |= {name.replace("_", "-"): value for name, value in headers.items()}
    if body:
        chosen.setdefault("Content-Length", str(len(body)))
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in chosen.items() if value is not None)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


UPGRADE: dict[str, str | None] = {
    "Connection": "Upgrade", "Upgrade": "websocket", "Sec_WebSocket_Version": "13",
    "Sec_WebSocket_Key": base64.b64encode(b"0123456789abcdef").decode(),
}  # fmt: skip


class WebSocketClient:
    """A WebSocket's other end, which says what it likes. `status` is 101 where it was let in."""

    def __init__(self, port: int, path: str = "/ws", **headers: str | None) -> None:
        self._connection = socket.create_connection(("127.0.0.1", port), WAIT)
        chosen: dict[str, str | None] = {"Origin": f"http://127.0.0.1:{port}", **UPGRADE, **headers}
        self._connection.sendall(raw_request(port, path, **chosen))
        answer = read_answer(self._connection)
        self.status, self.headers = answer.status, answer.headers
        self._waiting = answer.body if answer.status == 101 else b""

    def say(self, message: Any) -> None:
        """Send a message in words."""
        self.send(message if isinstance(message, bytes) else orjson.dumps(message))

    def send(self, content: bytes, opcode: int = 1) -> None:
        """Send one frame, masked as a client must."""
        mask, size = os.urandom(4), len(content)
        length = (
            bytes([0x80 | size]) if size < 126 else bytes([0xFE]) + struct.pack("!H", size) if size < 65536
            else bytes([0xFF]) + struct.pack("!Q", size)
        )  # fmt: skip
        hidden = (np.frombuffer(content, np.uint8) ^ np.resize(np.frombuffer(mask, np.uint8), size)).tobytes()
        self._connection.sendall(bytes([0x80 | opcode]) + length + mask + hidden)

    def hear(self, timeout: float = WAIT) -> tuple[int, bytes]:
        """The next frame's opcode and content; (8, ...) where the server ends."""
        self._connection.settimeout(timeout)
        try:
            first, second = self._read(2)
            size = second & 0x7F
            if size == 126:
                size = struct.unpack("!H", self._read(2))[0]
            elif size == 127:
                size = struct.unpack("!Q", self._read(8))[0]
            return first & 0x0F, self._read(size)
        except ConnectionError:
            return 8, b""

    def picture(self, timeout: float = WAIT) -> tuple[dict[str, Any], bytes]:
        """The next picture: what is said of it, and the JPEG."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            opcode, content = self.hear(timeout)
            assert opcode != 8, content
            if opcode == 2:
                size = int.from_bytes(content[:4], "little")
                return orjson.loads(content[4 : 4 + size]), content[4 + size :]
        raise AssertionError("no picture came")

    def words(self, kind: str, timeout: float = WAIT) -> dict[str, Any]:
        """The next message of this type."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            opcode, content = self.hear(timeout)
            assert opcode != 8, content
            if opcode == 1 and (message := orjson.loads(content))["type"] == kind:
                found: dict[str, Any] = message
                return found
        raise AssertionError(f"no {kind} came")

    def pictures_until_pong(self) -> int:
        """How many pictures come before the answer to a question that is asked now, and to one more after it.

        By then what was said before is done, and a picture of what the camera has given by now was sent, if it ever is.
        """
        count = 0
        for _ in range(2):
            self.say({"ping": 1})
            kind = ""
            while kind != "pong":
                opcode, content = self.hear()
                assert opcode != 8, content
                count += opcode == 2
                kind = orjson.loads(content)["type"] if opcode == 1 else ""
        return count

    def end(self, timeout: float = WAIT) -> int:
        """The code with which the server closes; 0 where it just breaks off."""
        while True:
            opcode, content = self.hear(timeout)
            if opcode == 8:
                return int.from_bytes(content[:2], "big")

    def close(self) -> None:
        """Break off."""
        self._connection.close()

    def __enter__(self) -> WebSocketClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(self, size: int) -> bytes:
        while len(self._waiting) < size:
            chunk = self._connection.recv(65536)
            if not chunk:
                raise ConnectionError("closed")
            self._waiting += chunk
        taken, self._waiting = self._waiting[:size], self._waiting[size:]
        return taken
