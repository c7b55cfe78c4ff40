"""Peer: another program that does the same work, run as its user would."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from poseline.bench.process import python, watch
from poseline.cache import cache_folder
from poseline.errors import SettingsError
from poseline.inference.weights import sha256

_SPEED = re.compile(r"^Speed: ([\d.]+)ms preprocess, ([\d.]+)ms inference, ([\d.]+)ms postprocess", re.MULTILINE)
_FRAME = re.compile(r"^video \d+/\d+ \(frame \d+/\d+\)", re.MULTILINE)
_YOLO = "from ultralytics.cfg import entrypoint; entrypoint()"
"""What the `yolo` command does; through our own interpreter, so that it is the one of this environment."""
_EXPORT = ("format=openvino", "dynamic=True")


@dataclass(frozen=True)
class Rival:
    """One way of running a peer."""

    name: str
    video: bool
    """Whether it writes annotated video."""
    shown: str
    """Its command line, without folders."""
    command: Callable[[Path, Path], list[str]]
    """From the clip and a folder for all that it writes to the command."""
    reported: Callable[[str], float | None] | None = None
    """From what it said to the frames a second that it reports of itself, where it does."""
    environment: Mapping[str, str] = field(default_factory=dict)
    counted: Callable[[str], int | None] | None = None
    """From what it said to how many frames it processed, where it tells."""


class Peer(Protocol):
    """A program to be compared with."""

    @property
    def name(self) -> str:
        """Its name and version."""

    def rivals(self, weights: Path, imgsz: int, device: str, scratch: Path, timeout: float) -> Sequence[Rival]:
        """The ways in which a user may run it, the strongest among them; whatever they need is made beforehand.

        Args:
            weights: the model.
            imgsz: longer side of the network's input, in pixels.
            device: cpu, cuda, cuda:N or mps.
            scratch: a folder for what does not outlive the benchmark.
            timeout: seconds that preparing may take.
        """


class Ultralytics:
    """`yolo pose track`: with its default runtime, and on a CPU also with its own OpenVINO export."""

    _environment: Mapping[str, str] = {
        "YOLO_OFFLINE": "True",
        "YOLO_AUTOINSTALL": "False",
        "ULTRALYTICS_SAFE_LOAD": "True",
    }

    @property
    def name(self) -> str:
        """Its name and version."""
        try:
            return f"ultralytics {version('ultralytics')}"
        except PackageNotFoundError:
            raise SettingsError("--vs ultralytics: it is not installed: pip install ultralytics") from None

    def rivals(self, weights: Path, imgsz: int, device: str, scratch: Path, timeout: float) -> Sequence[Rival]:
        """See `Peer`.

        Raises:
            SettingsError: the weights are not a .pt file, or a package that its tracker needs is missing.
        """
        if weights.suffix != ".pt":
            raise SettingsError(f"--vs ultralytics: {weights.name} is no .pt model, from which its runtimes all start")
        if find_spec("lap") is None:
            raise SettingsError("--vs ultralytics: its tracker needs the package lap: pip install lap")
        if device != "cpu":
            gpu = device.removeprefix("cuda").removeprefix(":") or "0"  # its own names are 0, 1 ... and mps
            return [
                self._rival("default", weights, imgsz, gpu, True),
                self._rival("half", weights, imgsz, gpu, True, "half=True"),
                self._rival("half, no video", weights, imgsz, gpu, False, "half=True"),
            ]
        exported = self._export(weights, scratch, timeout)
        return [
            self._rival("default", weights, imgsz, "cpu", True),
            self._rival("OpenVINO", exported, imgsz, "cpu", True),
            self._rival("OpenVINO, no video", exported, imgsz, "cpu", False),
        ]

    def _rival(self, name: str, model: Path, imgsz: int, device: str, save: bool, *more: str) -> Rival:
        options = [f"imgsz={imgsz}", f"save={save}", f"device={device}", *more]

        def command(clip: Path, folder: Path) -> list[str]:
            given = [f"source={clip}", f"model={model}", *options, f"project={folder}", "name=track", "exist_ok=True"]
            return python("-c", _YOLO, "pose", "track", *given)

        shown = " ".join(["yolo pose track source=CLIP", f"model={model.name}", *options])
        if model.is_dir():
            shown += f", after yolo export {' '.join(_EXPORT)}"
        return Rival(name, save, shown, command, _reported, self._environment, _counted)

    def _export(self, weights: Path, scratch: Path, timeout: float) -> Path:
        """Its own conversion, kept for the next benchmark.

        With dynamic shapes, as the default, a fixed square, makes it work on grey margins and is slower on a film.
        """
        folder = cache_folder() / "peer" / f"{weights.stem}-{sha256(weights)[:16]}-{self.name.replace(' ', '')}"
        kept = folder / f"{weights.stem}_openvino_model"
        if not kept.exists():
            copied = Path(shutil.copy(weights, scratch / weights.name))  # it writes beside the weights
            export = ["export", f"model={copied}", *_EXPORT]
            watch(python("-c", _YOLO, *export), scratch, timeout, cwd=scratch, environment=self._environment)
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder) as half_done:
                whole = shutil.copytree(copied.with_name(kept.name), Path(half_done) / kept.name)
                with suppress(OSError):  # another process has been quicker
                    whole.rename(kept)
        return kept


def _reported(said: str) -> float | None:
    """From the line of mean times that ends a run; reading, drawing and writing are not in them."""
    found = _SPEED.search(said)
    return 1e3 / sum(map(float, found.groups())) if found else None


def _counted(said: str) -> int | None:
    """From its line for each frame; it ends at a number of frames that it has guessed, which may be far too low."""
    return len(_FRAME.findall(said)) or None


PEERS: dict[str, Peer] = {"ultralytics": Ultralytics()}


class ScriptedPeer:
    """A peer whose ways of running are written beforehand, for tests."""

    name = "scripted 1.0"

    def __init__(self, *ways: Rival) -> None:
        self._ways = ways

    def rivals(self, weights: Path, imgsz: int, device: str, scratch: Path, timeout: float) -> Sequence[Rival]:
        """The ways."""
        del weights, imgsz, device, scratch, timeout
        return self._ways
