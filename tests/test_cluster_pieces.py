"""`--on` with one recording: its pieces run on other machines, and the log is that of an undivided run."""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cluster_worlds import SHORTEST, log_in, write_crossing
from output_worlds import decoded
from poseline import pieces
from poseline.batch import run_batch
from poseline.cluster import Cluster, cluster
from poseline.cluster.pieces import NodePiece, PiecesOnCluster
from poseline.cluster.sources import SourcesOnCluster
from poseline.errors import PoselineError
from poseline.interruption import Interruption
from poseline.settings import Settings, load
from poseline.workers import ProcessExecutor, Work
from poseline.workers.executor import Ended, OnProgress
from poseline.workers.ray import RayExecutor
from test_pieces import run as run_whole

NOWHERE = Path("/not/on/this/machine")


class Machine(RayExecutor):
    """A process of this machine in the place of another machine."""

    as_seen: Callable[[NodePiece], NodePiece] = staticmethod(lambda unit: unit)
    """A unit as that machine sees it."""

    def _run(
        self, waiting: deque[int], units: Sequence[Any], work: Work, interruption: Interruption, on_progress: OnProgress
    ) -> Ended:
        seen = [type(self).as_seen(unit) for unit in units]
        executor = ProcessExecutor(1, may_begin=self._may_begin)
        yield from executor._run(waiting, seen, work, interruption, on_progress)


class PiecesOnMachine(PiecesOnCluster, Machine):
    pass


class SourcesOnMachine(SourcesOnCluster, Machine):
    pass


class Connected:
    """A cluster's connection."""

    started_here = False
    machines = ({"CPU": 1.0, "GPU": 0.0}, {"CPU": 1.0})

    def __init__(self, on: str) -> None:
        assert on == "ray"

    def close(self) -> None:
        pass


@pytest.fixture
def other_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "_SHORTEST", SHORTEST)
    monkeypatch.setattr(cluster, "RayCluster", Connected)
    monkeypatch.setattr(cluster, "RayExecutor", Machine)
    monkeypatch.setattr(cluster, "PiecesOnCluster", PiecesOnMachine)


def chosen(out: Path, **output: Any) -> Settings:
    output = {"directory": out, "video": False, **output}
    return load(overrides={"inference": {"model": "builtin", "imgsz": 320}, "output": output})


def run(settings: Settings, clip: Path) -> int:
    with Cluster("ray", 2) as machines:
        return run_batch([str(clip)], settings, Interruption(), jobs=2, machines=machines)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_crossing(tmp_path_factory.mktemp("clip") / "crossing.mp4")


@pytest.fixture(scope="module")
def whole(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """The log of an undivided run, in the same way."""
    folder = tmp_path_factory.mktemp("whole") / "out"
    records, _ = run_whole(clip, folder)
    assert len({person["id"] for record in records[1:-1] for person in record["persons"]}) >= 2
    return log_in(folder)


@pytest.mark.usefixtures("other_machines")
def test_the_log_is_that_of_an_undivided_run_and_the_video_is_drawn_here(
    clip: Path, whole: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(chosen(tmp_path, video=True), clip) == 0
    found = log_in(tmp_path / "crossing")
    assert found == whole
    assert decoded(tmp_path / "crossing" / "annotated.mp4") == len(found) - 2
    said = capsys.readouterr().out
    assert "crossing on ray: 2 machines, 2 cores, 0 GPUs; each piece takes 1 core" in said
    assert "17 keypoints, on OpenVINO" in said


@pytest.mark.usefixtures("other_machines")
@pytest.mark.parametrize(
    ("seen", "what"),
    [
        (lambda request: replace(request, source=replace(request.source, video=NOWHERE / "x.mp4")), "is not on"),
        (None, "is another file on"),
    ],
)
def test_a_machine_that_has_not_the_recording_ends_the_run_before_it_begins(
    seen: Any, what: str, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def as_seen(unit: NodePiece) -> NodePiece:
        return unit._replace(sizes=(1,)) if seen is None else unit._replace(request=seen(unit.request))

    monkeypatch.setattr(Machine, "as_seen", staticmethod(as_seen))
    with pytest.raises(PoselineError, match=rf"\.mp4: {what} {socket.gethostname()}; a cluster reads") as told:
        run(chosen(tmp_path / "out"), clip)
    assert told.value.exit_code == 2
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("other_machines")
def test_what_cannot_be_cut_runs_whole_on_another_machine(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(pieces, "_SHORTEST", 60.0)
    monkeypatch.setattr(cluster, "SourcesOnCluster", SourcesOnMachine)
    assert run(chosen(tmp_path), clip) == 0
    assert "one machine reads it: " in capsys.readouterr().out


@pytest.mark.usefixtures("other_machines")
def test_an_error_in_the_middle_ends_the_log_behind_the_pieces_before(
    clip: Path, whole: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    def lost_later(unit: NodePiece) -> NodePiece:
        return unit if unit.request.settings.capture.start is None else unit._replace(sizes=(1,))

    monkeypatch.setattr(Machine, "as_seen", staticmethod(lost_later))
    assert run(chosen(tmp_path), clip) == 2
    assert f"crossing.mp4: is another file on {socket.gethostname()}; a cluster reads" in capsys.readouterr().err
    found = log_in(tmp_path / "crossing")
    assert found[-1]["ended"] == "failed"
    assert 0 < len(found) < len(whole)
    assert found[1:-1] == whole[1 : len(found) - 1]
