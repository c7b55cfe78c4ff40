"""RemoteRuntime: what is known here of a runtime on another machine."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import NoReturn

from poseline.errors import ModelError
from poseline.inference.runtimes import Runtime


@dataclass
class RemoteRuntime:
    """Says all that a `Runtime` says of itself; the network runs elsewhere. It can be sent to another machine."""

    name: str
    device: str
    precision: str
    channels: int
    warmup_runs: int
    in_flight: int
    batch: int
    final: bool
    fixed_size: tuple[int, int] | None

    @classmethod
    def of(cls, runtime: Runtime) -> RemoteRuntime:
        """What a runtime of this machine says."""
        return cls(**{field.name: getattr(runtime, field.name) for field in fields(cls)})

    def request(self, height: int, width: int, places: int | None = None, *, alone: bool = False) -> NoReturn:
        """There is none here."""
        del height, width, places, alone
        raise ModelError(f"{self.name} runs on another machine: {self.device}")
