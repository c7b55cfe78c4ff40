"""StreamClock: the stream's own times, which go on over outages, breaks, wild and missing stamps."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

import pytest

from poseline.capture.stream_clock import StreamClock

STEP = 0.04


def times(
    clock: StreamClock, stamps: Iterable[float | None], arrivals: Iterable[float], duration: float = STEP
) -> list[float]:
    """When the packets of these stamps, pictures in the order in which they are shown, stand in the run."""
    return [clock.time_of(stamp, None, duration, at) for stamp, at in zip(stamps, arrivals, strict=True)]


def every(step: float, count: int, start: float = 0.0) -> list[float]:
    return [start + step * number for number in range(count)]


def connected(**how: bool) -> StreamClock:
    clock = StreamClock()
    clock.connected(**how)
    return clock


@pytest.mark.parametrize("start", [0.0, 1.4, -0.5, 95_000.0, 1.7e9])
def test_the_streams_own_stamps_count_whenever_it_was_begun(start: float) -> None:
    stamps = [0.0, 0.04, 0.08, 0.2, 0.21, 1.9]  # a varying rate
    clock = connected()
    told = times(clock, [start + stamp for stamp in stamps], [100, 100.5, 100.5, 100.9, 101, 102])
    assert told == pytest.approx(stamps, abs=1e-5)
    assert clock.notes() == []


def test_a_burst_has_its_own_times() -> None:
    assert times(connected(), every(STEP, 100), [5.0] * 100) == pytest.approx(every(STEP, 100))


def test_pictures_sent_in_another_order_keep_their_times() -> None:
    shown = [0, 3, 1, 2, 6, 4, 5]
    packets = [(1.4 + STEP * place, 1.32 + STEP * number) for number, place in enumerate(shown)]
    clock = connected()
    told = [clock.time_of(pts, dts, STEP, 10 + STEP * number) for number, (pts, dts) in enumerate(packets)]
    assert told == pytest.approx([STEP * place for place in shown])


def test_the_first_stamp_of_rtp_is_missing_and_counts_from_zero() -> None:
    """As FFmpeg gives them; B-frames make the second packet's stamp a later one."""
    clock = connected(from_zero=True)
    assert times(clock, [None, 0.12, 0.04, 0.08, 0.24], [1.0] * 5) == pytest.approx([0, 0.12, 0.04, 0.08, 0.24])


def test_missing_first_stamps_are_counted_back_from_the_first_that_is_there() -> None:
    clock = connected()
    assert times(clock, [None, None, 7.48, 7.52], every(STEP, 4)) == pytest.approx([0, 0.04, 0.08, 0.12])


def test_a_missing_stamp_in_the_middle_of_a_burst_is_one_interval_later() -> None:
    told = times(connected(), [0, 0.04, None, 0.12, None, None, 0.24], [9.0] * 7)
    assert told == pytest.approx([0, 0.04, 0.08, 0.12, 0.16, 0.2, 0.24])


def test_a_stream_without_stamps_has_the_times_of_arrival() -> None:
    arrivals = [3.0, 3.1, 3.1, 3.4, 4.4, 4.5]
    told = times(connected(stamped=False), [0.04 * number for number in range(6)], arrivals)
    assert told == pytest.approx([at - 3 for at in arrivals], abs=0.002)
    assert all(later > earlier for earlier, later in itertools.pairwise(told))


def test_a_stamp_that_never_changes_does_not_stop_time() -> None:
    told = times(connected(), [5.0] * 100, every(STEP, 100, 7.0))
    assert told == pytest.approx(every(STEP, 100), abs=0.01)


@pytest.mark.parametrize("wild", [1000.0, -1000.0, 0.0, 2.0**33 / 90_000])
def test_a_single_wild_stamp_costs_one_interval_at_most(wild: float) -> None:
    stamps = every(STEP, 50, 50.0)
    stamps[20] = wild
    clock = connected()
    told = times(clock, stamps, every(STEP, 50, 3.0))
    expected = every(STEP, 50)
    assert told[:20] + told[21:] == pytest.approx(expected[:20] + expected[21:])
    assert told[19] < told[20] <= expected[20] + 0.001
    assert [note.partition(" of ")[0] for note in clock.notes()] == ["1 time stamp"]
    assert not clock.interruptions


