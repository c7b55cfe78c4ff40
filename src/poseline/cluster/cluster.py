"""The connection to a Ray cluster, and what share of its machines each source, or each piece of one, is given."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from poseline.cluster.node import NodeFiles, gone, sent
from poseline.cluster.pieces import NodeModel, NodePiece, NodePieceWork, PiecesOnCluster
from poseline.cluster.sources import NodeWork, SourcesOnCluster
from poseline.errors import SettingsError
from poseline.inference import PoseEstimator
from poseline.interruption import Interruption
from poseline.pieces import PieceWorkers, worker_count
from poseline.request import RunRequest
from poseline.settings import InferenceSettings, Settings
from poseline.words import counted
from poseline.workers import Executor, Work
from poseline.workers.ray import RayCluster, RayExecutor

log = logging.getLogger("poseline")

_MOST_CORES = 4
"""Most cores that one source or piece is given: a network fills a few by itself."""


class _Share(NamedTuple):
    """What each source or piece is given."""

    files: NodeFiles
    cores: int
    cards: int
    room: int
    """How many of them the cluster has room for."""


class Cluster:
    """Where the sources of a batch run, connected to when they first are.

    Args:
        on: as `--on` has it.
        most: sources, or pieces of a single one, at the same time; None or 0 for all that the cluster has room for.
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
        share = self._share(requests[0].settings, counted(len(requests), "source"), "source")
        return SourcesOnCluster(out, share.cores, share.cards, self._most), NodeWork(share.files, share.cards)

    def pieces(self, request: RunRequest, interruption: Interruption) -> PieceWorkers:
        """What finds the poses in pieces of this recording; a machine loads the model first, and says what runs it.

        Raises:
            SettingsError: there is no such cluster, or a machine cannot reach the recording.
            SourceError: the recording is gone. ModelError: the model cannot be found or loaded.
            KeyboardInterrupt: the user did not wait for that.
        """
        share, name = self._share(request.settings, request.source.name, "piece"), uuid.uuid4().hex
        work = NodePieceWork(share.files, share.cards)
        [outcome] = RayExecutor(share.cores, share.cards, 1, name=name).run(
            [NodePiece(*sent(request), look=False)], work, interruption, lambda *_: None, lambda *_: None
        )
        if (error := gone(request, outcome).error) is not None:
            raise error
        if not outcome.started:
            raise KeyboardInterrupt
        model: NodeModel = outcome.result

        def executor(most: int, may_begin: Callable[[int], bool]) -> Executor:
            return PiecesOnCluster(share.cores, share.cards, most, may_begin=may_begin, name=name)

        return PieceWorkers(
            self._most or max(1, share.room), executor, work, drawing=worker_count(0, "cpu", 0, None),
            on_gpu=bool(share.cards), estimator=PoseEstimator(model.spec, model.runtime, request.settings.inference),
        )  # fmt: skip

    def _share(self, settings: Settings, what: str, one: str) -> _Share:
        """Connect, and say what runs where: `what` are all together, such as `3 sources`, and `one` is one of them."""
        check(settings)
        files = NodeFiles.of(settings)
        self._ray = self._ray or RayCluster(self._on)
        machines = [each for each in self._ray.machines if each.get("CPU", 0) >= 1]
        cores = int(min([_MOST_CORES, *(each["CPU"] for each in machines)]))
        cards = int(_wants_card(settings.inference, files, any(each.get("GPU") for each in machines)))
        where = "this machine, where no cluster was found" if self._ray.started_here else self._on
        log.info(
            "%s on %s: %s, %s, %s; each %s takes %s%s",
            what, where, counted(len(machines), "machine"),
            counted(int(sum(each["CPU"] for each in machines)), "core"),
            counted(int(sum(each.get("GPU", 0) for each in machines)), "GPU"),
            one, counted(cores, "core"), " and a GPU" if cards else "",
        )  # fmt: skip
        room = [min([each["CPU"] // cores, *([each.get("GPU", 0)] if cards else [])]) for each in machines]
        return _Share(files, cores, cards, int(sum(room)))

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
    return has_cards and files.torch_may_run
