from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from typing import Any

import pytest

from poseline.log import Counts
from poseline.pipeline import Meter, RunReport


def slowly(items: Iterator[int]) -> Generator[int, None, None]:
    for item in items:
        time.sleep(0.02)
        yield item


def waiting(count: int) -> Iterator[int]:
    for item in range(count):
        time.sleep(0.05)
        yield item


def test_a_stage_is_charged_its_own_work_and_not_its_waiting() -> None:
    meter, began = Meter("inference"), time.perf_counter()
    assert list(meter.measured(slowly)(waiting(5))) == list(range(5))
    assert meter.items == 5
    assert 0.1 <= meter.wall < time.perf_counter() - began - 5 * 0.05
    assert meter.cpu < 0.05
    assert len(meter.recent) == 5
    assert sum(meter.recent) == pytest.approx(meter.wall)


def test_the_cpu_is_the_threads_own() -> None:
    def busily(items: Iterator[int]) -> Generator[int, None, None]:
        for item in items:
            until = time.thread_time() + 0.02
            while time.thread_time() < until:
                pass
            yield item

    meter = Meter("overlay")
    list(meter.measured(busily)(iter(range(3))))
    assert 0.06 <= meter.cpu < 0.1


def test_stages_of_one_thread_are_charged_their_own_cpu() -> None:
    def busily(items: Iterator[int]) -> Generator[int, None, None]:
        for item in items:
            until = time.thread_time() + 0.02
            while time.thread_time() < until:
                pass
            yield item

    first, second = Meter("first"), Meter("second")
    list(second.measured(busily)(first.measured(busily)(iter(range(3)))))
    assert 0.06 <= first.cpu < 0.1
    assert 0.06 <= second.cpu < 0.1


def test_a_source_is_charged_all_of_it() -> None:
    meter = Meter("capture")

    def source() -> Generator[int, None, None]:
        yield from waiting(3)

    assert list(meter.source(source())) == [0, 1, 2]
    assert meter.wall >= 0.15


def test_several_outputs_and_none_for_one_input() -> None:
    def twice_or_not(items: Iterator[int]) -> Generator[int, None, None]:
        for item in items:
            yield from [item] * (2 * (item % 2))

    meter = Meter("tracking")
    assert list(meter.measured(twice_or_not)(iter(range(4)))) == [1, 1, 3, 3]
    assert meter.items == 4


def test_leaving_a_measured_stage_leaves_the_stage() -> None:
    left: list[str] = []

    def stage(items: Iterator[int]) -> Generator[int, None, None]:
        try:
            yield from items
        finally:
            left.append("stage")

    flow = Meter("overlay").measured(stage)(iter(range(9)))
    next(flow)
    flow.close()
    assert left == ["stage"]


def test_an_error_passes_a_meter() -> None:
    def torn(items: Iterator[int]) -> Generator[int, None, None]:
        yield next(iter(items))
        raise ValueError("torn")

    flow = Meter("overlay").measured(torn)(iter(range(9)))
    assert next(flow) == 0
    with pytest.raises(ValueError, match="torn"):
        next(flow)


def report(**changes: Any) -> RunReport:
    """Ten frames, of which each cost 10, 40, 5 and 20 ms."""
    meters = [
        Meter("capture"),
        Meter("inference", "the network", "a smaller --imgsz"),
        Meter("overlay"),
        Meter("output"),
    ]
    for meter, seconds in zip(meters, (0.01, 0.04, 0.005, 0.02), strict=True):
        for _ in range(10):
            meter.add(seconds, seconds / 2)
    return RunReport("clip.mp4", Counts(10, 10), 0.5, meters=meters, **changes)


def test_the_bottleneck_is_named_with_what_helps() -> None:
    told = report()
    assert told.bottleneck is told.meters[1]
    assert "imgsz" in told.advice
    assert told.fps == 20
    stages = {stage["name"]: stage for stage in told.as_dict()["stages"]}
    assert stages["inference"] == {
        "name": "inference", "work": "the network", "ms": 40, "p50": 40, "p95": 40, "cpu_ms": 20, "cpu_p50": 20,
        "cpu_p95": 20, "busy": 0.8,
    }  # fmt: skip


def test_a_camera_that_waits_is_no_bottleneck() -> None:
    told = report(live=True)
    told.meters[0].add(100, 0)
    assert told.bottleneck is None
    assert told.as_dict()["bottleneck"] is None
    assert "source" in told.advice
    assert "imgsz" not in told.advice
    told.counts = Counts(read=100, processed=10, dropped=90)
    told.first_recorded, told.last_recorded = 5.0, 5.45
    assert told.bottleneck is told.meters[1], "busy for 0.4 of 0.45 s"
    assert "imgsz" in told.advice, "it does not keep pace with its camera"


def test_frames_that_came_too_many_at_once_are_no_stages_fault() -> None:
    told = report(live=True)
    told.counts = Counts(read=40, processed=10, dropped=30)
    told.first_recorded, told.last_recorded = 5.0, 7.0
    assert told.bottleneck is None
    assert told.advice.startswith("bottleneck: none here; inference, the slowest stage, was busy for 20% of the time")
    told.outages = 1.6  # and for all the time in which the source gave frames
    assert told.bottleneck is told.meters[1]


def test_a_stage_that_nobody_has_advice_for_is_named_all_the_same() -> None:
    told = report()
    told.meters.append(Meter("pacing"))
    told.meters[-1].add(100, 1)
    assert told.advice == "bottleneck: pacing"
    assert told.as_dict()["bottleneck"] == "pacing"


def test_a_stage_that_is_left_early_knows_what_it_had_in_hand() -> None:
    def two_behind(items: Iterator[int]) -> Generator[int, None, None]:
        held: list[int] = []
        for item in items:
            held.append(item)
            if len(held) > 2:
                yield held.pop(0)
        yield from held

    whole, left = Meter("inference"), Meter("inference")
    assert list(whole.measured(two_behind)(iter(range(9)))) == list(range(9))
    assert (whole.taken, whole.items, whole.ended, whole.discarded) == (9, 9, True, 0)
    flow = left.measured(two_behind)(iter(range(9)))
    assert [next(flow), next(flow)] == [0, 1]
    flow.close()
    assert (left.taken, left.items, left.ended, left.discarded) == (4, 2, False, 2)


def test_a_run_without_a_frame_has_nothing_to_advise() -> None:
    told = RunReport("clip.mp4", meters=[Meter("capture")])
    assert told.advice == ""
    assert told.fps == 0
    assert told.as_dict()["stages"][0]["p95"] is None
