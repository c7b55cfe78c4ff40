"""The page's doors: what is refused, from every side; and that the page's owner gets in."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress

import orjson
import pytest

pytest.importorskip("aiohttp", reason="needs poseline[serve]")
pytest.importorskip("simplejpeg", reason="needs poseline[serve]")

from media_worlds import WAIT, until
from poseline.serve import page_server
from poseline.serve import server as server_module
from poseline.serve.access import Access
from poseline.serve.address import Address
from poseline.serve.server import Server
from serve_worlds import UPGRADE, WebSocketClient, raw_request, request, seen, send, serving


@pytest.fixture(scope="module")
def local() -> Iterator[Server]:
    """On this computer alone: no token."""
    with serving() as server:
        server.hub.feeds[0].put(seen(0))
        yield server


@pytest.fixture(scope="module")
def opened() -> Iterator[Server]:
    """Open to the network: with a token."""
    with serving("0.0.0.0") as server:  # noqa: S104 # that is what is tested
        server.hub.feeds[0].put(seen(0))
        yield server


def port(server: Server) -> int:
    return server.address.port


# Names: a web site may give its own name this computer's address, and then read what is there.


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:{port}", "127.0.0.1.evil.example", "localhost.evil.example",
     "127.0.0.1@evil.example", "192.168.1.5", "[::2]", "2130706433", "localhost\t.evil.example", "", "[", "poseline"],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/", "/api/latest.jpg", "/healthz"])
def test_another_name_is_refused(local: Server, host: str, path: str) -> None:
    assert request(port(local), path, Host=host.format(port=port(local))).status in (400, 403)


def test_no_name_and_two_names_are_refused(local: Server) -> None:
    assert request(port(local), Host=None).status in (400, 403)
    twice = raw_request(port(local)).replace(b"Connection", b"Host: evil.example\r\nConnection", 1)
    assert send(port(local), twice).status in (400, 403)
    assert send(port(local), b"GET / HTTP/1.0\r\n\r\n").status in (400, 403)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "LOCALHOST"])
def test_this_computers_names_are_let_in(local: Server, host: str) -> None:
    assert request(port(local), Host=f"{host}:{port(local)}").status == 200


def test_the_network_asks_for_addresses_and_names_of_this_computer(opened: Server) -> None:
    token = opened.access.token
    ask = f"/metrics?token={token}"
    assert request(port(opened), ask, Host="192.168.1.5").status == 200, "no name at all: nobody can have bound it"
    assert request(port(opened), ask, Host=f"{socket.gethostname()}:{port(opened)}").status == 200
    assert request(port(opened), ask, Host="evil.example").status == 403


# Other sites' pages.


@pytest.mark.parametrize(
    "origin", [None, "null", "http://evil.example", "http://127.0.0.1", "http://localhost:{port}", "http://127.0.0.1:1",
               "http://127.0.0.1:{port}.evil.example", "file://", "http://127.0.0.1:{port}@evil.example"],
)  # fmt: skip
def test_a_websocket_of_another_page_is_refused(local: Server, origin: str | None) -> None:
    given = origin and origin.format(port=port(local))
    with WebSocketClient(port(local), Origin=given) as client:
        assert client.status == 403


@pytest.mark.parametrize("origin", [None, "null", "http://evil.example"])
def test_a_post_of_another_page_is_refused(local: Server, origin: str | None) -> None:
    assert request(port(local), "/api/front/latest.jpg", "POST", b"{}", Origin=origin).status == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize("path", ["/api/latest.jpg", "/api/latest.json", "/api/stream.mjpg", "/metrics", "/page.js"])
def test_another_page_cannot_show_our_pictures(local: Server, site: str, path: str) -> None:
    assert request(port(local), path, Sec_Fetch_Site=site, Sec_Fetch_Mode="no-cors").status == 403
    assert request(port(local), path, Sec_Fetch_Site=site, Sec_Fetch_Mode="navigate").status == 403


def test_a_link_at_another_page_opens_ours(local: Server) -> None:
    assert request(port(local), "/", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate").status == 200


def test_a_script_of_another_page_reads_nothing(local: Server) -> None:
    answer = request(port(local), "/api/latest.json", Origin="http://evil.example")
    assert answer.status == 403
    assert "access-control-allow-origin" not in answer.headers


# The token.


@pytest.mark.parametrize(
    "path", ["/", "/ws", "/metrics", "/api/cameras", "/api/latest.jpg", "/qr.svg", "/page.js", "/x"]
)
def test_without_the_token_there_is_nothing(opened: Server, path: str) -> None:
    answer = request(port(opened), path)
    assert answer.status == 401
    assert opened.access.token.encode() not in answer.raw


def test_health_needs_no_token_and_tells_nothing_else(opened: Server) -> None:
    answer = request(port(opened), "/healthz")
    assert answer.status == 200
    assert orjson.loads(answer.body) == {"status": "ok", "cameras": {"live": 1}} or b"front" not in answer.body


@pytest.mark.parametrize(
    "guess",
    ["", "x", "{half}", "{token}x", "{upper}", "%00", "%FF%FE", "\u00e9", "{token}%00", "*", "null"],
)
def test_a_guessed_token_is_refused(opened: Server, guess: str) -> None:
    token = opened.access.token
    value = guess.format(token=token, half=token[:-1], upper=token.swapcase())
    for path in ("/", "/api/latest.jpg"):
        assert request(port(opened), f"{path}?token={value}").status in (400, 401)
    name = f"poseline_{port(opened)}"
    assert request(port(opened), Cookie=f"{name}={value}").status in (400, 401)
    assert request(port(opened), Authorization=f"Bearer {value}").status in (400, 401)


@pytest.mark.parametrize("cookie", ["token={token}", "poseline={token}", "poseline_1={token}"])
def test_the_token_in_another_cookie_is_refused(opened: Server, cookie: str) -> None:
    assert request(port(opened), Cookie=cookie.format(token=opened.access.token)).status == 401


def test_a_websocket_takes_the_token_from_its_cookie_alone(opened: Server) -> None:
    token = opened.access.token
    with WebSocketClient(port(opened), f"/ws?token={token}") as client:
        assert client.status == 401
    with WebSocketClient(port(opened), Cookie=f"poseline_{port(opened)}={token}") as client:
        assert client.status == 101


def test_the_token_moves_to_a_cookie_that_scripts_and_other_sites_cannot_use(opened: Server) -> None:
    token = opened.access.token
    answer = request(port(opened), f"/?token={token}")
    assert answer.status == 200
    assert b'content="0;url=/"' in answer.body, "the page goes on to an address without the token"
    assert token.encode() not in answer.body
    cookie = answer.headers["set-cookie"]
    assert all(part in cookie for part in ("HttpOnly", "SameSite=Strict", "Path=/"))
    pair = cookie.split(";")[0]
    assert request(port(opened), Cookie=pair).status == 200
    assert request(port(opened), "/api/latest.jpg", Cookie=pair).status == 200


def test_programs_give_the_token_in_a_header_or_in_the_address(opened: Server) -> None:
    token = opened.access.token
    assert request(port(opened), "/metrics", Authorization=f"Bearer {token}").status == 200
    assert request(port(opened), f"/api/latest.jpg?token={token}").status == 200


def test_each_start_has_a_token_of_its_own_that_nobody_guesses() -> None:
    tokens = {Access(Address("0.0.0.0", 1)).token for _ in range(20)}  # noqa: S104 # that is what is tested
    assert len(tokens) == 20
    assert min(map(len, tokens)) >= 32
    assert Access(Address()).token == "", "this computer's own visitors need none"
    assert Access(Address("127.0.0.9", 1)).token == ""
    assert Access(Address("192.168.1.5", 1)).token


# Paths and names.


@pytest.mark.parametrize(
    "path",
    ["/../server.py", "/..%2fserver.py", "/%2e%2e/server.py", "/page/../../server.py", "//etc/passwd", "/etc/passwd",
     "/.%00/page.js", "/page.js%00.html", "/page.js/", "/page", "/index.html", "/server.py", "/style.css.map",
     "/api/%2e%2e/latest.jpg", "/api/..%2f..%2fetc%2fpasswd/latest.jpg", "/api/back/latest.jpg",
     "/api/FRONT/latest.jpg",     "/api/front%00/latest.jpg", "/api/0/latest.jpg", "/api/front/latest.png",
     "/api/front/../front/keypoints.jsonl",
     "/api/front/annotated.mp4", "/api/" + 2000 * "a" + "/latest.jpg", "/ws/", "/metrics/..", "/\\..\\server.py"],
)  # fmt: skip
def test_guessed_names_and_path_tricks_find_nothing(local: Server, path: str) -> None:
    answer = request(port(local), path)
    assert answer.status in (400, 404)
    assert b"import" not in answer.body
    assert b"root:" not in answer.body


@pytest.mark.parametrize(
    "width", ["0", "-1", "9999999999999999999999", "1e3", "%0d%0aX-Evil:1", "\u0661\u0662\u0663", "nan", ""]
)
def test_sizes_that_are_none_are_refused(local: Server, width: str) -> None:
    quoted = "".join(f"%{byte:02x}" if byte > 127 else chr(byte) for byte in width.encode())
    answer = request(port(local), f"/api/latest.jpg?width={quoted}")
    assert answer.status == 400
    assert "x-evil" not in answer.headers


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "X"])
def test_methods_that_nobody_needs_are_refused(local: Server, method: str) -> None:
    own = f"http://127.0.0.1:{port(local)}"
    assert request(port(local), "/", method, Origin=own).status in (400, 404, 405)
    assert request(port(local), "/api/latest.jpg", method).status in (400, 403, 404, 405)


def test_two_lengths_for_one_request_are_refused(local: Server) -> None:
    """Else somebody between would see two requests where the server sees one."""
    both = raw_request(port(local), "/", "POST", Content_Length="4", Transfer_Encoding="chunked") + b"0\r\n\r\nGET /x"
    assert send(port(local), both).status in (400, 403)
    twice = raw_request(port(local), "/", "GET", Content_Length="4").replace(
        b"Connection", b"Content-Length: 5\r\nConnection", 1
    )
    assert send(port(local), twice).status == 400


# Floods.


def test_huge_headers_and_bodies_are_refused(local: Server) -> None:
    assert request(port(local), X_Big="x" * 20_000).status in (400, 431)
    assert request(port(local), "/?" + "x" * 20_000).status in (400, 414)
    own = f"http://127.0.0.1:{port(local)}"
    answer = send(port(local), raw_request(port(local), "/", "POST", Origin=own, Content_Length="1000000000") + b"x")
    assert answer.status in (400, 405, 413)


@pytest.mark.parametrize(
    ("content", "opcode"),
    [(b'{"watch":{"0":' + b"1" * 1100 + b"}}", 1), (b"x" * 70_000, 1), (b"{}", 2), (b"\xff\xfe", 1), (b"", 1),
     (b"not json", 1), (b"[]", 1), (b'"watch"', 1), (b'{"watch":[1]}', 1), (b'{"watch":{"9":100}}', 1),
     (b'{"watch":{"-1":100}}', 1), (b'{"watch":{"0":-5}}', 1), (b'{"watch":{"0":1e9}}', 1),
     (b'{"watch":{"0":99999}}', 1),     (b'{"watch":{"\xd9\xa1":100}}', 1), (b'{"ack":"1"}', 1), (b'{"ack":[0]}', 1),
     (b'{"ack":[0,1.5]}', 1),
     (b'{"ping":"x"}', 1), (b'{"ping":NaN}', 1), (b'{"ping":1,"x":' + b"[" * 400 + b"}", 1), (b'{"exec":"rm"}', 1)],
)  # fmt: skip
def test_messages_that_no_page_sends_end_the_connection(local: Server, content: bytes, opcode: int) -> None:
    with WebSocketClient(port(local)) as client:
        client.send(content, opcode)
        assert client.end() in (0, 1002, 1003, 1007, 1008, 1009)
    assert request(port(local)).status == 200, "and the server goes on"


def test_a_flood_of_messages_ends_the_connection(local: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "_MOST_MESSAGES", 50)
    with WebSocketClient(port(local)) as client:
        for _ in range(60):
            client.say({"ack": [0, 1]})
        assert client.end() in (0, 1008), "0: it broke off, with some of the flood unread"


def test_too_many_viewers_are_refused_and_those_who_watch_are_not(
    local: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert until(lambda: not local.hub.viewers), "those of earlier tests have left"
    monkeypatch.setattr(server_module, "MOST_VIEWERS", 2)
    with WebSocketClient(port(local)) as first, WebSocketClient(port(local)) as second:
        first.words("status")
        second.words("status")
        with WebSocketClient(port(local)) as third:
            assert third.status == 503
        first.say({"watch": {"0": 320}})
        assert first.picture()[0]["camera"] == 0
    assert until(lambda: not local.hub.viewers)
    with WebSocketClient(port(local)) as again:
        assert again.status == 101, "their places are free again"


def test_too_many_connections_are_closed_at_once(local: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_server, "_MOST_CONNECTIONS", 5)
    held = [socket.create_connection(("127.0.0.1", port(local))) for _ in range(5)]
    try:
        assert until(lambda: sum(each.transport is not None for each in local._silent.copy()) >= 5)  # type: ignore[attr-defined] # aiohttp's
        assert request(port(local)).status == 0
    finally:
        for connection in held:
            connection.close()
    assert until(lambda: request(port(local)).status == 200)


def test_a_connection_that_says_nothing_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_server, "_GREETING_SECONDS", 0.3)
    with serving() as server, socket.create_connection(("127.0.0.1", port(server)), WAIT) as silent:
        silent.sendall(b"GET / HTTP/1.1\r\nHost: ")
        with suppress(ConnectionError):
            assert silent.recv(10) == b"", "closed without a word"
        assert request(port(server)).status == 200


def test_a_websocket_is_not_compressed_whatever_is_asked_for(local: Server) -> None:
    with WebSocketClient(port(local), Sec_WebSocket_Extensions="permessage-deflate") as client:
        assert client.status == 101
        assert "sec-websocket-extensions" not in client.headers


# What every response says.


@pytest.mark.parametrize(
    "path", ["/", "/page.js", "/api/latest.jpg", "/nothing", "/healthz", "/api/latest.jpg?width=x"]
)
def test_every_response_forbids_what_a_page_of_ours_does_not_do(local: Server, path: str) -> None:
    headers = request(port(local), path).headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    assert "*" not in policy
    assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "no-referrer")
    assert (headers["cache-control"], headers["cross-origin-resource-policy"]) == ("no-store", "same-origin")
    assert "server" not in headers, "what is installed is nobody's business"


def test_refusals_say_as_much(opened: Server) -> None:
    assert "content-security-policy" in request(port(opened)).headers
    assert "content-security-policy" in request(port(opened), Host="evil.example").headers


def test_an_upgrade_of_another_path_is_not_a_way_in(local: Server) -> None:
    answer = request(port(local), "/api/cameras", **{**UPGRADE, "Origin": None})
    assert answer.status == 403
