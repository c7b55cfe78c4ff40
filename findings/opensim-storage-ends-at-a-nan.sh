#!/bin/sh
# opensim 4.6: a .mot or .sto with a NaN in it ends there for `Storage`, without a word; `TimeSeriesTable` reads all of it.
#
# NaN is what OpenSim itself and the tools around it write for an angle or a marker that is not known. `Storage`, by which
# AnalyzeTool, InverseDynamicsTool and many scripts read motions, stops at the first one: the row gets 0 for it and the
# numbers of the row before for the rest, and all later rows are missing. So a minute of walking with one NaN after ten
# seconds is ten seconds. TimeSeriesTable, of the same library, has all rows, and NaN where it is.
#
# Seen with opensim 4.6, Python 3.11, Linux x86-64, for six rows with a NaN in the third:
#   Storage: 3 rows, the third (0.0, 51.0)   TimeSeriesTable: 6 rows, the third (nan, 52.0)
# Exits 0 as long as that is so, and 1 once it is not.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --no-deps --target "$folder/site" opensim==4.6 numpy==2.4.6
PYTHONPATH="$folder/site" python3 - "$folder/walk.mot" <<'PYTHON'
import sys

import opensim

ROWS = [(10.0, 50.0), (11.0, 51.0), (float("nan"), 52.0), (13.0, 53.0), (14.0, 54.0), (15.0, 55.0)]
path = sys.argv[1]
with open(path, "w") as file:
    file.write("walk\nversion=1\nnRows=6\nnColumns=3\ninDegrees=yes\nendheader\ntime\tknee\thip\n")
    file.writelines(f"{row / 100:.2f}\t{knee}\t{hip}\n" for row, (knee, hip) in enumerate(ROWS))

opensim.Logger.setLevelString("Error")
storage = opensim.Storage(path)
stored = []
for row in range(storage.getSize()):
    data = storage.getStateVector(row).getData()
    stored.append((data.get(0), data.get(1)))
series = opensim.TimeSeriesTable(path)
table = [tuple(row) for row in series.getMatrix().to_numpy().tolist()]
for name, rows in (("Storage", stored), ("TimeSeriesTable", table)):
    print(f"{name}: {len(rows)} rows, the third {rows[2]}")
same = stored == [*ROWS[:2], (0.0, 51.0)] and len(table) == 6 and table[3:] == ROWS[3:]
print("as described" if same else "the behaviour has changed")
sys.exit(0 if same else 1)
PYTHON
