"""The page in a real browser: what it draws, says and does."""

from __future__ import annotations

import http.server
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest

pytest.importorskip("aiohttp", reason="needs poseline[serve]")
pytest.importorskip("simplejpeg", reason="needs poseline[serve]")

from browser_worlds import until
from poseline.frame import Gap
from poseline.serve import feed as feed_module
from poseline.serve.address import Address
from poseline.serve.keep import Recordings
from poseline.serve.recorder import Recorder
from poseline.serve.server import Server
from serve_worlds import INFO, Filming, header, picture, seen, serving, standing

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

pytestmark = pytest.mark.browser


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture
def two() -> Iterator[Server]:
    with serving("127.0.0.1", "front", "back") as server:
        yield server


@contextmanager
def watching(context: BrowserContext, server: Server, url: str | None = None) -> Iterator[Page]:
    """The page, open; anything that it complains of fails the test."""
    complaints: list[str] = []
    page = context.new_page()
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(url or server.urls()[0])
    page.wait_for_selector("#link[data-state=live]")
    yield page
    assert not [text for text in complaints if "WebSocket" not in text and "503" not in text], complaints


def colour(page: Page, x: float, y: float, tile: int = 0) -> list[int]:
    """Red, green and blue of a tile's canvas, at a place in the frame's pixels."""
    found: list[int] = page.evaluate(
        """([x, y, tile]) => {
            const canvas = document.querySelectorAll('.tile canvas')[tile];
            if (!canvas?.width) return [-99, -99, -99];
            const at = [x * canvas.width / 320, y * canvas.height / 240].map(Math.round);
            return [...canvas.getContext('2d').getImageData(...at, 1, 1).data].slice(0, 3);
        }""",
        [x, y, tile],
    )
    return found


def near(found: list[int], expected: tuple[int, int, int], by: int = 30) -> bool:
    return all(abs(one - other) <= by for one, other in zip(found, expected, strict=True))


NOTE_ANNOUNCEMENTS = """window.announced = [];
new MutationObserver(() => announced.push(document.getElementById('announce').textContent))
    .observe(document.getElementById('announce'), { childList: true, characterData: true, subtree: true });"""
"""Has the page keep in `announced` what it says to screen readers, which the next sentence replaces."""
LEFT_JOINT, GREY = (0, 114, 178), (98, 98, 98)


def test_picture_and_keypoints_are_drawn_where_they_belong(context: BrowserContext, server: Server) -> None:
    with watching(context, server) as page:
        server.hub.feeds[0].put(seen(0, standing(100), shown=picture(100)))
        until(page, lambda: near(colour(page, 250, 200), GREY))
        assert near(colour(page, 100, 60 + 5 * 15), LEFT_JOINT), "the left ankle"
        assert near(colour(page, 80, 100), LEFT_JOINT), "the box of person 1 has the same blue"
        server.hub.feeds[0].put(seen(1, standing(200), shown=picture(160)))
        until(page, lambda: near(colour(page, 200, 60 + 5 * 15), LEFT_JOINT))
        assert near(colour(page, 100, 100), (168, 168, 168)), "nothing of the last frame is left"


def test_each_event_names_its_camera_where_there_are_several(context: BrowserContext, two: Server) -> None:
    for number, feed in enumerate(two.hub.feeds):
        feed.put(seen(0, standing(identity=number + 1)))
    with watching(context, two) as page:
        entered = page.locator("#event-list li.enter .where")  # beside which the list may tell that a camera is late
        until(page, lambda: entered.count() == 2)
        assert set(entered.all_inner_texts()) == {"front", "back"}


def test_one_enlarged_far_down_the_page_is_seen(context: BrowserContext, two: Server) -> None:
    for feed in two.hub.feeds:
        feed.put(seen(0, standing()))
    with watching(context, two) as page:
        page.set_viewport_size({"width": 390, "height": 600})
        until(page, lambda: page.locator(".tile").count() == 2)
        page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
        page.keyboard.press("2")
        until(page, lambda: page.evaluate(
            "() => { const at = document.querySelector('.tile.big').getBoundingClientRect();"
            " return at.top >= document.querySelector('header').getBoundingClientRect().bottom - 1"
            " && at.top < innerHeight / 2; }"
        ))  # fmt: skip


