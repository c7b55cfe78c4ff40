"""Angles: the reference numbers, mirrored clips, missing and coinciding points, unwrapping, rates and uncertainty."""

from __future__ import annotations

import json

import numpy as np
import pytest

from analysis_worlds import DATA, NAMES, disturbed, logged, motion, truth
from poseline.analysis import DEFINITIONS, AnalysisOptions, Facing, Motion, analyse_motion
from poseline.analysis.angles import angles, definitions, rates_by_points, unwrapped, velocities
from poseline.analysis.facing import Facings
from poseline.analysis.motion import Doubles
from poseline.analysis.smoothing import smooth
from poseline.analysis.uncertainty import foreshortening, sigma

CASES = json.loads((DATA / "reference_angles.json").read_text(encoding="utf-8"))["cases"]
FAULTS = ("the same points", "knee, all three points the same")
"""Cases of the reference that are wrong: the left wrist takes its points in another order than the right one; three
points at one place are called fully bent."""


def faces(motion: Motion, way: Facing) -> Facings:
    return np.full(len(motion), way, np.int8)


def of_points(names: list[str], points: list[list[float | None]]) -> Motion:
    places = np.array([[np.nan if value is None else value for value in point] for point in points], float)
    return Motion(np.zeros(1), places[None], np.ones((1, len(names))), tuple(names), 100, 100)


def test_there_are_59_reference_cases() -> None:
    assert len(CASES) == 59
    assert sum(case["case"] in FAULTS for case in CASES) == 4


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['angle']}: {case['case']}")
def test_an_angle_is_as_the_reference_has_it(case: dict[str, object]) -> None:
    person = of_points(case["names"], case["points"])  # type: ignore[arg-type] # JSON has no types
    table = [definition.name for definition in definitions(person)]
    value = angles(person, faces(person, Facing.RIGHT))[0, table.index(str(case["angle"]))]
    expected = case["value"] if case["case"] not in FAULTS else None
    if case["angle"] == "left_wrist":
        expected = wrist(case)
    if expected is None:
        assert np.isnan(value)
    else:
        assert value == pytest.approx(expected, abs=1e-6)


def wrist(case: dict[str, object]) -> float:
    """What the right wrist has for the same points."""
    mate = CASES[CASES.index(case) - 1]
    assert mate["angle"] == "right_wrist"
    return float(mate["value"])


def mirrored(person: Motion) -> Motion:
    """The picture seen in a mirror: x turned round, and the left limb is now a right one."""
    swap = [person.index[mirror(name)] for name in person.names]
    points = person.points[:, swap] * [-1.0, 1.0]
    return Motion(person.times, points, person.confidence[:, swap], person.names, person.width, person.height)


def mirror(name: str) -> str:
    sides = {"left": "right", "right": "left"}
    side, _, part = name.partition("_")
    return f"{sides[side]}_{part}" if side in sides else name


@pytest.mark.parametrize("name", ["squat", "sprint", "crossing"])
def test_mirrored_points_give_mirrored_numbers_exactly(name: str) -> None:
    right, left = truth(name), mirrored(truth(name))
    table = [definition.name for definition in definitions(right)]
    swap = [table.index(mirror(angle)) for angle in table]
    straight = angles(right, faces(right, Facing.RIGHT))
    turned = angles(left, faces(left, Facing.LEFT))[:, swap]
    lines = [angle in ("pelvis", "shoulders") for angle in table]
    np.testing.assert_array_equal(turned[:, np.logical_not(lines)], straight[:, np.logical_not(lines)])
    # A line from right to left is drawn from left to right in the mirror: its slope stays, towards where they face.
    np.testing.assert_allclose(turned[:, lines], straight[:, lines], atol=1e-9)


@pytest.mark.parametrize("name", ["squat", "sprint"])
def test_a_mirrored_clip_gives_the_same_analysis(name: str) -> None:
    right, left = analyse_motion(truth(name)), analyse_motion(mirrored(truth(name)))
    assert (right.facing.facings == Facing.RIGHT).all()
    assert (left.facing.facings == Facing.LEFT).all()
    for angle in ("left_knee", "right_hip", "left_elbow", "lean", "right_thigh"):
        np.testing.assert_allclose(left.angles[mirror(angle)], right.angles[angle], atol=1e-6)
    assert left.counts == right.counts


