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


@pytest.mark.parametrize("shape", [(0, 3), (1, 1), (3, 7), (7, 3), (40, 50)])
@pytest.mark.parametrize("maximize", [True, False])
def test_our_own_solver_finds_pairs_as_good(shape: tuple[int, int], maximize: bool) -> None:
    dice = np.random.default_rng(sum(shape))
    for weights in (dice.random(shape, np.float32), dice.integers(-2, 3, shape).astype(np.float32)):
        rows, columns = assignment.solve(weights, maximize=maximize)
        best = weights[linear_sum_assignment(weights, maximize=maximize)].sum()
        assert weights[rows, columns].sum() == pytest.approx(best, abs=1e-4)
        assert (np.diff(rows) > 0).all()
        assert len(set(columns.tolist())) == len(rows) == min(shape)


def test_without_scipy_our_own_solver_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assignment, "find_spec", lambda _: None)
    assignment._solver.cache_clear()
    try:
        assert assignment._solver() is assignment.solve
    finally:
        assignment._solver.cache_clear()


def test_the_rest_of_scipy_is_not_imported() -> None:
    code = """
import sys
import numpy as np
from poseline.tracking.assignment import assign
print(assign(np.eye(3, dtype=np.float32))[1].tolist(), [name for name in sys.modules if "scipy" in name])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=280)
    assert (done.stdout, done.stderr) == ("[0, 1, 2] []\n", "")


def test_a_scipy_that_keeps_it_elsewhere_is_asked_by_its_public_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PathFinder, "find_spec", lambda *_: None)
    assignment._solver.cache_clear()
    try:
        assert assignment._solver() is linear_sum_assignment
    finally:
        assignment._solver.cache_clear()
