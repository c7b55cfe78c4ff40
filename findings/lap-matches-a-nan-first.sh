#!/bin/sh
# lap 0.5.13: an unknown cost (NaN) can be matched before all others, beyond the limit too; SciPy refuses such a matrix.
#
# ByteTrack, BoT-SORT and what is made of them match people by `lap.lapjv(cost, extend_cost=True, cost_limit=...)`. A
# similarity of nothing is 0/0, such as OKS with a person none of whose keypoints was seen. lapjv takes the row of NaN as
# it comes: here that person gets the detection that fits the first one closely, and the first one is lost. Without the
# row, or with costs above the limit in it, both close pairs are found. scipy.optimize.linear_sum_assignment raises a
# ValueError instead. No warning, and the total cost that lapjv returns is NaN.
#
# Seen with lap 0.5.13, NumPy 2.4.6, SciPy 1.17.1, Python 3.11, Linux x86-64, for three people, three detections and a limit
# of 0.5; -1 is nobody:
#   without the third person [0, 1]   with costs of 9 [0, 1, -1]   with costs of NaN [-1, 1, 0]   SciPy: ValueError
# Exits 0 as long as that is so, and 1 once it is not.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --no-deps --target "$folder" \
    lap==0.5.13 numpy==2.4.6 scipy==1.17.1
PYTHONPATH="$folder" python3 - <<'PYTHON'
import sys

import lap
import numpy as np
from scipy.optimize import linear_sum_assignment

SEEN = [[0.1, 0.9, 0.9], [0.9, 0.1, 0.9]]


def matched(*third):
    """The detection of each person."""
    return lap.lapjv(np.array([*SEEN, *third]), extend_cost=True, cost_limit=0.5)[1].tolist()


without, far, unknown = matched(), matched([9.0] * 3), matched([np.nan] * 3)
print(f"without the third person {without}   with costs of 9 {far}   with costs of NaN {unknown}", end="   ")
try:
    linear_sum_assignment(np.array([*SEEN, [np.nan] * 3]))
    refused = False
except ValueError:
    refused = True
print("SciPy:", "ValueError" if refused else "no error")
same = without == [0, 1] and far == [0, 1, -1] and unknown == [-1, 1, 0] and refused
print("as described" if same else "the behaviour has changed")
sys.exit(0 if same else 1)
PYTHON
