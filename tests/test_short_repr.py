"""What public objects show of themselves: a line that says what and how much, however much they hold."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from poseline import COCO17, Frame, Observation, Poses, RunHeader, RunReport, Settings, analyze, read_log, read_tracks
from poseline.short_repr import short_repr
from rooms import PROJECT

LONGEST = 600


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """210 frames of one person."""
    path = tmp_path_factory.mktemp("log") / "keypoints.jsonl"
    path.write_bytes(gzip.decompress((PROJECT / "tests" / "data" / "builtin-squat.jsonl.gz").read_bytes()))
    return path


def reachable(thing: Any) -> Iterator[Any]:
    """All dataclasses that a thing holds, and itself."""
    if is_dataclass(thing):
        yield thing
        for field in fields(thing):
            yield from reachable(getattr(thing, field.name))
    elif isinstance(thing, dict):
        for each in thing.values():
            yield from reachable(each)
    elif isinstance(thing, list | tuple):
        for each in thing:
            yield from reachable(each)


def test_no_object_of_a_log_or_an_analysis_is_long(log: Path) -> None:
    objects = [*reachable(read_log(log)), *reachable(read_tracks(log)), *reachable(analyze(log, height=1.8))]
    kinds = {type(each).__name__ for each in objects}
    assert {"Log", "LoggedFrame", "Poses", "Tracks", "Analysis", "Person", "PersonAnalysis", "Event"} <= kinds
    assert not {type(each).__name__: len(repr(each)) for each in objects if len(repr(each)) > LONGEST}


def test_a_log_says_how_much_it_holds(log: Path) -> None:
    read = read_log(log)
    assert repr(read) == "Log(210 frames, 210 poses, source='samples/squat.mp4', ended='killed')"
    assert repr(read_tracks(log)) == "Tracks(210 frames, 8.360 s, 1 person, 17 keypoints)"
    assert "poses=Poses(1 person, 17 keypoints each, ids=[1])" in repr(read.frames[5])


def test_an_observation_says_what_was_seen() -> None:
    poses = Poses.of(np.zeros((2, 4), np.float32), np.ones(2, np.float32), np.zeros((2, 17, 3), np.float32))
    frame = Frame(np.zeros((4, 6, 3), np.uint8), 3, 3, Fraction(1, 25), 0.12, 0.0, "clip.mp4")
    seen = "Frame(index=3, time=0.120 s, 6x4, source='clip.mp4')"
    assert repr(Observation(frame, poses)) == f"Observation({seen}, Poses(2 persons, 17 keypoints each))"
    assert repr(COCO17) == "Skeleton(17 keypoints: nose, left_eye, right_eye, ...; 19 edges)"


def test_settings_show_what_is_not_as_by_default() -> None:
    assert repr(Settings()) == str(Settings()) == "Settings()"
    changed = Settings.model_validate({"inference": {"conf": 0.4}, "output": {"video": False}})
    assert repr(changed) == "Settings(inference=InferenceSettings(conf=0.4), output=OutputSettings(video=False))"


def test_what_a_run_gives_is_short() -> None:
    assert {kind.__dict__["__repr__"] for kind in (RunReport, RunHeader)} == {short_repr}


def test_values_are_shown_whole_where_they_are_short_and_by_size_where_not() -> None:
    @dataclass(repr=False)
    class Thing:
        array: Any
        some: Any
        many: Any
        mixed: Any
        table: Any
        text: Any
        __repr__ = short_repr

    thing = Thing(np.zeros((3, 2)), (1, 2), list(range(99)), [1, "a"] * 50, {n: n for n in range(30)}, "x" * 99)
    whole = repr(thing)
    assert whole.startswith(
        "Thing(array=<3x2 float64>, some=(1, 2), many=<99 int>, mixed=<100 values>, table=<30 keys>"
    )
    assert "text='xxx" in whole
    assert whole.endswith("x...)")
    thing.some = Thing(*[list(range(99))] * 6)
    assert "some=Thing(...)" in repr(thing)