def test_flexion_is_positive_whichever_way_somebody_faces() -> None:
    for name in ("sprint", "squat"):
        person = analyse_motion(truth(name))
        for side in ("left", "right"):
            assert np.nanmin(person.angles[f"{side}_knee"]) > -5
            assert np.nanmax(person.angles[f"{side}_knee"]) > 60


def test_seen_from_the_front_and_back_limbs_are_seen_outwards() -> None:
    person = truth("squat")
    table = [definition.name for definition in definitions(person)]
    right = angles(person, faces(person, Facing.RIGHT))
    for way, same, other in ((Facing.FRONT, "left", "right"), (Facing.BACK, "right", "left")):
        seen = angles(person, faces(person, way))
        np.testing.assert_array_equal(seen[:, table.index(f"{same}_knee")], right[:, table.index(f"{same}_knee")])
        turned = -right[:, table.index(f"{other}_knee")]
        np.testing.assert_allclose(seen[:, table.index(f"{other}_knee")], turned, atol=1e-9)
        np.testing.assert_array_equal(seen[:, table.index("lean")], right[:, table.index("lean")])


def test_feet_and_hands_have_angles_only_where_the_skeleton_has_them() -> None:
    person = truth("squat")
    assert not {"left_ankle", "left_foot", "left_wrist"} & {definition.name for definition in definitions(person)}
    names = (*NAMES, "left_big_toe", "left_heel")
    more = Motion(np.zeros(1), np.random.default_rng(0).normal(size=(1, 19, 2)), np.ones((1, 19)), names, 10, 10)
    found = {definition.name for definition in definitions(more)}
    assert {"left_ankle", "left_foot"} <= found
    assert not {"right_ankle", "right_foot", "left_wrist"} & found
    unknown = Motion(np.zeros(1), np.zeros((1, 2, 2)), np.ones((1, 2)), ("keypoint_0", "keypoint_1"), 10, 10)
    assert angles(unknown, faces(unknown, Facing.RIGHT)).shape == (1, 0)


def test_a_skeleton_in_another_order_gives_the_same_angles() -> None:
    person = truth("sprint")
    order = np.random.default_rng(0).permutation(17)
    names = tuple(person.names[column] for column in order)
    other = Motion(person.times, person.points[:, order], person.confidence[:, order], names, 960, 540)
    way = faces(person, Facing.RIGHT)
    np.testing.assert_array_equal(angles(other, way), angles(person, way))


def test_pixels_that_are_not_square_are_made_so() -> None:
    person = truth("squat")
    narrow = Motion(
        person.times, person.points / [4 / 3, 1], person.confidence, person.names, 405, 960, pixel_aspect=4 / 3
    )
    way = faces(person, Facing.RIGHT)
    np.testing.assert_allclose(angles(narrow.square(), way), angles(person, way), atol=1e-9)
    assert np.abs(angles(narrow, way) - angles(person, way)).max() > 3
    np.testing.assert_allclose(
        analyse_motion(narrow).angles["left_knee"], analyse_motion(person).angles["left_knee"], atol=0.01
    )


def test_coinciding_points_give_no_angle_and_no_warning() -> None:
    person = truth("squat")
    points = person.points.copy()
    points[5, NAMES.index("left_ankle")] = points[5, NAMES.index("left_knee")]
    found = angles(person.with_points(points), faces(person, Facing.RIGHT))
    table = [definition.name for definition in definitions(person)]
    lost = {table[column] for column in np.flatnonzero(np.isnan(found[5]))}
    assert lost == {"left_knee", "left_shank"}
    assert np.isfinite(found[4]).all()


def turning(steps: int, per_step: float) -> Doubles:
    degrees: Doubles = (np.arange(steps, dtype=np.float64) * per_step + 350) % 360 - 180
    return degrees[:, None]


def test_segments_are_unwrapped_by_whole_turns() -> None:
    times = np.arange(60) / 25
    way = np.zeros(60, np.int8)
    degrees = turning(60, 20.0)  # three somersaults
    whole = unwrapped(times, degrees, way, 0.2)[:, 0]
    np.testing.assert_allclose(np.diff(whole), 20)
    holed = degrees.copy()
    holed[20:24] = np.nan  # 0.16 s
    np.testing.assert_allclose(unwrapped(times, holed, way, 0.2)[24:, 0], whole[24:])
    holed[20:40] = np.nan  # nobody knows how many turns that were
    later = unwrapped(times, holed, way, 0.2)[40:, 0]
    assert -180 <= later[0] < 180
    np.testing.assert_allclose(np.diff(later), 20)
    way[30:] = Facing.LEFT
    again = unwrapped(times, degrees, way, 0.2)[:, 0]
    assert -180 <= again[30] < 180


