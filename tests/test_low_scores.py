"""People of low score: who is followed is found down to `tracking.low`, and nobody else is below `conf`."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from media_worlds import ScriptedSource, number_in, settings
from output_worlds import SKELETON
from poseline.frame import Frame, Pixels
from poseline.inference import ModelSpec, PoseEstimator, ScriptedRuntime, infer
from poseline.inference.letterbox import Letterbox
from poseline.inference.roi import RoiSelector
from poseline.pipeline import open_pose_stream
from poseline.pose import UNTRACKED, Floats, Observation, Poses
from poseline.settings import InferenceSettings, TrackingSettings
from poseline.tracking import Tracker, track

FAR = 400.0
"""Pixels to somebody else."""


def observation(number: int, *people: tuple[float, float]) -> Observation:
    """People standing at some x, of some score, at 30 frames a second."""
    pixels = np.full((360, 640, 3), 96, np.uint8)
    frame = Frame(pixels, number, number, Fraction(1, 30), number / 30, number / 30, "world")
    ordered = sorted(people, key=lambda person: -person[1])
    boxes = np.array([(x, 100, x + 50, 250) for x, _ in ordered], np.float32).reshape(-1, 4)
    points = np.array([[(x + 25, 110, 0.9), (x + 5, 180, 0.9)] for x, _ in ordered], np.float32).reshape(-1, 2, 3)
    return Observation(frame, Poses.of(boxes, np.array([score for _, score in ordered], np.float32), points))


def followed(conf: float, *scores: Sequence[tuple[float, float]]) -> list[list[tuple[int, float]]]:
    """(id, score) of everybody in each frame."""
    tracker = Tracker(TrackingSettings(), SKELETON.sigmas, conf)
    seen = track((observation(number, *people) for number, people in enumerate(scores)), tracker)
    return [
        [
            (identity, round(score, 2))
            for identity, score in zip(one.poses.ids.tolist(), one.poses.scores.tolist(), strict=True)
        ]
        for one in seen
    ]


def test_who_is_followed_stays_while_hardly_seen() -> None:
    scores = [0.9, 0.6, 0.3, 0.2, 0.12, 0.2, 0.8]
    assert followed(0.25, *[[(100.0, score)] for score in scores]) == [[(1, score)] for score in scores]


def test_below_low_nobody_is_followed() -> None:
    assert followed(0.25, [(100.0, 0.9)], [(100.0, 0.05)], [(100.0, 0.9)]) == [[(1, 0.9)], [], [(1, 0.9)]]


def test_a_faint_stranger_is_nobody_and_starts_no_track() -> None:
    frames = [[(100.0, 0.9), (100 + FAR, 0.2)]] * 10
    assert followed(0.25, *frames) == [[(1, 0.9)]] * 10


def test_one_between_conf_and_new_is_shown_without_an_id_as_before() -> None:
    assert followed(0.25, *[[(100.0, 0.9), (100 + FAR, 0.3)]] * 3) == [[(1, 0.9), (UNTRACKED, 0.3)]] * 3


def test_a_high_conf_is_the_score_that_starts_a_track() -> None:
    frames = [[(100.0, 0.9), (100 + FAR, 0.7)]] * 5
    assert followed(0.8, *frames) == [[(1, 0.9)]] * 5
    assert followed(0.8, [(100.0, 0.9)], [(100.0, 0.7)], [(100.0, 0.3)]) == [[(1, 0.9)], [(1, 0.7)], [(1, 0.3)]]


def test_a_lower_conf_than_low_changes_nothing() -> None:
    assert followed(0.05, *[[(100.0, 0.9), (100 + FAR, 0.07)]] * 2) == [[(1, 0.9), (UNTRACKED, 0.07)]] * 2


# Through the whole pipeline: a network whose person's score is told by the picture

SCORES = [0.9, 0.9, 0.2, 0.15, 0.9, 0.05, 0.9]


def by_number(pixels: Pixels) -> Floats:
    """One person, and a stranger beside them of score 0.2."""
    number = number_in(pixels[0, :, 8:56].transpose(1, 2, 0))
    found = np.zeros((11, 2), np.float32)
    found[:, 0] = [16, 32, 16, 32, SCORES[number], 16, 20, 0.9, 12, 30, 0.9]
    found[:, 1] = [52, 32, 16, 32, 0.2, 52, 20, 0.9, 50, 30, 0.9]
    return found


def counts(**sections: dict[str, Any]) -> list[int]:
    spec = ModelSpec("scores", Path("scores.xml"), "openvino", "0" * 64, {0: "person"}, (2, 3), 32, False, SKELETON)
    chosen = settings(**{"tracking": {"enabled": True}, **sections})
    inference = chosen.inference.model_copy(update={"imgsz": 64})
    estimator = PoseEstimator(spec, ScriptedRuntime(by_number), inference)
    with open_pose_stream(ScriptedSource(len(SCORES)), estimator, chosen) as running:
        return [len(one.poses) for one in running.items]


def test_the_network_is_asked_down_to_low_where_people_are_tracked() -> None:
    assert counts() == [1, 1, 1, 1, 1, 0, 1]
    assert counts(tracking={"enabled": True, "low": 0.25}) == [1, 1, 0, 0, 1, 0, 1]


def test_without_tracking_conf_alone_counts() -> None:
    assert counts(tracking={"enabled": False}) == [1, 1, 0, 0, 1, 0, 1]
    assert counts(tracking={"enabled": False}, inference={"conf": 0.1}) == [2, 2, 2, 2, 2, 1, 2]


def test_a_run_of_ones_own_gives_low_scores_if_asked() -> None:
    spec = ModelSpec("scores", Path("scores.xml"), "openvino", "0" * 64, {0: "person"}, (2, 3), 32, False, SKELETON)
    estimator = PoseEstimator(spec, ScriptedRuntime(by_number), InferenceSettings(imgsz=64))

    def found(low: float | None) -> list[int]:
        return [len(one.poses) for one in infer(ScriptedSource(len(SCORES)).frames(), estimator, low=low)]

    assert found(None) == found(0.5) == [1, 1, 0, 0, 1, 0, 1]
    assert found(0.1) == [2, 2, 2, 2, 2, 1, 2]


@pytest.mark.parametrize("faint", [0.2, 0.3])
def test_a_part_of_the_picture_holds_those_who_count(faint: float) -> None:
    """Somebody faint at the other edge widens the part only if they are above `conf`."""
    roi, whole = RoiSelector(12, 32, conf=0.25), Letterbox.fit(640, 360, 640, 32)
    roi.letterbox(observation(0).frame, whole)
    for number in range(3):
        seen = observation(number, (100.0, 0.9), (100 + FAR, faint))
        roi.note(seen, whole)
        part = roi.letterbox(observation(number + 1).frame, whole)
    assert (part.size[0] < 400) == (faint < 0.25)
