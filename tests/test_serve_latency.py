"""The delay from a screen to a camera, read from a code: with a simulated camera that films it, and in a browser."""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

pytest.importorskip("aiohttp", reason="needs poseline[serve]")
pytest.importorskip("simplejpeg", reason="needs poseline[serve]")

from poseline.frame import Pixels
from poseline.serve import latency
from serve_worlds import WebSocketClient, seen, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


def screen(time: float, numbers: tuple[int, int] | None = None) -> Pixels:
    """What the latency page shows at this time, (H, W, 3) BGR."""
    cell, picture = 20, np.full((260, 480, 3), 255, np.uint8)
    for place, number in enumerate(numbers or latency.numbers(time)):
        bits = np.array([int(bit) for bit in latency.markers()[number]], np.uint8).reshape(latency.CELLS, latency.CELLS)
        marker = np.kron(bits * 255, np.ones((cell, cell), np.uint8))
        left = 60 + place * 190
        picture[60 : 60 + len(marker), left : left + len(marker)] = marker[:, :, None]
    return picture


def filmed(shown: Pixels, noise: int = 12) -> Pixels:
    """The screen as a camera at its side sees it: smaller, aslant, darker, with noise."""
    height, width = shown.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    seen_at = np.array([[130, 90], [560, 130], [540, 390], [150, 420]], np.float32)
    around = np.full((480, 640, 3), 70, np.uint8)
    cv2.warpPerspective(shown, cv2.getPerspectiveTransform(corners, seen_at), (640, 480), around, borderMode=5)
    grain = np.random.default_rng(1).normal(0, noise, around.shape)
    return np.clip(around * 0.7 + 20 + grain, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("wanted", [0.0, 31.0, 180.0, 950.0, 4200.0])
@pytest.mark.parametrize("now", [12.345, 99999.9])
def test_the_delay_is_read_from_a_filmed_code(wanted: float, now: float) -> None:
    frame = seen(0, arrival=now, shown=filmed(screen(now - wanted / 1000))).frame
    assert latency.delay(frame) == pytest.approx(wanted, abs=latency.STEP + 0.01)


def test_a_picture_that_mixes_two_codes_is_not_read() -> None:
    first, second = latency.numbers(10.0), latency.numbers(10.02)
    assert latency.delay(seen(0, shown=filmed(screen(0, (first[0], second[1])))).frame) is None
    mixed = (screen(10.0).astype(int) + screen(10.02)) // 2
    assert latency.delay(seen(0, shown=filmed(mixed.astype(np.uint8))).frame) is None


def test_no_code_is_no_delay() -> None:
    assert latency.delay(seen(0).frame) is None
    one = screen(1.0)
    one[:, 240:] = 255
    assert latency.delay(seen(0, shown=filmed(one)).frame) is None


def test_the_page_is_told_the_cameras_delay_and_that_of_processing() -> None:
    wanted = 0.12
    with serving() as server, WebSocketClient(server.address.port) as client:
        client.say({"latency": True})
        told = []
        for index in range(8):
            arrival = time.monotonic()
            shown = filmed(screen(arrival - wanted))
            time.sleep(0.03)
            server.hub.feeds[0].put(seen(index, arrival=arrival, shown=shown))
            told.append(client.words("latency"))
        client.say({"latency": False})
        assert median(each["camera_ms"] for each in told) == pytest.approx(1000 * wanted, abs=latency.STEP + 0.1)
        assert all(each["processing_ms"] >= 30 for each in told)


@pytest.fixture
def page(browser: Browser) -> Page:
    return browser.new_page(viewport={"width": 800, "height": 500})


@pytest.mark.browser
def test_what_the_page_shows_is_filmed_and_the_whole_delay_told(page: Page) -> None:
    """The camera is a screenshot that arrives a second after it was taken, at the earliest.

    How late the page draws, and how well it knows the server's clock, depends on how busy this computer is.
    """
    with serving() as server:
        page.goto(f"{server.urls()[0]}latency")
        page.wait_for_function("document.getElementById('code').width > 0")
        page.wait_for_timeout(500)
        delays: list[float] = []
        for index in range(20):
            before = time.monotonic()
            taken = cv2.imdecode(np.frombuffer(page.locator("#code").screenshot(), np.uint8), cv2.IMREAD_COLOR)
            after = time.monotonic()
            assert taken is not None
            arrival = after + 1.0
            frame = seen(index, arrival=arrival, shown=filmed(cv2.resize(np.asarray(taken), (480, 260)), 4)).frame
            found = latency.delay(frame)
            if found is not None:
                assert 1000 - 300 <= found <= 1000 + 1000 * (after - before) + 300
                delays.append(found)
            page.wait_for_timeout(max(0.0, 1000 * (arrival - time.monotonic())))
            server.hub.feeds[0].put(seen(index, arrival=arrival, shown=frame.picture))
            if len(delays) == 3:
                break
        assert len(delays) == 3
        page.wait_for_selector("#rows td")
        cells = page.locator("#rows td").all_inner_texts()
        assert cells[0] == "front"
        whole, of_camera = (int(cells[column].split()[0]) for column in (1, 2))
        assert whole >= of_camera >= 700
