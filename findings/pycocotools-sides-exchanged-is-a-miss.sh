#!/bin/sh
# pycocotools 2.0.11: a person seen from the front whose left and right keypoints are exchanged counts as not found.
#
# Every keypoint lies on a joint of the person, only the names of the sides are wrong. Object keypoint similarity falls
# below 0.5, so COCOeval counts one person missed and one detection too many, as if the pose were somewhere else: its AP
# and AR cannot tell a network that mixes up the sides of such a person from one that finds nobody. The same
# joints with the right names are a perfect match.
#
# Seen with pycocotools 2.0.11, Python 3.11, Linux x86-64:
#   right names: OKS 1.00, AP 1.00, AR 1.00; sides exchanged: OKS 0.19, AP 0.00, AR 0.00
# Exits 0 as long as that is so, and 1 once it is not.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --target "$folder" pycocotools==2.0.11
PYTHONPATH="$folder" python3 - <<'PYTHON'
import contextlib
import io

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

# A standing person, 250 pixels high: nose, then (left, right) eyes, ears, shoulders, elbows, wrists, hips, knees, ankles.
HALF_WIDTHS, HEIGHTS = (4, 9, 26, 34, 38, 17, 18, 19), (26, 29, 55, 95, 132, 138, 190, 238)
POINTS = [(200, 30)] + [
    (200 + side * half, height) for half, height in zip(HALF_WIDTHS, HEIGHTS) for side in (1, -1)
]
EXCHANGED = [0] + [index + (1 if index % 2 else -1) for index in range(1, 17)]
BOX = [160, 0, 80, 250]


def evaluated(points):
    """OKS, AP and AR of one detection of the one person."""
    truth = COCO()
    with contextlib.redirect_stdout(io.StringIO()):
        truth.dataset = {
            "info": {},
            "images": [{"id": 1, "width": 400, "height": 300}],
            "categories": [{"id": 1, "name": "person"}],
            "annotations": [
                {"id": 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "area": 0.6 * BOX[2] * BOX[3], "bbox": BOX,
                 "num_keypoints": 17, "keypoints": [each for x, y in POINTS for each in (x, y, 2)]}
            ],
        }
        truth.createIndex()
        found = truth.loadRes(
            [{"image_id": 1, "category_id": 1, "score": 0.9, "keypoints": [each for x, y in points for each in (x, y, 1)]}]
        )
        evaluation = COCOeval(truth, found, "keypoints")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return float(np.max(evaluation.ious[1, 1])), float(evaluation.stats[0]), float(evaluation.stats[5])


right = evaluated(POINTS)
exchanged = evaluated([POINTS[index] for index in EXCHANGED])
for name, (oks, ap, ar) in (("right names", right), ("sides exchanged", exchanged)):
    print(f"{name}: OKS {oks:.2f}, AP {ap:.2f}, AR {ar:.2f}")
same = min(right) > 0.99 and exchanged[0] < 0.5 and exchanged[1:] == (0.0, 0.0)
print("as described" if same else "the behaviour has changed")
raise SystemExit(not same)
PYTHON
