"""Measure: whole runs of one combination, each a process of its own, as a user would start it."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from poseline import machine
from poseline.bench import accuracy, schema
from poseline.bench.plan import Case, Options, case
from poseline.bench.process import Watched, python, watch
from poseline.bench.sensors import SensorReader
from poseline.errors import ModelError, SourceError
from poseline.log import LOG_NAME, LogReader

_TRIED = 0.5
"""Seconds of the clip by which a quick benchmark warms up, and learns how much of it there is time for."""

Step = Callable[[str], None]
"""Called with what comes next, in words."""


@dataclass(frozen=True)
class Bench:
    """The clip and the place in which it is run again and again."""

    clip: Path
    scratch: Path
    options: Options
    step: Step
    warn: Step = lambda _: None
    """Called with what the user should know at once, in words."""

    def measure(self, case: Case) -> schema.Case:
        """Everything about one combination."""
        self.step(f"{describe(case.asked)}: warming up")
        self.run(case)
        measured, header = self._measured(case)
        return measured.model_copy(update={"accuracy": self._accuracy(case, header)})

    def measure_quickly(self, case: Case, ends: float, rate: float | None) -> tuple[schema.Case, float]:
        """One combination, all but its accuracy, and the seconds of the clip that were run.

        Args:
            case: the combination.
            ends: when it should be done, in `time.monotonic()` seconds.
            rate: frames a second at which the clip plays; None if unknown.
        """
        self.step(f"{describe(case.asked)}: warming up")
        tried = self.run(case.first(_TRIED))
        fps = tried.steady_fps or tried.processed / tried.elapsed
        start = tried.wall - tried.processed / fps
        left = ends - time.monotonic() - 2 * start - self.options.network_seconds  # a run's start, and the model's
        seconds = max(_TRIED, left * fps / (rate or tried.processed / _TRIED))
        measured, _ = self._measured(case.first(round(seconds, 2)))
        return measured, round(seconds, 2)

    def _measured(self, case: Case) -> tuple[schema.Case, dict[str, Any]]:
        """One combination, which is warm, without its accuracy; and the header of the last run's log."""
        name, runs = describe(case.asked), []
        with SensorReader(gpu=case.device() != "cpu").watching() as seen:
            for number in range(1, self.options.repeat + 1):
                self.step(f"{name}: run {number} of {self.options.repeat}")
                runs.append(self.run(case))
        header = LogReader(self.journal).run
        self.step(f"{name}: the model alone")
        return _case(case, runs, header, self._network(case), seen()), header

    def run(self, case: Case) -> schema.Run:
        """One run of `poseline run`, measured."""
        watched = self.watch_run(case)
        summary = json.loads((self._results / "summary.json").read_text(encoding="utf-8"))
        if not summary["counts"]["processed"]:
            raise SourceError(f"{self.clip}: a run of it processed no frame")
        return _run(watched, summary, self.output_bytes())

    def watch_run(self, case: Case) -> Watched:
        """One run of `poseline run`, seen from outside; what it wrote stays until the next one."""
        shutil.rmtree(self._results, ignore_errors=True)
        return watch(
            python("-m", "poseline", "run", str(self.clip.absolute()), "-c", str(self._config(case)),
                   "-o", str(self._results)),
            self.scratch, self.options.timeout, sign=self._first_frame_is_logged,
        )  # fmt: skip

    def output_bytes(self) -> int | None:
        """The size of the last run's video."""
        video = self._results / "annotated.mp4"
        return video.stat().st_size if video.exists() else None

    @property
    def journal(self) -> Path:
        """The keypoint log of the last run."""
        return self._results / LOG_NAME

    @property
    def _results(self) -> Path:
        return self.scratch / "run"

    def _config(self, case: Case) -> Path:
        path = self.scratch / "settings.yaml"
        path.write_text(json.dumps(case.overrides), encoding="utf-8")  # JSON is YAML
        return path

    def _first_frame_is_logged(self) -> bool:
        try:
            with self.journal.open("rb") as lines:
                return lines.readline().endswith(b"\n") and lines.readline().endswith(b"\n")
        except OSError:
            return False

    def _network(self, case: Case) -> schema.Network:
        watched = watch(
            python(
                "-m", "poseline.bench.network", str(self._config(case)), str(self.clip.absolute()),
                str(self.options.network_seconds),
            ),
            self.scratch, self.options.timeout,
        )  # fmt: skip
        return schema.Network.model_validate_json(watched.output.splitlines()[-1])

    def _accuracy(self, measured: Case, header: dict[str, Any]) -> schema.Accuracy | None:
        """Against a run in fp32 of the same frames: all of them, since a live one would drop others."""
        asked = measured.asked
        if header["model"]["precision"] == "fp32" or asked.live:
            return None
        self.step(f"{describe(asked)}: the same in fp32, to compare")
        kept = self.journal.replace(self.scratch / "reduced.jsonl")
        try:
            self.run(case(measured.weights, asked.imgsz, "fp32", asked.runtime, asked.device, video=False))
        except ModelError:
            return None  # it has just run as it is: the weights themselves are of a reduced precision
        return accuracy.compare(self.journal, kept)


