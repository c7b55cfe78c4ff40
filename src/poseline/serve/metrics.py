"""Metrics: counts and states as Prometheus reads them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import get_args

from poseline.serve.feed import Feed, StateName
from poseline.serve.hub import Hub

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def text(hub: Hub) -> str:
    """All metrics of a server, in Prometheus' text format."""
    return "".join(f"{line}\n" for line in _lines(hub))


def _lines(hub: Hub) -> Iterator[str]:
    feeds = hub.feeds
    yield from _metric("frames_processed_total", "counter", "Frames that went through the model.",
                       [(feed, "", feed.processed) for feed in feeds])  # fmt: skip
    yield from _metric("frames_dropped_total", "counter", "Frames given up for newer ones.",
                       [(feed, "", feed.dropped) for feed in feeds])  # fmt: skip
    yield from _metric("frames_given_per_second", "gauge", "Frames a second that the camera gives.",
                       [(feed, "", feed.rates[0]) for feed in feeds])  # fmt: skip
    yield from _metric("frames_processed_per_second", "gauge", "Frames a second that are processed.",
                       [(feed, "", feed.rates[1]) for feed in feeds])  # fmt: skip
    seen = [(feed, feed.newest.observation) for feed in feeds if feed.newest is not None]
    now = time.monotonic()
    yield from _metric("frame_age_seconds", "gauge", "Age of the newest frame that was processed.",
                       [(feed, "", now - observation.frame.arrival) for feed, observation in seen])  # fmt: skip
    yield from _metric("inference_seconds", "gauge", "Time of the network for the newest frame.",
                       [(feed, "", observation.speed.inference / 1e3) for feed, observation in seen])  # fmt: skip
    yield from _metric("persons", "gauge", "Persons in the newest frame.",
                       [(feed, "", len(observation.poses)) for feed, observation in seen])  # fmt: skip
    yield from _metric("camera_state", "gauge", "1 for the state that the camera is in.",
                       [(feed, f',state="{name}"', int(feed.state.name == name))
                        for feed in feeds for name in get_args(StateName)])  # fmt: skip
    paces = [(feeds[index], pace) for viewer in hub.viewers for index, pace in viewer.paces.items()]
    yield from _metric("viewers", "gauge", "Open pages that watch the camera.",
                       [(feed, "", sum(watched is feed for watched, _ in paces)) for feed in feeds])  # fmt: skip
    yield from _metric("viewer_delay_seconds", "gauge", "Longest time until a viewer has drawn a picture.",
                       [(feed, "", max((pace.delay for watched, pace in paces if watched is feed), default=0.0))
                        for feed in feeds])  # fmt: skip
    yield from _metric("viewer_pictures_per_second", "gauge", "Pictures that all viewers draw.",
                       [(feed, "", sum(pace.rate for watched, pace in paces if watched is feed))
                        for feed in feeds])  # fmt: skip
    times = os.times()
    yield "# HELP poseline_process_cpu_seconds_total Time of the whole process on cores."
    yield "# TYPE poseline_process_cpu_seconds_total counter"
    yield f"poseline_process_cpu_seconds_total {times.user + times.system:.2f}"


def _metric(name: str, kind: str, meaning: str, values: list[tuple[Feed, str, float]]) -> Iterator[str]:
    yield f"# HELP poseline_{name} {meaning}"
    yield f"# TYPE poseline_{name} {kind}"
    for feed, labels, value in values:
        yield f'poseline_{name}{{camera="{_escaped(feed.name)}"{labels}}} {value:g}'


def _escaped(name: str) -> str:
    """A label's value: cameras are called as their files are, which may be anything."""
    return name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
