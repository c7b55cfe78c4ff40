"""The samples: what the clips are, and how near to their exact truth the built-in model comes.

The measures are those of `tools/render/accept.py`: a person counts when at least 95 % of its silhouette is seen, it is
found when a pose is paired to it with an object keypoint similarity (OKS) over 0.3, best pairs first, and one that is
not found counts 0 in the mean OKS.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from media_worlds import joined
from output_worlds import CLIPS, SAMPLES
from poseline import stream
from poseline.pose import UNTRACKED, Observation, Poses
from poseline.settings import SmoothingSettings
from poseline.skeleton import COCO17, oks
from poseline.smooth import smooth
from test_smooth import Points, delay

FULLY_VISIBLE = 0.95
PAIRED = 0.3
BODY = 0.53
"""Area of a person as a share of its box's."""
SIGMAS = np.array(COCO17.sigmas, np.float32)
SIMILAR = 0.85
"""Least mean OKS."""
PYTHON = [sys.executable, "-W", "error::DeprecationWarning:__main__"]


@cache
def truth(name: str) -> list[dict[str, Any]]:
    lines = (SAMPLES / f"{name}.truth.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def frames(name: str) -> list[dict[str, Any]]:
    return [record for record in truth(name) if record["type"] == "frame"]


@cache
def observed(name: str) -> list[Observation]:
    """What the built-in model finds in each frame, which has no pixels any more."""
    observations = stream(SAMPLES / f"{name}.mp4", model="builtin")
    return [replace(seen, frame=seen.frame.without_pixels()) for seen in observations]


def found(name: str) -> list[Poses]:
    """The same, without the frames."""
    return [seen.poses for seen in observed(name)]


def pairs(persons: list[dict[str, Any]], poses: Poses) -> dict[int, tuple[int, float]]:
    """Which pose is paired to each person, and their OKS."""
    if not persons or not len(poses):
        return {}
    keypoints = np.array([person["keypoints"] for person in persons], np.float32)
    boxes = np.array([person["box"] for person in persons], np.float32)
    areas = BODY * (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    left = oks(keypoints, poses.keypoints, areas, SIGMAS)
    result: dict[int, tuple[int, float]] = {}
    while left.max() > PAIRED:
        person, pose = np.unravel_index(int(left.argmax()), left.shape)
        result[int(person)] = int(pose), float(left[person, pose])
        left[person], left[:, pose] = 0, 0
    return result


@pytest.mark.parametrize("name", CLIPS)
def test_the_built_in_model_finds_the_people_and_their_keypoints(name: str) -> None:
    similar: list[float] = []
    for frame, poses in zip(frames(name), found(name), strict=True):
        paired = pairs(frame["persons"], poses)
        for index, person in enumerate(frame["persons"]):
            if person["visible"] >= FULLY_VISIBLE:
                similar.append(paired.get(index, (0, 0.0))[1])
    share, mean = float(np.mean(np.array(similar) > 0)), float(np.mean(similar))
    measured = f"{name}: {len(similar)} persons, found {share:.3f}, OKS {mean:.3f}"
    assert share >= 0.95, measured
    assert mean >= SIMILAR, measured


def test_ids_survive_crossing() -> None:
    worn: dict[int, list[int]] = {}
    for frame, poses in zip(frames("crossing"), found("crossing"), strict=True):
        for index, (pose, _) in pairs(frame["persons"], poses).items():
            person = frame["persons"][index]
            # A pose paired to somebody hidden is often another's; a pose without an id yet wears none.
            if person["visible"] >= 0.5 and poses.ids[pose] != UNTRACKED:
                worn.setdefault(person["id"], []).append(int(poses.ids[pose]))
    switches = sum(before != after for ids in worn.values() for before, after in pairwise(ids))
    assert sorted(worn) == [1, 2, 3]
    assert switches <= 1


# Smoothing: what it does to what the model finds.


@dataclass
class Compared:
    """One person of a clip: (T,) times, (T, 17, 2) truth, measured and smoothed pixels, (T,) areas."""

    times: Points
    truth: Points
    measured: Points
    smoothed: Points
    areas: Points

    def oks(self, points: Points) -> float:
        """Mean OKS against the truth."""
        scale = 2 * self.areas[:, None] * (2 * np.array(COCO17.sigmas)) ** 2
        return float(np.exp(-((points - self.truth) ** 2).sum(axis=2) / scale).mean())

    def still(self) -> NDArray[np.bool_]:
        """(T - 1, 17): whether a keypoint has been at rest for the last seven steps."""
        rest = np.linalg.norm(np.diff(self.truth, axis=0), axis=2) < 0.3
        return np.array([rest[max(0, at - 6) : at + 1].all(axis=0) & (at >= 6) for at in range(len(rest))])

    def trembles(self, points: Points) -> float:
        """Pixels from frame to frame (root mean square) of keypoints at rest."""
        return float(np.sqrt((np.linalg.norm(np.diff(points, axis=0), axis=2)[self.still()] ** 2).mean()))


@cache
def compared(name: str) -> list[Compared]:
    """Who the built-in model finds in a sample, beside who truly is there."""
    there = {record["frame"]: record for record in frames(name)}
    rows: dict[tuple[int, int], list[tuple[float, Points, Points, Points, float]]] = {}
    for seen in smooth(iter(observed(name)), SmoothingSettings(enabled=True)):
        assert seen.smoothed is not None
        for person in there[seen.frame.index]["persons"]:
            true = np.array(person["keypoints"])[:, :2]
            x1, y1, x2, y2 = person["box"]
            far = np.linalg.norm(seen.poses.keypoints[..., :2] - true, axis=2).mean(axis=1)
            area = (x2 - x1) * (y2 - y1)
            if len(far) and far.min() < 0.15 * np.sqrt(area):
                who = int(far.argmin())
                measured, smoothed = (
                    found.keypoints[who, :, :2].astype(np.float64) for found in (seen.poses, seen.smoothed)
                )
                row = (seen.frame.time, true, measured, smoothed, area)
                rows.setdefault((person["id"], int(seen.poses.ids[who])), []).append(row)
    return [
        Compared(*(np.array(column, np.float64) for column in zip(*one, strict=True)))
        for one in rows.values()
        if len(one) >= 10
    ]


@pytest.mark.parametrize("name", ["squat", "sprint"])
def test_on_the_samples_accuracy_stays_and_delay_is_small(name: str) -> None:
    for person in compared(name):
        measured, smoothed = person.oks(person.measured), person.oks(person.smoothed)
        assert measured > 0.85
        assert smoothed > measured - 0.005
        late = delay(person.truth, person.smoothed, person.times) - delay(person.truth, person.measured, person.times)
        assert late < 10


def test_on_a_sample_who_stands_still_trembles_three_times_less() -> None:
    (person,) = compared("squat")
    assert person.still().sum() > 300
    assert person.trembles(person.measured) > 3 * person.trembles(person.smoothed)


# The truth.


@pytest.mark.parametrize("name", CLIPS)
def test_truth_has_the_frames_of_its_clip(name: str) -> None:
    header, *_, end = truth(name)
    with av.open(str(SAMPLES / f"{name}.mp4")) as container:
        shown = [(frame.pts, frame.width, frame.height, frame.rotation) for frame in container.decode(video=0)]
    assert [frame["pts"] for frame in frames(name)] == [pts for pts, *_ in shown]
    assert [frame["frame"] for frame in frames(name)] == list(range(len(shown)))
    _, width, height, rotation = shown[0]
    upright = (height, width) if rotation % 180 else (width, height)
    assert (header["video"]["width"], header["video"]["height"]) == upright
    assert end["counts"]["processed"] == len(shown)
    assert end["counts"]["persons"] == sum(len(frame["persons"]) for frame in frames(name))


@pytest.mark.parametrize("name", CLIPS)
def test_truth_is_within_its_own_picture(name: str) -> None:
    video = truth(name)[0]["video"]
    persons = [person for frame in frames(name) for person in frame["persons"]]
    boxes = np.array([person["box"] for person in persons])
    seen = np.array([person["visible"] for person in persons]) > 0  # one who has just left has no width any more
    assert (boxes[seen, 2:] > boxes[seen, :2]).all()
    assert (boxes >= 0).all()
    assert (boxes <= [video["width"], video["height"]] * 2).all()
    keypoints = np.array([person["keypoints"] for person in persons])
    assert keypoints.shape[1:] == (17, 3)
    assert set(np.unique(keypoints[:, :, 2])) <= {0.0, 0.5, 1.0}
    within = keypoints[keypoints[:, :, 2] > 0][:, :2]
    assert (within >= 0).all()
    assert (within <= [video["width"], video["height"]]).all()
    angles = [angle for person in persons for angle in person["angles"].values()]
    assert min(angles) >= 0
    assert max(angles) <= 180


def test_each_clip_shows_what_it_is_there_for() -> None:
    traits = {}
    for name in CLIPS:
        with av.open(str(SAMPLES / f"{name}.mp4")) as container:
            sound = len(container.streams.audio)
            shown = [(frame.pts or 0, frame.rotation) for frame in container.decode(video=0)]
        steps = {after - before for (before, _), (after, _) in pairwise(shown)}
        traits[name] = {"sound": sound == 1, "turned": shown[0][1] % 180 != 0, "uneven": len(steps) > 2}
    assert [name for name in CLIPS if traits[name]["sound"]] == ["sprint"]
    assert [name for name in CLIPS if traits[name]["turned"]] == ["squat"]
    assert [name for name in CLIPS if traits[name]["uneven"]] == ["crossing"]
    most = {name: max(len(frame["persons"]) for frame in frames(name)) for name in CLIPS}
    assert most == {"sprint": 1, "squat": 1, "crossing": 3, "crowd": 8}


@pytest.mark.parametrize("name", CLIPS)
def test_clips_are_small_and_short(name: str) -> None:
    clip = SAMPLES / f"{name}.mp4"
    assert clip.stat().st_size <= 1_500_000
    assert frames(name)[-1]["time"] <= 10
    video = truth(name)[0]["video"]
    assert 640 * 360 <= video["width"] * video["height"] <= 1280 * 720


def test_people_cross_and_come_back() -> None:
    seen = [{person["id"] for person in frame["persons"]} for frame in frames("crossing")]
    gone = [number for number in (1, 2, 3) if any(number not in ids for ids in seen)]
    assert gone  # somebody leaves ...
    for number in gone:
        assert number in seen[0] | seen[-1]  # ... who was there before or is there after
    hidden = [person["visible"] < 0.5 for frame in frames("crossing") for person in frame["persons"]]
    assert sum(hidden) >= 10


def run(code: list[str], folder: Path) -> str:
    path = os.pathsep.join(sys.path)
    done = subprocess.run(
        [*PYTHON, *code],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


NOTEBOOK = """
import ast, sys
scope = {}
for cell in sys.argv[1:]:
    *body, last = ast.parse(cell).body
    value = isinstance(last, ast.Expr)
    exec(compile(ast.Module(body if value else [*body, last], []), "cell", "exec"), scope)
    shown = eval(compile(ast.Expression(last.value), "cell", "eval"), scope) if value else None
    if hasattr(shown, "_repr_png_"):
        print("picture of", len(shown), "with", len(shown._repr_png_()), "bytes")
"""
"""Runs cells as a kernel does, and says which show a picture."""


def test_the_notebook_runs_in_any_folder_and_shows_its_pictures(tmp_path: Path) -> None:
    notebook = json.loads((SAMPLES / "yolo_keypoints.ipynb").read_text(encoding="utf-8"))
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert len(cells) >= 7
    printed = run(["-c", NOTEBOOK, *cells], tmp_path).splitlines()
    pictures = [line.split() for line in printed if line.startswith("picture of")]
    persons = [int(words[2]) for words in pictures]
    assert len(persons) == 2
    assert persons[0] > persons[1] >= 1  # everybody, and the surest
    assert min(int(words[4]) for words in pictures) > 100_000
    assert [path.name for path in tmp_path.iterdir()] == ["output_kp.jpg"]


def test_the_tracking_script_prints_each_person(tmp_path: Path) -> None:
    printed = run([str(SAMPLES / "track_video.py")], tmp_path).splitlines()
    assert len(printed) >= 0.9 * sum(len(frame["persons"]) for frame in frames("crossing"))
    assert all("person" in line and "nose at" in line for line in printed)


def test_the_log_script_reads_the_truth(tmp_path: Path) -> None:
    printed = run([str(SAMPLES / "read_log.py"), str(SAMPLES / "sprint.truth.jsonl")], tmp_path)
    wrist = [frame["persons"][0]["keypoints"][9][:2] for frame in frames("sprint")]
    length = np.linalg.norm(np.diff(np.array(wrist, np.float32), axis=0), axis=1).sum()
    assert printed == f"person 1: {length:.0f} pixels in 150 frames\n"


def test_the_roi_script_compares(tmp_path: Path) -> None:
    joined(tmp_path / "short.mp4", SAMPLES / "squat.mp4", packets=20)
    full, roi, alike = run([str(SAMPLES / "compare_roi.py"), "short.mp4"], tmp_path).splitlines()
    assert full.startswith("full: ")
    assert full.endswith("ms of CPU a frame, 1 ids")
    assert roi.startswith("roi : ")
    assert roi.endswith("ms of CPU a frame, 1 ids")
    assert 0.97 <= float(alike.split()[6]) <= 1
    assert alike.endswith("over 20 persons")
