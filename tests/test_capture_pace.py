"""Pace: bursts are spread out again, what comes evenly is not delayed, and a delay is given up when it has served."""

from __future__ import annotations

import itertools
import random

import pytest

from poseline.capture.pace import Pace

STEP = 0.04
Arrivals = list[tuple[float, float]]
"""(time of a frame, when it came), in seconds, in the order of both."""


def given(arrivals: Arrivals, pace: Pace | None = None) -> list[float]:
    """When each frame is given by a reader that has nothing else to do."""
    pace, moments, now, heard = pace or Pace(), [], 0.0, 0
    for time, at in arrivals:
        now = max(now, at)
        while heard < len(arrivals) and arrivals[heard][1] <= now:
            pace.arrived(*arrivals[heard])
            heard += 1
        now = max(now, pace.due(time))
        moments.append(now)
    return moments


def steady(count: int, delay: float = 0.0) -> Arrivals:
    """A camera that sends each picture when it is taken."""
    return [(STEP * number, STEP * number + delay) for number in range(count)]


def in_segments(count: int, segment: int, seconds: float = 0.02) -> Arrivals:
    """A stream of which so many frames come at once, within `seconds`, when the last of them is made."""
    return [
        (STEP * number, STEP * segment * (number // segment + 1) + seconds * (number % segment) / segment)
        for number in range(count)
    ]


def steps(moments: list[float]) -> list[float]:
    return [later - earlier for earlier, later in itertools.pairwise(moments)]


def test_frames_that_come_evenly_are_given_as_they_come() -> None:
    arrivals = steady(500, delay=3.0)
    assert given(arrivals) == [at for _, at in arrivals]


@pytest.mark.parametrize(("held", "late"), [(1, 8.0), (2, 0.0)])
def test_what_is_held_until_the_next_segment_is_not_late(held: int, late: float) -> None:
    """Four segments of 2 s are missing, and FFmpeg gives two frames of the one before when the next is there."""
    arrivals = [(time, at) for time, at in in_segments(500, 50, seconds=0.0) if not 8 <= time < 16]
    back = next(at for time, at in arrivals if time >= 16)
    arrivals = [(time, back if 8 - 2.5 * STEP < time < 8 else at) for time, at in arrivals]
    moments = given(arrivals, Pace(30.0, held))
    behind = [moment - time - 2 for (time, _), moment in zip(arrivals, moments, strict=True) if time >= 16]
    assert max(behind) == pytest.approx(late, abs=0.2)


@pytest.mark.parametrize("segment", [10, 25, 100, 250], ids="{} frames at once".format)
@pytest.mark.parametrize("spread", [0.0, 0.2, 0.8], ids="over {:.0%} of their length".format)
def test_segments_are_spread_out_again(segment: int, spread: float) -> None:
    arrivals = in_segments(2000, segment, seconds=spread * segment * STEP)
    moments = given(arrivals, Pace(memory=30.0))
    assert max(abs(step - STEP) for step in steps(moments)) < 0.06
    assert sum(step < STEP / 4 for step in steps(moments)) <= 2, "hardly two frames at once, of 2,000"
    newest = max(moment - time for (time, _), moment in zip(arrivals, moments, strict=True))
    assert newest <= segment * STEP + 0.01, "no later than the first frame of the first segment had to be"


@pytest.mark.parametrize("segment", [25, 100], ids="{} frames at once".format)
def test_bursts_that_nobody_announced_are_learned(segment: int) -> None:
    """Such as a relay that sends every second what it has."""
    moments = given(in_segments(2000, segment))
    assert sum(step < STEP / 4 for step in steps(moments)) <= 2


def test_what_came_at_once_at_the_beginning_is_shown_and_the_delay_given_up() -> None:
    """A connection begins with what came while it was looked at: here half a second."""
    probed = 13
    arrivals = [(STEP * number, STEP * max(number, probed)) for number in range(500)]
    moments = given(arrivals)
    assert min(steps(moments)) > 0.6 * STEP, "at 1.5 times its speed at most"
    behind = [moment - at for moment, (_, at) in zip(moments, arrivals, strict=True)]
    assert behind[probed] == pytest.approx(probed * STEP, abs=0.06)
    assert max(behind[100:]) < 0.02, "after 4 s it is given as it comes"


def test_a_pause_of_the_network_is_caught_up_with() -> None:
    arrivals = [(time, 23.0 if 20 < at < 23 else at) for time, at in steady(1500)]
    moments = given(arrivals)
    assert min(steps(moments)) > 0.6 * STEP
    behind = [moment - at for moment, (_, at) in zip(moments, arrivals, strict=True)]
    assert max(behind) < 3.01
    assert max(behind[round(34 / STEP) :]) < 0.02, "as fresh as before, 11 s after it"


def test_a_picture_that_waited_for_the_end_of_a_pause_delays_no_other() -> None:
    """FFmpeg gives a picture when the next one begins."""
    film = [*(STEP * number for number in range(100)), *(5 + STEP * number for number in range(100))]
    arrivals = list(zip(film, [*film[1:], film[-1] + STEP], strict=True))
    behind = [moment - at for moment, (_, at) in zip(given(arrivals), arrivals, strict=True)]
    assert max(behind) < 0.11, "of the five seconds"


def test_jitter_costs_no_more_than_itself() -> None:
    dice = random.Random(7)  # noqa: S311 # hides nothing
    late = [dice.uniform(0, 0.03) for _ in range(1500)]
    arrivals = [(time, at + extra) for (time, at), extra in zip(steady(1500), late, strict=True)]
    assert given(arrivals) == [at for _, at in arrivals], "a few hundredths are no burst"
    spikes = [(time, at + 0.3 * (number % 250 == 100)) for number, (time, at) in enumerate(steady(1500))]
    spikes = [(time, max(at for _, at in spikes[: number + 1])) for number, (time, _) in enumerate(spikes)]
    behind = [moment - at for moment, (_, at) in zip(given(spikes), spikes, strict=True)]
    assert max(behind) < 0.31
    assert sorted(behind)[len(behind) // 2] < 0.05


def test_a_clock_that_runs_too_fast_or_too_slow_makes_nobody_wait_for_ever() -> None:
    for rate in (0.97, 1.03):
        arrivals = [(rate * time, at) for time, at in steady(15_000)]
        behind = [moment - at for moment, (_, at) in zip(given(arrivals), arrivals, strict=True)]
        assert max(behind) < 0.15


def test_a_pace_remembers_little() -> None:
    pace = Pace(memory=30.0)
    for time, at in steady(20_000):
        pace.arrived(time, at)
    assert len(pace._spans) < 200
    assert pace.now(800.0) == pytest.approx(800.0)
