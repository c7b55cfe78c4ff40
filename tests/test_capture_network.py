"""Addresses and cameras before they are opened: what is wrong with them, and that no password is told."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from media_worlds import estimator
from poseline import batch, stream
from poseline.capture import Location, check_present, locate
from poseline.capture.network import may_be_live
from poseline.errors import ModelError, SettingsError, SourceError
from poseline.interruption import Interruption
from poseline.request import RunRequest
from poseline.settings import load

MISSING = "98765"
"""Number of a camera that no machine has."""


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names that were looked up; none but `localhost` and numbers are known."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def getaddrinfo(host: str, *arguments: Any, **options: Any) -> Any:
        asked.append(host)
        if any(letter.isalpha() for letter in host) and host != "localhost":
            raise socket.gaierror(-2, "Name or service not known")
        return real("127.0.0.1", *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return asked


def present(address: str) -> None:
    check_present(Location("here", url=address))


@pytest.mark.parametrize(
    ("login", "sign"),
    [
        ("me:hunter#2", "#"), ("me:#hunter2", "#"), ("me:hunter@2#", "#"), ("hun#ter:2", "#"), ("me:hunter/2", "/"),
        ("me:hunter?2", "?"), ("me:1#hunter", "#"), ("me:hunter#2@home", "#"),
    ],
)  # fmt: skip
def test_a_password_that_cuts_the_address_off_is_told_without_it(login: str, sign: str, names: list[str]) -> None:
    with pytest.raises(SourceError, match="user name or password holds") as caught:
        present(f"rtsp://{login}@127.0.0.1:554/x")
    assert f"holds a {sign}, " in str(caught.value)
    assert "# as %23, @ as %40, / as %2F, ? as %3F" in str(caught.value)
    assert "hunter" not in str(caught.value)
    assert "hun" not in str(caught.value)
    assert not names, "before the network is asked"


@pytest.mark.usefixtures("names")
@pytest.mark.parametrize(
    "address",
    [
        "rtsp://127.0.0.1/x", "RTSP://me:hunter2@127.0.0.1:554/x", "rtsp://me:hunter%232%40@localhost/x",
        "rtsp://me:hun@ter@127.0.0.1/x", "http://127.0.0.1:8080/a@b.m3u8?c=d@e#f@g", "http://[::1]:80/x@2",
        "udp://@239.0.0.1:1234", "udp://:1234", "srt://:9000?mode=listener", "tcp://camera.example:99",
        "http://127.0.0.1/film#t=10", "http://127.0.0.1",
    ],
)  # fmt: skip
def test_an_address_that_may_lead_somewhere_is_left_alone(address: str) -> None:
    present(address)


@pytest.mark.usefixtures("names")
@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("rtsp://", "names no host"), ("rtsp:///live", "names no host"), ("http://me:hunter2@/x", "names no host"),
        ("rtsp://127.0.0.1:99999/x", "its port is not a number from 1 to 65535"),
        ("http://127.0.0.1:eighty/x", "its port is not a number"), ("http://127.0.0.1:0/x", "its port is not a number"),
        ("rtsp://camera.example/x", r"the host camera\.example is not known \(is its name right\?\)$"),
        ("rtsp://me:hun@ter2@camera.example/x", r"the host camera\.example is not known .*@ as %40"),
        ("rtsp://me:12/hunter2@camera.example/x", r"the host is not known .*/ as %2F"),
    ],
)  # fmt: skip
def test_an_address_that_can_lead_nowhere_is_told(address: str, words: str) -> None:
    with pytest.raises(SourceError, match=words) as caught:
        present(address)
    assert "hun" not in str(caught.value)


@pytest.mark.usefixtures("names")
def test_a_proxy_may_know_more_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:3128")
    present("http://camera.example/x")
    with pytest.raises(SourceError, match="is not known"):
        present("rtsp://camera.example/x")


@pytest.mark.parametrize(
    ("address", "live"),
    [
        ("rtsp://h/film.mp4", True), ("http://h/video", True), ("http://h/live.m3u8?mp4", True), ("udp://h:1", True),
        ("http://h/live.ts", True), ("http://h/film.mp4", False), ("HTTPS://me:pw@h/a/b.MKV?token=1#t=2", False),
        ("http://h/film.mp4/live", True),
    ],
)  # fmt: skip
def test_which_addresses_may_never_end(address: str, live: bool) -> None:
    assert may_be_live(address) == live
    assert locate([address])[0].live == live


linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux lists its cameras")
NOWHERE = [pytest.param(MISSING, marks=linux), "rtsp:///live"]


@pytest.mark.parametrize("source", NOWHERE)
def test_a_source_that_is_not_there_is_told_before_a_model_is_looked_for(source: str, tmp_path: Path) -> None:
    settings = load(overrides={"inference": {"model": str(tmp_path / "none.pt")}})
    with pytest.raises(SourceError, match=r"there is no /dev/video98765|names no host"):
        batch.run_batch([source], settings, Interruption())
    with pytest.raises(SourceError, match=r"there is no /dev/video98765|names no host"):
        next(stream(source, tmp_path / "none.pt"))


def test_a_stream_is_opened_after_the_model_is_loaded(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        address = f"http://127.0.0.1:{server.getsockname()[1]}/live.ts"
        settings = load(overrides={"inference": {"model": str(tmp_path / "none.pt")}})
        with pytest.raises(ModelError):
            batch.run_batch([address], settings, Interruption())
        with pytest.raises(ModelError):
            next(stream(address, tmp_path / "none.pt"))
        with pytest.raises(TimeoutError):
            server.accept()


def test_python_opens_a_stream_after_its_model_too(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []

    def load_estimator(*_: object, live: bool, **__: object) -> Any:
        order.append(f"model, live: {live}")
        return estimator()

    def open_source(*_: object) -> Any:
        order.append("source")
        raise SourceError("enough")

    monkeypatch.setattr("poseline.inference.load_estimator", load_estimator)
    monkeypatch.setattr("poseline.capture.open_source", open_source)
    with pytest.raises(SourceError, match="enough"):
        next(stream("http://127.0.0.1/live.ts", "builtin"))
    assert order == ["model, live: True", "source"]


def test_a_window_shows_one_live_source(monkeypatch: pytest.MonkeyPatch) -> None:
    from poseline.output import Window

    monkeypatch.setattr(Window, "check", lambda: None)
    with pytest.raises(SettingsError, match="--show shows one source at a time"):
        batch.run_batch(["0", "1"], load(overrides={"output": {"show": True}}), Interruption())


def test_each_live_source_has_a_process_of_its_own_and_files_share_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    begun: list[tuple[list[str], int]] = []

    def at_once(_: object, requests: list[RunRequest], executor: Any, __: object) -> int:
        begun.append(([request.source.name for request in requests], executor._most))
        return 0

    monkeypatch.setattr(batch._Runs, "at_once", at_once)
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).write_bytes(b"x")
    files = [str(tmp_path / name) for name in ("a.mp4", "b.mp4")]
    batch.run_batch(["0", "1"], load(), Interruption())
    batch.run_batch([*files, "0", "http://h/film.mp4"], load(), Interruption())
    batch.run_batch([*files, "0", "1"], load(), Interruption(), jobs=5)
    batch.run_batch(files, load(), Interruption(), jobs=2)
    assert begun == [
        (["camera-0", "camera-1"], 2),
        (["camera-0", "a", "b", "http-h"], 2),
        (["camera-0", "camera-1", "a", "b"], 5),
        (["a", "b"], 2),
    ]
    assert batch.run_batch(files, load(), Interruption()) == SourceError.exit_code, "one after another, as ever"
    assert len(begun) == 4
