import time as clock
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest

from poseline.frame import Frame, Picture
from poseline.pose import UNTRACKED, Floats, Observation, Poses
from poseline.settings import TrackingSettings
from poseline.skeleton import COCO17
from poseline.tracking import Tracker, track
from poseline.tracking.appearance import Torso, learned, resemblance, torso_colours
from poseline.tracking.match import crowding, iou, likeness, nearness, pair
from poseline.tracking.motion import Motion, to_centres, to_corners
from worlds import (
    Person,
    Sighting,
    World,
    converge,
    crossing_pair,
    crowd,
    leave_and_return,
    meet_and_turn,
    short_occlusion,
    sudden_start,
    take_the_place,
)

SIGMAS = np.array(COCO17.sigmas, np.float32)
TORSO: Torso = (5, 6, 11, 12)
RED, BLUE = (40, 40, 200), (200, 60, 40)
RATES = pytest.mark.parametrize("fps", [10, 30, 120])


def tracker(**settings: float) -> Tracker:
    return Tracker(TrackingSettings.model_validate(settings), COCO17.sigmas)


def identities(sightings: Iterable[Sighting], follower: Tracker, torso: Torso | None = None) -> dict[int, list[int]]:
    """For each person, the ids they had, an entry each time it changed: all but the first are id switches."""
    sightings = list(sightings)
    had: dict[int, list[int]] = {}
    seen = track((sighting.observation for sighting in sightings), follower, torso)
    for sighting, observation in zip(sightings, seen, strict=True):
        for who, identity in zip(sighting.truth.tolist(), observation.poses.ids.tolist(), strict=True):
            ids = had.setdefault(who, [])
            if identity != UNTRACKED and ids[-1:] != [identity]:
                ids.append(identity)
    return had


def assert_one_id_each(had: dict[int, list[int]], people: int) -> None:
    assert sorted(had) == list(range(people))
    assert sorted(had.values()) == [[number] for number in range(1, people + 1)]


def poses(*people: tuple[float, float], height: float = 100.0, score: float = 0.9, kpt_conf: float = 0.9) -> Poses:
    """Motionless people with their centres at `people`."""
    bodies = [Person(lambda _, at=at: at, height=height) for at in people]  # type: ignore[misc] # a default cannot be typed
    keypoints = [np.column_stack((body.keypoints(0), np.full(17, kpt_conf))) for body in bodies]
    return Poses.of(
        np.array([body.box(0) for body in bodies], np.float32).reshape(-1, 4),
        np.full(len(people), score, np.float32),
        np.array(keypoints, np.float32).reshape(-1, 17, 3),
    )


def rescored(found: Poses, *scores: float) -> Poses:
    return replace(found, scores=np.array(scores, np.float32))


def joined(*parts: Poses) -> Poses:
    return Poses.of(
        np.concatenate([part.boxes for part in parts]),
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.keypoints for part in parts]),
        np.concatenate([part.classes for part in parts]),
    )


# Whole worlds, at several frame rates


@RATES
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "world",
    [crossing_pair, leave_and_return, short_occlusion, sudden_start, lambda: short_occlusion(1.8), lambda: crowd(12)],
    ids=["crossing", "leaving", "occlusion", "sudden start", "long occlusion", "crowd"],
)
def test_everybody_keeps_one_id(world: Callable[[], World], fps: float, seed: int) -> None:
    here = world()
    assert_one_id_each(identities(here.play(fps, seed), tracker()), len(here.people))


@RATES
def test_misses_and_an_uneven_frame_rate_change_no_id(fps: float) -> None:
    for world in (crossing_pair(), crowd(8)):
        rough = replace(world, misses=0.15, uneven=0.8, noise=0.02)
        assert_one_id_each(identities(rough.play(fps, seed=3), tracker()), len(world.people))


@RATES
def test_a_wait_longer_than_the_buffer_ends_the_track_and_its_id_is_not_given_again(fps: float) -> None:
    world = short_occlusion(1.0)
    had = identities(world.play(fps), tracker(buffer=0.6))
    assert sorted(had[0] + had[1]) == [1, 2, 3]
    assert had[0][1:] == [3]
    assert_one_id_each(identities(world.play(fps), tracker(buffer=1.4)), 2)


