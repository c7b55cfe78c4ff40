"""Where a person faces, against the renders' known headings; and the cheapest sequence of states."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from analysis_worlds import NAMES, logged, motion, truth
from poseline.analysis import Facing
from poseline.analysis.best_path import best_path
from poseline.analysis.facing import FacingOption, facing, outward

KNOWN = {
    ("squat", 1): [Facing.RIGHT],
    ("sprint", 1): [Facing.RIGHT],
    ("crossing", 1): [Facing.RIGHT, Facing.LEFT],
    ("crossing", 2): [Facing.LEFT, Facing.RIGHT],
    ("crowd", 1): [Facing.RIGHT],
    ("crowd", 2): [Facing.LEFT],
    ("crowd", 3): [Facing.LEFT, Facing.BACK],
    ("crowd", 4): [Facing.FRONT],
    ("crowd", 5): [Facing.FRONT],
    ("crowd", 8): [Facing.FRONT],
}


def stages(facings: np.ndarray) -> list[int]:
    return [int(way) for row, way in enumerate(facings) if row == 0 or way != facings[row - 1]]


@pytest.mark.parametrize("who", KNOWN, ids=str)
def test_the_truth_of_the_samples(who: tuple[str, int]) -> None:
    choice = facing(truth(*who))
    assert stages(choice.facings) == KNOWN[who]
    assert choice.agreement > 0.8


@pytest.mark.parametrize("model", ["builtin", "yolo11n"])
@pytest.mark.parametrize("who", [("squat", 1), ("sprint", 1), ("crossing", 1), ("crossing", 2)], ids=str)
def test_logs_of_the_samples(model: str, who: tuple[str, int]) -> None:
    found, _ = logged(model, *who)
    assert stages(facing(found).facings) == KNOWN[who]


def test_a_head_that_turns_changes_nothing() -> None:
    person = truth("sprint")
    points = person.points.copy()
    for name in ("nose", "left_eye", "right_eye"):  # looks back for a second
        column = NAMES.index(name)
        ears = points[60:90, [NAMES.index("left_ear"), NAMES.index("right_ear")]].mean(axis=1)
        points[60:90, column, 0] = 2 * ears[:, 0] - points[60:90, column, 0]
    assert stages(facing(person.with_points(points)).facings) == [Facing.RIGHT]


def test_a_few_odd_frames_change_nothing() -> None:
    person = truth("crowd", 1)
    points = person.points.copy()
    points[50:53] = points[50:53] * [-1, 1] + [2 * points[50, 11, 0], 0]
    assert stages(facing(person.with_points(points)).facings) == [Facing.RIGHT]


@pytest.mark.parametrize("option", ["right", "left", "front", "back"])
def test_it_can_be_set(option: FacingOption) -> None:
    choice = facing(truth("sprint"), option)
    assert (choice.facings == Facing[option.upper()]).all()
    assert choice.agreement == 1


def test_points_that_tell_nothing_are_told_of() -> None:
    still = motion(np.arange(10) / 25, np.tile([[100.0, 200.0]], (10, 17, 1)))
    assert np.isnan(facing(still).agreement)


def test_limbs_point_outwards_from_the_front_and_the_back() -> None:
    way = outward(np.array([Facing.RIGHT, Facing.LEFT, Facing.FRONT, Facing.BACK], np.int8))
    assert way["left"].tolist() == [1, -1, 1, -1]
    assert way["right"].tolist() == [1, -1, -1, 1]
    assert way["middle"].tolist() == [1, -1, 1, 1]


@pytest.mark.parametrize("seed", range(5))
def test_the_best_path_is_the_best_of_all(seed: int) -> None:
    rng = np.random.default_rng(seed)
    costs, switching = rng.uniform(size=(6, 3)), rng.uniform(size=(6, 3, 3))

    def price(path: tuple[int, ...]) -> float:
        own = sum(costs[time, state] for time, state in enumerate(path))
        return float(own + sum(switching[time, path[time - 1], path[time]] for time in range(1, 6)))

    best = min(product(range(3), repeat=6), key=price)
    assert tuple(best_path(costs, switching)) == best
