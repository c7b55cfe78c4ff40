"""Tables: a benchmark in rows and columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from poseline.bench.advice import typical
from poseline.bench.contest import ratio, unequal
from poseline.bench.grid import Grid
from poseline.bench.measure import describe
from poseline.bench.schema import Benchmark, Case, Clip, Contest, Machine, Run, Sample, Sensors, Spread

_MB = 1e6
_BUSY = 0.25
"""Share of the cores that other programs may want before it is worth a word."""
_NAMES = ("model", "imgsz", "precision", "runtime", "video")


def lines(benchmark: Benchmark) -> Iterator[str]:
    """The machine, the clip and how it was measured, a line each."""
    yield f"machine: {machine(benchmark.machine)}"
    yield f"versions: {', '.join(f'{name} {number}' for name, number in benchmark.machine.versions.items())}"
    if wanted := busy(benchmark.machine):
        yield f"the machine was busy before: {wanted}; the times are worse for it"
    yield f"clip: {clip(benchmark.clip)}"
    runs = "one measured run" if benchmark.repeat == 1 else f"{benchmark.repeat} measured runs"
    if benchmark.quick:
        yield f"quick: {runs} of the first {benchmark.quick:g} s of the clip, after a short one to warm up"
    else:
        yield f"{runs} of each, a process each, after one to warm up; median (least..most)"
    for case in benchmark.cases:
        if case.sensors and (told := sensors(case.sensors)):
            yield f"sensors, {describe(case.asked)}: {told}"


def busy(described: Machine) -> str | None:
    """How many programs wanted the cores before the benchmark began, in words; None where that is not worth a word."""
    load, cores = described.load, described.cores
    if load is None or load <= _BUSY * cores:
        return None
    return f"{load:.1f} programs wanted its {cores} cores"


def sensors(seen: Sensors) -> str:
    """What the machine told of itself, in words; empty where it told nothing."""
    parts = [
        f"CPU at most {seen.celsius:.0f} °C" if seen.celsius is not None else "",
        f"{seen.watts:.1f} W" if seen.watts is not None else "",
        _slowed("CPU", seen.throttled),
        f"GPU at most {seen.gpu_celsius:.0f} °C" if seen.gpu_celsius is not None else "",
        f"{seen.gpu_watts:.1f} W" if seen.gpu_watts is not None else "",
        _slowed("GPU", seen.gpu_throttled),
    ]
    return ", ".join(part for part in parts if part)


def _slowed(what: str, throttled: bool | None) -> str:
    if throttled is None:
        return ""
    return (
        f"the {what} slowed itself down (throttling): the times are worse for it"
        if throttled
        else f"{what} not throttled"
    )


def machine(described: Machine) -> str:
    """In one line."""
    parts = [described.cpu, f"{described.cores} core{'s' if described.cores != 1 else ''}", *described.flags]
    parts += [f"{described.clock_mhz:.0f} MHz"] if described.clock_mhz else []
    parts += [f"governor {described.governor}"] if described.governor else []
    parts += [f"{described.memory_bytes / 2**30:.0f} GiB"]
    parts += [f"GPU {described.gpu}"] if described.gpu else []
    return ", ".join([*parts, described.system])


def clip(about: Clip) -> str:
    """In one line."""
    rate = f" at {about.fps:.4g} fps" if about.fps else ""
    return f"{about.name}, {about.width}x{about.height}, {about.frames or '?'} frames{rate}, {about.bytes / _MB:.2f} MB"


def summary(benchmark: Benchmark) -> list[Grid]:
    """The tables of all combinations, and of the contests."""
    against = contests(benchmark.contests) if benchmark.contests else []
    return [speed(benchmark.cases), costs(benchmark.cases, benchmark.clip), *against]


def speed(cases: Sequence[Case]) -> Grid:
    """How fast each combination is."""
    headings = (
        *_NAMES, "fps", "steady\nfps", "process\nfps", "first\nframe s", "CPU\nms/frame", "cores\nbusy",
        "model\nalone fps",
    )  # fmt: skip
    rows = tuple(
        (
            *_names(case),
            spread(case.fps, 1),
            f"{case.steady_fps.median:.1f}" if case.steady_fps else "?",
            f"{case.process_fps.median:.1f}",
            f"{case.first_frame.median:.2f}" if case.first_frame else "?",
            f"{case.cpu_ms.median:.1f}",
            f"{case.efficiency.median:.0%}",
            f"{case.network.fps:.1f}",
        )
        for case in cases
    )
    return Grid(headings, rows, len(_NAMES), "Speed").folded()


def costs(cases: Sequence[Case], played: Clip) -> Grid:
    """What else each combination takes and gives; `played` is the clip."""
    headings = (*_NAMES, "RSS MB", "video MB", "kbit/s", "OKS to fp32", "persons", "age ms p50/p95", "dropped")
    rows = tuple((*_names(case), *_costs(case, played)) for case in cases)
    return Grid(headings, rows, len(_NAMES), "Memory, files, results").without_empty_columns().folded()


def _costs(case: Case, played: Clip) -> tuple[str, ...]:
    run = typical(case.runs)
    output = run.output_bytes
    seconds = (run.processed + run.dropped) / played.fps if played.fps else None
    aged = run.latency_p50 is not None and run.latency_p95 is not None
    return (
        f"{case.memory_bytes.median / _MB:.0f}",
        f"{output / _MB:.2f}" if output else "",
        f"{8e-3 * output / seconds:.0f}" if output and seconds else "",
        f"{case.accuracy.oks:.4f}" if case.accuracy else "",
        str(run.persons),
        f"{run.latency_p50:.0f}/{run.latency_p95:.0f}" if aged else "",
        str(run.dropped) if case.asked.live else "",
    )


def _names(case: Case) -> tuple[str, ...]:
    return (
        case.asked.model,
        str(case.asked.imgsz),
        case.precision,
        case.runtime if case.asked.device in ("auto", "cpu") else f"{case.runtime}, {case.device}",
        ("yes" if case.asked.video else "no") + (", live" if case.asked.live else ""),
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


def contests(found: Sequence[Contest]) -> list[Grid]:
    """A row for each way of running the peer: how much faster, and what else it takes and gives."""
    rows = [(*_about(contest), *_faster(contest)) for contest in found]
    more = [(*_about(contest), *_beside(contest)) for contest in found]
    names = ("model", "imgsz", "against")
    ratios = (*names, "times\nfaster", "seconds", "own fps\nratio", "own fps")
    return [
        Grid(ratios, tuple(rows), 3, f"Against {found[0].peer}, whole processes, ours/theirs").folded(),
        Grid((*names, "video MB", "RSS MB"), tuple(more), 3, "Files and memory, ours/theirs").folded(),
    ]


def _about(contest: Contest) -> tuple[str, ...]:
    return contest.asked.model, str(contest.asked.imgsz), contest.name


def _faster(contest: Contest) -> tuple[str, ...]:
    ours, theirs = _middle(contest.ours), _middle(contest.theirs)
    return (
        spread(contest.wall_ratio, 2),
        f"{ours.wall:.1f}/{theirs.wall:.1f}",
        spread(contest.fps_ratio, 2) if contest.fps_ratio else "-",
        f"{_number(ours.fps, 1)}/{_number(theirs.fps, 1)}",
    )


def _beside(contest: Contest) -> tuple[str, ...]:
    ours, theirs = _middle(contest.ours), _middle(contest.theirs)
    return (
        f"{_megabytes(ours)}/{_megabytes(theirs)}",
        f"{ours.memory_bytes / _MB:.0f}/{theirs.memory_bytes / _MB:.0f}",
    )


def pairs(found: Sequence[Contest]) -> Iterator[str]:
    """A line for each way of running the peer: its command, and how much faster each run was than the one after it."""
    for contest in found:
        each = " ".join(f"{ratio(ours, theirs):.2f}" for ours, theirs in zip(contest.ours, contest.theirs, strict=True))
        if frames := contest.unequal:
            yield f"{contest.name}: {unequal(*frames)}"
        yield f"{contest.name} ({contest.command}): pair by pair {each} times faster"


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
    blocks = [grid.markdown() for grid in summary(benchmark)]
    said = [*lines(benchmark), *pairs(benchmark.contests), *bottlenecks(benchmark.cases)]
    return "\n\n".join([*blocks, "\n".join(f"- {line}" for line in said)]) + "\n"
