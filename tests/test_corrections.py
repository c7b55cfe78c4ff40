"""Corrections: acts, what they make of poses, and the file that nothing is lost from."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from correction_worlds import FRAMES, scripted, scripted_log
from poseline.corrections import (
    HIDDEN_CONFIDENCE,
    KINDS,
    Act,
    Add,
    Change,
    Corrections,
    Delete,
    Drop,
    Effects,
    Face,
    Facts,
    Floor,
    Hide,
    Identify,
    Join,
    Main,
    Place,
    Rename,
    Scale,
    Split,
    Stretch,
    SwapPersons,
    SwapSides,
    change_of,
    corrections_path,
    merge,
    new_id,
)
from poseline.errors import SettingsError, SourceError
from poseline.log import LogReader, State, Tracks, read_log, read_tracks
from poseline.pose import Poses
from poseline.skeleton import COCO17

NAMES = COCO17.names
ANKLE = NAMES.index("left_ankle")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return scripted_log(tmp_path / "run")


def acts(*changes: Change) -> list[Act]:
    return [Act(new_id(), change) for change in changes]


def after(log: Path, *changes: Change) -> Tracks:
    """The log with these corrections, which are written first."""
    corrections = Corrections.of(log)
    for change in changes:
        corrections.append(change)
    return read_tracks(log)


def pose(tracks: Tracks, frame: int, person: int) -> Any:
    """(17, 3) of a person in a frame; None where they are not."""
    rows = np.flatnonzero((tracks.rows.frame == frame) & (tracks.rows.id == person))
    assert len(rows) < 2, "nobody is in a frame twice"
    return tracks.rows.keypoints[rows[0]] if len(rows) else None


def states(tracks: Tracks, frame: int, person: int) -> list[int]:
    row = np.flatnonzero((tracks.rows.frame == frame) & (tracks.rows.id == person))[0]
    return list(tracks.rows.state[row].tolist())


# What each kind does


def test_a_keypoint_that_is_placed_is_interpolated_between_the_frames_that_were_set(log: Path) -> None:
    tracks = after(log, Place(2, "left_ankle", {10: (100, 200), 14: (140, 220), 15: (0, 0)}))
    assert [pose(tracks, frame, 2)[ANKLE].tolist() for frame in (10, 11, 13, 14, 15)] == [
        [100, 200, 1], [110, 205, 1], [130, 215, 1], [140, 220, 1], [0, 0, 1],
    ]  # fmt: skip
    assert [states(tracks, frame, 2)[ANKLE] for frame in (9, 10, 11, 14, 15, 16)] == [1, 2, 3, 2, 2, 1]
    raw = scripted()
    np.testing.assert_array_equal(pose(tracks, 9, 2), pose(raw, 9, 2))
    np.testing.assert_array_equal(pose(tracks, 11, 1), pose(raw, 11, 1))
    assert states(tracks, 11, 2).count(State.MEASURED) == 16


def test_a_hidden_keypoint_keeps_its_place_and_a_wrong_one_loses_it(log: Path) -> None:
    tracks, raw = after(log, Hide(1, ["nose", "left_eye"], 3, 5), Drop(3, ["nose"], None, 2)), scripted()
    hidden = pose(tracks, 4, 1)
    np.testing.assert_array_equal(hidden[:, :2], pose(raw, 4, 1)[:, :2])
    assert hidden[:2, 2].tolist() == [HIDDEN_CONFIDENCE] * 2
    assert hidden[2, 2] == np.float32(0.9)
    assert pose(tracks, 6, 1)[0, 2] == np.float32(0.9)
    assert np.isnan(pose(tracks, 2, 3)[0]).all()
    assert states(tracks, 2, 3)[:2] == [State.MISSING, State.MEASURED]
    assert np.isfinite(pose(tracks, 3, 3)).all()


def test_sides_are_exchanged_in_a_span_and_twice_is_as_before(log: Path) -> None:
    raw, mirrored = scripted(), np.arange(17)
    for left, right in COCO17.pairs:
        mirrored[left], mirrored[right] = right, left
    tracks = after(log, SwapSides(2, 5, 8))
    np.testing.assert_array_equal(pose(tracks, 5, 2), pose(raw, 5, 2)[mirrored])
    np.testing.assert_array_equal(pose(tracks, 9, 2), pose(raw, 9, 2))
    again = after(log, SwapSides(2, 5, 8))
    np.testing.assert_array_equal(again.rows.keypoints, raw.rows.keypoints)
    assert again.corrections
    assert again.corrections.sides == (Stretch(2, 5, 8),) * 2


def test_persons_are_exchanged_joined_and_split(log: Path) -> None:
    raw = scripted()
    tracks = after(log, SwapPersons((1, 3), 10, 12), Split(2, 20, 7), Delete(2, 0, 4), Split(3, 5, 9), Join(9, 5))
    np.testing.assert_array_equal(pose(tracks, 11, 1), pose(raw, 11, 3))
    np.testing.assert_array_equal(pose(tracks, 11, 5), pose(raw, 11, 1))  # 3 by then, then 9, then 5
    np.testing.assert_array_equal(pose(tracks, 3, 3), pose(raw, 3, 3))
    assert pose(tracks, 4, 2) is None
    assert pose(tracks, 20, 2) is None
    np.testing.assert_array_equal(pose(tracks, 20, 7), pose(raw, 20, 2))
    assert tracks.ids.tolist() == [1, 2, 3, 5, 7]


def test_nobody_is_in_a_frame_twice_whatever_is_joined(log: Path) -> None:
    corrections = Corrections.of(log)
    tracks = read_tracks(log, raw=True)
    with pytest.raises(SettingsError, match=r"2 and 1 are both in 30 frames \(0, 1, 2, 3, 4 and more\)"):
        corrections.append(Join(2, 1), tracks=tracks)
    with pytest.raises(SettingsError, match="3 and 1 are both in 5 frames"):
        corrections.append(Split(3, FRAMES - 5, 1), tracks=tracks)
    assert not corrections.path.exists()
    joined = after(log, Delete(1, 10, 19), Join(2, 1))  # as of a log that went on after the act
    assert pose(joined, 9, 2) is not None
    np.testing.assert_array_equal(pose(joined, 10, 1), pose(tracks, 10, 2))
    assert len(joined.rows) == 3 * FRAMES - 10


def test_a_person_who_was_missed_is_added_between_the_frames_that_were_set(log: Path) -> None:
    poses = {10: {"nose": (10.0, 20.0), "left_eye": (5.0, 5.0)}, 14: {"nose": (50.0, 40.0)}}
    tracks = after(log, Add(9, poses, {10: (0, 0, 10, 20), 14: (40, 20, 50, 60)}))
    assert [pose(tracks, frame, 9)[0].tolist() for frame in (10, 12, 14)] == [[10, 20, 1], [30, 30, 1], [50, 40, 1]]
    assert states(tracks, 10, 9)[:3] == [State.FILLED, State.FILLED, State.MISSING]
    assert states(tracks, 12, 9)[:3] == [State.INTERPOLATED, State.MISSING, State.MISSING]
    row = np.flatnonzero((tracks.rows.frame == 12) & (tracks.rows.id == 9))[0]
    assert tracks.rows.box[row].tolist() == [20, 10, 30, 40]
    assert tracks.rows.score[row] == 1
    assert pose(tracks, 15, 9) is None
    own = after(log, Add(1, {0: {"nose": (1.0, 1.0)}, 3: {"nose": (1.0, 1.0)}}))  # who is there already
    np.testing.assert_array_equal(pose(own, 2, 1), pose(scripted(), 2, 1))


def test_a_pose_without_an_id_is_identified_by_a_point_in_it(tmp_path: Path) -> None:
    from dataclasses import replace

    from poseline.log import write_tracks

    tracks = scripted()
    ids = np.where(np.isin(tracks.rows.frame, (4, 5)) & (tracks.rows.id != 1), -1, tracks.rows.id)
    log = tmp_path / "keypoints.jsonl"
    write_tracks(log, replace(tracks, rows=replace(tracks.rows, id=ids)))
    found = after(log, Identify(2, {4: (220, 100), 5: (220, 100)}), Identify(3, {4: (0, 0)}), Delete(-1))
    np.testing.assert_array_equal(pose(found, 4, 2), pose(tracks, 4, 2))
    assert (pose(found, 4, 3), pose(found, 5, 3)) == (None, None)
    assert pose(found, 6, 3) is not None


def test_what_is_said_of_people_follows_them_under_their_ids(log: Path) -> None:
    tracks = after(
        log, Rename(3, "Ann"), Main(3), Face(3, "left", 5, 24), Split(3, 20, 8), SwapPersons((1, 3), None, 9),
        Scale(((0, 0), (100, 0)), 2.0), Floor(((0, 100), (200, 90))),
    )  # fmt: skip
    facts = tracks.corrections
    assert facts is not None
    assert (facts.acts, facts.main, facts.name(1), facts.name(2)) == (7, 1, "Ann", "")
    assert [(said.where, said.facing) for said in facts.facings] == [
        (Stretch(1, 5, 9), "left"), (Stretch(3, 10, 19), "left"), (Stretch(8, 20, 24), "left"),
    ]  # fmt: skip
    assert (3, 8) in facts.apart
    assert (facts.scale, facts.floor) == (Scale(((0, 0), (100, 0)), 2.0), Floor(((0, 100), (200, 90))))


@pytest.mark.parametrize("together", [1, 7, 250])
def test_some_frames_after_others_are_as_all_at_once(log: Path, together: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("poseline.log.reader._CHUNK", together)
    chance = np.random.default_rng(5)
    for _ in range(5):
        changes = [random_change(chance) for _ in range(25)]
        corrections = Corrections.of(log)
        corrections.add([act.as_record() for act in acts(*changes)])
        whole, frames = read_tracks(log), read_log(log).frames
        for frame in frames:
            rows = whole.rows[np.flatnonzero(whole.rows.frame == frame.index)]
            for one, other in (
                (frame.poses.ids, rows.id), (frame.poses.keypoints, rows.keypoints), (frame.poses.boxes, rows.box),
                (frame.poses.scores, rows.score),
            ):  # fmt: skip
                np.testing.assert_array_equal(one, other)
            if frame.states is not None:
                np.testing.assert_array_equal(frame.states, rows.state)
        corrections.path.unlink()


def random_change(chance: np.random.Generator) -> Change:
    """Any change of poses, of persons who may not be there."""
    one, other = (int(each) for each in chance.choice(5, 2, replace=False) + 1)
    start, end = (int(each) for each in np.sort(chance.integers(0, FRAMES, 2)))
    at = {start: tuple(chance.uniform(0, 400, 2)), end: tuple(chance.uniform(0, 400, 2))}
    name = str(chance.choice(NAMES))
    kinds: Sequence[Change] = (
        Place(one, name, at), Hide(one, [name], start, None), Drop(one, [name], start, end), SwapSides(one, None, end),
        SwapPersons((one, other), start, end), Join(one, other), Split(one, start, other),
        Delete(one, start, start + 3), Identify(one, at),
        Add(one, {frame: {name: point} for frame, point in at.items()}),
    )  # fmt: skip
    return kinds[int(chance.integers(len(kinds)))]


def test_a_frame_that_no_act_is_about_costs_nothing() -> None:
    effects = Effects(acts(Place(1, "nose", {5: (0, 0)}), Delete(2, 7, 9)), COCO17)
    assert effects.frames([6], [Poses.none(17)]) is None
    assert Facts.of([]) == Facts()


# The file


def test_the_log_stays_as_it_was_and_raw_reads_it(log: Path) -> None:
    before = log.read_bytes()
    tracks = after(log, Delete(1), Place(2, "nose", {3: (0, 0)}))
    assert log.read_bytes() == before
    raw = read_tracks(log, raw=True)
    assert (raw.corrections, raw.ids.tolist(), tracks.ids.tolist()) == (None, [1, 2, 3], [2, 3])
    assert [len(frame.poses) for frame in read_log(log).frames[:2]] == [2, 2]
    assert [len(frame.poses) for frame in read_log(log, raw=True).frames[:2]] == [3, 3]
    record, _ = next(iter(LogReader(log).records()))
    assert [person["id"] for person in record["persons"]] == [2, 3]
    assert read_log(log.parent).corrections is not None


def test_what_an_older_reader_would_get_wrong_is_refused_in_words(log: Path) -> None:
    path = Corrections.of(log).path
    after(log, Delete(1))
    good = path.read_text()
    for bad, words in (
        (good.replace('"schema":1', '"schema":2'), "corrections of schema 2; this version reads schema 1"),
        (good.replace('"do":"delete"', '"do":"melt"'), "line 2: this version does not know what that is"),
        (good.replace('"person":1', '"person":"one"'), "line 2: this version does not know"),
        (good + '{"type":"comment","text":"hello"}\n', "line 3: this version does not know"),
        ("hello\n", "not a file of corrections"),
        (good.replace('"sha256":"', '"sha256":"0'), "are of another log"),
    ):
        path.write_text(bad)
        with pytest.raises(SourceError, match=words):
            read_tracks(log)
        assert read_tracks(log, raw=True).ids.tolist() == [1, 2, 3]


def test_corrections_of_another_log_are_refused_and_a_log_that_grew_is_not(log: Path, tmp_path: Path) -> None:
    after(log, Delete(1))
    other = scripted_log(tmp_path / "other")
    text = other.read_text().replace('"clip.mp4"', '"another.mp4"')
    other.write_text(text)
    shutil.copy(Corrections.of(log).path, other.parent)
    with pytest.raises(SourceError, match=r"are of another log \(clip.mp4\) than the one that lies here"):
        read_tracks(other)
    with pytest.raises(SourceError, match="another log"):
        Corrections.of(other)
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(lines[:10]))
    assert len(read_tracks(log)) == 9
    log.write_bytes(b"".join(lines[:20]))
    grown = read_tracks(log)
    assert (len(grown), grown.ids.tolist(), grown.ended) == (19, [2, 3], "killed")


def test_names_that_are_no_unicode_hinder_no_correction(log: Path) -> None:
    run, _, rest = log.read_text().partition("\n")
    log.write_text(json.dumps({**json.loads(run), "source": "clip\ud800.mp4"}) + "\n" + rest)
    of = LogReader(log).run
    Corrections(corrections_path(log), of, "clip\udce9.jsonl").append(Delete(1), by="Zo\udceb")
    assert [act.by for act in Corrections.of(log).acts] == ["Zo?"]
    assert 1 not in read_tracks(log).ids
    log.write_text(json.dumps({**of, "source": "clip\ud801.mp4"}) + "\n" + rest)
    with pytest.raises(SourceError, match="of another log"):
        read_tracks(log)


def test_an_act_is_checked_against_what_was_worked_out_already(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    applied: list[int] = []
    table = Effects.table
    monkeypatch.setattr(Effects, "table", lambda *given: applied.append(1) or table(*given))  # type: ignore[func-returns-value]
    tracks, corrections = read_tracks(log, raw=True), Corrections.of(log)
    for number in range(3):
        corrections.append(SwapSides(1, number, number), tracks=tracks)
        assert corrections.apply(tracks) is corrections.apply(tracks)
    assert len(applied) == 4, "before the first act, and once after each"
    Corrections.of(log).append(Delete(2))
    corrections.reload()
    assert 2 not in corrections.apply(tracks).ids


def test_a_log_of_another_name_has_corrections_of_its_own(tmp_path: Path) -> None:
    log = scripted_log(tmp_path).rename(tmp_path / "squat.jsonl")
    after(log, Delete(1))
    assert (tmp_path / "squat.corrections.jsonl").is_file()
    assert read_tracks(log).ids.tolist() == [2, 3]


def test_an_act_that_comes_twice_counts_once(log: Path) -> None:
    corrections = Corrections.of(log)
    for _ in range(2):
        corrections.append(SwapSides(1, 2, 3), act="abc", by="Ann")
    Corrections.of(log).append(SwapSides(1, 2, 3), act="abc")
    assert len(corrections.path.read_text().splitlines()) == 2
    with corrections.path.open("a") as file:  # as two programs would have written it that do not ask
        file.write(corrections.path.read_text().splitlines()[1] + "\n")
    corrections.reload()
    assert ([act.id for act in corrections.acts], corrections.acts[0].by) == (["abc"], "Ann")


def test_a_record_that_is_torn_anywhere_is_skipped_and_the_next_one_is_whole(log: Path) -> None:
    corrections = Corrections.of(log)
    corrections.append(Delete(1, 0, 1), act="first")
    corrections.append(Delete(1, 2, 3), act="second")
    whole = corrections.path.read_bytes()
    start = whole.index(b'{"type":"act","act":"second"')
    for end in sorted({*range(0, len(whole), 9), start - 1, start, start + 1, len(whole) - 1}):
        corrections.path.write_bytes(whole[:end])
        found = Corrections.of(log)
        expected = ["first"] if end >= start - 1 else []
        expected += ["second"] if end >= len(whole) - 1 else []
        assert [act.id for act in found.acts] == expected, end
        found.append(Delete(1, 4, 5), act="third")
        found.append(Delete(1, 2, 3), act="second")  # who was not answered asks again
        assert [act.id for act in Corrections.of(log).acts] == list(dict.fromkeys([*expected, "third", "second"])), end


APPENDING = """
import sys
from poseline.corrections import Corrections, Delete
corrections = Corrections.of(sys.argv[1])
for number in range(int(sys.argv[3])):
    print(corrections.append(Delete(1, number, number), act=f"{sys.argv[2]}-{number}").id, flush=True)
