#!/bin/sh
# Pose2Sim 0.10.49 with c3d 0.6.0: its .c3d files hold whole millimetres, cut off towards zero; the .trc beside has more.
#
# create_c3d_file, by which filtering makes a .c3d beside each .trc (make_c3d, on by default), opens c3d's Writer with
# point_scale=1.0. A positive scale means that points are stored as 16-bit integers of that size, and the writer casts
# without rounding. So a marker at 0.9999 m is at 999 mm, slow movements become stairs, and points are half a millimetre
# nearer to the origin on average. A negative scale would store them as floating point.
#
# Seen with Pose2Sim 0.10.49, c3d 0.6.0, Python 3.11, Linux x86-64:
#   wrote 0.9996 0.9997 0.9998 0.9999 m and -0.9999 m, read 999 999 999 999 and -999 mm
# Only this function of Pose2Sim is run, as it stands in its file. Exits 0 as long as that is so.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --target "$folder" c3d==0.6.0 numpy
python3 -m pip install --quiet --disable-pip-version-check --no-deps --target "$folder" pose2sim==0.10.49
PYTHONPATH="$folder" python3 - "$folder" <<'PYTHON'
import ast
import sys
import warnings
from pathlib import Path

import c3d
import numpy as np

warnings.simplefilter("ignore")
folder = Path(sys.argv[1])
source = ast.parse((folder / "Pose2Sim" / "common.py").read_text(encoding="utf-8"))
[function] = [node for node in source.body if getattr(node, "name", "") == "create_c3d_file"]
exec(compile(ast.Module([function], []), "common.py", "exec"))

metres = np.array([0.9996, 0.9997, 0.9998, 0.9999])
rows = np.column_stack([np.arange(4) / 50, metres, -metres, 0 * metres])
create_c3d_file(folder / "slow.c3d", ["LKnee"], rows)
with open(folder / "slow.c3d", "rb") as file:
    points = [frame[1][0, :2] for frame in c3d.Reader(file).read_frames()]
read = np.array(points)
print("wrote", *metres, f"m and {-metres[-1]} m, read", *read[:, 0].astype(int), f"and {int(read[-1, 1])} mm")
sys.exit(0 if read[:, 0].tolist() == [999.0] * 4 and read[:, 1].tolist() == [-999.0] * 4 else 1)
PYTHON
