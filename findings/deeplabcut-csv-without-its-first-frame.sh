#!/bin/sh
# pandas 3.1.1: of a DeepLabCut CSV in whose first frame no animal is, the first frame is lost without a word.
#
# DeepLabCut's CSV has three or four lines of header, and is read by read_csv(header=[0, 1, 2, 3], index_col=0), in its own
# code and in that of many programs around it. A multi-animal project leaves all fields of a frame empty in which nobody
# is. Where that is the first frame, pandas takes the line for the names of the index: every frame is one off, by row
# number against the video, and only the index still tells. The same line further down is read as it should be.
#
# Seen with pandas 3.1.1, Python 3.11, Linux x86-64:
#   empty first: frames [1, 2], and the index is called 0; empty second: frames [0, 1, 2], and it has no name
# Exits 0 as long as that is so.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --target "$folder" pandas==3.1.1
PYTHONPATH="$folder" python3 - <<'PYTHON'
import io
import sys

import pandas as pd

HEADER = """scorer,net,net,net,net,net,net
individuals,one,one,one,two,two,two
bodyparts,nose,nose,nose,nose,nose,nose
coords,x,y,likelihood,x,y,likelihood
"""
SEEN, NOBODY = "1.5,2.5,0.9,3.5,4.5,0.8", ",,,,,"


def read(*rows):
    """The frame numbers that are left of a table, and what its index is called."""
    text = HEADER + "".join(f"{number},{row}\n" for number, row in enumerate(rows))
    table = pd.read_csv(io.StringIO(text), header=[0, 1, 2, 3], index_col=0)
    return list(table.index), table.index.name


first, second = read(NOBODY, SEEN, SEEN), read(SEEN, NOBODY, SEEN)
print(f"empty first: frames {first[0]}, and the index is called {first[1]}")
print(f"empty second: frames {second[0]}, and the index is called {second[1]}")
sys.exit(0 if first == ([1, 2], "0") and second == ([0, 1, 2], None) else 1)
PYTHON
