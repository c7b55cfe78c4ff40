"""Recordings: what is in them, from when on, and who gets them."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator
from functools import partial
from io import FileIO
from pathlib import Path
from typing import Any

import av
import orjson
import pytest
from av.video.reformatter import ColorRange, Colorspace

pytest.importorskip("aiohttp", reason="needs poseline[serve]")
pytest.importorskip("simplejpeg", reason="needs poseline[serve]")

from media_worlds import in_memory, until
from poseline.frame import plane_pixels
from poseline.output import Keep
from poseline.serve import recorder as recorder_module
from poseline.serve.feed import Feed
from poseline.serve.keep import Recordings
from poseline.serve.recorder import Recorder, Recording
from poseline.serve.server import Server
from serve_worlds import INFO, header, picture, request, seen, serving, standing


class World:
    """A camera with a recorder; each frame's luma tells its number."""

    def __init__(self, folder: Path, pre_roll: float, **rules: Any) -> None:
        self.feed = Feed("front", lambda: None)
        self.feed.begin(header(), INFO)
        self.recorder = self.feed.recorder = recording(self.feed, folder, pre_roll, **rules)
        self.index = 0

    def film(self, frames: int, width: int = 320) -> None:
        for _ in range(frames):
            shown = picture(16 + self.index % 200, width=width)
            self.feed.put(seen(self.index, standing(), shown=shown))
            self.index += 1
            if self.index % 30 == 0:  # more than it lets wait would be given up
                assert until(lambda: not self.recorder._waiting)
        assert until(lambda: not self.recorder._waiting)


def recording(feed: Feed, folder: Path, pre_roll: float, **rules: Any) -> Recorder:
    recorder = Recorder(
        feed.name, folder / "recordings", Recordings(pre_roll, **rules), feed.run_record, feed.note_recording
    )
    recorder.start()
    return recorder


def numbers(video: Path) -> list[int]:
    with av.open(str(video)) as media:
        return [round(float(plane_pixels(frame.planes[0]).mean())) - 16 for frame in media.decode(video=0)]


def frames(found: Recording) -> list[int]:
    first, *rest = [orjson.loads(line) for line in found.keypoints.read_bytes().splitlines()]
    assert first["type"] == "run"
    assert len(first["skeleton"]["names"]) == 17
    return [record["frame"] for record in rest]


def near(found: list[int], expected: list[int]) -> bool:
    return len(found) == len(expected) and all(abs(a - b) <= 1 for a, b in zip(found, expected, strict=True))


def test_without_a_pre_roll_it_begins_with_the_wish_and_costs_nothing_before(tmp_path: Path) -> None:
    world = World(tmp_path, 0.0)
    world.film(30)
    assert world.recorder._encoder is None
    world.recorder.want(True)
    world.film(20)
    world.recorder.want(False)
    world.film(5)
    assert until(lambda: world.recorder.finished)
    world.recorder.close()
    found = world.recorder.finished[0]
    assert frames(found) == list(range(30, 50))
    assert near(numbers(found.video), list(range(30, 50)))
    assert [path.suffix for path in sorted((tmp_path / "recordings").iterdir())] == [".jsonl", ".mp4"]
    with av.open(str(found.video)) as media:
        times = [frame.time for frame in media.decode(video=0)]
    assert times == pytest.approx([index / 30 for index in range(20)], abs=0.002)


@pytest.mark.parametrize("pre_roll", [1.0, 2.5])
def test_a_pre_roll_is_in_it_whole_and_at_most_a_second_more(tmp_path: Path, pre_roll: float) -> None:
    world = World(tmp_path, pre_roll)
    world.film(150)
    world.recorder.want(True)
    world.film(15)
    world.recorder.close()
    found = world.recorder.finished[0]
    first = frames(found)[0]
    assert 150 - 30 * (pre_roll + 1) - 1 <= first <= 150 - 30 * pre_roll
    assert frames(found) == list(range(first, 165)), "none lost between pre-roll and recording"
    assert near(numbers(found.video), list(range(first, 165)))
    assert len(world.recorder._rolled) <= 30 * (pre_roll + 1) + 2, "and no more is kept"


def test_one_recording_after_another_has_files_of_its_own(tmp_path: Path) -> None:
    world = World(tmp_path, 0.5)
    for _ in range(3):
        world.film(20)
        world.recorder.want(True)
        world.film(10)
        world.recorder.want(False)
    world.film(1)
    world.recorder.close()
    assert len({found.video for found in world.recorder.finished}) == 3
    assert all(found.video.exists() for found in world.recorder.finished)


