"""Submission: a benchmark in one line of JSON, and many of them, from many machines, in a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from poseline.bench import tables
from poseline.bench.grid import Grid
from poseline.bench.schema import Benchmark, Case, Clip, Contest, Record, Sensors, Spread, first_fault
from poseline.errors import OutputError, SettingsError

SUFFIX = ".jsonl"
"""What a file of submissions is called by, one in each line; a whole benchmark is a `.json`."""


class Result(Record):
    """One combination."""

    model: str
    imgsz: int
    precision: str
    """The arithmetic really used."""
    runtime: str
    """The engine and its version."""
    device: str
    """What really ran it."""
    video: bool
    live: bool
    fps: Spread
    """Frames a second of the run itself, from the first frame asked for to the last file closed."""
    first_frame_s: float | None
    cpu_ms: float
    """Milliseconds of all threads on cores a frame."""
    memory_mb: int
    network_fps: float
    """Of the model alone."""
    oks: float | None
    """Likeness to what fp32 finds."""
    sensors: Sensors | None = None


class Submission(Record):
    """One benchmark of one machine. Nothing in it names a person, a computer or a folder."""

    version: Literal[1] = Field(default=1, alias="schema")
    kind: Literal["poseline bench"] = "poseline bench"
    started: str
    """Local time with its offset, ISO 8601."""
    poseline: str
    """Its version."""
    system: str
    cpu: str
    cores: int
    flags: list[str]
    gpu: str
    busy: bool
    """Whether other programs ran before: the numbers are worse for it."""
    clip: Clip
    runs: int
    """Measured runs of each combination; the median of them counts."""
    quick: float | None = None
    """Seconds of the clip that were run, of a quick benchmark."""
    results: list[Result]
    against: dict[str, Spread] = Field(default_factory=dict)
    """By a peer's name and version, and the way of running it: how many times faster a whole process is."""

    @classmethod
    def of(cls, benchmark: Benchmark) -> Submission:
        """What is to be told of a benchmark to others."""
        machine = benchmark.machine
        return cls(
            started=benchmark.started,
            poseline=machine.versions.get("poseline", "?"),
            system=machine.system,
            cpu=machine.cpu,
            cores=machine.cores,
            flags=machine.flags,
            gpu=machine.gpu,
            busy=tables.busy(machine) is not None,
            clip=benchmark.clip,
            runs=benchmark.repeat,
            quick=benchmark.quick,
            results=[_result(case) for case in benchmark.cases],
            against={_against(contest): contest.wall_ratio for contest in benchmark.contests},
        )

    def line(self) -> str:
        """One line of JSON, with its end."""
        return self.model_dump_json(by_alias=True) + "\n"


def _result(case: Case) -> Result:
    return Result(
        model=case.asked.model,
        imgsz=case.asked.imgsz,
        precision=case.precision,
        runtime=case.runtime,
        device=case.device,
        video=case.asked.video,
        live=case.asked.live,
        fps=_rounded(case.fps),
        first_frame_s=round(case.first_frame.median, 2) if case.first_frame else None,
        cpu_ms=round(case.cpu_ms.median, 2),
        memory_mb=round(case.memory_bytes.median / 1e6),
        network_fps=round(case.network.fps, 1),
        oks=round(case.accuracy.oks, 4) if case.accuracy else None,
        sensors=case.sensors,
    )


def _rounded(value: Spread) -> Spread:
    return Spread(median=round(value.median, 1), least=round(value.least, 1), most=round(value.most, 1))


def _against(contest: Contest) -> str:
    return f"{contest.peer}, {contest.name}, {contest.asked.model} {contest.asked.imgsz}"


def append(path: Path, benchmark: Benchmark) -> None:
    """Add the benchmark's line to the file.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(Submission.of(benchmark).line())
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}; try another --submit") from error


def read_all(path: Path) -> list[Submission]:
    """The submissions in a file.

    Raises:
        SettingsError: it cannot be read, or a line is none; the text says which.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise SettingsError(f"{path}: cannot be read: {why}") from error
    return [_read(line, f"{path}, line {number}") for number, line in enumerate(lines, start=1) if line.strip()]


def _read(line: str, where: str) -> Submission:
    try:
        return Submission.model_validate_json(line)
    except ValidationError as error:
        raise SettingsError(f"{where}: not a line of poseline bench --submit: {first_fault(error)}") from None


_HEADINGS = (
    "CPU or GPU", "cores", "model", "imgsz", "precision", "runtime", "video", "date", "fps", "CPU\nms/frame", "RSS\nMB",
    "first\nframe s", "W", "°C", "but",
)  # fmt: skip
_NAMES = 8


def by_clip(submissions: Iterable[Submission]) -> dict[str, list[tuple[Submission, Result]]]:
    """All results of each clip, the fastest first; by what the clip is, in words."""
    found: dict[str, list[tuple[Submission, Result]]] = {}
    for submission in submissions:
        for result in submission.results:
            found.setdefault(_title(submission.clip), []).append((submission, result))
    return {title: sorted(rows, key=lambda row: -row[1].fps.median) for title, rows in found.items()}


def grids(submissions: Iterable[Submission]) -> list[Grid]:
    """A table for each clip, the fastest first."""
    return [
        Grid(_HEADINGS, tuple(_row(*row) for row in rows), _NAMES, title).without_empty_columns()
        for title, rows in by_clip(submissions).items()
    ]


def label(submission: Submission, result: Result) -> str:
    """What ran where, in a few words."""
    parts = [_device(submission, result), result.model, str(result.imgsz), result.precision]
    parts += [] if result.video else ["no video"]
    return " ".join([*parts, "live"] if result.live else parts)


def _device(submission: Submission, result: Result) -> str:
    on_gpu = result.device.startswith("cuda") and submission.gpu
    return submission.gpu.partition(",")[0] if on_gpu else submission.cpu


def _title(clip: Clip) -> str:
    rate = f" at {clip.fps:.4g} fps" if clip.fps else ""
    return f"{clip.name}, {clip.width}x{clip.height}, {clip.frames or '?'} frames{rate}"


def _row(submission: Submission, result: Result) -> tuple[str, ...]:
    sensors = result.sensors or Sensors()
    on_gpu = result.device.startswith("cuda")
    watts, celsius = (sensors.gpu_watts, sensors.gpu_celsius) if on_gpu else (sensors.watts, sensors.celsius)
    return (
        _device(submission, result),
        str(submission.cores),
        result.model,
        str(result.imgsz),
        result.precision,
        result.runtime,
        ("yes" if result.video else "no") + (", live" if result.live else ""),
        submission.started[:10],
        tables.spread(result.fps, 1),
        f"{result.cpu_ms:.1f}",
        str(result.memory_mb),
        f"{result.first_frame_s:.2f}" if result.first_frame_s is not None else "?",
        f"{watts:.0f}" if watts is not None else "",
        f"{celsius:.0f}" if celsius is not None else "",
        ", ".join(_but(submission, sensors)),
    )


def _but(submission: Submission, sensors: Sensors) -> Sequence[str]:
    """What makes the numbers less good than they might be, or less sure."""
    return [
        *(["busy machine"] if submission.busy else []),
        *(["throttled"] if sensors.throttled or sensors.gpu_throttled else []),
        *([f"quick, {submission.quick:g} s"] if submission.quick else []),
    ]
