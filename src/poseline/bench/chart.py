"""Chart: a benchmark as a picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poseline.bench import tables
from poseline.bench.advice import typical
from poseline.bench.contest import unequal
from poseline.bench.measure import describe
from poseline.bench.schema import Benchmark, Case, Spread
from poseline.bench.side_by_side import Column, rows
from poseline.bench.submission import Submission, by_clip, label
from poseline.errors import OutputError, SettingsError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_STAGES = ("#4c78a8", "#f58518", "#54a24b", "#b279a2", "#e45756", "#9ecae9", "#ff9da6", "#72b7b2", "#eeca3b", "#9d755d")
"""Colours of the stages, in the order in which they come."""
_OURS, _QUIET, _INK = "#f58518", "#c9c9c9", "#333333"
_BAR, _ROW_INCHES, _LEAST_ROWS = 0.62, 0.42, 2
_OTHERS = ("#f58518", "#4c78a8", "#54a24b", "#b279a2", "#e45756", "#72b7b2")


def draw(benchmark: Benchmark, path: Path) -> None:
    """The ratios to a peer where there is one, frames a second, and the time of each stage, as a PNG.

    Raises:
        SettingsError: matplotlib is not installed. OutputError: the file cannot be written.
    """
    check()
    panels: list[tuple[Callable[[Axes, Benchmark], None], int]] = []
    if benchmark.contests:
        panels.append((_ratios, len(benchmark.contests)))
    panels += [(_rates, len(benchmark.cases)), (_stage_times, len(benchmark.cases))]
    figure, all_axes = _figure([rows for _, rows in panels])
    for (panel, _), axes in zip(panels, all_axes, strict=True):
        panel(axes, benchmark)
    _finish(figure, _title(benchmark), path)


def _title(benchmark: Benchmark) -> str:
    """What was measured, on what, when and with what; and whether something else ran beside it."""
    machine, cases = benchmark.machine, benchmark.cases
    device = (machine.cpu, f"{machine.cores} cores", machine.gpu)
    how = (
        benchmark.started[:10],
        f"Poseline {machine.versions.get('poseline', '?')}",
        " and ".join(dict.fromkeys(case.precision for case in cases)),
        " and ".join(dict.fromkeys(case.runtime for case in cases)),
        f"quick: the first {benchmark.quick:g} s" if benchmark.quick else "",
    )
    but = (
        f"the machine was busy before: {wanted}" if (wanted := tables.busy(machine)) else "",
        "it slowed itself down (throttling)" if any(_throttled(case) for case in cases) else "",
        *(f"{contest.name}: {unequal(*contest.unequal)}" for contest in benchmark.contests if contest.unequal),
    )
    lines = ((tables.clip(benchmark.clip),), device, how, but)
    return "\n".join(" · ".join(filter(None, line)) for line in lines if any(line))


def _throttled(case: Case) -> bool:
    return case.sensors is not None and bool(case.sensors.throttled or case.sensors.gpu_throttled)


def draw_submissions(found: Sequence[Submission], path: Path) -> None:
    """Frames a second of every combination of many benchmarks, a panel for each clip, as a PNG.

    Raises:
        SettingsError: matplotlib is not installed. OutputError: the file cannot be written.
    """
    check()
    clips = by_clip(found)
    figure, all_axes = _figure([len(results) for results in clips.values()])
    for (title, results), axes in zip(clips.items(), all_axes, strict=True):
        _bars(axes, list(range(len(results))), [result.fps for _, result in results], _OURS, _BAR)
        axes.set_xlim(0, 1.18 * max(result.fps.most for _, result in results))
        _name_rows(axes, [label(*result) for result in results])
        axes.set_title(f"frames a second: {title}", loc="left")
    _finish(figure, "", path)


def draw_side_by_side(found: Sequence[Column], path: Path) -> None:
    """Frames a second of each column, combination by combination, as a PNG.

    Raises:
        SettingsError: matplotlib is not installed. OutputError: the file cannot be written.
    """
    check()
    keys = rows(found)
    figure, (axes,) = _figure([len(keys) * len(found)])
    height = 0.8 / len(found)
    for number, column in enumerate(found):
        places = [index + height * (number - (len(found) - 1) / 2) for index in range(len(keys))]
        known = [(place, column.cases[key].fps) for place, key in zip(places, keys, strict=True) if key in column.cases]
        color = _OTHERS[number % len(_OTHERS)]
        _bars(axes, [place for place, _ in known], [fps for _, fps in known], color, 0.9 * height, column.label)
    _name_rows(axes, [describe(key) for key in keys])
    axes.set_xlabel("frames a second")
    axes.set_xlim(0, 1.12 * max(case.fps.most for column in found for case in column.cases.values()))
    axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=min(3, len(found)))
    _finish(figure, "", path)


def check() -> None:
    """Refuse, with what to do, where there is no matplotlib."""
    try:
        import matplotlib.figure  # noqa: F401 # only whether it is there
    except ImportError as error:
        raise SettingsError("--plot needs matplotlib: pip install matplotlib") from error


def _figure(rows: Sequence[int]) -> tuple[Figure, list[Axes]]:
    """A panel for each number of rows, one above the other."""
    from matplotlib.figure import Figure

    heights = [max(_LEAST_ROWS, count) for count in rows]
    inches = sum(heights) * _ROW_INCHES + 1.1 * len(heights) + 0.7
    figure = Figure(figsize=(9, inches), layout="constrained")
    axes: Any = figure.subplots(len(heights), squeeze=False, gridspec_kw={"height_ratios": heights})
    return figure, list(axes[:, 0])


def _rates(axes: Axes, benchmark: Benchmark) -> None:
    places = list(range(len(benchmark.cases)))
    _bars(axes, places, [case.fps for case in benchmark.cases], _OURS, _BAR)
    alone = [case.network.fps for case in benchmark.cases]
    axes.scatter(alone, places, marker="|", s=160, color=_INK, linewidths=1.6, label="the model alone", zorder=3)
    axes.set_xlim(0, 1.18 * max(*alone, *(case.fps.most for case in benchmark.cases)))
    _name_rows(axes, [describe(case.asked) for case in benchmark.cases])
    axes.set_title("frames a second, from file to files", loc="left")
    axes.legend(frameon=False, loc="lower right", bbox_to_anchor=(1.0, 1.0))


def _stage_times(axes: Axes, benchmark: Benchmark) -> None:
    labelled: dict[str, str] = {}
    for place, case in enumerate(benchmark.cases):
        left = 0.0
        for stage in typical(case.runs).stages:
            label = "" if stage.name in labelled else stage.name
            colour = labelled.setdefault(stage.name, _STAGES[len(labelled) % len(_STAGES)])
            axes.barh(place, stage.ms, _BAR, left, color=colour, label=label)
            left += stage.ms
    _name_rows(axes, [describe(case.asked) for case in benchmark.cases])
    axes.set_title("own time of each stage, ms a frame; the stages run side by side", loc="left")
    axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=min(5, len(labelled)))


def _ratios(axes: Axes, benchmark: Benchmark) -> None:
    places = list(range(len(benchmark.contests)))
    _bars(axes, places, [contest.wall_ratio for contest in benchmark.contests], _OURS, _BAR, unit=" x")
    axes.axvline(1, color=_INK, linewidth=1)
    axes.set_xlim(0, 1.25 * max(1.0, *(contest.wall_ratio.most for contest in benchmark.contests)))
    several = len({(contest.asked.model, contest.asked.imgsz) for contest in benchmark.contests}) > 1
    _name_rows(
        axes,
        [f"{contest.name}\n{describe(contest.asked)}" if several else contest.name for contest in benchmark.contests],
    )
    axes.set_title(f"times faster than {benchmark.contests[0].peer}, whole process", loc="left")


def _bars(
    axes: Axes, places: Sequence[float], values: Sequence[Spread], color: str, height: float, label: str = "",
    unit: str = "",
) -> None:  # fmt: skip
    """Medians as bars, with a line from the least to the most and the number behind it."""
    medians = [value.median for value in values]
    reach = [
        [value.median - value.least for value in values],
        [value.most - value.median for value in values],
    ]
    axes.barh(places, medians, height, color=color, label=label, xerr=reach, ecolor=_INK, error_kw={"linewidth": 1})
    for place, value in zip(places, values, strict=True):
        axes.annotate(f"{value.median:.1f}{unit}", (value.most, place), (5, 0), textcoords="offset points", va="center")


def _name_rows(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(max(_LEAST_ROWS, len(names)) - 0.5, -0.5)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(left=False)


def _finish(figure: Figure, title: str, path: Path) -> None:
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=9, color=_INK)
    try:
        figure.savefig(path, dpi=150, format="png")
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}; try another --plot") from error
