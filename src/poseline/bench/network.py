"""Network: the model alone, as published figures are made, in a process of its own.

`python -m poseline.bench.network SETTINGS CLIP SECONDS` prints one JSON record of `schema.Network`.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from contextlib import closing
from pathlib import Path

from poseline.bench.schema import Network
from poseline.capture import locate
from poseline.errors import PoselineError
from poseline.frame import Frame
from poseline.inference import Letterbox, PoseEstimator, Request
from poseline.request import RunRequest
from poseline.session import Models, Session
from poseline.settings import InferenceSettings, load

_WARMUP_RUNS = 3
"""Runs of each request that are not counted."""


def measure(estimator: PoseEstimator, frame: Frame, seconds: float) -> Network:
    """How many pictures a second the network does, with its requests kept in flight and `frame` in each place.

    The picture is one of the clip, since what a network does may depend on who is to be seen.
    """
    runtime, settings = estimator.runtime, estimator.settings
    letterbox = Letterbox.fit(frame.width, frame.height, settings.imgsz, estimator.spec.stride, runtime.fixed_size)
    width, height = letterbox.size
    requests = [runtime.request(height, width) for _ in range(runtime.in_flight)]
    for request in requests:
        for index in range(runtime.batch):
            request.place(index, frame, letterbox)
    _run_requests(requests, settings, runs=_WARMUP_RUNS * len(requests))
    began, used = time.perf_counter(), time.process_time()
    pictures = runtime.batch * _run_requests(requests, settings, until=began + seconds)
    passed, cpu = time.perf_counter() - began, time.process_time() - used
    return Network(fps=pictures / passed, cpu_ms=1e3 * cpu / pictures, width=width, height=height)


def _run_requests(requests: list[Request], settings: InferenceSettings, *, runs: int = 0, until: float = 0.0) -> int:
    """Start each request again as soon as it is done, at least `runs` times in all; how often that was."""
    in_progress = deque(requests)
    for request in requests:
        request.start(settings)
    done = 0
    while in_progress:
        request = in_progress.popleft()
        request.wait()
        done += 1
        if done + len(in_progress) < runs or time.perf_counter() < until:
            request.start(settings)
            in_progress.append(request)
    return done


def main() -> None:
    """The process."""
    settings, clip, seconds = sys.argv[1:]
    try:
        request = RunRequest(locate([clip])[0], load(Path(settings)))
        with Session(request, Models()) as session, closing(session.source.frames()) as frames:
            found = measure(session.estimator, next(frames), float(seconds))
        sys.stdout.write(found.model_dump_json() + "\n")
    except PoselineError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
