"""Seconds of time stamps, against exact fractions; and what is made of stamps that cannot be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from poseline.capture.clock import SourceClock
from poseline.frame import Gap

MS = Fraction(1, 1000)


@pytest.mark.parametrize("time_base", [Fraction(1, 30), Fraction(1001, 30000), Fraction(1, 90_000), Fraction(3, 7)])
def test_seconds_are_the_nearest_to_the_exact_ones(time_base: Fraction) -> None:
    clock, first = SourceClock(time_base, None), 7
    for pts in (first, 8, 1_000_003, 3 * 10**15 + 1):
        assert clock.stamp(pts) == (pts, float((pts - first) * time_base))


def test_a_missing_stamp_is_a_frame_after_the_last() -> None:
    clock = SourceClock(Fraction(1, 90_000), Fraction(30))
    assert clock.stamp(None) == (0, 0.0)
    assert clock.stamp(3000) == (3000, 3000 / 90_000)
    assert clock.stamp(None) == (6000, 6000 / 90_000)
    assert clock.missing == 2


def placed(
    stamps: Sequence[int | None], rate: int | None = 25, pause: float | None = 10, ahead: bool = True,
    duration: float | None = None, wrap: int | None = None,
) -> tuple[list[int], SourceClock, list[Gap]]:  # fmt: skip
    """Milliseconds at which the frames of these stamps stand (the first where it is stated), the clock, the breaks."""
    clock = SourceClock(MS, None if rate is None else Fraction(rate), pause, duration, wrap)
    ticks, gaps = [], []
    for index, stamp in enumerate(stamps):

        def following(count: int, index: int = index) -> Sequence[int | None]:
            return stamps[index + 1 : index + 1 + count]

        pts, seconds = clock.stamp(stamp, following if ahead else None)
        assert stamp is None or pts == stamp, "what the source states stays as it is"
        ticks.append(clock.ticks)
        assert seconds == (ticks[-1] - ticks[0]) / 1000
        gaps += [clock.gap] if clock.gap else []
    assert all(earlier < later for earlier, later in pairwise(ticks)), "time moves on"
    return ticks, clock, gaps


LINE = [0, 40, 80, 120, 160, 200, 240]


@pytest.mark.parametrize("rate", [25, None])
@pytest.mark.parametrize(
    ("where", "wild"),
    [
        (3, 100_120), (3, 37_600_000), (3, 3000), (3, 210), (3, -95_000), (3, 0), (3, 80), (1, 100_040), (0, 100_000),
        (0, 5000), (6, -3000), (6, 200),
    ],
)  # fmt: skip
def test_an_outlier_costs_one_frames_interval(where: int, wild: int, rate: int | None) -> None:
    stamps = [wild if index == where else stamp for index, stamp in enumerate(LINE)]
    ticks, clock, gaps = placed(stamps, rate)
    if rate is None and where < 2:  # no interval was seen yet: it counts as a thirtieth of a second
        assert ticks == [{0: 7, 1: 33}[where] if index == where else stamp for index, stamp in enumerate(LINE)]
    else:
        assert ticks == LINE
    if where < 6:
        assert (clock.outliers, clock.breaks, gaps) == (1, 0, [])


@pytest.mark.parametrize("pause", [10, 3600, None])
@pytest.mark.parametrize("wild", [100_000, 50_000, 3000, -50_000])
@pytest.mark.parametrize("row", [2, 3, 4])
def test_wild_stamps_in_a_row_cost_an_interval_each(row: int, wild: int, pause: float | None) -> None:
    stamps = [40 * index + (wild if 3 <= index < 3 + row else 0) for index in range(12)]
    ticks, clock, gaps = placed(stamps, pause=pause)
    assert ticks == [40 * index for index in range(12)]
    assert (clock.outliers, clock.breaks, gaps) == (row, 0, [])


def test_two_wild_stamps_of_different_size_cost_an_interval_each() -> None:
    ticks, clock, _ = placed([0, 40, 80, 50_120, 20_160, 200, 240, 280], pause=3600)
    assert ticks == [40 * index for index in range(8)]
    assert (clock.outliers, clock.breaks) == (2, 0)


@pytest.mark.parametrize("duration", [None, 0.28])
def test_a_last_stamp_that_no_duration_confirms_costs_one_interval(duration: float | None) -> None:
    ticks, clock, gaps = placed([0, 40, 80, 120, 160, 200, 100_240], pause=3600, duration=duration)
    assert ticks == LINE
    assert (clock.outliers, clock.breaks, gaps) == (1, 0, [])


def test_last_stamps_beyond_the_duration_cost_an_interval_each() -> None:
    ticks, clock, _ = placed([*LINE[:-2], 100_200, 100_240], pause=3600, duration=0.28)
    assert ticks == LINE
    assert (clock.outliers, clock.breaks) == (2, 0)


@pytest.mark.parametrize(
    ("stamps", "duration"),
    [
        ([*LINE[:-1], 100_240], 100.28),  # a picture of a screen that stood still, as the file says
        ([*LINE[:-1], 9_000], None),  # some seconds are no proof
        ([0, 40, 20_000, 20_040, 80_000], None),  # it has stood still before
        ([*LINE[:-1], 100_240, 100_280], None),  # it goes on from there
        ([*LINE[:-1], *range(100_240, 100_600, 40)], 0.28),  # the same; a duration may be that of a first fragment
    ],
)
def test_a_pause_before_the_end_is_kept(stamps: list[int], duration: float | None) -> None:
    ticks, clock, gaps = placed(stamps, pause=3600, duration=duration)
    assert ticks == stamps
    assert (clock.outliers, clock.breaks, gaps) == (0, 0, [])


@pytest.mark.parametrize(
    ("restart", "words"),
    [(95_443_717 - 98_840, "step back by 99.000 s"), (30_160, "jump ahead by 30.000 s"), (0, "step back by 0.160 s")],
)
def test_whole_turns_of_the_sources_counter_are_no_part_of_a_break(restart: int, words: str) -> None:
    ticks, _, gaps = placed([0, 40, 80, 120, 160, restart, restart + 40, restart + 80], wrap=95_443_717)
    assert ticks == [40 * index for index in range(8)]
    assert [gap.reason for gap in gaps] == [f"the source's time stamps {words}"]


def test_stamps_that_stand_still_go_on_frame_by_frame() -> None:
    ticks, clock, gaps = placed([0, 40, 80, 80, 80, 80, 120, 160])
    assert ticks == [0, 40, 80, 120, 160, 200, 240, 280]
    assert (clock.breaks, gaps) == (0, [])


def test_stamps_that_are_stated_twice_share_their_time() -> None:
    ticks, clock, _ = placed([0, 0, 40, 40, 80, 80, 120])
    assert ticks == [0, 20, 40, 60, 80, 100, 120]
    assert clock.outliers == 3


def test_the_interval_is_the_last_one_seen_where_the_rate_is_unknown() -> None:
    ticks, _, _ = placed([0, 50, 100, 150, 7, 57, 107], rate=None)
    assert ticks == [0, 50, 100, 150, 200, 250, 300]


@pytest.mark.parametrize(
    ("restart", "words"),
    [
        (0, "step back by 0.160 s"), (-95, "step back by 0.255 s"), (100, "step back by 0.060 s"),
        (95_443_717, "jump ahead by 95443.557 s"), (10_161, "jump ahead by 10.001 s"),
    ],
)  # fmt: skip
def test_a_break_goes_on_one_frame_later(restart: int, words: str) -> None:
    ticks, clock, gaps = placed([0, 40, 80, 120, 160, restart, restart + 40, restart + 80, restart + 5080])
    assert ticks == [0, 40, 80, 120, 160, 200, 240, 280, 5280]
    assert gaps == [Gap(0.16, 0.2, f"the source's time stamps {words}")]
    assert (clock.outliers, clock.breaks) == (0, 1)


def test_every_break_is_told() -> None:
    ticks, clock, gaps = placed([100_000, 100_040, 5000, 5040, 5080, 200_000, 200_040, 0, 40])
    assert ticks == [100_000 + 40 * index for index in range(9)]
    assert [(round(gap.start, 3), round(gap.end, 3)) for gap in gaps] == [(0.04, 0.08), (0.16, 0.2), (0.24, 0.28)]
    assert clock.breaks == 3


@pytest.mark.parametrize(("step", "pause"), [(10_000, 10.0), (3_600_000, 3600.0), (10**9, None)])
def test_a_pause_is_no_break(step: int, pause: float | None) -> None:
    stamps = [0, 40, 80, 80 + step, 120 + step]
    ticks, clock, gaps = placed(stamps, pause=pause)
    assert ticks == stamps
    assert (clock.outliers, clock.breaks, gaps) == (0, 0, [])


def test_stamps_that_come_in_the_order_of_decoding_are_put_in_line() -> None:
    ticks, clock, _ = placed([0, 80, 120, 40, 200, 240, 160, 320])
    assert ticks == [0, 80, 120, 160, 200, 240, 280, 320]
    assert clock.breaks == 0


def test_stamps_that_are_missing_at_first_are_followed_without_a_break() -> None:
    ticks, clock, gaps = placed([None, None, None, 0, 40, 80])
    assert ticks == [0, 40, 80, 120, 160, 200]
    assert (clock.missing, clock.outliers, clock.breaks, gaps) == (3, 0, 0, [])


@pytest.mark.parametrize("rate", [25, 10])
def test_stamps_that_are_missing_in_between_are_no_break(rate: int) -> None:
    """Ten frames a second are not what the stamps tell: stand-ins come too far, and what follows stays behind them."""
    ticks, clock, gaps = placed([0, 40, None, None, 160, 200], rate)
    assert ticks == ([0, 40, 80, 120, 160, 200] if rate == 25 else [0, 40, 140, 240, 340, 380])
    assert (clock.missing, clock.breaks, gaps) == (2, 0, [])


def test_without_a_look_ahead_the_times_are_the_same() -> None:
    ticks, clock, gaps = placed([0, 40, 80, 100_120, 160, 200, 240], ahead=False)
    assert ticks == LINE
    assert (clock.breaks, len(gaps)) == (2, 2)


def test_nothing_is_looked_at_ahead_of_steady_stamps() -> None:
    def never(count: int) -> Sequence[int | None]:
        raise AssertionError(count)

    looks: list[Callable[[int], Sequence[int | None]]] = [lambda _: [40], *[never] * 6]
    clock = SourceClock(MS, Fraction(25), 10)
    assert [clock.stamp(stamp, look)[0] for stamp, look in zip(LINE, looks, strict=True)] == LINE


@pytest.mark.parametrize("seed", range(20))
def test_whatever_is_stated_time_moves_on(seed: int) -> None:
    world = np.random.default_rng(seed)
    wild = [None if world.random() < 0.1 else int(world.integers(-5000, 5000)) for _ in range(200)]
    steady: list[int | None] = [40 * index for index in range(200)]
    mixed = [other if world.random() < 0.2 else stamp for stamp, other in zip(steady, wild, strict=True)]
    for stamps in (wild, mixed):
        for rate in (25, None):
            for ahead in (True, False):
                placed(stamps, rate, ahead=ahead)  # holds the order, and the seconds against the ticks
