"""`--on`: what is carried to other machines, and how results come back."""

from __future__ import annotations

import json
import pickle
import shutil
import socket
import sys
import types
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import pytest

from media_worlds import write_clip
from poseline import __version__
from poseline.batch import run_batch
from poseline.cluster.cluster import check
from poseline.cluster.node import CarriedFile, NodeFiles
from poseline.cluster.sources import NodeUnit, NodeWork, SourcesOnCluster
from poseline.errors import ModelError, SettingsError
from poseline.interruption import Interruption
from poseline.log import read_log
from poseline.manifest import read_status
from poseline.pieces import PieceWorkers
from poseline.request import RunRequest
from poseline.settings import Settings, load
from poseline.workers import Executor, Outcome, ProcessExecutor, Work, WorkerDied
from poseline.workers import ray as on_ray
from poseline.workers.executor import Ended, OnProgress
from poseline.workers.ray import ClusterLost, MachineDied, Mailbox, RayCluster, RayExecutor

FRAMES = 3
NOWHERE = Path("/not/on/this/machine")

AsSeen = Callable[[NodeUnit], NodeUnit]
"""A unit as another machine sees it."""


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    folder = tmp_path / "clips"
    folder.mkdir()
    first = write_clip(folder / "clip0.mp4", range(FRAMES))
    shutil.copy(first, folder / "clip1.mp4")
    return folder


def chosen(out: Path, **inference: Any) -> Settings:
    return load(
        overrides={"inference": {"model": "builtin", "imgsz": 64, **inference}, "output": {"directory": out}},
    )


class Processes(RayExecutor):
    """Processes of this machine in the place of Ray's tasks."""

    as_seen: AsSeen

    def _run(
        self, waiting: deque[int], units: Sequence[Any], work: Work, interruption: Interruption, on_progress: OnProgress
    ) -> Ended:
        seen = [self.as_seen(unit) for unit in units]
        yield from ProcessExecutor(1)._run(waiting, seen, work, interruption, on_progress)


class OnProcesses(SourcesOnCluster, Processes):
    pass


class OtherMachines:
    def __init__(self, as_seen: AsSeen = lambda unit: unit) -> None:
        self._as_seen = as_seen

    def executor(self, requests: Sequence[RunRequest], out: Path) -> tuple[Executor, Work]:
        made = OnProcesses(out, 1, 0, None)
        made.as_seen = self._as_seen
        return made, NodeWork(NodeFiles.of(requests[0].settings), cards=0)

    def pieces(self, request: RunRequest, interruption: Interruption) -> PieceWorkers:
        raise NotImplementedError


def reaches_results(unit: NodeUnit) -> NodeUnit:
    return unit


def reaches_sources_alone(unit: NodeUnit) -> NodeUnit:
    return unit._replace(staging=NOWHERE)


def reaches_no_source(unit: NodeUnit) -> NodeUnit:
    return unit._replace(request=replace(unit.request, source=replace(unit.request.source, video=NOWHERE / "x.mp4")))


def has_another_file_there(unit: NodeUnit) -> NodeUnit:
    return unit._replace(sizes=(1,))


