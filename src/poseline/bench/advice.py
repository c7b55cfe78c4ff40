"""Advice: what limits a run, in words, and what would help; only what follows from numbers that were measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from poseline.bench.schema import Case, Run, Stage

_LIMIT = 0.85
"""Share of the time from which something that works counts as what the rest waits for."""
_FEW_DROPS = 0.05
"""Share of a live source's frames: where fewer are dropped, the pipeline keeps pace with it."""
_ENOUGH = 3
"""Runs below which their spread says nothing."""
_STRIDE = 32
"""Networks take sides of multiples of this."""
_SMALLER = 0.75


def advise(case: Case, others: Sequence[Case], cores: int) -> str:
    """What limits `case`, and what would help; `others` are the combinations that were measured beside it."""
    run = typical(case.runs)
    if case.asked.live and run.dropped < _FEW_DROPS * (run.processed + run.dropped):
        return "none here: every stage waits for the source's next frame"
    helps = [*_measured(case, others), *_estimated(case, others)]
    return _limit(case, run, cores) + (f"; {'; '.join(helps)}" if helps else "")


def typical(runs: Sequence[Run]) -> Run:
    """The run in the middle, by the time that it took."""
    return sorted(runs, key=lambda run: run.elapsed)[len(runs) // 2]


def _limit(case: Case, run: Run, cores: int) -> str:
    if _cores_are_busy(case):
        share = case.network.cpu_ms / case.cpu_ms.median
        network = f", of which the network takes {share:.0%}" if share < 1 else ""
        return (
            f"the {cores} cores are busy {case.efficiency.median:.0%} of the time: "
            f"{case.cpu_ms.median:.1f} ms of CPU a frame{network}"
        )
    name, busy = max(_lanes(run).items(), key=lambda lane: lane[1])
    if busy >= _LIMIT:
        return f"{name} takes {busy:.0%} of the time on its thread"
    return f"no single one: the cores are busy {case.efficiency.median:.0%} of the time, {name} {busy:.0%}"


def _cores_are_busy(case: Case) -> bool:
    return case.efficiency.median >= _LIMIT


def _lanes(run: Run) -> dict[str, float]:
    """How busy each thread was, 0..1; the output shares one with the stage before it."""
    lanes: dict[str, float] = {}
    before = ""
    for stage in run.stages:
        word, busy = _words(stage), stage.busy
        if stage.name == "output" and before:
            word = f"{before}, {word}"
            busy += lanes.pop(before)
        lanes[word] = busy
        before = word
    return lanes


def _words(stage: Stage) -> str:
    """What takes a stage's time."""
    return stage.work or stage.name


def _measured(case: Case, others: Sequence[Case]) -> Iterator[str]:
    """What one other choice gave, where it gave more beyond all doubt of the spread."""
    for other in others:
        option = _difference(case, other)
        enough = min(len(case.runs), len(other.runs)) >= _ENOUGH
        if option and enough and other.fps.least > case.fps.most:
            yield f"{option} gave {other.fps.median / case.fps.median - 1:+.0%}"


def _difference(case: Case, other: Case) -> str:
    """The one option by which `other` has less to do or does it otherwise; empty where there is none or more."""
    ours, theirs = case.asked.model_dump(), other.asked.model_dump()
    differing = [name for name in ours if ours[name] != theirs[name]]
    if len(differing) != 1 or differing == ["live"]:
        return ""
    name = differing[0]
    if name == "video":
        return "" if other.asked.video else "--no-video"
    if name == "imgsz" and other.asked.imgsz > case.asked.imgsz:
        return ""
    return f"--{name} {theirs[name]}"


def _estimated(case: Case, others: Sequence[Case]) -> Iterator[str]:
    """What a smaller input would give, where none was measured.

    A network's work grows with the pixels of its input; what it takes is what the model alone took.
    """
    smaller = round(_SMALLER * case.asked.imgsz / _STRIDE) * _STRIDE
    if any(other.asked.imgsz < case.asked.imgsz for other in others) or smaller < 2 * _STRIDE:
        return
    saved = 1 - (smaller / case.asked.imgsz) ** 2
    if _cores_are_busy(case):
        before, least = case.cpu_ms.median, 0.0
        after = before - saved * case.network.cpu_ms
    else:
        inference, *rest = sorted(_lanes(typical(case.runs)).items(), key=lambda lane: -lane[1])
        network = [_words(stage) for stage in typical(case.runs).stages if stage.name == "inference"]
        if inference[0] not in network or inference[1] < _LIMIT:
            return
        before = 1e3 / case.fps.median
        after = before - saved * 1e3 / case.network.fps
        least = before * rest[0][1] if rest else 0.0  # then the next thread is the limit
    if after > 0:
        yield f"--imgsz {smaller} would give about {before / max(after, least) - 1:+.0%}"
