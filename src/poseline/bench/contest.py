"""Contest: Poseline against a peer, in turns, each run a process of its own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from poseline.bench import schema
from poseline.bench.measure import Bench
from poseline.bench.peer import Peer, Rival
from poseline.bench.plan import Case, case
from poseline.bench.process import watch


def compete(bench: Bench, peer: Peer, contenders: list[Case]) -> Iterator[schema.Contest]:
    """One contest for each model and image size among `contenders`, and each way of running the peer."""
    done: set[tuple[str, int, str]] = set()
    for contender in contenders:
        asked = contender.asked
        about = (str(contender.weights), asked.imgsz, asked.device)
        if about in done:
            continue
        done.add(about)
        cpu, options = contender.runs_on_cpu(), bench.options
        bench.step(f"{peer.name}: getting ready")
        for rival in peer.rivals(contender.weights.absolute(), asked.imgsz, cpu, bench.scratch, options.timeout):
            # What Poseline chooses by itself, as the peer does: precision and runtime are the other table's matter.
            ours = case(contender.weights, asked.imgsz, "auto", "auto", asked.device, rival.video)
            yield _contest(bench, peer, rival, ours)


def _contest(bench: Bench, peer: Peer, rival: Rival, ours: Case) -> schema.Contest:
    repeat = bench.options.repeat
    pairs: list[tuple[schema.Sample, schema.Sample]] = []
    for number in range(repeat + 1):
        bench.step(f"against {peer.name}, {rival.name}: " + (f"pair {number} of {repeat}" if number else "warming up"))
        pairs.append((_our_turn(bench, ours), _their_turn(bench, rival)))
    return result(peer.name, rival, ours.asked, pairs[1:])


def result(
    peer: str, rival: Rival, asked: schema.Combination, pairs: list[tuple[schema.Sample, schema.Sample]]
) -> schema.Contest:
    """The ratios of the pairs."""
    rates = [(ours.fps, theirs.fps) for ours, theirs in pairs]
    reported = [ours / theirs for ours, theirs in rates if ours and theirs]
    return schema.Contest(
        peer=peer,
        name=rival.name,
        command=rival.shown,
        asked=asked,
        ours=[ours for ours, _ in pairs],
        theirs=[theirs for _, theirs in pairs],
        wall_ratio=schema.Spread.of([theirs.wall / ours.wall for ours, theirs in pairs]),
        fps_ratio=schema.Spread.of(reported) if reported else None,
    )


def _our_turn(bench: Bench, ours: Case) -> schema.Sample:
    run = bench.run(ours)
    return schema.Sample(
        wall=run.wall, fps=run.processed / run.elapsed, memory_bytes=run.memory_bytes, output_bytes=run.output_bytes
    )


def _their_turn(bench: Bench, rival: Rival) -> schema.Sample:
    folder = bench.scratch / "peer"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    watched = watch(
        rival.command(bench.clip.absolute(), folder), folder, bench.options.timeout, environment=rival.environment
    )
    written = [path.stat().st_size for path in folder.rglob("*") if path.suffix in (".avi", ".mp4")]
    return schema.Sample(
        wall=watched.wall,
        fps=rival.reported(watched.said) if rival.reported else None,
        memory_bytes=watched.memory,
        output_bytes=sum(written) if written else None,
    )
