"""Benchmarks whose every number was chosen, for the tests of what is made of them."""

from __future__ import annotations

from typing import Any

from poseline.bench.schema import (
    Benchmark,
    Case,
    Clip,
    Combination,
    Contest,
    Machine,
    Network,
    Run,
    Sample,
    Spread,
    Stage,
)

CLIP = Clip(name="clip.mp4", width=1280, height=720, frames=100, fps=50.0, bytes=1_000_000)


def asked(**changes: Any) -> Combination:
    """yolo11n-pose.pt at 640 with video, all else left to Poseline."""
    fields: dict[str, Any] = {
        "model": "yolo11n-pose.pt", "imgsz": 640, "precision": "auto", "runtime": "auto", "device": "auto",
        "video": True, "live": False,
    }  # fmt: skip
    return Combination(**{**fields, **changes})


WORK = {
    "capture": "decoding",
    "inference": "the network with its scaling and decoding",
    "tracking": "tracking",
    "overlay": "drawing",
    "output": "encoding and logging",
}
"""What takes each stage's time."""


def stage(name: str, ms: float, busy: float) -> Stage:
    """A stage that took as long each time, a tenth of it on its own thread."""
    return Stage(
        name=name, work=WORK.get(name, name), ms=ms, p50=ms, p95=ms, cpu_ms=ms / 10, cpu_p50=ms / 10, cpu_p95=ms / 10,
        busy=busy,
    )  # fmt: skip


def run(elapsed: float = 4.0, **changes: Any) -> Run:
    """100 frames with 5 s of CPU in all; a start of 1 s before."""
    busy = {"capture": 2.0, "inference": 30.0, "tracking": 1.0, "overlay": 2.0, "output": 10.0}
    fields: dict[str, Any] = {
        "wall": elapsed + 1, "first_frame": 0.9, "elapsed": elapsed, "cpu": 5.0, "memory_bytes": 400_000_000,
        "output_bytes": 2_000_000, "processed": 100, "dropped": 0, "bad": 0, "persons": 300,
        "stages": [stage(name, ms, 0.1 * ms / elapsed) for name, ms in busy.items()],
        "queues": {"inference": 0.9, "tracking": 0.1, "overlay": 0.0}, "latency_p50": None, "latency_p95": None,
    }  # fmt: skip
    return Run(**{**fields, **changes})


def case(fps: float = 25.0, *, spread: float = 0.0, cpu_ms: float = 50.0, cores: int = 2, **changes: Any) -> Case:
    """A combination that ran at `fps`, give or take `spread`; `changes` of what was asked for, or of the record."""
    wanted = {name: changes.pop(name) for name in Combination.model_fields if name in changes}
    fields: dict[str, Any] = {
        "asked": asked(**wanted), "sha256": "0" * 64, "precision": "fp32", "runtime": "OpenVINO 1",
        "device": "a processor",
        "runs": 3 * [run(100 / fps, output_bytes=2_000_000 if asked(**wanted).video else None)],
        "fps": Spread(median=fps, least=fps - spread, most=fps + spread),
        "steady_fps": Spread.of([fps + 1]), "process_fps": Spread.of([100 / (100 / fps + 1)]),
        "first_frame": Spread.of([0.9]),
        "memory_bytes": Spread.of([4e8]), "cpu_ms": Spread.of([cpu_ms]),
        "efficiency": Spread.of([fps * cpu_ms / 1000 / cores]),
        "network": Network(fps=40.0, cpu_ms=30.0, width=640, height=384), "accuracy": None, "bottleneck": "none",
    }  # fmt: skip
    return Case(**{**fields, **changes})


def contest(*ratios: float) -> Contest:
    """We took 2 s each time, and the peer so many times as long."""
    return Contest(
        peer="peer 1.0",
        name="default",
        command="peer CLIP",
        asked=asked(),
        ours=[Sample(wall=2.0, fps=60.0, memory_bytes=1, output_bytes=1_000_000) for _ in ratios],
        theirs=[Sample(wall=2 * ratio, fps=20.0, memory_bytes=2, output_bytes=3_000_000) for ratio in ratios],
        wall_ratio=Spread.of(list(ratios)),
        fps_ratio=Spread.of([3.0]),
    )


def benchmark(*cases: Case, contests: tuple[Contest, ...] = (), **changes: Any) -> Benchmark:
    """Of a quiet machine of two cores."""
    machine = Machine(
        system="Linux", cpu="a processor", cores=2, flags=["avx2"], governor="performance", clock_mhz=3000.0,
        memory_bytes=8 * 2**30, load=0.1, gpu="", versions={"poseline": "1"},
    )  # fmt: skip
    fields: dict[str, Any] = {
        "started": "2030-01-01T00:00:00+00:00", "machine": machine, "clip": CLIP, "repeat": 5,
        "cases": list(cases or (case(),)), "contests": list(contests),
    }  # fmt: skip
    return Benchmark(**{**fields, **changes})
