"""Pictures behind an address: web servers and IP cameras as they really answer, on loopback."""

from __future__ import annotations

import base64
import json
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from heic_worlds import GRID
from media_worlds import CAPTURE, free_port, number_in, write_clip
from poseline import PoseModel, stream
from poseline.batch import run_batch
from poseline.capture import Images, Location, NetworkStream, VideoFile, fetch, locate, open_source, read_image
from poseline.capture.fetch import fetch_image
from poseline.capture.http_address import NotAnImage
from poseline.errors import SourceError
from poseline.interruption import Interruption
from poseline.settings import CaptureSettings, load
from test_capture_images import save

PATIENT = CaptureSettings(open_timeout=30, read_timeout=30, max_outage=1)
Answer = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """Answers each path as its server's table says."""

    def do_GET(self) -> None:  # http.server's name
        server = self.server
        assert isinstance(server, Server)
        server.asked.append((self.path, self.headers.get("Authorization")))
        try:
            server.answers[self.path](self)
        except OSError:  # the client has had enough
            self.close_connection = True

    def send(self, content: bytes, kind: str | None = "image/jpeg", length: int | None = None) -> None:
        self.send_response(200)
        if kind:
            self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content) if length is None else length))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:  # says nothing
        pass


class Server(ThreadingHTTPServer):
    """A web server on loopback, and what it was asked."""

    daemon_threads = True

    def __init__(self, answers: dict[str, Answer]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers, self.asked = answers, list[tuple[str, str | None]]()

    def url(self, path: str, user: str = "") -> str:
        return f"http://{user}127.0.0.1:{self.server_address[1]}{path}"

    def handle_error(self, *_: object) -> None:
        pass


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def serve() -> Iterator[Callable[[dict[str, Answer]], Server]]:
    running: list[Server] = []

    def start(answers: dict[str, Answer]) -> Server:
        running.append(Server(answers))
        threading.Thread(target=running[-1].serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return running[-1]

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


Serve = Callable[[dict[str, Answer]], Server]


@pytest.fixture
def jpeg(tmp_path: Path) -> bytes:
    """A JPEG that shows 77."""
    return save(tmp_path / "w.jpg", 77).read_bytes()


@pytest.mark.parametrize(
    "path", ["/w.jpg", "/w.JPG", "/a%20b/w.png", "/w.jpg?size=1&token=abc", "/snap.cgi?channel=1", "/"]
)
@pytest.mark.parametrize("kind", ["image/jpeg", "application/octet-stream", None])
def test_a_picture_is_fetched_with_and_without_a_suffix(path: str, kind: str | None, serve: Serve, jpeg: bytes) -> None:
    server = serve({path: lambda handler: handler.send(jpeg, kind)})
    source = open_source(server.url(path), PATIENT)
    assert isinstance(source, Images)
    (frame,) = source.frames()
    assert number_in(frame.bgr) == 77
    assert frame.source == server.url(path).replace("abc", "***")
    assert (source.bad, source.notes, source.info.width) == (0, [], 0)


def test_what_names_a_picture_is_asked_once(serve: Serve, jpeg: bytes) -> None:
    server = serve({"/w.jpg": lambda handler: handler.send(jpeg)})
    assert len(list(open_source(server.url("/w.jpg"), PATIENT).frames())) == 1
    assert len(server.asked) == 1


def test_pictures_behind_addresses_and_files_are_one_source(serve: Serve, jpeg: bytes, tmp_path: Path) -> None:
    server = serve({"/w.jpg": lambda handler: handler.send(jpeg), "/gone.jpg": lambda handler: handler.send_error(404)})
    url, gone, file = server.url("/w.jpg"), server.url("/gone.jpg"), save(tmp_path / "b.png", 5)
    (found,) = locate([url, gone, file])
    assert found == Location("pictures", pictures=(url, gone, file))
    assert found.inputs == (file,)
    source = open_source(found, PATIENT)
    assert [number_in(frame.bgr) for frame in source.frames()] == [77, 5]
    assert source.bad == 1
    assert source.notes == [f"{gone}: the server does not know this address (404)"]
    assert locate([url]) == [Location("w", pictures=(url,))]


def test_a_photo_of_tiles_behind_an_address_that_does_not_say_so(serve: Serve) -> None:
    pytest.importorskip("pillow_heif")
    server = serve({"/download?id=5": lambda handler: handler.send(GRID.read_bytes(), "application/octet-stream")})
    source = open_source(server.url("/download?id=5"), PATIENT)
    assert [(frame.width, frame.height) for frame in source.frames()] == [(1024, 512)]


def test_a_photo_of_tiles_behind_an_address_without_the_extra(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    server = serve({"/download?id=5": lambda handler: handler.send(GRID.read_bytes(), "application/octet-stream")})
    with pytest.raises(SourceError, match="is a HEIC picture, and needs pillow-heif"):
        open_source(server.url("/download?id=5"), PATIENT)


def test_a_video_behind_an_address_is_still_one(serve: Serve, tmp_path: Path) -> None:
    content = write_clip(tmp_path / "clip.mp4", range(5), container={"movflags": "faststart"}).read_bytes()
    server = serve({"/clip": lambda handler: handler.send(content, "video/mp4")})
    source = open_source(server.url("/clip"), PATIENT)
    assert isinstance(source, VideoFile)
    assert sum(1 for _ in source.frames()) == 5


def test_a_stream_that_is_called_a_picture_is_a_stream(serve: Serve, jpeg: bytes) -> None:
    def stream_of(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "multipart/x-mixed-replace; boundary=next")
        handler.end_headers()
        for _ in range(40):
            part = f"--next\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n".encode()
            handler.wfile.write(part + jpeg + b"\r\n")
            time.sleep(0.01)

    url = serve({"/video.jpg": stream_of}).url("/video.jpg")
    source = open_source(url, PATIENT)
    assert isinstance(source, NetworkStream)
    frames = source.frames()
    assert number_in(next(frames).bgr) == 77
    frames.close()
    with pytest.raises(
        SourceError, match=r"video\.jpg: --from and --to choose .* this is a live stream; leave them out"
    ):
        open_source(url, PATIENT.model_copy(update={"start": 1.0}))


def guarded(content: bytes) -> Answer:
    """Wants me:pass word/@ first."""
    wanted = "Basic " + base64.b64encode(b"me:pass word/@").decode()

    def answer(handler: Handler) -> None:
        if handler.headers.get("Authorization") == wanted:
            handler.send(content)
            return
        handler.send_response(401)
        handler.send_header("WWW-Authenticate", 'Basic realm="camera"')
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def test_a_password_is_sent_when_asked_for_and_never_shown(serve: Serve, jpeg: bytes) -> None:
    server = serve({"/w.jpg": guarded(jpeg)})
    source = open_source(server.url("/w.jpg", "me:pass%20word%2F%40@"), PATIENT)
    (frame,) = source.frames()
    assert number_in(frame.bgr) == 77
    assert [authorization is None for _, authorization in server.asked] == [True, False]
    assert "pass" not in frame.source + source.info.name
    with pytest.raises(SourceError, match="wants a user name and password, or refuses the ones given") as caught:
        open_source(server.url("/w.jpg", "me:hunter2@"), PATIENT)
    assert "hunter2" not in str(caught.value)
    with pytest.raises(SourceError, match="wants a user name and password"):
        read_image(server.url("/w.jpg"), CAPTURE.max_pixels)


def test_a_password_does_not_follow_to_another_server(serve: Serve, jpeg: bytes) -> None:
    other = serve({"/w.jpg": guarded(jpeg)})

    def away(handler: Handler) -> None:
        handler.send_response(302)
        handler.send_header("Location", other.url("/w.jpg"))
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    server = serve({"/w.jpg": away})
    with pytest.raises(SourceError, match=r"\(401\)"):
        fetch_image(server.url("/w.jpg", "me:pass%20word%2F%40@"), 1)
    assert {authorization for _, authorization in other.asked} == {None}
    other.answers["/w.jpg"] = lambda handler: handler.send(jpeg)
    assert fetch_image(server.url("/w.jpg"), 1) == jpeg


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x.jpg", "gopher://127.0.0.1/x"])
def test_a_redirection_to_anything_but_http_is_not_followed(target: str, serve: Serve) -> None:
    def away(handler: Handler) -> None:
        handler.send_response(302)
        handler.send_header("Location", target)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    server = serve({"/w.jpg": away})
    with pytest.raises(SourceError, match="where we do not go|refuses it"):
        fetch_image(server.url("/w.jpg"), 1)


def test_a_redirection_in_a_circle_ends(serve: Serve) -> None:
    def again(handler: Handler) -> None:
        handler.send_response(302)
        handler.send_header("Location", "/w.jpg")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    loop = serve({"/w.jpg": again})
    with pytest.raises(SourceError, match=r"refuses it \(302\)"):
        fetch_image(loop.url("/w.jpg"), 1)
    assert len(loop.asked) < 20


def test_what_is_no_picture_is_named(serve: Serve) -> None:
    page = b"<!DOCTYPE html>\n<html>Please log in</html>"
    server = serve(
        {
            "/w.jpg": lambda handler: handler.send(page, "text/html"),
            "/lie.jpg": lambda handler: handler.send(page * 300, "image/jpeg"),
            "/what.jpg": lambda handler: handler.send(bytes(100), "application/x-what"),
            "/broken.jpg": lambda handler: handler.send(b"\xff\xd8\xff" + bytes(50), "image/jpeg"),
            "/empty.jpg": lambda handler: handler.send(b"", "image/jpeg"),
        }
    )
    for name, words in {
        "/w.jpg": "the server sends a web page",
        "/lie.jpg": "the server sends a web page",
        "/what.jpg": "the server sends application/x-what, not a picture",
        "/broken.jpg": "not a picture that can be read",
        "/empty.jpg": "the server sent nothing",
    }.items():
        with pytest.raises(SourceError, match=words):
            open_source(server.url(name), PATIENT)


def test_an_address_without_a_suffix_that_is_nothing_is_told_in_words(serve: Serve) -> None:
    server = serve({"/what": lambda handler: handler.send(b"\1\2\3" * 50, "application/x-what")})
    with pytest.raises(SourceError, match="not a video that FFmpeg can read"):
        open_source(server.url("/what"), PATIENT)


def test_servers_that_fail_are_told_in_words(serve: Serve, jpeg: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(_: Handler) -> None:
        time.sleep(3)

    def trickle(handler: Handler) -> None:
        handler.send(jpeg[:10], length=len(jpeg))
        for place in range(10, 100):
            time.sleep(0.05)
            handler.wfile.write(jpeg[place : place + 1])

    def endless(handler: Handler) -> None:
        handler.send(jpeg, length=1 << 40)
        while True:
            handler.wfile.write(bytes(1 << 16))

    monkeypatch.setattr(fetch, "_MOST_BYTES", 1 << 20)
    server = serve(
        {
            "/404.jpg": lambda handler: handler.send_error(404),
            "/403.jpg": lambda handler: handler.send_error(403),
            "/418.jpg": lambda handler: handler.send_error(418),
            "/500.jpg": lambda handler: handler.send_error(500),
            "/cut.jpg": lambda handler: handler.send(jpeg[:300], length=len(jpeg)),
            "/close.jpg": lambda handler: handler.connection.shutdown(socket.SHUT_RDWR),
            "/silent.jpg": silent,
            "/trickle.jpg": trickle,
            "/endless.jpg": endless,
        }
    )
    for name, words in {
        "/404.jpg": r"does not know this address \(404\)",
        "/403.jpg": "forbids it",
        "/418.jpg": r"refuses it \(418\)",
        "/500.jpg": r"the server failed \(500\)",
        "/cut.jpg": f"broke off after 300 of {len(jpeg)} bytes",
        "/close.jpg": "the server broke the connection off",
        "/silent.jpg": "no answer within 0.4 s",
        "/trickle.jpg": "arrives too slowly; --timeout gives it longer",
        "/endless.jpg": "is larger than the 1 MB that a picture may have",
    }.items():
        monkeypatch.setattr(fetch, "_WHOLE", 0.01 if name == "/trickle.jpg" else 2)  # 0.3 s for all of it
        with pytest.raises(SourceError, match=words):
            fetch_image(server.url(name), 0.4 if name == "/silent.jpg" else 30)


def test_an_address_that_leads_nowhere_is_told_in_words() -> None:
    for url, words in {
        f"http://127.0.0.1:{free_port()}/w.jpg": "the connection was refused",
        "http://127.0.0.1:99999/w.jpg": "its host or port cannot be understood",
        "http:///w.jpg": "names no host",
        "http://me:sec[ret@host/w.jpg": "its host or port cannot be understood",
    }.items():
        with pytest.raises(SourceError, match=words) as caught:
            read_image(url, CAPTURE.max_pixels)
        assert "sec[ret" not in str(caught.value)
    with pytest.raises(SourceError, match="a picture is read from a file, or from an http or https address"):
        read_image("ftp://host/w.jpg", CAPTURE.max_pixels)
    with pytest.raises(SourceError, match="the picture's name is empty"):
        read_image("", CAPTURE.max_pixels)


def test_python_takes_an_address_as_it_takes_a_file(serve: Serve, jpeg: bytes) -> None:
    server = serve({"/w.jpg": lambda handler: handler.send(jpeg)})
    url = server.url("/w.jpg", "me:hunter2@")
    model = PoseModel("builtin", imgsz=64)
    [result] = model(url)
    assert result.orig_shape == (48, 64)
    assert "hunter2" not in str(result.path)
    assert [observation.frame.width for observation in stream(url, model=model)] == [64]
    with pytest.raises(NotAnImage):
        server.answers["/w.jpg"] = lambda handler: handler.send(b"<html>", "text/html")
        model(url)


@pytest.mark.parametrize("path", ["/w.jpg?key=s3cret", "/snap.cgi?user=me", "/"])
def test_a_run_of_an_address_end_to_end(path: str, serve: Serve, jpeg: bytes, tmp_path: Path) -> None:
    server = serve({path: lambda handler: handler.send(jpeg)})
    settings = load(
        overrides={"output": {"directory": tmp_path / "out"}, "inference": {"model": "builtin", "imgsz": 64}}
    )
    assert run_batch([server.url(path)], settings, Interruption()) == 0
    (picture,) = (tmp_path / "out" / "pictures").iterdir()
    assert picture.name == {"/w.jpg?key=s3cret": "w.jpg", "/snap.cgi?user=me": "snap.cgi.jpg", "/": "picture.jpg"}[path]
    journal = (tmp_path / "out" / "keypoints.jsonl").read_text(encoding="utf-8")
    assert len([line for line in map(json.loads, journal.splitlines()) if line["type"] == "frame"]) == 1
    assert "s3cret" not in journal
