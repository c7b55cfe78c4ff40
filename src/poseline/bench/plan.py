"""Plan: which combinations of model, size, precision, runtime, device and video are to be measured."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from poseline.amounts import whole_in
from poseline.bench.schema import Combination
from poseline.errors import SettingsError
from poseline.inference import weights
from poseline.inference.load import choose
from poseline.settings import Settings, load

_QUICK_NETWORK_SECONDS = 0.5


@dataclass(frozen=True)
class Options:
    """What the user asked for; every combination is measured."""

    models: Sequence[str] = ()
    """Paths or names; none means the one that a run chooses."""
    imgsz: Sequence[int] = (640,)
    precisions: Sequence[str] = ("auto",)
    runtimes: Sequence[str] = ("auto",)
    devices: Sequence[str] = ("auto",)
    videos: Sequence[bool] = (True, False)
    """With annotated video, without, or both."""
    live: bool = False
    repeat: int = 5
    timeout: float = 900.0
    """Seconds that one process may take."""
    network_seconds: float = 2.0
    """Seconds for which the model alone is measured."""
    quick: bool = False
    """One combination, on as much of the clip as can be run in a few seconds."""

    @classmethod
    def parsed(
        cls, models: Sequence[str], imgsz: str, precision: str, runtime: str, device: str, video: bool | None,
        live: bool, repeat: int, timeout: float, quick: bool = False,
    ) -> Options:  # fmt: skip
        """From the command line, where several values are separated by commas.

        Raises:
            SettingsError: something is not a number or out of range.
        """
        sizes = [size for part in _parts(imgsz) if (size := whole_in(part)) is not None]
        if not sizes or len(sizes) < len(_parts(imgsz)):
            raise SettingsError(f"--imgsz: {imgsz!r} is not a list of numbers such as 320,480,640")
        if repeat < 1:
            raise SettingsError(f"--repeat: {repeat} is no number of runs; give 1 or more")
        if timeout <= 0:
            raise SettingsError(f"--timeout: {timeout:g} s is no time; give more than 0")
        videos = (True, False) if video is None else (video,)
        options = cls(
            models, sizes, _parts(precision), _parts(runtime), _parts(device),
            videos, live, repeat, timeout,
        )  # fmt: skip
        return options.quickly() if quick else options

    def quickly(self) -> Options:
        """The same in a few seconds: one run of each, and with video where nothing was said of it.

        Raises:
            SettingsError: it would be more than one combination.
        """
        several = [
            f"--{name}"
            for name, values in (
                ("model", self.models), ("imgsz", self.imgsz), ("precision", self.precisions),
                ("runtime", self.runtimes), ("device", self.devices),
            )
            if len(values) > 1
        ]  # fmt: skip
        if several:
            raise SettingsError(f"--quick measures one combination: give {several[0]} one value, or leave --quick out")
        return replace(self, videos=self.videos[:1], repeat=1, network_seconds=_QUICK_NETWORK_SECONDS, quick=True)


@dataclass(frozen=True)
class Case:
    """A combination, and the settings of a run that it means."""

    asked: Combination
    weights: Path
    overrides: dict[str, dict[str, Any]] = field(hash=False)

    @property
    def settings(self) -> Settings:
        """Of a run."""
        return load(overrides=self.overrides)

    def first(self, seconds: float) -> Case:
        """The same on the first `seconds` of the clip."""
        capture = {**self.overrides["capture"], "end": seconds}
        return replace(self, overrides={**self.overrides, "capture": capture})

    def device(self) -> str:
        """The device that a run would choose: cpu, cuda:N or mps. SettingsError where the options contradict it."""
        return choose(self.weights, self.settings.inference)[1]


def cases(options: Options) -> list[Case]:
    """Every combination, checked: nothing is measured if one of them cannot be.

    Raises:
        SettingsError: a value is out of range, or a model cannot run so.
        ModelError: a model cannot be found.
    """
    found = [weights.find(model) for model in options.models or (None,)]
    combined = [
        case(path, imgsz, precision, runtime, device, video, options.live)
        for path, imgsz, precision, runtime, device, video in itertools.product(
            found, options.imgsz, options.precisions, options.runtimes, options.devices, options.videos
        )
    ]
    for each in combined:
        each.device()  # refuses what contradicts itself
    return combined


def case(path: Path, imgsz: int, precision: str, runtime: str, device: str, video: bool, live: bool = False) -> Case:
    """One combination."""
    asked = Combination(
        model=path.name, imgsz=imgsz, precision=precision, runtime=runtime, device=device, video=video, live=live
    )
    overrides: dict[str, dict[str, Any]] = {
        "capture": {"live": live},
        "inference": {
            "model": str(path.absolute()), "imgsz": imgsz, "runtime": runtime, "device": device,
            "precision": precision,
        },
        "output": {"video": video},
    }  # fmt: skip
    load(overrides=overrides)
    return Case(asked, path, overrides)


def _parts(text: str) -> list[str]:
    return list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
