"""Network: the model alone, as published figures are made, in a process of its own.

`python -m poseline.bench.network SETTINGS WIDTH HEIGHT SECONDS` prints one JSON record of `schema.Network`.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from pathlib import Path

from poseline.bench.schema import Network
from poseline.errors import PoselineError
from poseline.inference import Letterbox, PoseEstimator, Request, load_estimator
from poseline.inference.scaler import PAD
from poseline.settings import load

_WARM_UP = 3
"""Runs of each request that are not counted."""


def measure(estimator: PoseEstimator, width: int, height: int, seconds: float) -> Network:
    """How many runs a second the network does on pictures of this size, with its requests kept in flight."""
    runtime = estimator.runtime
    letterbox = Letterbox.fit(width, height, estimator.settings.imgsz, estimator.spec.stride, runtime.fixed_size)
    input_width, input_height = letterbox.size
    requests = [runtime.request(input_height, input_width) for _ in range(runtime.in_flight)]
    for request in requests:
        request.pixels.fill(PAD)
    _turn(requests, runs=_WARM_UP * len(requests))
    began, used = time.perf_counter(), time.process_time()
    pictures = _turn(requests, until=began + seconds)
    passed, cpu = time.perf_counter() - began, time.process_time() - used
    return Network(fps=pictures / passed, cpu_ms=1e3 * cpu / pictures, width=input_width, height=input_height)


def _turn(requests: list[Request], *, runs: int = 0, until: float = 0.0) -> int:
    """Start each request again as soon as it is done, at least `runs` times in all; the pictures that went through."""
    flying: deque[Request] = deque()
    for request in requests:
        request.start()
        flying.append(request)
    done = pictures = 0
    while flying:
        request = flying.popleft()
        request.wait()
        done, pictures = done + 1, pictures + len(request.pixels)
        if done + len(flying) < runs or time.perf_counter() < until:
            request.start()
            flying.append(request)
    return pictures


def main() -> None:
    """The process."""
    settings, width, height, seconds = sys.argv[1:]
    try:
        chosen = load(Path(settings))
        estimator = load_estimator(chosen.inference, live=chosen.capture.live)
        sys.stdout.write(measure(estimator, int(width), int(height), float(seconds)).model_dump_json() + "\n")
    except PoselineError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
