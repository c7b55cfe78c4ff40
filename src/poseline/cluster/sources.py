"""Sources of a batch on the machines of a cluster: their results come back into the batch's folder.

A machine writes a source's results into a folder of their own: inside the batch's folder, where it can reach that, else
on its own disk, from where they are sent. Only the process that the batch was started in puts them into their place
and enters them in the manifest, so that nothing is written twice, whatever dies and is run again.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import uuid
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from poseline.batch import SourceResult, WorkerSourceWork
from poseline.cluster.node import Node, NodeFiles, files_in, gone, sent
from poseline.errors import OutputError, PoselineError
from poseline.interruption import Interruption
from poseline.output import prepare, wait_until_free, write_summary
from poseline.request import RunRequest
from poseline.workers import Context, Outcome, Work
from poseline.workers.executor import Ended, OnProgress
from poseline.workers.ray import RayExecutor

_STAGING = ".cluster-"


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


class NodeWork(WorkerSourceWork):
    """Runs one source after another on a machine of the cluster.

    Args:
        files: that the settings name.
        cards: GPUs that Ray gives each source; with none, no GPU is used that Ray does not know of.
    """

    def __init__(self, files: NodeFiles, cards: int) -> None:
        super().__init__()
        self._node = Node(files, cards)

    def __call__(self, unit: NodeUnit, context: Context) -> NodeResult:  # type: ignore[override] # a source with more
        """Run one source."""
        request = self._node.request_here(unit.request, unit.sizes)
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
            content = {path.relative_to(place).as_posix(): path.read_bytes() for path in files_in(place)}
            return NodeResult(result, None, content)
        finally:
            if not shared:
                shutil.rmtree(root, ignore_errors=True)


def _name_finally(place: Path, final: Path) -> None:
    """Let the summary name its files as they will be called."""
    summary = place / "summary.json"
    if summary.exists():
        data = json.loads(summary.read_text(encoding="utf-8"))
        data["files"] = [str(final / Path(path).relative_to(place)) for path in data["files"]]
        write_summary(summary, data)


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
            there = [_unit(request, staging) for request in requests]
            for index, outcome in super()._run(waiting, there, work, interruption, on_progress):
                yield index, _received(requests[index], gone(requests[index], outcome), staging)
        finally:
            shutil.rmtree(staging, ignore_errors=True)


def _unit(request: RunRequest, staging: Path) -> NodeUnit:
    request, sizes = sent(request)
    output = request.settings.output
    assert output.directory is not None
    output = output.model_copy(update={"directory": output.directory.absolute()})
    return NodeUnit(replace(request, settings=request.settings.model_copy(update={"output": output})), sizes, staging)


def _received(request: RunRequest, outcome: Outcome, staging: Path) -> Outcome:
    """What came of a source, with its results in their place."""
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
            for path in files_in(place):
                target = folder.path / path.relative_to(place)
                target.parent.mkdir(exist_ok=True)
                os.replace(path, target)
        except OSError as error:
            raise OutputError(f"{folder.path}: cannot be written: {error.strerror}") from error
    shutil.rmtree(place, ignore_errors=True)
