from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from output_worlds import CHILD, SKELETON, header, lines, poses, seen
from poseline.errors import OutputError, SourceError
from poseline.frame import Gap
from poseline.log import Counts, Ended, KeypointLog, LogReader, read_log
from poseline.pose import Observation, Poses
from poseline.skeleton import COCO17

SIZE = {"width": 64, "height": 48}


def two_persons() -> Poses:
    found = Poses.of(
        np.array([[1.005, 2, 30.129, 40], [5, 6, 7, 8]], np.float32),
        np.array([0.91, 0.123456], np.float32),
        np.array([[[10.1234, 20, 0.5], [0, 0, 0]], [[-1.5, 48, 0.99999], [3, 4, 1]]], np.float32),
        np.array([0, 1]),
    )
    return found.with_ids(np.array([7, -1]))


def test_the_journal_is_schema_1_to_the_letter(tmp_path: Path) -> None:
    with KeypointLog(tmp_path / "log.jsonl", header()) as log:
        log.frame(seen(3, two_persons()))
        log.frame(seen(4, Poses.none(2)))
        log.end(Counts(read=6, processed=2, dropped=3, bad=1, persons=2), 1.5, 30.0)
    assert lines(tmp_path / "log.jsonl") == [
        {
            "type": "run",
            "schema": 1,
            "source": "clip.mp4",
            "model": {"name": "tiny", "sha256": "0" * 64, "imgsz": [640, 640], "precision": "fp32"},
            "runtime": "openvino",
            "device": "cpu",
            "skeleton": {
                "names": ["head", "left_hand"],
                "edges": [[0, 1]],
                "sigmas": [0.05, 0.05],
                "pairs": [],
            },
            "video": {"width": 64, "height": 48, "fps": 30.0, "time_base": "1/30"},
            "settings": {"output": {"crf": 23}},
            "versions": {"poseline": "0"},
            "started": "2030-01-01T00:00:00+00:00",
        },
        {
            "type": "frame",
            "frame": 3,
            "pts": 3,
            "time": 0.1,
            "persons": [
                {"id": 7, "score": 0.91, "box": [1.0, 2.0, 30.13, 40.0], "keypoints": [[10.12, 20, 0.5], [0, 0, 0]]},
                {"id": -1, "score": 0.1235, "box": [5, 6, 7, 8], "keypoints": [[-1.5, 48, 1.0], [3, 4, 1]]},
            ],
            "dropped_before": 0,
            "corrupt": False,
        },
        {"type": "frame", "frame": 4, "pts": 4, "time": 0.133333, "persons": [], "dropped_before": 0, "corrupt": False},
        {
            "type": "end",
            "ended": "complete",
            "counts": {"read": 6, "processed": 2, "dropped": 3, "bad": 1, "persons": 2, "corrupt": 0},
            "elapsed": 1.5,
            "fps": 30.0,
            "error": None,
        },
    ]
    assert (log.frames, log.persons, log.nulls) == (2, 2, 0)


def test_an_outage_stands_before_the_frame_that_ended_it(tmp_path: Path) -> None:
    with KeypointLog(tmp_path / "log.jsonl", header()) as log:
        log.frame(seen(0, poses(1)))
        log.frame(seen(1, poses(1), gap=Gap(0.0, 12.5, "no answer from rtsp://me:secret@cam/1")))
    records = lines(tmp_path / "log.jsonl")
    assert [record["type"] for record in records] == ["run", "frame", "gap", "frame"]
    assert records[2] == {"type": "gap", "from": 0.0, "to": 12.5, "reason": "no answer from rtsp://***@cam/1"}


def test_no_password_is_in_any_line(tmp_path: Path) -> None:
    url = "rtsp://me:hunter2@cam/1"
    told = header(source=url, settings={"capture": {"source": url, "more": [{"url": url}, Path("/a")]}})
    with KeypointLog(tmp_path / "log.jsonl", told) as log:
        log.frame(seen(0, poses(1), source=url))
        log.frame(seen(1, poses(1), source="rtsp://you:hunter2@cam/2", gap=Gap(0, 1, url)))
        log.end(Counts(), 0, 0, f"{url}: no answer")
    assert "hunter2" not in (tmp_path / "log.jsonl").read_text()
    frames = [record for record in lines(tmp_path / "log.jsonl") if record["type"] == "frame"]
    assert "source" not in frames[0], "the header says it"
    assert frames[1]["source"] == "rtsp://***@cam/2"


