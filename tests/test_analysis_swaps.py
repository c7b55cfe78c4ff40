"""Left and right taken for each other: synthetic exchanges, the models' own, and good frames that stay."""

from __future__ import annotations

import numpy as np
import pytest

from analysis_worlds import NAMES, PAIRS, disturbed, logged, mended, truth
from poseline.analysis import AnalysisOptions, Motion, analyse_motion
from poseline.analysis.motion import Doubles
from poseline.analysis.swaps import repair

KINDS = {
    "legs": ("knee", "ankle"),
    "ankles": ("ankle",),
    "arms": ("elbow", "wrist"),
    "whole body": tuple(PAIRS),
}


def exchanged(points: Doubles, rows: slice, parts: tuple[str, ...]) -> Doubles:
    result = points.copy()
    for left, right in (PAIRS[part] for part in parts):
        result[rows, left], result[rows, right] = points[rows, right], points[rows, left]
    return result


def noisy(exact: Motion, seed: int) -> Motion:
    rng = np.random.default_rng(seed)
    return exact.with_points(exact.points + rng.normal(size=exact.points.shape) * 0.02 * exact.torso)


def with_swaps(exact: Motion, seed: int) -> Motion:
    """5 % of the frames, in runs of 1 to 6, exchanged in one way or another."""
    rng = np.random.default_rng(seed)
    points, hit = noisy(exact, seed).points, np.zeros(len(exact), bool)
    while hit.sum() < 0.05 * len(exact):
        start, length = int(rng.integers(1, len(exact) - 8)), int(rng.integers(1, 7))
        if not hit[max(0, start - 3) : start + length + 3].any():
            hit[start : start + length] = True
            points = exchanged(points, slice(start, start + length), KINDS[str(rng.choice(list(KINDS)))])
    return exact.with_points(points)


@pytest.mark.parametrize("name", ["squat", "sprint", "crossing"])
def test_synthetic_swaps_are_mended(name: str) -> None:
    swapped = fixed = broken = good = 0
    for person in (1, 2, 3) if name == "crossing" else (1,):
        for seed in (0, 1):
            exact = truth(name, person)
            given = with_swaps(exact, seed)
            counts = mended(given.points, repair(given).motion.points, exact)
            swapped, fixed, broken, good = (a + b for a, b in zip((swapped, fixed, broken, good), counts, strict=True))
    assert swapped >= 10
    assert fixed >= 0.9 * swapped
    assert broken <= 0.002 * good


def test_good_frames_stay_good() -> None:
    for name in ("squat", "sprint"):
        exact = truth(name)
        for given in (exact, noisy(exact, 4)):
            assert not repair(given).swapped.any()
        rough = disturbed(exact, 4)
        _, _, broken, good = mended(rough.points, repair(rough).motion.points, exact)
        assert broken <= 0.002 * good


@pytest.mark.parametrize("model", ["builtin", "yolo11n"])
def test_logs_of_the_crossing_get_better(model: str) -> None:
    fixed = broken = 0
    for person in (1, 2, 3):
        found, exact = logged(model, "crossing", person)
        counts = mended(found.points, repair(found).motion.points, exact)
        fixed, broken = fixed + counts[1], broken + counts[2]
    assert fixed >= {"builtin": 1, "yolo11n": 10}[model]
    assert fixed >= 5 * broken


@pytest.mark.parametrize("model", ["builtin", "yolo11n"])
@pytest.mark.parametrize("name", ["squat", "sprint"])
def test_logs_of_one_person_break_nowhere(model: str, name: str) -> None:
    found, exact = logged(model, name)
    assert mended(found.points, repair(found).motion.points, exact)[2] == 0


def test_ankles_that_are_exchanged_from_one_crossing_to_the_next_are_told_by_the_shins() -> None:
    exact = truth("sprint")
    left, right = PAIRS["ankle"]
    across = np.flatnonzero(np.diff(np.sign(exact.points[:, left, 0] - exact.points[:, right, 0]))) + 1
    rows = slice(int(across[6]), int(across[7]))
    given = exact.with_points(exchanged(noisy(exact, 0).points, rows, ("ankle",)))
    repaired = repair(given)
    assert repaired.swapped[rows, left].mean() > 0.7
    assert mended(given.points, repaired.motion.points, exact)[1:3] == (mended(given.points, given.points, exact)[0], 0)


def test_what_was_exchanged_is_flagged_and_only_that() -> None:
    exact = truth("sprint")
    rows = slice(60, 64)
    given = exact.with_points(exchanged(noisy(exact, 0).points, rows, ("knee", "ankle")))
    swapped = repair(given).swapped
    parts = [index for part in ("knee", "ankle") for index in PAIRS[part]]
    assert swapped[rows][:, parts].all()
    assert swapped.sum() == 4 * 4
    person = analyse_motion(given)
    np.testing.assert_array_equal(person.swapped, swapped)


def test_confidence_goes_with_its_point() -> None:
    exact = truth("sprint")
    confidence = exact.confidence.copy()
    confidence[:] = 0.9
    left, right = PAIRS["knee"]
    confidence[60:64, left] = 0.2
    points = exchanged(noisy(exact, 0).points, slice(60, 64), ("knee", "ankle"))
    given = Motion(exact.times, points, confidence, exact.names, 960, 540)
    np.testing.assert_array_equal(repair(given).motion.confidence[60:64, right], 0.2)


def test_feet_go_with_their_ankles() -> None:
    exact = truth("sprint")
    names = (*NAMES, "left_big_toe", "right_big_toe")
    toes = exact.points[:, [NAMES.index("left_ankle"), NAMES.index("right_ankle")]] + [20, 10]
    points = exchanged(exact.points, slice(60, 64), ("knee", "ankle"))
    given = np.concatenate([points, toes], axis=1)
    given[60:64, 17], given[60:64, 18] = toes[60:64, 1], toes[60:64, 0]
    person = Motion(exact.times, given, np.ones((len(exact), 19)), names, 960, 540)
    np.testing.assert_array_equal(repair(person).motion.points[:, 17:], toes)


def test_it_can_be_switched_off() -> None:
    given = with_swaps(truth("sprint"), 0)
    assert not analyse_motion(given, AnalysisOptions(swap_repair=False)).swapped.any()
    assert analyse_motion(given).swapped.any()
