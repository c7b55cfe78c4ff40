"""The inspector's page in a real browser: what it draws, and each act by mouse, by keys and by touch."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

pytest.importorskip("aiohttp", reason="needs poseline[serve]")
pytest.importorskip("simplejpeg", reason="needs poseline[serve]")

from browser_worlds import until
from inspect_worlds import ANKLE, FRAMES, NAMES, frame_record, get_json, inspecting, make_run, points_of, post
from log_worlds import COMPLETE
from media_worlds import BLOCK
from poseline import read_tracks
from poseline.inspection import Mark, inspected
from poseline.inspection.inspected import InspectedRun
from poseline.inspection.server import InspectAddress, InspectServer

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

pytestmark = pytest.mark.browser

MARKS = [
    Mark("sides", (2,), 40, 44, 0.9, "left and right knee exchanged", ("left_knee",)),
    Mark("jump", (1,), 80, 80, 0.5, "left ankle jumps", ("left_ankle",)),
    Mark("brief", (1,), 10, 12, 0.1, "seen for a moment"),
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("inspect") / "run")


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Path:
    """A run of its own, without corrections."""
    copied = tmp_path / "run"
    shutil.copytree(whole, copied)
    (copied / "corrections.jsonl").unlink(missing_ok=True)
    return copied


@pytest.fixture
def server(run: Path) -> Iterator[InspectServer]:
    with inspecting(run) as server:
        yield server


@contextmanager
def looking(context: BrowserContext, server: InspectServer) -> Iterator[Page]:
    """The page, open, with its first frame drawn; anything that it complains of fails the test."""
    complaints: list[str] = []
    page = context.new_page()
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(server.urls()[0])
    until(page, lambda: page.evaluate("Boolean(window.poseline?.stage.drawn?.complete)"))
    until(page, lambda: page.inner_text("#link-text") == "saved")
    yield page
    known = ("WebSocket", "ERR_CONNECTION", "400 (Bad Request)", "404 (Not Found)")
    assert not [text for text in complaints if not any(word in text for word in known)], complaints


def go(page: Page, frame: int) -> None:
    page.fill("#frame", str(frame))
    page.press("#frame", "Enter")
    page.focus("#view")
    drawn(page, frame)


def drawn(page: Page, place: int) -> None:
    """Wait until a frame is drawn, with its picture."""
    until(page, lambda: page.evaluate("({ ...poseline.stage.drawn })") == {"place": place, "complete": True})


def saved(page: Page) -> None:
    until(page, lambda: page.evaluate("poseline.acts.queue.length === 0 && !poseline.poses.coming.size"))


def place_of(page: Page, x: float, y: float) -> tuple[float, float]:
    """Where a pixel of the picture is in the window, in CSS pixels."""
    found = page.evaluate(
        """([x, y]) => {
            const { stage } = poseline, box = stage.canvas.getBoundingClientRect(), [left, top] = stage.to(x, y);
            const ratio = stage.canvas.width / box.width;
            return [box.left + left / ratio, box.top + top / ratio];
        }""",
        [x, y],
    )
    return found[0], found[1]


def colour(page: Page, x: float, y: float) -> list[int]:
    """Red, green and blue of the canvas, at a pixel of the picture."""
    found: list[int] = page.evaluate(
        """([x, y]) => {
            const { stage } = poseline, [left, top] = stage.to(x, y).map(Math.round);
            return [...stage.pen.getImageData(left, top, 1, 1).data].slice(0, 3);
        }""",
        [x, y],
    )
    return found


def number_shown(page: Page) -> int:
    """The number in the picture that is drawn."""
    centres = [(column * BLOCK + BLOCK / 2, row * BLOCK + BLOCK / 2) for row in range(2) for column in range(4)]
    return sum((sum(colour(page, x, y)) > 360) << bit for bit, (x, y) in enumerate(centres))


def point(page: Page, person: int, keypoint: int) -> list[float]:
    """A keypoint of the present frame, as the page has it."""
    found: list[float] = page.evaluate(
        "([person, keypoint]) => [...poseline.poses.find(poseline.state.place, person).points"
        ".slice(3 * keypoint, 3 * keypoint + 2)]",
        [person, keypoint],
    )
    return found


def near(found: list[int], expected: tuple[int, int, int], by: int = 40) -> bool:
    return all(abs(one - other) <= by for one, other in zip(found, expected, strict=True))


LEFT_JOINT = (0, 114, 178)


# What it shows.


def test_exact_pictures_and_poses_wherever_one_goes(context: BrowserContext, server: InspectServer) -> None:
    with looking(context, server) as page:
        page.click("text=Boxes")
        page.click("text=Labels")
        for frame in (0, 77, 76, 119, 30):
            go(page, frame)
            assert number_shown(page) == frame
            assert near(colour(page, *points_of(0, frame)[ANKLE]), LEFT_JOINT)
            assert page.inner_text("#time") == f"{frame / 30:.3f} s"
        page.keyboard.press("ArrowRight")
        drawn(page, 31)
        page.keyboard.press("Shift+ArrowLeft")
        drawn(page, 21)
        page.keyboard.press("End")
        drawn(page, FRAMES - 1)
        page.click("#back")
        drawn(page, FRAMES - 2)
        page.click("#first")
        drawn(page, 0)
        assert number_shown(page) == 0
        page.click("text=Skeleton")
        page.wait_for_timeout(100)
        assert not near(colour(page, *points_of(0, 0)[ANKLE]), LEFT_JOINT)


def test_playing_shows_frames_with_their_own_pictures(context: BrowserContext, server: InspectServer) -> None:
    with looking(context, server) as page:
        page.select_option("#speed", "4")
        page.focus("#view")
        page.keyboard.press(" ")
        assert page.get_attribute("#play", "aria-label") == "Stop"
        shown = set()
        while page.get_attribute("#play", "aria-label") == "Stop":
            now = page.evaluate("poseline.stage.drawn")
            if now["complete"]:
                shown.add(now["place"])
        drawn(page, FRAMES - 1)
        assert number_shown(page) == FRAMES - 1
        assert len(shown) > 3
        page.keyboard.press(",")
        assert page.input_value("#speed") == "2"


def test_timeline_and_marks(context: BrowserContext, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspected, "find_marks", lambda _: MARKS)
    with inspecting(run) as server, looking(context, server) as page:
        until(page, lambda: page.locator("#mark-list li").count() == 3)
        assert "Left and right: #2" in page.inner_text("#mark-list li >> nth=0")
        page.focus("#view")
        for key, frame, person, keypoint in (
            ("n", 40, "2", NAMES.index("left_knee")), ("n", 80, "1", ANKLE), ("n", 10, "1", None),
            ("p", 80, "1", ANKLE),
        ):  # fmt: skip
            page.keyboard.press(key)
            drawn(page, frame)
            assert page.input_value("#person") == person
            assert page.input_value("#keypoint") == ("" if keypoint is None else str(keypoint))
        page.click("#mark-list li >> nth=0")
        drawn(page, 40)
        page.select_option("#mark-kind", "brief")
        assert page.locator("#mark-list li").count() == 1
        page.click("#mark-next")
        drawn(page, 10)
        box = page.locator("#timeline").bounding_box()
        assert box is not None
        page.mouse.click(box["x"] + page.evaluate("poseline.timeline.x(60)"), box["y"] + 26 + 18 + 9)
        drawn(page, 60)
        assert page.input_value("#person") == "2", "its lane was clicked"
        assert page.get_attribute("#timeline", "aria-valuetext") == "frame 60, 2.00 seconds"
        page.mouse.move(box["x"] + page.evaluate("poseline.timeline.x(20)"), box["y"] + 8)
        page.mouse.down()
        page.mouse.move(box["x"] + page.evaluate("poseline.timeline.x(25)"), box["y"] + 8)
        page.mouse.up()
        drawn(page, 25)


def test_angles_and_a_click_on_a_curve(context: BrowserContext, server: InspectServer) -> None:
    with looking(context, server) as page:
        page.click("#tab-angles")
        until(page, lambda: page.locator("#angle option").count() > 5)
        page.select_option("#angle", label="right elbow")
        until(page, lambda: re.fullmatch(r"-?\d+\.\d", page.inner_text("#angle-value")))
        until(page, lambda: "right elbow angle of #1" in (page.get_attribute("#curve", "aria-label") or ""))
        box = page.locator("#curve").bounding_box()
        assert box is not None
        page.mouse.click(box["x"] + 40 + (box["width"] - 44) / 2, box["y"] + 50)
        until(page, lambda: abs(page.evaluate("poseline.state.place") - FRAMES / 2) <= 2)


# Acts.


class Hand:
    """Somebody who uses the mouse, the keys or a finger alone."""

    def __init__(self, page: Page, way: str) -> None:
        self.page, self.way, self.count = page, way, 0
        if way == "touch":
            self.touch = page.context.new_cdp_session(page)

    def made(self, server: InspectServer) -> dict[str, Any]:
        """The next act, as the server has it."""
        self.count += 1
        until(self.page, lambda: len(get_json(server, "/api/corrections")["acts"]) == self.count)
        saved(self.page)
        record = dict(get_json(server, "/api/corrections")["acts"][-1])
        for name in ("act", "by", "when"):
            del record[name]
        return record

    def choose(self, person: int, keypoint: int | None) -> None:
        """Choose somebody in the picture, and a keypoint."""
        page = self.page
        if self.way == "keys":
            page.focus("#view")
            page.keyboard.press("Escape")
            for _ in range(person):
                page.keyboard.press("s")
            for _ in range(0 if keypoint is None else keypoint + 1):
                page.keyboard.press("k")
        else:
            found = page.evaluate("(person) => [...poseline.poses.find(poseline.state.place, person).points]", person)
            chosen = 0 if keypoint is None else keypoint
            self.press(*place_of(page, found[3 * chosen], found[3 * chosen + 1]))
        assert page.input_value("#person") == str(person)
        assert keypoint is None or page.input_value("#keypoint") == str(keypoint)

    def press(self, x: float, y: float) -> None:
        """Click or tap somewhere."""
        if self.way == "touch":
            self.page.touchscreen.tap(x, y)
        else:
            self.page.mouse.click(x, y)

    def do(self, key: str, button: str) -> None:
        """Press a key, or a button of the panel."""
        if self.way == "keys":
            self.page.focus("#view")
            self.page.keyboard.press(key)
        elif self.way == "touch":
            self.page.tap(button)
        else:
            self.page.click(button)

    def answer(self, **values: str) -> None:
        """Fill in the dialog."""
        page = self.page
        page.wait_for_selector("#ask[open]")
        for name, value in values.items():
            field = page.locator(f"#ask [name={name}]")
            if field.evaluate("(field) => field.tagName") == "INPUT":
                if self.way == "keys":
                    page.keyboard.type(value)
                else:
                    field.fill(value)
            elif self.way == "keys":
                while field.input_value() != value:
                    page.keyboard.press("ArrowDown")
            else:
                field.select_option(value)
        if self.way == "keys":
            page.keyboard.press("Enter")
        elif self.way == "touch":
            page.tap("#ask-ok")
        else:
            page.click("#ask-ok")

    def drag(self, start: tuple[float, float], by: tuple[int, int]) -> None:
        """Drag a keypoint that is chosen, from a pixel of the picture, by pixels of the picture."""
        page = self.page
        if self.way == "keys":
            self.do("m", "")
            for key, count in (("ArrowRight", by[0]), ("ArrowDown", by[1])):
                for _ in range(count // 10):
                    page.keyboard.press(f"Shift+{key}")
                for _ in range(count % 10):
                    page.keyboard.press(key)
            page.keyboard.press("Enter")
            return
        first, last = place_of(page, *start), place_of(page, start[0] + by[0], start[1] + by[1])
        steps = [
            tuple(np.linspace(one, other, 5)[step] for one, other in zip(first, last, strict=True)) for step in range(5)
        ]
        if self.way == "touch":
            for kind, (x, y) in zip(["touchStart", *["touchMove"] * 4], steps, strict=True):
                self.touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
            self.touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
            return
        page.mouse.move(*first)
        page.mouse.down()
        for x, y in steps[1:]:
            page.mouse.move(x, y)
        page.mouse.up()

    def points(self, first: tuple[float, float], second: tuple[float, float]) -> None:
        """Set two points of the picture."""
        page = self.page
        if self.way != "keys":
            self.press(*place_of(page, *first))
            self.press(*place_of(page, *second))
            return
        x, y = page.evaluate("poseline.stage.cursor")
        for goal in (first, second):
            for key, steps in (("ArrowRight", goal[0] - x), ("ArrowDown", goal[1] - y)):
                other = {"ArrowRight": "ArrowLeft", "ArrowDown": "ArrowUp"}[key] if steps < 0 else key
                for _ in range(int(abs(steps)) // 10):
                    page.keyboard.press(f"Shift+{other}")
                for _ in range(int(abs(steps)) % 10):
                    page.keyboard.press(other)
            page.keyboard.press("Enter")
            x, y = goal


@pytest.mark.parametrize("way", ["mouse", "keys", "touch"])
def test_each_act(browser: Browser, server: InspectServer, way: str) -> None:
    context = browser.new_context(viewport={"width": 1200, "height": 900}, has_touch=way == "touch")
    with looking(context, server) as page:
        if way != "keys":
            page.click("#tab-correct")
        hand = Hand(page, way)

        go(page, 20)
        hand.choose(1, ANKLE)
        start = points_of(0, 20)[ANKLE]
        hand.drag((start[0], start[1]), (23, 11))
        made = hand.made(server)
        assert (made["do"], made["person"], made["keypoint"], list(made["at"])) == ("place", 1, "left_ankle", ["20"])
        np.testing.assert_allclose(made["at"]["20"], start + np.array([23, 11]), atol=0.6)
        np.testing.assert_allclose(point(page, 1, ANKLE), made["at"]["20"], atol=0.06)

        hand.do("g", "#between")
        go(page, 30)
        start = points_of(0, 30)[ANKLE]
        hand.drag((start[0], start[1]), (5, 3))
        made = hand.made(server)
        assert (made["do"], list(made["at"])) == ("place", ["20", "30"])
        go(page, 25)
        middle = (np.array(made["at"]["20"]) + made["at"]["30"]) / 2
        np.testing.assert_allclose(point(page, 1, ANKLE), middle, atol=0.1)
        hand.do("g", "#between")

        hand.do("h", "[data-do=hide]")
        assert hand.made(server) == {"do": "hide", "person": 1, "keypoints": ["left_ankle"], "from": 25, "to": 25}
        hand.do("i", "[data-do=spanStart]")
        go(page, 28)
        hand.do("o", "[data-do=spanEnd]")
        assert page.text_content("#span") == "Span: frame 25 to frame 28"
        hand.do("x", "[data-do=drop]")
        assert hand.made(server) == {"do": "drop", "person": 1, "keypoints": ["left_ankle"], "from": 25, "to": 28}
        hand.do("w", "[data-do=swapSides]")
        assert hand.made(server) == {"do": "swap_sides", "person": 1, "from": 25, "to": 28}
        hand.do("e", "[data-do=swapPersons]")
        hand.answer(other="2")
        assert hand.made(server) == {"do": "swap_persons", "persons": [1, 2], "from": 25, "to": 28}
        hand.do("c", "[data-do=spanClear]")
        assert page.text_content("#span") == "No span: the present frame"

        go(page, 60)
        hand.choose(1, None)
        hand.do("t", "[data-do=split]")
        assert hand.made(server) == {"do": "split", "person": 1, "from": 60, "new": 3}
        until(page, lambda: page.input_value("#person") == "3")
        hand.do("j", "[data-do=join]")
        hand.answer(other="1")
        assert hand.made(server) == {"do": "join", "person": 3, "into": 1}
        until(page, lambda: page.input_value("#person") == "1")
        hand.do("r", "[data-do=rename]")
        hand.answer(name="Ada")
        assert hand.made(server) == {"do": "rename", "person": 1, "name": "Ada"}
        until(page, lambda: page.evaluate("poseline.state.nameOf(1)") == "Ada")
        hand.do("Shift+M", "[data-do=main]")
        assert hand.made(server) == {"do": "main", "person": 1}
        hand.do("f", "[data-do=facing]")
        hand.answer(facing="front")
        assert hand.made(server) == {"do": "facing", "person": 1, "facing": "front", "from": None, "to": None}
        hand.do("l", "[data-do=scale]")
        hand.points((20, 200), (120, 210))
        hand.answer(metres="1.5")
        made = hand.made(server)
        assert (made["do"], made["metres"]) == ("scale", 1.5)
        np.testing.assert_allclose(made["points"], [[20, 200], [120, 210]], atol=0.6)
        hand.do("Shift+L", "[data-do=floor]")
        hand.points((10, 230), (300, 220))
        np.testing.assert_allclose(hand.made(server)["points"], [[10, 230], [300, 220]], atol=0.6)
        hand.choose(2, None)
        hand.do("Delete", "[data-do=remove]")
        assert hand.made(server) == {"do": "delete", "person": 2, "from": None, "to": None}
        until(page, lambda: page.evaluate("poseline.poses.at(poseline.state.place).length") == 1)

        count = len(get_json(server, "/api/corrections")["acts"])
        assert count == 14
        hand.do("u", "#undo")
        saved(page)
        until(page, lambda: page.evaluate("poseline.poses.at(poseline.state.place).length") == 2)
        hand.do("Shift+U", "#redo")
        saved(page)
        until(page, lambda: page.evaluate("poseline.poses.at(poseline.state.place).length") == 1)
        for _ in range(count):
            hand.do("u", "#undo")
        saved(page)
        assert len(get_json(server, "/api/corrections")["undone"]) == count
        until(page, lambda: page.is_disabled("#undo"))
        page.click("#tab-history")
        assert page.locator("#act-list .undone").count() == count
        page.locator("#act-list li", has_text="called Ada").locator("button").click()
        saved(page)
        assert [each["do"] for each in get_json(server, "/api/corrections")["acts"]] == ["rename"]
    context.close()


def test_a_keypoint_without_a_place_is_set_by_a_click(context: BrowserContext, server: InspectServer) -> None:
    with looking(context, server) as page:
        page.click("#tab-correct")
        page.select_option("#person", "1")
        page.select_option("#keypoint", str(ANKLE))
        hand = Hand(page, "mouse")
        page.click("[data-do=drop]")
        assert hand.made(server)["do"] == "drop"
        assert page.evaluate("poseline.stage.missing()")
        page.mouse.click(*place_of(page, 70, 100))
        np.testing.assert_allclose(hand.made(server)["at"]["0"], [70, 100], atol=0.6)
        assert not page.evaluate("poseline.stage.missing()")


def test_a_position_that_was_undone_is_not_filled_in_from(context: BrowserContext, server: InspectServer) -> None:
    with looking(context, server) as page:
        page.click("#tab-correct")
        page.click("#between")
        hand = Hand(page, "mouse")

        def drag(frame: int) -> list[str]:
            """The frames in which the act sets the ankle."""
            go(page, frame)
            x, y = points_of(0, frame)[ANKLE]
            hand.drag((x, y), (23, 11))
            return list(hand.made(server)["at"])

        go(page, 20)
        hand.choose(1, ANKLE)
        assert drag(20) == ["20"]
        page.click("#undo")
        saved(page)
        hand.count = 0
        assert drag(30) == ["30"]
        page.click("#undo")
        page.click("#redo")
        saved(page)
        assert drag(40) == ["30", "40"], "it is in force again"


def test_zoom_by_wheel_keys_and_two_fingers(browser: Browser, server: InspectServer) -> None:
    context = browser.new_context(viewport={"width": 900, "height": 900}, has_touch=True)
    with looking(context, server) as page:
        x, y = place_of(page, 100, 120)
        page.mouse.move(x, y)
        page.mouse.wheel(0, -400)
        until(page, lambda: page.evaluate("poseline.stage.zoom") > 2)
        np.testing.assert_allclose(place_of(page, 100, 120), (x, y), atol=1), "the pixel under the pointer stays"
        page.focus("#view")
        page.keyboard.press("0")
        assert page.evaluate("poseline.stage.zoom") == 1
        touch = context.new_cdp_session(page)
        for kind, apart in (("touchStart", 20), ("touchMove", 60), ("touchMove", 80)):
            points = [{"x": x - apart, "y": y, "id": 0}, {"x": x + apart, "y": y, "id": 1}]
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        until(page, lambda: page.evaluate("poseline.stage.zoom") > 2)
        page.click("#zoom-all")
        assert page.evaluate("poseline.stage.zoom") == 1
        assert get_json(server, "/api/corrections")["acts"] == []
    context.close()


def test_an_act_that_is_refused_is_told_and_taken_back(context: BrowserContext, server: InspectServer) -> None:
    with looking(context, server) as page:
        page.focus("#view")
        page.keyboard.press("s")
        page.keyboard.press("j")
        page.wait_for_selector("#ask[open]")
        page.keyboard.press("Enter")
        until(page, lambda: "1 and 2 are both in 120 frames" in page.inner_text("#toasts"))
        assert "both in 120 frames" in page.inner_text("#announce")
        saved(page)
        until(page, lambda: page.evaluate("poseline.poses.at(0).map(({ id }) => id)") == [1, 2])
        assert get_json(server, "/api/corrections")["acts"] == []
        page.keyboard.press("Escape")
        page.keyboard.press("h")
        assert "Choose a person first" in page.inner_text("#toasts")


# Others, and trouble.


def test_other_tabs_are_told_and_draw_anew(context: BrowserContext, server: InspectServer) -> None:
    with looking(context, server) as one, looking(context, server) as other:
        other.bring_to_front()
        before = point(other, 1, ANKLE)
        server.run.act({"act": "x", "do": "place", "person": 1, "keypoint": "left_ankle", "at": {"0": [33, 44]}})
        assert before == pytest.approx(points_of(0, 0)[ANKLE], abs=1e-3)
        one.bring_to_front()
        one.focus("#view")
        one.keyboard.press("s")
        one.keyboard.press("Shift+M")
        saved(one)
        other.bring_to_front()
        until(other, lambda: point(other, 1, ANKLE) == [33, 44])
        other.click("#tab-history")
        assert other.locator("#act-list li").count() == 2
        other.click("#undo")
        one.bring_to_front()
        until(one, lambda: one.evaluate("poseline.state.run.main") is None)


def test_an_answer_that_is_overtaken_sets_nothing_back(context: BrowserContext, server: InspectServer) -> None:
    with looking(context, server) as page:
        late: list[Any] = []
        page.route("**/api/act", lambda route: late.append((route, route.fetch())))
        page.focus("#view")
        page.keyboard.press("s")
        page.keyboard.press("e")
        page.wait_for_selector("#ask[open]")
        page.keyboard.press("Enter")
        until(page, lambda: late)
        post(server.address.port, "/api/act", {"act": "x", "do": "rename", "person": 2, "name": "Ada"})
        until(page, lambda: page.evaluate("poseline.state.run.acts.length") == 2)
        until(page, lambda: page.evaluate("!poseline.poses.coming.size"))
        late[0][0].fulfill(response=late[0][1])
        saved(page)
        assert page.evaluate("poseline.state.run.acts.map((act) => act.do)") == ["swap_persons", "rename"]
        assert page.evaluate("poseline.poses.at(0).map(({ id }) => id)") == [2, 1]


def test_a_log_that_another_run_replaces_is_told(context: BrowserContext, server: InspectServer) -> None:
    with looking(context, server) as page:
        log = server.run.log
        log.write_bytes(log.read_bytes().replace(b'"clip.mp4"', b'"clop.mp4"', 1))
        until(page, lambda: "the log was replaced by that of another run" in page.inner_text("#notice"))


def test_what_is_corrected_without_a_connection_is_sent_once_when_there_is_one(
    context: BrowserContext, run: Path
) -> None:
    first = InspectServer(InspectAddress("127.0.0.1", 0), InspectedRun(run, "tester"))
    first.start()
    with looking(context, first) as page:
        go(page, 5)
        first.stop()
        until(page, lambda: "no connection" in page.inner_text("#link-text"))
        page.keyboard.press("s")
        page.keyboard.press("k")
        page.keyboard.press("h")
        page.keyboard.press("u")
        page.keyboard.press("x")
        until(page, lambda: page.inner_text("#link-text") == "not saved yet: the server does not answer (3)")
        assert np.isnan(page.evaluate("poseline.poses.find(5, 1).points[0]")), "it is drawn"
        assert page.get_attribute("#link", "data-state") == "lost"
        again = InspectServer(first.address, InspectedRun(run, "tester"))
        again.start()
        try:
            until(page, lambda: page.inner_text("#link-text") == "saved")
            told = get_json(again, "/api/corrections")
            assert [each["do"] for each in told["acts"]] == ["drop"]
            assert [each["do"] for each in told["undone"]] == ["hide"]
        finally:
            again.stop()
    assert len((run / "corrections.jsonl").read_text().splitlines()) == 4


def test_no_pictures_and_a_log_that_grows(context: BrowserContext, run: Path) -> None:
    (run / "clip.mp4").unlink()
    log = run / "keypoints.jsonl"
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:11]))
    with inspecting(run) as server, looking(context, server) as page:
        notice = page.inner_text("#notice")
        assert "no such file is here; give the clip with --source" in notice
        assert "follows a log that grows" in notice
        assert near(colour(page, *points_of(0, 0)[ANKLE]), LEFT_JOINT)
        import orjson

        with log.open("ab") as lines:
            for record in (*(frame_record(index) for index in range(10, 20)), COMPLETE):
                lines.write(orjson.dumps(record) + b"\n")
        until(page, lambda: page.evaluate("poseline.state.run.frames") == 20)
        go(page, 19)
        page.keyboard.press("s")
        assert page.input_value("#person") == "1"
        assert "grows" not in page.inner_text("#notice")


def test_all_is_reached_by_keyboard_and_has_a_name(context: BrowserContext, server: InspectServer) -> None:
    with looking(context, server) as page:
        page.focus("#tab-marks")
        page.keyboard.press("ArrowRight")
        assert page.is_visible("#correct")
        assert page.evaluate("poseline.state.place") == 0, "arrows on tabs move no frames"
        reached = set()
        for _ in range(60):
            page.keyboard.press("Tab")
            reached.add(page.evaluate("document.activeElement.id || document.activeElement.dataset.do"))
        buttons = set(page.evaluate("[...document.querySelectorAll('[data-do]')].map((button) => button.dataset.do)"))
        assert buttons <= reached
        assert {"play", "frame", "speed", "timeline", "view", "help", "between"} <= reached
        nameless = page.evaluate(
            "[...document.querySelectorAll('button, select, input, canvas, [role=tabpanel]')].filter((part) =>"
            " !part.ariaLabel && !part.textContent.trim() && !part.labels?.length"
            " && !part.getAttribute('aria-labelledby')).length"
        )
        assert nameless == 0
        page.focus("#view")
        page.keyboard.press("s")
        page.keyboard.press("k")
        x, y = points_of(0, 0)[0]
        label = f"Frame 0, 2 persons, person #1, nose at {x:.0f}, {y:.0f}"
        until(page, lambda: page.get_attribute("#view", "aria-label") == label)
        page.keyboard.press("?")
        assert page.is_visible("#keys")
        keys = page.inner_text("#key-list")
        assert "swap left and right" in keys
        page.keyboard.press("Escape")
        assert not page.is_visible("#keys")
        page.keyboard.press("Control+z")
    assert not (server.run.log.parent / "corrections.jsonl").exists()
    assert read_tracks(server.run.log.parent).corrections is None


@pytest.mark.parametrize("width", [1440, 820, 390, 320])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_the_screen_and_text_can_be_read(
    browser: Browser, whole: Path, width: int, scheme: Any
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    with inspecting(whole) as server, looking(context, server) as page:
        for tab in ("marks", "correct", "angles", "history"):
            page.click(f"#tab-{tab}")
            assert page.evaluate("document.scrollingElement.scrollWidth") <= width
        ground, ink = page.evaluate(
            "['background-color', 'color'].map((name) => getComputedStyle(document.body).getPropertyValue(name))"
        )
        light = [sum(map(int, re.findall(r"\d+", text)[:3])) for text in (ground, ink)]
        assert (light[0] > light[1]) == (scheme == "light")
        assert abs(light[0] - light[1]) > 400
    context.close()


@pytest.mark.parametrize("way", ["mouse", "keys", "touch"])
def test_somebody_without_an_id_gets_one(browser: Browser, run: Path, way: str) -> None:
    log = run / "keypoints.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    lines[6] = lines[6].replace(b'"id": 2', b'"id": -1')
    log.write_bytes(b"".join(lines))
    context = browser.new_context(viewport={"width": 1200, "height": 900}, has_touch=way == "touch")
    with inspecting(run) as server, looking(context, server) as page:
        go(page, 5)
        hand = Hand(page, way)
        if way == "keys":
            page.keyboard.press("a")
        else:
            x, y = points_of(1, 5)[ANKLE]
            hand.press(*place_of(page, x, y))
        hand.answer(person="2")
        made = hand.made(server)
        assert (made["do"], made["person"], list(made["at"])) == ("identify", 2, ["5"])
        until(page, lambda: page.evaluate("poseline.poses.at(5).map(({ id }) => id).sort()") == [1, 2])
    context.close()
