from __future__ import annotations

from bench_worlds import case, run, stage
from poseline.bench.advice import advise, typical
from poseline.bench.schema import Network, Stage

NETWORK = Network(fps=50.0, cpu_ms=30.0, width=640, height=384)


def test_busy_cores_are_the_limit_and_the_networks_share_is_told() -> None:
    busy = case(38.0, cpu_ms=50.0)  # 38 frames a second of 50 ms on 2 cores: 95 %
    told = advise(busy, [busy], 2)
    assert told.startswith(
        "the 2 cores are busy 95% of the time: 50.0 ms of CPU a frame, of which the network takes 60%"
    )


def test_a_smaller_input_is_estimated_from_the_networks_pixels() -> None:
    busy = case(38.0, cpu_ms=50.0)
    # 480 pixels for 640 leave 9/16 of the network's 30 ms: 50 ms become 50 - 30 * 7/16 = 36.875.
    assert "--imgsz 480 would give about +36%" in advise(busy, [busy], 2)


def stages(inference: float, output: float) -> list[Stage]:
    """Stages of which two are busy so much of the time."""
    return [
        stage("capture", 1, 0.1),
        stage("inference", 1, inference),
        stage("tracking", 1, 0.1),
        stage("overlay", 1, 0.0),
        stage("output", 1, output),
    ]


def test_a_smaller_input_is_estimated_where_the_networks_thread_never_rests() -> None:
    # 25 ms a frame, of which the model alone takes 20: with 9/16 of its pixels they become 25 - 20 * 7/16 = 16.25.
    waiting = case(40.0, cpu_ms=20.0, network=NETWORK, runs=3 * [run(2.5, stages=stages(0.95, 0.3))])
    assert "--imgsz 480 would give about +54%" in advise(waiting, [waiting], 2)


def test_no_more_is_promised_than_the_next_thread_allows() -> None:
    waiting = case(40.0, cpu_ms=20.0, network=NETWORK, runs=3 * [run(2.5, stages=stages(0.95, 0.8))])
    assert "--imgsz 480 would give about +25%" in advise(waiting, [waiting], 2)


def test_a_smaller_input_is_no_help_against_slow_encoding() -> None:
    encoding = case(40.0, cpu_ms=20.0, network=NETWORK, runs=3 * [run(2.5, stages=stages(0.5, 0.95))])
    assert "would" not in advise(encoding, [encoding], 2)


def test_what_was_measured_is_not_estimated() -> None:
    busy, smaller = case(38.0), case(57.0, imgsz=320)
    told = advise(busy, [busy, smaller], 2)
    assert "--imgsz 320 gave +50%" in told
    assert "would" not in told


def test_nothing_is_estimated_where_the_cores_are_idle() -> None:
    idle = case(10.0)
    assert "would" not in advise(idle, [idle], 2)


def test_leaving_out_the_video_is_advised_by_what_it_gave() -> None:
    with_video, without = case(38.0), case(47.5, video=False)
    assert "--no-video gave +25%" in advise(with_video, [with_video, without], 2)
    assert "video gave" not in advise(case(30.0, video=False), [with_video, without], 2), "work is no help"


def test_a_difference_within_the_spread_is_no_advice() -> None:
    with_video, without = case(38.0, spread=3.0), case(40.0, spread=3.0, video=False)
    assert "gave" not in advise(with_video, [with_video, without], 2)


def test_a_single_run_proves_nothing() -> None:
    one, other = case(20.0, runs=[run()]), case(60.0, video=False, runs=[run()])
    assert "gave" not in advise(one, [one, other], 2)


def test_two_differences_are_nobodys_merit() -> None:
    one, other = case(20.0), case(60.0, imgsz=320, video=False)
    assert "gave" not in advise(one, [one, other], 2)


def test_a_stage_that_never_rests_is_the_limit() -> None:
    stages = [stage("capture", 2, 0.1), stage("inference", 5, 0.3), stage("overlay", 8, 0.4), stage("output", 12, 0.55)]
    slow = case(20.0, cpu_ms=20.0, runs=[run(5.0, stages=stages)])
    assert advise(slow, [slow], 2).startswith("drawing, encoding and logging takes 95% of the time on its thread")


def test_a_stage_of_no_known_name_is_told_by_its_own() -> None:
    stages = [stage("pacing", 2, 0.95), stage("inference", 5, 0.3), stage("output", 12, 0.1)]
    slow = case(20.0, cpu_ms=20.0, runs=[run(5.0, stages=stages)])
    assert advise(slow, [slow], 2).startswith("pacing takes 95% of the time on its thread")
    alone = case(20.0, cpu_ms=20.0, runs=[run(5.0, stages=[stage("inference", 5, 0.9)])])
    assert "takes 90% of the time on its thread; --imgsz 480 would give" in advise(alone, [alone], 2)


def test_where_nothing_is_busy_nothing_is_blamed() -> None:
    stages = [stage("capture", 2, 0.1), stage("inference", 5, 0.5), stage("tracking", 8, 0.1), stage("output", 12, 0.2)]
    idle = case(10.0, cpu_ms=20.0, runs=[run(10.0, stages=stages)])
    assert advise(idle, [idle], 2).startswith("no single one: the cores are busy 10% of the time")


def test_a_camera_that_waits_is_no_bottleneck() -> None:
    keeping = case(30.0, live=True)
    assert advise(keeping, [keeping], 2).startswith("none here")
    dropping = case(30.0, live=True, runs=[run(4.0, processed=100, dropped=50)])
    assert not advise(dropping, [dropping], 2).startswith("none here")


def test_the_typical_run_is_the_middle_one() -> None:
    assert typical([run(9.0), run(1.0), run(4.0)]).elapsed == 4.0
