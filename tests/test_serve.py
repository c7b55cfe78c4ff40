"""The page's server: pictures by WebSocket and MJPEG, credit, and viewers that are slow or look away."""

from __future__ import annotations

import gc
import itertools
import socket
import threading
import time
from collections import deque
from typing import Any

import av
import cv2
import numpy as np
import orjson
import pytest

pytest.importorskip("aiohttp", reason="needs poseline[serve]")
pytest.importorskip("simplejpeg", reason="needs poseline[serve]")

from media_worlds import WAIT, until
from poseline.errors import OutputError, SettingsError
from poseline.frame import Frame
from poseline.pose import Poses
from poseline.serve import feed as feed_module
from poseline.serve import hub as hub_module
from poseline.serve.address import Address, with_value
from poseline.serve.feed import persons
from poseline.serve.picture import Variant, as_it_came, encode
from poseline.serve.server import Server
from serve_worlds import (
    HEIGHT,
    WIDTH,
    Filming,
    WebSocketClient,
    picture,
    raw_request,
    request,
    seen,
    serving,
    standing,
)


def encodings(monkeypatch: pytest.MonkeyPatch) -> list[Variant]:
    """What is encoded from now on."""
    made: list[Variant] = []

    def noting(frame: Frame, variant: Variant) -> bytes:
        made.append(variant)
        return encode(frame, variant)

    monkeypatch.setattr(hub_module, "encode", noting)
    return made


# The address.


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [("0.0.0.0:80", "0.0.0.0", 80), (":9000", "127.0.0.1", 9000), ("localhost", "localhost", 8100),  # noqa: S104
     ("[::1]:81", "::1", 81), ("::1", "::1", 8100), ("cam.local:8100", "cam.local", 8100)],
)  # fmt: skip
def test_addresses_are_read(text: str, host: str, port: int) -> None:
    assert Address.parse(text) == Address(host, port)


@pytest.mark.parametrize("text", ["a b:1", "127.0.0.1:99999", "http://x:1", "-:1", "x:y", "../x", "a_b:1"])
def test_what_is_no_address_is_told(text: str) -> None:
    with pytest.raises(SettingsError, match="127.0.0.1:8100"):
        Address.parse(text)


@pytest.mark.parametrize(
    ("given", "read"),
    [("0 --serve", "0 --serve 127.0.0.1:8100"), ("--serve 0", "--serve 127.0.0.1:8100 0"),
     ("--serve :81 0", "--serve :81 0"), ("--serve clip.mp4 --live", "--serve 127.0.0.1:8100 clip.mp4 --live"),
     ("--serve rtsp://cam:554/x", "--serve 127.0.0.1:8100 rtsp://cam:554/x"), ("--serve=:81 0", "--serve=:81 0"),
     ("--serve [::1]:81 0", "--serve [::1]:81 0")],
)  # fmt: skip
def test_the_option_needs_no_value(given: str, read: str) -> None:
    assert with_value(given.split()) == read.split()


def test_a_port_in_use_is_told_with_what_to_try() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OutputError, match=f"in use; try another port, such as --serve 127.0.0.1:{port + 1}"):
            Server(Address("127.0.0.1", port))


def test_an_address_of_another_computer_is_told() -> None:
    with pytest.raises(OutputError, match="try --serve 127.0.0.1:0, or --serve 0.0.0.0:0"):
        Server(Address("192.0.2.1", 0))


# Pictures by WebSocket.


def test_a_picture_comes_with_its_own_keypoints() -> None:
    with serving() as server, WebSocketClient(server.address.port) as client:
        described = client.words("camera")
        assert (described["name"], described["width"], len(described["keypoints"])) == ("front", WIDTH, 17)
        client.say({"watch": {"0": 320}})
        for index in range(3):
            server.hub.feeds[0].put(seen(index, standing(50 + index), shown=picture(40 + 40 * index)))
            head, jpeg = client.picture()
            client.say({"ack": [0, head["number"]]})
            assert (head["frame"], head["persons"][0]["keypoints"][0][0]) == (index, 50 + index)
            pixels = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
            assert pixels is not None
            assert pixels.shape == (HEIGHT, WIDTH)
            assert abs(float(pixels.mean()) - (24 + 40 * index) * 255 / 219) < 2


