"""How far did each person's left wrist travel? python samples/read_log.py keypoints.jsonl."""

import sys
from collections import defaultdict

import numpy as np

from poseline import read_log

log = read_log(sys.argv[1])
if log.ended != "complete":
    print(f"not the whole of its source; how the run ended: {log.ended}")
wrist = log.names.index("left_wrist")
paths = defaultdict(list)
for frame in log.frames:
    square = (frame.pixel_aspect, 1)  # where pixels are wider than high, a length in them is not one in the world
    for number, keypoints in zip(frame.poses.ids, frame.poses.keypoints, strict=True):
        paths[int(number)].append(keypoints[wrist, :2] * square)
for number, path in sorted(paths.items()):
    print(f"person {number}: {np.linalg.norm(np.diff(path, axis=0), axis=1).sum():.0f} pixels in {len(path)} frames")
