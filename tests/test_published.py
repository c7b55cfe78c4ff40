"""Published weights: fetched from a server of the test's own, by way of a proxy, in spite of what breaks off."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from poseline.errors import ModelError
from poseline.inference import published

pytest.importorskip("pooch")
NAME = "yolo11n-pose.pt"


class Server(ThreadingHTTPServer):
    """Answers each request as the next of `answers` says, and the last one for ever."""

    def __init__(self, content: bytes) -> None:
        self.content, self.answers, self.asked = content, ["whole"], list[str]()
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        answer = self.server.answers[0] if len(self.server.answers) == 1 else self.server.answers.pop(0)
        content = b"<html>sign in</html>" if answer == "page" else self.server.content
        self.send_response(404 if answer == "missing" else 200)
        if answer != "unstated":
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if answer == "damaged":
            middle = len(content) // 2
            content = content[:middle] + bytes(100) + content[middle + 100 :]
        with suppress(OSError):  # who asked for it has seen enough
            self.wfile.write(content[: len(content) // 2] if answer in ("half", "unstated") else content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(builtin: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setattr(time, "sleep", lambda _: None)  # between two tries
    with Server(builtin.read_bytes()) as running:
        threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield running
        running.shutdown()


def fetched(folder: Path, publisher: str) -> bytes:
    published._fetch_here(NAME, folder, publisher)
    return (folder / NAME).read_bytes()


def test_a_model_is_fetched_in_a_worker(server: Server, tmp_path: Path) -> None:
    path = published.fetch(NAME, tmp_path / "new", server.url)
    assert path.read_bytes() == server.content
    assert server.asked == [f"/{NAME}"]
    assert [file.name for file in path.parent.iterdir()] == [NAME]


@pytest.mark.parametrize("broken", ["half", "unstated", "damaged", "page"])
def test_what_comes_broken_is_fetched_again(broken: str, server: Server, tmp_path: Path) -> None:
    server.answers = [broken, broken, "whole"]
    assert fetched(tmp_path, server.url) == server.content
    assert len(server.asked) == 3


BROKEN = {
    "half": r"could not be downloaded: it broke off 3 times",
    "unstated": r"could not be downloaded: what came is not weights, or not all of them",
    "damaged": r"could not be downloaded: what came is damaged \(.+/data/",
    "page": r"could not be downloaded: what came is not weights, or not all of them",
    "missing": r"could not be downloaded: the server says 404 Not Found",
}


@pytest.mark.parametrize("broken", BROKEN)
def test_what_never_comes_whole_is_not_kept(broken: str, server: Server, tmp_path: Path) -> None:
    server.answers = [broken]
    with pytest.raises(ModelError, match=rf"^{NAME}: {BROKEN[broken]}"):
        fetched(tmp_path, server.url)
    assert not list(tmp_path.iterdir())


def test_a_proxy_is_used(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server stands for a proxy here: of the name only that one could know the address."""
    monkeypatch.setenv("HTTP_PROXY", server.url)
    assert published.fetch(NAME, tmp_path, "http://models.invalid/").read_bytes() == server.content
    assert server.asked == [f"http://models.invalid/{NAME}"]


def test_without_a_network_it_is_told_at_once(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: float) -> None:
        raise AssertionError("it tries again")

    monkeypatch.setattr(time, "sleep", fail)
    server.server_close()
    with pytest.raises(ModelError, match=r"could not be downloaded: this machine reaches no 127\.0\.0\.1:\d+$"):
        fetched(tmp_path, server.url)
    monkeypatch.setenv("HTTP_PROXY", f"http://user:hidden@127.0.0.1:{server.server_port}")
    with pytest.raises(ModelError, match="reaches no models.invalid, by the proxy of HTTP_PROXY$") as refused:
        fetched(tmp_path, "http://models.invalid/")
    assert "hidden" not in str(refused.value)
    assert not list(tmp_path.iterdir())


def test_without_pooch_it_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("poseline.inference.published.find_spec", lambda _: None)
    with pytest.raises(ModelError, match="could not be downloaded: pooch, .*pip install pooch"):
        published.fetch(NAME, tmp_path)
