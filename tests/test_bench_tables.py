from __future__ import annotations

import re

import pytest

from bench_worlds import CLIP, benchmark, case, contest, run
from poseline.bench import tables
from poseline.bench.grid import Grid
from poseline.bench.schema import Accuracy, Sensors, Spread


def cells(grid: Grid) -> list[dict[str, str]]:
    """The rows by heading, each on one line."""
    return [dict(zip((heading.replace("\n", " ") for heading in grid.headings), row, strict=True)) for row in grid.rows]


def test_speed_in_numbers() -> None:
    (row,) = cells(tables.speed([case(25.0, spread=1.0)]))
    assert row == {
        "video": "yes", "fps": "25.0 (24.0..26.0)", "steady fps": "26.0", "process fps": "20.0",
        "first frame s": "0.90", "CPU ms/frame": "50.0", "cores busy": "62%", "model alone fps": "40.0",
    }  # fmt: skip


def test_what_all_have_in_common_is_said_once() -> None:
    grid = tables.speed([case(imgsz=320), case(imgsz=640)])
    assert grid.title == "Speed: yolo11n-pose.pt, fp32, OpenVINO 1"
    assert grid.headings[:2] == ("imgsz", "video")
    assert grid.names == 2


def test_costs_in_numbers() -> None:
    likeness = Accuracy(oks=0.98765, persons=300)
    with_video, without = cells(tables.costs([case(accuracy=likeness), case(video=False)], CLIP))
    assert with_video == {  # 2 MB over the 2 s that 100 frames at 50 fps play
        "video": "yes", "RSS MB": "400", "video MB": "2.00", "kbit/s": "8000", "OKS to fp32": "0.9877",
        "persons": "300",
    }  # fmt: skip
    assert (without["video MB"], without["OKS to fp32"]) == ("", "")


def test_a_live_run_tells_ages_and_drops() -> None:
    aged = run(4.0, processed=90, dropped=10, latency_p50=30.4, latency_p95=61.6)
    (row,) = cells(tables.costs([case(live=True, runs=[aged])], CLIP))
    assert (row["video"], row["age ms p50/p95"], row["dropped"]) == ("yes, live", "30/62", "10")


def test_stages_and_what_no_stage_accounts_for() -> None:
    rows = cells(tables.stages(case(25.0)))
    by_name = {row["stage"]: row for row in rows}
    assert by_name["inference"]["ms"] == "30.00"
    assert by_name["inference"]["queue before"] == "90%"
    assert by_name["capture"]["queue before"] == ""
    assert by_name["other threads"]["CPU ms"] == "45.50", "50 ms a frame, of which the stages' own threads took 4.5"


def test_contests_in_numbers() -> None:
    ratios, beside = tables.contests([contest(6.0, 5.0, 7.0)])
    (row,) = cells(ratios)
    assert row == {
        "against": "default", "times faster": "6.00 (5.00..7.00)", "seconds": "2.0/12.0", "own fps ratio": "3.00",
        "own fps": "60.0/20.0",
    }  # fmt: skip
    assert cells(beside)[0]["video MB"] == "1.00/3.00"
    assert list(tables.pairs([contest(6.0, 5.0)])) == ["default (peer CLIP): pair by pair 6.00 5.00 times faster"]


@pytest.mark.parametrize(("values", "text"), [([2.0], "2.0"), ([2.0, 2.0], "2.0"), ([1.0, 2.0, 4.0], "2.0 (1.0..4.0)")])
def test_spread(values: list[float], text: str) -> None:
    assert tables.spread(Spread.of(values), 1) == text


def test_markdown_is_a_table_wherever_it_is_pasted() -> None:
    told = tables.markdown(benchmark(case(), case(video=False), contests=(contest(6.0),)))
    blocks = [block.splitlines() for block in told.split("\n\n")]
    grids = [block for block in blocks if block[0].startswith("|")]
    assert len(grids) == 4
    for head, rule, *rows in grids:
        assert re.fullmatch(r"\|( :?--:? \|)+", rule)
        assert {line.count("|") for line in (head, *rows)} == {rule.count("|")}
    assert "bottleneck of yolo11n-pose.pt 640 no video: none" in told
    assert "a processor, 2 cores, avx2, 3000 MHz, governor performance, 8 GiB" in told


def test_columns_are_as_wide_as_what_they_hold() -> None:
    heads, rows = Grid(("name", "frames\na second"), (("a", "1.5"), ("long one", "1234567.5")), 1).lines()
    assert heads == ["             frames", "name       a second"]
    assert rows == ["a               1.5", "long one  1234567.5"]


def test_a_bar_in_a_name_is_no_column() -> None:
    assert Grid(("name", "fps"), (("a|b", "1"),), 1).markdown().endswith("| a\\|b | 1 |")


def test_a_busy_machine_is_told() -> None:
    quiet = benchmark()
    busy = quiet.model_copy(update={"machine": quiet.machine.model_copy(update={"load": 1.5})})
    assert not [line for line in tables.lines(quiet) if "busy" in line]
    assert [line for line in tables.lines(busy) if "1.5 programs wanted its 2 cores" in line]


def test_sensors_are_told_where_there_are_any() -> None:
    hot = Sensors(celsius=84.6, watts=14.96, throttled=True, gpu_celsius=50.0, gpu_watts=80.0, gpu_throttled=False)
    (line,) = [line for line in tables.lines(benchmark(case(sensors=hot), case(video=False))) if "sensors" in line]
    assert line == (
        "sensors, yolo11n-pose.pt 640: CPU at most 85 °C, 15.0 W, the CPU slowed itself down (throttling): the times "
        "are worse for it, GPU at most 50 °C, 80.0 W, GPU not throttled"
    )
    assert tables.sensors(Sensors()) == ""


def test_a_quick_benchmark_says_so() -> None:
    lines = list(tables.lines(benchmark(quick=3.5, repeat=1)))
    assert "quick: one measured run of the first 3.5 s of the clip, after a short one to warm up" in lines
