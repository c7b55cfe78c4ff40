"""The input, the whole chain on odd input, and how long it takes."""

from __future__ import annotations

import subprocess
import sys
import time
import warnings

import numpy as np
import pytest

from analysis_worlds import NAMES, disturbed, motion, truth
from poseline.analysis import AnalysisOptions, Known, Motion, Smoothing, analyse_motion
from poseline.analysis.motion import Doubles

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"times": np.array([0.0, 0.1, 0.1])}, "strictly rising"),
        ({"times": np.array([0.0, np.nan, 0.2])}, "finite"),
        ({"points": np.zeros((3, 2, 2))}, r"points must have shape \(3, 17, 2\), got \(3, 2, 2\)"),
        ({"confidence": np.zeros((3, 16))}, "confidence must have shape"),
        ({"boxes": np.zeros((3, 5))}, "boxes must have shape"),
        ({"points": np.full((3, 17, 2), np.inf)}, "finite, or NaN"),
        ({"pixel_aspect": 0.0}, "pixel_aspect must be above 0"),
        ({"names": ("nose",) * 17}, "same name"),
        ({"times": np.zeros(0), "points": np.zeros((0, 17, 2)), "confidence": np.zeros((0, 17))}, "at least one frame"),
    ],
)
def test_a_motion_that_does_not_fit_together_is_an_error(change: dict[str, object], words: str) -> None:
    good: dict[str, object] = {
        "times": np.arange(3) / 25,
        "points": np.zeros((3, 17, 2)),
        "confidence": np.ones((3, 17)),
        "names": NAMES,
        "width": 960,
        "height": 540,
    }
    Motion(**good)  # type: ignore[arg-type] # by name
    with pytest.raises(ValueError, match=words):
        Motion(**{**good, **change})  # type: ignore[arg-type] # by name


def test_points_are_looked_up_by_name() -> None:
    person = truth("squat")
    np.testing.assert_array_equal(person.place("left_knee"), person.points[:, 13])
    np.testing.assert_array_equal(person.place("mid_hip"), person.points[:, 11:13].mean(axis=1))
    assert person.has("mid_hip", "nose")
    assert not person.has("mid_hip", "neck")
    assert not person.has("mid_nose")
    with pytest.raises(KeyError, match="neck"):
        person.place("neck")


def test_a_point_without_confidence_is_not_seen() -> None:
    person = truth("squat")
    confidence = np.ones_like(person.confidence)
    confidence[:, 9] = 0
    confidence[:, 10] = np.nan
    points = person.points.copy()
    points[:, 9] = points[:, 10] = 0  # where networks put what they do not see
    given = Motion(person.times, points, confidence, NAMES, 540, 960)
    assert not given.seen[:, 9:11].any()
    found = analyse_motion(given)
    assert np.isnan(found.angles["left_elbow"]).all()
    assert np.isnan(found.raw_angles[:, found.angles.names.index("right_elbow")]).all()


def shapes(count: int) -> Doubles:
    points: Doubles = RANDOM.normal(300, 50, (count, 17, 2))
    return points


def holes(points: Doubles, share: float) -> Doubles:
    return np.where(RANDOM.uniform(size=points.shape[:2])[:, :, None] < share, np.nan, points)


STEPS = np.cumsum(np.where(np.arange(60) == 30, 1000.0, 1 / 30), dtype=np.float64)
ODD = {
    **{f"{count} frames": motion(np.arange(count) / 30, shapes(count)) for count in (1, 2, 3, 4, 5, 7, 10)},
    "nothing seen": motion(np.arange(30) / 30, np.full((30, 17, 2), np.nan)),
    "seen once": motion(np.arange(30) / 30, np.where(np.arange(30)[:, None, None] == 9, shapes(30), np.nan)),
    "half seen": motion(np.arange(90) / 30, holes(shapes(90), 0.5)),
    "nobody stirs": motion(np.arange(60) / 30, np.repeat(shapes(1), 60, axis=0)),
    "all at one place": motion(np.arange(60) / 30, np.full((60, 17, 2), 100.0)),
    "a long pause": motion(STEPS, shapes(60)),
    "tiny steps": motion(np.cumsum(RANDOM.choice([1e-6, 0.04], 60), dtype=np.float64), shapes(60)),
    "one frame in ten seconds": motion(np.arange(0.0, 600.0, 10.0), shapes(60)),
    "late": motion(1e6 + np.arange(60) / 30, shapes(60)),
    "large": motion(np.arange(60) / 30, shapes(60) * 100),
    "no hips": motion(np.arange(50) / 30, shapes(50)[:, :15], names=tuple(n for n in NAMES if "hip" not in n)),
    "no shoulders": motion(np.arange(50) / 30, shapes(50)[:, :15], names=tuple(n for n in NAMES if "shoul" not in n)),
    "unknown names": motion(np.arange(50) / 30, shapes(50)[:, :9], names=tuple(f"keypoint_{i}" for i in range(9))),
    "a nose": motion(np.arange(50) / 30, shapes(50)[:, :1], names=("nose",)),
    "a left leg": motion(np.arange(50) / 30, shapes(50)[:, :3], names=("left_hip", "left_knee", "left_ankle")),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize(
    "options",
    [
        AnalysisOptions(known=Known(height=1.8)),
        AnalysisOptions(smoothing=Smoothing("butterworth", 0.04), known=Known(px_per_m=100.0), camera="still"),
        AnalysisOptions(smoothing=Smoothing("none"), swap_repair=False, facing="left", floor_angle=5.0, events=()),
    ],
    ids=["auto", "butterworth", "none"],
)
def test_odd_motions_are_analysed_without_a_warning(name: str, options: AnalysisOptions) -> None:
    given = ODD[name]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        person = analyse_motion(given, options)
    assert person.angles.degrees.shape == (len(given), len(person.angles.names))
    assert person.angles.velocity.shape == person.angles.sigma.shape == person.raw_angles.shape
    assert person.swapped.shape == person.hidden.shape == given.seen.shape
    assert not np.isinf(person.angles.degrees).any()
    assert not np.isinf(person.smoothed.motion.points).any()
    assert all(note.strip() for note in person.notes)


def test_the_given_motion_is_not_changed() -> None:
    given = disturbed(truth("sprint"), 0)
    points, confidence = given.points.copy(), given.confidence.copy()
    analyse_motion(given, AnalysisOptions(known=Known(height=1.7)))
    np.testing.assert_array_equal(given.points, points)
    np.testing.assert_array_equal(given.confidence, confidence)


def test_four_thousand_frames_take_a_second_or_two() -> None:
    """Measured 0.6 s of one core; the limit is for a machine ten times slower."""
    short = disturbed(truth("squat"), 0)
    repeats = 4_000 // len(short) + 1
    there_and_back = [short.points[:: 1 - 2 * (number % 2)] for number in range(repeats)]
    points = np.concatenate(there_and_back)[:4_000]
    confidence = np.tile(short.confidence, (repeats, 1))[:4_000]
    long = Motion(np.arange(4_000) / 25, points, confidence, NAMES, 540, 960)
    began = time.process_time()
    person = analyse_motion(long, AnalysisOptions(known=Known(height=1.8)))
    assert time.process_time() - began < 6
    assert 52 <= person.counts["squat"] <= 60


def test_it_needs_no_model_no_video_and_no_scipy() -> None:
    code = "import sys, poseline.analysis; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=280, check=True)
    assert not {"openvino", "torch", "ultralytics", "onnxruntime", "av", "cv2", "scipy"} & set(done.stdout.split())