def test_switches_change_what_is_drawn_at_once_and_are_remembered(context: BrowserContext, server: Server) -> None:
    server.hub.feeds[0].put(seen(0, standing(100), shown=picture(100)))
    with watching(context, server) as page:
        until(page, lambda: near(colour(page, 100, 135), LEFT_JOINT))
        page.click("text=Skeleton")
        assert near(colour(page, 100, 135), GREY), "though no new frame came"
        assert near(colour(page, 80, 100), LEFT_JOINT), "the box is still there"
        assert page.get_attribute("text=Skeleton", "aria-pressed") == "false"
        page.click("text=Boxes")
        assert near(colour(page, 80, 100), GREY)
        assert page.evaluate("fetch('/api/latest.json').then((answer) => answer.json())")["persons"]
        page.reload()
        until(page, lambda: near(colour(page, 250, 200), GREY))
        assert near(colour(page, 100, 135), GREY)
        page.keyboard.press("o")  # labels alone are on: all off
        page.keyboard.press("o")
        assert page.get_attribute("text=Labels", "aria-pressed") == "true"


def test_states_are_told_in_words_and_colour(
    context: BrowserContext, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "_LOST", 600.0)  # a slow computer is to see each state
    feed = server.hub.feeds[0]
    with watching(context, server) as page:
        chip, veil = page.locator(".tile .chip"), page.locator(".tile .veil")
        until(page, lambda: "waiting for the first picture" in veil.inner_text())

        class Outage:
            retry_at: float | None = None
            cause = ""

        outage = feed.outage = Outage()
        page.evaluate(NOTE_ANNOUNCEMENTS)
        shown: dict[str, tuple[str, str, bool]] = {}

        def see(state: str) -> bool:
            """Whether the chip says so now; its word, its colour, and whether the picture is veiled are noted."""
            found = chip.evaluate(
                "(chip) => [chip.dataset.state, chip.innerText, getComputedStyle(chip).color, "
                "chip.closest('.tile').querySelector('.veil').checkVisibility()]"
            )
            shown[found[0]] = tuple(found[1:])
            return bool(found[0] == state)

        with Filming(feed):
            until(page, lambda: see("live"))
        until(page, lambda: see("late"))
        outage.retry_at = time.monotonic() + 600
        until(page, lambda: see("lost"))
        until(page, lambda: re.search(r"no picture for \d+ s \(trying again in [56]\d\d s\)", veil.inner_text()))
        assert (shown["live"][0], shown["live"][2]) == ("live", False)
        assert len({shown[state][1] for state in ("live", "late", "lost")}) == 3
        until(page, lambda: re.search("trying again|no picture", page.evaluate("announced.join()")))
        outage.retry_at = None
        with Filming(feed):
            page.wait_for_selector(".tile .chip[data-state=live]")
        feed.end("the cable was cut")
        page.wait_for_selector(".tile .chip[data-state=failed]")
        until(page, lambda: veil.inner_text() == "the cable was cut")


def test_the_page_comes_back_when_the_server_does(context: BrowserContext) -> None:
    server = Server(Address("127.0.0.1", 0))
    server.hub.add("front").begin(header(), INFO)
    server.start()
    with watching(context, server) as page:
        server.stop()
        page.wait_for_selector("#link[data-state=lost]")
        until(page, lambda: re.fullmatch(r"no connection: trying again in \d+ s", page.inner_text("#link-text")))
        page.wait_for_selector(".tile .chip[data-state=lost]")
        again = Server(server.address)
        again.hub.add("front").begin(header(), INFO)
        again.start()
        try:
            page.wait_for_selector("#link[data-state=live]")
            again.hub.feeds[0].put(seen(0, shown=picture(100)))
            until(page, lambda: near(colour(page, 250, 200), GREY))
        finally:
            again.stop()


