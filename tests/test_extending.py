"""What a newcomer adds: a sink and a stage, with no edit of the package; and the one way through the pipeline."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from bench_worlds import run as measured_run
from media_worlds import WAIT, until, write_clip
from poseline import PoseModel, stream
from poseline.bench.advice import advise
from poseline.bench.schema import Stage as MeasuredStage
from poseline.capture import locate
from poseline.errors import ModelError, OutputError
from poseline.frame import Picture
from poseline.inference import PoseEstimator
from poseline.output import prepare
from poseline.pipeline import Overflow, RunReport, Sink, Stage
from poseline.pose import Observation
from poseline.request import RunRequest
from poseline.session import Models, Session
from poseline.settings import Settings, load
from poseline.terminal import _stages


class Counting(Sink):
    """A new sink."""

    name, work, advice = "counting", "counting persons", "fewer persons"

    def __init__(self) -> None:
        self.persons = 0

    def write(self, observation: Observation, picture: Picture | None) -> None:
        self.persons += len(observation.poses)
        assert picture is None, "nobody asked for one"

    def close(self) -> list[str]:
        return [f"{self.persons} persons counted"]


def best_alone(observations: Iterator[Observation]) -> Generator[Observation, None, None]:
    """A new stage: nobody but the best of each frame."""
    for observation in observations:
        time.sleep(0.001)
        yield replace(observation, poses=observation.poses[:1])


def ran(
    folder: Path, clip: Path, *sinks: Sink, stages: tuple[Stage, ...] = (), settings: Settings | None = None
) -> RunReport:
    chosen = settings or load(overrides={"inference": {"model": "builtin", "imgsz": 160}, "output": {"video": False}})
    request = RunRequest(locate([clip])[0], chosen)
    with (
        Session(request, Models(), sinks=sinks, stages=stages, into_folder=True) as session,
        prepare(folder, "clip", False, []) as out,
    ):
        return session.run(out)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", range(20))


def test_a_new_sink_and_a_new_stage_are_told_like_all_others(tmp_path: Path, clip: Path) -> None:
    stage = Stage("selecting", best_alone, "choosing the best", "a quicker choice")
    report = ran(tmp_path / "out", clip, sink := Counting(), stages=(stage,))
    assert report.error is None
    assert sink.persons == report.counts.persons
    assert f"{sink.persons} persons counted" in report.notes
    told = json.loads((tmp_path / "out" / "summary.json").read_text())
    words = {each["name"]: each["work"] for each in told["stages"]}
    assert list(words) == ["capture", "inference", "tracking", "selecting", "output", "counting"]
    assert (words["selecting"], words["counting"]) == ("choosing the best", "counting persons")
    assert [row[0] for row in _stages(report)] == ["stage", *words]
    stages = [MeasuredStage.model_validate(each) for each in told["stages"]]  # what a benchmark reads of it
    assert [each.work for each in stages][3::2] == ["choosing the best", "counting persons"]
    assert measured_run(stages=stages).stages[5].name == "counting"
    assert callable(advise)


def test_what_limits_a_run_is_told_in_the_stages_own_words(tmp_path: Path, clip: Path) -> None:
    def slow(observations: Iterator[Observation]) -> Generator[Observation, None, None]:
        for observation in observations:
            time.sleep(0.2)  # longer than the network takes on a busy machine
            yield observation

    report = ran(tmp_path / "out", clip, stages=(Stage("pondering", slow, "thinking", "less thought"),))
    assert report.advice == "bottleneck: pondering; what would help: less thought"


def test_a_sink_that_needs_a_picture_has_it_drawn(tmp_path: Path, clip: Path) -> None:
    sizes: set[tuple[int, int]] = set()

    class Showing(Sink):
        needs_picture = True

        def write(self, observation: Observation, picture: Picture | None) -> None:
            assert picture is not None
            assert not hasattr(picture, "shape")
            sizes.add((observation.frame.width, observation.frame.height))

    report = ran(tmp_path / "out", clip, Showing())
    assert [meter.name for meter in report.meters] == ["capture", "inference", "tracking", "overlay", "output", "sink"]
    assert len(sizes) == 1
    assert not (tmp_path / "out" / "annotated.mp4").exists()


def test_a_slow_sink_of_newest_frames_holds_nobody_up(tmp_path: Path, clip: Path) -> None:
    """It is not done with its first frame until all have gone to another."""
    gone: list[int] = []

    class Other(Sink):
        def write(self, observation: Observation, picture: Picture | None) -> None:
            gone.append(observation.frame.index)

    class Newest(Counting):
        overflow = Overflow.DROP_OLDEST
        thread = ""

        def __init__(self) -> None:
            super().__init__()
            self.seen: list[int] = []
            self.waited: list[bool] = []

        def write(self, observation: Observation, picture: Picture | None) -> None:
            self.seen, self.thread = [*self.seen, observation.frame.index], threading.current_thread().name
            self.waited.append(until(lambda: len(gone) == 20, WAIT if all(self.waited) else 0))

    report = ran(tmp_path / "out", clip, sink := Newest(), Other())
    assert report.counts.processed == 20
    assert all(sink.waited)
    assert sink.seen[-1] == 19, "what waits is taken"
    assert len(sink.seen) <= 2
    assert sink.thread == "counting"
    assert f"counting: {20 - len(sink.seen)} frames made way for newer ones" in report.notes


@pytest.mark.parametrize("overflow", list(Overflow))
def test_a_sink_that_fails_ends_the_run_and_the_files_are_whole(overflow: Overflow, tmp_path: Path, clip: Path) -> None:
    class Failing(Sink):
        closed = False

        def write(self, observation: Observation, picture: Picture | None) -> None:
            if observation.frame.index >= 3:
                raise OutputError("the other end is gone")

        def close(self) -> list[str]:
            self.closed = True
            return []

    sink = Failing()
    sink.overflow = overflow
    report = ran(tmp_path / "out", clip, sink)
    assert (str(report.error), report.ended) == ("the other end is gone", "failed")
    assert sink.closed
    last = json.loads((tmp_path / "out" / "keypoints.jsonl").read_text().splitlines()[-1])
    assert (last["ended"], last["error"]) == ("failed", "the other end is gone")


def test_a_sink_may_end_a_run(tmp_path: Path, clip: Path) -> None:
    class Enough(Sink):
        def write(self, observation: Observation, picture: Picture | None) -> bool:
            return observation.frame.index < 4

    report = ran(tmp_path / "out", clip, Enough())
    assert (report.ended, report.counts.processed) == ("interrupted", 5)


def test_a_source_that_was_never_read_is_closed(clip: Path) -> None:
    settings = load(overrides={"inference": {"model": "builtin", "imgsz": 160}})
    with Session(RunRequest(locate([clip])[0], settings), Models()) as session:
        assert str(clip) in {file.path for file in psutil.Process().open_files()}
    assert str(clip) not in {file.path for file in psutil.Process().open_files()}
    assert session.source.info.frames == 20


@pytest.mark.parametrize("live", [True, False])
def test_only_what_may_be_live_takes_memory_from_one_arena(
    live: bool, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    monkeypatch.setattr("poseline.startup.tune_malloc", lambda: order.append("malloc"))

    class Loading(Models):
        def get(self, *_: object, **__: object) -> PoseEstimator:
            order.append("loading")
            raise ModelError("enough is known")

    location = locate(["http://127.0.0.1:9/live" if live else clip])[0]
    with pytest.raises(ModelError), Session(RunRequest(location, load()), Loading()):
        pass
    assert order == (["malloc"] if live else []) + ["loading"]


@pytest.mark.parametrize("way", ["run", "stream", "record", "a worker", "the benchmark's network"])
def test_every_way_goes_through_a_session(way: str, clip: Path, tmp_path: Path) -> None:
    """Each in a process in which a session cannot be entered."""
    clip_is = f"import sys; clip = {str(clip)!r}\n"
    code = {
        "run": "sys.argv[1:] = 'run', clip, '-m', 'builtin'\nfrom poseline.__main__ import main; main()",
        "stream": "from poseline import stream; next(stream(clip, 'builtin'))",
        "record": "from poseline import record; record(clip, 'out', inference={'model': 'builtin'})",
        "a worker": (
            "from poseline import batch; from poseline.capture import locate\n"
            "from poseline.interruption import Interruption\n"
            "from poseline.request import RunRequest; from poseline.workers import Context\n"
            "batch.WorkerSourceWork()(RunRequest(locate([clip])[0]), Context(print, Interruption()))"
        ),
        "the benchmark's network": (
            "sys.argv[1:] = 's.yaml', clip, '0.1'\nfrom poseline.bench import network; network.main()"
        ),
    }[way]
    (tmp_path / "s.yaml").write_text("inference: {model: builtin}\n")
    barred = (
        "from poseline import session\n"
        "def barred(self): raise ZeroDivisionError('through a session')\n"
        "session.Session.__enter__ = barred\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", barred + clip_is + code], capture_output=True, text=True, cwd=tmp_path, timeout=280
    )
    assert "ZeroDivisionError: through a session" in done.stderr


def test_a_loaded_model_is_used_as_it_is(clip: Path) -> None:
    model = PoseModel("builtin", imgsz=160)
    assert len(list(stream(clip, model=model))) == 20