def test_the_buffer_counts_seconds_also_where_no_frames_arrive() -> None:
    for away, expected in ((3.9, 1), (4.1, 2)):
        follower = tracker()
        follower.update(poses((100, 100)), 0.0)
        assert follower.update(poses((100, 100)), away).ids.tolist() == [expected]


@RATES
def test_who_comes_back_within_the_buffer_is_known_and_after_it_is_new(fps: float) -> None:
    for away, ids in ((3.0, 1), (4.5, 2)):
        had = identities(leave_and_return(away).play(fps), tracker())
        assert (len(had[0]), len(had[1])) == (ids, 1)


@RATES
@pytest.mark.parametrize("seed", range(3))
def test_the_hidden_one_does_not_take_the_place_of_the_one_in_front(fps: float, seed: int) -> None:
    assert_one_id_each(identities(converge().play(fps, seed), tracker()), 2)


@RATES
def test_a_box_that_is_cut_off_is_no_motion(fps: float) -> None:
    """Somebody stands; whoever passes hides their legs, then all of them, and they are there again as they were."""
    whole, other = poses((200, 200), height=160), poses((400, 200), height=160)
    half = replace(whole, boxes=np.array([[168, 120, 232, 190]], np.float32), scores=np.array([0.3], np.float32))
    follower, ids = tracker(), []
    for index in range(round(3 * fps)):
        time = index / fps
        here = whole if time < 1 or time >= 1.8 else half if time < 1.25 else None
        seen = other if here is None else joined(other, here)
        ids.append(follower.update(seen, time).ids.tolist())
    assert ids[-1] == ids[0] == [1, 2]


# What people wear


@RATES
def test_shirts_tell_apart_whom_motion_confuses(fps: float) -> None:
    sightings = list(meet_and_turn(RED, BLUE).play(fps))
    assert_one_id_each(identities(sightings, tracker(), TORSO), 2)
    assert [len(ids) for ids in identities(sightings, tracker()).values()] == [2, 2]
    assert [len(ids) for ids in identities(meet_and_turn(RED, RED).play(fps), tracker(), TORSO).values()] == [2, 2]


@RATES
def test_people_in_one_shirt_keep_their_ids_where_they_cross(fps: float) -> None:
    assert_one_id_each(identities(converge(RED).play(fps), tracker(), TORSO), 2)


@RATES
def test_another_shirt_where_somebody_went_out_of_sight_is_another_person(fps: float) -> None:
    assert identities(take_the_place(RED, BLUE).play(fps), tracker(), TORSO) == {0: [1], 1: [2]}
    assert identities(take_the_place(RED, RED).play(fps), tracker(), TORSO) == {0: [1], 1: [1]}


def test_another_shirt_half_in_somebodys_place_is_another_person() -> None:
    """One steps before another, who is hidden at once: their boxes overlap by half, and their shirts differ."""
    follower, seen = tracker(), poses((100, 100))
    red, green = np.array([[60, 100, 150]], np.float32), np.array([[60, 150, 100]], np.float32)
    for index in range(30):
        follower.update(seen, index / 30, red)
    stepped = [follower.update(poses((112, 100)), index / 30, green).ids.tolist() for index in range(30, 60)]
    assert stepped[-1] == [2]
    back = [follower.update(joined(poses((130, 100)), seen), index / 30, np.concatenate((green, red))).ids.tolist()
            for index in range(60, 70)]  # fmt: skip
    assert back[-1] == [2, 1]


def test_a_change_of_light_changes_no_id() -> None:
    follower, found = tracker(), poses((100, 100), (130, 100), (400, 100))
    shirts = np.array([[60, 100, 150], [60, 150, 100], [np.nan] * 3], np.float32)
    for index in range(60):
        light = np.array([0, 0, 0] if index < 30 else [120, -60, 60], np.float32)
        assert follower.update(found, index / 30, shirts + light).ids.tolist() == [1, 2, 3]


def _pictures(colour: tuple[int, int, int]) -> list[Picture]:
    """Grey with a torso of one colour, for a person at (100, 100): as BGR pixels and as a decoder's planes."""
    pixels = np.full((200, 300, 3), 128, np.uint8)
    pixels[66:106, 86:114] = colour
    return [pixels, av.VideoFrame.from_ndarray(pixels, format="bgr24").reformat(format="yuv420p")]


