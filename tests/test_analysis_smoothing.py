"""Smoothing: how near to the truth, what is filled and flagged, and the filter's real frequency."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from analysis_worlds import disturbed, motion, six, six_rates, truth
from poseline.analysis import Motion, PointState, Smoothing, kalman, smoothing
from poseline.analysis.butterworth import sections
from poseline.analysis.motion import Doubles
from poseline.analysis.smoothing import smooth
from poseline.errors import SettingsError


def error(found: Motion, exact: Motion) -> float:
    """Mean absolute error of the six joints' angles, in degrees."""
    return float(np.nanmean(np.abs(six(found.points) - six(exact.points))))


@pytest.mark.parametrize(("name", "most"), [("squat", 0.1), ("sprint", 1.0)])
def test_exact_points_stay_as_they_are(name: str, most: float) -> None:
    smoothed = smooth(truth(name))
    assert error(smoothed.motion, truth(name)) <= most
    assert (smoothed.state == PointState.MEASURED).all()


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(("name", "most", "raw"), [("squat", 1.4, 4.0), ("sprint", 4.0, 4.0)])
def test_noise_outliers_and_gaps_are_removed(name: str, most: float, raw: float, seed: int) -> None:
    exact = truth(name)
    noisy = disturbed(exact, seed)
    smoothed = smooth(noisy)
    assert error(smoothed.motion, exact) <= most
    assert error(noisy, exact) > raw  # without the gaps, which count in the line above
    if name == "squat":
        rates = np.gradient(six(exact.points), exact.times, axis=0)
        of_angles = np.gradient(six(smoothed.motion.points), exact.times, axis=0) - rates
        of_points = six_rates(smoothed.motion, smoothed.velocity) - rates
        assert float(np.sqrt(np.nanmean(of_angles**2))) <= 15
        assert float(np.sqrt(np.nanmean(of_points[3:-3] ** 2))) <= 16
    shown = smoothed.state != PointState.MISSING
    assert shown.mean() > 0.98
    away = np.linalg.norm(smoothed.motion.points - exact.points, axis=2) / np.sqrt(smoothed.variance)
    assert 0.7 < float(np.sqrt(np.nanmedian(away**2) / 1.386)) < 1.5  # the variance says how far it is off


def test_outliers_are_flagged_and_good_points_are_not() -> None:
    exact = truth("squat")
    noisy = disturbed(exact, 3, outliers=0, gaps=0)
    knee = exact.index["left_knee"]
    hit = [50, 90, 130]
    noisy.points[hit, knee] += 0.5 * exact.torso
    state = smooth(noisy).state
    assert (state[hit, knee] == PointState.OUTLIER).all()
    assert (state == PointState.OUTLIER).sum() <= len(hit) + 5


def moving(times: Doubles) -> Doubles:
    """(T, 17, 2) a body that goes to and fro, 300 px a second at most."""
    base = truth("squat").points[0]
    swing = np.stack([60 * np.sin(5 * times), 20 * np.cos(5 * times)], axis=1)
    points: Doubles = base + swing[:, None]
    return points


@pytest.mark.parametrize(("unseen", "filled"), [(4, True), (5, True), (6, False), (20, False)])
def test_gaps_up_to_a_fifth_of_a_second_are_filled(unseen: int, filled: bool) -> None:
    times = np.arange(100) / 25
    points = moving(times)
    seen = points.copy()
    seen[40 : 40 + unseen, 9] = np.nan
    for how in (Smoothing(), Smoothing("butterworth", 6.0)):
        smoothed = smooth(motion(times, seen), how)
        gap = smoothed.state[40 : 40 + unseen, 9]
        assert (gap == (PointState.FILLED if filled else PointState.MISSING)).all()
        assert np.isfinite(smoothed.motion.points[40 : 40 + unseen, 9]).all() == filled
        assert smoothed.state[[39, 40 + unseen], 9].tolist() == [PointState.MEASURED] * 2
    if filled:
        auto = smooth(motion(times, seen)).motion.points
        assert np.abs(auto[40 : 40 + unseen, 9] - points[40 : 40 + unseen, 9]).max() < 3


def test_nothing_is_made_up_before_the_first_and_after_the_last_measurement() -> None:
    times = np.arange(60) / 25
    points = moving(times)
    points[:10, 4] = points[50:, 4] = np.nan
    for how in (Smoothing(), Smoothing("butterworth", 6.0), Smoothing("none")):
        state = smooth(motion(times, points), how).state[:, 4]
        assert (state[10:50] == PointState.MEASURED).all()
        assert (state[[*range(10), *range(50, 60)]] == PointState.MISSING).all()


