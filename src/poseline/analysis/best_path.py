"""The cheapest sequence of states over time: the Viterbi algorithm, for choices that must hold together."""

from __future__ import annotations

import numpy as np

from poseline.analysis.motion import Doubles, Integers


def best_path(costs: Doubles, switching: Doubles) -> Integers:
    """The sequence of states whose costs and changes add up to the least.

    Args:
        costs: (T, S) finite, of being in each state at each time.
        switching: (S, S) or (T, S, S), of going from a state (row) to another (column); with T, those that lead to
            time t stand at t, and the first is not used.

    Returns:
        (T,) int64, one state for each time; of equal ones the lower number.
    """
    count = len(costs)
    steps = np.broadcast_to(switching, (count, *np.shape(switching)[-2:]))
    came = np.zeros(costs.shape, np.int64)
    total = costs[0]
    for time in range(1, count):
        ways = total[:, None] + steps[time]
        came[time] = ways.argmin(axis=0)
        total = ways.min(axis=0) + costs[time]
    path = np.zeros(count, np.int64)
    path[-1] = total.argmin()
    for time in range(count - 1, 0, -1):
        path[time - 1] = came[time, path[time]]
    return path
