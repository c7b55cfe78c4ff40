"""Side by side: several benchmarks of the same combinations, such as of several machines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from poseline.bench import tables
from poseline.bench.grid import Grid
from poseline.bench.schema import Benchmark, Case, Combination, Spread
from poseline.errors import SettingsError


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
    headings = ["model", "imgsz", "precision", "video", found[0].label]
    for column in found[1:]:
        headings += [column.label, "times"]
    lines = []
    for key in rows(found):
        video = ("yes" if key.video else "no") + (", live" if key.live else "")
        line = [key.model, str(key.imgsz), key.precision, video]
        first = found[0].cases.get(key)
        for index, column in enumerate(found):
            case = column.cases.get(key)
            line.append(_fps(case))
            if index:
                line.append(f"{case.fps.median / first.fps.median:.2f}" if case and first else "")
        lines.append(tuple(line))
    return Grid(tuple(headings), tuple(lines), names=4, title="Frames a second").folded()


def _fps(case: Case | None) -> str:
    return f"{tables.spread(case.fps, 1)} {case.precision}" if case else "-"


def details(found: Sequence[Column]) -> Grid:
    """What else tells them apart: a row for each device and combination."""
    headings = (
        "model", "imgsz", "precision", "video", "on", "process\nfps", "first\nframe s", "CPU\nms/frame",
        "cores\nbusy", "RSS\nMB", "model\nalone fps",
    )  # fmt: skip
    lines = tuple(
        _detail(key, column.label, column.cases[key]) for key in rows(found) for column in found if key in column.cases
    )
    return Grid(headings, lines, names=5, title="Beside it").folded()


def _detail(key: Combination, label: str, case: Case) -> tuple[str, ...]:
    return (
        key.model, str(key.imgsz), key.precision, "yes" if key.video else "no", label,
        _median(case.process_fps, 1), _median(case.first_frame, 2), _median(case.cpu_ms, 1),
        f"{case.efficiency.median:.0%}", f"{case.memory_bytes.median / 1e6:.0f}", f"{case.network.fps:.1f}",
    )  # fmt: skip


def _median(value: Spread | None, digits: int) -> str:
    return "?" if value is None else f"{value.median:.{digits}f}"


def machines(named: Sequence[tuple[str, Benchmark]]) -> list[str]:
    """Which machine each is, a line each."""
    return [f"{name}: {tables.machine(benchmark.machine)}" for name, benchmark in named]