def _frame(picture: Picture) -> Frame:
    return Frame(picture, 0, 0, Fraction(1, 30), 0.0, 0.0)


@pytest.mark.parametrize("colour", [(40, 40, 200), (200, 60, 40), (30, 30, 30)])
def test_the_colour_is_the_torsos_in_planes_and_in_pixels(colour: tuple[int, int, int]) -> None:
    found = poses((100, 100), (220, 100)).keypoints
    bgr, yuv = _pictures(colour)
    pixels, planes = torso_colours(_frame(bgr), found, TORSO), torso_colours(_frame(yuv), found, TORSO)
    assert pixels is not None
    assert planes is not None
    blue, green, red = colour
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    chroma = [0.564 * (blue - luma), 0.713 * (red - luma)]
    np.testing.assert_allclose(pixels, np.array([[luma, *chroma], [128, 0, 0]]), atol=1.5)
    limited = np.array([[16 + luma * 219 / 255, *(128 + np.array(chroma) * 224 / 255)], [126, 128, 128]])
    np.testing.assert_allclose(planes, limited, atol=3)


@pytest.mark.filterwarnings("error")
def test_a_torso_that_is_not_seen_has_no_colour() -> None:
    found = poses(*[(100, 100)] * 5).keypoints.copy()
    found[1, 5, 2] = 0.4
    found[2, 12, 0] = np.nan
    found[3, 6, 2] = np.nan
    found[4, :, :2] += 1000  # a picture's edge is as far as it goes
    for picture in _pictures((0, 0, 0)):
        colours = torso_colours(_frame(picture), found, TORSO)
        assert colours is not None
        assert np.isfinite(colours).all(axis=1).tolist() == [True, False, False, False, True]
        assert torso_colours(_frame(picture), found[:0], TORSO).shape == (0, 3)  # type: ignore[union-attr] # see above


def test_a_picture_that_is_not_planes_in_memory_is_left_alone() -> None:
    found = poses((100, 100)).keypoints
    planes = _pictures((0, 0, 0))[1]
    assert not isinstance(planes, np.ndarray)
    assert torso_colours(_frame(planes.reformat(format="nv12")), found, TORSO) is None
    assert torso_colours(_frame(planes), found, None) is None


def test_resemblance_falls_with_distance_and_the_unknown_resemble_all() -> None:
    colours = np.array([[100, 128, 128], [100, 148, 128], [140, 128, 128], [np.nan] * 3], np.float32)
    expected = np.array([[1, 0.5, 0.5, 1], [0.5, 1, 0.25, 1], [0.5, 0.25, 1, 1], [1, 1, 1, 1]])
    np.testing.assert_allclose(resemblance(colours[:, None], colours), expected, rtol=1e-5)


def test_colours_are_learned_over_a_second_at_every_frame_rate() -> None:
    nothing = np.full((1, 3), np.nan, np.float32)
    red, blue = np.array([[60, 100, 200]], np.float32), np.array([[60, 200, 100]], np.float32)
    assert learned(nothing, red, 0.03).tolist() == learned(red, nothing, 0.03).tolist() == red.tolist()
    for rate in (10, 100):
        known = red
        for _ in range(rate):
            known = learned(known, blue, 1 / rate)
        np.testing.assert_allclose(known, blue + (red - blue) / np.e, rtol=1e-3)


# The whole of a long run


def test_a_long_run_of_comings_and_goings_gives_every_number_once() -> None:
    follower, given = tracker(buffer=0.1), []
    for turn in range(50):
        given += follower.update(poses((100, 100), (300, 100)), float(turn)).ids.tolist()
        assert len(follower) == 2  # nothing is kept for ever
    assert given == list(range(1, 101))


# What comes back is what went in


def test_poses_keep_their_order_and_only_ids_change() -> None:
    follower = tracker()
    for sighting in crowd(10, seconds=1.0).play():
        before = sighting.observation.poses
        after = follower.update(before, sighting.observation.frame.time)
        for name in ("boxes", "scores", "keypoints", "classes"):
            np.testing.assert_array_equal(getattr(after, name), getattr(before, name))
        assert len(set(after.ids.tolist())) == 10
        assert (before.ids == UNTRACKED).all()