def describe(asked: schema.Combination) -> str:
    """A combination in a few words; what was left to Poseline is left out."""
    parts = [asked.model, str(asked.imgsz)]
    parts += [part for part in (asked.precision, asked.runtime, asked.device) if part != "auto"]
    parts += [] if asked.video else ["no video"]
    return " ".join([*parts, "live"] if asked.live else parts)


def _run(watched: Watched, summary: dict[str, Any], output_bytes: int | None) -> schema.Run:
    counts, latency = summary["counts"], summary["latency_ms"] or {"p50": None, "p95": None}
    return schema.Run(
        wall=watched.wall,
        first_frame=watched.first,
        elapsed=summary["elapsed"],
        steady_fps=summary["steady_fps"],
        cpu=summary["cpu"],
        memory_bytes=watched.memory,
        output_bytes=output_bytes,
        processed=counts["processed"],
        dropped=counts["dropped"],
        bad=counts["bad"],
        persons=counts["persons"],
        stages=summary["stages"],
        queues=summary["queues"],
        latency_p50=latency["p50"],
        latency_p95=latency["p95"],
    )


def _case(
    case: Case, runs: list[schema.Run], header: dict[str, Any], network: schema.Network,
    sensors: schema.Sensors | None,
) -> schema.Case:  # fmt: skip
    """All but the accuracy and the words on the bottleneck, for which the other combinations are wanted."""
    first_frames = [run.first_frame for run in runs if run.first_frame is not None]
    fps = [run.processed / run.elapsed for run in runs]
    steady = [run.steady_fps for run in runs if run.steady_fps is not None]
    cpu = [run.cpu / run.processed for run in runs]
    cores = machine.cores()
    return schema.Case(
        asked=case.asked,
        sha256=header["model"]["sha256"],
        precision=header["model"]["precision"],
        runtime=header["runtime"],
        device=header["device"],
        runs=runs,
        fps=schema.Spread.of(fps),
        steady_fps=schema.Spread.of(steady) if steady else None,
        process_fps=schema.Spread.of([run.processed / run.wall for run in runs]),
        first_frame=schema.Spread.of(first_frames) if first_frames else None,
        memory_bytes=schema.Spread.of([float(run.memory_bytes) for run in runs]),
        cpu_ms=schema.Spread.of([1e3 * each for each in cpu]),
        efficiency=schema.Spread.of([efficiency(*pair, cores) for pair in zip(fps, cpu, strict=True)]),
        network=network,
        accuracy=None,
        bottleneck="",
        sensors=sensors,
    )


def efficiency(fps: float, cpu: float, cores: int) -> float:
    """Frames a second as a share of what the cores allow, which is cores / seconds of CPU a frame."""
    return fps * cpu / cores
