"""H.264 for viewers whose link is too slow for JPEG: each gets a stream that can be decoded from its first frame on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import pytest

pytest.importorskip("aiohttp", reason="needs poseline[serve]")
pytest.importorskip("simplejpeg", reason="needs poseline[serve]")

from media_worlds import WAIT, until
from poseline import machine
from poseline.frame import Frame, plane_pixels
from poseline.overlay.writable import writable_yuv
from poseline.serve import h264 as h264_module
from poseline.serve.pace import Pace
from poseline.serve.server import Server
from serve_worlds import HEIGHT, WIDTH, WebSocketClient, picture, seen, serving, standing

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


class Watching:
    """A viewer that decodes H.264 with FFmpeg's decoder; each frame's luma tells its number."""

    def __init__(self, server: Server) -> None:
        before = set(server.hub.viewers)
        self.client = WebSocketClient(server.address.port)
        self.client.say({"h264": True})
        self.client.say({"watch": {"0": WIDTH}})
        assert until(lambda: any(viewer.paces for viewer in server.hub.viewers - before))
        (self.viewer,) = (viewer for viewer in server.hub.viewers - before if viewer.paces)
        self.pace = self.viewer.paces[0]
        self.decoder: Any = av.CodecContext.create("h264", "r")
        self.keys: list[int] = []

    def slow(self) -> None:
        """JPEG is too slow for its link."""
        self.pace.coded = True

    def next(self, acknowledges: bool = True) -> tuple[int, int]:
        """The next frame's number, and the number that is seen in its picture."""
        head, content = self.client.picture()
        assert "codec" in head, "it is H.264"
        if head["codec"]:
            self.keys.append(head["frame"])
            assert head["codec"].startswith("avc1.42")
        if acknowledges:
            self.client.say({"ack": [0, head["number"]]})
        (frame,) = self.decoder.decode(av.Packet(content))
        assert (frame.width, frame.height) == (WIDTH, HEIGHT)
        return head["frame"], round(float(plane_pixels(frame.planes[0]).mean())) - 20


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """One that does not judge how soon pictures are drawn: the test says who is slow, not how busy this computer is."""
    monkeypatch.setattr(Pace, "judge", lambda *_: None)
    with serving() as server:
        yield server


@pytest.fixture
def watching(server: Server) -> Iterator[Callable[[], Watching]]:
    """Gives one more viewer."""
    with ExitStack() as clients:

        def watch() -> Watching:
            viewer = Watching(server)
            clients.callback(viewer.client.close)
            return viewer

        yield watch


def put(server: Server, index: int) -> None:
    server.hub.feeds[0].put(seen(index, standing(), shown=picture(20 + index)))


def test_every_frame_is_decoded_as_the_one_that_it_is(server: Server, watching: Callable[[], Watching]) -> None:
    viewer = watching()
    viewer.slow()
    for index in range(30):
        put(server, index)
        assert np.allclose(viewer.next(), index, atol=1)
    assert viewer.keys == [0]