def test_without_a_tracker_observations_pass_through() -> None:
    observations = [sighting.observation for sighting in crossing_pair().play(fps=5)]
    assert list(track(iter(observations), None)) == observations


def test_the_stage_is_lazy_and_keeps_everything_but_the_ids() -> None:
    def camera() -> Iterator[Observation]:
        for sighting in crossing_pair().play():
            yield replace(sighting.observation, input_shape=(384, 640))
            assert len(out) == sighting.observation.frame.index + 1, "the stage read ahead"

    out: list[Observation] = []
    for observation in track(camera(), tracker()):
        out.append(observation)  # noqa: PERF402 # the assertion above looks on while it grows
    assert all(observation.input_shape == (384, 640) for observation in out)
    assert [observation.frame.index for observation in out] == list(range(120))


@pytest.mark.parametrize("change", [{"source": "other.mp4"}, {"picture": np.zeros((720, 1280, 3), np.uint8)}])
def test_another_source_or_size_starts_anew_and_reuses_no_id(change: dict[str, object]) -> None:
    first = next(crossing_pair().play()).observation
    second = replace(first, frame=replace(first.frame, **change))  # type: ignore[arg-type] # one of two fields
    ids = [set(seen.poses.ids.tolist()) for seen in track(iter([first, first, second, second]), tracker())]
    assert ids == [{1, 2}, {1, 2}, {3, 4}, {3, 4}]


# Who gets an id, and when


def test_the_first_frame_names_everybody_at_once_in_its_order() -> None:
    found = rescored(poses((100, 100), (200, 100), (300, 100)), 0.9, 0.55, 0.3)
    assert tracker().update(found, 0.0).ids.tolist() == [1, 2, UNTRACKED]


@RATES
def test_a_sure_newcomer_is_named_at_once_and_a_doubtful_one_within_an_eighth_of_a_second(fps: float) -> None:
    follower = tracker()
    follower.update(poses(), 0.0)
    found = rescored(poses((100, 100), (300, 100)), 0.8, 0.6)
    ids = [follower.update(found, index / fps).ids.tolist() for index in range(1, 2 + int(fps * 0.125))]
    assert ids[0] == [1, UNTRACKED]
    assert ids[-1] == [1, 2]


@RATES
def test_a_flicker_takes_no_id(fps: float) -> None:
    follower = tracker()
    follower.update(poses((100, 100)), 0.0)
    for index in range(1, int(5 * fps)):
        ghost = index % int(fps / 2) < max(1, fps * 0.06)
        found = joined(poses((100, 100)), poses((400, 100), score=0.6)) if ghost else poses((100, 100))
        assert follower.update(found, index / fps).ids.tolist() == [1, UNTRACKED][: len(found)]
    assert follower.update(joined(poses((100, 100)), poses((600, 100))), 5.0).ids.tolist() == [1, 2]


def test_a_low_score_keeps_a_track_but_starts_none() -> None:
    follower = tracker()
    follower.update(poses((100, 100)), 0.0)
    for index in range(1, 90):
        found = rescored(poses((100, 100), (300, 100)), 0.3, 0.3)
        assert follower.update(found, index / 30).ids.tolist() == [1, UNTRACKED]


def test_a_score_below_low_is_not_looked_at() -> None:
    follower = tracker(low=0.4)
    follower.update(poses((100, 100)), 0.0)
    assert follower.update(poses((100, 100), score=0.3), 0.03).ids.tolist() == [UNTRACKED]


def test_a_high_score_is_served_before_a_low_one() -> None:
    follower = tracker()
    follower.update(poses((100, 100)), 0.0)
    near_but_low, farther_but_high = poses((101, 100), score=0.4), poses((112, 100), kpt_conf=0.1)
    assert follower.update(joined(farther_but_high, near_but_low), 0.03).ids.tolist() == [1, UNTRACKED]


def test_another_class_is_another_id() -> None:
    follower = tracker()
    found = poses((100, 100))
    follower.update(found, 0.0)
    ball = replace(found, classes=np.array([3]))
    assert [follower.update(ball, 0.03 * index).ids.tolist() for index in range(1, 4)] == [[2]] * 3


