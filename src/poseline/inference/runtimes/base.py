"""The seam between Poseline and the engines that run networks."""

from __future__ import annotations

from typing import Protocol

from poseline.frame import Frame
from poseline.inference.letterbox import Letterbox
from poseline.pose import Floats
from poseline.settings import InferenceSettings


class Request(Protocol):
    """One run of the network: `place` up to `batch` pictures, `start`, `wait`; then again."""

    def place(self, index: int, frame: Frame, letterbox: Letterbox) -> None:
        """Scale the frame's picture into the input's place `index`; all places of one run have the same layout."""

    def start(self, settings: InferenceSettings) -> None:
        """Begin, without waiting where the engine can. What `settings` do not want may be left out."""

    def wait(self) -> Floats:
        """The output, (B, ...) float32, also of places that were left empty; valid until the next `start`."""


class Runtime(Protocol):
    """An engine with a network loaded on a device."""

    name: str
    """The engine and its version."""
    device: str
    """The device that really runs it."""
    precision: str
    """The arithmetic really used: fp32, bf16, fp16 or int8."""
    dry_runs: int
    """Runs after which one takes no longer than the next: an engine may get ready in its first ones."""
    in_flight: int
    """Requests that keep the device busy."""
    batch: int
    """Most pictures in one request; 1 where a single one must not wait for others."""
    final: bool
    """Its outputs are suppressed already: (B, N, 6 + K·values) rows, as of end-to-end networks."""
    fixed_size: tuple[int, int] | None
    """(height, width) where the network takes no other."""

    def request(self, height: int, width: int) -> Request:
        """A new request for inputs of this size, in pixels."""
