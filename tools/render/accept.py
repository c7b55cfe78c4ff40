"""How well a real network agrees with the truth of rendered clips.

    python -m tools.render.accept samples/*.mp4 --model ../shared/models/yolo11n-pose.pt

For each clip: found, the share of fully visible persons (at least 95 % of the silhouette seen) that the network finds
(confidence ≥ 0.25, matched one to one with OKS > 0.3, best pairs first); frames, the share of frames in which it finds
all of them; and the mean object keypoint similarity over those persons, one it misses counting 0. OKS has COCO's
sigmas, only visible keypoints count, and the area is 0.53 of the box's. Ends with status 1 if a clip falls short.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from .skeleton import KEYPOINTS, SIGMAS

FULLY_VISIBLE = 0.95
FOUND_SHARE, MEAN_OKS, MEAN_OKS_ALONE = 0.95, 0.80, 0.85
MATCH = 0.3

Detector = Callable[[np.ndarray], np.ndarray]
"""BGR picture (H, W, 3) to keypoints (M, 17, 2)."""


def object_keypoint_similarity(truth: np.ndarray, guess: np.ndarray, area: float) -> float:
    """OKS of keypoints `guess` (17, ≥2) with `truth` (17, 3), over those that truth sees (third number > 0.5)."""
    seen = truth[:, 2] > 0.5
    if not seen.any():
        return 0.0
    squared = ((truth[:, :2] - guess[:, :2]) ** 2).sum(1)
    return float(np.exp(-squared / (2 * area * (2 * SIGMAS.numpy()) ** 2))[seen].mean())


def ultralytics_detector(model: str) -> Detector:
    """A detector from anything `ultralytics.YOLO` loads."""
    os.environ.setdefault("YOLO_OFFLINE", "true")
    os.environ.setdefault("YOLO_AUTOINSTALL", "false")
    from ultralytics import YOLO

    network = YOLO(model, task="pose")

    def detect(picture: np.ndarray) -> np.ndarray:
        found = network(picture, imgsz=640, conf=0.25, verbose=False)[0].keypoints
        return found.data.cpu().numpy()[:, :, :2] if found is not None and len(found) else np.zeros((0, 17, 2))

    return detect


def upright_frames(clip: Path) -> Iterator[np.ndarray]:
    """The clip's pictures (H, W, 3) BGR, turned as its display matrix says."""
    import av

    with av.open(str(clip)) as container:
        for frame in container.decode(video=0):
            yield np.ascontiguousarray(np.rot90(frame.to_ndarray(format="bgr24"), frame.rotation // 90))


def compare(persons: Sequence[dict[str, object]], guesses: np.ndarray) -> tuple[list[float], int]:
    """OKS of each true person with the guess paired to it (0 for none), and how many guesses stay unpaired."""
    scores = np.array(
        [
            [
                object_keypoint_similarity(
                    np.array(p["keypoints"]), guess, 0.53 * (p["box"][2] - p["box"][0]) * (p["box"][3] - p["box"][1])
                )
                for guess in guesses
            ]
            for p in persons
        ]
    ).reshape(len(persons), len(guesses))
    result, left = [0.0] * len(persons), scores.copy()
    pairs = 0
    while left.size and left.max() > MATCH:
        i, j = np.unravel_index(left.argmax(), left.shape)
        result[i] = float(scores[i, j])
        left[i], left[:, j] = -1, -1
        pairs += 1
    return result, len(guesses) - pairs


def accept(clip: Path, detect: Detector) -> dict[str, float]:
    """The measures of one clip, whose truth lies beside it."""
    records = [json.loads(line) for line in clip.with_suffix(".truth.jsonl").read_text(encoding="utf-8").splitlines()]
    frames = [record for record in records if record["type"] == "frame"]
    scores: list[float] = []
    whole, extra, shown = 0, 0, 0
    for record, picture in zip(frames, upright_frames(clip), strict=True):
        full = [p["visible"] >= FULLY_VISIBLE for p in record["persons"]]
        similar, spare = compare(record["persons"], detect(picture))
        own = [s for s, clear in zip(similar, full, strict=True) if clear]
        scores += own
        whole += all(s > 0 for s in own)
        extra += spare
        shown = max(shown, len(full))
    return {
        "frames": len(frames),
        "persons": len(scores),
        "found": float(np.mean(np.array(scores) > 0)),
        "whole": whole / len(frames),
        "oks": float(np.mean(scores)),
        "extra": extra,
        "most": shown,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; 1 if a clip falls short."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--model", required=True)
    given = parser.parse_args(arguments)
    detect, good = ultralytics_detector(given.model), True
    print(f"{'clip':16s}{'frames':>8s}{'persons':>9s}{'found':>8s}{'all in':>8s}{'OKS':>8s}{'extra':>7s}")
    for clip in given.clips:
        row = accept(clip, detect)
        passed = row["found"] >= FOUND_SHARE and row["oks"] >= (MEAN_OKS_ALONE if row["most"] == 1 else MEAN_OKS)
        good &= passed
        print(
            f"{clip.name:16s}{row['frames']:8.0f}{row['persons']:9.0f}{row['found']:8.3f}{row['whole']:8.3f}"
            f"{row['oks']:8.3f}{row['extra']:7.0f}  {'passes' if passed else 'FALLS SHORT'}"
        )
    return 0 if good else 1


assert len(KEYPOINTS) == len(SIGMAS)

if __name__ == "__main__":
    sys.exit(main())
