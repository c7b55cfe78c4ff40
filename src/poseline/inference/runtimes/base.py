"""The seam between Poseline and the engines that run networks."""

from __future__ import annotations

from typing import Protocol

from poseline.frame import Pixels
from poseline.pose import Floats


class Request(Protocol):
    """One run of the network: fill `pixels`, `start`, `wait`; then again."""

    pixels: Pixels
    """(B, 3, H, W) uint8 RGB, the network's input, to be written in place; 0..255, scaled by the engine."""

    def start(self, conf: float) -> None:
        """Begin, without waiting where the engine can. Anchors with no score above `conf` may be left out."""

    def wait(self) -> Floats:
        """The raw output, (B, ...) float32; valid until the next `start`."""


class Runtime(Protocol):
    """An engine with a network loaded on a device."""

    name: str
    """The engine and its version."""
    device: str
    """The device that really runs it."""
    precision: str
    """The arithmetic really used: fp32, bf16, fp16 or int8."""
    in_flight: int
    """Requests that keep the device busy."""
    fixed_size: tuple[int, int] | None
    """(height, width) where the network takes no other."""

    def request(self, height: int, width: int) -> Request:
        """A new request for inputs of this size, in pixels."""