def test_one_person_detected_twice_has_one_id() -> None:
    follower = tracker()
    given = set()
    for index in range(60):
        wide, narrow = poses((100, 100)), poses((101, 101))
        narrow = replace(narrow, boxes=narrow.boxes + np.array([0, 0, 0, -25], np.float32))  # feet cut off
        better, worse = (wide, narrow) if index % 2 else (narrow, wide)
        ids = follower.update(joined(better, worse), index / 30).ids.tolist()
        assert ids[1] == UNTRACKED
        given |= set(ids)
    assert given == {1, UNTRACKED}


def test_two_people_close_together_are_two() -> None:
    follower = tracker()
    for index in range(10):
        assert follower.update(poses((100, 100), (115, 96)), index / 30).ids.tolist() == [1, 2]


def test_keypoints_tell_apart_whom_boxes_confuse() -> None:
    follower = tracker()
    upright = poses((100, 100))
    follower.update(upright, 0.0)
    box = upright.boxes
    turned = upright.keypoints.copy()
    turned[:, :, 0] = 200 - turned[:, :, 0] + 25 * (np.arange(17) % 2)
    same = replace(upright, boxes=box + np.float32(4))
    other = replace(upright, keypoints=turned)  # its box fits better
    assert follower.update(joined(other, same), 0.03).ids.tolist() == [2, 1]


def test_keypoints_are_carried_along_with_a_moving_box() -> None:
    follower = tracker()
    for index in range(10):
        follower.update(poses((100 + 12 * index, 100)), index / 30)
    expected, last = poses((220, 100)), poses((208, 100))
    moved_on = replace(expected, boxes=expected.boxes + np.float32(2))
    left_behind = replace(last, boxes=expected.boxes)  # its box fits better, its keypoints are where they were
    assert follower.update(joined(left_behind, moved_on), 10 / 30).ids.tolist() == [2, 1]


# Hostile input


def test_empty_frames_are_waited_through() -> None:
    follower = tracker()
    assert follower.update(poses(), 0.0).ids.shape == (0,)
    assert follower.update(poses((100, 100)), 0.1).ids.tolist() == [1]
    for index in range(30):
        assert len(follower.update(poses(), 0.1 + index / 30)) == 0
    assert follower.update(poses((100, 100)), 1.2).ids.tolist() == [1]


@pytest.mark.parametrize("times", [[5.0] * 30, [5.0 - index / 30 for index in range(30)], [9.0, 0.0, 0.03, -4.0, -4.0]])
def test_time_may_stand_still_or_go_back(times: list[float]) -> None:
    follower = tracker()
    for index, time in enumerate(times):
        assert follower.update(poses((100 + index, 100)), time).ids.tolist() == [1]


@pytest.mark.filterwarnings("error")
def test_nan_keypoints_count_as_unseen() -> None:
    follower = tracker()
    for index in range(20):
        found = poses((100 + 3 * index, 100), (300, 100))
        broken = found.keypoints.copy()
        broken[0, index % 17 :] = np.nan
        broken[1, :, 2] = np.nan
        assert follower.update(replace(found, keypoints=broken), index / 30).ids.tolist() == [1, 2]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_box_that_is_not_finite_stays_untracked_and_harms_nobody(value: float) -> None:
    follower = tracker()
    for index in range(5):
        found = poses((100, 100), (300, 100), (500, 100))
        boxes = found.boxes.copy()
        boxes[1, 2] = value
        assert follower.update(replace(found, boxes=boxes), index / 30).ids.tolist() == [1, UNTRACKED, 2]


def test_a_box_without_area_is_survived() -> None:
    follower = tracker()
    flat = Poses.of(np.full((1, 4), 50, np.float32), np.ones(1, np.float32), np.zeros((1, 17, 3), np.float32))
    assert [follower.update(flat, index / 30).ids.tolist() for index in range(5)] == [[1]] * 5


def test_hundreds_of_detections_keep_their_ids() -> None:
    world = crowd(300, seconds=0.3)
    assert_one_id_each(identities(world.play(10), tracker()), 300)


def test_a_wrong_number_of_keypoints_and_a_time_that_is_none_are_errors() -> None:
    with pytest.raises(ValueError, match="5 keypoints, but the tracker 17"):
        tracker().update(Poses.none(5), 0.0)
    with pytest.raises(ValueError, match="finite"):
        tracker().update(poses(), float("nan"))