@pytest.mark.parametrize("restart", [0.0, 1.4, 70.0, 95_000.0])
def test_stamps_that_begin_anew_go_on_one_interval_later(restart: float) -> None:
    clock = connected()
    told = times(clock, every(STEP, 50, 40.0) + every(STEP, 50, restart), every(STEP, 100, 3.0))
    assert told == pytest.approx(every(STEP, 100), abs=0.001)
    assert clock.notes() == ["the stream's time stamps began anew once; the log's time goes on"]
    assert not clock.interruptions


def test_stamps_that_begin_anew_in_a_burst_go_on_one_interval_later() -> None:
    """A playlist with a break between two segments, which come at once."""
    stamps = every(STEP, 100, 40.0) + every(STEP, 100, 1.4)
    told = times(connected(), stamps, [10.0] * 100 + [14.0] * 100)
    assert told == pytest.approx(every(STEP, 200), abs=0.001)


def test_stamps_that_begin_anew_after_a_silence_go_on_by_as_much() -> None:
    clock = connected()
    told = times(clock, every(STEP, 50, 40.0) + every(STEP, 50, 1.4), every(STEP, 50, 3.0) + every(STEP, 50, 8.0))
    assert told[50:] == pytest.approx(every(STEP, 50, 5.0), abs=0.001)
    assert list(clock.interruptions) == pytest.approx([5.0], abs=0.001)


def test_a_pause_of_the_stream_is_no_break() -> None:
    clock = connected()
    stamps = [0, 0.04, 0.08, 30.0, 30.04]
    assert times(clock, stamps, [9 + stamp for stamp in stamps]) == pytest.approx(stamps)
    assert clock.notes() == []


@pytest.mark.parametrize("first", [[None, 0.04, 0.08], [0.0, 0.04, 0.08], [500.0, 500.04, 500.08]])
def test_time_goes_on_by_the_outage_where_the_stamps_begin_anew(first: Sequence[float | None]) -> None:
    clock = connected(from_zero=True)
    times(clock, every(STEP, 100), every(STEP, 100, 20.0))
    clock.connected(from_zero=True)
    assert times(clock, first, every(STEP, 3, 30.0)) == pytest.approx(every(STEP, 3, 10.0), abs=0.001)
    assert clock.notes() == [], "an outage is told as such"


def test_frames_that_came_when_all_was_over_do_not_shorten_the_outage() -> None:
    """Segments of 4 s; FFmpeg keeps the last two pictures until it has asked for further segments in vain."""
    clock = StreamClock(segmented=True)
    clock.connected()
    times(clock, every(STEP, 198, 1.4), [10.0] * 100 + [14.0] * 98)
    times(clock, every(STEP, 2, 1.4 + 198 * STEP), [22.0] * 2)
    clock.connected()
    told = times(clock, every(STEP, 100, 1.4), [30.0] * 100)
    assert told == pytest.approx(every(STEP, 100, 20.0), abs=0.05)


def test_a_broadcast_goes_on_by_its_own_clock_after_an_outage() -> None:
    """Its stamps are older than the connection, which begins with pictures of some seconds ago."""
    clock = connected()
    times(clock, every(STEP, 100, 7.0), [20.0] * 100)
    clock.connected()
    told = times(clock, every(STEP, 100, 15.0), [30.0] * 100)
    assert told == pytest.approx(every(STEP, 100, 8.0))


def test_time_never_runs_back_over_connections_of_a_moment() -> None:
    clock, told = StreamClock(), []
    for number in range(20):
        clock.connected(from_zero=True)
        told += times(clock, [None, 0.04, 0.08], every(STEP, 3, 5 + 0.7 * number))
    assert told == sorted(told)
    assert told[-1] == pytest.approx(0.7 * 19 + 0.08, abs=0.01)