def test_cameras_are_enlarged_by_click_and_key(context: BrowserContext, two: Server) -> None:
    with Filming(two.hub.feeds[0]), Filming(two.hub.feeds[1]), watching(context, two) as page:
        page.wait_for_selector(".tile >> nth=1 >> .chip[data-state=live]")
        small = page.locator(".tile canvas").nth(1).bounding_box()
        page.keyboard.press("2")
        assert page.locator(".tile:visible").count() == 1
        assert page.inner_text(".tile:visible .name") == "back"
        large = page.locator(".tile canvas").nth(1).bounding_box()
        assert small is not None
        assert large is not None
        assert large["width"] > 1.5 * small["width"]
        until(page, lambda: [set(viewer.paces) for viewer in two.hub.viewers] == [{1}])
        page.keyboard.press("Escape")
        assert page.locator(".tile:visible").count() == 2
        page.locator(".tile .screen").first.click()
        assert page.inner_text(".tile:visible .name") == "front"
        page.click("text=All cameras")
        assert page.locator(".tile:visible").count() == 2
        page.keyboard.press("9")
        assert page.locator(".tile:visible").count() == 2, "there are two"


def test_full_screen_and_help(context: BrowserContext, server: Server) -> None:
    server.hub.feeds[0].put(seen(0))
    with watching(context, server) as page:
        page.wait_for_selector(".tile")
        page.keyboard.press("f")
        until(page, lambda: page.evaluate("document.fullscreenElement?.className.startsWith('tile')"))
        page.keyboard.press("f")
        until(page, lambda: page.evaluate("document.fullscreenElement === null"))
        page.keyboard.press("?")
        assert page.is_visible("#keys")
        page.keyboard.press("Escape")
        assert not page.is_visible("#keys")


def test_a_snapshot_is_a_picture_and_its_keypoints(context: BrowserContext, server: Server, tmp_path: Path) -> None:
    server.hub.feeds[0].put(seen(12, standing(), shown=picture(100)))
    files: list[Any] = []
    with watching(context, server) as page:
        until(page, lambda: near(colour(page, 250, 200), GREY))
        page.on("download", lambda file: files.append(file))  # it refuses a method of a list
        page.keyboard.press("s")
        page.wait_for_selector("#toasts >> text=Snapshot of front saved")  # which goes after a few seconds
        until(page, lambda: len(files) == 2)
        names = sorted(file.suggested_filename for file in files)
        assert [re.sub(r"\d{4}-\d\d-\d\dT\d{6}", "TIME", name) for name in names] == [
            "front-TIME-frame12.jpg", "front-TIME-frame12.json",
        ]  # fmt: skip
        for file in files:
            file.save_as(tmp_path / file.suggested_filename)
        assert orjson.loads((tmp_path / names[1]).read_bytes())["frame"] == 12
        assert (tmp_path / names[0]).read_bytes()[:2] == b"\xff\xd8"


def test_recording_by_key_is_shown_and_its_files_are_offered(
    context: BrowserContext, server: Server, tmp_path: Path
) -> None:
    feed = server.hub.feeds[0]
    feed.recorder = recorder = Recorder(
        "front", tmp_path / "recordings", Recordings(1.0), feed.run_record, feed.note_recording
    )
    recorder.start()
    with Filming(feed), watching(context, server) as page:
        page.wait_for_selector(".tile .record:visible")
        page.keyboard.press(" ")
        page.wait_for_selector(".tile .record[aria-pressed=true]")
        until(page, lambda: re.fullmatch(r"recording \d+ s", page.inner_text(".tile .length")))
        page.click(".tile .record")
        page.wait_for_selector(".tile .record[aria-pressed=false]")
        page.wait_for_selector("#event-list .recording a >> nth=1")
        with page.expect_download() as waiting:
            page.click("#event-list .recording a >> nth=0")
        assert waiting.value.suggested_filename.endswith(".mp4")
        waiting.value.save_as(tmp_path / "got.mp4")
        assert (tmp_path / "got.mp4").read_bytes() == recorder.finished[0].video.read_bytes()
    recorder.close()


