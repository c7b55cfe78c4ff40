"""What the page is told of a camera: its state, its counts, its events; and its pictures as JPEG."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
import orjson
import pytest
from av.video.reformatter import ColorRange

pytest.importorskip("aiohttp", reason="needs poseline[serve]")
pytest.importorskip("simplejpeg", reason="needs poseline[serve]")

from poseline.frame import Frame, Gap, plane_pixels
from poseline.log import Records
from poseline.pose import Poses
from poseline.serve.feed import Feed
from poseline.serve.metrics import text
from poseline.serve.pace import MOST_IN_FLIGHT, Pace
from poseline.serve.picture import Variant, encode
from serve_worlds import INFO, header, picture, seen, serving, standing


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Retrying:
    retry_at: float | None = None
    cause = ""


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def feed(clock: Clock) -> Feed:
    feed = Feed("front", lambda: None, clock)
    feed.begin(header(), INFO)
    return feed


# States.


def test_a_camera_is_live_then_late_then_lost_and_live_again(feed: Feed, clock: Clock) -> None:
    assert feed.status()["state"] == "starting"
    feed.put(seen(0, arrival=100.0))
    told = []
    for clock.now in (100.0, 100.9, 101.2, 104.9, 105.1, 160.0):
        told.append(tuple(feed.state))
    assert told == [
        ("live", "live"), ("live", "live"), ("late", "no picture for 1.2 s"), ("late", "no picture for 4.9 s"),
        ("lost", "no picture for 5 s"), ("lost", "no picture for 60 s"),
    ]  # fmt: skip
    feed.put(seen(1, arrival=160.0))
    assert feed.state.name == "live"


def test_a_slow_camera_is_not_late_between_its_frames(clock: Clock) -> None:
    feed = Feed("slow", lambda: None, clock)
    feed.begin(header(), replace(INFO, frame_rate=Fraction(1)))
    feed.put(seen(0, arrival=100.0))
    clock.now = 103.0
    assert feed.state.name == "live"


def test_an_outage_is_lost_at_once_and_counts_down(feed: Feed, clock: Clock) -> None:
    outage = feed.outage = Retrying()
    feed.put(seen(0, arrival=100.0))
    clock.now, outage.retry_at = 101.0, 104.0
    assert feed.state == ("lost", "no picture for 1 s (trying again in 3 s)")
    outage.cause = "the server wants a password (401)"
    assert feed.state == ("lost", "no picture for 1 s: the server wants a password (401) (trying again in 3 s)")
    clock.now, outage.retry_at = 102.0, None
    feed.put(seen(1, arrival=102.0))
    assert feed.state.name == "live"


def test_one_that_never_opened_says_why_without_its_password(clock: Clock) -> None:
    feed = Feed("dead", lambda: None, clock)
    outage = Retrying()
    outage.retry_at = 108.4
    feed.trouble("rtsp://me:secret@cam/1: refused", outage)
    assert feed.state == ("lost", "rtsp://***@cam/1: refused (trying again in 8 s)")
    feed.begin(header(), INFO)
    feed.outage = None
    assert feed.state.name == "starting"


@pytest.mark.parametrize(("error", "state"), [(None, "ended"), ("it broke", "failed")])
def test_the_end_stays_said(feed: Feed, clock: Clock, error: str | None, state: str) -> None:
    feed.put(seen(0, arrival=100.0))
    feed.end(error)
    clock.now = 200.0
    assert feed.state.name == state
    assert error is None or feed.state.text == error


# Counts and events.


def test_rates_and_drops_are_those_of_the_frames(feed: Feed, clock: Clock) -> None:
    for index in range(0, 60, 2):  # every second one is given up
        clock.now = 100 + index / 30
        feed.put(seen(index, arrival=clock.now, dropped_before=0 if index == 0 else 1))
    given, processed = feed.rates
    assert given == pytest.approx(30, abs=0.5)
    assert processed == pytest.approx(15, abs=0.5)
    assert (feed.processed, feed.dropped) == (30, 29)
    clock.now += 60
    assert feed.rates == (0.0, 0.0), "nothing comes any more"


def test_who_enters_and_leaves_is_told_once_and_a_moment_hidden_is_neither(feed: Feed) -> None:
    there, nobody = standing(identity=7), Poses.none(17)
    for index in range(120):
        present = 30 <= index < 40 or 50 <= index < 60  # hidden for a third of a second
        feed.put(seen(index, there if present else nobody))
    assert [(event.kind, event.person, round(event.time, 2)) for event in feed.events] == [
        ("enter", 7, 1.0), ("leave", 7, round(59 / 30, 2)),
    ]  # fmt: skip


def test_persons_without_ids_enter_and_leave_nothing(feed: Feed) -> None:
    feed.put(seen(0, standing(identity=-1)))
    assert not feed.events


def test_a_gap_is_an_event(feed: Feed) -> None:
    feed.put(seen(0, gap=Gap(2.0, 6.5, "rtsp://me:secret@cam: disconnected")))
    assert [(event.kind, event.text) for event in feed.events] == [
        ("gap", "4.5 s without pictures: rtsp://***@cam: disconnected")
    ]


def test_events_of_hours_need_no_more_memory_than_those_of_minutes(feed: Feed) -> None:
    for index in range(2000):
        feed.put(seen(40 * index, standing(identity=index + 1)))
    assert len(feed.events) == 100
    assert len(feed._present) <= 2
    assert feed.events[-1].number > 3000, "each keeps its number"


def test_the_record_is_the_logs_with_the_names_of_the_keypoints(feed: Feed) -> None:
    poses = standing(123.456)
    spoilt = poses.keypoints.copy()
    spoilt[0, 3, 0] = np.nan
    feed.put(seen(5, replace(poses, keypoints=spoilt)))
    assert feed.newest is not None
    record = orjson.loads(feed.record(feed.newest))
    assert (record["type"], record["frame"], record["width"], record["height"]) == ("frame", 5, 320, 240)
    person = record["persons"][0]
    assert person["keypoints"][0] == [123.46, 60.0, 0.9]
    assert person["keypoints"][3][0] is None
    assert (person["id"], person["box"]) == (1, [103.46, 50.0, 143.46, 150.0])
    assert len(record["keypoints"]) == 17


def test_metrics_are_what_prometheus_reads() -> None:
    with serving("127.0.0.1", "front", "back") as server:
        server.hub.feeds[0].put(seen(0, standing()))
        lines = text(server.hub).splitlines()
    samples = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    assert samples['poseline_frames_processed_total{camera="front"}'] == "1"
    assert samples['poseline_persons{camera="front"}'] == "1"
    assert samples['poseline_camera_state{camera="front",state="live"}'] == "1"
    assert samples['poseline_camera_state{camera="back",state="starting"}'] == "1"
    assert all(float(value) >= 0 for value in samples.values())
    described = {line.split()[2] for line in lines if line.startswith("# TYPE")}
    assert {name.split("{")[0] for name in samples} == described


# Pictures.


def shown(jpeg: bytes) -> np.ndarray:
    decoded = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    return np.asarray(decoded)


@pytest.mark.parametrize(
    ("full", "luma", "grey"), [(False, 16, 0), (False, 235, 255), (True, 16, 16), (True, 235, 235)]
)
def test_limited_range_is_stretched_and_full_is_not(full: bool, luma: int, grey: int) -> None:
    frame = picture(luma)
    frame.color_range = ColorRange.JPEG if full else ColorRange.MPEG
    decoded = shown(encode(seen(0, shown=frame).frame, Variant(320, 240, 90)))
    assert np.abs(decoded.astype(int) - grey).max() <= 2


def test_colours_are_those_that_an_ordinary_decoder_shows() -> None:
    frame = picture(120)
    plane_pixels(frame.planes[1]).fill(90)
    plane_pixels(frame.planes[2]).fill(170)
    decoded = shown(encode(seen(0, shown=frame).frame, Variant(320, 240, 95)))
    expected = frame.to_ndarray(format="bgr24")[100, 100].astype(int)
    assert np.abs(decoded[100, 100].astype(int) - expected).max() <= 4


@pytest.mark.parametrize("size", [(320, 240), (319, 241), (160, 120), (79, 61), (2, 2)])
@pytest.mark.parametrize("kind", ["planes", "odd planes", "bgr", "grey"])
def test_every_size_of_every_kind_can_be_encoded(size: tuple[int, int], kind: str) -> None:
    pixels = {
        "planes": picture(), "odd planes": picture(width=321, height=241), "bgr": np.full((240, 320, 3), 90, np.uint8),
        "grey": picture().reformat(format="gray"),
    }[kind]  # fmt: skip
    assert shown(encode(seen(0, shown=pixels).frame, Variant(*size, 70))).shape == (size[1], size[0], 3)


def test_the_frame_itself_is_not_changed() -> None:
    frame: Frame = seen(0).frame
    before = frame.bgr.copy()
    encode(frame, Variant(320, 240, 80))
    assert (replace(frame).bgr == before).all()


# How a viewer's pictures become smaller and larger.


class Link:
    """What is on its way to a viewer: numbers of pictures, and when each will have been drawn."""

    def __init__(self) -> None:
        self.flying: list[tuple[int, float]] = []


def watch(pace: Pace, seconds: float, delay: float, began: float, link: Link | None = None) -> float:
    """A viewer that has drawn each picture after `delay` seconds, for so long; returns the time then."""
    flying, rate = (link or Link()).flying, 30.0
    for step in range(int(seconds * rate)):
        now, number = began + step / rate, int((began + step / rate) * 1000)
        while flying and flying[0][1] <= now:
            pace.acknowledged(flying.pop(0)[0], now)
        pace.judge(now)
        if pace.credit:
            pace.sent(number, now)
            flying.append((number, now + delay))
        else:
            pace.passed_over(1)
    return began + seconds


def test_a_quick_viewer_keeps_the_best_quality() -> None:
    pace = Pace(0.0)
    watch(pace, 20, 0.03, 0.0)
    assert pace.level == 0
    assert pace.rate == pytest.approx(30, abs=3)


def test_a_slow_viewer_gets_less_until_it_keeps_pace() -> None:
    pace = Pace(0.0)
    link = Link()
    now = watch(pace, 4, 0.28, 0.0, link)
    assert pace.level >= 2
    now = watch(pace, 1.1, 0.06, now, link)
    level = pace.level
    now = watch(pace, 2, 0.06, now, link)
    assert pace.level == level, "not raised again at once"
    watch(pace, 60, 0.03, now, link)
    assert pace.level == 0


def test_a_better_quality_that_fails_is_tried_ever_less_often() -> None:
    pace, now, changes, before, link = Pace(0.0), 0.0, [], 0, Link()
    for _ in range(240):  # of a link that bears level 3 and no better
        now = watch(pace, 0.5, 0.03 if pace.level >= 3 else 0.3, now, link)
        if pace.level < before:
            changes.append(now)
        before = pace.level
    tries = np.diff(changes)
    assert len(changes) <= 6
    assert tries[-1] > 3 * tries[0], "ever further apart"


def test_there_are_never_more_in_flight_than_allowed() -> None:
    pace = Pace(0.0)
    for number in range(MOST_IN_FLIGHT):
        assert pace.credit
        pace.sent(number, 0.0)
    assert not pace.credit
    pace.acknowledged(1, 0.1)
    assert pace.credit, "a later one drawn ends the wait for those before it"


def test_a_viewer_that_draws_nothing_at_all_goes_down_too() -> None:
    pace = Pace(0.0)
    pace.sent(1, 0.0)
    pace.sent(2, 0.0)
    for second in range(1, 4):
        pace.judge(1.1 * second)
    assert pace.level == 6


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [(1280, (1280, 720)), (5000, (1280, 720)), (961, (1280, 720)), (960, (960, 540)), (300, (320, 180))],
)
def test_no_picture_is_larger_than_its_place(wanted: int, expected: tuple[int, int]) -> None:
    assert Pace(0.0).variant(1280, 720, wanted)[:2] == expected


@pytest.mark.parametrize("classes", [("person",), ("person", "horse")])
def test_a_records_persons_are_those_of_the_keypoint_log(classes: tuple[str, ...], feed: Feed) -> None:
    known = replace(header(), classes=classes)
    feed.begin(known, INFO)
    feed.put(seen(0, replace(standing(123.456), scores=np.array([0.87654], np.float32))))
    assert feed.newest is not None
    logged = orjson.loads(Records(known).frame(feed.newest.observation).splitlines()[-1])
    assert orjson.loads(feed.record(feed.newest))["persons"] == logged["persons"]
