from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from media_worlds import ScriptedSource, estimator, one_person, settings, stage_threads
from output_worlds import decoded, lines
from poseline.errors import ModelError, OutputError, SourceError
from poseline.frame import Pixels
from poseline.log import KeypointLog
from poseline.output import VideoWriter, prepare
from poseline.overlay import Overlay
from poseline.pipeline import RunReport, run
from poseline.pose import Observation
from poseline.tracking import Tracker

AT = 12
PLACES = ("capture", "inference", "tracking", "overlay", "video", "log")


def broken_run(
    place: str, error: BaseException, folder: Path, monkeypatch: pytest.MonkeyPatch, source: ScriptedSource
) -> RunReport:
    """A run of which one place raises at frame 12."""
    calls = iter(range(1_000_000))

    def tearing(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **named: Any) -> Any:
            if next(calls) == AT:
                raise error
            return original(*args, **named)

        return call

    model = estimator(_answer(place, error))
    if place == "tracking":
        monkeypatch.setattr(Tracker, "update", tearing(Tracker.update))
    if place == "overlay":
        monkeypatch.setattr(Overlay, "stage", _torn_stage(Overlay.stage, error))
    if place == "video":
        monkeypatch.setattr(VideoWriter, "write", tearing(VideoWriter.write))
    if place == "log":
        monkeypatch.setattr(KeypointLog, "frame", tearing(KeypointLog.frame))
    with prepare(folder, "", False, []) as out:
        return run(source, model, settings(tracking={"enabled": True}), out)


def _answer(place: str, error: BaseException) -> Callable[[Pixels], NDArray[np.float32]]:
    calls = iter(range(1_000_000))

    def answer(pixels: Pixels) -> NDArray[np.float32]:
        if place == "inference" and next(calls) == AT:
            raise error
        return one_person(pixels)

    return answer


def _torn_stage(original: Callable[..., Any], error: BaseException) -> Callable[..., Any]:
    def stage(self: Overlay, items: Iterator[Observation]) -> Generator[Any, None, None]:
        for number, drawn in enumerate(original(self, items)):
            if number == AT:
                raise error
            yield drawn

    return stage


def source_of(place: str, error: BaseException, count: int | None) -> ScriptedSource:
    """A source that raises at frame 12 where it is the one to."""

    def step(number: int) -> None:
        if place == "capture" and number == AT:
            raise error

    return ScriptedSource(count, step=step)


@pytest.mark.parametrize("count", [40, None], ids=["finite", "endless"])
@pytest.mark.parametrize(
    "error", [ValueError("torn"), SourceError("rtsp://u:secret@h/: torn"), OutputError("torn"), ModelError("torn")],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
@pytest.mark.parametrize("place", PLACES)
def test_what_came_before_an_error_is_written_and_the_error_is_told(
    place: str, error: Exception, count: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = source_of(place, error, count)
    report = broken_run(place, error, tmp_path / "out", monkeypatch, source)
    assert report.error is error
    assert not report.interrupted
    assert source.closed == 1
    assert not stage_threads()
    journal = lines(tmp_path / "out" / "keypoints.jsonl")
    assert [record["frame"] for record in journal if record["type"] == "frame"] == list(range(AT))
    assert journal[-1]["type"] == "end"
    assert "torn" in journal[-1]["error"]
    assert "secret" not in (tmp_path / "out" / "keypoints.jsonl").read_text()
    assert report.counts.balanced
    assert report.counts.processed == AT
    written = AT + (place == "log")  # a picture is encoded before its line is written
    assert decoded(tmp_path / "out" / "annotated.mp4") == written
    assert (tmp_path / "out" / "summary.json").is_file()
    assert "torn" in (tmp_path / "out" / "summary.json").read_text()
    assert not list((tmp_path / "out").glob("*.part"))


def _fail_to_close(monkeypatch: pytest.MonkeyPatch, error: OutputError) -> None:
    close = VideoWriter.close

    def closing(self: VideoWriter) -> None:
        close(self)
        raise error

    monkeypatch.setattr(VideoWriter, "close", closing)


def test_the_first_error_is_the_one_that_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = SourceError("the cause"), OutputError("a consequence")

    _fail_to_close(monkeypatch, second)
    report = broken_run("capture", first, tmp_path / "out", monkeypatch, source_of("capture", first, 40))
    assert report.error is first
    assert lines(tmp_path / "out" / "keypoints.jsonl")[-1]["error"] == "the cause"


def test_a_video_that_cannot_be_finished_is_an_error_in_report_and_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fail_to_close(monkeypatch, OutputError("the disk went away"))
    with prepare(tmp_path / "out", "", False, []) as out:
        report = run(ScriptedSource(5), estimator(), settings(), out)
    assert str(report.error) == "the disk went away"
    assert lines(tmp_path / "out" / "keypoints.jsonl")[-1]["error"] == "the disk went away"


def test_a_second_ctrl_c_is_an_interruption(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = broken_run("log", KeyboardInterrupt(), tmp_path / "out", monkeypatch, ScriptedSource(None))
    assert isinstance(report.error, KeyboardInterrupt)
    assert report.interrupted
    assert report.counts.balanced
    assert decoded(tmp_path / "out" / "annotated.mp4") == AT + 1
    assert not stage_threads()


def test_a_network_of_another_shape_is_a_model_error(tmp_path: Path) -> None:
    def wrong(pixels: Pixels) -> NDArray[np.float32]:
        return one_person(pixels)[:-1]

    with prepare(tmp_path / "out", "", False, []) as out:
        report = run(ScriptedSource(5), estimator(wrong), settings(), out)
    assert isinstance(report.error, ModelError)
    assert report.counts.processed == 0


def test_a_network_that_answers_nonsense_is_null_in_the_journal(tmp_path: Path) -> None:
    def nonsense(pixels: Pixels) -> NDArray[np.float32]:
        answer = one_person(pixels)
        answer[5:7] = np.nan
        return answer

    with prepare(tmp_path / "out", "", False, []) as out:
        report = run(ScriptedSource(3), estimator(nonsense), settings(tracking={"enabled": True}), out)
    assert report.error is None
    journal = lines(tmp_path / "out" / "keypoints.jsonl")
    assert journal[1]["persons"][0]["keypoints"][0][:2] == [None, None]
    assert journal[-1]["nulls"] == 6


def test_a_source_that_ends_before_its_first_frame(tmp_path: Path) -> None:
    with prepare(tmp_path / "out", "", False, []) as out:
        report = run(ScriptedSource(0), estimator(), settings(), out)
    assert report.counts.read == 0
    assert report.counts.balanced
    assert [record["type"] for record in lines(tmp_path / "out" / "keypoints.jsonl")] == ["run", "end"]
