#!/bin/sh
# decord 0.6.0: in a trimmed MP4, frame n is one picture when the frames are read in order, and another when asked for alone.
#
# A phone, or `ffmpeg -ss ... -c copy`, trims a clip by an edit list: frames since the last key frame stay in the file, and
# are not shown. decord counts them, and does not show them: read one after the other, frames 0 to 34 are the 35 that are
# shown, and the last three repeat the end. Asked for by number, as data loaders do it, a frame behind the first group of
# pictures is earlier by the number of hidden ones. So labels by frame number lie on other pictures than those they were
# made on. The clip as it was before the cut has no such trouble.
#
# Seen with decord 0.6.0, NumPy 2.4.6, PyAV 18.1.0 as the writer, Python 3.11, Linux x86-64, for 38 pictures,
# of which the first 3 are hidden:
#   trimmed: asked for 12 24 34 36 in order: 15 27 37 37, alone: 12 24 34 36
#   whole: asked for 12 24 34 36 in order: 12 24 34 36, alone: 12 24 34 36
# Exits 0 as long as that is so, and 1 once it is not.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --no-deps --target "$folder/site" \
    decord==0.6.0 av==18.1.0 numpy==2.4.6
PYTHONPATH="$folder/site" python3 - "$folder" <<'PYTHON'
import sys

import av
import decord
import numpy as np

ASKED = (12, 24, 34, 36)


def clip(path, first):
    """38 pictures at 25 frames a second, the first at frame `first`; the writer hides what is before 0."""
    with av.open(path, "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"bf": "0", "g": "12", "crf": "10", "sc_threshold": "0"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(38):
            grey = np.full((48, 64), 20 + 5 * number, np.uint8)
            frame = av.VideoFrame.from_ndarray(grey, format="gray").reformat(format="yuv420p")
            frame.pts = first + number
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def pictures(path):
    """How many frames there are, and which pictures some are, in order and alone."""
    def number(frame):
        return round((frame.asnumpy().mean() - 20) / 5)

    reader = decord.VideoReader(path)
    in_order = [number(reader[index]) for index in range(len(reader))]
    alone = [number(decord.VideoReader(path)[index]) for index in ASKED]
    return len(reader), [in_order[index] for index in ASKED], alone


found = []
for name, first in (("trimmed", -3), ("whole", 0)):
    path = f"{sys.argv[1]}/{name}.mp4"
    clip(path, first)
    found.append(pictures(path))
    print(f"{name}: {found[-1][0]} frames; asked for", *ASKED, "in order:", *found[-1][1], "  alone:", *found[-1][2])
same = found == [(38, [15, 27, 37, 37], [12, 24, 34, 36]), (38, list(ASKED), list(ASKED))]
print("as described" if same else "the behaviour has changed")
sys.exit(0 if same else 1)
PYTHON
