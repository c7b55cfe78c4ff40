"""The inspector's server: its doors, each of its answers, acts that are refused, and a server that is killed."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import orjson
import pytest

pytest.importorskip("aiohttp", reason="needs poseline[serve]")
pytest.importorskip("simplejpeg", reason="needs poseline[serve]")

from inspect_worlds import (
    ANKLE,
    FRAMES,
    NAMES,
    SIZE,
    act,
    decoded,
    frame_record,
    get,
    get_json,
    inspecting,
    make_run,
    points_of,
    poses,
    post,
    run_record,
)
from log_worlds import write_log
from media_worlds import free_port, number_in, picture, until, write_clip
from poseline import inspection, read_tracks
from poseline.cli import command
from poseline.commands.inspect_page import serve_page
from poseline.errors import OutputError, SourceError
from poseline.inspection.inspected import InspectedRun
from poseline.inspection.server import MOST_PAGES, InspectAddress, InspectServer
from poseline.interruption import Interruption
from poseline.log import State
from rooms import PROJECT
from serve_worlds import WebSocketClient, request


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


def test_the_process_of_the_page_is_settled(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Settled(Exception):
        """Stands for the end of the page."""

    def settle() -> None:
        raise Settled

    monkeypatch.setattr("poseline.startup.settle_process", settle)
    with pytest.raises(Settled):
        serve_page(run, "127.0.0.1", 0, None, None, Interruption())


def swap(number: str, person: int = 1, start: int = 3, end: int = 5) -> dict[str, Any]:
    return {"act": number, "do": "swap_sides", "person": person, "from": start, "to": end}


def joining(port: int, **headers: str | None) -> int:
    """What a page hears that opens the WebSocket, and leaves."""
    with WebSocketClient(port, "/ws", **headers) as client:
        return client.status


# Doors.


def test_only_its_own_page_may_correct(run: Path) -> None:
    with inspecting(run) as server:
        port = server.address.port
        for headers in ({"Origin": "http://evil.example"}, {"Origin": None}, {"Host": "evil.example"},
                        {"Sec_Fetch_Site": "cross-site"}):  # fmt: skip
            assert post(port, "/api/act", swap("a"), **headers).status == 403
        assert joining(port, Origin="http://evil.example") == 403
        assert request(port, "/api/run", Origin="http://evil.example").status == 403
        assert post(port, "/api/act", swap("a"), Content_Type="text/plain").status == 415
        assert get_json(server, "/api/corrections")["acts"] == []
    assert not (run / "corrections.jsonl").exists()


def test_a_network_needs_the_token(run: Path) -> None:
    with inspecting(run, host="0.0.0.0") as server:  # noqa: S104 # that is what is tested
        port, token = server.address.port, server.access.token
        for path in ("/", "/main.js", "/api/run", "/api/poses?from=0&to=1", "/api/picture/0", "/api/marks"):
            assert request(port, path).status == 401
        assert post(port, "/api/act", swap("a")).status == 401
        assert post(port, f"/api/act?token={token}", swap("a")).status == 401, "a token in the address is for reading"
        assert request(port, f"/api/run?token={token}").status == 200
        cookie = f"poseline_{port}={token}"
        assert post(port, "/api/act", swap("a"), Cookie=cookie).status == 200
        assert all(f"?token={token}" in url for url in server.urls())


def test_nothing_from_elsewhere_is_needed_and_all_has_the_headers(run: Path) -> None:
    with inspecting(run) as server:
        for path in ("/", "/main.js", "/inspect.css", "/style.css", "/overlay.js", "/icon.svg", "/api/run", "/api/act"):
            answer = get(server, path)
            assert answer.headers["content-security-policy"].startswith("default-src 'none'")
            assert "unsafe" not in answer.headers["content-security-policy"]
            assert b"https://" not in answer.body
        assert get(server, "/api/act").status == 405
        assert get(server, "/../server.py").status == 404


def test_a_port_in_use_is_told_with_what_to_try(run: Path) -> None:
    with inspecting(run) as server:
        port = server.address.port
        with pytest.raises(OutputError, match=f"in use; try another port, such as --host 127.0.0.1 --port {port + 1}"):
            InspectServer(InspectAddress("127.0.0.1", port), InspectedRun(run))


def test_too_many_pages_and_too_large_an_act_are_refused(run: Path) -> None:
    with inspecting(run) as server:
        pages = [WebSocketClient(server.address.port) for _ in range(MOST_PAGES)]
        assert joining(server.address.port) == 503
        pages.pop().close()
        assert until(lambda: joining(server.address.port) == 101)
        large = {"act": "a", "do": "rename", "person": 1, "name": "x" * 300_000}
        assert post(server.address.port, "/api/act", large).status == 413
        for page in pages:
            page.close()


# What it answers.


def test_what_the_page_gets(run: Path) -> None:
    with inspecting(run) as server:
        told = get_json(server, "/api/run")
        assert (told["frames"], told["width"], told["height"], told["no_pictures"]) == (FRAMES, *SIZE, "")
        assert told["keypoints"] == list(NAMES)
        assert told["persons"] == [
            {"id": number, "name": "", "frames": FRAMES, "spans": [[0, FRAMES - 1]]} for number in (1, 2)
        ]
        frames = np.frombuffer(get(server, "/api/frames").body, "<f8")
        np.testing.assert_allclose(frames[:FRAMES], np.arange(FRAMES) / 30, atol=1e-6)
        np.testing.assert_array_equal(frames[FRAMES : 2 * FRAMES], np.arange(FRAMES))
        np.testing.assert_array_equal(frames[2 * FRAMES :].reshape(-1, 2), np.tile(SIZE, (FRAMES, 1)))
        found = poses(server, 7, 9)
        assert [(place, number) for place, number, _, _ in found] == [
            (place, number) for place in (7, 8, 9) for number in (1, 2)
        ]
        np.testing.assert_allclose(found[0][2][:, :2], points_of(0, 7), atol=1e-3)
        assert set(found[0][3]) == {State.MEASURED}
        assert get_json(server, "/api/marks")["marks"] == []
        angles = get_json(server, "/api/angles?person=1")
        assert "left_knee" in angles["names"]
        assert len(angles["degrees"][0]) == len(angles["places"]) == FRAMES


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/poses", 400), ("/api/poses?from=5&to=3", 400), ("/api/poses?from=0&to=1000000", 400),
        ("/api/poses?from=-1&to=3", 400), ("/api/poses?from=x&to=3", 400), ("/api/picture/x", 400),
        ("/api/picture/9999999", 404), ("/api/angles?person=77", 409), ("/api/nothing", 404),
    ],
)  # fmt: skip
def test_questions_that_make_no_sense(whole: Path, path: str, status: int) -> None:
    with inspecting(whole) as server:
        answer = get(server, path)
        assert answer.status == status
        assert answer.body.strip()


def test_every_picture_is_that_of_its_frame(whole: Path) -> None:
    order = [*range(12), 119, 118, 60, 59, 58, 20, 95, 0, 99, *range(50, 40, -1)]
    rest = [place * 7 % FRAMES for place in range(FRAMES)]
    with inspecting(whole) as server:
        for place in [*order, *rest]:
            assert number_in(decoded(get(server, f"/api/picture/{place}"))) == place


def test_pictures_asked_for_at_once_come_each_to_its_own(whole: Path) -> None:
    places = [number * 37 % FRAMES for number in range(40)]
    with inspecting(whole) as server, ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda place: number_in(decoded(get(server, f"/api/picture/{place}"))), places)
        assert list(found) == places


def test_frames_that_the_run_left_out_are_no_hindrance(whole: Path, tmp_path: Path) -> None:
    records = [run_record(), *(frame_record(index) for index in range(1, FRAMES, 3))]
    write_log(tmp_path / "keypoints.jsonl", records)
    with inspecting(tmp_path, whole / "clip.mp4") as server:
        for place in (0, 30, 29, 5):
            assert number_in(decoded(get(server, f"/api/picture/{place}"))) == 1 + 3 * place


def test_a_clip_that_was_moved(run: Path, tmp_path: Path) -> None:
    moved = (run / "clip.mp4").rename(tmp_path / "elsewhere.mp4")
    with inspecting(run) as server:
        told = get_json(server, "/api/run")["no_pictures"]
        assert "clip.mp4" in told
        assert told.endswith("give the clip with --source")
        answer = get(server, "/api/picture/0")
        assert (answer.status, answer.body.decode().strip()) == (404, told)
        assert len(poses(server, 0, 0)) == 2
    with inspecting(run, moved) as server:
        assert number_in(decoded(get(server, "/api/picture/33"))) == 33
    with pytest.raises(SourceError, match=r"no such file; --source is the clip"):
        InspectServer(InspectAddress("127.0.0.1", 0), InspectedRun(run), tmp_path / "nothing.mp4")
    other = write_clip(tmp_path / "other.mp4", [0, 1, 2])
    with pytest.raises(SourceError, match=r"not the clip of this log: its picture is 64x48, the log's 320x240"):
        InspectServer(InspectAddress("127.0.0.1", 0), InspectedRun(run), other)


def test_a_log_that_was_imported_without_its_clip(run: Path) -> None:
    log = run / "keypoints.jsonl"
    first, _, rest = log.read_bytes().partition(b"\n")
    log.write_bytes(orjson.dumps({**orjson.loads(first), "imported": {"format": "coco"}}) + b"\n" + rest)
    with inspecting(run) as server:
        assert "import it with --video CLIP" in get_json(server, "/api/run")["no_pictures"]
        assert len(poses(server, 0, 0)) == 2


def test_separate_pictures(tmp_path: Path) -> None:
    sizes = [(320, 240), (200, 300), (640, 360)]
    for index, size in enumerate(sizes):
        cv2.imwrite(str(tmp_path / f"{index}.png"), picture(index + 5, size))
    record = {**run_record(), "video": None, "source": "."}
    frames = [{**frame_record(index), "source": f"{index}.png"} for index in range(3)]
    write_log(tmp_path / "run" / "keypoints.jsonl", [record, *frames])
    with inspecting(tmp_path / "run") as server:
        told = get_json(server, "/api/run")
        assert (told["separate"], told["no_pictures"]) == (True, "")
        for index, size in enumerate(sizes):
            found = decoded(get(server, f"/api/picture/{index}"))
            assert found.shape[1::-1] == size
            assert number_in(found) == index + 5


def test_separate_pictures_of_a_log_that_grows(tmp_path: Path) -> None:
    frames = [{**frame_record(index), "source": f"{index}.png"} for index in range(3)]
    for index in range(3):
        cv2.imwrite(str(tmp_path / f"{index}.png"), picture(index + 5, SIZE))
    log = write_log(tmp_path / "keypoints.jsonl", [{**run_record(), "video": None, "source": "."}, *frames[:2]])
    with inspecting(tmp_path) as server, WebSocketClient(server.address.port) as tab:
        tab.words("changed")
        with log.open("ab") as lines:
            lines.write(orjson.dumps(frames[2]) + b"\n")
        assert tab.words("changed")["frames"] == 3
        assert number_in(decoded(get(server, "/api/picture/2"))) == 7


# Acts.


def test_an_act_changes_what_is_seen_and_is_told_to_all(run: Path) -> None:
    with inspecting(run) as server, WebSocketClient(server.address.port) as tab:
        first = tab.words("changed")["revision"]
        at = {"10": [11.5, 12], "14": [15.5, 16]}
        told = act(server, {"act": "a1", "do": "place", "person": 1, "keypoint": "left_ankle", "at": at})
        assert told["revision"] == first + 1
        assert tab.words("changed")["revision"] == first + 1
        assert [(each["act"], each["by"], each["do"]) for each in told["acts"]] == [("a1", "tester", "place")]
        found = {place: (points[ANKLE], states[ANKLE]) for place, number, points, states in poses(server, 9, 15)
                 if number == 1}  # fmt: skip
        assert [state for _, state in found.values()] == [
            State.MEASURED, State.FILLED, State.INTERPOLATED, State.INTERPOLATED, State.INTERPOLATED, State.FILLED,
            State.MEASURED,
        ]  # fmt: skip
        np.testing.assert_allclose(found[12][0], [13.5, 14, 1])
        undone = orjson.loads(post(server.address.port, "/api/undo", {"act": "a1"}).body)
        assert (undone["acts"], [each["act"] for each in undone["undone"]]) == ([], ["a1"])
        np.testing.assert_allclose(poses(server, 10, 10)[0][2][ANKLE, :2], points_of(0, 10)[ANKLE], atol=1e-3)
        again = orjson.loads(post(server.address.port, "/api/redo", {"act": "a1"}).body)
        assert [each["act"] for each in again["acts"]] == ["a1"]
    assert read_tracks(run).keypoints[12, 0, ANKLE].tolist() == [13.5, 14, 1]
    np.testing.assert_allclose(read_tracks(run, raw=True).keypoints[12, 0, ANKLE, :2], points_of(0, 12)[ANKLE])


def test_sent_twice_counts_once(run: Path) -> None:
    with inspecting(run) as server:
        for path, record in (("act", swap("a")), ("undo", {"act": "a"}), ("redo", {"act": "a"})):
            answers = [orjson.loads(post(server.address.port, f"/api/{path}", record).body) for _ in range(3)]
            assert answers[0] == answers[1] == answers[2]
        assert len(answers[0]["acts"]) == 1
    assert len((run / "corrections.jsonl").read_text().splitlines()) == 4, "the first line, and three records"


EVERY_KIND: list[dict[str, Any]] = [
    {"do": "place", "person": 1, "keypoint": "nose", "at": {"3": [5, 6]}},
    {"do": "hide", "person": 1, "keypoints": ["nose"], "from": 3, "to": 3},
    {"do": "drop", "person": 1, "keypoints": ["nose"], "from": 3, "to": 5},
    {"do": "swap_sides", "person": 1, "from": 3, "to": 5},
    {"do": "swap_persons", "persons": [1, 2], "from": 3, "to": None},
    {"do": "split", "person": 1, "from": 60, "new": 3},
    {"do": "join", "person": 3, "into": 1},
    {"do": "rename", "person": 1, "name": "Ada"},
    {"do": "main", "person": 2},
    {"do": "facing", "person": 1, "facing": "left", "from": None, "to": None},
    {"do": "scale", "points": [[10, 10], [110, 10]], "metres": 2},
    {"do": "floor", "points": [[10, 200], [300, 210]]},
    {"do": "delete", "person": 2, "from": None, "to": None},
]


def test_every_kind_of_act_and_back(run: Path) -> None:
    with inspecting(run) as server:
        before = get(server, f"/api/poses?from=0&to={FRAMES - 1}").body[4:]
        for number, record in enumerate(EVERY_KIND):
            told = act(server, {"act": f"a{number}", **record})
            assert len(told["acts"]) == number + 1, record
        assert (told["main"], told["scale"]["metres"], told["floor"]["points"][1]) == (2, 2, [300, 210])
        run_now = get_json(server, "/api/run")
        assert [(each["id"], each["name"]) for each in run_now["persons"]] == [(1, "Ada")]
        for number in reversed(range(len(EVERY_KIND))):
            assert post(server.address.port, "/api/undo", {"act": f"a{number}"}).status == 200
        assert get(server, f"/api/poses?from=0&to={FRAMES - 1}").body[4:] == before


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({}, "act is a short text"),
        ({"act": "a"}, "do is one of place"),
        ({"act": "a", "do": "fly", "person": 1}, "do is one of place"),
        (swap("a", person=9), "no person has the id 9; this log has 1, 2"),
        (swap("a", start=9, end=5), "is empty"),
        (swap("x" * 999), "act is a short text"),
        ({"act": "a", "do": "hide", "person": 1, "keypoints": ["tail"]}, "no keypoint is called 'tail'"),
        ({"act": "a", "do": "place", "person": 1, "keypoint": "nose", "at": {"999": [1, 2]}}, "none of these frames"),
        ({"act": "a", "do": "place", "person": 1, "keypoint": "nose", "at": {"9": [1, "2"]}}, "finite number"),
        ({"act": "a", "do": "join", "person": 1, "into": 2}, "1 and 2 are both in 120 frames"),
        ({"act": "a", "do": "scale", "points": [[1, 1], [1, 1]], "metres": 1}, "more than a pixel apart"),
        ({"act": "a", "do": "scale", "points": [[1, 1], [1, 9]], "metres": 0}, "metres above 0"),
        ({"act": "a", "do": "rename", "person": 1, "name": " "}, "a text of 1 to"),
        ([1, 2], "An act is a JSON object"),
    ],
)  # fmt: skip
def test_acts_that_are_refused_with_words(whole: Path, record: Any, words: str) -> None:
    with inspecting(whole) as server:
        answer = post(server.address.port, "/api/act", record)
        assert answer.status == 400
        assert words in answer.body.decode()
    assert not (whole / "corrections.jsonl").exists()


def test_a_body_that_is_no_json_and_an_act_that_is_not_there(run: Path) -> None:
    with inspecting(run) as server:
        port = server.address.port
        bad = request(
            port, "/api/act", "POST", b"{", Origin=f"http://127.0.0.1:{port}", Content_Type="application/json"
        )
        assert (bad.status, bad.body) == (400, b"That is no JSON.\n")
        for path in ("undo", "redo"):
            assert b"no act 'zzz'" in post(port, f"/api/{path}", {"act": "zzz"}).body
            assert b"the id of an act" in post(port, f"/api/{path}", {}).body


@pytest.mark.skipif(sys.platform == "win32", reason="folders that cannot be written to, of POSIX")
def test_a_disk_that_cannot_be_written_to_is_told(run: Path) -> None:
    (run / "corrections.jsonl").mkdir()
    with pytest.raises(SourceError, match="cannot be read"), inspecting(run):
        pass
    (run / "corrections.jsonl").rmdir()
    with inspecting(run) as server:
        (run / "corrections.jsonl").mkdir()
        answer = post(server.address.port, "/api/act", swap("a"))
        assert answer.status == 507
        assert b"corrections.jsonl" in answer.body


# Others who write.


def test_two_tabs_at_once(run: Path) -> None:
    with inspecting(run) as server, WebSocketClient(server.address.port) as tab:
        port = server.address.port
        names = [f"{who}{number}" for who in "ab" for number in range(25)]

        def make(who: str) -> None:
            for number in range(25):
                at = {str(number): [float(number), 7.0 if who == "a" else 9.0]}
                record = {"act": f"{who}{number}", "do": "place", "person": 1, "at": at,
                          "keypoint": "nose" if who == "a" else "left_ankle"}  # fmt: skip
                assert post(port, "/api/act", record).status == 200

        threads = [threading.Thread(target=make, args=(who,)) for who in "ab"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        told = get_json(server, "/api/corrections")
        assert sorted(each["act"] for each in told["acts"]) == sorted(names)
        while tab.words("changed")["revision"] != told["revision"]:
            pass
        for place, number, points, _ in poses(server, 0, 24):
            if number == 1:
                assert points[[0, ANKLE], :2].tolist() == [[place, 7], [place, 9]]


def test_what_another_program_corrects_and_a_log_that_grows_are_seen(run: Path) -> None:
    records = (run / "keypoints.jsonl").read_bytes().splitlines(keepends=True)
    (run / "keypoints.jsonl").write_bytes(b"".join(records[:51]))
    with inspecting(run) as server, WebSocketClient(server.address.port) as tab:
        tab.words("changed")
        assert get_json(server, "/api/run")["ended"] == "killed"
        act(server, swap("mine"))
        tab.words("changed")
        InspectedRun(run, "another").act(swap("theirs", person=2))
        tab.words("changed")
        assert [each["by"] for each in get_json(server, "/api/corrections")["acts"]] == ["tester", "another"]
        with (run / "keypoints.jsonl").open("ab") as log:
            log.write(b"".join(records[51:]))
        assert tab.words("changed", 30)["frames"] == FRAMES
        told = get_json(server, "/api/run")
        assert (told["frames"], told["ended"]) == (FRAMES, "complete")
        assert number_in(decoded(get(server, "/api/picture/110"))) == 110
        assert [each["act"] for each in told["acts"]] == ["mine", "theirs"]


def test_a_log_that_another_run_replaces_takes_no_acts_and_all_pages_are_told(run: Path) -> None:
    with inspecting(run) as server, WebSocketClient(server.address.port) as tab:
        act(server, swap("mine"))
        (run / "corrections.jsonl").unlink()  # moved away, without which a run replaces no log
        records = [{**run_record(), "started": "later"}, *(frame_record(index) for index in range(FRAMES))]
        write_log(run / "keypoints.jsonl", records)
        port = server.address.port
        for path, record in (("act", swap("other")), ("undo", {"act": "mine"}), ("redo", {"act": "mine"})):
            answer = post(port, f"/api/{path}", record)
            assert answer.status == 409
            assert "the log was replaced by that of another run; start poseline inspect again" in answer.body.decode()
        assert "start poseline inspect again" in tab.words("replaced")["why"]
        assert [each["act"] for each in get_json(server, "/api/corrections")["acts"]] == ["mine"]
    assert not (run / "corrections.jsonl").exists()
    assert read_tracks(run).corrections is None
    InspectedRun(run).act(swap("again"))
    assert len(read_tracks(run)) == FRAMES


@pytest.mark.parametrize("name", ["clip.jsonl", "clip[1].jsonl"])
def test_a_log_is_read_again_where_it_has_grown_alone(run: Path, name: str) -> None:
    lines = (run / "keypoints.jsonl").read_bytes().splitlines(keepends=True)
    log = run / name
    log.write_bytes(b"".join(lines[:51]))
    inspected = InspectedRun(log)
    before = inspected.state.raw
    (run / f"{log.stem}2.jsonl").write_bytes(b"of another clip\n")
    InspectedRun(log, "another").act(swap("theirs"))
    assert until(inspected.refresh)
    assert [each.id for each in inspected.state.acts] == ["theirs"]
    assert inspected.state.raw is before
    assert not inspected.refresh()
    with log.open("ab") as growing:
        growing.write(b"".join(lines[51:]))
    assert until(inspected.refresh)
    assert len(inspected.state.raw) == FRAMES


def test_the_parts_of_a_log_are_followed(run: Path) -> None:
    head, *lines = (run / "keypoints.jsonl").read_bytes().splitlines(keepends=True)
    (run / "keypoints.jsonl").write_bytes(b"".join([head, *lines[:60]]))
    inspected = InspectedRun(run)
    with (run / "keypoints.jsonl").open("ab") as first:
        first.write(b'{"type":"next"}\n')
    assert until(inspected.refresh)
    second = orjson.dumps({**orjson.loads(head), "segment": 2}) + b"\n"
    (run / "keypoints-2.jsonl").write_bytes(second + b"".join(lines[60:]))
    assert until(inspected.refresh)
    assert len(inspected.state.raw) == FRAMES


def test_killed_while_acts_are_made_nothing_is_lost_and_nothing_doubled(run: Path) -> None:
    acknowledged: list[str] = []
    sent: list[str] = []
    last: dict[str, Any] | None = None
    for life in range(3):
        port = free_port()
        process = subprocess.Popen(
            [sys.executable, "-m", "poseline", "inspect", str(run), "--port", str(port), "--by", "tester"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            assert until(lambda port=port: _answers(port))  # type: ignore[misc]
            if last is not None:  # the page sends again what was not answered
                assert post(port, "/api/act", last).status == 200
                acknowledged.append(last["act"])
            killer = threading.Timer(0.15 + 0.1 * life, os.kill, (process.pid, signal.SIGKILL))
            killer.start()
            for number in range(10_000):
                last = {"act": f"{life}-{number}", "do": "place", "person": 1, "keypoint": "nose",
                        "at": {str(number % FRAMES): [number, life]}}  # fmt: skip
                sent.append(last["act"])
                try:
                    answer = post(port, "/api/act", last)
                except OSError:
                    break
                if answer.status != 200:
                    assert answer.status == 0, answer
                    break
                acknowledged.append(last["act"])
        finally:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()
    with inspecting(run) as server:
        assert last is not None
        act(server, last)
        found = [each["act"] for each in get_json(server, "/api/corrections")["acts"]]
    assert len(found) == len(set(found)), "doubled"
    assert [each for each in sent if each in {*acknowledged, last["act"]}] == found, "lost, or in another order"
    assert len(found) > 5


def _answers(port: int) -> bool:
    try:
        return request(port, "/healthz").status == 200
    except OSError:
        return False


def test_the_command_tells_what_is_wrong(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def told(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["poseline", "inspect", *arguments])
        code, said = command(Interruption()), capsys.readouterr()
        return code, " ".join((said.out + said.err).split())

    write_log(tmp_path / "empty" / "keypoints.jsonl", [run_record()])
    for arguments, expected, words in (
        ([str(tmp_path / "nothing")], 3, "no such log"),
        ([str(run), "--host", "a b"], 2, "not an address to listen on"),
        ([str(run), "--port", "70000"], 2, "65535"),
        ([str(run), "--port", "0", "--source", str(tmp_path / "none.mp4")], 3, "--source"),
        ([str(tmp_path / "empty")], 3, "holds no frame yet"),
    ):
        code, said = told(*arguments)
        assert code == expected
        assert words in said


def test_the_documentation_has_every_key_of_the_page() -> None:
    page = Path(inspection.__file__).parent / "page" / "keys.js"
    rows = re.findall(r'^    \["([^"]+)", "([^"]+)", \{', page.read_text(encoding="utf-8"), re.MULTILINE)
    documented = (PROJECT / "docs" / "inspect.md").read_text(encoding="utf-8")
    assert len(rows) > 20
    assert "| key | does |\n|---|---|\n" + "".join(f"| {keys} | {does} |\n" for keys, does in rows) in documented
