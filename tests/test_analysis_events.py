"""Squats, jumps and steps, against the renders' and the figure's true times; and the registry."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from analysis_worlds import NAMES, jumper, logged, motion, truth
from poseline.analysis import FINDERS, AnalysisOptions, Event, Known, Motion, Movement, analyse_motion, event_finder
from poseline.analysis.moments import crossing, stretches, turning
from poseline.errors import SettingsError

BOTTOMS = (1.52, 4.12, 6.72)
"""Seconds at which the sample's athlete is in the middle of the time at the bottom."""


def sources(name: str, number: int = 1) -> Iterator[Motion]:
    yield truth(name, number)
    for model in ("builtin", "yolo11n"):
        yield logged(model, name, number)[0]


def of(person: Motion, kind: str, **options: object) -> list[Event]:
    return [event for event in analyse_motion(person, AnalysisOptions(**options)).events if event.kind == kind]  # type: ignore[arg-type] # by name


def test_three_of_three_squats_within_a_tenth_of_a_second() -> None:
    for person in sources("squat"):
        found = of(person, "squat", known=Known(height=1.8))
        assert [event.time for event in found] == pytest.approx(BOTTOMS, abs=0.1)
        for event in found:
            assert event.start < event.time - 0.3
            assert event.end > event.time + 0.3
            assert 0 < event.sigma < 0.1
            assert event.values["depth"].value == pytest.approx(0.5, abs=0.06)
            assert event.values["descent"].value == pytest.approx(0.42, abs=0.06)
            assert event.values["left_knee"].value > 60


def test_the_truth_of_the_squats_is_met_to_the_frame() -> None:
    assert [event.time for event in of(truth("squat"), "squat")] == pytest.approx(BOTTOMS, abs=0.02)


def splits(person: Motion) -> list[float]:
    """Times at which the ankles are farthest apart, one for each change of the foot in front."""
    split = person.place("left_ankle")[:, 0] - person.place("right_ankle")[:, 0]
    wide = np.abs(split)
    inner = np.flatnonzero((wide[1:-1] > wide[:-2]) & (wide[1:-1] >= wide[2:]) & (wide[1:-1] > 60)) + 1
    return [float(person.times[row]) for row in inner]


def test_21_of_21_steps_of_the_sprint_within_a_twentieth_of_a_second() -> None:
    true = splits(truth("sprint"))
    assert len(true) == 21
    for person in sources("sprint"):
        found = of(person, "step")
        assert [event.time for event in found] == pytest.approx(true, abs=0.05)
        assert [event.side for event in found] == ["right", "left"] * 10 + ["right"]


STRIDE = 0.46383
"""Seconds of a stride of the sprint: the render's own."""
CONTACTS = 0.228 + STRIDE / 2 * np.arange(20)
"""Seconds at which its feet touch the floor, right first; they leave it 0.139 s later."""


def test_the_sprint_has_its_cadence_and_contacts() -> None:
    for person in sources("sprint"):
        contacts_of(of(person, "step"))


def contacts_of(found: list[Event]) -> None:
    assert found[10].values["cadence"].value == pytest.approx(120 / STRIDE, rel=0.06)
    assert found[10].values["stride_time"].value == pytest.approx(STRIDE, rel=0.03)
    landing = np.array([event.start for event in found[:19]]) - CONTACTS[:19]
    leaving = np.array([event.end for event in found[:19]]) - CONTACTS[:19] - 0.139
    assert np.abs(landing).mean() < 0.03
    assert np.abs(leaving).mean() < 0.03
    for event in found[:19]:
        assert event.values["contact"].value == pytest.approx(0.139, abs=2 * event.values["contact"].sigma)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_nobody_in_the_crossing_squats_or_jumps(number: int) -> None:
    for person in sources("crossing", number):
        counts = analyse_motion(person).counts
        assert set(counts) <= {"step"}
        assert counts["step"] >= 10


@pytest.mark.parametrize("number", [4, 5, 7])
def test_who_stands_does_nothing(number: int) -> None:
    assert analyse_motion(truth("crowd", number)).counts == {}


def test_the_speed_and_stride_of_somebody_who_walks() -> None:
    walker = of(truth("crowd", 1), "step", known=Known(height=1.84))
    later = [event for event in walker if "speed" in event.values]
    assert len(later) >= 5
    for event in later:  # 0.96 m/s by the render
        assert event.values["speed"].value == pytest.approx(0.96, rel=0.05)
        assert event.values["stride_length"].value == pytest.approx(0.96 * event.values["stride_time"].value, rel=0.05)


