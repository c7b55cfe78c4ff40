#!/bin/sh
# ezc3d 1.7.2: writing to a name that does not end in .c3d makes another file, silently.
#
# c3d.write("motion.c3d.part") returns as if it had written that file, and there is only motion.c3d.part.c3d. Whoever writes
# beside the target and renames, so that a killed process leaves no half file, renames what is not there.
#
# Seen with ezc3d 1.7.2, Python 3.11, Linux x86-64: asked for motion.c3d.part, made motion.c3d.part.c3d
# Exits 0 as long as that is so.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --target "$folder/site" ezc3d==1.7.2
mkdir "$folder/out"
PYTHONPATH="$folder/site" python3 - "$folder/out" <<'PYTHON'
import os
import sys

import ezc3d
import numpy as np

motion = ezc3d.c3d()
motion["parameters"]["POINT"]["RATE"]["value"] = [100]
motion["parameters"]["POINT"]["LABELS"]["value"] = ("wrist",)
motion["data"]["points"] = np.ones((4, 1, 5))
motion.write(os.path.join(sys.argv[1], "motion.c3d.part"))
made = os.listdir(sys.argv[1])
print(f"asked for motion.c3d.part, made {' '.join(made)}")
sys.exit(0 if made == ["motion.c3d.part.c3d"] else 1)
PYTHON
