"""Command: `poseline bench`, from what was asked for to tables and files."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from platform import platform

from rich.markup import escape

from poseline import machine
from poseline.atomic import replacing
from poseline.bench import chart, side_by_side, submission, tables
from poseline.bench.advice import advise
from poseline.bench.contest import Match, compete, matches
from poseline.bench.grid import Grid
from poseline.bench.measure import Bench
from poseline.bench.peer import PEERS, Peer
from poseline.bench.plan import Options, cases
from poseline.bench.schema import Benchmark, Clip, Contest, Machine, read
from poseline.capture import locate, open_source
from poseline.errors import OutputError, PoselineError, SettingsError, SourceError
from poseline.pipeline import versions
from poseline.settings import CaptureSettings
from poseline.terminal import console

_QUICK_SECONDS = 16.0
"""Seconds that a quick benchmark is planned to take; with the interpreter's start and what goes slower than it began,
it takes less than 20 s."""


@dataclass(frozen=True)
class Files:
    """Where results are to be written, beside the terminal."""

    json: Path | None = None
    plot: Path | None = None
    markdown: Path | None = None
    submit: Path | None = None
    """One line is added to it."""

    def check(self) -> None:
        """Refuse now what could not be written after a long measurement."""
        for path in filter(None, (self.json, self.plot, self.markdown, self.submit)):
            if not path.absolute().parent.is_dir():
                raise OutputError(f"{path}: its folder is not there; create it first")
            if path.is_dir():
                raise OutputError(f"{path}: is a folder; give the name of a file")
        if self.submit and self.submit.suffix != submission.SUFFIX:
            raise SettingsError(f"--submit {self.submit}: give a file of JSON lines, such as benchmarks.jsonl")
        if self.plot:
            chart.check()


def run(sources: Sequence[str] | None, options: Options, files: Files, vs: str | None = None) -> Benchmark:
    """Measure every combination of `options` on one clip, and the peer called `vs`; show and write what came out.

    Raises:
        SettingsError: nothing to measure was given, or something that cannot be.
        SourceError: the clip is not one video file that can be read.
        PoselineError: a run failed, with the run's own words; where it was a peer's, the rest is written first.
    """
    files.check()
    ends = time.monotonic() + _QUICK_SECONDS
    if options.quick and vs:
        raise SettingsError("--quick has no time for --vs; leave one of them out")
    peer = _peer(vs)
    about, path = _clip(sources or [])
    planned = cases(options)
    where, started = _machine(), datetime.now(timezone.utc).astimezone().isoformat(timespec="seconds")
    with tempfile.TemporaryDirectory(prefix="poseline-bench-") as scratch, _steps() as step:
        bench = Bench(path, Path(scratch), options, step, _warn)
        against = matches(bench, peer, planned) if peer else []
        quick: float | None = None
        if options.quick:
            found, quick = bench.measure_quickly(planned[0], ends, about.fps)
            measured = [found]
        else:
            measured = [bench.measure(case) for case in planned]
        contests, failure = _compete(bench, against)
    measured = [case.model_copy(update={"bottleneck": advise(case, measured, where.cores)}) for case in measured]
    benchmark = Benchmark(
        started=started, machine=where, clip=about, repeat=options.repeat, quick=quick, cases=measured,
        contests=contests,
    )  # fmt: skip
    _show(benchmark)
    if files.json:
        _write(files.json, benchmark.model_dump_json(indent=2, by_alias=True) + "\n")
    if files.markdown:
        _write(files.markdown, tables.markdown(benchmark))
    if files.submit:
        submission.append(files.submit, benchmark)
    if files.plot:
        chart.draw(benchmark, files.plot)
    if failure:
        raise failure
    return benchmark


def _compete(bench: Bench, against: Sequence[Match]) -> tuple[list[Contest], PoselineError | None]:
    """The contests up to the first that fails; so that a peer's failure takes nothing that was measured with it."""
    contests: list[Contest] = []
    for match in against:
        try:
            contests.append(compete(bench, match))
        except PoselineError as error:
            return contests, error
    return contests, None


def compare(paths: Sequence[str], files: Files) -> None:
    """Set the benchmarks in JSON files side by side, or, where one of the files is of submissions, all in a table.

    Raises:
        SettingsError: fewer than two benchmarks, a file that holds none, or nothing to be compared.
    """
    files.check()
    if files.json or files.submit:
        raise SettingsError(
            f"--compare writes no {'--json' if files.json else '--submit'}; it has --markdown and --plot"
        )
    if any(Path(path).suffix == submission.SUFFIX for path in paths):
        _compare_submissions([Path(path) for path in paths], files)
        return
    if len(paths) < 2:
        raise SettingsError("--compare sets at least two files side by side: poseline bench --compare a.json b.json")
    named = list(zip(_labels(paths), (read(Path(path)) for path in paths), strict=True))
    found = side_by_side.columns(named)
    grids = [side_by_side.grid(found), side_by_side.details(found)]
    machines = side_by_side.machines(named)
    for grid in grids:
        _print(grid)
    for line in machines:
        console.print(line, markup=False, soft_wrap=True)
    if files.markdown:
        blocks = [grid.markdown() for grid in grids]
        _write(files.markdown, "\n\n".join([*blocks, "\n".join(f"- {line}" for line in machines)]) + "\n")
    if files.plot:
        chart.draw_side_by_side(found, files.plot)


def _compare_submissions(paths: Sequence[Path], files: Files) -> None:
    """Show every benchmark of the files, a row each combination."""
    found = [
        each
        for path in paths
        for each in (
            submission.read_all(path) if path.suffix == submission.SUFFIX else [submission.Submission.of(read(path))]
        )
    ]
    if not found:
        raise SettingsError(f"{', '.join(map(str, paths))}: holds no benchmark; make one with poseline bench --submit")
    grids = submission.grids(found)
    for grid in grids:
        _print(grid)
    if files.markdown:
        _write(files.markdown, "\n\n".join(grid.markdown() for grid in grids) + "\n")
    if files.plot:
        chart.draw_submissions(found, files.plot)


def _labels(paths: Sequence[str]) -> list[str]:
    stems = [Path(path).stem for path in paths]
    return stems if len(set(stems)) == len(stems) else list(paths)


def _peer(name: str | None) -> Peer | None:
    if name is None:
        return None
    if name not in PEERS:
        raise SettingsError(f"--vs: {name!r} is not known; there is {', '.join(PEERS)}")
    return PEERS[name]


def _clip(sources: Sequence[str]) -> tuple[Clip, Path]:
    """What the clip is, and where it is."""
    if not sources:
        raise SettingsError("give a clip to run: poseline bench clip.mp4; what is measured depends on what it shows")
    locations = locate(sources)
    path = locations[0].video
    if len(locations) != 1 or path is None:
        raise SourceError(f"{', '.join(sources)}: a benchmark runs one video file, again and again")
    opened = open_source(locations[0], CaptureSettings())
    opened.stop()
    for _ in opened.frames():  # closes it
        pass
    info = opened.info
    rate = float(info.frame_rate) if info.frame_rate else None
    about = Clip(
        name=path.name, width=info.width, height=info.height, frames=info.frames, fps=rate, bytes=path.stat().st_size
    )
    return about, path


def _machine() -> Machine:
    return Machine(
        system=platform(terse=True),
        cpu=machine.cpu_name(),
        cores=machine.cores(),
        flags=machine.cpu_flags(),
        governor=machine.governor(),
        clock_mhz=machine.clock(),
        memory_bytes=machine.memory(),
        load=machine.load(),
        gpu=machine.nvidia(),
        versions=versions(),
    )


@contextmanager
def _steps() -> Iterator[Callable[[str], None]]:
    """Say what is being measured: on one changing line, or nothing where nobody watches."""
    with console.status("measuring") if console.is_terminal else nullcontext() as status:

        def on_step(step: str) -> None:
            if status:
                status.update(f"measuring {escape(step)}")

        yield on_step


def _warn(text: str) -> None:
    console.print(f"note: {text}", markup=False, soft_wrap=True)


def _show(benchmark: Benchmark) -> None:
    for line in tables.lines(benchmark):
        console.print(line, markup=False, soft_wrap=True)
    for case in benchmark.cases:
        _print(tables.stages(case))
    for grid in tables.summary(benchmark):
        _print(grid)
    for line in [*tables.pairs(benchmark.contests), *tables.bottlenecks(benchmark.cases)]:
        console.print(line, markup=False, soft_wrap=True)


def _print(grid: Grid) -> None:
    heads, rows = grid.lines()
    for line, style in [
        ("", ""),
        (grid.title, "bold"),
        *((head, "dim") for head in heads),
        *((row, "") for row in rows),
    ]:
        console.print(line, style=style, markup=False, soft_wrap=True)


def _write(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
