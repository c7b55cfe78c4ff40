"""The main person, chosen as frames come: who is kept, and when another takes their place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from media_worlds import estimator, one_person, settings, write_clip
from output_worlds import SAMPLES
from poseline.errors import SettingsError
from poseline.frame import Pixels
from poseline.log import read_log
from poseline.pose import UNTRACKED, Observation, Poses
from poseline.settings import load
from poseline.tracking import MainPerson, keep_main
from test_run import logged, recorded
from worlds import Person, World, crossing_pair

SIZE = (640, 360)


def poses(people: Sequence[tuple[int, float, float, float]], score: float = 0.9) -> Poses:
    """People by id, x and y of the middle, and height, all in pixels."""
    boxes = [(x - height / 5, y - height / 2, x + height / 5, y + height / 2) for _, x, y, height in people]
    found = Poses.of(
        np.array(boxes, np.float32).reshape(-1, 4), np.full(len(people), score, np.float32),
        np.zeros((len(people), 2, 3), np.float32),
    )  # fmt: skip
    return found.with_ids(np.array([number for number, *_ in people], np.int64).reshape(-1))


def kept(frames: Sequence[Sequence[tuple[int, float, float, float]]], rate: float = 30) -> list[int | None]:
    """Who is the main person in each frame."""
    chooser = MainPerson()
    chosen = [chooser.update(poses(people), index / rate, SIZE) for index, people in enumerate(frames)]
    return [int(each.ids[0]) if len(each) else None for each in chosen]


@pytest.mark.parametrize(
    ("people", "main"),
    [
        ([(1, 320, 180, 100), (2, 320, 180, 200)], 2), ([(1, 320, 180, 150), (2, 40, 320, 170)], 1),
        ([(4, 10, 10, 50)], 4), ([], None),
    ],
    ids=["the larger", "the more central", "the only one", "nobody"],
)  # fmt: skip
def test_the_first_frame_has_the_most_prominent(
    people: list[tuple[int, float, float, float]], main: int | None
) -> None:
    assert kept([people]) == [main]


def test_confidence_counts() -> None:
    unsure, sure = poses([(1, 320, 180, 150)], score=0.4), poses([(2, 320, 180, 140)], score=0.9)
    both = Poses(*(np.concatenate((getattr(unsure, name), getattr(sure, name))) for name in Poses.__annotations__))
    assert MainPerson().update(both, 0.0, SIZE).ids.tolist() == [2]


def test_somebody_who_passes_in_front_does_not_take_the_place() -> None:
    def passing(index: int) -> list[tuple[int, float, float, float]]:
        x = 20 * index  # 600 pixels a second: before the other for less than half a second
        return [(1, 320, 180, 150), (2, x, 200, 280)] if 0 < x < 640 else [(1, 320, 180, 150)]

    assert set(kept([passing(index) for index in range(60)])) == {1}


def test_somebody_who_stays_takes_it_once_after_a_while() -> None:
    chosen = kept([[(1, 320, 180, 150), *([(2, 320, 190, 280)] if index >= 30 else [])] for index in range(120)])
    changes = [index for index, (before, after) in enumerate(pairwise(chosen), 1) if before != after]
    assert len(changes) == 1
    assert 30 + 15 <= changes[0] <= 30 + 45
    assert chosen[-1] == 2


def test_two_alike_do_not_take_turns() -> None:
    random = np.random.default_rng(0)
    frames = [
        [(1, 250, 180, 150 + 30 * random.random()), (2, 390, 180, 150 + 30 * random.random())] for _ in range(300)
    ]
    assert len(set(kept(frames))) == 1


def test_a_main_person_who_hides_is_waited_for_and_one_who_leaves_is_not() -> None:
    main, small = (1, 320, 180, 200), (2, 100, 180, 60)
    hidden = [[small] if 30 <= index < 42 else [main, small] for index in range(90)]
    assert kept(hidden)[29:43] == [1, *([None] * 12), 1]
    gone = kept([[small] if index >= 30 else [main, small] for index in range(90)])
    assert gone[29] == 1
    assert gone[-1] == 2
    assert gone.index(2) <= 30 + 31


def test_a_new_id_at_the_same_place_is_the_same_person() -> None:
    frames = [[(1 if index < 30 else 7, 320 + index, 180, 200), (2, 100, 180, 150)] for index in range(60)]
    assert kept(frames) == [1] * 30 + [7] * 30


def test_it_depends_on_the_past_alone() -> None:
    frames = [[(1, 320, 180, 150), (2, 5 * index, 190, 200)] for index in range(120)]
    whole = kept(frames)
    assert all(kept(frames[:count]) == whole[:count] for count in (1, 20, 60, 90))


def world(scene: World) -> Iterator[Observation]:
    for sighting in scene.play():
        seen = sighting.observation
        yield replace(seen, poses=seen.poses.with_ids(sighting.truth + 1))


def test_in_a_crossing_one_is_kept_to_its_end() -> None:
    chosen = [seen.poses.ids.tolist() for seen in keep_main(world(crossing_pair()), tracked=True)]
    assert [1] in chosen
    assert all(ids in ([1], []) for ids in chosen), "of two alike, the first who is the more prominent"


def test_the_one_who_is_filmed_is_kept_in_a_crowd() -> None:
    walkers = [Person(lambda t, y=y: (900 - 260 * t, y), height=110, phase=y / 90) for y in (120, 150, 200)]  # type: ignore[misc] # y is bound
    scene = World((*walkers, Person(lambda t: (320 + 40 * np.sin(t), 190), height=170)), seconds=4.0)
    chosen = [seen.poses.ids.tolist() for seen in keep_main(world(scene), tracked=True)]
    assert {number for ids in chosen for number in ids} == {4}
    assert sum(ids == [4] for ids in chosen) > 0.8 * len(chosen)


@pytest.mark.parametrize("name", ["crossing", "crowd"])
def test_in_the_samples_nobody_flickers(name: str) -> None:
    log = read_log(SAMPLES / f"{name}.truth.jsonl")
    chooser, chosen = MainPerson(), []
    for frame in log.frames:
        assert frame.width is not None
        assert frame.height is not None
        shown = chooser.update(frame.poses, frame.time, (frame.width, frame.height))
        chosen += [(frame.time, int(shown.ids[0]))] if len(shown) else []
    changes = [time for (_, before), (time, after) in pairwise(chosen) if before != after]
    assert len(changes) <= 4, changes
    assert all(later - earlier >= 0.5 for earlier, later in pairwise(changes))
    assert len(chosen) > 0.85 * len(log.frames)


def test_pictures_without_ids_have_each_their_own() -> None:
    found = poses([(UNTRACKED, 100, 180, 60), (UNTRACKED, 320, 180, 200)])
    seen = next(world(crossing_pair()))
    (one,) = keep_main(iter([replace(seen, poses=found)]), tracked=False)
    assert one.poses.boxes.tolist() == found.boxes[1:].tolist()


def test_without_tracking_it_is_refused() -> None:
    with pytest.raises(SettingsError, match="--main needs tracking"):
        load(overrides={"tracking": {"main": True, "enabled": False}})


def two_people(pixels: Pixels) -> NDArray[np.float32]:
    """A network's answer: a small person on the left, a large one in the middle."""
    height, width = pixels.shape[2:]
    found = one_person(pixels)
    found[:, 1] = found[:, 0]
    found[[0, 2, 3, 4, 5, 8], 1] = width / 8, width / 10, height / 4, 0.8, width / 8, width / 8
    return found


@pytest.mark.parametrize("main", [False, True])
def test_a_run_logs_counts_and_draws_the_main_person_alone(main: bool, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", range(10), size=(320, 240))
    report = recorded(clip, tmp_path / "out", estimator(two_people), settings(tracking={"enabled": True, "main": main}))
    persons = [frame["persons"] for frame in logged(tmp_path / "out")]
    assert [len(each) for each in persons] == [1 if main else 2] * 10
    assert report.counts.persons == sum(map(len, persons))
    with av.open(str(tmp_path / "out" / "annotated.mp4")) as container:
        drawn = np.asarray(next(container.decode(video=0)).to_ndarray(format="bgr24")).astype(int)
    small, large = drawn[90:150, 20:60], drawn[50:200, 100:220]
    coloured = [int((part.max(axis=2) - part.min(axis=2)).max()) for part in (small, large)]
    assert coloured[1] > 60
    assert (coloured[0] > 60) != main
