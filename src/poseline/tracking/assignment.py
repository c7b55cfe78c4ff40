"""The assignment problem, solved by scipy's solver without the rest of scipy; where there is no scipy, by our own."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Pairs: TypeAlias = tuple[NDArray[np.intp], NDArray[np.intp]]


def assign(weights: NDArray[np.floating[Any]]) -> Pairs:
    """Rows and columns of the pairing with the greatest sum of `weights`, (N, M): two arrays of min(N, M) indices."""
    rows, columns = _solver()(weights, maximize=True)
    return rows, columns


@cache
def _solver() -> Callable[..., Any]:
    """`scipy.optimize.linear_sum_assignment`, from the one compiled module that it lives in.

    To import all of `scipy.optimize` takes half a second of the CPU, a tenth of a short run, for this one function.
    """
    scipy = find_spec("scipy")  # found, not imported
    if scipy is None:
        return solve
    folders = scipy.submodule_search_locations or ()
    spec = PathFinder.find_spec("_lsap", [str(Path(folder, "optimize")) for folder in folders])
    if spec is None or spec.loader is None:  # another scipy keeps it elsewhere
        from scipy.optimize import linear_sum_assignment

        return linear_sum_assignment
    module: Any = module_from_spec(spec)
    spec.loader.exec_module(module)
    solver: Callable[..., Any] = module.linear_sum_assignment
    return solver


def solve(weights: NDArray[np.floating[Any]], *, maximize: bool = False) -> Pairs:
    """As scipy's `linear_sum_assignment`, a few times slower: shortest augmenting paths (Jonker and Volgenant 1987).

    Each row in turn is given a column. A path of columns leads from it to one that is free; the rows on it change
    theirs. `row_price` and `column_price` are the dual variables, by which no pair costs less than nothing.
    """
    cost = -weights.astype(np.float64) if maximize else weights.astype(np.float64)
    if cost.shape[0] > cost.shape[1]:
        columns, rows = solve(cost.T)
        order = rows.argsort()
        return rows[order], columns[order]
    count, width = cost.shape
    row_price, column_price = np.zeros(count), np.zeros(width)
    owner = np.full(width, -1)
    for new in range(count):
        row, column = new, -1
        least, before, done = np.full(width, np.inf), np.full(width, -1), np.zeros(width, bool)
        while True:
            reduced = cost[row] - row_price[row] - column_price
            nearer = ~done & (reduced < least)
            least[nearer], before[nearer] = reduced[nearer], column
            column = int(np.where(done, np.inf, least).argmin())
            step = least[column]
            row_price[[new, *owner[done]]] += step
            column_price[done] -= step
            least[~done] -= step
            done[column] = True
            if owner[column] < 0:
                break
            row = owner[column]
        while column >= 0:  # back along the path
            last = before[column]
            owner[column] = new if last < 0 else owner[last]
            column = last
    columns = np.flatnonzero(owner >= 0)
    rows = owner[columns]
    order = rows.argsort()
    return rows[order], columns[order]
