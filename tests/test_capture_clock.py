"""Seconds of time stamps, against exact fractions."""

from __future__ import annotations

from fractions import Fraction

import pytest

from poseline.capture.clock import SourceClock


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