def test_speeds_are_right_at_uneven_intervals() -> None:
    crossing = truth("crossing", 2)  # frames come unevenly, as from a telephone
    smoothed = smooth(crossing)
    hip = crossing.parts("mid_hip")
    path = np.linalg.norm(np.diff(crossing.points[:, hip].mean(axis=1), axis=0), axis=1).sum()
    true_speed = path / (crossing.times[-1] - crossing.times[0])
    speeds = np.linalg.norm(smoothed.velocity[:, hip].mean(axis=1), axis=1)
    mean = np.trapezoid(speeds, crossing.times) / (crossing.times[-1] - crossing.times[0])
    assert mean == pytest.approx(true_speed, rel=0.01)
    even = replace(crossing, times=crossing.step * np.arange(len(crossing), dtype=np.float64))
    wrong = np.linalg.norm(smooth(even).velocity[:, hip].mean(axis=1), axis=1).mean()
    assert wrong > 1.05 * true_speed  # what a reader of a fixed rate would say


@pytest.mark.parametrize("seed", [0, 1])
def test_a_steady_run_has_its_speed_at_any_intervals(seed: int) -> None:
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.choice([1 / 30, 1 / 24, 1 / 12], 200))
    points = np.tile(truth("squat").points[0], (200, 1, 1)) + (times * 310)[:, None, None] * [1.0, 0.0]
    points += rng.normal(size=points.shape) * 1.5
    velocity = smooth(motion(times, points)).velocity[10:-10]
    assert velocity[:, :, 0].mean() == pytest.approx(310, rel=0.01)
    assert velocity[:, :, 0].std() < 12


def test_the_backward_pass_is_the_rauch_tung_striebel_smoother() -> None:
    rng = np.random.default_rng(5)
    times = np.cumsum(rng.uniform(0.01, 0.08, 60))
    points = np.cumsum(rng.normal(size=(60, 2, 3)) * 4, axis=0)
    noise = rng.uniform(0.5, 3, (60, 3))
    noise[rng.uniform(size=(60, 3)) < 0.2] = np.inf
    density = np.array([1e3, 1e5, 1e7])
    estimate = kalman.smooth(kalman.Measurements(times, points, noise, density, 50.0))
    for point in range(3):
        state, variance = textbook(times, points[:, :, point], noise[:, point], float(density[point]), 50.0)
        np.testing.assert_allclose(estimate.state[:, :, :, point], state, rtol=1e-5, atol=1e-4)
        np.testing.assert_allclose(estimate.variance[:, :, point], variance, rtol=1e-4)


def textbook(times: Doubles, points: Doubles, noise: Doubles, density: float, reach: float) -> tuple[Doubles, Doubles]:
    """The smoother as books have it, for one point: (T, 3, 2) states, (T, 2) variances of position and velocity."""
    first = int(np.isfinite(noise).argmax())
    state = np.array([points[first], [0, 0], [0, 0]])
    spread = np.diag((np.array([1.0, 10.0, 100.0]) * reach) ** 2)
    before, after = [], []
    for row in range(len(times)):
        if row:
            d = times[row] - times[row - 1]
            move = np.array([[1, d, d * d / 2], [0, 1, d], [0, 0, 1]])
            wander = np.array(
                [[d**5 / 20, d**4 / 8, d**3 / 6], [d**4 / 8, d**3 / 3, d**2 / 2], [d**3 / 6, d**2 / 2, d]]
            )
            state, spread = move @ state, move @ spread @ move.T + density * wander
        before.append((state, spread))
        if np.isfinite(noise[row]):
            gain = spread[:, 0] / (spread[0, 0] + noise[row])
            state = state + np.outer(gain, points[row] - state[0])
            spread = spread - np.outer(gain, spread[0])
        after.append((state, spread))
    states, variances = [after[-1][0]], [after[-1][1]]
    for row in range(len(times) - 2, -1, -1):
        d = times[row + 1] - times[row]
        move = np.array([[1, d, d * d / 2], [0, 1, d], [0, 0, 1]])
        gain = after[row][1] @ move.T @ np.linalg.inv(before[row + 1][1])
        states.insert(0, after[row][0] + gain @ (states[0] - before[row + 1][0]))
        variances.insert(0, after[row][1] + gain @ (variances[0] - before[row + 1][1]) @ gain.T)
    return np.array(states), np.array([[spread[0, 0], spread[1, 1]] for spread in variances])


