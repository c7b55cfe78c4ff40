"""Schema: what a benchmark's JSON file holds, version 1. A field's name says its unit, or its text does."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from poseline.errors import SettingsError

SCHEMA: Literal[1] = 1


class Record(BaseModel):
    """What a file of a benchmark is made of."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Spread(Record):
    """One quantity over several runs."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: list[float]) -> Spread:
        """Of at least one value."""
        return cls(median=float(np.median(values)), least=min(values), most=max(values))


class Machine(Record):
    """Where it was measured."""

    system: str
    cpu: str
    cores: int
    """Cores that the process may use."""
    flags: list[str]
    """Vector instructions that matter for a network."""
    governor: str | None
    """How Linux chooses the clock; null where it is not stated."""
    clock_mhz: float | None
    memory_bytes: int
    load: float | None
    """Programs that wanted a core in the minute before: above 0 something else ran, and the times are worse for it."""
    gpu: str
    """Name, memory and driver of NVIDIA's GPUs; empty where there is none."""
    versions: dict[str, str]


class Clip(Record):
    """What was run."""

    name: str
    """The file's name, without its folder."""
    width: int
    height: int
    frames: int | None
    """As the file announces; null where it does not."""
    fps: float | None
    """Frames a second at which it plays."""
    bytes: int


class Combination(Record):
    """What was asked for."""

    model: str
    imgsz: int
    precision: str
    runtime: str
    device: str
    video: bool
    live: bool


class Stage(Record):
    """What one stage cost; milliseconds a frame."""

    name: str
    ms: float
    """Mean time of the clock spent on its own work, not waiting for its neighbours."""
    p50: float | None
    p95: float | None
    cpu_ms: float
    """Mean time of its own thread on a core; threads of the decoder, the network and the encoder are not in it."""
    cpu_p50: float | None
    cpu_p95: float | None
    busy: float
    """Share of the run in which it worked, 0..1."""
    work: str = ""
    """What takes its time, in words; empty in files of earlier versions."""
    dropped: int = 0
    """Frames that an output gave up for newer ones."""


class Run(Record):
    """One whole process of `poseline run`, from its start to its end."""

    wall: float
    """Seconds of the clock, interpreter, imports and loading the model included."""
    first_frame: float | None
    """Seconds from the start of the process to the record of its first frame; null where none was seen to come."""
    elapsed: float
    """Seconds of the run itself: from the first frame asked for to the last file closed."""
    steady_fps: float | None = None
    """Frames a second from the first recorded to the last; null where that is no time."""
    cpu: float
    """Seconds of all threads on cores, within `elapsed`."""
    memory_bytes: int
    """Most resident memory, looked at every 20 ms."""
    output_bytes: int | None
    """The annotated video; null without one."""
    processed: int
    dropped: int
    bad: int
    persons: int
    stages: list[Stage]
    queues: dict[str, float]
    """Mean share of the places before a stage that were taken when it came for its next frame, 0..1."""
    latency_p50: float | None
    latency_p95: float | None
    """Milliseconds from a frame's arrival to the end of its recording; null but for a live source."""


class Network(Record):
    """The model alone: the clip's first frame again and again, requests kept in flight, nothing decoded or drawn."""

    fps: float
    cpu_ms: float
    """Milliseconds of all threads on cores a frame."""
    width: int
    height: int
    """Of its input, in pixels."""


class Accuracy(Record):
    """How far a reduced precision is from fp32, on the same clip."""

    oks: float
    """Mean object keypoint similarity over the persons of whom fp32 was sure, 0..1; 0 for one that is missed."""
    persons: int
    """How many those are, over all frames."""


