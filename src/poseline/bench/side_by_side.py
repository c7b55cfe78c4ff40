"""Side by side: several benchmarks of the same combinations, such as of several machines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from poseline.bench import tables
from poseline.bench.grid import Grid
from poseline.bench.schema import Benchmark, Case, Combination, Spread
from poseline.errors import SettingsError

_NAMES = ("model", "imgsz", "precision", "video")


@dataclass(frozen=True)
class Column:
    """One device of one benchmark."""

    label: str
    cases: dict[Combination, Case]
    """By what was asked for, but for runtime and device."""


def columns(named: Sequence[tuple[str, Benchmark]]) -> list[Column]:
    """A column for each benchmark, and for each device where a benchmark has several.

    Raises:
        SettingsError: they are of different clips, or have no combination in common.
    """
    clips = {benchmark.clip for _, benchmark in named}
    if len(clips) > 1:
        names = ", ".join(sorted({tables.clip(each) for each in clips}))
        raise SettingsError(f"--compare: these benchmarks are of different clips ({names}); run them on the same one")
    found = [column for name, benchmark in named for column in _columns(name, benchmark)]
    if len(found) > 1 and not set.intersection(*(set(column.cases) for column in found)):
        raise SettingsError("--compare: no combination of model, size, precision and video is in all of them")
    return found


def _columns(name: str, benchmark: Benchmark) -> list[Column]:
    ways = dict.fromkeys((case.asked.runtime, case.asked.device) for case in benchmark.cases)
    return [
        Column(
            name if len(ways) == 1 else ", ".join([name, *(part for part in way if part != "auto")]),
            {_key(case): case for case in benchmark.cases if (case.asked.runtime, case.asked.device) == way},
        )
        for way in ways
    ]


def _key(case: Case) -> Combination:
    return case.asked.model_copy(update={"runtime": "auto", "device": "auto"})


def rows(found: Sequence[Column]) -> list[Combination]:
    """The combinations that any of them has, in order of appearance."""
    return list(dict.fromkeys(key for column in found for key in column.cases))


def grid(found: Sequence[Column]) -> Grid:
    """Frames a second of each, and how many times those of the first."""
    headings = (*_NAMES, *(column.label for column in found))
    lines = tuple((*_names(key), *(_fps(column, key, found[0]) for column in found)) for key in rows(found))
    return Grid(headings, lines, len(_NAMES), "Frames a second").folded()


def _fps(column: Column, key: Combination, first: Column) -> str:
    case, other = column.cases.get(key), first.cases.get(key)
    if case is None:
        return "-"
    times = f" ({case.fps.median / other.fps.median:.2f}x)" if other and column is not first else ""
    return f"{case.fps.median:.1f}{times}"


def _names(key: Combination) -> tuple[str, ...]:
    return key.model, str(key.imgsz), key.precision, ("yes" if key.video else "no") + (", live" if key.live else "")


def details(found: Sequence[Column]) -> Grid:
    """All in which they differ: a row for each combination and device."""
    headings = (
        *_NAMES, "on", "runs in", "fps", "process\nfps", "first\nframe s", "CPU\nms/frame", "cores\nbusy", "RSS\nMB",
        "model\nalone fps",
    )  # fmt: skip
    lines = tuple(
        (*_names(key), column.label, *_detail(column.cases[key]))
        for key in rows(found)
        for column in found
        if key in column.cases
    )
    return Grid(headings, lines, len(_NAMES) + 2, "One by one").folded()


def _detail(case: Case) -> tuple[str, ...]:
    return (
        case.precision, tables.spread(case.fps, 1), _median(case.process_fps, 1), _median(case.first_frame, 2),
        _median(case.cpu_ms, 1), f"{case.efficiency.median:.0%}", f"{case.memory_bytes.median / 1e6:.0f}",
        f"{case.network.fps:.1f}",
    )  # fmt: skip


def _median(value: Spread | None, digits: int) -> str:
    return "?" if value is None else f"{value.median:.{digits}f}"


def machines(named: Sequence[tuple[str, Benchmark]]) -> list[str]:
    """Which machine each is, a line each."""
    return [f"{name}: {tables.machine(benchmark.machine)}" for name, benchmark in named]