"""


def test_two_programs_append_at_once_and_one_is_killed(log: Path) -> None:
    def begin(name: str, count: int) -> subprocess.Popen[str]:
        code = [sys.executable, "-c", APPENDING, str(log), name, str(count)]
        return subprocess.Popen(code, stdout=subprocess.PIPE, text=True)

    with begin("a", 40) as steady, begin("b", 100_000) as killed:
        assert killed.stdout
        answered = [killed.stdout.readline().strip() for _ in range(25)]
        killed.send_signal(signal.SIGKILL if os.name == "posix" else signal.SIGTERM)
        answered += killed.stdout.read().split()
        assert steady.wait(60) == 0
    held = [act.id for act in Corrections.of(log).acts]
    assert len(held) == len(set(held))
    assert {*answered, *(f"a-{number}" for number in range(40))} <= {*held}
    assert len(held) <= 40 + len(answered) + 1  # the one that nobody was told of


def test_undo_and_redo_have_no_end(log: Path) -> None:
    corrections = Corrections.of(log)
    made = [corrections.append(Delete(1, number, number)).id for number in range(5)]
    other = Corrections.of(log)  # another program on the same file
    assert [act.id for act in iter(other.undo, None)] == made[::-1]
    assert [act.id for act in iter(corrections_again(log).redo, None)] == made
    assert other.undo(made[1], by="Ben")
    other.undo(made[1])  # again: nothing more
    assert [act.id for act in corrections_again(log).acts] == [made[0], *made[2:]]
    new = other.append(Delete(2, 0, 0)).id
    assert other.redo() is None, "a new act ends what can be redone without its name"
    assert [other.undo(), other.redo(), other.redo()] == [other.acts[-1], other.acts[-1], None]
    assert other.redo(made[1])
    assert [act.id for act in corrections_again(log).acts] == [*made, new]
    with pytest.raises(SettingsError, match="there is no act 'x'"):
        other.undo("x")
    after(log, Delete(3))
    other.reload()
    assert len(other) == 7


def corrections_again(log: Path) -> Corrections:
    return Corrections.of(log)


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({"do": "melt"}, "do is one of place, hide"),
        ({}, "do is one of"),
        ({"do": ["place"]}, "do is one of"),
        ({"do": "place", "person": 1, "keypoint": "nose"}, "at missing"),
        ({"do": "place", "person": 1, "keypoint": "nose", "at": {}}, "nothing is set"),
        ({"do": "place", "person": 1, "keypoint": "nose", "at": {"x": [1, 2]}}, "at: "),
        ({"do": "place", "person": 1, "keypoint": "nose", "at": {"1": [1]}}, r"a point is \[x, y\]"),
        ({"do": "place", "person": 1, "keypoint": "nose", "at": {"1": [1e9, 0]}}, "of the picture"),
        ({"do": "place", "person": 1, "keypoint": "nose", "at": {"-1": [1, 0]}}, "from 0"),
        ({"do": "place", "person": True, "keypoint": "nose", "at": {"1": [1, 2]}}, "a person's id"),
        ({"do": "place", "person": -1, "keypoint": "nose", "at": {"1": [1, 2]}}, "a person's id"),
        ({"do": "hide", "person": 1, "keypoints": "nose"}, "a list of keypoints"),
        ({"do": "delete", "person": 1, "from": 5, "to": 4}, "from frame 5 to 4 is empty"),
        ({"do": "delete", "person": 1, "from": 0.5}, "a frame is a whole number"),
        ({"do": "swap_persons", "persons": [1, 1]}, "got 1 twice"),
        ({"do": "swap_persons", "persons": [1]}, "persons"),
        ({"do": "split", "person": 1, "new": 5}, "from missing"),
        ({"do": "split", "person": 1, "from": None, "new": 5}, "from: "),
        ({"do": "join", "person": 1, "into": 1}, "1 twice"),
        ({"do": "rename", "person": 1, "name": "a\nb"}, "a text of 1 to 200"),
        ({"do": "facing", "person": 1, "facing": "up"}, "right, left, front, back"),
        ({"do": "scale", "points": [[0, 0], [0, 0]], "metres": 1}, "more than a pixel apart"),
        ({"do": "scale", "points": [[0, 0], [9, 0]], "metres": float("nan")}, "a finite number"),
        ({"do": "floor", "points": [[0, 0], [0, 90]]}, "45 degrees"),
        ({"do": "add", "person": 1, "at": {"1": {}}}, "without a keypoint"),
        ({"do": "add", "person": 1, "at": {"1": [1, 2]}}, "keypoints by name"),
        ({"do": "place", "person": 1, "keypoint": "nose", "at": {"1": {"nose": [1, 2]}}}, "a point"),
    ],
)
def test_an_act_that_is_wrong_is_refused_in_words(record: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        change_of(record)


def test_what_the_log_does_not_have_is_refused(log: Path) -> None:
    tracks, corrections = read_tracks(log, raw=True), Corrections.of(log)
    for change, words in (
        (Place(1, "tail", {1: (0, 0)}), "no keypoint is called 'tail'"),
        (Add(8, {1: {"tail": (0, 0)}}), "no keypoint is called 'tail'"),
        (Delete(8), "no person has the id 8; this log has 1, 2, 3"),
        (Delete(1, 100, 120), "person 1 is in none of these frames"),
        (SwapPersons((1, 9)), "id 9"),
    ):
        with pytest.raises(SettingsError, match=words):
            corrections.append(change, tracks=tracks)
    assert not corrections.path.exists()


def test_every_kind_is_written_and_read_back_as_it_was(log: Path) -> None:
    examples: Sequence[Change] = (
        Place(1, "nose", {3: (1.5, 2), 1: (0, 0)}), Hide(1, ("nose",)), Drop(1, ("nose", "left_eye"), 1, 2),
        SwapSides(2, None, 4), SwapPersons((1, 2), 3), Join(2, 8), Split(1, 4, 9), Rename(1, "Zoë"), Delete(-1, 1, 1),
        Add(5, {1: {"nose": (0, 1)}}, {1: (0, 0, 2, 2)}), Identify(4, {2: (1, 1)}), Main(1), Face(1, "back"),
        Scale(((0, 0), (5, 5)), 1.25), Floor(((0, 0), (9, 1))),
    )  # fmt: skip
    assert {type(each) for each in examples} == {*KINDS.values()}
    corrections = Corrections.of(log)
    for each in examples:
        corrections.append(each, by="Zoë")
    again = Corrections.of(log)
    assert [act.change for act in again.acts] == list(examples)
    assert all(json.loads(line) for line in corrections.path.read_text("utf-8").splitlines())


# Two people's corrections


@pytest.fixture
def theirs(log: Path, tmp_path: Path) -> Path:
    """A copy of the run, on which somebody else works."""
    return Path(shutil.copytree(log.parent, tmp_path / "theirs")) / "keypoints.jsonl"


def test_what_two_people_did_beside_each_other_is_all_in_force(log: Path, theirs: Path) -> None:
    after(log, Join(1, 5), Place(2, "nose", {3: (0, 0)}))
    after(theirs, Place(1, "nose", {4: (9, 9)}), Place(2, "nose", {8: (7, 7)}), Place(2, "nose", {3: (0, 0)}))
    mine = Corrections.of(log)
    merged = merge(mine, Corrections.of(theirs))
    assert not merged.conflicts
    assert mine.add(merged.records)
    tracks = read_tracks(log)
    assert pose(tracks, 4, 5)[0].tolist() == [9, 9, 1], "carried to the id that the person has here"
    assert pose(tracks, 8, 2)[0].tolist() == [7, 7, 1]
    assert len(mine) == 4, "what both did counts once"
    again = merge(mine, Corrections.of(theirs))
    assert not again.records
    assert not again.conflicts


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Place(1, "nose", {3: (0, 0), 6: (1, 1)}), Place(1, "nose", {5: (3, 3)})),
        (Place(1, "nose", {3: (0, 0)}), Drop(1, ["nose", "left_eye"], 2, 4)),
        (SwapSides(1, 3, 9), SwapSides(1, 3, 10)),
        (SwapPersons((1, 2), 5, 9), SwapPersons((2, 3), 9, 12)),
        (Join(1, 5), Join(1, 6)),
        (Split(1, 5, 7), Split(1, 6, 7)),
        (Delete(2), Place(2, "nose", {3: (0, 0)})),
        (Rename(1, "Ann"), Rename(1, "Ben")),
        (Main(1), Main(2)),
        (Face(1, "left", 0, 9), Face(1, "right", 5, 12)),
        (Scale(((0, 0), (9, 0)), 1), Scale(((0, 0), (9, 0)), 2)),
    ],
)
def test_what_contradicts_mine_is_told_and_kept_undone(log: Path, theirs: Path, one: Change, other: Change) -> None:
    before = after(log, one)
    after(theirs, other)
    mine = Corrections.of(log)
    merged = merge(mine, Corrections.of(theirs))
    assert [(conflict.theirs.change, conflict.mine and conflict.mine.change) for conflict in merged.conflicts] == [
        (other, one)
    ]
    assert "contradicts" in str(merged.conflicts[0])
    mine.add(merged.records)
    tracks = read_tracks(log)
    np.testing.assert_array_equal(tracks.rows.keypoints, before.rows.keypoints)
    assert tracks.corrections == before.corrections
    assert mine.redo(merged.conflicts[0].theirs.id)
    assert len(mine) == 2


def test_what_rests_on_an_id_that_contradicts_is_left_undone_too(log: Path, theirs: Path) -> None:
    after(log, Split(1, 5, 7))
    after(theirs, Split(1, 9, 8), Place(8, "nose", {12: (0, 0)}), Place(2, "nose", {12: (0, 0)}))
    merged = merge(Corrections.of(log), Corrections.of(theirs))
    assert [conflict.theirs.change.do for conflict in merged.conflicts] == ["split", "place"]
    assert [act.change for act in merged.added] == [Place(2, "nose", {12: (0, 0)})]


def test_an_act_of_both_that_only_one_undid_is_told(log: Path, theirs: Path) -> None:
    after(log, Delete(1))
    shutil.copy(Corrections.of(log).path, theirs.parent)
    Corrections.of(log).undo()
    merged = merge(Corrections.of(log), Corrections.of(theirs))
    assert [str(each) for each in merged.conflicts] == ["delete 1 in all frames: is undone here, and in force there"]
    other = scripted_log(theirs.parent / "x")
    other.write_text(other.read_text().replace('"clip.mp4"', '"another.mp4"'))
    with pytest.raises(SourceError, match="another log"):
        merge(Corrections.of(log), Corrections.of(other)) if after(other, Delete(1)) else None


def test_a_number_that_no_picture_has_is_refused_in_words() -> None:
    for change in ({"at": {"1": [10**400, 1]}}, {"at": {float("inf"): [1, 1]}}):
        with pytest.raises(SettingsError, match="correction place: at: "):
            change_of({"do": "place", "person": 1, "keypoint": "nose", **change})
