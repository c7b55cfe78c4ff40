#!/bin/sh
# opencv-python-headless 5.0.0.93: after `set(CAP_PROP_POS_FRAMES, 0)` an MPEG-TS clip begins at its second key frame.
#
# That is how a clip is begun again, such as for a second pass of a tracker. In MPEG-TS with B-frames, as cameras and
# broadcasts record it, OpenCV lands at a later key frame, returns True, and says by CAP_PROP_POS_FRAMES that it is at
# frame 0: each result is a whole group of pictures late, which may be ten seconds. A raw .h264, as a Raspberry Pi's camera
# writes it, goes on near where it was. MP4, Matroska, AVI and the same MPEG-TS without B-frames begin at the first picture.
#
# Seen with opencv-python-headless 5.0.0.93, PyAV 18.1.0 as the writer, Python 3.11, Linux x86-64, a key frame in 12:
#   mp4 0 1 2   matroska 0 1 2   avi 0 1 2   mpegts 12 13 14   mpegts without B-frames 0 1 2   h264 24 25 26
# Exits 0 as long as that is so, and 1 once it is not.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --no-deps --target "$folder/site" \
    opencv-python-headless==5.0.0.93 av==18.1.0 numpy==2.4.6
PYTHONPATH="$folder/site" python3 - "$folder" <<'PYTHON'
import sys

import av
import cv2
import numpy as np

av.logging.set_level(None)
EXPECTED = {
    "mp4": [0, 1, 2],
    "matroska": [0, 1, 2],
    "avi": [0, 1, 2],
    "mpegts": [12, 13, 14],
    "mpegts without B-frames": [0, 1, 2],
}


def clip(path, container, b_frames):
    """60 pictures, each brighter than the one before by 3."""
    with av.open(path, "w", format=container) as out:
        options = {"bf": str(b_frames), "g": "12", "crf": "10", "sc_threshold": "0"}
        stream = out.add_stream("libx264", rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(60):
            grey = np.full((48, 64), 20 + 3 * number, np.uint8)
            frame = av.VideoFrame.from_ndarray(grey, format="gray").reformat(format="yuv420p")
            frame.pts = number
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def numbers(capture, count):
    """Which pictures come next, by their brightness."""
    return [round((capture.read()[1].mean() - 20) / 3) for _ in range(count)]


found = {}
for name in (*EXPECTED, "h264"):
    container = name.partition(" ")[0]
    path = f"{sys.argv[1]}/clip.{container}"
    clip(path, container, 0 if "without" in name else 2)
    capture = cv2.VideoCapture(path)
    assert numbers(capture, 20) == list(range(20))
    assert capture.set(cv2.CAP_PROP_POS_FRAMES, 0) and capture.get(cv2.CAP_PROP_POS_FRAMES) == 0
    found[name] = numbers(capture, 3)
    print(f"{name}, begun again:", *found[name])
    capture.release()
raw = found.pop("h264")  # where it goes on depends on how far it has read ahead
same = found == EXPECTED and raw[0] > 0
print("as described" if same else "the behaviour has changed")
sys.exit(0 if same else 1)
PYTHON