@pytest.mark.parametrize("as_seen", [reaches_results, reaches_sources_alone])
def test_results_come_back_as_if_the_sources_had_run_here(
    as_seen: AsSeen, clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # a relative path is made one that is good anywhere
    out = Path("out")
    (out / ".cluster-left-by-a-kill").mkdir(parents=True)
    assert run_batch([clips.name], chosen(out), Interruption(), machines=OtherMachines(as_seen)) == 0
    for name in ("clip0", "clip1"):
        files = [tmp_path / out / name / file for file in ("annotated.mp4", "keypoints.jsonl", "summary.json")]
        assert sorted((tmp_path / out / name).iterdir()) == files
        assert len(read_log(files[1]).frames) == FRAMES
        assert sorted(json.loads(files[2].read_text())["files"]) == [str(file) for file in files[:2]]
    assert sorted(path.name for path in out.iterdir()) == ["batch.jsonl", "clip0", "clip1"]
    assert [entry.state for entry in read_status(out).entries] == ["done", "done"]
    said = capsys.readouterr().out
    assert str(tmp_path / "out" / "clip0" / "keypoints.jsonl") in said
    assert ".cluster-" not in said
    assert run_batch([clips.name], chosen(out), Interruption(), machines=OtherMachines(as_seen)) == 0
    assert "2 of 2 sources were done before" in capsys.readouterr().out


def test_a_clip_that_is_gone_ends_alone(clips: Path, tmp_path: Path) -> None:
    def removes_the_first(unit: NodeUnit) -> NodeUnit:
        (clips / "clip0.mp4").unlink(missing_ok=True)
        return unit

    out = tmp_path / "out"
    assert run_batch([str(clips)], chosen(out), Interruption(), machines=OtherMachines(removes_the_first)) == 3
    states = {entry.folder: (entry.state, entry.error) for entry in read_status(out).entries}
    assert states == {"clip0": ("failed", "clip0: the file is gone"), "clip1": ("done", "")}


@pytest.mark.parametrize(
    ("as_seen", "what"), [(reaches_no_source, "is not on"), (has_another_file_there, "is another file on")]
)
def test_a_machine_that_has_not_the_clips_ends_the_batch(
    as_seen: AsSeen, what: str, clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert run_batch([str(clips)], chosen(out), Interruption(), machines=OtherMachines(as_seen)) == 2
    said = capsys.readouterr().err
    assert f".mp4: {what} {socket.gethostname()}; a cluster reads sources from a folder that all its machines" in said
    assert said.count("error:") == 1
    assert not out.exists(), "nothing was begun"


def test_a_models_file_is_carried_once_and_used_where_it_is_if_it_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSELINE_CACHE", str(tmp_path / "cache"))
    model, folder = tmp_path / "mine.pt", tmp_path / "mine_openvino_model"
    model.write_bytes(b"weights")
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "a.bin").write_bytes(b"a")
    carried = [pickle.loads(pickle.dumps(CarriedFile.of(path))) for path in (model, folder)]  # noqa: S301 # our own
    assert [each.here() for each in carried] == [model, folder]
    model.write_bytes(b"other weights")
    shutil.rmtree(folder)
    at = [each.here() for each in carried]
    assert [path.name for path in at] == ["mine.pt", "mine_openvino_model"]
    assert at[0].read_bytes() == b"weights"
    assert (at[1] / "sub" / "a.bin").read_bytes() == b"a"
    changed = at[0].stat().st_mtime_ns
    assert carried[0].here() == at[0]
    assert at[0].stat().st_mtime_ns == changed


def test_the_files_that_settings_name_are_carried(tmp_path: Path) -> None:
    skeleton = tmp_path / "names.yaml"
    skeleton.write_text("names: []\n")
    files = NodeFiles.of(chosen(tmp_path, skeleton=skeleton))
    assert (files.model, files.torch_may_run) == (None, True)
    assert files.here() == {"model": "builtin", "skeleton": skeleton}
    with pytest.raises(ModelError):
        NodeFiles.of(chosen(tmp_path, model=str(tmp_path / "none.pt")))
    with pytest.raises(SettingsError, match=r"none\.yaml"):
        NodeFiles.of(chosen(tmp_path, skeleton=tmp_path / "none.yaml"))


@pytest.mark.parametrize(
    ("section", "name", "value", "what"),
    [
        ("output", "show", True, "--show is for runs of this machine"),
        ("output", "send", ("osc://127.0.0.1:9000",), "--send is for runs"),
        ("capture", "live", True, "--live is for runs"),
        ("inference", "device", "cuda:1", "--device cuda, not cuda:1"),
    ],
)
def test_what_is_for_this_machine_is_refused(section: str, name: str, value: Any, what: str) -> None:
    with pytest.raises(SettingsError, match=what):
        check(load(overrides={section: {name: value}}))


def test_a_cluster_is_for_recorded_sources_with_a_folder(clips: Path, tmp_path: Path) -> None:
    for sources, settings in (([str(clips)], load()), (["0"], chosen(tmp_path / "out"))):
        with pytest.raises(SettingsError, match="--on is for recorded sources"):
            run_batch(sources, settings, Interruption(), machines=OtherMachines())


def test_errors_of_workers_can_be_sent() -> None:
    died, lost = (pickle.loads(pickle.dumps(each)) for each in (WorkerDied(-9, "words"), MachineDied("node 1")))  # noqa: S301 # our own
    assert (str(died), died.process_exit_code) == ("its process ended with -9: words", -9)
    assert str(lost) == "node 1"


class RpcError(Exception):
    """Stands for grpc's, which Ray Client lets through where the cluster has begun anew."""


@pytest.fixture
def fake_ray(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """Stands for Ray as far as a connection is refused before it is used."""
    fake = types.ModuleType("ray")
    fake.__spec__ = ModuleSpec("ray", None)
    fake.__version__ = "2.60.0"  # type: ignore[attr-defined] # as Ray has it
    fake.is_initialized = lambda: True  # type: ignore[attr-defined] # likewise
    monkeypatch.setitem(sys.modules, "ray", fake)
    grpc = types.ModuleType("grpc")
    grpc.__spec__ = ModuleSpec("grpc", None)
    grpc.RpcError = RpcError  # type: ignore[attr-defined] # as grpc has it
    monkeypatch.setitem(sys.modules, "grpc", grpc)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    return fake


def test_ray_that_is_missing_or_too_old_is_named(fake_ray: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_ray.__version__ = "2.9.3"
    with pytest.raises(SettingsError, match=r"needs Ray 2.60 or later, and 2.9.3 is installed: pip install -U"):
        RayCluster("ray")
    monkeypatch.setattr("poseline.optional.find_spec", lambda _: None)
    with pytest.raises(SettingsError, match=r"--on needs ray, which is not installed: pip install 'poseline\[ray\]'"):
        RayCluster("ray")


@pytest.mark.parametrize(
    ("on", "environment", "what"),
    [
        ("slurm", "", "takes ray, or ray://HOST:PORT"),
        ("ray://head", "", "ray://head is no HOST:PORT"),
        ("ray://127.0.0.1:99999", "", "127.0.0.1:99999 is no HOST:PORT"),
        ("ray://me:secret@127.0.0.1:{free}", "", "nothing answers at 127.0.0.1:{free}"),
        ("ray", "me:secret@127.0.0.1:{free}", "nothing answers at 127.0.0.1:{free}"),
        ("ray", "ray://me:secret@[::1]:{free}", "nothing answers at"),
        ("ray", "me:secret@head", "head is no HOST:PORT"),
    ],
)
def test_an_address_where_nothing_answers_is_named_at_once_without_its_password(
    on: str, environment: str, what: str, fake_ray: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    del fake_ray
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free = taken.getsockname()[1]
    if environment:
        monkeypatch.setenv("RAY_ADDRESS", environment.format(free=free))
    with pytest.raises(SettingsError) as told:
        RayCluster(on.format(free=free))
    assert what.format(free=free) in str(told.value)
    assert "secret" not in str(told.value)


@pytest.mark.parametrize("kind", [RuntimeError, Exception])  # the latter where a part of Ray does not start in time
def test_the_clusters_token_is_in_no_message(
    kind: type[Exception], fake_ray: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise kind("\nInvalid token s3cr3t-of-mine for the cluster\nmore")

    fake_ray.init = refused
    monkeypatch.setenv("RAY_AUTH_TOKEN", "s3cr3t-of-mine")
    with pytest.raises(SettingsError, match=r"--on ray: cannot be used: Invalid token \*\*\* for the cluster more$"):
        RayCluster("ray")


class Actor:
    """Stands for a Ray actor, whose methods are called by `remote`."""

    def __init__(self, kept: Any) -> None:
        self._kept = kept

    def __getattr__(self, name: str) -> Any:
        return types.SimpleNamespace(remote=getattr(self._kept, name))


class Echo:
    def __call__(self, unit: str, context: Any) -> str:
        context.report_progress("at it")
        return unit


def test_a_task_runs_its_unit_in_a_worker_that_stays_and_gives_up_after_some_tries(fake_ray: Any) -> None:
    fake_ray.get = lambda value: value
    mailbox = Mailbox()
    job = on_ray._Job("a job", __version__, cores=1)

    def begin(index: int, job: on_ray._Job = job) -> Any:
        return on_ray.run_unit(job, [Echo()], f"unit {index}", index, Actor(mailbox))

    try:
        assert begin(0).result == "unit 0"
        [worker] = on_ray._kept.values()
        assert begin(1).result == "unit 1"
        assert [*on_ray._kept.values()] == [worker]
        assert mailbox.take() == [(0, "at it"), (1, "at it")]
        assert mailbox.take() == []
        assert [type(begin(1).error) for _ in range(4)] == [type(None)] * 3 + [MachineDied]
        other = begin(2, job._replace(version="0.0.1"))
        assert isinstance(other.error, SettingsError)
        assert f"has Poseline {__version__}, and the batch was started with 0.0.1" in str(other.error)
    finally:
        for each in on_ray._kept.values():
            each.close()
        on_ray._kept.clear()


class Tasks:
    """Stands for a function that Ray runs elsewhere: each is done as soon as somebody waits for it."""

    def __init__(self) -> None:
        self.begun: list[str] = []

    def remote(self, *arguments: Any) -> str:
        self.begun.append(arguments[2])
        return self.begun[-1]


def test_a_task_begins_when_it_may(fake_ray: Any) -> None:
    tasks = Tasks()
    mailbox = types.SimpleNamespace(remote=lambda: Actor(Mailbox()))
    fake_ray.remote = lambda **_: lambda what: mailbox if what is Mailbox else tasks
    fake_ray.put = lambda work: work
    fake_ray.wait = lambda begun, **_: (begun[:1], begun[1:])
    fake_ray.get = lambda got, **_: got if isinstance(got, list) else Outcome(got)
    fake_ray.kill = lambda _: None
    fake_ray.exceptions = types.SimpleNamespace(RayError=OSError)
    refused, ended, ahead = iter([True, True]), list[int](), list[int]()

    def join(index: int, _: Outcome) -> None:
        ahead.append(len(tasks.begun) - len(ended))
        ended.append(index)

    executor = RayExecutor(1, may_begin=lambda index: not next(refused, False) and index < len(ended) + 3)
    units = [f"unit {number}" for number in range(7)]
    outcomes = executor.run(units, Echo(), Interruption(), lambda *_: None, join)
    assert [outcome.result for outcome in outcomes] == tasks.begun == units
    assert ahead == [3, 3, 3, 3, 3, 2, 1]


@pytest.mark.parametrize(
    ("error", "connected"),
    [
        (ConnectionError("It is shutting down."), True),
        (RpcError("It is shutting down."), True),
        (Exception("It is shutting down."), False),  # noticed between two calls
        (LookupError("It is shutting down."), False),  # Ray's own, once its thread has closed the connection
    ],
)
@pytest.mark.parametrize("asked", ["put", "remote", "wait", "get"])
def test_a_cluster_that_is_lost_is_told_as_ray_client_says_it(
    asked: str, error: Exception, connected: bool, fake_ray: Any
) -> None:
    def lost(*_: Any, **__: Any) -> Any:
        raise error

    fake_ray.is_initialized = lambda: connected

    tasks = types.SimpleNamespace(remote=lost) if asked == "remote" else Tasks()
    mailbox = types.SimpleNamespace(remote=lambda: Actor(Mailbox()))
    fake_ray.remote = lambda **_: lambda what: mailbox if what is Mailbox else tasks
    fake_ray.put = lost if asked == "put" else lambda work: work
    fake_ray.wait = lost if asked == "wait" else lambda begun, **_: (begun[:1], begun[1:])
    fake_ray.get = fake_ray.kill = fake_ray.cancel = lost
    fake_ray.exceptions = types.SimpleNamespace(RayError=LookupError, RayTaskError=ArithmeticError)
    executor, nothing = RayExecutor(1), lambda *_: None
    with pytest.raises(ClusterLost, match=r"the Ray cluster was lost \(It is shutting down\.\): what is done is"):
        executor.run(["a unit"], Echo(), Interruption(), nothing, nothing)
