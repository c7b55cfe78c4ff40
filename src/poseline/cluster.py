"""Cluster: the sources of a batch run on the machines of a Ray cluster, and their results come back into its folder.

A machine writes a source's results into a folder of their own: inside the batch's folder, where it can reach that, else
on its own disk, from where they are sent. Only the process that the batch was started in puts them into their place
and enters them in the manifest, so that nothing is written twice, whatever dies and is run again.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import socket
import sys
import tempfile
import uuid
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from poseline.batch import SourceResult, WorkerSourceWork
from poseline.cache import cache_folder
from poseline.errors import OutputError, PoselineError, SettingsError, SourceError
from poseline.interruption import Interruption
from poseline.output import prepare, wait_until_free, write_summary
from poseline.request import RunRequest
from poseline.settings import InferenceSettings, Settings
from poseline.words import counted
from poseline.workers import Context, Executor, Outcome, Work
from poseline.workers.executor import Ended, OnProgress
from poseline.workers.ray import RayCluster, RayExecutor

log = logging.getLogger("poseline")

_CORES_A_SOURCE = 4
"""Most cores that one source is given: a network fills a few by itself."""
_STAGING = ".cluster-"


class Cluster:
    """Where the sources of a batch run, connected to when they first are.

    Args:
        on: as `--on` has it.
        most: sources at the same time; None for all that the cluster has room for.
    """

    def __init__(self, on: str, most: int | None) -> None:
        self._on, self._most = on, most
        self._ray: RayCluster | None = None

    def executor(self, requests: Sequence[RunRequest], out: Path) -> tuple[Executor, Work]:
        """What runs these sources of a batch, and what it does with each.

        Args:
            requests: with the same settings, but for their folders.
            out: the batch's folder.

        Raises:
            SettingsError: there is no such cluster. ModelError: the model cannot be found.
        """
        settings = requests[0].settings
        check(settings)
        files = NodeFiles.of(settings)
        self._ray = self._ray or RayCluster(self._on)
        machines = [each for each in self._ray.machines if each.get("CPU", 0) >= 1]
        cores = int(min([_CORES_A_SOURCE, *(each["CPU"] for each in machines)]))
        cards = int(_wants_card(settings.inference, files, any(each.get("GPU") for each in machines)))
        where = "this machine, where no cluster was found" if self._ray.started_here else self._on
        log.info(
            "%s on %s: %s, %s, %s; each source takes %s%s",
            counted(len(requests), "source"), where, counted(len(machines), "machine"),
            counted(int(sum(each["CPU"] for each in machines)), "core"),
            counted(int(sum(each.get("GPU", 0) for each in machines)), "GPU"),
            counted(cores, "core"), " and a GPU" if cards else "",
        )  # fmt: skip
        return SourcesOnCluster(out, cores, cards, self._most), NodeWork(files, cards)

    def close(self) -> None:
        """End the connection, if there is one."""
        if self._ray:
            self._ray.close()

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def check(settings: Settings) -> None:
    """Raise a SettingsError where something is asked for that is not for other machines."""
    for given, option in (
        (settings.output.show, "--show"), (settings.output.send, "--send"), (settings.capture.live, "--live"),
    ):  # fmt: skip
        if given:
            raise SettingsError(f"{option} is for runs of this machine; leave --on out")
    if any(letter.isdigit() for letter in settings.inference.device):
        raise SettingsError(f"--on gives each source a GPU by itself: --device cuda, not {settings.inference.device}")


def _wants_card(settings: InferenceSettings, files: NodeFiles, has_cards: bool) -> bool:
    if settings.device != "auto":
        return settings.device == "cuda"
    return has_cards and files.is_torch and settings.runtime in ("auto", "torch")


@dataclass(frozen=True)
class CarriedFile:
    """A file, or the files of a folder, that machines of a cluster may not have."""

    path: Path
    """Where it is on the machine that the batch was started on."""
    content: Mapping[str, bytes]
    """By the paths inside the folder; of a file by its name."""

    @classmethod
    def of(cls, path: Path) -> CarriedFile:
        """A file or folder of this machine."""
        path = path.absolute()
        return cls(path, _content(path))

    def here(self) -> Path:
        """Its path on this machine: the same one where it has the same content, else one in the cache."""
        with suppress(OSError):
            if _content(self.path) == self.content:
                return self.path
        digest = hashlib.sha256(b"".join(name.encode() + data for name, data in sorted(self.content.items())))
        folder = cache_folder() / "cluster" / digest.hexdigest()[:16]
        path = folder / self.path.name
        if not path.exists():
            folder.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder.parent) as scratch, suppress(OSError):
                made = Path(scratch) / "made"
                for name, data in self.content.items():
                    target = made / name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(data)
                made.rename(folder)  # another process may have been quicker
        if not path.exists():
            raise OutputError(f"{folder}: cannot be written; set POSELINE_CACHE to a folder that can be")
        return path


def _content(path: Path) -> dict[str, bytes]:
    files = _files(path) if path.is_dir() else [path]
    return {each.relative_to(path.parent).as_posix(): each.read_bytes() for each in files}


@dataclass(frozen=True)
class NodeFiles:
    """The files that settings name, for machines that may not have them."""

    model: CarriedFile | None
    """None for the built-in one, which is part of Poseline."""
    skeleton: CarriedFile | None
    is_torch: bool
    """Whether the model's own runtime is PyTorch."""

    @classmethod
    def of(cls, settings: Settings) -> NodeFiles:
        """What these settings name.

        Raises:
            ModelError: the model cannot be found. SettingsError: the skeleton's file cannot be read.
        """
        from poseline.inference import weights

        path, skeleton = weights.find(settings.inference.model), settings.inference.skeleton
        builtin = path == weights.find(weights.BUILTIN)
        try:
            return cls(
                None if builtin else CarriedFile.of(path), CarriedFile.of(skeleton) if skeleton else None,
                path.suffix == ".pt",
            )  # fmt: skip
        except OSError as error:
            raise SettingsError(f"{error.filename}: cannot be read: {error.strerror}") from error

    def here(self) -> dict[str, Any]:
        """The paths on this machine, by the names of `InferenceSettings`."""
        paths: dict[str, Any] = {"model": str(self.model.here()) if self.model else "builtin"}
        if self.skeleton:
            paths["skeleton"] = self.skeleton.here()
        return paths


