"""Parity: the same persons and keypoints as ultralytics' own predict, with the same weights and options."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from poseline.frame import Frame
from poseline.inference import PoseEstimator, load_estimator
from poseline.openvino_core import core
from poseline.pose import Floats
from poseline.settings import InferenceSettings
from poseline.skeleton import COCO17, oks

pytestmark = pytest.mark.timeout(900)  # the reference takes a minute on two busy cores
CLIPS = ("openpose_video.avi", "sports2d_demo.mp4", "p2s_multi_cam04.mp4")
FRAMES = 20

# The reference runs in a process of its own: torch and its warnings stay out of this one.
REFERENCE = """
import json, sys
import av
from ultralytics import YOLO
model = YOLO(sys.argv[1], task="pose")
def found(picture):
    result = model.predict(picture, verbose=False, conf=0.25, iou=0.7, imgsz=640)[0]
    return [result.boxes.xyxy.tolist(), result.boxes.conf.tolist(), result.keypoints.data.tolist()]
answer = {path: found(path) for path in sys.argv[4:]}
for clip in json.loads(sys.argv[3]):
    with av.open(clip) as container:
        total, every = container.streams.video[0].frames, int(sys.argv[2])
        answer[clip] = [found(frame.to_ndarray(format="bgr24"))
                        for index, frame in enumerate(container.decode(video=0)) if index % (total // every) == 0]
json.dump(answer, sys.stdout)
"""


@dataclass(frozen=True)
class Seen:
    """What one of the two found in a picture."""

    boxes: Floats
    scores: Floats
    keypoints: Floats


def seen(raw: list[list[object]]) -> Seen:
    return Seen(
        np.array(raw[0], np.float32).reshape(-1, 4),
        np.array(raw[1], np.float32),
        np.array(raw[2], np.float32).reshape(-1, 17, 3),
    )


@pytest.fixture(scope="module")
def weights(shared: Path) -> Path:
    return shared / "models" / "yolo11n-pose.pt"


@pytest.fixture(scope="module")
def pictures(shared: Path) -> list[Path]:
    return sorted((shared / "coco8-pose" / "images").rglob("*.jpg"))


@pytest.fixture(scope="module")
def reference(shared: Path, weights: Path, pictures: list[Path]) -> dict[str, list[list[object]]]:
    clips = json.dumps([str(shared / "clips" / name) for name in CLIPS])
    child = subprocess.run(
        [sys.executable, "-c", REFERENCE, str(weights), str(FRAMES), clips, *map(str, pictures)],
        env=os.environ | {"YOLO_OFFLINE": "True", "YOLO_AUTOINSTALL": "False"},
        capture_output=True, text=True, check=True, timeout=800,
    )  # fmt: skip
    answer: dict[str, list[list[object]]] = json.loads(child.stdout[child.stdout.index('{"') :])
    return answer


def estimator(weights: Path, half: bool | None) -> PoseEstimator:
    return load_estimator(InferenceSettings(model=str(weights), half=half), live=True)


def frames(clip: Path) -> Iterator[Frame]:
    with av.open(str(clip)) as container:
        total = container.streams.video[0].frames
        for index, picture in enumerate(container.decode(video=0)):
            if index % (total // FRAMES) == 0:
                yield Frame(picture, index, index, Fraction(1), 0.0, 0.0)


def agreement(model: PoseEstimator, clip: Path, references: list[list[list[object]]]) -> float:
    """Mean OKS over the persons that the reference finds with confidence from 0.5; 0 for one that is missed."""
    scores: list[float] = []
    for frame, raw in zip(frames(clip), references, strict=True):
        truth = seen(raw)
        sure = truth.scores >= 0.5
        size = truth.boxes[sure, 2:] - truth.boxes[sure, :2]
        poses = model.estimate(frame).poses
        similar = oks(
            truth.keypoints[sure], poses.keypoints, 0.53 * size.prod(axis=1), np.array(COCO17.sigmas, np.float32)
        )
        scores += similar.max(axis=1, initial=0.0).tolist()
    assert len(scores) >= FRAMES, "the reference found hardly anybody"
    return float(np.mean(scores))


def test_pictures_have_the_same_persons_and_keypoints(
    weights: Path, pictures: list[Path], reference: dict[str, list[list[object]]]
) -> None:
    from poseline import PoseModel

    model = PoseModel(weights, half=False)
    distances: list[float] = []
    for path in pictures:
        truth, result = seen(reference[str(path)]), model(path)[0]
        sure, ours = truth.scores >= 0.5, result.boxes.conf >= 0.5
        assert sure.sum() == ours.sum(), f"{path.name}: {ours.sum()} persons, not {sure.sum()}"
        np.testing.assert_allclose(result.boxes.xyxy[ours], truth.boxes[sure], atol=1.0)
        visible = truth.keypoints[sure][:, :, 2] > 0.5
        apart = np.linalg.norm(result.keypoints.xy[ours] - truth.keypoints[sure][:, :, :2], axis=2)
        distances += apart[visible].tolist()
    assert len(distances) > 100
    assert np.mean(distances) <= 0.5
    assert max(distances) <= 3.0


@pytest.mark.parametrize("name", CLIPS)
def test_clips_agree_in_full_precision(
    name: str, shared: Path, weights: Path, reference: dict[str, list[list[list[object]]]]
) -> None:
    clip = shared / "clips" / name
    assert agreement(estimator(weights, False), clip, reference[str(clip)]) >= 0.98


def test_clips_agree_in_half_precision(
    shared: Path, weights: Path, reference: dict[str, list[list[list[object]]]]
) -> None:
    can = core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    halves = [name for name in ("bf16", "fp16") if name.upper() in can]
    if not halves:
        pytest.skip("this CPU computes in full precision alone")
    model = estimator(weights, True)
    assert model.runtime.precision == halves[0]
    clips = [shared / "clips" / name for name in CLIPS]
    assert np.mean([agreement(model, clip, reference[str(clip)]) for clip in clips]) >= 0.98


def test_an_empty_picture_has_nobody_in_it(weights: Path) -> None:
    from poseline import PoseModel

    model = PoseModel(weights)
    for grey in (0, 114, 255):
        assert len(model(np.full((360, 640, 3), grey, np.uint8))[0]) == 0
