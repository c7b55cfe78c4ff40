"""A recording in pieces gives the log of an undivided run, however it is encoded."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from media_worlds import write_clip
from output_worlds import decoded, seconds
from poseline import batch, inference, pieces, session
from poseline.capture import VideoFile, locate
from poseline.capture.key_frames import Uncuttable, cuts, key_times
from poseline.errors import ModelError, PoselineError, SettingsError, StageStalled
from poseline.interruption import Interruption
from poseline.machine import cores
from poseline.request import RunRequest
from poseline.session import Models, Session
from poseline.settings import CaptureSettings, load
from poseline.workers import Context, ProcessExecutor
from test_capture_part import CLIPS, assert_same, facts
from test_capture_time import PLAIN, trimmed

CROSSING = Path(__file__).parents[1] / "samples" / "crossing.mp4"
WHOLE = {
    "no time stamps": "has no time stamps",
    "a break": "do not only move on",
    "wild stamps": "do not only move on",
}
"""Clips that are not cut, and why."""


GROUPED = {"edit list, groups": ("a.mp4", lambda path: trimmed(path, hidden=35, count=130, group=25))}
ONE_GROUP = ("edit list", "GIF")


@pytest.mark.parametrize("kind", [*CLIPS, *GROUPED])
def test_pieces_joined_have_all_frames_once(kind: str, tmp_path: Path) -> None:
    name, made = {**CLIPS, **GROUPED}[kind]
    path = made(tmp_path / name)
    if kind in WHOLE:
        with pytest.raises(Uncuttable, match=WHOLE[kind]):
            key_times(path, CaptureSettings())
        return
    whole = facts(path)
    chosen = cuts(key_times(path, CaptureSettings()), 0.3)
    bounds = [None, *chosen, None]
    assert bool(chosen) == (kind not in ONE_GROUP), "a cut is tried"
    parts = [facts(path, start=start, end=end) for start, end in pairwise(bounds)]
    assert_same([each for part in parts for each in part], whole)


def test_cuts_stand_at_key_frames_and_are_not_too_near(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", range(90), options={**PLAIN, "g": "10"})
    assert key_times(path, CaptureSettings()) == pytest.approx([number / 3 for number in range(9)])
    assert cuts(key_times(path, CaptureSettings()), 0.6) == pytest.approx([2 / 3, 4 / 3, 2, 8 / 3])
    assert cuts([0.0, 0.1], 0.2) == []


@pytest.mark.parametrize(("name", "pieces_made"), [("a.mp4", 30), ("a.mkv", 8)])
def test_a_file_without_an_index_has_fewer_pieces(
    name: str, pieces_made: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "_SHORTEST", 0.1)
    path = write_clip(tmp_path / name, range(300), options={**PLAIN, "g": "10"})
    divided = pieces.joined(VideoFile(path, CaptureSettings()), RunRequest(locate([str(path)])[0]), dying(1))
    assert len(divided.cuts) + 1 == pieces_made


def test_pieces_on_a_gpu_are_longer_and_not_more_than_a_worker_can_begin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "_SHORTEST_ON_GPU", 0.5)
    path = write_clip(tmp_path / "a.mp4", range(900), options={**PLAIN, "g": "10"})  # 30 s, a key frame each 1/3 s
    workers = replace(dying(1), on_gpu=True)
    divided = pieces.joined(VideoFile(path, CaptureSettings()), RunRequest(locate([str(path)])[0]), workers)
    assert len(divided.cuts) + 1 == pytest.approx(pieces._MOST_ON_GPU, abs=2)
    assert min(after - before for before, after in pairwise([0.0, *divided.cuts])) >= 30 / pieces._MOST_ON_GPU - 1 / 3


def test_a_part_is_cut_inside_alone_and_no_more_workers_are_started_than_it_has_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "_SHORTEST", 0.1)
    path = write_clip(tmp_path / "a.mp4", range(300), options={**PLAIN, "g": "10"})

    def divided(start: float | None, end: float | None) -> tuple[list[float], int]:
        settings = load(overrides={"capture": {"start": start, "end": end}})
        request = RunRequest(locate([str(path)])[0], settings)
        made = pieces.joined(VideoFile(path, settings.capture), request, dying(4))
        return [round(cut, 3) for cut in made.cuts], made.workers

    assert divided(2, 3.1) == ([2.333, 2.667, 3], 4)
    assert divided(9.3, None) == ([9.667], 2)
    assert divided(None, 0.5) == ([0.333], 2)
    assert divided(1.333333, 2.0000004) == ([1.667], 2), "times are compared in microseconds, as frames are chosen"
    with pytest.raises(Uncuttable, match="no key frame to cut at"):
        divided(2.4, 2.5)


def run(
    clip: Path, out: Path, workers: int = 1, capture: dict[str, Any] | None = None, **drawn: bool
) -> tuple[list[dict[str, Any]], Any]:
    """The log's records, and the report."""
    settings = load(
        overrides={
            "inference": {"model": "builtin", "imgsz": 320},
            "capture": capture or {},
            "output": {"directory": out, "video": bool(drawn)},
            "overlay": drawn,
        }
    )
    [location] = locate([str(clip)])
    report = batch.run_source(
        RunRequest(location, settings), Models(), Interruption(), lambda *_: None, workers=workers
    )
    return [json.loads(line) for line in (out / "keypoints.jsonl").read_text().splitlines()], report


