"""Pieces of one recording on the machines of a cluster: what is found in each comes back as the result of its task.

A task may be run twice, where a machine dies: what it reported would come twice, its result comes once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from poseline.cluster.node import Node, NodeFiles, gone, sent
from poseline.inference import ModelSpec, RemoteRuntime
from poseline.interruption import Interruption
from poseline.pieces import Found, PieceResult
from poseline.request import RunRequest
from poseline.session import PieceWork
from poseline.workers import Context, Work
from poseline.workers.executor import Ended, OnProgress
from poseline.workers.ray import RayExecutor


class NodePiece(NamedTuple):
    """A piece as another machine is given it."""

    request: RunRequest
    sizes: tuple[int, ...]
    """Bytes of the recording's files where the run was started."""
    look: bool = True
    """Whether to find the poses; else it is only said what would find them."""


class NodeModel(NamedTuple):
    """The model that machines of the cluster use."""

    spec: ModelSpec
    runtime: RemoteRuntime


class NodeFound(NamedTuple):
    """What comes back of a piece."""

    result: PieceResult
    found: list[Found]


class NodePieceWork(PieceWork):
    """Finds the poses of one piece after another on a machine of the cluster.

    Args:
        files: that the settings name.
        cards: GPUs that Ray gives each piece; with none, no GPU is used that Ray does not know of.
    """

    def __init__(self, files: NodeFiles, cards: int) -> None:
        super().__init__()
        self._node = Node(files, cards)

    def __call__(self, unit: NodePiece, context: Context) -> NodeFound | NodeModel:  # type: ignore[override] # more
        """Find the poses, or say what would."""
        request = self._node.request_here(unit.request, unit.sizes)
        if not unit.look:
            model = self.model(request)
            return NodeModel(model.spec, RemoteRuntime.of(model.runtime))
        found = list[Found]()
        return NodeFound(super().__call__(request, replace(context, report_progress=found.append)), found)


class PiecesOnCluster(RayExecutor):
    """Runs pieces on the cluster; what was found in one is reported when it has ended.

    Args:
        cores: of each piece.
        cards: GPUs of each piece.
        most: pieces at the same time.
        may_begin: as `RayExecutor` has it.
    """

    def _run(
        self, waiting: deque[int], units: Sequence[Any], work: Work, interruption: Interruption, on_progress: OnProgress
    ) -> Ended:
        requests: Sequence[RunRequest] = units
        there = [NodePiece(*sent(request)) for request in requests]
        for index, outcome in super()._run(waiting, there, work, interruption, on_progress):
            came = outcome.result
            if isinstance(came, NodeFound):
                for found in came.found:
                    on_progress(index, found)
                outcome = replace(outcome, result=came.result)
            yield index, gone(requests[index], outcome)
