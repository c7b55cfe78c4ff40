"""Tables: a benchmark in rows and columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from poseline.bench.advice import typical
from poseline.bench.grid import Grid
from poseline.bench.measure import describe
from poseline.bench.schema import Benchmark, Case, Clip, Contest, Machine, Run, Sample, Spread

_MB = 1e6


def lines(benchmark: Benchmark) -> Iterator[str]:
    """The machine, the clip and how it was measured, a line each."""
    yield f"machine: {machine(benchmark.machine)}"
    yield f"versions: {', '.join(f'{name} {number}' for name, number in benchmark.machine.versions.items())}"
    yield f"clip: {clip(benchmark.clip)}"
    runs = "one measured run" if benchmark.repeat == 1 else f"{benchmark.repeat} measured runs"
    yield f"{runs} of each, a process each, after one to warm up; median (least..most)"


def machine(told: Machine) -> str:
    """In one line."""
    parts = [told.cpu, f"{told.cores} core{'s' if told.cores != 1 else ''}", *told.flags]
    parts += [f"{told.clock_mhz:.0f} MHz"] if told.clock_mhz else []
    parts += [f"governor {told.governor}"] if told.governor else []
    parts += [f"{told.memory_bytes / 2**30:.0f} GiB"]
    parts += [f"GPU {told.gpu}"] if told.gpu else []
    parts += [f"load before {told.load:.1f}"] if told.load is not None else []
    return ", ".join([*parts, told.system])


def clip(told: Clip) -> str:
    """In one line."""
    rate = f" at {told.fps:g} fps" if told.fps else ""
    return f"{told.name}, {told.width}x{told.height}, {told.frames or '?'} frames{rate}, {told.bytes / _MB:.2f} MB"


def overview(cases: Sequence[Case], played: Clip) -> Grid:
    """A row for each combination; `played` is the clip."""
    headings = (
        "model", "imgsz", "precision", "runtime", "video", "fps", "process\nfps", "first\nframe s", "CPU\nms/frame",
        "cores\nbusy", "RSS\nMB", "video\nMB", "kbit/s", "model\nalone fps", "OKS to\nfp32", "age ms\np50/p95", "drops",
    )  # fmt: skip
    rows = tuple(_overview_row(case, played) for case in cases)
    return Grid(headings, rows, names=5, title="Whole runs").without_empty_columns().folded()


def _overview_row(case: Case, played: Clip) -> tuple[str, ...]:
    run = typical(case.runs)
    output = run.output_bytes
    seconds = (run.processed + run.dropped) / played.fps if played.fps else None
    return (
        case.asked.model,
        str(case.asked.imgsz),
        case.precision,
        case.runtime if case.asked.device in ("auto", "cpu") else f"{case.runtime}, {case.device}",
        ("yes" if case.asked.video else "no") + (", live" if case.asked.live else ""),
        spread(case.fps, 1),
        spread(case.process_fps, 1),
        spread(case.first_frame, 2) if case.first_frame else "?",
        f"{case.cpu_ms.median:.1f}",
        f"{case.efficiency.median:.0%}",
        f"{case.memory_bytes.median / _MB:.0f}",
        f"{output / _MB:.2f}" if output else "",
        f"{8e-3 * output / seconds:.0f}" if output and seconds else "",
        f"{case.network.fps:.1f}",
        f"{case.accuracy.oks:.4f}" if case.accuracy else "",
        f"{run.latency_p50:.0f}/{run.latency_p95:.0f}" if run.latency_p50 and run.latency_p95 else "",
        str(run.dropped) if case.asked.live else "",
    )


def stages(case: Case) -> Grid:
    """Where the time of one combination goes: a row for each stage, of the run in the middle."""
    run = typical(case.runs)
    rows = [
        (
            stage.name, f"{stage.ms:.2f}", _number(stage.p50), _number(stage.p95), f"{stage.cpu_ms:.2f}",
            _number(stage.cpu_p50), _number(stage.cpu_p95), f"{stage.busy:.0%}",
            f"{run.queues[stage.name]:.0%}" if stage.name in run.queues else "",
        )
        for stage in run.stages
    ]  # fmt: skip
    rows.append(("other threads", "", "", "", f"{_other_threads(run):.2f}", "", "", "", ""))
    headings = ("stage", "ms", "p50", "p95", "CPU ms", "p50", "p95", "busy", "queue before")
    return Grid(headings, tuple(rows), names=1, title=describe(case.asked))


def _other_threads(run: Run) -> float:
    """Milliseconds of CPU a frame that no stage's own thread used: decoder, network, encoder."""
    return max(0.0, 1e3 * run.cpu / run.processed - sum(stage.cpu_ms for stage in run.stages))


def contests(found: Sequence[Contest]) -> Grid:
    """A row for each way of running the peer."""
    headings = (
        "against", "model", "imgsz", "video", "times\nfaster", "pairs", "seconds\nours/theirs", "own fps\nours/theirs",
        "ratio of\nown fps", "MB written\nours/theirs", "RSS MB\nours/theirs",
    )  # fmt: skip
    title = f"Against {found[0].peer}" if found else ""
    return Grid(headings, tuple(map(_contest_row, found)), names=4, title=title).folded()


def _contest_row(contest: Contest) -> tuple[str, ...]:
    ours, theirs = _middle(contest.ours), _middle(contest.theirs)
    return (
        contest.name,
        contest.asked.model,
        str(contest.asked.imgsz),
        "yes" if contest.asked.video else "no",
        spread(contest.wall_ratio, 2),
        str(len(contest.ours)),
        f"{ours.wall:.2f}/{theirs.wall:.2f}",
        f"{_number(ours.fps, 1)}/{_number(theirs.fps, 1)}",
        spread(contest.fps_ratio, 2) if contest.fps_ratio else "",
        f"{_megabytes(ours)}/{_megabytes(theirs)}",
        f"{ours.memory_bytes / _MB:.0f}/{theirs.memory_bytes / _MB:.0f}",
    )


def _middle(samples: Sequence[Sample]) -> Sample:
    return sorted(samples, key=lambda sample: sample.wall)[len(samples) // 2]


def _megabytes(sample: Sample) -> str:
    return f"{sample.output_bytes / _MB:.2f}" if sample.output_bytes is not None else "-"


def spread(value: Spread, digits: int) -> str:
    """Median, least and most; the median alone where they are one."""
    if value.least == value.most:
        return f"{value.median:.{digits}f}"
    return f"{value.median:.{digits}f} ({value.least:.{digits}f}..{value.most:.{digits}f})"


def _number(value: float | None, digits: int = 2) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def bottlenecks(cases: Sequence[Case]) -> Iterator[str]:
    """A line for each combination."""
    for case in cases:
        yield f"bottleneck of {describe(case.asked)}: {case.bottleneck}"


def markdown(benchmark: Benchmark) -> str:
    """The whole of it, ready to be pasted into an issue."""
    grids = [overview(benchmark.cases, benchmark.clip)] if benchmark.cases else []
    grids += [contests(benchmark.contests)] if benchmark.contests else []
    blocks = [grid.markdown() for grid in grids]
    commands = dict.fromkeys(f"{contest.name}: `{contest.command}`" for contest in benchmark.contests)
    said = [*lines(benchmark), *bottlenecks(benchmark.cases), *commands]
    return "\n\n".join([*blocks, "\n".join(f"- {line}" for line in said)]) + "\n"
