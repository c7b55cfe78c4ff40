"""How long the tracker takes for a frame, and whether it gives the ids of another version of this project.

`python -m tools.tracking_speed samples/crossing.mp4 samples/crowd.mp4 --persons 4,8,20 [--against OTHER/src]`

Each clip's detections are repeated side by side until a frame has as many persons as are asked for, on average. Each
version is a process of its own, and they take turns. A frame's time is the least of its passes, so that other programs
on the machine count little; what is printed is the mean over the frames, with all in the caches.
"""

from __future__ import annotations

import argparse
import hashlib
import inspect
import os
import pickle
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import numpy as np

from poseline.pose import Poses
from poseline.settings import TrackingSettings
from poseline.skeleton import COCO17
from poseline.tracking import Tracker

PASSES = 30
APART = 10_000.0
"""Pixels from one copy of the persons to the next."""

Arrays: TypeAlias = tuple[float, Any, Any, Any, Any]
"""Time, boxes, scores, keypoints and colours of a frame's detections: plain, so that every version can read them."""


def detections(clip: Path, model: str) -> list[Arrays]:
    """All frames of a clip."""
    from tools import compare_trackers

    from poseline.inference import load_estimator
    from poseline.settings import InferenceSettings

    estimator = load_estimator(InferenceSettings(model=model))
    return [
        (seen.time, seen.poses.boxes, seen.poses.scores, seen.poses.keypoints, seen.colours)
        for seen in compare_trackers.detections(clip, estimator)
    ]


def crowded(frames: list[Arrays], persons: int) -> list[Arrays]:
    """The same, side by side until there are about as many persons in a frame."""
    copies = max(1, round(persons * len(frames) / sum(len(scores) for _, _, scores, _, _ in frames)))
    return [_copied(frame, copies) for frame in frames]


def _copied(frame: Arrays, copies: int) -> Arrays:
    time_, *arrays = frame
    boxes, scores, keypoints, colours = (np.concatenate([array] * copies) for array in arrays)
    shift = np.repeat(np.arange(copies) * APART, len(arrays[0])).astype(np.float32)
    boxes[:, ::2] += shift[:, None]
    keypoints[:, :, 0] += shift[:, None]
    best_first = np.argsort(-scores, kind="stable")
    return time_, boxes[best_first], scores[best_first], keypoints[best_first], colours[best_first]


def serve(path: Path) -> None:
    """In a process of its own: print a hash of the ids, and then, for each line read, microseconds a frame so far."""
    frames = [
        (time_, Poses.of(boxes, scores, keypoints), colours)
        for time_, boxes, scores, keypoints, colours in pickle.loads(path.read_bytes())  # noqa: S301 # from ourselves
    ]
    conf = (0.25,) if "conf" in inspect.signature(Tracker).parameters else ()
    best = np.full(len(frames), np.inf)
    ids = hashlib.sha256()
    for index in range(PASSES + 1):
        tracker = Tracker(TrackingSettings(), COCO17.sigmas, *conf)
        for number, (time_, poses, colours) in enumerate(frames):
            began = time.perf_counter()
            found = tracker.update(poses, time_, colours)
            best[number] = min(best[number], time.perf_counter() - began)
            if index == 0:
                ids.update(found.ids.tobytes())
        print(f"{1e6 * best.mean():.1f}" if index else ids.hexdigest(), flush=True)
        sys.stdin.readline()


def compare(frames: list[Arrays], sources: list[str]) -> tuple[list[str], list[float]]:
    """A hash of the ids and the microseconds a frame of each version, by the folder of its source."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "detections")
        path.write_bytes(pickle.dumps(frames))
        versions = [
            subprocess.Popen(  # noqa: S603 # this program
                [sys.executable, __file__, "--serve", str(path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, "PYTHONPATH": source},
            )
            for source in sources
        ]
        rows = [[_answer(version) for version in versions] for _ in range(PASSES + 1)]
        for version in versions:
            version.communicate()
    return rows[0], [float(time_) for time_ in rows[-1]]


def _answer(version: subprocess.Popen[str]) -> str:
    assert version.stdin is not None
    assert version.stdout is not None
    line = version.stdout.readline().strip()
    version.stdin.write("\n")
    version.stdin.flush()
    return line


def main() -> None:
    """Print a line for each clip and number of persons."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", nargs="*", type=Path, metavar="CLIP")
    parser.add_argument("-m", "--model", default="builtin")
    parser.add_argument("--persons", default="4,8,20")
    parser.add_argument("--against", help="folder `src` of another version")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve(given.serve)
        return
    ours = str(Path(inspect.getfile(Tracker)).parents[2])
    for clip in given.clips:
        found = detections(clip, given.model)
        for persons in map(int, given.persons.split(",")):
            frames = crowded(found, persons)
            ids, times = compare(frames, [ours, given.against] if given.against else [ours])
            mean = sum(len(frame[2]) for frame in frames) / len(frames)
            line = f"{clip.stem:12} {mean:5.1f} persons {times[0]:6.1f} us a frame"
            if given.against:
                line += f", against {times[1]:6.1f}: {times[1] / times[0]:.2f} times as fast, ids "
                line += "the same" if ids[0] == ids[1] else "differ"
            print(line, flush=True)


if __name__ == "__main__":
    main()
