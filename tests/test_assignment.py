"""The assignment problem: scipy's answers, without scipy's import."""

from __future__ import annotations

import subprocess
import sys
from importlib.machinery import PathFinder

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from poseline.tracking import assignment


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (3, 7), (7, 3), (40, 50)])
def test_the_pairs_are_scipys(shape: tuple[int, int]) -> None:
    weights = np.random.default_rng(sum(shape)).random(shape, np.float32)
    for found, expected in zip(assignment.assign(weights), linear_sum_assignment(weights, maximize=True), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_the_rest_of_scipy_is_not_imported() -> None:
    code = """
import sys
import numpy as np
from poseline.tracking.assignment import assign
print(assign(np.eye(3, dtype=np.float32))[1].tolist(), [name for name in sys.modules if "scipy" in name])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("[0, 1, 2] []\n", "")


def test_a_scipy_that_keeps_it_elsewhere_is_asked_by_its_public_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PathFinder, "find_spec", lambda *_: None)
    assignment._solver.cache_clear()
    try:
        assert assignment._solver() is linear_sum_assignment
    finally:
        assignment._solver.cache_clear()