def without_times(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The records without what is another in each run."""
    first = {key: value for key, value in records[0].items() if key not in ("started", "settings")}
    last = {key: value for key, value in records[-1].items() if key not in ("elapsed", "fps")}
    return [first, *records[1:-1], last]


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "_SHORTEST", 1.0)


@pytest.mark.usefixtures("short")
def test_the_log_is_that_of_an_undivided_run_and_so_are_the_times_of_the_video(tmp_path: Path) -> None:
    assert len(cuts(key_times(CROSSING, CaptureSettings()), 1.0)) >= 2
    whole, report = run(CROSSING, tmp_path / "whole", labels=False)
    divided, other = run(CROSSING, tmp_path / "divided", workers=2, labels=False)
    assert len({person["id"] for record in whole[1:-1] for person in record["persons"]}) >= 3
    assert without_times(divided) == without_times(whole)
    assert other.counts == report.counts
    assert other.notes == report.notes == []
    one, many = (tmp_path / name / "annotated.mp4" for name in ("whole", "divided"))
    assert seconds(one) == seconds(many)
    assert decoded(many) == report.counts.processed
    assert [path.name for path in other.files] == [path.name for path in report.files]
    assert any(meter.name == "encoding" for meter in other.meters), "it was drawn elsewhere"


@pytest.mark.usefixtures("short", "on_gpu")
def test_workers_for_a_gpu_begin_before_this_process_has_loaded_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, _ = run(CROSSING, tmp_path / "whole")
    steps: list[object] = []
    get, begin = Models.get, pieces.JoinedPieces.begin

    def loading(self: Models, *arguments: Any, **options: Any) -> Any:
        steps.append(options["size"])
        return get(self, *arguments, **options)

    def beginning(self: pieces.JoinedPieces) -> None:
        steps.append("begun")
        begin(self)

    monkeypatch.setattr(Models, "get", loading)
    monkeypatch.setattr(pieces.JoinedPieces, "begin", beginning)
    divided, _ = run(CROSSING, tmp_path / "divided", workers=2)
    assert steps == ["begun", (0, 0)], "nothing is made ready for pictures that never come"
    assert without_times(divided) == without_times(whole)


@pytest.fixture
def on_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that looks as if it had a GPU, though the CPU does the work."""
    monkeypatch.setattr(inference, "seems_on_gpu", lambda _: True)
    monkeypatch.setattr(pieces, "_SHORTEST_ON_GPU", 1.0)


@pytest.mark.usefixtures("on_gpu")
def test_a_bad_model_ends_a_run_whose_workers_have_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any, **__: Any) -> Any:
        raise ModelError("no such engine")

    monkeypatch.setattr(session, "PieceWork", Waiting)
    monkeypatch.setattr(Models, "get", refused)
    with pytest.raises(ModelError, match="no such engine"):
        run(CROSSING, tmp_path / "out", workers=2)
    assert not [thread.name for thread in threading.enumerate() if thread.name == "pieces"]


