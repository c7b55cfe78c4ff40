"""`--on` with one recording: its pieces run on other machines, and the log is that of an undivided run."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import av
import psutil
import pytest
from av.video.frame import PictureType

from media_worlds import until
from output_worlds import decoded
from poseline import pieces
from poseline.batch import run_batch
from poseline.capture.key_frames import cuts, key_times
from poseline.cluster import Cluster, cluster
from poseline.cluster.pieces import NodePiece, PiecesOnCluster
from poseline.cluster.sources import SourcesOnCluster
from poseline.errors import PoselineError
from poseline.interruption import Interruption
from poseline.settings import CaptureSettings, Settings, load
from poseline.workers import ProcessExecutor, Work
from poseline.workers.executor import Ended, OnProgress
from poseline.workers.ray import RayExecutor
from test_pieces import CROSSING, without_times
from test_pieces import run as run_whole

NOWHERE = Path("/not/on/this/machine")
PIECES = 9


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
    monkeypatch.setattr(pieces, "_SHORTEST", 0.3)
    monkeypatch.setattr(cluster, "RayCluster", Connected)
    monkeypatch.setattr(cluster, "RayExecutor", Machine)
    monkeypatch.setattr(cluster, "PiecesOnCluster", PiecesOnMachine)


def chosen(out: Path, **output: Any) -> Settings:
    output = {"directory": out, "video": False, **output}
    return load(overrides={"inference": {"model": "builtin", "imgsz": 320}, "output": output})


def run(settings: Settings, clip: Path) -> int:
    with Cluster("ray", 2) as machines:
        return run_batch([str(clip)], settings, Interruption(), jobs=2, machines=machines)


def log_in(folder: Path) -> list[Any]:
    """Its lines; the first and the last as objects, without what is another in each run."""
    lines = (folder / "keypoints.jsonl").read_text().splitlines()
    first, last = without_times([json.loads(line) for line in (lines[0], lines[-1])])
    return [first, *lines[1:-1], last]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds of two persons whose ways cross, with a key frame every 12."""
    path = tmp_path_factory.mktemp("clip") / "crossing.mp4"
    with av.open(str(CROSSING)) as source, av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=30, options={"preset": "ultrafast", "g": "12", "bf": "2"})
        stream.width, stream.height = 320, 180
        for index, frame in enumerate(islice(source.decode(video=0), 100)):
            picture = frame.reformat(320, 180, "yuv420p")
            picture.pts, picture.time_base, picture.pict_type = index, Fraction(1, 30), PictureType.NONE
            out.mux(stream.encode(picture))
        out.mux(stream.encode(None))
    assert len(cuts(key_times(path, CaptureSettings()), 0.3)) + 1 == PIECES
    return path


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


SHORT = "from poseline import pieces; pieces._SHORTEST = 0.3; from poseline.__main__ import main; main()"


@pytest.fixture(scope="module")
def ray_machines() -> Iterator[Any]:
    """A cluster of three machines of one core, each a process of this one."""
    from ray.cluster_utils import Cluster as RayMachines

    machines = RayMachines(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    for _ in range(3):
        machines.add_node(num_cpus=1)
    yield machines
    machines.shutdown()


def start(clip: Path, out: Path, *more: str, **environment: str) -> subprocess.Popen[str]:
    """A run with a larger input, so that pieces take their time."""
    return subprocess.Popen(
        [sys.executable, "-c", SHORT, "run", str(clip), "-o", str(out), "-m", "builtin", "--imgsz", "640", *more],
        env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def start_there(machines: Any, clip: Path, out: Path) -> subprocess.Popen[str]:
    return start(clip, out, "--no-video", "--on", "ray", "--jobs", "auto", RAY_ADDRESS=str(machines.address))


@pytest.fixture(scope="module")
def large(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """The log of such a run, undivided."""
    folder = tmp_path_factory.mktemp("large")
    process = start(clip, folder, "--no-video")
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said
    return log_in(folder)


def frames_come(out: Path) -> bool:
    """Whether the first piece is joined, within two minutes."""
    log = out / "crossing" / "keypoints.jsonl"
    return until(lambda: log.exists() and log.read_bytes().count(b"\n") > 2, seconds=120)


def works(machine: Any) -> bool:
    """Whether a worker of ours is there."""
    own = psutil.Process(machine.all_processes["raylet"][0].process.pid).children(recursive=True)
    return any("poseline.workers" in word for process in own for word in process.cmdline())


@pytest.mark.system("ray")
@pytest.mark.timeout(900)
def test_a_machine_dies_in_the_middle(ray_machines: Any, clip: Path, large: list[Any], tmp_path: Path) -> None:
    process = start_there(ray_machines, clip, tmp_path)
    assert frames_come(tmp_path)
    ray_machines.remove_node(next(filter(works, ray_machines.worker_nodes)), allow_graceful=False)
    said, _ = process.communicate(timeout=600)
    assert process.returncode == 0, said
    assert log_in(tmp_path / "crossing") == large


@pytest.mark.system("ray")
@pytest.mark.timeout(900)
def test_the_first_signal_gives_up_the_pieces_in_work(
    ray_machines: Any, clip: Path, large: list[Any], tmp_path: Path
) -> None:
    process = start_there(ray_machines, clip, tmp_path)
    assert frames_come(tmp_path)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=600)
    assert process.returncode == 130, said
    found = log_in(tmp_path / "crossing")
    assert found[-1]["ended"] == "interrupted"
    assert found[1:-1] == large[1 : len(found) - 1]