def test_events_plot_and_statistics(context: BrowserContext, server: Server) -> None:
    feed = server.hub.feeds[0]
    with watching(context, server) as page:
        until(page, lambda: any(viewer.paces for viewer in server.hub.viewers))
        page.evaluate(NOTE_ANNOUNCEMENTS)
        for index in range(8):
            feed.put(seen(index, standing(100, identity=3), gap=Gap(0, 2.5, "unplugged") if index == 4 else None))
            page.wait_for_timeout(60)
        until(page, lambda: page.locator("#event-list li:not(.state)").count() == 2)
        assert page.locator("#event-list li:not(.state) .what").all_inner_texts() == [
            "2.5 s without pictures: unplugged", "person 3 entered",
        ]  # fmt: skip
        until(page, lambda: "person 3 entered" in page.evaluate("announced.join()"))
        page.click("role=tab[name=Plot]")
        page.select_option("#plot-person", "3")
        page.select_option("#plot-quantity", "y:left_knee")
        feed.put(seen(9, standing(100, identity=3)))
        until(page, lambda: page.inner_text("#plot-value") == f"{240 - (60 + 5 * 13):.1f}")
        page.select_option("#plot-quantity", "angle:left_knee")
        feed.put(seen(10, standing(100, identity=3)))
        until(page, lambda: page.inner_text("#plot-value") == "180")
        page.click("role=tab[name=Statistics]")
        until(page, lambda: "Frames\t10" in page.inner_text("#number-rows"))
        rows = dict(row.split("\t") for row in page.inner_text("#number-rows").splitlines())
        assert rows["Persons"] == "1"
        assert rows["Picture"].removesuffix(", H.264") == "320 \u00d7 240", "H.264 where this computer is slow"
        assert re.fullmatch(r"\d+ ms", rows["Age, median"])


def test_a_hidden_page_gets_nothing(context: BrowserContext, server: Server) -> None:
    hide = """(hidden) => {
        Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });
        document.dispatchEvent(new Event('visibilitychange'));
    }"""
    with Filming(server.hub.feeds[0]), watching(context, server) as page:
        until(page, lambda: [len(viewer.paces) for viewer in server.hub.viewers] == [1])
        page.evaluate(hide, True)
        until(page, lambda: [len(viewer.paces) for viewer in server.hub.viewers] == [0])
        page.evaluate(hide, False)
        until(page, lambda: [len(viewer.paces) for viewer in server.hub.viewers] == [1])
        page.wait_for_selector(".tile .chip[data-state=live]")


def test_all_is_reached_by_keyboard_and_has_a_name(context: BrowserContext, two: Server) -> None:
    with Filming(two.hub.feeds[0]), watching(context, two) as page:
        page.wait_for_selector(".tile >> nth=1")
        reached = set()
        for _ in range(40):
            page.keyboard.press("Tab")
            reached.add(
                page.evaluate(
                    "document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent.trim()"
                )
            )
        for wanted in ("Skeleton", "Boxes", "Labels", "Trails", "Keys", "Open on a phone", "Snapshot", "Enlarge",
                       "Full screen", "Events"):  # fmt: skip
            assert wanted in reached
        nameless = page.evaluate(
            "[...document.querySelectorAll('button, select, canvas, [role=tabpanel]')].filter((part) => !part.ariaLabel"
            " && !part.textContent.trim() && !part.labels?.length && !part.getAttribute('aria-labelledby')).length"
        )
        assert nameless == 0
        until(page, lambda: page.get_attribute(".tile canvas", "aria-label") == "front: live, 1 person")
        page.focus("#tab-events")
        page.keyboard.press("ArrowRight")
        assert page.is_visible("#plot-quantity")
        assert page.evaluate("document.activeElement.id") == "tab-plot"