class NodeUnit(NamedTuple):
    """A source as another machine is given it."""

    request: RunRequest
    """Its folder is where the results will be in the end."""
    sizes: tuple[int, ...]
    """Bytes of its files where the batch was started."""
    staging: Path
    """A folder that is there only where the batch's folder is."""


class NodeResult(NamedTuple):
    """What comes back of a source."""

    result: SourceResult
    place: Path | None
    """The folder inside the staging folder that the results are in; None if they are in `files`."""
    files: Mapping[str, bytes]


class NotOnMachine(SettingsError):
    """A file that another machine of the cluster cannot reach."""


class NodeWork(WorkerSourceWork):
    """Runs one source after another on a machine of the cluster.

    Args:
        files: that the settings name.
        cards: GPUs that Ray gives each source; with none, no GPU is used that Ray does not know of.
    """

    def __init__(self, files: NodeFiles, cards: int) -> None:
        super().__init__()
        self._files, self._cards = files, cards
        self._here: dict[str, Any] | None = None

    def __call__(self, unit: NodeUnit, context: Context) -> NodeResult:  # type: ignore[override] # a source with more
        """Run one source."""
        _check_here(unit)
        request = self._on_this_machine(unit.request)
        final = request.settings.output.directory
        assert final is not None
        shared = unit.staging.is_dir()
        root = unit.staging if shared else Path(tempfile.mkdtemp(prefix="poseline-"))
        place = root / f"{final.name}-{uuid.uuid4().hex[:8]}"
        try:
            result = self.run(request, context, into=place)
            _name_finally(place, final)
            result = result._replace(
                log=result.log and final / result.log.relative_to(place),
                output=result.output.replace(str(place), str(final)),
            )
            if shared:
                return NodeResult(result, place, {})
            content = {path.relative_to(place).as_posix(): path.read_bytes() for path in _files(place)}
            return NodeResult(result, None, content)
        finally:
            if not shared:
                shutil.rmtree(root, ignore_errors=True)

    def _on_this_machine(self, request: RunRequest) -> RunRequest:
        """With the paths of this machine, and on its CPU where Ray gave no GPU."""
        self._here = self._here or self._files.here()
        settings = request.settings
        on_cpu = not self._cards and settings.inference.device == "auto" and sys.platform != "darwin"
        device = "cpu" if on_cpu else settings.inference.device
        inference = settings.inference.model_copy(update={**self._here, "device": device})
        return replace(request, settings=settings.model_copy(update={"inference": inference}))