def test_without_credit_nothing_is_sent_and_then_the_newest() -> None:
    with serving() as server, WebSocketClient(server.address.port) as client:
        feed = server.hub.feeds[0]
        client.say({"watch": {"0": 320}})
        for index in range(2):
            feed.put(seen(index))
            assert client.picture()[0]["number"] == index + 1
        for index in range(2, 10):
            feed.put(seen(index))
        assert client.pictures_until_pong() == 0, "two in flight, and no more"
        client.say({"ack": [0, 2]})
        assert client.picture()[0]["number"] == 10, "nobody wants those between"


def test_nothing_is_encoded_while_nobody_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded = encodings(monkeypatch)
    with serving() as server, Filming(server.hub.feeds[0]), WebSocketClient(server.address.port) as client:
        client.words("status")
        client.words("status")
        assert not encoded, "a page that is open, and hidden"
        client.say({"watch": {"0": 320}})
        head, _ = client.picture()
        client.say({"ack": [0, head["number"]]})
        client.picture()
        client.say({"watch": {}})
        client.pictures_until_pong()
        before, filmed = len(encoded), server.hub.feeds[0].processed
        assert until(lambda: server.hub.feeds[0].processed > filmed + 10)
        assert client.pictures_until_pong() == 0
        assert len(encoded) == before, "and hidden again"


def test_viewers_of_one_size_share_their_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded = encodings(monkeypatch)
    with serving() as server:
        clients = [WebSocketClient(server.address.port) for _ in range(4)]
        for client, width in zip(clients, (320, 320, 310, 100), strict=True):
            client.say({"watch": {"0": width}})
        assert until(lambda: sum(bool(viewer.paces) for viewer in server.hub.viewers) == 4)
        server.hub.feeds[0].put(seen(0))
        jpegs = [client.picture()[1] for client in clients]
        for client in clients:
            client.close()
    assert len(encoded) == 2, "one for the three large places, one for the small"
    assert jpegs[0] == jpegs[1] == jpegs[2] != jpegs[3]


