"""Metres, the floor, the camera, and what is made of them, against the renders' world."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from analysis_worlds import DATA, NAMES, disturbed, jumper, logged, motion, truth
from poseline.analysis import AnalysisOptions, Known, Motion, PersonAnalysis, analyse_motion
from poseline.analysis.floor import levelled, together
from poseline.analysis.mechanics import SEGMENTS, centre_of_mass
from poseline.analysis.motion import Doubles
from poseline.errors import SettingsError

WORLD = json.loads((DATA / "truth_metres.json").read_text(encoding="utf-8"))["clips"]
"""By clip and person: stature; and, every tenth frame, pixels of a metre and the hips' place in metres."""
UPRIGHT = [("squat", 1), ("crossing", 1), ("crossing", 2), *(("crowd", number) for number in range(1, 8))]
"""People who stand or walk; the eighth of the crowd squats throughout, the third of the crossing comes very near."""


@cache
def analysed(clip: str, number: int) -> PersonAnalysis:
    return analyse_motion(truth(clip, number), by_height(clip, number))


def by_height(clip: str, number: int) -> AnalysisOptions:
    return AnalysisOptions(known=Known(height=WORLD[clip][str(number)]["stature"]))


def rows(clip: str, number: int) -> tuple[Doubles, Doubles, list[int]]:
    """True pixels of a metre, places of the hips, and the rows of the person's motion that they are of."""
    world = WORLD[clip][str(number)]
    frames = [frame - world["frames"][0] for frame in world["frames"]]
    return np.array(world["px_per_m"]), np.array(world["hip"]), frames


@pytest.mark.parametrize(("clip", "number"), UPRIGHT)
def test_the_height_gives_the_scale_within_two_percent_without_feet(clip: str, number: int) -> None:
    person = analysed(clip, number)
    pixels, _, frames = rows(clip, number)
    assert person.scale is not None
    assert float(np.mean(person.scale.px_per_m[frames] / pixels)) == pytest.approx(1, abs=0.02)
    assert person.scale.sigma == 0.02


@pytest.mark.parametrize("model", ["builtin", "yolo11n"])
def test_logs_give_the_scale_within_four_percent(model: str) -> None:
    for clip, number in (("squat", 1), ("crossing", 1), ("crossing", 2)):
        found, _ = logged(model, clip, number)
        person = analyse_motion(found, by_height(clip, number))
        pixels, _, _ = rows(clip, number)
        assert person.scale is not None
        assert float(np.mean(person.scale.px_per_m) / np.mean(pixels)) == pytest.approx(1, abs=0.04)


def test_somebody_who_comes_nearer_takes_the_scale_along() -> None:
    for number in (1, 2):
        person = analysed("crossing", number)
        pixels, hips, frames = rows("crossing", number)
        assert person.scale is not None
        assert person.scale.varies
        assert pixels.max() / pixels.min() > 1.1
        assert np.abs(person.scale.px_per_m[frames] / pixels - 1).max() < 0.05
        metres = person.mechanics.points_m
        assert metres is not None
        place = metres[:, 11:13].mean(axis=1)[frames]
        assert np.abs(place - hips).max() < 0.15  # of 8 m across, and 1 m up
        assert "comes nearer" in " ".join(person.notes)


def test_speeds_in_metres_are_right_at_uneven_intervals() -> None:
    for number in (1, 2):
        person = analysed("crossing", number)
        _, hips, frames = rows("crossing", number)
        speed = person.mechanics.velocity_m
        assert speed is not None
        walked = person.smoothed.motion.times[frames]
        middle = slice(0, 9)  # before they turn
        true = (hips[middle][-1, 0] - hips[0, 0]) / (walked[middle][-1] - walked[0])
        found = speed[frames[0] : frames[8] + 1, 11:13, 0].mean()
        assert found == pytest.approx(true, rel=0.03)


def test_a_constant_scale_tells_by_how_much_it_is_off() -> None:
    person = analyse_motion(truth("crossing", 1), AnalysisOptions(known=Known(px_per_m=135.0)))
    assert person.scale is not None
    assert not person.scale.varies
    assert person.scale.drift == pytest.approx(0.2, abs=0.05)
    assert "metres hold only at the distance" in " ".join(person.notes)
    assert analyse_motion(truth("crowd", 1), AnalysisOptions(known=Known(px_per_m=200.0))).scale.drift == 0  # type: ignore[union-attr] # it has one


def test_two_points_of_known_distance_and_pixels_that_are_not_square() -> None:
    wide = replace(truth("crowd", 1), pixel_aspect=1.5)
    person = analyse_motion(wide, AnalysisOptions(known=Known(points=(100, 50, 300, 50, 2.0)), camera="still"))
    assert person.scale is not None
    np.testing.assert_allclose(person.scale.px_per_m, 150)
    assert person.scale.sigma == pytest.approx(2**0.5 / 300)
    upright = analyse_motion(wide, AnalysisOptions(known=Known(points=(100, 50, 100, 250, 2.0)), camera="still"))
    assert upright.scale is not None
    np.testing.assert_allclose(upright.scale.px_per_m, 100)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"height": 180.0}, "in metres"),
        ({"height": 1.8, "px_per_m": 100.0}, "not several"),
        ({"px_per_m": -3.0}, "a metre has 0.01 to 1e.06 pixels, got -3"),
        ({"px_per_m": 1e-320}, "a metre has"),
        ({"px_per_m": np.nan}, "a metre has"),
        ({"points": (0.0, 0.0, 9.0, 0.0, 1e-9)}, "a metre has"),
        ({"points": (5, 5, 5, 5, 1.0)}, "more than a pixel apart"),
        ({"points": (5, 5, 50, 5, 0.0)}, "above 0 m"),
    ],
)
def test_what_is_known_must_make_sense(given: dict[str, object], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        Known(**given)  # type: ignore[arg-type] # by name, as options come


def test_nothing_known_gives_no_metres() -> None:
    person = analyse_motion(truth("squat"))
    assert person.scale is None
    assert person.mechanics.points_m is None
    assert person.mechanics.distance_m is None


def rolled(person: Motion, degrees: float) -> Motion:
    """As a camera turned clockwise sees it: the floor rises to the picture's right."""
    return person.with_points(levelled(person.points, -degrees, (person.width / 2, person.height / 2)))


@pytest.mark.parametrize(("clip", "number"), [("crossing", 1), ("crossing", 2), ("crowd", 1), ("crowd", 2)])
def test_a_rolled_camera_is_found_out_within_half_a_degree(clip: str, number: int) -> None:
    level, turned = truth(clip, number), rolled(truth(clip, number), 5)
    assert analyse_motion(level).floor.degrees == pytest.approx(0, abs=0.5)
    person = analyse_motion(turned)
    assert person.floor.degrees == pytest.approx(5, abs=0.5)
    assert person.floor.sigma <= 0.7
    straight = analyse_motion(level, AnalysisOptions(floor_angle=0))
    for angle, most in (("lean", 0.6), ("left_knee", 0.05)):
        assert np.nanmedian(np.abs(person.angles[angle] - straight.angles[angle])) < most


def test_the_floor_of_several_people_is_surer() -> None:
    floors = [analyse_motion(rolled(truth("crossing", number), 5)).floor for number in (1, 2, 3)]
    both = together(floors)
    assert both.degrees == pytest.approx(5, abs=0.4)
    assert both.sigma < min(floor.sigma for floor in floors)
    assert not together([]).known


def test_a_floor_that_feet_do_not_tell_is_not_told() -> None:
    for name in ("squat", "sprint"):
        person = analyse_motion(truth(name))
        assert not person.floor.known
        assert person.floor.degrees == 0
        assert "slope is not known" in " ".join(person.notes)
    told = analyse_motion(truth("squat"), AnalysisOptions(floor_angle=3.0)).floor
    assert told.known
    assert told.degrees == 3


@pytest.mark.parametrize("name", ["squat", "crossing", "crowd"])
def test_cameras_at_rest_are_told(name: str) -> None:
    for number in WORLD[name]:
        assert analysed(name, int(number)).camera.verdict == "still"


@pytest.mark.parametrize("model", ["truth", "builtin", "yolo11n"])
def test_a_camera_that_follows_is_told_and_gives_no_metres(model: str) -> None:
    runner = truth("sprint") if model == "truth" else logged(model, "sprint")[0]
    person = analyse_motion(runner, AnalysisOptions(known=Known(height=1.72)))
    assert person.camera.verdict == "moving"
    assert person.scale is None
    assert person.mechanics.velocity_m is None
    assert "no metres" in " ".join(person.notes)
    assert not any(value.unit in ("m", "m/s") for event in person.events for value in event.values.values())
    still = analyse_motion(runner, AnalysisOptions(known=Known(height=1.72), camera="still"))
    assert still.scale is not None


def test_a_standing_person_before_a_panning_camera() -> None:
    stander = truth("crowd", 4)
    pan = stander.points + np.stack([stander.times * 150, np.zeros(len(stander))], axis=1)[:, None]
    assert analyse_motion(stander.with_points(pan)).camera.verdict == "moving"


def test_somebody_who_runs_in_place_before_a_camera_at_rest() -> None:
    times = np.arange(150) / 30
    points = np.tile(truth("crowd", 4).points[0], (150, 1, 1))
    for side, phase in (("left", 0.0), ("right", np.pi)):
        kick = np.maximum(np.sin(2 * np.pi * 1.6 * times + phase), 0)
        points[:, NAMES.index(f"{side}_ankle")] += np.stack([-90 * kick, -70 * kick], axis=1)
    assert analyse_motion(motion(times, points, (1280, 720))).camera.verdict == "still"


def test_masses_add_up_to_a_body() -> None:
    assert sum(segment.mass for segment in SEGMENTS) == pytest.approx(1)


def test_the_centre_of_mass_of_somebody_who_stands_is_in_the_pelvis() -> None:
    person, _ = jumper(30, 0.5)
    centre = centre_of_mass(person)[0]
    height = (500 - centre[1]) / 250 / 1.8
    assert 0.53 < height < 0.60  # about 0.55 to 0.57 of the stature
    assert abs(centre[0] - 480) < 20


def test_a_centre_that_is_not_seen_is_not_told() -> None:
    person, _ = jumper(30, 0.5)
    points = person.points.copy()
    points[:, [NAMES.index("left_wrist"), NAMES.index("right_wrist")]] = np.nan
    assert np.isfinite(centre_of_mass(person.with_points(points))).all()
    points[:, NAMES.index("left_knee")] = np.nan
    assert np.isnan(centre_of_mass(person.with_points(points))).all()


def test_a_body_in_the_air_falls_as_all_do() -> None:
    person, flights = jumper(120, 0.5, noise=0.5)
    found = analyse_motion(person, AnalysisOptions(known=Known(height=1.8)))
    push = found.mechanics.centre_acceleration_m
    assert push is not None
    middle = np.abs(person.times - sum(flights[0]) / 2) < 0.1
    assert float(push[middle, 1].mean()) == pytest.approx(-9.81, rel=0.08)


def test_the_way_gone_is_there_and_back() -> None:
    times = np.arange(200) / 25
    base = truth("crowd", 4).points[0]
    swing = np.where(times < 4, times, 8 - times) * 100
    points = base + np.stack([swing, np.zeros(200)], axis=1)[:, None]
    options = AnalysisOptions(known=Known(px_per_m=100.0), camera="still")
    body = analyse_motion(motion(times, points, (1280, 720)), options).mechanics
    assert body.distance_m == pytest.approx(8, rel=0.02)
    assert body.displacement_m == pytest.approx(0, abs=0.1)


def test_noise_moves_metres_little() -> None:
    person = analyse_motion(disturbed(truth("squat"), 1), by_height("squat", 1))
    pixels, _, frames = rows("squat", 1)
    assert person.scale is not None
    assert float(np.mean(person.scale.px_per_m[frames] / pixels)) == pytest.approx(1, abs=0.03)