def test_a_long_motion_in_pieces_is_as_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    times = np.arange(3000) / 50
    points = moving(times) + np.random.default_rng(1).normal(size=(3000, 17, 2)) * 2
    points[1480:1540, 3] = np.nan
    pieces = smooth(motion(times, points))
    monkeypatch.setattr(kalman, "_PIECES", 1)
    whole = smooth(motion(times, points))
    np.testing.assert_array_equal(pieces.state, whole.state)
    np.testing.assert_allclose(pieces.motion.points, whole.motion.points, atol=0.02)
    np.testing.assert_allclose(pieces.velocity, whole.velocity, atol=0.5)
    np.testing.assert_allclose(pieces.variance, whole.variance, rtol=1e-3)


@pytest.mark.parametrize(("frequency", "rate"), [(6.0, 100.0), (6.0, 30.0), (3.0, 25.0), (10.0, 240.0)])
def test_the_named_frequency_is_the_real_one(frequency: float, rate: float) -> None:
    from scipy.signal import sosfreqz

    once = np.abs(sosfreqz(sections(frequency, rate), [frequency, frequency / 4], fs=rate)[1])
    assert once[0] ** 2 == pytest.approx(0.5**0.5, abs=1e-9)  # -3 dB after both passes
    assert once[1] ** 2 > 0.995
    times = np.arange(int(20 * rate)) / rate
    wave = (
        np.tile(truth("squat").points[0], (len(times), 1, 1))
        + 30 * np.sin(2 * np.pi * frequency * times)[:, None, None]
    )
    smoothed = smooth(motion(times, wave), Smoothing("butterworth", frequency)).motion.points[:, 0, 0]
    inner = slice(len(times) // 4, -len(times) // 4)
    assert smoothed[inner].std() / wave[inner, 0, 0].std() == pytest.approx(0.5**0.5, abs=0.005)


def test_a_frequency_that_the_rate_does_not_allow_is_an_error() -> None:
    with pytest.raises(SettingsError, match="more than 30 frames a second"):
        smooth(motion(np.arange(50) / 25, moving(np.arange(50) / 25)), Smoothing("butterworth", 15.0))


@pytest.mark.parametrize("given", [("butterworth", None), ("auto", 6.0), ("butterworth", -1.0)])
def test_a_smoothing_that_contradicts_itself_is_an_error(given: tuple[smoothing.Method, float | None]) -> None:
    with pytest.raises(SettingsError, match="frequency"):
        Smoothing(*given)
    with pytest.raises(SettingsError, match="max_gap"):
        Smoothing(max_gap=-0.1)


def test_none_leaves_the_points_alone() -> None:
    noisy = disturbed(truth("squat"), 0)
    smoothed = smooth(noisy, Smoothing("none"))
    np.testing.assert_array_equal(smoothed.motion.points, noisy.points)
    assert (smoothed.state[noisy.seen] == PointState.MEASURED).all()
    assert (smoothed.state[~noisy.seen] == PointState.MISSING).all()


def test_fast_limbs_keep_their_speed() -> None:
    exact = truth("sprint")
    ankle = exact.index["left_ankle"]
    speed = np.linalg.norm(np.gradient(exact.points[:, ankle], exact.times, axis=0), axis=1)
    smoothed = smooth(disturbed(exact, 1))
    found = np.linalg.norm(smoothed.velocity[:, ankle], axis=1)
    assert np.nanpercentile(found, 90) == pytest.approx(np.percentile(speed, 90), rel=0.1)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8])
@pytest.mark.parametrize(
    "how", [Smoothing(), Smoothing("butterworth", 2.0), Smoothing("none")], ids=lambda how: how.method
)
def test_short_motions_are_smoothed_too(count: int, how: Smoothing) -> None:
    times = np.arange(count) / 25
    smoothed = smooth(motion(times, moving(times)), how)
    np.testing.assert_allclose(smoothed.motion.points, moving(times), atol=6)
    assert smoothed.velocity.shape == (count, 17, 2)


def test_a_person_who_is_seldom_seen_is_smoothed_as_one_who_always_is() -> None:
    exact = truth("sprint")
    noisy = disturbed(exact, 0, gaps=0)
    points, confidence = np.full((6000, 17, 2), np.nan), np.zeros((6000, 17))
    points[3300:3450], confidence[3300:3450] = noisy.points, noisy.confidence
    seldom = smooth(Motion(np.arange(6000) / 30, points, confidence, exact.names, 960, 540)).motion[slice(3300, 3450)]
    assert error(seldom, exact) == pytest.approx(error(smooth(noisy).motion, exact), abs=0.1)