def _check_here(unit: NodeUnit) -> None:
    """Raise a NotOnMachine error where the source's files are not the same here as where the batch was started."""
    wanted = [*zip(unit.request.source.inputs, unit.sizes, strict=True)]
    calibration = unit.request.settings.inference.calibrate
    for path, size in [*wanted, *([(calibration, None)] if calibration else [])]:
        try:
            here = path.stat().st_size
        except OSError:
            here = None
        if here is None or size not in (None, here):
            what = "is not" if here is None else "is another file"
            raise NotOnMachine(
                f"{path}: {what} on {socket.gethostname()}; a cluster reads sources from a folder that all its "
                "machines have under the same path"
            )


def _name_finally(place: Path, final: Path) -> None:
    """Let the summary name its files as they will be called."""
    summary = place / "summary.json"
    if summary.exists():
        data = json.loads(summary.read_text(encoding="utf-8"))
        data["files"] = [str(final / Path(path).relative_to(place)) for path in data["files"]]
        write_summary(summary, data)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


class SourcesOnCluster(RayExecutor):
    """Runs sources on the cluster, and puts their results into their folders here.

    Args:
        out: the batch's folder.
        cores: of each source.
        cards: GPUs of each source.
        most: sources at the same time; None for all that there is room for.
    """

    def __init__(self, out: Path, cores: int, cards: int, most: int | None) -> None:
        super().__init__(cores, cards, most)
        self._out = out.absolute()

    def _run(
        self, waiting: deque[int], units: Sequence[Any], work: Work, interruption: Interruption, on_progress: OnProgress
    ) -> Ended:
        for left in self._out.glob(f"{_STAGING}*"):  # of a start that was killed; the batch's folder is ours alone
            shutil.rmtree(left, ignore_errors=True)
        staging = self._out / f"{_STAGING}{uuid.uuid4().hex}"
        try:
            staging.mkdir(parents=True)
        except OSError as error:
            raise OutputError(f"{staging}: cannot be created: {error.strerror}") from error
        requests: Sequence[RunRequest] = units
        try:
            sent = [_unit(request, staging) for request in requests]
            for index, outcome in super()._run(waiting, sent, work, interruption, on_progress):
                yield index, _received(requests[index], outcome, staging)
        finally:
            shutil.rmtree(staging, ignore_errors=True)


def _unit(request: RunRequest, staging: Path) -> NodeUnit:
    """The request as other machines can read it: with absolute paths."""
    source, output = request.source, request.settings.output
    pictures = tuple(place.absolute() if isinstance(place, Path) else place for place in source.pictures)
    source = replace(source, video=source.video and source.video.absolute(), pictures=pictures)
    assert output.directory is not None
    output = output.model_copy(update={"directory": output.directory.absolute()})
    inference = request.settings.inference
    if inference.calibrate:
        inference = inference.model_copy(update={"calibrate": inference.calibrate.absolute()})
    settings = request.settings.model_copy(update={"output": output, "inference": inference})
    return NodeUnit(replace(request, source=source, settings=settings), tuple(map(_size, source.inputs)), staging)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1


def _received(request: RunRequest, outcome: Outcome, staging: Path) -> Outcome:
    """What came of a source, with its results in their place."""
    if isinstance(outcome.error, NotOnMachine) and not all(path.exists() for path in request.source.inputs):
        return replace(outcome, error=SourceError(f"{request.source.name}: the file is gone"))
    if outcome.error is not None or not outcome.started:
        return outcome
    came: NodeResult = outcome.result
    try:
        _publish(request, came, staging)
    except PoselineError as error:
        return Outcome(error=error)
    return replace(outcome, result=came.result)


def _publish(request: RunRequest, came: NodeResult, staging: Path) -> None:
    place = came.place
    if place is None:
        place = staging / uuid.uuid4().hex
        try:
            for name, data in came.files.items():
                (place / name).parent.mkdir(parents=True, exist_ok=True)
                (place / name).write_bytes(data)
        except OSError as error:
            raise OutputError(f"{place}: cannot be written: {error.strerror}") from error
    source, output = request.source, request.settings.output
    assert output.directory is not None
    wait_until_free(output.directory, request.patience)
    with prepare(output.directory, source.name, output.overwrite, source.inputs) as folder:
        try:
            for path in _files(place):
                target = folder.path / path.relative_to(place)
                target.parent.mkdir(exist_ok=True)
                os.replace(path, target)
        except OSError as error:
            raise OutputError(f"{folder.path}: cannot be written: {error.strerror}") from error
    shutil.rmtree(place, ignore_errors=True)
