"""Print who is where: python samples/track_video.py [VIDEO]."""

import sys
from pathlib import Path

from poseline import PoseModel, stream

video = sys.argv[1] if len(sys.argv) > 1 else Path(__file__).with_name("crossing.mp4")
model = PoseModel("builtin")
nose = model.skeleton.names.index("nose")

for observation in stream(video, model=model):
    for number, keypoints in zip(observation.poses.ids, observation.poses.keypoints, strict=True):
        x, y, confidence = keypoints[nose]
        print(f"{observation.frame.time:7.3f} s  person {number}: nose at {x:.0f}, {y:.0f} ({confidence:.2f})")