@pytest.mark.parametrize("width", [1440, 820, 390, 320])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_the_screen_and_text_can_be_read(browser: Browser, width: int, scheme: Any) -> None:
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    with serving("127.0.0.1", "front", "a-camera-with-quite-a-long-name-at-the-back-door") as server:
        for feed in server.hub.feeds:
            feed.put(seen(0, standing()))
        with watching(context, server) as page:
            page.wait_for_selector(".tile >> nth=1")
            assert page.evaluate("document.scrollingElement.scrollWidth") <= width
            for tab in ("Plot", "Statistics", "Events"):
                page.click(f"role=tab[name={tab}]")
                assert page.evaluate("document.scrollingElement.scrollWidth") <= width
            ground, ink = page.evaluate(
                "['background-color', 'color'].map((name) => getComputedStyle(document.body).getPropertyValue(name))"
            )
            light = [sum(map(int, re.findall(r"\d+", text)[:3])) for text in (ground, ink)]
            assert (light[0] > light[1]) == (scheme == "light")
            assert abs(light[0] - light[1]) > 400
    context.close()


# Doors, as a browser sees them.


@contextmanager
def site(page: str) -> Iterator[str]:
    """Another web site: `localhost` is another one than `127.0.0.1`."""

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the library's name
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page.encode())

        def log_message(self, *_: Any) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://localhost:{server.server_address[1]}/"
    server.shutdown()
    server.server_close()


def test_the_tokens_link_works_also_from_another_page_and_leaves_the_address(context: BrowserContext) -> None:
    with serving("0.0.0.0") as server:  # noqa: S104 # that is what is tested
        server.hub.feeds[0].put(seen(0))
        url = f"http://127.0.0.1:{server.address.port}/"
        with site(f'<a href="{url}?token={server.access.token}">watch</a>') as other:
            page = context.new_page()
            page.goto(other)
            page.click("text=watch")
            page.wait_for_selector("#link[data-state=live]")
            assert page.url == url
            assert page.evaluate("document.cookie") == "", "no script reads it"
            cookie = context.cookies()[0]
            assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
            page.reload()
            page.wait_for_selector("#link[data-state=live]")
            page.click("#share")
            page.wait_for_selector("#code svg path")


def test_without_the_token_the_page_says_what_to_do(context: BrowserContext) -> None:
    with serving("0.0.0.0") as server:  # noqa: S104 # that is what is tested
        page = context.new_page()
        answer = page.goto(f"http://127.0.0.1:{server.address.port}/")
        assert answer is not None
        assert answer.status == 401
        assert "open the address that Poseline printed" in page.inner_text("body")


ATTEMPTS = """async (there) => {
    const results = {};
    const kept = (name, promise) =>
        promise.then((value) => { results[name] = value; }, () => { results[name] = "refused"; });
    const loaded = (tag, path, set) => new Promise((done, fail) => {
        const element = document.createElement(tag);
        element.onload = () => done("loaded");
        element.onerror = fail;
        element.src = `http://${there}${path}`;
        document.head.append(element);
    });
    const opened = (path) => new Promise((done, fail) => {
        const socket = new WebSocket(`ws://${there}${path}`);
        socket.onopen = () => done("open");
        socket.onerror = fail;
    });
    const framed = () => new Promise((done) => {
        const frame = document.createElement("iframe");
        frame.src = `http://${there}/`;
        frame.onload = () => {
            try { done(frame.contentDocument?.title || "refused"); } catch { done("refused"); }
        };
        document.body.append(frame);
    });
    await kept("fetch", fetch(`http://${there}/api/latest.json`).then((answer) => answer.text()));
    await kept("picture", loaded("img", "/api/latest.jpg"));
    await kept("stream", loaded("img", "/api/stream.mjpg"));
    await kept("script", loaded("script", "/page.js"));
    await kept("socket", opened("/ws"));
    await kept("records", opened("/api/front/keypoints"));
    await kept("frame", framed());
    return results;
}"""


def test_another_site_gets_nothing(context: BrowserContext, server: Server) -> None:
    server.hub.feeds[0].put(seen(0))
    with site("<p>another site") as other:
        page = context.new_page()
        page.goto(other)
        found = page.evaluate(ATTEMPTS, f"127.0.0.1:{server.address.port}")
    assert len(found) == 7
    assert set(found.values()) == {"refused"}, found
