from __future__ import annotations

import pickle
import tracemalloc

import numpy as np
import pytest

from poseline.pipeline import Meter
from poseline.pipeline.newest import Newest
from poseline.pipeline.report import percentile


@pytest.mark.parametrize("count", [0, 1, 4, 5, 6, 10, 23])
def test_the_newest_are_kept_in_their_order(count: int) -> None:
    given = [float(number) for number in range(count)]
    newest = Newest(5)
    for value in given:
        newest.append(value)
    assert list(newest) == given[-5:]
    assert len(newest) == min(count, 5)
    assert list(pickle.loads(pickle.dumps(newest))) == given[-5:]  # noqa: S301 # of our own making


def test_percentiles_are_those_of_the_newest_values() -> None:
    seconds = np.random.default_rng(7).gamma(2.0, 0.01, 25_000)
    newest = Newest()
    for value in seconds:
        newest.append(value)
    for rank in (50, 95):
        exact = 1e3 * float(np.percentile(seconds[-10_000:], rank))
        assert percentile(list(newest), rank) == pytest.approx(exact, abs=1e-3)


def test_a_meters_memory_is_that_of_its_first_item() -> None:
    tracemalloc.start()
    try:
        meter = Meter("inference")
        meter.add(0.01, 0.01)
        at_first = tracemalloc.get_traced_memory()[0]
        for number in range(20_000):
            meter.add(number * 1e-6, number * 2e-6)
        grown = tracemalloc.get_traced_memory()[0] - at_first
    finally:
        tracemalloc.stop()
    assert meter.items == 20_001
    assert grown < 1000, f"bytes for 20,000 items: {grown}"