@pytest.mark.usefixtures("short")
def test_a_part_of_a_damaged_clip_in_pieces(tmp_path: Path) -> None:
    clip = tmp_path / "damaged.mp4"
    content = bytearray(CROSSING.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 3000] = bytes(3000)
    clip.write_bytes(content)
    part = {"start": 0.5, "end": 7.0}
    whole, report = run(clip, tmp_path / "whole", capture=part)
    divided, other = run(clip, tmp_path / "divided", workers=2, capture=part)
    [patched] = [record["frame"] for record in whole if record.get("corrupt")]
    for mine, theirs in zip(divided[1:-1], whole[1:-1], strict=True):
        # What the decoder paints over damage depends on the number of its threads, in all pictures of the same group.
        if abs(mine["frame"] - patched) < 30:
            mine, theirs = ({**record, "persons": len(record["persons"])} for record in (mine, theirs))
        assert mine == theirs
    assert other.counts == report.counts


@pytest.mark.usefixtures("short")
def test_what_could_not_be_decoded_is_told_of_all_pieces_together(tmp_path: Path) -> None:
    clip = tmp_path / "damaged.mp4"
    content = bytearray(CROSSING.read_bytes())
    for place in (len(content) // 4, len(content) // 2):
        content[place : place + 3000] = bytes(3000)
    clip.write_bytes(content)
    _, report = run(clip, tmp_path / "whole")
    _, other = run(clip, tmp_path / "divided", workers=2)
    assert report.counts.bad >= 2
    assert f"{report.counts.bad} packets could not be decoded and were passed over" in report.notes
    assert other.counts == report.counts
    assert other.notes == report.notes


@pytest.mark.parametrize("gpu", [False, True])
@pytest.mark.parametrize(
    ("capture", "drawn", "reason"),
    [
        ({"vid_stride": 2}, {}, "--vid-stride"),
        ({}, {}, "no key frame to cut at"),
        ({}, {"hud": True}, "the pictures are wanted in this process"),
    ],
)
def test_what_cannot_be_cut_runs_whole_and_says_why(
    capture: dict[str, Any],
    drawn: dict[str, bool],
    reason: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    gpu: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if gpu:
        monkeypatch.setattr(inference, "seems_on_gpu", lambda _: True)
    clip = write_clip(tmp_path / "a.mp4", range(20), options={**PLAIN, "g": "100"})
    with caplog.at_level(logging.INFO, "poseline"):
        records, report = run(clip, tmp_path / "out", workers=2, capture=capture, **drawn)
    assert report.error is None
    assert sum(record["type"] == "frame" for record in records) == 20 // capture.get("vid_stride", 1)
    assert sum("one process reads it" in message and reason in message for message in caplog.messages) == 1


@pytest.mark.usefixtures("short")
def test_a_worker_that_dies_ends_the_run_with_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "PieceWork", Dying)
    _, report = run(CROSSING, tmp_path / "out", workers=2)
    assert "its process ended with 3" in str(report.error)
    assert report.ended == "failed"


@pytest.mark.usefixtures("short")
def test_a_run_of_pieces_can_be_stopped() -> None:
    settings = load(overrides={"inference": {"model": "builtin", "imgsz": 320}})
    [location] = locate([str(CROSSING)])
    with Session(RunRequest(location, settings), Models(), workers=2) as divided:
        seen = divided.observations()
        assert [next(seen).frame.index for _ in range(3)] == [0, 1, 2]
        seen.close()  # type: ignore[attr-defined] # a generator
    assert not [thread.name for thread in threading.enumerate() if thread.name == "pieces"]


class Waiting:
    """Work that finds nothing until it is stopped."""

    def __call__(self, unit: object, context: Context) -> None:
        while not context.interruption.signal_count:
            time.sleep(0.01)


def test_a_run_that_waits_for_a_piece_can_be_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "_SHORTEST", 1.0)
    request = RunRequest(locate([str(CROSSING)])[0])
    workers = replace(dying(2), work=Waiting())
    source = pieces.joined(VideoFile(CROSSING, CaptureSettings()), request, workers)
    threading.Timer(0.5, source.stop).start()
    assert [*source.frames()] == []