class Sensors(Record):
    """What the machine told of itself while a combination was measured; null where the system tells nothing of it."""

    celsius: float | None = None
    """The CPU package's highest temperature."""
    watts: float | None = None
    """Mean power of all CPU packages (RAPL)."""
    throttled: bool | None = None
    """Whether the CPU slowed itself down, for its heat or for want of power."""
    gpu_celsius: float | None = None
    """The hottest NVIDIA GPU's highest temperature."""
    gpu_watts: float | None = None
    """Mean power of an NVIDIA GPU."""
    gpu_throttled: bool | None = None
    """Whether one slowed itself down, for its heat or for want of power."""


class Case(Record):
    """All that was measured of one combination."""

    asked: Combination
    sha256: str
    """Of the model's file."""
    precision: str
    """The arithmetic really used."""
    runtime: str
    """The engine and its version."""
    device: str
    """What really ran it."""
    runs: list[Run]
    fps: Spread
    """Frames a second of the run itself: processed / elapsed."""
    steady_fps: Spread | None = None
    """Frames a second once the first is recorded: warm-up and the closing of files are not in it."""
    process_fps: Spread
    """Frames a second of the whole process: processed / wall."""
    first_frame: Spread | None
    memory_bytes: Spread
    cpu_ms: Spread
    """Milliseconds of all threads on cores a frame, within the run itself."""
    efficiency: Spread
    """fps / (cores / seconds of CPU a frame): 1 where no core was ever idle."""
    network: Network
    accuracy: Accuracy | None
    """null where fp32 ran, and where the model itself is of another precision."""
    bottleneck: str
    """In words, and what would help."""
    sensors: Sensors | None = None
    """null where the system tells nothing, and in files of earlier versions."""


class Sample(Record):
    """One whole process of a contest."""

    wall: float
    """Seconds of the clock."""
    fps: float | None
    """Frames a second that it reports of itself; null where it reports none."""
    memory_bytes: int
    output_bytes: int | None
    frames: int | None = None
    """Frames that it processed; null where it does not tell."""


class Contest(Record):
    """Poseline against a peer on the same clip, weights and image size, in turns: ours, theirs, ours, theirs."""

    peer: str
    """Its name and version."""
    name: str
    """Which way of running the peer."""
    command: str
    """The peer's command line, without folders."""
    asked: Combination
    ours: list[Sample]
    theirs: list[Sample]
    """As many; those at the same place ran one after the other."""
    wall_ratio: Spread
    """Theirs / ours of each pair: how many times faster the whole process is.

    Of seconds a frame, where the two processed different numbers of frames.
    """
    fps_ratio: Spread | None
    """Ours / theirs of what they report of themselves; the peer's leaves out reading, drawing and writing."""

    @property
    def unequal(self) -> tuple[int, int] | None:
        """Frames that we and the peer processed, where the two differ; None where they are equal or not told."""
        counts = ((ours.frames, theirs.frames) for ours, theirs in zip(self.ours, self.theirs, strict=True))
        return next(((ours, theirs) for ours, theirs in counts if ours and theirs and ours != theirs), None)


class Benchmark(Record):
    """The file."""

    version: Literal[1] = Field(default=SCHEMA, alias="schema")
    started: str
    """Local time with its offset, ISO 8601."""
    machine: Machine
    clip: Clip
    repeat: int
    """Measured runs of each combination, after one that only warms up."""
    quick: float | None = None
    """Seconds of the clip that were run, from its first frame, in a quick benchmark; null where all of it was."""
    cases: list[Case]
    contests: list[Contest]


def read(path: Path) -> Benchmark:
    """The benchmark in a JSON file.

    Raises:
        SettingsError: it cannot be read, or is not a benchmark of this schema; the text says where.
    """
    try:
        return Benchmark.model_validate_json(path.read_bytes())
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from error
    except ValidationError as error:
        raise SettingsError(
            f"{path}: not a benchmark of schema {SCHEMA}: {first_fault(error)}; make one with poseline bench --json"
        ) from None


def first_fault(error: ValidationError) -> str:
    """The first thing that is wrong with a record, after the name of its field where it is in one."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{f'{where}: ' if where else ''}{first['msg']}"