def test_flexion_never_jumps_by_half_a_turn() -> None:
    """An elbow that bends from 20 to 140 degrees while it is not seen."""
    names = ("left_shoulder", "left_elbow", "left_wrist")
    bend = np.radians(np.where(np.arange(40) < 20, 20.0, 140.0))
    points = np.zeros((40, 3, 2))
    points[:, 1] = [0, 60]
    points[:, 2] = np.stack([50 * np.sin(bend), 60 + 50 * np.cos(bend)], axis=1)
    points[15:25] = np.nan
    person = Motion(np.arange(40) / 25, points, np.ones((40, 3)), names, 100, 100)
    found = analyse_motion(person, AnalysisOptions(facing="right")).angles["left_elbow"]
    np.testing.assert_allclose(found[:15], 20, atol=0.5)
    np.testing.assert_allclose(found[25:], 140, atol=0.5)


def test_rates_are_those_of_the_angles() -> None:
    person = smooth(truth("sprint"))
    for way in Facing:
        facing = faces(person.motion, way)
        step = 1e-6
        ahead = angles(person.motion.with_points(person.motion.points + step * person.velocity), facing)
        behind = angles(person.motion.with_points(person.motion.points - step * person.velocity), facing)
        table = definitions(person.motion)
        difference = ((ahead - behind + 180) % 360 - 180) / (2 * step)
        lines = [definition.kind == "line" for definition in table]
        difference[:, lines] = ((ahead - behind + 90) % 180 - 90)[:, lines] / (2 * step)
        rates = rates_by_points(person.motion, person.velocity, facing)
        np.testing.assert_allclose(rates, difference, atol=0.05, rtol=1e-4)
        whole = velocities(person.motion, angles(person.motion, facing), person.velocity, facing)
        assert np.corrcoef(whole[5:-5].ravel(), rates[5:-5].ravel())[0, 1] > 0.95


def test_rates_at_uneven_intervals_by_the_neighbours_that_are_there() -> None:
    """A shank that turns faster and faster, 30 t^2 degrees, through the half turn; one frame is missing."""
    times = np.cumsum(np.random.default_rng(0).uniform(0.02, 0.06, 80))
    turned = np.radians(120 + 30 * times**2)
    points = np.zeros((80, 17, 2))
    points[:] = truth("squat").points[0]
    knee, ankle = NAMES.index("left_knee"), NAMES.index("left_ankle")
    points[:, ankle] = points[:, knee] + 100 * np.stack([np.cos(turned), -np.sin(turned)], axis=1)
    points[[40, 42]] = np.nan
    person = Motion(times, points, np.ones((80, 17)), NAMES, 540, 960)
    facing = faces(person, Facing.RIGHT)
    own = np.where(np.isfinite(points), 7.0, np.nan)  # what stands in beside the gap
    found = velocities(person, angles(person, facing), own, facing)
    column = [definition.name for definition in definitions(person)].index("left_shank")
    np.testing.assert_allclose(found[1:39, column], 60 * times[1:39], atol=1e-6)
    np.testing.assert_allclose(found[44:-1, column], 60 * times[44:-1], atol=1e-6)
    np.testing.assert_allclose(found[39, column], 30 * (times[39] + times[38]), atol=1e-6)
    assert np.isnan(found[[40, 42], column]).all()
    assert found[41, column] == rates_by_points(person, own, facing)[41, column]


@pytest.mark.parametrize(("name", "most"), [("squat", 15), ("sprint", 125)])
def test_rates_of_noisy_points_are_near_the_truth(name: str, most: float) -> None:
    exact = truth(name)
    for seed in range(3):
        person = analyse_motion(disturbed(exact, seed), AnalysisOptions(floor_angle=0, swap_repair=False))
        names = [f"{side}_{joint}" for joint in ("knee", "hip", "elbow") for side in ("left", "right")]
        six = [person.angles.names.index(name) for name in names]
        true = angles(exact, person.facing.facings)[:, six]
        off = person.angles.velocity[:, six] - np.gradient(np.unwrap(true, axis=0, period=360), exact.times, axis=0)
        assert np.sqrt(np.nanmean(off**2)) <= most


