#!/bin/sh
# opencv-python-headless 5.0.0.93: in a clip of variable frame rate, a frame is not found by the time that OpenCV gives it.
#
# `get(CAP_PROP_POS_MSEC)` is the time that the file states for a frame. `set(CAP_PROP_POS_MSEC, t)` does not look for it,
# but goes to t times the mean frame rate. Where the camera's rate changed, as that of phones and screen recordings does,
# a frame's own time leads to another one, and behind the change its number does so too. set returns True each time, and
# nothing is read for the last frames, either way.
#
# Seen with opencv-python-headless 5.0.0.93, PyAV 18.1.0 as the writer, Python 3.11, Linux x86-64, for a clip of 20 pictures
# at 30 and 20 at 10 frames a second:
#   by their own times, frames 15 25 35 are found as 8 18 None, by their numbers as 15 30 None
#   4 of 40 frames are found at their own times, 22 by their numbers
# Exits 0 as long as that is so, and 1 once it is not.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --no-deps --target "$folder/site" \
    opencv-python-headless==5.0.0.93 av==18.1.0 numpy==2.4.6
PYTHONPATH="$folder/site" python3 - "$folder/clip.mp4" <<'PYTHON'
import sys
from fractions import Fraction

import av
import cv2
import numpy as np

path = sys.argv[1]
with av.open(path, "w") as out:
    stream = out.add_stream("libx264", rate=30, options={"bf": "0", "g": "10", "crf": "10"})
    stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
    stream.codec_context.time_base = Fraction(1, 30)
    for number in range(40):
        grey = np.full((48, 64), 20 + 5 * number, np.uint8)
        frame = av.VideoFrame.from_ndarray(grey, format="gray").reformat(format="yuv420p")
        frame.pts = number if number < 20 else 20 + 3 * (number - 20)
        out.mux(stream.encode(frame))
    out.mux(stream.encode(None))


def number(picture):
    return round((picture.mean() - 20) / 5)


capture = cv2.VideoCapture(path)
times = []
while capture.read()[0]:
    times.append(capture.get(cv2.CAP_PROP_POS_MSEC))


def sought(property_, value):
    """The number of the picture that is read after a seek, None if none is."""
    assert capture.set(property_, value)
    good, picture = capture.read()
    return number(picture) if good else None


by_time = [sought(cv2.CAP_PROP_POS_MSEC, time) for time in times]
by_number = [sought(cv2.CAP_PROP_POS_FRAMES, index) for index in range(40)]
some = (15, 25, 35)
ways = [[found[index] for index in some] for found in (by_time, by_number)]
print("by their own times, frames", *some, "are found as", *ways[0], end=", ")
print("by their numbers as", *ways[1])
right = [sum(place == index for index, place in enumerate(found)) for found in (by_time, by_number)]
print(f"{right[0]} of {len(times)} frames are found at their own times, {right[1]} by their numbers")
same = len(times) == 40 and abs(times[15] - 500) < 1 and right[0] < 10 and 20 <= right[1] < 30 and by_time[15] == 8
print("as described" if same else "the behaviour has changed")
sys.exit(0 if same else 1)
PYTHON
