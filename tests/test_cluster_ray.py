"""`--on` with real Ray, in clusters whose machines are processes of this one.

All that starts Ray is in this file, whose tests run one after another: Ray finds any cluster of its computer.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from cluster_worlds import SHORTEST, log_in, write_crossing
from media_worlds import until
from output_worlds import SAMPLES

pytestmark = [pytest.mark.system("ray"), pytest.mark.timeout(900)]
TOOL = Path(__file__).parents[1] / "tools" / "soak" / "ray_cluster.py"
SHORT = f"from poseline import pieces; pieces._SHORTEST = {SHORTEST}; from poseline.__main__ import main; main()"
COMES = 120.0
"""Seconds within which something begins, Ray included."""


@contextmanager
def started(*words: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """A process of ours, on the cluster that RAY_ADDRESS names, if it is given here; it ends with this block."""
    others = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    with subprocess.Popen(
        [sys.executable, *words],
        env=others | environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as process:  # fmt: skip
        try:
            yield process
        except AssertionError as error:
            process.kill()
            raise AssertionError(process.communicate()[0]) from error
        finally:
            process.kill()


def test_without_a_cluster_ray_runs_on_this_machine_and_ends_at_the_first_signal(tmp_path: Path) -> None:
    batch = "batch", str(SAMPLES / "crowd.mp4"), "-o", str(tmp_path), "--on", "ray", "-m", "builtin"
    with started("-m", "poseline", *batch) as process:
        assert until(lambda: [*tmp_path.glob(".cluster-*/crowd-*/annotated.mp4.part")], seconds=COMES)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=800)
    assert process.returncode == 130, said
    assert "on this machine, where no cluster was found" in said
    assert not [*tmp_path.glob("**/*.jsonl")], "what was given up is begun anew"


def test_no_cluster_is_started_after_the_connection_has_ended() -> None:
    asks_later = "from poseline.workers.ray import RayCluster; RayCluster('ray').close(); import ray; ray.put(1)"
    with started("-c", asks_later) as process:
        said, _ = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "Ray has not been started yet" in said


def test_a_machine_and_the_batch_itself_die_in_the_middle() -> None:
    done = subprocess.run(
        [sys.executable, str(TOOL), "--clips", "8", "--no-video"], capture_output=True, text=True, timeout=800
    )
    assert done.returncode == 0, done.stdout + done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    assert (seen["done"], seen["done more than once"], seen["other records than processes"]) == (8, 0, 0)


@pytest.fixture(scope="module")
def three_machines() -> Iterator[Any]:
    """A cluster of three machines of one core, and a first one that runs nothing."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        for _ in range(3):
            cluster.add_node(num_cpus=1)
        yield cluster
    finally:
        cluster.shutdown()


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_crossing(tmp_path_factory.mktemp("clip") / "crossing.mp4")


def run(clip: Path, out: Path) -> Sequence[str]:
    """With a larger input, so that pieces take their time."""
    return "-c", SHORT, "run", str(clip), "-o", str(out), "-m", "builtin", "--imgsz", "640", "--no-video"


def run_there(clip: Path, out: Path) -> Sequence[str]:
    return *run(clip, out), "--on", "ray", "--jobs", "auto"


@pytest.fixture(scope="module")
def whole(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """The log of an undivided run."""
    folder = tmp_path_factory.mktemp("whole")
    with started(*run(clip, folder)) as process:
        said, _ = process.communicate(timeout=600)
    assert process.returncode == 0, said
    return log_in(folder)


def frames_come(out: Path) -> bool:
    """Whether the first piece is joined."""
    log = out / "crossing" / "keypoints.jsonl"
    return until(lambda: log.exists() and log.read_bytes().count(b"\n") > 2, seconds=COMES)


def works(machine: Any) -> bool:
    """Whether a worker of ours is there."""
    own = psutil.Process(machine.all_processes["raylet"][0].process.pid).children(recursive=True)
    return any("poseline.workers" in word for process in own for word in process.cmdline())


def test_a_machine_dies_in_the_middle(three_machines: Any, clip: Path, whole: list[Any], tmp_path: Path) -> None:
    with started(*run_there(clip, tmp_path), RAY_ADDRESS=str(three_machines.address)) as process:
        assert frames_come(tmp_path)
        three_machines.remove_node(next(filter(works, three_machines.worker_nodes)), allow_graceful=False)
        said, _ = process.communicate(timeout=600)
    assert process.returncode == 0, said
    assert log_in(tmp_path / "crossing") == whole


def test_the_first_signal_gives_up_the_pieces_in_work(
    three_machines: Any, clip: Path, whole: list[Any], tmp_path: Path
) -> None:
    with started(*run_there(clip, tmp_path), RAY_ADDRESS=str(three_machines.address)) as process:
        assert frames_come(tmp_path)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=600)
    assert process.returncode == 130, said
    found = log_in(tmp_path / "crossing")
    assert found[-1]["ended"] == "interrupted"
    assert found[1:-1] == whole[1 : len(found) - 1]
