"""Fragments of one person joined: the models' logs, truth cut into pieces, people who leave and come back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from analysis_worlds import NAMES, log_records, truth_records
from poseline.analysis import Fragment, stitch
from poseline.pose import UNTRACKED


def fragments(records: list[dict[str, Any]]) -> list[Fragment]:
    """What a log holds: one for each id, one for each detection without."""
    rows: dict[int, list[tuple[int, float, Any]]] = {}
    single: list[Fragment] = []
    for record in records:
        for person in record["persons"]:
            points = np.array(person["keypoints"], float)[:, :2]
            if person["id"] == UNTRACKED:
                single.append(
                    Fragment(UNTRACKED, np.array([record["frame"]]), np.array([record["time"]]), points[None])
                )
            else:
                rows.setdefault(person["id"], []).append((record["frame"], record["time"], points))
    return [_fragment(number, own) for number, own in rows.items()] + single


def _fragment(number: int, rows: list[tuple[int, float, Any]]) -> Fragment:
    frames, times, points = zip(*rows, strict=True)
    return Fragment(number, np.array(frames), np.array(times), np.array(points))


def cut(name: str, seed: int) -> tuple[list[Fragment], list[int]]:
    """The truth of a sample in pieces of 25 to 80 frames with up to 11 frames between them; and whose each is."""
    rng = np.random.default_rng(seed)
    own: dict[int, list[tuple[int, float, Any]]] = {}
    for record in truth_records(name):
        for person in record["persons"]:
            own.setdefault(person["id"], []).append(
                (record["frame"], record["time"], np.array(person["keypoints"], float)[:, :2])
            )
    pieces: list[Fragment] = []
    whose: list[int] = []
    for person, rows in own.items():
        start = 0
        while start < len(rows):
            length = int(rng.integers(25, 80))
            piece = rows[start : start + length]
            gap = next((row for row in range(1, len(piece)) if piece[row][0] > piece[row - 1][0] + 1), len(piece))
            if len(piece[:gap]) > 2:
                pieces.append(_fragment(len(pieces) + 1, piece[:gap]))
                whose.append(person)
            start += min(length, gap) + (int(rng.integers(0, 12)) if gap == len(piece) else 0)
    return pieces, whose


@pytest.mark.parametrize(("name", "people"), [("crossing", 3), ("crowd", 8)])
@pytest.mark.parametrize("seed", [0, 1])
def test_pieces_of_one_person_come_together_and_of_two_do_not(name: str, people: int, seed: int) -> None:
    pieces, whose = cut(name, seed)
    stitched = stitch(pieces, NAMES)
    assert len(pieces) > people + 3
    assert [len({whose[part] for part in parts}) for parts in stitched.persons] == [1] * people
    assert sorted(part for parts in stitched.persons for part in parts) == list(range(len(pieces)))
    assert len(stitched.joins) == len(pieces) - people
    for parts in stitched.persons:
        starts = [pieces[part].frames[0] for part in parts]
        assert starts == sorted(starts)


@pytest.mark.parametrize("model", ["builtin", "yolo11n"])
def test_detections_without_an_id_join_their_track(model: str) -> None:
    given = fragments(log_records(model, "crossing"))
    loose = [index for index, fragment in enumerate(given) if fragment.id == UNTRACKED]
    stitched = stitch(given, NAMES)
    assert len(stitched.persons) == 3
    joined = [part for parts in stitched.persons for part in parts if part in loose]
    assert sorted([*joined, *stitched.loose]) == loose
    assert joined
    exact = {record["frame"]: record for record in truth_records("crossing")}
    for parts in stitched.persons:  # most of what joined is the person that the track is of
        tracks = [part for part in parts if part not in loose]
        person = owner(given[tracks[0]], exact)
        assert all(owner(given[part], exact) in (person, None) for part in tracks)
    right = sum(
        owner(given[part], exact) in (owner(given[parts[k]], exact) for k in range(len(parts)) if parts[k] not in loose)
        for parts in stitched.persons
        for part in parts
        if part in loose
    )
    assert right >= 0.3 * len(joined)


def owner(fragment: Fragment, exact: dict[int, Any]) -> int | None:
    """Whose points a fragment's are, in most of its frames; None: nobody's."""
    votes = []
    for frame, points in zip(fragment.frames, fragment.points, strict=True):
        persons = exact[int(frame)]["persons"]
        places = np.array([person["keypoints"] for person in persons], float)[:, :, :2]
        away = np.linalg.norm(places - points, axis=2).mean(axis=1)
        torso = np.linalg.norm(places[:, 5:7].mean(axis=1) - places[:, 11:13].mean(axis=1), axis=1)
        best = int(away.argmin())
        votes.append(persons[best]["id"] if away[best] < 0.6 * torso[best] else None)
    return max(set(votes), key=votes.count)


def body(x: float, size: float = 1.0) -> Any:
    """Somebody who stands at x, with a torso of `size` · 60 px."""
    base = np.array(truth_records("crowd")[0]["persons"][3]["keypoints"], float)[:, :2]
    centre = base[[5, 6, 11, 12]].mean(axis=0)
    torso = np.linalg.norm(base[5:7].mean(axis=0) - base[11:13].mean(axis=0))
    return (base - centre) * 60 * size / torso + [x, 300]


def walk(number: int, frames: range, x: float, speed: float, size: float = 1.0) -> Fragment:
    """`speed` in pixels a frame, at 25 frames a second."""
    points = np.array([body(x + speed * (frame - frames[0]), size) for frame in frames])
    return Fragment(number, np.array(frames), np.array(frames) / 25, points)


def test_somebody_who_was_hidden_goes_on() -> None:
    stitched = stitch([walk(1, range(40), 100, 5), walk(2, range(52, 90), 100 + 5 * 52, 5)], NAMES)
    assert stitched.persons == ((0, 1),)
    assert stitched.joins[0].gap == pytest.approx(13 / 25)
    assert stitched.joins[0].distance < 0.2


@pytest.mark.parametrize(
    "later",
    [
        walk(2, range(52, 90), 800, 5),  # elsewhere
        walk(2, range(52, 90), 100 + 5 * 52, 5, 1.6),  # another size
        walk(2, range(160, 200), 300, 5),  # too late
        walk(2, range(30, 70), 100 + 5 * 30, 5),  # at the same time
    ],
    ids=["elsewhere", "larger", "later", "meanwhile"],
)
def test_others_stay_others(later: Fragment) -> None:
    assert len(stitch([walk(1, range(40), 100, 5), later], NAMES).persons) == 2


def test_two_who_pass_each_other_keep_their_ways() -> None:
    right = [walk(1, range(40), 100, 6), walk(2, range(50, 90), 100 + 6 * 50, 6)]
    left = [walk(3, range(40), 640, -6), walk(4, range(50, 90), 640 - 6 * 50, -6)]
    stitched = stitch([*right, *left], NAMES)
    assert {frozenset(parts) for parts in stitched.persons} == {frozenset({0, 1}), frozenset({2, 3})}


def test_nothing_to_stitch() -> None:
    assert stitch([], NAMES).persons == ()
    alone = Fragment(UNTRACKED, np.array([3]), np.array([0.1]), body(100)[None])
    assert stitch([alone], NAMES).loose == (0,)
    unseen = Fragment(1, np.array([3]), np.array([0.1]), np.full((1, 17, 2), np.nan))
    assert stitch([unseen, walk(2, range(5), 100, 0)], NAMES).persons[0] in ((1,), (0,))