@pytest.mark.parametrize(
    ("rate", "flight", "noise"), [(25, 0.3, 0.0), (25, 0.5, 2.0), (60, 0.5, 0.0), (60, 0.3, 2.0), (120, 0.65, 1.0)]
)
def test_jumps_have_their_flight_and_height(rate: int, flight: float, noise: float) -> None:
    person, true = jumper(rate, flight, noise)
    analysis = analyse_motion(person, AnalysisOptions(known=Known(height=1.8)))
    assert analysis.counts == {"jump": 2}  # what goes before and after is no squat
    height = 9.81 * flight**2 / 8
    for event, (off, down) in zip(analysis.events, true, strict=True):
        assert event.start == pytest.approx(off, abs=0.04)
        assert event.end == pytest.approx(down, abs=0.04)
        assert event.time == pytest.approx((off + down) / 2, abs=0.03)
        for name, value in (("flight", flight), ("height_by_flight", height), ("height_by_hips", height + 0.09)):
            quantity = event.values[name]
            assert abs(quantity.value - value) <= 2 * quantity.sigma + 0.01
        assert event.values["flight"].sigma < 0.1


def test_toes_tell_the_flight_better_than_ankles() -> None:
    person, true = jumper(120, 0.5)
    toes = person.points[:, [NAMES.index("left_ankle"), NAMES.index("right_ankle")]] + [30.0, 0.0]
    lift = 500 - toes[:, :, 1] - 0.057 * 1.8 * 250
    toes[:, :, 1] = 497 - np.maximum(lift - 0.09 * 250, 0)  # on the floor until the heel is up
    names = (*NAMES, "left_big_toe", "right_big_toe")
    points = np.concatenate([person.points, toes], axis=1)
    shod = Motion(person.times, points, np.full(points.shape[:2], 0.9), names, 960, 540)
    fine, coarse = of(shod, "jump"), of(person, "jump")
    for event, (off, down) in zip(fine, true, strict=True):
        assert event.values["flight"].value == pytest.approx(down - off, abs=0.04)
    assert fine[0].values["flight"].sigma < coarse[0].values["flight"].sigma


def test_a_repetition_that_is_cut_off_does_not_count() -> None:
    whole = truth("squat")
    assert len(of(whole[whole.times > 1.5], "squat")) == 2
    assert len(of(whole[whole.times < 6.6], "squat")) == 2


def test_a_new_kind_is_one_function() -> None:
    @event_finder("high hand")
    def hands(movement: Movement) -> list[Event]:
        points = movement.smoothed.motion
        up = points.place("left_wrist")[:, 1] < points.place("nose")[:, 1]
        return [Event("high hand", *(float(points.times[row]),) * 3, 0.0) for row in np.flatnonzero(up)[:1]]

    try:
        waving = truth("crowd", 5)
        assert analyse_motion(waving).counts == {"high hand": 1}
        assert analyse_motion(waving, AnalysisOptions(events=("high hand",))).counts == {"high hand": 1}
        assert analyse_motion(waving, AnalysisOptions(events=("squat",))).counts == {}
    finally:
        del FINDERS["high hand"]


def test_an_unknown_kind_is_an_error() -> None:
    with pytest.raises(SettingsError, match="unknown kind 'sqat'; known are auto, gait, jump, squat"):
        analyse_motion(truth("squat"), AnalysisOptions(events=("sqat",)))
    assert analyse_motion(truth("squat"), AnalysisOptions(events=())).events == ()


def test_events_come_in_order_of_time() -> None:
    times = [event.time for event in analyse_motion(truth("crossing", 2)).events]
    assert times == sorted(times)


def test_moments_between_frames() -> None:
    times = np.array([0.0, 0.1, 0.3, 0.4])
    assert crossing(times, np.array([0.0, 1.0, 3.0, 4.0]), 2.0, 1) == pytest.approx(0.2)
    assert crossing(times, np.array([0.0, 1.0, 1.0, 4.0]), 1.0, 1) == pytest.approx(0.2)
    curve = 5 - (times - 0.17) ** 2
    assert turning(times, curve, 1) == pytest.approx((0.17, 5.0))
    assert turning(times, curve, 0) == (0.0, curve[0])
    assert stretches(np.array([0, 2, 5, 2, 0, 2, 0, np.nan, 5]), 4, 1) == [(1, 4), (8, 9)]


def test_a_figure_without_a_head_or_arms_has_events_too() -> None:
    person, _ = jumper(60, 0.5)
    legs = [column for column, name in enumerate(NAMES) if name.split("_")[-1] in ("hip", "knee", "ankle", "shoulder")]
    part = motion(person.times, person.points[:, legs], names=tuple(NAMES[column] for column in legs))
    assert analyse_motion(part).counts == {"jump": 2}
