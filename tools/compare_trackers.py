"""Several trackers on the same detections: `python -m tools.compare_trackers CLIP.truth.jsonl ... [-m MODEL]`.

Each clip is looked at once. Its detections go to Poseline's tracker, to those of ultralytics (ByteTrack, BoT-SORT and
TrackTrack, with their own defaults and no camera-motion compensation: these cameras stand still), and to one that knows
the truth, whose figures no tracker can exceed. Needs `pip install 'poseline[evaluate]' lap`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from poseline.capture import open_source
from poseline.evaluation import Identities, Tracked, TrackedFrame, identities, read_truth
from poseline.inference import PoseEstimator, infer, load_estimator
from poseline.pose import UNTRACKED, Floats, Integers, Poses
from poseline.settings import CaptureSettings, InferenceSettings, TrackingSettings
from poseline.skeleton import COCO17, oks
from poseline.tracking import Tracker
from poseline.tracking.appearance import torso_colours
from poseline.tracking.assignment import assign

LOW = TrackingSettings().low
"""Score down to which detections are given to the trackers."""
RIVALS = ("bytetrack", "botsort", "tracktrack")


@dataclass(frozen=True, eq=False)
class Seen:
    """One frame's detections."""

    index: int
    time: float
    poses: Poses
    colours: Floats | None
    """(N, 3) of torsos."""


def detections(clip: Path, estimator: PoseEstimator) -> list[Seen]:
    """All frames of a clip."""
    found = []
    torso = estimator.spec.skeleton.torso
    for seen in infer(open_source(clip, CaptureSettings()).frames(), estimator, low=LOW):
        colours = torso_colours(seen.frame, seen.poses.keypoints, torso)
        found.append(Seen(seen.frame.index, seen.frame.time, seen.poses, colours))
    return found


def ours(frames: Sequence[Seen], conf: float = 0.25, settings: TrackingSettings | None = None) -> list[Integers]:
    """Ids of Poseline's tracker."""
    tracker = Tracker(settings or TrackingSettings(), COCO17.sigmas, conf)
    return [tracker.update(seen.poses, seen.time, seen.colours).ids for seen in frames]


def theirs(frames: Sequence[Seen], name: str) -> list[Integers]:
    """Ids of one of ultralytics' trackers."""
    from ultralytics.engine.results import Boxes
    from ultralytics.trackers.track import TRACKER_MAP
    from ultralytics.utils import YAML, IterableSimpleNamespace
    from ultralytics.utils.checks import check_yaml

    given = YAML.load(check_yaml(f"{name}.yaml")) | ({} if name == "bytetrack" else {"gmc_method": "none"})
    tracker = TRACKER_MAP[name](args=IterableSimpleNamespace(**given))
    blank = np.zeros((2160, 3840, 3), np.uint8)  # without appearance and camera motion nobody looks at it
    result = []
    for seen in frames:
        data = np.column_stack((seen.poses.boxes, seen.poses.scores, seen.poses.classes)).astype(np.float32)
        ids = np.full(len(seen.poses), UNTRACKED, np.int64)
        for row in tracker.update(Boxes(data, blank.shape[:2]), blank):
            ids[int(row[-1])] = int(row[4])
        result.append(ids)
    return result


def perfect(frames: Sequence[Seen], truth: Tracked) -> list[Integers]:
    """The truth's own ids: what a tracker could reach that never errs and leaves out all false persons."""
    result = []
    for seen in frames:
        here = truth.frames.get(seen.index)
        ids = np.full(len(seen.poses), UNTRACKED, np.int64)
        if here is not None and len(here.ids) and len(seen.poses) and here.keypoints is not None:
            areas = 0.53 * np.prod(here.boxes[:, 2:] - here.boxes[:, :2], axis=1)
            alike = oks(here.keypoints, seen.poses.keypoints, areas, np.array(COCO17.sigmas, np.float32), 0.0)
            rows, columns = assign(np.where(alike >= 0.5, alike, 0))
            good = alike[rows, columns] >= 0.5
            ids[columns[good]] = here.ids[rows[good]]
        result.append(ids)
    return result


def judged(truth: Tracked, frames: Sequence[Seen], ids: Sequence[Integers]) -> Identities:
    """How well ids are kept."""
    found = {}
    for seen, given in zip(frames, ids, strict=True):
        kept = given != UNTRACKED
        found[seen.index] = TrackedFrame(given[kept], seen.poses.boxes[kept], seen.poses.keypoints[kept])
    return identities(truth, Tracked(truth.name, found, truth.skeleton))


def main() -> None:
    """Print a table for each clip."""
    parser = argparse.ArgumentParser(prog="python -m tools.compare_trackers", description=__doc__)
    parser.add_argument("truths", nargs="+", type=Path, metavar="CLIP.truth.jsonl")
    parser.add_argument("-m", "--model", default="builtin")
    given = parser.parse_args()
    estimator = load_estimator(InferenceSettings(model=given.model))
    for path in given.truths:
        truth = read_truth(path)
        assert truth.clip is not None, f"{path}: its clip is not beside it"
        frames = detections(truth.clip, estimator)
        print(f"{truth.name}, {len(frames)} frames, {given.model}")
        print("tracker        IDF1   HOTA   AssA  ids switches missed  false  ms/frame")
        ways: dict[str, Callable[[], list[Integers]]] = {"poseline": partial(ours, frames)}
        ways |= {name: partial(theirs, frames, name) for name in RIVALS}
        ways["perfect"] = partial(perfect, frames, truth)
        for name, way in ways.items():
            began = time.process_time()
            ids = way()
            spent = 1e3 * (time.process_time() - began) / len(frames)
            found = judged(truth, frames, ids)
            print(
                f"{name:<12} {found.idf1:6.3f} {found.hota:6.3f} {found.association:6.3f} {found.ids:4} "
                f"{found.switches:8} {found.missed:6} {found.false:6} {spent:9.2f}"
            )


if __name__ == "__main__":
    main()
