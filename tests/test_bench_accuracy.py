from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from output_worlds import header, seen
from poseline.bench.accuracy import compare
from poseline.log import KeypointLog
from poseline.pose import Poses
from poseline.skeleton import Skeleton

SIGMA = Skeleton.for_count(2).sigmas[0]


def person(x: float, shift: float = 0.0, confidence: float = 0.9) -> Poses:
    """One person of 20 x 30 pixels whose two keypoints are `shift` pixels to the right of where they should be."""
    keypoints = np.array([[[x + shift, 10, confidence], [x + shift, 20, confidence]]], np.float32)
    return Poses.of(np.array([[x - 10, 0, x + 10, 30]], np.float32), np.array([0.9], np.float32), keypoints)


def together(*persons: Poses) -> Poses:
    parts = [np.concatenate([getattr(each, name) for each in persons]) for name in ("boxes", "scores", "keypoints")]
    return Poses.of(*parts)


def journal(path: Path, *frames: Poses) -> Path:
    with KeypointLog(path, header()) as log:
        for index, found in enumerate(frames):
            log.frame(seen(index, found))
    return path


def test_the_same_is_1(tmp_path: Path) -> None:
    path = journal(tmp_path / "a.jsonl", person(20), together(person(20), person(45)))
    found = compare(path, path)
    assert found is not None
    assert (found.oks, found.persons) == (1.0, 3)


def test_a_shift_costs_what_the_formula_says(tmp_path: Path) -> None:
    truth, other = journal(tmp_path / "a.jsonl", person(20)), journal(tmp_path / "b.jsonl", person(20, shift=2))
    found = compare(truth, other)
    assert found is not None
    assert found.oks == pytest.approx(math.exp(-(2**2) / (2 * 0.53 * 600 * (2 * SIGMA) ** 2)), abs=1e-4)
    assert found.oks < 0.999


def test_order_does_not_matter(tmp_path: Path) -> None:
    truth = journal(tmp_path / "a.jsonl", together(person(20), person(45)))
    other = journal(tmp_path / "b.jsonl", together(person(45), person(20)))
    found = compare(truth, other)
    assert found is not None
    assert found.oks == 1


def test_who_is_missed_counts_nothing(tmp_path: Path) -> None:
    truth = journal(tmp_path / "a.jsonl", together(person(20), person(45)), person(20))
    other = journal(tmp_path / "b.jsonl", person(20), together(person(20), person(45)))
    found = compare(truth, other)
    assert found is not None
    assert found.oks == pytest.approx(2 / 3)
    assert found.persons == 3


def test_a_frame_that_is_missing_has_nobody(tmp_path: Path) -> None:
    truth = journal(tmp_path / "a.jsonl", person(20), person(20))
    found = compare(truth, journal(tmp_path / "b.jsonl", person(20)))
    assert found is not None
    assert found.oks == 0.5


def test_nobody_to_compare_with(tmp_path: Path) -> None:
    other = journal(tmp_path / "b.jsonl", person(20))
    assert compare(journal(tmp_path / "a.jsonl", Poses.none(2)), other) is None
    assert compare(journal(tmp_path / "c.jsonl", person(20, confidence=0.4)), other) is None, "nobody clearly seen"