def test_a_clock_that_is_set_neither_replaces_nor_removes_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, hours = time.time, iter([0, 30, 30, 60, 60])
    monkeypatch.setattr("time.time", lambda: real() + 3600 * next(hours, 60))
    monkeypatch.setattr("time.strftime", lambda _: "20260101-020000")  # set back to the same second each time
    world = World(tmp_path, 0.0, keep=Keep(seconds=24 * 3600))
    for count in range(1, 4):
        world.recorder.want(True)
        world.film(10)
        world.recorder.want(False)
        assert until(partial(_has_finished, world.recorder, count))
        world.recorder.finished[-1].video.unlink()  # moved elsewhere; its keypoints stay
    world.recorder.close()
    names = [path.name for path in sorted((tmp_path / "recordings").iterdir())]
    assert names == [f"front-20260101-020000{number}.jsonl" for number in ("-2", "-3", "")]
    assert [len(frames(each)) for each in world.recorder.finished] == [10, 10, 10]


def test_another_size_begins_another_file(tmp_path: Path) -> None:
    world = World(tmp_path, 0.0)
    world.recorder.want(True)
    world.film(10)
    world.film(10, width=160)
    world.recorder.close()
    assert [found.frames for found in world.recorder.finished] == [10, 10]


@pytest.mark.parametrize("full", [True, False])
def test_it_says_what_its_colours_mean(tmp_path: Path, full: bool) -> None:
    """Else players take a webcam's pictures, whose range is full, for limited ones: dark parts become black."""
    world = World(tmp_path, 0.0)
    world.recorder.want(True)
    for index in range(12):
        shown = picture()
        shown.color_range, shown.colorspace = ColorRange.JPEG if full else ColorRange.MPEG, Colorspace.ITU709
        world.feed.put(seen(index, standing(), shown=shown))
    world.recorder.close()
    with av.open(str(world.recorder.finished[0].video)) as media:
        found = next(media.decode(video=0))
    assert (found.color_range, found.colorspace) == (ColorRange.JPEG if full else ColorRange.MPEG, Colorspace.ITU709)


def test_a_full_disk_is_told_and_the_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path, 0.0)
    monkeypatch.setattr(recorder_module, "free_bytes", lambda _: 1000)
    world.recorder.want(True)
    world.film(5)
    assert until(lambda: world.feed.events and "only 0 MB are free" in world.feed.events[-1].text)
    assert not world.recorder.recording
    monkeypatch.setattr(recorder_module, "free_bytes", lambda _: 10**12)
    world.recorder.want(True)
    world.film(5)
    world.recorder.close()
    assert [found.frames for found in world.recorder.finished] == [5], "there is room again"
    assert sum("only 0 MB" in event.text for event in world.feed.events) == 1, "told once"


class NarrowFile(FileIO):
    """Takes little at once, as a disk does that is nearly full."""

    def write(self, data: Any) -> int:
        return super().write(data[:100])


def test_a_line_of_which_the_disk_takes_a_part_at_once_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Path.open

    def narrow(path: Path, mode: str = "r", *given: Any, **named: Any) -> Any:
        return NarrowFile(path, "wb") if mode == "wb" else opened(path, mode, *given, **named)

    monkeypatch.setattr(Path, "open", narrow)
    world = World(tmp_path, 0.0)
    world.recorder.want(True)
    world.film(5)
    world.recorder.close()
    assert frames(world.recorder.finished[0]) == list(range(5))


def _has_finished(recorder: Recorder, count: int) -> bool:
    return len(recorder.finished) == count


def test_a_finished_recording_leaves_nothing_for_the_collector(tmp_path: Path) -> None:
    world = World(tmp_path, 0.0)
    gc.collect()
    gc.disable()  # containers are few objects, but megabytes behind them
    try:
        for count in (1, 2):
            world.recorder.want(True)
            world.film(40)
            world.recorder.want(False)
            assert until(partial(_has_finished, world.recorder, count))
            assert in_memory(av.container.InputContainer) == in_memory(av.container.OutputContainer) == 0
    finally:
        gc.enable()
    world.recorder.close()


def test_what_was_recorded_is_whole_where_there_is_no_room_for_the_next_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path, 0.0, segment=1.0)
    world.recorder.want(True)
    world.film(20)
    monkeypatch.setattr(recorder_module, "free_bytes", lambda _: 1000)
    world.film(40)
    assert until(lambda: world.feed.events and "only 0 MB are free" in world.feed.events[-1].text)
    world.recorder.close()
    (found,) = world.recorder.finished
    assert near(numbers(found.video), frames(found))
    assert not list((tmp_path / "recordings").glob("*.ts"))