def test_it_is_encoded_once_for_all_and_who_comes_later_begins_with_a_key_frame(
    server: Server, watching: Callable[[], Watching], monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[int] = []

    def copied(frame: Frame) -> av.VideoFrame:
        encoded.append(frame.index)
        return writable_yuv(frame)

    monkeypatch.setattr(h264_module, "writable_yuv", copied)
    first, second = watching(), watching()
    for viewer in (first, second):
        viewer.slow()
    for index in range(10):
        put(server, index)
        assert first.next()[0] == second.next()[0] == index
    assert encoded == list(range(10))
    late = watching()
    assert late.client.picture()[0]["frame"] == 9, "as JPEG"
    late.slow()
    time.sleep(0.3)  # key frames are not given more often
    put(server, 10)
    assert [viewer.next()[0] for viewer in (first, second)] == [10, 10]
    assert until(lambda: server.hub.video(server.hub.feeds[0])._key_wanted), "by the late one"
    put(server, 11)
    assert [viewer.next()[0] for viewer in (first, second, late)] == [11, 11, 11]
    assert late.keys == [11]
    assert first.keys[-1] == 11, "the one stream has it"
    assert encoded == list(range(12))


def test_who_has_missed_frames_goes_on_with_a_key_frame(server: Server, watching: Callable[[], Watching]) -> None:
    quick, slow = watching(), watching()
    for viewer in (quick, slow):
        viewer.slow()
    put(server, 0)
    quick.next(), slow.next(acknowledges=False)
    put(server, 1)
    quick.next(), slow.next(acknowledges=False)
    for index in range(2, 6):  # two are in flight to the slow one
        put(server, index)
        assert quick.next()[0] == index
    slow.client.say({"ack": [0, 2]})
    assert until(lambda: server.hub.video(server.hub.feeds[0])._key_wanted)
    time.sleep(0.3)  # key frames are not given more often
    index, frame = 6, -1
    while frame < 6:
        put(server, index)
        quick.next()
        if index > 6:
            frame, shown = slow.next()
            assert shown == pytest.approx(frame, abs=1)
        index += 1
    assert slow.keys == [0, frame], "what came between is of no use to it"


def test_frames_that_nobody_takes_are_not_encoded_and_break_nothing(
    server: Server, watching: Callable[[], Watching]
) -> None:
    viewer = watching()
    viewer.slow()
    for index in (0, 1):
        put(server, index)
        viewer.next(acknowledges=False)
    for index in range(2, 20):
        put(server, index)
        time.sleep(0.01)
    viewer.client.say({"ack": [0, 2]})
    assert np.allclose(viewer.next(), 19, atol=1)
    assert viewer.keys == [0], "it builds on what the viewer has"


@pytest.mark.parametrize("leaves", [True, False])
def test_the_encoder_ends_when_nobody_needs_it_and_begins_again(
    leaves: bool, server: Server, watching: Callable[[], Watching]
) -> None:
    """Else a viewer who was slow once has cost memory and a thread for as long as the run lasts."""
    viewer = watching()
    viewer.slow()
    put(server, 0)
    assert viewer.next()[0] == 0
    thread = server.hub.video(server.hub.feeds[0])._thread
    if leaves:
        viewer.client.close()
    else:
        viewer.pace.coded = False
        viewer.client.say({"ping": 1.0})  # a page says something all the time
    assert until(lambda: not server.hub._videos)
    assert until(lambda: not any(each.is_alive() for each in thread._threads))
    if leaves:
        viewer = watching()
        viewer.client.picture()  # the newest, as JPEG
    viewer.slow()
    put(server, 1)
    assert viewer.next()[0] == 1


def test_another_size_begins_a_new_stream(server: Server, watching: Callable[[], Watching]) -> None:
    viewer = watching()
    viewer.slow()
    put(server, 0)
    viewer.next()
    server.hub.feeds[0].put(seen(1, shown=picture(100, width=161, height=121)))
    head, content = viewer.client.picture()
    assert head["codec"]
    decoder: Any = av.CodecContext.create("h264", "r")
    (frame,) = decoder.decode(av.Packet(content))
    assert (frame.width, frame.height) == (162, 122), "H.264 knows no odd size"


@pytest.mark.parametrize(("cores", "height", "slices"), [(64, 720, 4), (64, 100, 1), (2, 720, 1), (6, 720, 3)])
def test_a_recording_has_no_slice_for_each_core(
    cores: int, height: int, slices: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each costs CPU time and bytes."""
    monkeypatch.setattr(machine, "cores", lambda: cores)
    shown = picture(height=height, width=640)
    encoder = h264_module.open_encoder(shown, Fraction(1, 30), crf=20)
    shown.pts, shown.time_base = 0, Fraction(1, 30)
    (packet,) = encoder.encode(shown)
    key_slices = [unit for unit in bytes(packet).split(b"\0\0\1") if unit[:1] and unit[0] & 0x1F == 5]
    assert len(key_slices) == slices


def test_nobody_gets_it_unasked(server: Server) -> None:
    with WebSocketClient(server.address.port) as client:
        client.say({"watch": {"0": WIDTH}})
        assert until(lambda: any(viewer.paces for viewer in server.hub.viewers))
        (viewer,) = server.hub.viewers
        now = time.monotonic()
        viewer.paces[0]._lower(now, 1)
        put(server, 0)
        head, content = client.picture()
        assert "codec" not in head
        assert content.startswith(b"\xff\xd8")
        client.say({"h264": "yes"})
        assert client.end() == 1008, "no page says that"


def test_it_stands_between_the_best_jpeg_and_the_others() -> None:
    pace = Pace(0.0, h264=True)
    assert (pace.level, pace.coded) == (0, False)
    pace._lower(1.0, 2)
    assert (pace.level, pace.coded) == (0, True), "however slow, it is tried first"
    pace._lower(2.0, 1)
    assert (pace.level, pace.coded) == (1, False)
    pace._lower(3.0, 2)
    assert (pace.level, pace.coded) == (3, False)
    for level in (2, 1):
        pace._raise(10.0)
        assert (pace.level, pace.coded) == (level, False)
    pace._raise(20.0)
    assert (pace.level, pace.coded) == (0, True)
    without = Pace(0.0)
    without._lower(1.0, 1)
    assert (without.level, without.coded) == (1, False)


def test_it_stays_while_all_is_well() -> None:
    """A link that bears it would fail with JPEG again and again."""
    pace, now = Pace(0.0, h264=True), 0.0
    for number in range(6000):
        now += 1 / 30
        pace.judge(now)
        pace.sent(number, now)
        pace.acknowledged(number, now + (0.02 if pace.coded else 0.5))
        if number == 100:
            assert pace.coded
    assert (pace.level, pace.coded) == (0, True)


# In a browser.


@pytest.fixture(scope="module")
def page(browser: Browser) -> Page:
    return browser.new_page(viewport={"width": 1000, "height": 800})


def shown(page: Page, x: float, y: float) -> list[int]:
    """Red, green and blue of the canvas, at a place in the frame's pixels."""
    found: list[int] = page.evaluate(
        "([x, y]) => { const canvas = document.querySelector('.tile canvas'); if (!canvas?.width) return [-1, -1, -1];"
        " return [...canvas.getContext('2d').getImageData(Math.round(x * canvas.width / 320), "
        "Math.round(y * canvas.height / 240), 1, 1).data].slice(0, 3); }",
        [x, y],
    )
    return found


def opened(page: Page, server: Server) -> Pace:
    """The page, which gets H.264 from now on."""
    page.goto(server.urls()[0])
    page.wait_for_selector("#link[data-state=live]")
    put(server, 0)
    assert until(lambda: any(pace.h264 for viewer in server.hub.viewers for pace in viewer.paces.values()))
    pace = next(pace for viewer in server.hub.viewers for pace in viewer.paces.values())
    pace.coded = True
    return pace


def put_until(page: Page, server: Server, level: int, condition: Any) -> None:
    """Frames of this luma, until it is seen that."""
    deadline = time.monotonic() + WAIT
    index = 1
    while not condition():
        assert time.monotonic() < deadline
        server.hub.feeds[0].put(seen(index, standing(100), shown=picture(level)))
        index += 1
        page.wait_for_timeout(60)


@pytest.mark.browser
def test_the_page_decodes_it_and_draws_over_it(server: Server, page: Page) -> None:
    pace = opened(page, server)
    for level in (60, 180):
        grey = round((level - 16) * 255 / 219)
        put_until(page, server, level, lambda: np.allclose(shown(page, 280, 200), grey, atol=4))  # noqa: B023 # now
    assert np.allclose(shown(page, 100, 60 + 5 * 15), (0, 114, 178), atol=30), "the left ankle"
    page.click("#tab-numbers")
    put_until(page, server, 180, lambda: ", H.264" in page.inner_text("#number-rows"))
    assert pace.coded


@pytest.mark.browser
def test_the_latency_page_gets_none(server: Server, page: Page) -> None:
    put(server, 0)
    page.goto(f"{server.urls()[0]}latency")
    assert until(lambda: any(viewer.paces for viewer in server.hub.viewers))
    page.wait_for_timeout(300)
    assert not any(pace.h264 for viewer in server.hub.viewers for pace in viewer.paces.values())


@pytest.mark.browser
def test_the_page_falls_back_to_jpeg_by_itself(server: Server, page: Page) -> None:
    page.add_init_script("VideoDecoder.prototype.decode = () => { throw new Error('no hardware'); };")
    pace = opened(page, server)
    put_until(page, server, 180, lambda: np.allclose(shown(page, 280, 200), (180 - 16) * 255 / 219, atol=4))
    assert (pace.coded, pace.h264) == (False, False)
    assert page.locator("#link[data-state=live]").count() == 1
