"""The count rule: every frame that was read is processed, dropped or bad, and each is counted where that happens."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from media_worlds import ScriptedSource, estimator, one_person, settings
from poseline.errors import ModelError, PoselineError
from poseline.frame import Pixels
from poseline.interruption import Interruption
from poseline.log import KeypointLog, read_log
from poseline.output import prepare
from poseline.pipeline import RunReport, pose_stream, run
from poseline.pose import Observation
from poseline.tracking import track
from test_run import live, recorded

Stage = Callable[..., Generator[Observation, None, None]]


def losing(stage: Stage, lost: int) -> Stage:
    """The same stage, but one frame never comes out of it."""

    def run(*arguments: Any, **options: Any) -> Generator[Observation, None, None]:
        for observation in stage(*arguments, **options):
            if observation.frame.index != lost:
                yield observation

    return run


def doubling(stage: Stage, doubled: int) -> Stage:
    """The same stage, but one frame comes out of it twice."""

    def run(*arguments: Any, **options: Any) -> Generator[Observation, None, None]:
        for observation in stage(*arguments, **options):
            yield observation
            if observation.frame.index == doubled:
                yield observation

    return run


@pytest.mark.parametrize("name", ["infer", "track"])
@pytest.mark.parametrize(("wrong", "made"), [(losing, 19), (doubling, 21)])
def test_a_stage_that_loses_or_doubles_a_frame_is_an_internal_error(
    name: str, wrong: Callable[[Stage, int], Stage], made: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pose_stream, name, wrong(getattr(pose_stream, name), 7))
    with prepare(tmp_path / "out", "", False, []) as out:
        report = run(ScriptedSource(20), estimator(), settings(), out)
    assert not report.counts.balanced
    assert type(report.error) is PoselineError
    words = f"internal error: 20 frames were read, but {made} processed, 0 dropped and 0 bad make {made}"
    assert str(report.error).startswith(words)
    assert report.exit_code == 1
    log = read_log(tmp_path / "out" / "keypoints.jsonl")
    assert log.ended == report.ended == "failed"
    assert log.end is not None
    assert log.end["error"].startswith(words)


def test_it_is_no_excuse_that_the_source_is_live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pose_stream, "track", losing(track, 29))
    with prepare(tmp_path / "out", "", False, []) as out:
        report = run(live(30, 120), estimator(seconds=0.02), settings(), out)
    assert report.counts.dropped > 0
    assert "internal error" in str(report.error)


@pytest.mark.parametrize(("wrong", "made"), [(losing, 14), (doubling, 16)])
def test_a_loss_beside_an_error_is_noted_and_hides_no_error(
    wrong: Callable[[Stage, int], Stage], made: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = ModelError("torn")
    monkeypatch.setattr(pose_stream, "track", wrong(track, 7))

    def step(number: int) -> None:
        if number == 15:
            raise error

    with prepare(tmp_path / "out", "", False, []) as out:
        report = run(ScriptedSource(20, step=step), estimator(), settings(), out)
    assert report.error is error
    words = f"internal error: 15 frames were read, but {made} processed"
    assert [note for note in report.notes if note.startswith(words)]


GROUPS = [(1, 1), (3, 1), (2, 4)]


@pytest.mark.parametrize(("in_flight", "batch"), GROUPS)
def test_what_was_in_flight_when_a_run_broke_off_is_dropped(in_flight: int, batch: int, tmp_path: Path) -> None:
    """An endless file: queues, requests and batches are full when the output or the model fails."""

    class Stopped(Exception):
        pass

    for name, at in (("output", 9), ("model", 23)):
        calls = iter(range(1_000_000))

        def answer(pixels: Pixels, name: str = name, at: int = at, calls: Iterator[int] = calls) -> NDArray[np.float32]:
            if name == "model" and next(calls) == at:
                raise Stopped
            return one_person(pixels)

        def on_frame(observation: Observation, _: RunReport, name: str = name, at: int = at) -> None:
            if name == "output" and observation.frame.index == at:
                raise Stopped

        model = estimator(answer, in_flight=in_flight, batch=batch)
        report = recorded(ScriptedSource(None), tmp_path / f"{name}", model, on_frame=on_frame)
        assert isinstance(report.error, Stopped)
        assert report.counts.dropped > 0, "an endless source was always ahead"
        assert not [note for note in report.notes if "internal error" in note]


@pytest.mark.parametrize(("in_flight", "batch"), GROUPS)
def test_a_run_that_is_stopped_in_good_order_drops_nothing(in_flight: int, batch: int, tmp_path: Path) -> None:
    interruption = Interruption()

    def on_frame(observation: Observation, _: RunReport) -> None:
        if observation.frame.index == 9:
            interruption()

    model = estimator(in_flight=in_flight, batch=batch)
    report = recorded(ScriptedSource(None), tmp_path / "out", model, on_frame=on_frame, interruption=interruption)
    assert (report.ended, report.counts.dropped) == ("interrupted", 0)


def test_a_camera_that_fails_while_the_model_is_slow(tmp_path: Path) -> None:
    def step(number: int) -> None:
        if number == 40:
            raise ModelError("torn")

    source = ScriptedSource(60, live=True, rate=120, step=step)
    report = recorded(source, tmp_path / "out", estimator(seconds=0.03))
    assert report.ended == "failed"
    assert report.counts.read == 40
    assert report.counts.dropped > 10


def test_a_second_signal_leaves_no_frame_uncounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = KeypointLog.frame

    def torn(self: KeypointLog, observation: Observation, picture: str | None = None) -> None:
        if observation.frame.index == 12:
            raise KeyboardInterrupt
        write(self, observation, picture)

    monkeypatch.setattr(KeypointLog, "frame", torn)
    report = recorded(ScriptedSource(None), tmp_path / "out", estimator(in_flight=3, batch=2))
    assert (report.ended, report.failure) == ("interrupted", None)
    assert report.counts.processed == 12
    assert report.counts.dropped > 0
