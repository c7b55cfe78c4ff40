"""The seam between Poseline and the engines that run networks."""

from __future__ import annotations

from typing import Protocol

from poseline.frame import Frame
from poseline.inference.letterbox import Letterbox
from poseline.pose import Floats
from poseline.settings import InferenceSettings


class Request(Protocol):
    """One run of the network: `place` up to as many pictures as it was made for, `start`, `wait`; then again.

    For one thread at a time; requests of one runtime may be used side by side, but for `start`.
    """

    def place(self, index: int, frame: Frame, letterbox: Letterbox) -> None:
        """Scale the frame's picture into the input's place `index`; all places of one run have the same layout."""

    def start(self, settings: InferenceSettings) -> None:
        """Begin, without waiting where the engine can. What `settings` do not want may be left out.

        One at a time: a network may keep what it has computed for one size until it runs again.
        """

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
    channels: int
    """Of the network's input: 3 for RGB, 1 for grey."""
    warmup_runs: int
    """Runs after which one takes no longer than the next: an engine may get ready in its first ones."""
    in_flight: int
    """Requests that keep the device busy."""
    batch: int
    """Most pictures in one request; 1 where a single one must not wait for others."""
    final: bool
    """Its outputs are suppressed already: (B, N, 6 + K·values) rows, as of end-to-end networks."""
    fixed_size: tuple[int, int] | None
    """(height, width) where the network takes no other."""

    def request(self, height: int, width: int, places: int | None = None, *, alone: bool = False) -> Request:
        """A new request for inputs of this size, in pixels. One at a time: it may compile the network.

        Args:
            height: of the network's input.
            width: of the network's input.
            places: how many pictures it is for; None: `batch`.
            alone: nothing else runs beside it: it is to have the least delay, not to leave room for others.
        """