def test_any_number_of_keypoints_is_tracked() -> None:
    for count in (0, 1, 2, 5):
        follower = Tracker(TrackingSettings(), (0.05,) * count)
        found = poses((100, 100), (300, 100))
        found = Poses.of(found.boxes, found.scores, found.keypoints[:, :count])
        assert [follower.update(found, index / 30).ids.tolist() for index in range(5)] == [[1, 2]] * 5


def test_ten_people_cost_a_fraction_of_a_frame() -> None:
    follower, spent = tracker(), []
    for sighting in crowd(10, seconds=3.0).play():
        start = clock.thread_time()
        follower.update(sighting.observation.poses, sighting.observation.frame.time)
        spent.append(clock.thread_time() - start)
    assert np.median(spent) < 0.01, "under a millisecond on a fast core, and a frame lasts 33"


# The filter


def _plain_filter(
    sightings: list[tuple[float, float]], height: float, measured: float, speed: float, jerk: float
) -> Floats:
    """One coordinate, one track, by the textbook: matrices, a plain loop; (position, velocity) at the end."""
    state = np.array([sightings[0][1], 0.0])
    covariance = np.diag([(measured * height) ** 2, (speed * height) ** 2])
    now = sightings[0][0]
    for time, value in sightings[1:]:
        dt, now = time - now, time
        step = np.array([[1, dt], [0, 1]])
        process = (jerk * height) ** 2 * np.array([[dt**3 / 3, dt**2 / 2], [dt**2 / 2, dt]])
        state = step @ state
        covariance = step @ covariance @ step.T + process
        spread = covariance[0, 0] + (measured * height) ** 2
        gain = covariance[:, 0] / spread
        state = state + gain * (value - state[0])
        covariance = covariance - np.outer(gain, covariance[0])
    return state.astype(np.float32)


def test_the_filter_is_the_textbooks() -> None:
    random = np.random.default_rng(1)
    times = np.cumsum(random.uniform(0.01, 0.3, 40))
    where = 200 + 90 * times + random.normal(0, 3, 40)
    motion, everyone = Motion(), np.array([0])
    for index, (time, x) in enumerate(zip(times, where, strict=True)):
        box = np.array([[x, 150.0, 40.0, 100.0]])
        if index == 0:
            motion.start(box)
        else:
            motion.predict(float(time - times[index - 1]), np.zeros(1))
            motion.update(everyone, box)
    expected = _plain_filter(list(zip(times.tolist(), where.tolist(), strict=True)), 100, 0.03, 1.5, 1.5)
    np.testing.assert_allclose([motion.position[0, 0], motion.velocity[0, 0]], expected, rtol=1e-5)
    assert motion.velocity[0, 0] == pytest.approx(90, rel=0.2)


def test_two_short_steps_are_one_long_one() -> None:
    def walked(steps: list[float]) -> Motion:
        motion, unseen = Motion(), np.zeros(1)
        motion.start(np.array([[100.0, 100, 40, 100]]))
        motion.predict(0.1, unseen)
        motion.update(np.array([0]), np.array([[110.0, 100, 40, 100]]))
        for step in steps:
            motion.predict(step, unseen)
            unseen = unseen + step
        motion.update(np.array([0]), np.array([[170.0, 100, 40, 100]]))
        return motion

    once, often = walked([0.8]), walked([0.05] * 16)
    np.testing.assert_allclose(often.position, once.position, rtol=1e-6)
    np.testing.assert_allclose(often.velocity, once.velocity, rtol=1e-6)


def test_the_unseen_coast_for_half_a_second_and_then_wait_there() -> None:
    motion = Motion()
    motion.start(np.array([[100.0, 100, 40, 100]]))
    motion.velocity[0, 0] = 60
    motion.predict(0.4, np.zeros(1))
    assert motion.position[0, 0] == pytest.approx(124)
    motion.predict(2.0, np.full(1, 0.4))
    assert motion.position[0, 0] == pytest.approx(130)


