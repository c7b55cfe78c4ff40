"""ScriptedRuntime: a runtime whose answers are written beforehand, for tests and for measuring all but the network."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from poseline.frame import Pixels
from poseline.pose import Floats


class ScriptedRuntime:
    """Answers every request with `script(pixels)` after `seconds`."""

    def __init__(
        self, script: Callable[[Pixels], Floats], *, seconds: float = 0.0, in_flight: int = 1,
        fixed_size: tuple[int, int] | None = None,
    ) -> None:  # fmt: skip
        self._script, self._seconds = script, seconds
        self.name, self.device, self.precision = "scripted", "none", "fp32"
        self.in_flight, self.fixed_size = in_flight, fixed_size

    def request(self, height: int, width: int) -> ScriptedRequest:
        """A new request for inputs of this size, in pixels."""
        return ScriptedRequest(self._script, self._seconds, height, width)


class ScriptedRequest:
    """One scripted answer."""

    def __init__(self, script: Callable[[Pixels], Floats], seconds: float, height: int, width: int) -> None:
        self._script, self._seconds = script, seconds
        self.pixels: Pixels = np.zeros((1, 3, height, width), np.uint8)
        self._due = 0.0

    def start(self, conf: float) -> None:  # noqa: ARG002 # the script decides
        """Note when the answer is due."""
        self._due = time.monotonic() + self._seconds

    def wait(self) -> Floats:
        """The script's answer to the pixels, (1, ...) float32."""
        time.sleep(max(0.0, self._due - time.monotonic()))
        return self._script(self.pixels)[None]