@pytest.mark.usefixtures("short")
def test_a_worker_that_says_nothing_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "PieceWork", Waiting)
    monkeypatch.setattr(pieces, "_SILENCE", 0.5)
    request = RunRequest(locate([str(CROSSING)])[0], load(overrides={"inference": {"model": "builtin"}}))
    with (
        Session(request, Models(), workers=2) as divided,
        pytest.raises(StageStalled, match=r"crossing\.mp4: .* said nothing for 0\.5 s"),
    ):
        next(divided.observations())


class Dying:
    """Work whose process ends."""

    def __call__(self, unit: object, context: Context) -> None:
        os._exit(3)


def dying(most: int) -> pieces.PieceWorkers:
    def executor(most: int, may_begin: Callable[[int], bool]) -> ProcessExecutor:
        return ProcessExecutor(most, may_begin=may_begin)

    return pieces.PieceWorkers(most, executor, Dying(), drawing=most)


class Cores:
    """Work that says which cores it may use."""

    def __call__(self, unit: object, context: Context) -> set[int]:
        return os.sched_getaffinity(0)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system does not say which cores")
def test_workers_have_cores_of_their_own() -> None:
    all_cores = os.sched_getaffinity(0)
    if len(all_cores) < 2:
        pytest.skip("there is one core")
    outcomes = ProcessExecutor(2, divide_cores=True).run(
        range(2), Cores(), Interruption(), lambda *_: None, lambda *_: None
    )
    first, second = (outcome.result for outcome in outcomes)
    assert first | second <= all_cores
    assert min(len(first), len(second)) >= 1
    assert first == second or not first & second, "one worker may have done both"
    assert os.sched_getaffinity(0) == all_cores
    more = ProcessExecutor(len(all_cores) + 1, divide_cores=True)
    assert {cores for cores, _ in more._places} == {None}


@pytest.mark.parametrize("jobs", ["0", "-1", "some", ""])
def test_jobs_are_a_number_or_auto(jobs: str) -> None:
    from poseline.cli import _jobs

    with pytest.raises(SettingsError, match="--jobs: a number from 1, or auto"):
        _jobs(jobs)
    assert (_jobs("auto"), _jobs("3")) == (0, 3)


def test_workers_suit_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    assert pieces.worker_count(3, "AMD EPYC", 0, None) == 3
    assert pieces.worker_count(0, "AMD EPYC", 0, 100) == max(1, cores() // 4)
    assert pieces.worker_count(0, "cuda NVIDIA H200", 0, 1_000) == 1
    assert pieces.worker_count(0, "cuda NVIDIA H200", 0, None) == 1
    monkeypatch.setattr(pieces, "cores", lambda: 16)
    assert pieces.worker_count(0, "cuda NVIDIA H200", 0, 20_000) == 4
    assert pieces.worker_count(0, "cuda NVIDIA H200", 2, 20_000) == 4
    assert pieces.worker_count(0, "cuda NVIDIA H200", 2, 5_000) == 2


def test_a_source_that_is_no_file_is_not_cut() -> None:
    request = RunRequest(locate([str(CROSSING)])[0])
    source = VideoFile(CROSSING, CaptureSettings())
    object.__setattr__(source.info, "path", None)
    with pytest.raises(PoselineError, match="no recording on this machine"):
        pieces.joined(source, request, dying(2))
    source.close()
