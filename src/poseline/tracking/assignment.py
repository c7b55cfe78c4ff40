"""The assignment problem, solved by scipy's solver without the rest of scipy."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from poseline.pose import Floats

Pairs: TypeAlias = tuple[NDArray[np.intp], NDArray[np.intp]]


def assign(weights: Floats) -> Pairs:
    """Rows and columns of the pairing with the greatest sum of `weights`, (N, M): two arrays of min(N, M) indices."""
    rows, columns = _solver()(weights, maximize=True)
    return rows, columns


@cache
def _solver() -> Callable[..., Any]:
    """`scipy.optimize.linear_sum_assignment`, from the one compiled module that it lives in.

    To import all of `scipy.optimize` takes half a second of the CPU, a tenth of a short run, for this one function.
    """
    scipy = find_spec("scipy")  # found, not imported
    folders = (scipy and scipy.submodule_search_locations) or ()
    spec = PathFinder.find_spec("_lsap", [str(Path(folder, "optimize")) for folder in folders])
    if spec is None or spec.loader is None:  # another scipy keeps it elsewhere
        from scipy.optimize import linear_sum_assignment

        return linear_sum_assignment
    module: Any = module_from_spec(spec)
    spec.loader.exec_module(module)
    solver: Callable[..., Any] = module.linear_sum_assignment
    return solver