def test_what_is_said_of_a_frame_is_made_once_for_all_viewers(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def noting(poses: Poses, many_classes: bool = False) -> list[dict[str, Any]]:
        made.append(len(poses))
        return persons(poses, many_classes)

    monkeypatch.setattr(feed_module, "persons", noting)
    with serving() as server:
        port = server.address.port
        pages = [WebSocketClient(port) for _ in range(4)]
        programs = [WebSocketClient(port, "/api/front/keypoints", Origin=None) for _ in range(3)]
        for page, width in zip(pages, (320, 320, 100, 100), strict=True):
            page.say({"watch": {"0": width}})
        assert until(lambda: sum(bool(viewer.paces) for viewer in server.hub.viewers) == 4)
        for program in programs:
            program.words("run")
        server.hub.feeds[0].put(seen(0, standing()))
        heads = [page.picture()[0] for page in pages]
        records = [program.words("frame") for program in programs]
        for client in [*pages, *programs]:
            client.close()
    assert heads == [heads[0]] * 4
    assert records == [records[0]] * 3
    assert made == [1, 1], "once for pages, once for other programs"


def test_a_cameras_own_jpeg_is_passed_on_untouched_to_who_wants_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded = encodings(monkeypatch)
    done, given = cv2.imencode(".jpg", np.full((HEIGHT, WIDTH, 3), 90, np.uint8))
    assert done
    own = bytes(given.data)
    with serving() as server:
        port = server.address.port
        large, small = WebSocketClient(port), WebSocketClient(port)
        large.say({"watch": {"0": WIDTH}})
        small.say({"watch": {"0": WIDTH // 4}})
        assert until(lambda: sum(bool(viewer.paces) for viewer in server.hub.viewers) == 2)
        server.hub.feeds[0].put(seen(0, standing(), jpeg=own))
        assert large.picture()[1] == own
        assert small.picture()[1] != own
        assert encoded == [Variant(WIDTH // 4, HEIGHT // 4, 80)]
        assert request(port, "/api/latest.jpg").body == own
        assert request(port, f"/api/latest.jpg?width={WIDTH // 2}").body != own
        assert request(port, "/api/snapshot").body.endswith(own)
        with socket.create_connection(("127.0.0.1", port), WAIT) as connection:
            connection.sendall(raw_request(port, "/api/stream.mjpg"))
            received = b""
            while own not in received:
                received += connection.recv(65536)
        assert len(encoded) == 2
        large.close()
        small.close()


def test_who_is_too_slow_for_a_cameras_own_jpeg_gets_a_smaller_one() -> None:
    own = b"\xff\xd8" + bytes(1000)
    frame = seen(0, jpeg=own).frame
    variants = [Variant(WIDTH, HEIGHT, quality) for quality in (95, 80, 65)]
    assert [as_it_came(frame, variant) for variant in variants] == [own, own, None]
    assert as_it_came(seen(0).frame, variants[0]) is None


def test_two_cameras_come_side_by_side_each_with_credit_of_its_own() -> None:
    with serving("127.0.0.1", "front", "back") as server, WebSocketClient(server.address.port) as client:
        client.say({"watch": {"0": 320, "1": 320}})
        assert until(lambda: any(viewer.paces for viewer in server.hub.viewers))
        for index in range(3):
            server.hub.feeds[0].put(seen(index))
            client.picture() if index < 2 else None
        server.hub.feeds[1].put(seen(0))
        assert client.picture()[0]["camera"] == 1, "though the first has no credit left"


def test_the_clocks_can_be_compared_and_the_age_be_known() -> None:
    with serving() as server, WebSocketClient(server.address.port) as client:
        before = time.monotonic()
        client.say({"ping": 12.5})
        pong = client.words("pong")
        assert pong["ping"] == 12.5
        assert before <= pong["now"] / 1000 <= time.monotonic()
        client.say({"watch": {"0": 320}})
        server.hub.feeds[0].put(seen(0, arrival=before))
        assert abs(client.picture()[0]["arrival"] / 1000 - before) < 0.001


def test_a_viewer_on_a_slow_link_gets_smaller_pictures_and_others_do_not() -> None:
    """2 Mbit/s for 640x360 of noise, which needs more than 10 for the best quality at 15 frames a second.

    A picture of the best quality would be more than half a second on its way.
    """
    with serving() as server, Filming(server.hub.feeds[0], rate=15, size=(640, 360)):
        quick, slow = Watching(server.address.port), Watching(server.address.port, bytes_a_second=0.25e6)
        try:
            suits = until(lambda: slow.age < 0.4 and slow.width < quick.width == 640)
            assert suits, (slow.age, slow.width, quick.width)
        finally:
            quick.stop()
            slow.stop()


class Watching:
    """A viewer on a thread of its own that takes only so many bytes a second."""

    def __init__(self, port: int, bytes_a_second: float = 1e12) -> None:
        self._ages: deque[float] = deque(maxlen=15)
        self._jpeg = b""
        self._client = WebSocketClient(port)
        self._rate, self._stopped = bytes_a_second, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        self._client.say({"watch": {"0": 640}})
        while not self._stopped.is_set():
            head, jpeg = self._client.picture()
            time.sleep(len(jpeg) / self._rate)
            self._client.say({"ack": [0, head["number"]]})
            self._ages.append(time.monotonic() - head["arrival"] / 1000)
            self._jpeg = jpeg

    @property
    def age(self) -> float:
        """Seconds from a picture's arrival until it was drawn: the median of the last."""
        ages = sorted(self._ages.copy())
        return ages[len(ages) // 2] if len(ages) == self._ages.maxlen else float("inf")

    @property
    def width(self) -> int:
        """Pixels across the newest picture."""
        pixels = cv2.imdecode(np.frombuffer(self._jpeg, np.uint8), cv2.IMREAD_GRAYSCALE) if self._jpeg else None
        return 0 if pixels is None else pixels.shape[1]

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()
        self._client.close()


def test_a_viewer_that_breaks_off_leaves_nothing() -> None:
    with serving() as server, Filming(server.hub.feeds[0]):
        for _ in range(5):
            client = WebSocketClient(server.address.port)
            client.say({"watch": {"0": 320}})
            client.picture()
            client.close()
        assert until(lambda: not server.hub.viewers)
        assert until(lambda: not server.hub._waiting)


def test_events_are_told_also_to_who_comes_later() -> None:
    with serving() as server:
        server.hub.feeds[0].put(seen(0, standing(identity=4)))
        for _ in range(2):
            with WebSocketClient(server.address.port) as client:
                event = client.words("event")
                assert (event["kind"], event["person"], event["camera"]) == ("enter", 4, 0)


# Pictures for other programs.


def test_mjpeg_is_shown_at_once_and_is_read_by_ffmpeg() -> None:
    with serving() as server:
        feed = server.hub.feeds[0]
        with socket.create_connection(("127.0.0.1", server.address.port), WAIT) as connection:
            connection.sendall(raw_request(server.address.port, "/api/stream.mjpg"))
            feed.put(seen(0))
            received = b""
            while received.count(b"Content-Type: image/jpeg") < 2:  # without a second picture
                received += connection.recv(65536)
        url = f"http://127.0.0.1:{server.address.port}/api/front/stream.mjpg"
        with Filming(feed), av.open(url, format="mpjpeg", timeout=WAIT) as media:
            sizes = [(frame.width, frame.height) for frame in itertools.islice(media.decode(video=0), 5)]
        assert sizes == [(WIDTH, HEIGHT)] * 5
        assert until(lambda: server._streams == 0)


def test_the_newest_picture_and_its_record_can_be_fetched() -> None:
    with serving("127.0.0.1", "front", "back") as server:
        port = server.address.port
        assert request(port, "/api/latest.jpg").status == 503
        assert request(port, "/api/latest.json").status == 503
        server.hub.feeds[0].put(seen(0))
        server.hub.feeds[1].put(seen(7, standing(), shown=picture(200)))
        answer = request(port, "/api/back/latest.jpg?width=160")
        pixels = cv2.imdecode(np.frombuffer(answer.body, np.uint8), cv2.IMREAD_GRAYSCALE)
        assert pixels is not None
        assert pixels.shape == (120, 160)
        assert float(pixels.mean()) > 200
        record = orjson.loads(request(port, "/api/back/latest.json").body)
        assert (record["frame"], record["camera"], len(record["persons"])) == (7, "back", 1)
        assert orjson.loads(request(port, "/api/latest.json").body)["camera"] == "front"
        snapshot = request(port, "/api/back/snapshot").body
        size = int.from_bytes(snapshot[:4], "little")
        assert orjson.loads(snapshot[4 : 4 + size])["frame"] == 7
        assert cv2.imdecode(np.frombuffer(snapshot[4 + size :], np.uint8), cv2.IMREAD_COLOR) is not None


def test_records_come_by_websocket_for_other_programs() -> None:
    with serving() as server:
        with WebSocketClient(server.address.port, "/api/front/keypoints", Origin=None) as client:
            assert client.words("run")["skeleton"]["names"][0] == "nose"
            for index in range(3):
                server.hub.feeds[0].put(seen(index, standing()))
                assert client.words("frame")["frame"] == index
        with WebSocketClient(server.address.port, "/api/front/keypoints", Origin="http://evil.example") as client:
            assert client.status == 403


def test_health_is_503_once_no_camera_is_live() -> None:
    with serving() as server:
        assert request(server.address.port, "/healthz").status == 200
        server.hub.feeds[0].end("it broke")
        answer = request(server.address.port, "/healthz")
        assert (answer.status, orjson.loads(answer.body)["cameras"]) == (503, {"failed": 1})


def test_an_end_closes_every_connection_soon() -> None:
    with serving() as server, Filming(server.hub.feeds[0]):
        client = WebSocketClient(server.address.port)
        client.say({"watch": {"0": 320}})
        stream = socket.create_connection(("127.0.0.1", server.address.port), WAIT)
        stream.sendall(raw_request(server.address.port, "/api/stream.mjpg"))
        client.picture()
        server.stop()
        assert not server._thread.is_alive()
        assert client.end() in (0, 1001)
        client.close()
        stream.close()


def test_a_connection_that_comes_while_the_server_ends_is_closed_too() -> None:
    """Twenty times: nobody who connects at the last moment is left without an answer and without an end."""

    def ask(port: int, ended: threading.Event) -> None:
        while not ended.is_set():
            try:
                with socket.create_connection(("127.0.0.1", port), WAIT) as connection:
                    connection.sendall(raw_request(port, "/api/cameras", Connection="close"))
                    while connection.recv(1 << 16):
                        pass
            except TimeoutError:
                left.append(port)
            except OSError:
                time.sleep(0.0005)  # refused, or reset

    left: list[int] = []
    for count in range(20):
        ended = threading.Event()
        with serving() as server:
            askers = [threading.Thread(target=ask, args=(server.address.port, ended)) for _ in range(3)]
            for asker in askers:
                asker.start()
            time.sleep(0.02 + 0.001 * count)
        ended.set()
        for asker in askers:
            asker.join()
    gc.collect()  # a socket that is not closed is an error then
    assert not left