def test_numbers_that_are_none_become_null_and_are_counted(tmp_path: Path) -> None:
    found = poses(2)
    keypoints, boxes = found.keypoints.copy(), found.boxes.copy()
    keypoints[0, 1] = (np.nan, np.inf, -np.inf)
    boxes[1, 2] = np.nan
    broken = Poses.of(boxes, found.scores, keypoints)
    with KeypointLog(tmp_path / "log.jsonl", header(video={**SIZE, "fps": float("nan")})) as log:
        log.frame(seen(0, broken))
        log.end(Counts(), float("inf"), 1.0)
    run, frame, end = lines(tmp_path / "log.jsonl")
    assert "NaN" not in (tmp_path / "log.jsonl").read_text()
    assert run["video"]["fps"] is None
    assert frame["persons"][0]["keypoints"][1] == [None, None, None]
    assert frame["persons"][1]["box"][2] is None
    assert np.allclose(frame["persons"][0]["keypoints"][0], keypoints[0, 0], atol=0.00501)
    assert (log.nulls, end["nulls"], end["elapsed"]) == (4, 4, None)
    back = read_log(tmp_path / "log.jsonl").frames[0].poses
    assert np.isnan(back.keypoints[0, 1]).all()
    assert np.isnan(back.boxes[1, 2])


def test_a_class_is_written_only_where_there_is_a_choice(tmp_path: Path) -> None:
    with KeypointLog(tmp_path / "log.jsonl", header(classes=("person", "dog"))) as log:
        log.frame(seen(0, two_persons()))
    run, frame = lines(tmp_path / "log.jsonl")
    assert run["classes"] == ["person", "dog"]
    assert [person["class"] for person in frame["persons"]] == [0, 1]
    assert read_log(tmp_path / "log.jsonl").frames[0].poses.classes.tolist() == [0, 1]


def test_a_line_is_on_the_disk_when_the_call_returns(tmp_path: Path) -> None:
    with KeypointLog(tmp_path / "log.jsonl", header()) as log:
        for index in range(5):
            log.frame(seen(index, poses(3)))
            assert len(lines(tmp_path / "log.jsonl")) == index + 2


def test_ten_persons_are_written_in_a_fraction_of_a_frame(tmp_path: Path) -> None:
    world = np.random.default_rng(0)
    crowd = Poses.of(
        world.random((10, 4)).astype(np.float32) * 1000,
        world.random(10).astype(np.float32),
        world.random((10, 17, 3)).astype(np.float32) * 1000,
    )
    took = []
    with KeypointLog(tmp_path / "log.jsonl", header(skeleton=COCO17)) as log:
        for index in range(300):
            begin = time.thread_time()
            log.frame(seen(index, crowd))
            took.append(time.thread_time() - begin)
    assert np.median(took) < 0.005, "0.2 ms on a fast core, and a frame lasts 33"


def test_a_log_that_is_there_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text("precious")
    with pytest.raises(OutputError, match=r"log\.jsonl: .*exists"):
        KeypointLog(tmp_path / "log.jsonl", header())
    assert (tmp_path / "log.jsonl").read_text() == "precious"
    with pytest.raises(OutputError, match=r"missing/log\.jsonl"):
        KeypointLog(tmp_path / "missing" / "log.jsonl", header())


def test_poses_of_another_skeleton_are_refused(tmp_path: Path) -> None:
    with KeypointLog(tmp_path / "log.jsonl", header()) as log, pytest.raises(ValueError, match="2 keypoints, not 17"):
        log.frame(seen(0, Poses.none(17)))


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from output_worlds import header, poses, seen
from poseline.errors import OutputError
from poseline.log import KeypointLog
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 10**6))
failed = []
with KeypointLog(Path(sys.argv[1]), header()) as log:
    for index in range(100):
        try:
            log.frame(seen(index, poses(2)))
        except OutputError as error:
            resource.setrlimit(resource.RLIMIT_FSIZE, (6000, 10**6))
            failed.append((index, error))