def test_sigma_is_how_far_angles_scatter() -> None:
    person = truth("squat")[slice(0, 40)]
    rng = np.random.default_rng(0)
    variance = rng.uniform(0.2, 1.5, (40, 17))
    way = faces(person, Facing.RIGHT)
    exact = angles(person, way)
    tries = [
        (angles(person.with_points(person.points + rng.normal(size=(40, 17, 2)) * np.sqrt(variance)[:, :, None]), way)
         - exact + 180) % 360 - 180
        for _ in range(400)
    ]  # fmt: skip
    scatter, told = np.std(tries, axis=0), sigma(person, variance)
    np.testing.assert_allclose(np.median(scatter / told, axis=0), 1, atol=0.06)
    assert (sigma(person, variance, bias=0.05) > told).all()


@pytest.mark.parametrize("name", ["squat", "sprint"])
def test_the_band_holds_the_truth(name: str) -> None:
    exact = truth(name)
    person = analyse_motion(disturbed(exact, 2), AnalysisOptions(facing="right", swap_repair=False))
    right = angles(exact, faces(exact, Facing.RIGHT))
    off = ((person.angles.degrees - right + 180) % 360 - 180) / person.angles.sigma
    joints = [definition.kind != "line" for definition in person.angles.definitions]
    inside = np.abs(off[:, joints][np.isfinite(off[:, joints])]) < 2
    assert 0.88 < inside.mean() <= 1


@pytest.mark.parametrize("model", ["builtin", "yolo11n"])
@pytest.mark.parametrize("who", [("squat", 1), ("sprint", 1), ("crossing", 2)], ids=str)
def test_a_network_is_off_by_more_than_its_noise_and_the_wider_band_says_so(model: str, who: tuple[str, int]) -> None:
    found, exact = logged(model, *who)
    person = analyse_motion(found, AnalysisOptions(floor_angle=0))
    off = np.abs((person.angles.degrees - angles(exact, person.facing.facings) + 180) % 360 - 180)
    joints = [definition.kind == "joint" for definition in person.angles.definitions]
    seen = np.isfinite(off[:, joints])
    assert (off < 2 * person.angles.sigma)[:, joints][seen].mean() < 0.6
    assert (off < 2 * person.sigma_with_bias)[:, joints][seen].mean() > 0.75


def test_movement_out_of_the_plane_is_told() -> None:
    """A thigh that is raised towards the camera, and one that is raised in the picture."""
    names = ("left_hip", "left_knee", "left_ankle", "right_hip", "right_knee", "right_ankle")
    up = np.radians(np.concatenate([np.zeros(60), np.linspace(0, 70, 40)]))
    points = np.zeros((100, 6, 2))
    points[:, 1] = np.stack([np.zeros(100), 100 * np.cos(up)], axis=1)
    points[:, 4] = np.stack([100 * np.sin(up), 100 * np.cos(up)], axis=1)
    points[:, 2], points[:, 5] = points[:, 1] + [0, 90], points[:, 4] + [0, 90]
    plane = foreshortening(Motion(np.arange(100) / 25, points, np.ones((100, 6)), names, 100, 100))
    table = [definition.name for definition in DEFINITIONS if definition.name in ("left_thigh", "right_thigh")]
    assert table == ["left_thigh", "right_thigh"]
    found = [
        definition.name for definition in definitions(Motion(np.zeros(1), points[:1], np.ones((1, 6)), names, 9, 9))
    ]
    left, right = found.index("left_thigh"), found.index("right_thigh")
    np.testing.assert_allclose(plane.tilt[:, left], np.degrees(up), atol=1e-6)
    assert plane.share[left] == pytest.approx((np.degrees(up) > 30).mean())
    assert plane.share[right] == 0
    assert plane.away[-1, found.index("left_knee")]


def test_the_squat_at_an_angle_is_warned_of() -> None:
    notes = " ".join(analyse_motion(truth("squat")).notes)
    assert "Out of the picture's plane" in notes
    assert "left_knee" in notes


def test_unseen_points_give_no_angle() -> None:
    person = truth("squat")
    points = person.points.copy()
    points[:, NAMES.index("right_wrist")] = np.nan
    found = analyse_motion(motion(person.times, points, (540, 960)))
    assert np.isnan(found.angles["right_elbow"]).all()
    assert np.isnan(found.raw_angles[:, found.angles.names.index("right_forearm")]).all()
    assert np.isfinite(found.angles["left_elbow"]).all()
    assert found.angle_hidden[:, found.angles.names.index("right_elbow")].all()
