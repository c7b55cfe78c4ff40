"""What roi gives, and what it costs in likeness: python samples/compare_roi.py [VIDEO [MODEL]]."""

import sys
import time
from pathlib import Path

import numpy as np

from poseline import PoseModel, oks, stream

SURE, BODY = 0.5, 0.53  # the least score of a person that counts; a body's area as a share of its box's

video = sys.argv[1] if len(sys.argv) > 1 else Path(__file__).with_name("squat.mp4")
name = sys.argv[2] if len(sys.argv) > 2 else "builtin"
models = {kind: PoseModel(name, roi=kind == "roi") for kind in ("full", "roi")}
seen, took = {}, {kind: [] for kind in models}
for _ in range(3):  # turn by turn, since a machine's mood changes; the first turn compiles the networks
    for kind, model in models.items():
        began = time.process_time()
        seen[kind] = [observation.poses for observation in stream(video, model=model)]
        took[kind].append(1e3 * (time.process_time() - began) / len(seen[kind]))

alike = []
for full, roi in zip(seen["full"], seen["roi"], strict=True):
    sure = full[full.scores >= SURE]
    areas = BODY * (sure.boxes[:, 2:] - sure.boxes[:, :2]).prod(axis=1)
    sigmas = np.array(models["full"].skeleton.sigmas, np.float32)
    alike += oks(sure.keypoints, roi.keypoints, areas, sigmas).max(axis=1, initial=0).tolist()
for kind in models:
    ids = {number for poses in seen[kind] for number in poses.ids.tolist() if number > 0}
    print(f"{kind:4}: {min(took[kind]):5.1f} ms of CPU a frame, {len(ids)} ids")
print(f"mean OKS of roi against full: {np.mean(alike):.4f} over {len(alike)} persons")