assert failed[0][1] is failed[-1][1]
assert len(failed) == 100 - failed[0][0]
print(failed[0][0], failed[0][1], sep="\\n")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit of a file's size to stand for a full disk")
def test_a_full_disk_is_told_and_glues_nothing_to_the_torn_line(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    command = [sys.executable, "-c", FULL_DISK, str(path)]
    child = subprocess.run(command, capture_output=True, text=True, check=True, env=CHILD)
    count, message = child.stdout.splitlines()
    assert message == f"{path}: the keypoint log cannot be written: File too large"
    log = read_log(path)
    assert len(log.frames) == int(count) > 0
    assert log.skipped == 1
    assert log.interrupted


@pytest.mark.parametrize("ended", ["complete", "interrupted", "failed"])
def test_the_end_record_says_how_the_run_ended(ended: Ended, tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with KeypointLog(path, header()) as log:
        log.end(Counts(), 1.0, 0.0, "torn" if ended == "failed" else None, ended=ended)
    read = read_log(path)
    assert lines(path)[-1]["ended"] == read.ended == ended
    assert read.interrupted == (ended == "interrupted")
    reader = LogReader(path)
    assert not list(reader.frames())
    assert reader.ended == ended


def test_an_error_alone_is_a_failure_and_no_end_record_a_kill(tmp_path: Path) -> None:
    with KeypointLog(tmp_path / "failed.jsonl", header()) as log:
        log.end(Counts(), 1.0, 0.0, "the disk went away")
    assert read_log(tmp_path / "failed.jsonl").ended == "failed"
    with KeypointLog(tmp_path / "killed.jsonl", header()) as log:
        log.frame(seen(0, poses(1)))
    killed = read_log(tmp_path / "killed.jsonl")
    assert (killed.ended, killed.interrupted) == ("killed", True)


@pytest.mark.parametrize(("error", "ended"), [(None, "unknown"), ("no answer", "failed")])
def test_an_old_log_is_read_and_nothing_is_made_up(error: str | None, ended: str, tmp_path: Path) -> None:
    """As logs were before an end record said how the run ended, and before pictures' sizes were told."""
    records: list[dict[str, object]] = [
        {**header(video=None).as_record()},
        {"type": "frame", "frame": 0, "pts": 0, "time": 0.0, "persons": [], "dropped_before": 0, "corrupt": False},
        {"type": "end", "counts": {"read": 1}, "elapsed": 1.0, "fps": 1.0, "error": error},
    ]
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    log = read_log(path)
    assert (log.ended, log.interrupted, log.skipped, log.pixel_aspect) == (ended, False, 0, 1.0)
    assert [(frame.width, frame.height) for frame in log.frames] == [(None, None)]
    records[0] = header().as_record()
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    assert [(frame.width, frame.height) for frame in read_log(path).frames] == [(64, 48)]


def of_size(index: int, width: int, height: int) -> Observation:
    observation = seen(index, poses(1, index))
    return replace(observation, frame=replace(observation.frame, picture=np.zeros((height, width, 3), np.uint8)))


SIZES = [(64, 48), (64, 48), (48, 64), (48, 64), (64, 48), (32, 32)]


def test_a_change_of_size_is_told_before_the_first_frame_of_it(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with KeypointLog(path, header()) as log:
        for index, size in enumerate(SIZES):
            log.frame(of_size(index, *size))
        assert log.sizes == 3
    kinds = [(record["type"], record.get("frame")) for record in lines(path)]
    assert [kind for kind in kinds if kind[0] == "size"] == [("size", 2), ("size", 4), ("size", 5)]
    for number, (kind, index) in enumerate(kinds):
        if kind == "size":
            assert kinds[number + 1] == ("frame", index)
    assert lines(path)[3] == {"type": "size", "frame": 2, "width": 48, "height": 64}
    assert [(frame.width, frame.height) for frame in read_log(path).frames] == SIZES
    reader = LogReader(path)
    assert reader.differing()[0]
    for _ in range(2):  # each way through begins with the header's size
        assert [(frame.width, frame.height) for frame in reader.frames()] == SIZES


def test_separate_pictures_have_their_size_told_from_the_first_on(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with KeypointLog(path, header(video=None)) as log:
        for index, size in enumerate(SIZES[:2]):
            log.frame(of_size(index, *size))
    assert [record["type"] for record in lines(path)] == ["run", "size", "frame", "frame"]
    assert [(frame.width, frame.height) for frame in read_log(path).frames] == SIZES[:2]
    assert not LogReader(path).differing()[0], "both are of one size"


def test_a_camera_that_gives_another_size_than_it_says(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with KeypointLog(path, header(video={"width": 1280, "height": 720})) as log:
        log.frame(of_size(0, 64, 48))
    assert [(frame.width, frame.height) for frame in read_log(path).frames] == [(64, 48)]
    assert LogReader(path).differing()[0], "from the header's"


def test_damaged_pictures_and_outages_are_counted(tmp_path: Path) -> None:
    with KeypointLog(tmp_path / "log.jsonl", header()) as log:
        for index in range(6):
            observation = seen(index, poses(1), gap=Gap(index, index + 0.5, "cable") if index in (2, 4) else None)
            log.frame(replace(observation, frame=replace(observation.frame, corrupt=index % 3 == 0)))
        assert (log.corrupt, log.outages) == (2, 1.0)


def test_an_annotated_picture_is_named(tmp_path: Path) -> None:
    with KeypointLog(tmp_path / "log.jsonl", header(video=None)) as log:
        log.frame(of_size(0, 64, 48), "pictures/a.jpg")
        log.frame(of_size(1, 64, 48))
    frames = [record for record in lines(tmp_path / "log.jsonl") if record["type"] == "frame"]
    assert frames[0]["picture"] == "pictures/a.jpg"
    assert "picture" not in frames[1]


def journal(path: Path, count: int = 5) -> list[bytes]:
    with KeypointLog(path, header()) as log:
        for index in range(count):
            log.frame(seen(index, poses(index, index), gap=Gap(0, 1, "unplugged") if index == 3 else None))
        log.end(Counts(count, count), 1.0, float(count))
    return path.read_bytes().splitlines(keepends=True)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    journal(tmp_path / "log.jsonl")
    log = read_log(tmp_path / "log.jsonl")
    assert log.names == SKELETON.names
    assert [(frame.index, frame.pts, len(frame.poses), frame.source) for frame in log.frames] == [
        (index, index, index, "clip.mp4") for index in range(5)
    ]
    for frame in log.frames:
        truth = poses(frame.index, frame.index)
        assert frame.time == pytest.approx(frame.index / 30, abs=1e-6)
        assert np.allclose(frame.poses.keypoints[..., :2], truth.keypoints[..., :2], atol=0.00501)
        assert np.allclose(frame.poses.keypoints[..., 2], truth.keypoints[..., 2], atol=0.0000501)
        assert np.allclose(frame.poses.boxes, truth.boxes, atol=0.00501)
        assert np.allclose(frame.poses.scores, truth.scores, atol=0.0000501)
        assert frame.poses.ids.tolist() == truth.ids.tolist()
    assert log.gaps == [Gap(0, 1, "unplugged")]
    assert log.end is not None
    assert log.end["counts"]["read"] == 5
    assert (log.ended, log.interrupted, log.skipped) == ("complete", False, 0)


def test_every_cut_of_a_journal_can_be_read(tmp_path: Path) -> None:
    whole = b"".join(journal(tmp_path / "log.jsonl"))
    first = whole.index(b"\n") + 1
    for cut in range(first, len(whole), 3):
        (tmp_path / "cut.jsonl").write_bytes(whole[:cut])
        log = read_log(tmp_path / "cut.jsonl")
        complete = whole[:cut].count(b'"type":"frame"') - (not whole[:cut].endswith(b"\n"))
        assert log.interrupted
        assert log.skipped == (not whole[:cut].endswith(b"\n"))
        assert len(log.frames) in (complete, complete + 1)
        assert [frame.index for frame in log.frames] == list(range(len(log.frames)))


SHORT_BOX = (
    b'{"type":"frame","frame":9,"pts":9,"time":1,"persons":[{"id":1,"score":1,"box":[1,2,3],'
    b'"keypoints":[[1,2,3],[4,5,6]]}],"dropped_before":0,"corrupt":false}\n'
)


@pytest.mark.parametrize(
    "broken",
    [
        b'{"type":"frame","frame":9,"pts":9,"ti\n',
        b"\xff\xfe\x00 not UTF-8\n",
        b'{"type":"frame"}\n',
        b'{"type":"frame","frame":9,"pts":9,"time":1,"persons":[{"id":1}],"dropped_before":0,"corrupt":false}\n',
        b'{"type":"frame","frame":9,"pts":9,"time":1,"persons":[null],"dropped_before":0,"corrupt":false}\n',
        SHORT_BOX,
        b'{"type":"surprise"}\n',
        b"[]\n",
        b"12\n",
        b"\n",
        b'{"type":"gap","from":null,"to":1,"reason":""}\n',
        b'{"type":"size","frame":3}\n',
    ],
)
def test_a_broken_line_is_skipped_and_counted(broken: bytes, tmp_path: Path) -> None:
    good = journal(tmp_path / "log.jsonl")
    (tmp_path / "broken.jsonl").write_bytes(b"".join([*good[:3], broken, *good[3:]]))
    log = read_log(tmp_path / "broken.jsonl")
    assert [frame.index for frame in log.frames] == [0, 1, 2, 3, 4]
    assert (log.skipped, log.interrupted) == (1, False)


def test_a_frame_that_comes_twice_counts_once(tmp_path: Path) -> None:
    good = journal(tmp_path / "log.jsonl")
    (tmp_path / "twice.jsonl").write_bytes(b"".join([*good[:3], good[2], good[1], *good[3:]]))
    log = read_log(tmp_path / "twice.jsonl")
    assert [frame.index for frame in log.frames] == [0, 1, 2, 3, 4]
    assert log.skipped == 2


def test_frames_of_several_sources_are_told_apart(tmp_path: Path) -> None:
    with KeypointLog(tmp_path / "log.jsonl", header(source="folder", video=None)) as log:
        for index, source in enumerate(("b.jpg", "a.jpg", "b.jpg")):
            log.frame(seen(index, poses(1), source=source))
        log.frame(seen(0, poses(1), source="c.jpg"))
    read = read_log(tmp_path / "log.jsonl")
    assert [frame.source for frame in read.frames] == ["b.jpg", "a.jpg", "b.jpg", "c.jpg"]
    assert read.skipped == 0


def test_a_reader_can_go_through_twice(tmp_path: Path) -> None:
    journal(tmp_path / "log.jsonl")
    reader = LogReader(tmp_path / "log.jsonl")
    for _ in range(2):
        assert [frame.index for frame in reader.frames()] == [0, 1, 2, 3, 4]
    assert reader.skipped == 0


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "No such file"),
        (b"", "not a keypoint log"),
        (b"some words\n", "not a keypoint log"),
        (b"\x00\xff\n", "not a keypoint log"),
        (b'{"type":"frame"}\n', "not a keypoint log"),
        (json.dumps({**header().as_record(), "schema": 2}).encode() + b"\n", "schema 2"),
    ],
)
def test_what_is_no_log_is_refused(content: bytes | None, why: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "log.jsonl").write_bytes(content)
    with pytest.raises(SourceError, match=rf"log\.jsonl: .*{why}"):
        read_log(tmp_path / "log.jsonl")


class FewAtATime(FileIO):
    """A file of which the system takes a few bytes in one call."""

    def write(self, data: Any) -> int:
        return super().write(bytes(data)[:7])


def test_a_line_that_is_taken_in_many_parts_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with KeypointLog(path, header()) as log:
        log._file.close()
        log._file = FewAtATime(path, "ab")
        log.frame(seen(3, two_persons()))
    assert [record["type"] for record in lines(path)] == ["run", "frame"]


class LostAtTheEnd(FileIO):
    """A file on a network file system that is full: it says so when the file is closed."""

    def close(self) -> None:
        was_open = not self.closed
        super().close()
        if was_open:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_what_is_lost_when_a_log_is_closed_is_told(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    log = KeypointLog(path, header())
    log._file.close()
    log._file = LostAtTheEnd(path, "ab")
    with pytest.raises(OutputError, match=rf"log\.jsonl: .* cannot be written: {os.strerror(errno.ENOSPC)}"):
        log.close()
    log._file = LostAtTheEnd(path, "ab")
    with pytest.raises(KeyError, match="first"), log:
        raise KeyError("first")


def test_a_log_that_somebody_removes_meanwhile_is_told(tmp_path: Path) -> None:
    path = tmp_path / "keypoints.jsonl"
    with KeypointLog(path, header()) as log:
        log.require_there()
        path.unlink()
        with pytest.raises(OutputError, match="keypoints.jsonl: the keypoint log was deleted while it was being"):
            log.require_there()
