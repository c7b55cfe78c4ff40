"""Contest: Poseline against a peer, in turns, each run a process of its own."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass

from poseline.bench import schema
from poseline.bench.measure import Bench
from poseline.bench.peer import Peer, Rival
from poseline.bench.plan import Case, case
from poseline.bench.process import watch


@dataclass(frozen=True)
class Match:
    """Who runs against whom."""

    peer: str
    ours: Case
    rival: Rival


def matches(bench: Bench, peer: Peer, contenders: Sequence[Case]) -> list[Match]:
    """A match for each model and image size among `contenders`, and each way of running the peer; all is made ready.

    Raises:
        SettingsError: the peer cannot run such a model, or is not installed.
    """
    found: list[Match] = []
    for about in dict.fromkeys((each.weights, each.asked.imgsz, each.asked.device) for each in contenders):
        weights, imgsz, device = about
        bench.step(f"{peer.name}: getting ready")
        # What Poseline chooses by itself, as the peer does: precision and runtime are the other table's matter.
        ours = {video: case(weights, imgsz, "auto", "auto", device, video) for video in (True, False)}
        on = ours[True].device()
        rivals = peer.rivals(weights.absolute(), imgsz, on, bench.scratch, bench.options.timeout)
        found += [Match(peer.name, ours[rival.video], rival) for rival in rivals]
    return found


def compete(bench: Bench, match: Match) -> schema.Contest:
    """The match, pair after pair; the first only warms up, and tells whether both process every frame."""
    repeat = bench.options.repeat
    pairs: list[tuple[schema.Sample, schema.Sample]] = []
    for number in range(repeat + 1):
        turn = f"pair {number} of {repeat}" if number else "warming up"
        bench.step(f"against {match.peer}, {match.rival.name}: {turn}")
        pairs.append((_our_turn(bench, match.ours), _their_turn(bench, match.rival)))
        if not number and (frames := result(match, pairs).unequal):
            bench.warn(f"{match.peer}, {match.rival.name}: {unequal(*frames)}")
    return result(match, pairs[1:])


def unequal(ours: int, theirs: int) -> str:
    """That the peer did another part of the work than we did, in words."""
    return f"it processed {theirs} frames, and Poseline {ours}: the ratios are of seconds a frame"


def result(match: Match, pairs: Sequence[tuple[schema.Sample, schema.Sample]]) -> schema.Contest:
    """The ratios of the pairs."""
    rates = [(ours.fps, theirs.fps) for ours, theirs in pairs]
    reported = [ours / theirs for ours, theirs in rates if ours and theirs]
    return schema.Contest(
        peer=match.peer,
        name=match.rival.name,
        command=match.rival.shown,
        asked=match.ours.asked,
        ours=[ours for ours, _ in pairs],
        theirs=[theirs for _, theirs in pairs],
        wall_ratio=schema.Spread.of([ratio(ours, theirs) for ours, theirs in pairs]),
        fps_ratio=schema.Spread.of(reported) if reported else None,
    )


def ratio(ours: schema.Sample, theirs: schema.Sample) -> float:
    """Theirs / ours, of seconds; of seconds a frame where they did not process equally many."""
    if ours.frames and theirs.frames and ours.frames != theirs.frames:
        return (theirs.wall / theirs.frames) / (ours.wall / ours.frames)
    return theirs.wall / ours.wall


def _our_turn(bench: Bench, ours: Case) -> schema.Sample:
    run = bench.run(ours)
    return schema.Sample(
        wall=run.wall, fps=run.processed / run.elapsed, memory_bytes=run.memory_bytes, output_bytes=run.output_bytes,
        frames=run.processed,
    )  # fmt: skip


def _their_turn(bench: Bench, rival: Rival) -> schema.Sample:
    folder = bench.scratch / "peer"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    watched = watch(
        rival.command(bench.clip.absolute(), folder), folder, bench.options.timeout,
        cwd=folder, environment=rival.environment,
    )  # fmt: skip
    written = [path.stat().st_size for path in folder.rglob("*") if path.suffix in (".avi", ".mp4")]
    return schema.Sample(
        wall=watched.wall,
        fps=rival.reported(watched.output) if rival.reported else None,
        memory_bytes=watched.memory,
        output_bytes=sum(written) if written else None,
        frames=rival.counted(watched.output) if rival.counted else None,
    )
