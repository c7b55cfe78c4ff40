#!/bin/sh
# opencv-python-headless 5.0.0.93: many functions on points refuse `data[0, :, :2]` of keypoints (N, K, 3).
#
# That slice is a valid (K, 2) float32 array, and what `result.keypoints.xy[0].cpu().numpy()` of ultralytics is: a part of
# x, y, confidence, so that its rows do not lie one behind the other in memory. boundingRect, minAreaRect, convexHull,
# estimateAffinePartial2D, getPerspectiveTransform and others raise an assertion that speaks of the number and the depth
# of points, not of memory; fitLine, moments, findHomography and polylines take the same array. A copy is taken by all.
#
# Seen with opencv-python-headless 5.0.0.93 (4.13.0.92 and 4.11.0.86 alike), NumPy 2.4.6, Python 3.11, Linux x86-64:
#   refused: boundingRect minAreaRect convexHull contourArea minEnclosingCircle approxPolyDP estimateAffinePartial2D
#   taken:   fitLine moments findHomography
# Exits 0 as long as that is so, and 1 once it is not.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --no-deps --target "$folder" \
    opencv-python-headless==5.0.0.93 numpy==2.4.6
PYTHONPATH="$folder" python3 - <<'PYTHON'
import cv2
import numpy as np

CALLS = {
    "boundingRect": cv2.boundingRect,
    "minAreaRect": cv2.minAreaRect,
    "convexHull": cv2.convexHull,
    "contourArea": cv2.contourArea,
    "minEnclosingCircle": cv2.minEnclosingCircle,
    "approxPolyDP": lambda points: cv2.approxPolyDP(points, 1.0, True),
    "estimateAffinePartial2D": lambda points: cv2.estimateAffinePartial2D(points, points),
    "fitLine": lambda points: cv2.fitLine(points, cv2.DIST_L2, 0, 0.01, 0.01),
    "moments": cv2.moments,
    "findHomography": lambda points: cv2.findHomography(points, points),
}
TAKEN = {"fitLine", "moments", "findHomography"}


def takes(call, points):
    try:
        call(points)
    except cv2.error:
        return False
    return True


data = np.random.default_rng(0).uniform(0, 100, (1, 17, 3)).astype(np.float32)
points = data[0, :, :2]
taken = {name for name, call in CALLS.items() if takes(call, points)}
copies = {name for name, call in CALLS.items() if takes(call, points.copy())}
print("refused:", *(name for name in CALLS if name not in taken))
print("taken:  ", *(name for name in CALLS if name in taken))
same = taken == TAKEN and copies == set(CALLS)
print("as described" if same else "the behaviour has changed")
raise SystemExit(not same)
PYTHON
