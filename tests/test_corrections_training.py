"""The whole round: a log is corrected, exported, and a network is trained on it. Of the path, not of the result."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from log_worlds import real_log
from output_worlds import SAMPLES
from poseline.corrections import Corrections, Place
from poseline.formats.exporting import export_log
from poseline.log import read_tracks

TRAIN = """
import sys
from ultralytics import YOLO
model = YOLO(sys.argv[1])
model.train(data=sys.argv[2], epochs=2, imgsz=64, batch=2, workers=0, device="cpu", plots=False, project=sys.argv[3])
print(model.trainer.best)
"""


@pytest.mark.shared
def test_what_was_corrected_trains_a_network(shared: Path, tmp_path: Path) -> None:
    if find_spec("ultralytics") is None:
        pytest.skip("needs ultralytics: not installed")
    log = real_log(tmp_path, "builtin", "squat")
    person = int(read_tracks(log, raw=True).ids[0])
    Corrections.of(log).append(Place(person, "left_ankle", {30: (250, 800), 35: (250, 800)}))
    folder = export_log(
        log, "yolo", tmp_path / "dataset", corrected=True, pictures=True, clip=SAMPLES / "squat.mp4"
    ).paths[0]
    assert len(list((folder / "images").rglob("*.jpg"))) == 6
    model = str(shared / "models" / "yolo11n-pose.pt")
    done = subprocess.run(
        [sys.executable, "-c", TRAIN, model, str(folder / "data.yaml"), str(tmp_path / "trained")],
        capture_output=True, text=True, timeout=280, cwd=tmp_path, env={**os.environ, "YOLO_CONFIG_DIR": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    said = (done.stdout + done.stderr).splitlines()
    assert any("5 images, 0 backgrounds, 0 corrupt" in line for line in said), "whole labels to train on"
    assert any("1 images, 0 backgrounds, 0 corrupt" in line for line in said), "and to validate with"
    best, result = done.stdout.splitlines()[-1], tmp_path / "run"
    command = ["run", str(folder / "images" / "val"), "-m", best, "--imgsz", "64", "-o", str(result), "--no-video"]
    again = subprocess.run([sys.executable, "-m", "poseline", *command], capture_output=True, text=True, timeout=280)
    assert again.returncode == 0, again.stderr
    assert (result / "keypoints.jsonl").is_file()
