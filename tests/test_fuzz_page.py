"""Messages to the live page by a seed: each is answered or refused, nothing is logged as an error, others go on."""

from __future__ import annotations

import json
import logging
import random
import socket
from contextlib import suppress

import pytest

pytest.importorskip("aiohttp", reason="needs poseline[serve]")
pytest.importorskip("simplejpeg", reason="needs poseline[serve]")

from serve_worlds import WebSocketClient, raw_request, request, seen, serving

ODD: tuple[object, ...] = (
    None, True, -1, 0, 2**63, 1e308, "", "x" * 5000, "\0", [], {}, [[]], [0, 2**31], [-1, 1], [0.5, "x"], {"a": {}},
    "../../etc", "<b>",
)  # fmt: skip
KEYS = ("ack", "camera", "width", "quality", "see", "show", "type", "number", "")


def spoiled(content: bytes, chance: random.Random) -> bytes:
    """The request with a few bytes changed, cut out, or repeated."""
    damaged = bytearray(content)
    for _ in range(chance.choice((1, 2, 5))):
        place = chance.randrange(max(1, len(damaged)))
        change = chance.randrange(3)
        damaged[place : place + 1 + 8 * (change > 0)] = (
            bytes([chance.randrange(256)]) if change == 0 else b"" if change == 1 else damaged[place : place + 8] * 50
        )
    return bytes(damaged)


def test_messages_and_requests_by_a_seed(caplog: pytest.LogCaptureFixture) -> None:
    chance = random.Random(5)  # noqa: S311 # the same messages each time
    with serving() as server, caplog.at_level(logging.WARNING):
        port = server.address.port
        server.hub.feeds[0].put(seen(0))
        client = WebSocketClient(port)
        for number in range(120):
            message = {chance.choice(KEYS): chance.choice(ODD) for _ in range(chance.randint(0, 3))}
            content = json.dumps(message).encode()
            if number % 4 == 1:
                content = spoiled(content, chance)
            elif number % 4 == 2:
                content = json.dumps(chance.choice(ODD)).encode()
            try:
                client.send(content, opcode=chance.choice((1, 1, 1, 2)))
            except OSError:  # it was closed, as it may be after what is no message
                client.close()
                client = WebSocketClient(port)
        client.close()
        for _ in range(80):
            path = chance.choice(("/", "/api/latest.jpg?width=99", "/api/camera-0/keypoints", "/metrics", "/ws"))
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection, suppress(OSError):
                connection.sendall(spoiled(raw_request(port, path), chance))
                connection.shutdown(socket.SHUT_WR)
                connection.settimeout(0.05)
                connection.recv(65536)
        with WebSocketClient(port) as another:
            assert another.words("camera")
        assert request(port, "/healthz").status == 200
        assert request(port, "/api/latest.jpg").status == 200
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []
