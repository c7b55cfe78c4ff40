"""ScriptedRuntime: a runtime whose answers are written beforehand, for tests and for measuring all but the network."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from poseline.frame import Pixels
from poseline.inference.runtimes.cpu_input import CpuInput
from poseline.pose import Floats
from poseline.settings import InferenceSettings


class ScriptedRuntime:
    """Answers every picture with `script(pixels)`, (1, channels, H, W) to (...), after `seconds` for a request."""

    def __init__(
        self, script: Callable[[Pixels], Floats], *, seconds: float = 0.0, in_flight: int = 1, batch: int = 1,
        final: bool = False, fixed_size: tuple[int, int] | None = None, channels: int = 3,
    ) -> None:  # fmt: skip
        self._script, self._seconds = script, seconds
        self.name, self.device, self.precision = "scripted", "none", "fp32"
        self.in_flight, self.batch, self.final, self.fixed_size = in_flight, batch, final, fixed_size
        self.channels, self.warmup_runs = channels, 0

    def request(self, height: int, width: int, places: int | None = None, *, alone: bool = False) -> ScriptedRequest:
        """A new request for inputs of this size, in pixels."""
        del alone
        shape = places or self.batch, self.channels, height, width
        return ScriptedRequest(self._script, self._seconds, np.zeros(shape, np.uint8))


class ScriptedRequest(CpuInput):
    """One scripted answer."""

    def __init__(self, script: Callable[[Pixels], Floats], seconds: float, pixels: Pixels) -> None:
        super().__init__(pixels)
        self._script, self._seconds = script, seconds
        self._due = 0.0

    def start(self, settings: InferenceSettings) -> None:  # noqa: ARG002 # the script decides
        """Note when the answer is due."""
        self._due = time.monotonic() + self._seconds

    def wait(self) -> Floats:
        """The script's answers to the pictures, (B, ...) float32."""
        time.sleep(max(0.0, self._due - time.monotonic()))
        return np.stack([self._script(self.pixels[index : index + 1]) for index in range(len(self.pixels))])