def test_corners_and_centres_are_inverse() -> None:
    boxes = np.array([[10, 20, 50, 120], [0, 0, 1, 3]], np.float32)
    np.testing.assert_allclose(to_centres(boxes), np.array([[30, 70, 40, 100], [0.5, 1.5, 1, 3]]))
    np.testing.assert_allclose(to_corners(to_centres(boxes)), boxes)


# Likeness and pairing


def test_iou_by_hand() -> None:
    boxes = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 30, 30], [3, 3, 3, 3]], np.float32)
    expected = np.array([[1, 1 / 3, 0, 0], [1 / 3, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]])
    np.testing.assert_allclose(iou(boxes, boxes), expected, rtol=1e-6)


def test_likeness_is_the_mean_of_iou_and_oks_over_keypoints_that_both_see() -> None:
    random = np.random.default_rng(2)
    first, second = poses((100, 100), (120, 104)), poses((104, 101), (130, 99), (900, 99))
    one, two = first.keypoints.copy(), second.keypoints.copy()
    one[:, :, 2], two[:, :, 2] = random.random((2, 17)), random.random((3, 17))
    two[0, 4, 0] = np.nan
    found = likeness(first.boxes, one, second.boxes, two, SIGMAS)
    for i in range(2):
        area = 40.0 * 100.0
        for j in range(3):
            terms = []
            for k in range(17):
                if one[i, k, 2] > 0.5 and two[j, k, 2] > 0.5 and np.isfinite(two[j, k]).all():
                    d2 = float(((one[i, k, :2] - two[j, k, :2]) ** 2).sum())
                    terms.append(np.exp(-d2 / (2 * area * (2 * float(SIGMAS[k])) ** 2)))
            assert len(terms) >= 3
            if j == 2:
                assert found[i, j] == 0  # far away
                continue
            overlap = float(iou(first.boxes[i : i + 1], second.boxes[j : j + 1])[0, 0])
            assert found[i, j] == pytest.approx((overlap + np.mean(terms)) / 2, abs=1e-5)


def test_where_few_keypoints_are_seen_boxes_alone_count() -> None:
    first, second = poses((100, 100)), poses((105, 100))
    few = second.keypoints.copy()
    few[:, 2:, 2] = 0.1
    found = likeness(first.boxes, first.keypoints, second.boxes, few, SIGMAS)
    np.testing.assert_allclose(found, iou(first.boxes, second.boxes))


def test_nearness_falls_with_distance_and_reaches_farther_with_time() -> None:
    here = [100.0, 100, 40, 100]
    places: list[list[float]] = [[100, 100, 40, 100], [160, 100, 40, 100], [240, 100, 40, 100], [100, 100, 40, 40]]
    soon, later, late = ([nearness(here, place, unseen) for place in places] for unseen in (0.03, 1.0, 60.0))
    assert soon[0] == pytest.approx(1)
    assert soon[1] == 0
    assert 0 < later[1] < 1
    assert later[2] == 0
    assert 0 < late[2] < late[1]
    assert soon[3] == later[3] == late[3] == 0  # nobody shrinks so


def test_pairs_are_best_as_a_whole_and_none_is_below_the_least() -> None:
    greedy_would_fail = np.array([[0.9, 0.8], [0.8, 0.1]], np.float32)
    assert pair(greedy_would_fail, 0.2) == [(0, 1), (1, 0)]
    assert pair(np.array([[0.9, 0.1], [0.0, 0.1]], np.float32), 0.2) == [(0, 0)]
    a_bad_pair_could_tip_the_sum = np.array([[0.5, 0.19], [0.45, 0.0]], np.float32)
    assert pair(a_bad_pair_could_tip_the_sum, 0.2) == [(0, 0)]
    assert pair(np.zeros((2, 3), np.float32), 0.0) == []
    assert pair(np.zeros((0, 3), np.float32), 0.2) == []


def test_the_weaker_of_two_that_look_the_same_is_the_duplicate() -> None:
    found = poses((100, 100), (300, 100), (102, 100), (316, 100))
    alike = likeness(found.boxes, found.keypoints, found.boxes, found.keypoints, SIGMAS)
    pairs = [(row, column, float(alike[row, column])) for row, column in np.ndindex(*alike.shape)]
    repeated, crowded = crowding(pairs)
    assert repeated == {2}
    assert crowded == {0, 1, 2, 3}