def test_what_a_killed_run_was_recording_can_be_played(tmp_path: Path) -> None:
    world = World(tmp_path, 0.0)
    world.recorder.want(True)
    world.film(120)
    (left,) = (tmp_path / "recordings").glob("*.ts")
    copy = tmp_path / "killed.ts"
    copy.write_bytes(left.read_bytes())
    kept = left.with_suffix(".jsonl").read_bytes()
    assert len(numbers(copy)) >= 120 - 6, "a fifth of a second at most is lost"
    assert kept.count(b"\n") >= 1 + 119, "and of the keypoints, the line that is being written"
    world.recorder.close()


def test_segments_follow_each_other_without_a_frame_lost(tmp_path: Path) -> None:
    world = World(tmp_path, 0.0, segment=2.0, at_once=True)
    world.film(200)
    world.recorder.close()
    assert [found.frames for found in world.recorder.finished] == [60, 60, 60, 20]
    assert [number for found in world.recorder.finished for number in frames(found)] == list(range(200))
    assert near([number for found in world.recorder.finished for number in numbers(found.video)], list(range(200)))


def test_the_oldest_go_when_there_are_too_many_or_too_old_and_never_the_one_in_use(tmp_path: Path) -> None:
    world = World(tmp_path, 0.0, segment=2.0, at_once=True, keep=Keep(size=1.0))
    world.film(200)
    world.recorder.close()
    assert [found.frames for found in world.recorder.finished] == [20], "the newest stays, however large"
    assert len(list((tmp_path / "recordings").iterdir())) == 2


def test_it_never_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world, go_on = World(tmp_path, 0.0), threading.Event()
    monkeypatch.setattr(world.recorder, "_take", lambda *_: go_on.wait())
    world.recorder.want(True)
    for index in range(300):
        world.feed.put(seen(index))
    assert world.recorder.dropped >= 300 - 90 - 10
    world.recorder._waiting.clear()
    go_on.set()
    world.recorder.close()


# By way of the page's server.


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving() as server:
        feed = server.hub.feeds[0]
        feed.recorder = recording(feed, tmp_path, 0.0)
        yield server
        if feed.recorder.is_alive():
            feed.recorder.close()


def test_the_page_begins_ends_and_downloads(server: Server, tmp_path: Path) -> None:
    port, feed = server.address.port, server.hub.feeds[0]
    own = f"http://127.0.0.1:{port}"
    assert request(port, "/api/front/record?on=1", "POST", Origin=own).status == 200
    for index in range(10):
        feed.put(seen(index, standing()))
    assert until(lambda: orjson.loads(request(port, "/api/cameras").body)[0]["recording"])
    assert request(port, "/api/front/record?on=0", "POST", Origin=own).status == 200
    assert until(lambda: orjson.loads(request(port, "/api/front/recordings").body))
    assert until(lambda: feed.events[-1].file)  # which is told once the file is listed
    (found,) = orjson.loads(request(port, "/api/front/recordings").body)
    assert (found["frames"], feed.events[-1].file) == (10, found["video"])
    answer = request(port, f"/api/front/recordings/{found['video']}")
    assert answer.headers["content-disposition"] == "attachment"
    assert answer.body == (tmp_path / "recordings" / found["video"]).read_bytes()
    assert len(request(port, f"/api/front/recordings/{found['keypoints']}").body.splitlines()) == 11


@pytest.mark.parametrize(
    "name",
    ["secret.mp4", "..%2fsecret.mp4", "%2e%2e/secret.mp4", "../secret.mp4", "%2fetc%2fpasswd", "", ".", "x%00.mp4"],
)
def test_no_other_file_is_given_away(server: Server, tmp_path: Path, name: str) -> None:
    (tmp_path / "recordings").mkdir()
    (tmp_path / "recordings" / "secret.mp4").write_bytes(b"secret")
    (tmp_path / "secret.mp4").write_bytes(b"secret")
    answer = request(server.address.port, f"/api/front/recordings/{name}")
    assert answer.status in (400, 404)
    assert b"secret" not in answer.body


@pytest.mark.parametrize("origin", [None, "http://evil.example", "null"])
def test_another_page_cannot_record(server: Server, origin: str | None) -> None:
    assert request(server.address.port, "/api/front/record?on=1", "POST", Origin=origin).status == 403
    assert request(server.address.port, "/api/front/record?on=1").status == 405
    recorder = server.hub.feeds[0].recorder
    assert recorder is not None
    assert not recorder.recording


@pytest.mark.parametrize("wish", ["", "?on=2", "?on=true", "?on=1%0d%0a"])
def test_what_is_no_wish_is_refused(server: Server, wish: str) -> None:
    port = server.address.port
    assert request(port, f"/api/front/record{wish}", "POST", Origin=f"http://127.0.0.1:{port}").status == 400
