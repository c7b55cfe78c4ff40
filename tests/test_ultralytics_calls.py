"""The calls that ultralytics documents for its pose models, run by both libraries on the same pictures.

Both run the same code (ultralytics_calls.py), each in a process of its own. What comes back must be of the same kind
and shape, and the numbers as near to each other as test_parity.py demands.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np
import pytest

from media_worlds import joined, write_clip
from output_worlds import SAMPLES, SHARED
from ultralytics_calls import CALLS, DIFFERENT, TRACK

pytestmark = pytest.mark.timeout(900)  # the reference takes a minute on two busy cores

SCRIPT = Path(__file__).with_name("ultralytics_calls.py")
TRACKED = TRACK.strip().splitlines()
UNTRACKED = [call for call in CALLS if call not in TRACKED]
FRAMES = 6
FIRST, SECOND = 20, 10
"""Frames of the two recordings that are joined to one."""
SAID: dict[str, tuple[Any, Any]] = {
    "vid_stride": ([1, 3, 5], [0, 2, 4]),
    "joined.ts": (FIRST, FIRST + SECOND),
    '"clip.mp4", save=True': (["clip.avi"], ["clip.mp4"]),
    "twice": (["image0.jpg"], ["image0-2.jpg", "image0.jpg"]),
    "classes=7": (0, "SettingsError: classes: .* has no class 7; it has 0 person"),
    "augment": (1, "SettingsError: augment: "),
    "tracker": (1, "SettingsError: tracker: "),
    ":500, :600": ("ValueError: ", 1),
    "model([])": ("FileNotFoundError: ", []),
    "im / 255": (0, "SourceError: an array of float64 must hold 0..255, and this one seems to hold 0..1"),
    "__module__": ("torch", "poseline.results.array"),
}
"""By a part of each call of DIFFERENT: what ultralytics says, and what poseline says."""
Answers: TypeAlias = dict[str, Any]


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the calls read: two pictures, a folder of them, lists, and a short clip."""
    place = tmp_path_factory.mktemp("calls")
    joined(place / "clip.mp4", SAMPLES / "crossing.mp4", packets=FRAMES)
    (place / "pictures").mkdir()
    video = cv2.VideoCapture(str(SAMPLES / "crossing.mp4"))
    for index in range(46):
        picture = video.read()[1]
        if index in (20, 45):
            for folder in (place, place / "pictures"):
                cv2.imwrite(str(folder / f"{'a' if index == 20 else 'b'}.jpg"), picture)
    parts = [write_clip(place / "part.ts", range(count)).read_bytes() for count in (FIRST, SECOND)]
    (place / "joined.ts").write_bytes(b"".join(parts))
    (place / "list.txt").write_text("a.jpg\nb.jpg\n")
    (place / "list.csv").write_text("source\na.jpg\nb.jpg\n")
    return place


def answers(module: str, weights: str, place: Path, folder: Path) -> Answers:
    """What one library says to all calls."""
    shutil.copytree(place, folder / "here")
    done = subprocess.run(
        [sys.executable, str(SCRIPT), module, weights], cwd=folder / "here", timeout=800,
        env=os.environ | {"YOLO_OFFLINE": "True", "YOLO_AUTOINSTALL": "False"}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: Answers = json.loads((folder / "here" / "answers.json").read_text())
    return found


@pytest.fixture(scope="session", params=["builtin", pytest.param("yolo11n-pose.pt", marks=pytest.mark.shared)])
def pair(
    request: pytest.FixtureRequest, builtin: Path, place: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Answers, Answers]:
    """What ultralytics and poseline say with weights that both can read, as the built-in model's are."""
    weights = str(builtin if request.param == "builtin" else SHARED / "models" / request.param)
    theirs = answers("ultralytics", weights, place, tmp_path_factory.mktemp("theirs"))
    return theirs, answers("poseline", weights, place, tmp_path_factory.mktemp("ours"))


def same(theirs: Any, ours: Any, where: str = "") -> None:
    """Hold what poseline gave against what ultralytics gave."""
    if isinstance(theirs, dict) and theirs.get("kind") == "array":
        assert ours["kind"] == "array", where
        assert ours["shape"] == theirs["shape"], where
        near(theirs["values"], ours["values"], where)
    elif isinstance(theirs, dict):
        assert isinstance(ours, dict), f"{where}: {ours}"
        assert ours.keys() == theirs.keys(), where
        for key in theirs:
            same(theirs[key], ours[key], f"{where}.{key}")
    elif isinstance(theirs, list) and theirs and not isinstance(theirs[0], dict | str):
        near(theirs, ours, where)
    elif isinstance(theirs, list):
        assert isinstance(ours, list), f"{where}: {ours}"
        assert len(ours) == len(theirs), where
        for index, (one, other) in enumerate(zip(theirs, ours, strict=True)):
            same(one, other, f"{where}[{index}]")
    elif isinstance(theirs, str) and Path(theirs).is_absolute():
        assert Path(ours).name == Path(theirs).name, where
    else:
        assert type(ours) is type(theirs), f"{where}: {ours!r}"
        assert ours == (pytest.approx(theirs, abs=0.01) if isinstance(theirs, float) else theirs), where


def near(theirs: Any, ours: Any, where: str) -> None:
    """The bounds of test_parity.py: 1 px of a box, 3 px of a keypoint, 0.5 px of keypoints in the mean."""
    expected, got = np.array(theirs, float), np.array(ours, float)
    assert got.shape == expected.shape, where
    if expected.size:
        apart = np.abs(got - expected)
        assert apart.max() <= (1.0 if expected.shape[-1] == 4 else 3.0), where
        assert apart.mean() <= 0.5, where


@pytest.mark.parametrize("call", DIFFERENT.strip().splitlines())
def test_a_call_differs_as_the_page_says(call: str, pair: tuple[Answers, Answers]) -> None:
    expected = next(said for part, said in SAID.items() if part in call)
    for answer, said in zip((each[call] for each in pair), expected, strict=True):
        plain = answer["items"] if isinstance(answer, dict) and "items" in answer else answer
        if isinstance(said, str):
            assert re.match(said, str(plain))
        else:
            assert plain == said


def test_there_are_sixty_of_them() -> None:
    assert len(CALLS) >= 60
    assert len(set(CALLS)) >= 60


@pytest.mark.parametrize("call", dict.fromkeys(UNTRACKED))
def test_a_call_gives_what_ultralytics_gives(call: str, pair: tuple[Answers, Answers]) -> None:
    theirs, ours = (each[call] for each in pair)
    assert not (isinstance(theirs, str) and "Error: " in theirs), theirs
    same(theirs, ours)


@pytest.mark.parametrize("call", TRACKED)
def test_a_call_that_tracks_gives_ids(call: str, pair: tuple[Answers, Answers]) -> None:
    """Ids are the tracker's own: of the same kind, one for each person, and they stay."""
    theirs, ours = (each[call] for each in pair)
    assert not isinstance(ours, str), ours
    if importlib.util.find_spec("lap") is not None:  # without it, ultralytics tracks nobody
        assert ours["kind"] == theirs["kind"]
        assert len(ours["items"]) == len(theirs["items"])
    assert len(ours["items"]) == FRAMES
    if isinstance(ours["items"][0], dict) and ours["items"][0]["kind"] == "Results":
        assert {item["persons"] for item in ours["items"]} <= {2, 3}
        ids = [item["ids"]["values"] for item in ours["items"]]
        assert all(len(set(each)) == len(each) for each in ids)
        assert set(ids[0]) <= set(ids[-1])
        assert set(ids[0]) == {1, 2} or "persist" in call
