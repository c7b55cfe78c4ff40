"""Node: a machine of the cluster: the files that it is sent, and what a request becomes there."""

from __future__ import annotations

import hashlib
import socket
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from poseline.cache import cache_folder
from poseline.errors import OutputError, SettingsError, SourceError
from poseline.request import RunRequest
from poseline.settings import Settings
from poseline.workers import Outcome


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
    files = files_in(path) if path.is_dir() else [path]
    return {each.relative_to(path.parent).as_posix(): each.read_bytes() for each in files}


def files_in(folder: Path) -> list[Path]:
    """All files of a folder and those below it."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


@dataclass(frozen=True)
class NodeFiles:
    """The files that settings name, for machines that may not have them."""

    model: CarriedFile | None
    """None for the built-in one, which is part of Poseline."""
    skeleton: CarriedFile | None
    torch_may_run: bool
    """Whether PyTorch would run the model where there is a GPU."""

    @classmethod
    def of(cls, settings: Settings) -> NodeFiles:
        """What these settings name.

        Raises:
            ModelError: the model cannot be found. SettingsError: the skeleton's file cannot be read.
        """
        from poseline.inference import torch_may_run, weights

        path, skeleton = weights.find(settings.inference.model), settings.inference.skeleton
        builtin = path == weights.find(weights.BUILTIN)
        try:
            return cls(
                None if builtin else CarriedFile.of(path), CarriedFile.of(skeleton) if skeleton else None,
                torch_may_run(path, settings.inference),
            )  # fmt: skip
        except OSError as error:
            raise SettingsError(f"{error.filename}: cannot be read: {error.strerror}") from error

    def here(self) -> dict[str, Any]:
        """The paths on this machine, by the names of `InferenceSettings`."""
        paths: dict[str, Any] = {"model": str(self.model.here()) if self.model else "builtin"}
        if self.skeleton:
            paths["skeleton"] = self.skeleton.here()
        return paths


class NotOnMachine(SettingsError):
    """A file that another machine of the cluster cannot reach."""


class Node:
    """The machine that this process runs on, as a part of the cluster.

    Args:
        files: that the settings name.
        cards: GPUs that Ray gives each unit; with none, no GPU is used that Ray does not know of.
    """

    def __init__(self, files: NodeFiles, cards: int) -> None:
        self._files, self._cards = files, cards
        self._here: dict[str, Any] | None = None

    def request_here(self, request: RunRequest, sizes: Sequence[int]) -> RunRequest:
        """The request with the paths of this machine, and on its CPU where Ray gave no GPU.

        Raises:
            NotOnMachine: the source's files are not here, or not of these `sizes` in bytes.
        """
        _check_here(request, sizes)
        self._here = self._here or self._files.here()
        inference = request.settings.inference
        on_cpu = not self._cards and inference.device == "auto" and sys.platform != "darwin"
        inference = inference.model_copy(update={**self._here, "device": "cpu" if on_cpu else inference.device})
        return replace(request, settings=request.settings.model_copy(update={"inference": inference}))


def _check_here(request: RunRequest, sizes: Sequence[int]) -> None:
    wanted = [*zip(request.source.inputs, sizes, strict=True)]
    calibration = request.settings.inference.calibrate
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


def sent(request: RunRequest) -> tuple[RunRequest, tuple[int, ...]]:
    """A request as other machines can read it, with absolute paths; and the sizes of its source's files in bytes."""
    source, inference = request.source, request.settings.inference
    pictures = tuple(place.absolute() if isinstance(place, Path) else place for place in source.pictures)
    source = replace(source, video=source.video and source.video.absolute(), pictures=pictures)
    if inference.calibrate:
        inference = inference.model_copy(update={"calibrate": inference.calibrate.absolute()})
    settings = request.settings.model_copy(update={"inference": inference})
    return replace(request, source=source, settings=settings), tuple(map(_size, source.inputs))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1


def gone(request: RunRequest, outcome: Outcome) -> Outcome:
    """The outcome; where a machine has not got the source's files and this one has no more either, that is said."""
    if isinstance(outcome.error, NotOnMachine) and not all(path.exists() for path in request.source.inputs):
        return replace(outcome, error=SourceError(f"{request.source.name}: the file is gone"))
    return outcome
