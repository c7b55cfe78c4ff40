#!/bin/sh
# sleap-io 0.9.5: in a clip of variable frame rate, frame n is another picture where OpenCV is not installed.
#
# Without OpenCV, sleap-io reads videos by imageio-ffmpeg, which it brings along. That makes the frame rate constant: where
# the camera paused, the last picture is repeated. OpenCV gives every picture once. Both say that the clip has as many
# frames as it has pictures, so that by imageio-ffmpeg the last pictures are never seen, and labels that were made on one
# machine lie on other pictures on the next. Phones and screen recorders make such clips.
#
# Seen with sleap-io 0.9.5, imageio-ffmpeg 0.8.1, opencv-python-headless 5.0.0.93, PyAV 18.1.0 as the writer, Python 3.11,
# Linux x86-64, for 30 pictures with a pause of half a second behind the tenth:
#   opencv: 30 frames, of which 5 12 25 29 are pictures 5 12 25 29
#   FFMPEG: 30 frames, of which 5 12 25 29 are pictures 5 9 11 15
# Exits 0 as long as that is so, and 1 once it is not.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --target "$folder/site" \
    sleap-io==0.9.5 imageio-ffmpeg==0.8.1 imageio==2.38.1 opencv-python-headless==5.0.0.93 av==18.1.0
PYTHONPATH="$folder/site" python3 - "$folder/clip.mp4" <<'PYTHON'
import sys
from fractions import Fraction

import av
import numpy as np
import sleap_io

SOME = (5, 12, 25, 29)
path = sys.argv[1]
with av.open(path, "w") as out:
    stream = out.add_stream("libx264", rate=30, options={"bf": "0", "g": "10", "crf": "10"})
    stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
    stream.codec_context.time_base = Fraction(1, 30)
    for number in range(30):
        grey = np.full((48, 64), 20 + 7 * number, np.uint8)
        frame = av.VideoFrame.from_ndarray(grey, format="gray").reformat(format="yuv420p")
        frame.pts = number if number < 10 else number + 14
        out.mux(stream.encode(frame))
    out.mux(stream.encode(None))

found = {}
for plugin in ("opencv", "FFMPEG"):
    video = sleap_io.load_video(path, plugin=plugin)
    found[plugin] = [round((video[index].mean() - 20) / 7) for index in range(len(video))]
    print(f"{plugin}: {len(video)} frames, of which", *SOME, "are pictures", *(found[plugin][index] for index in SOME))
same = found["opencv"] == list(range(30)) and len(found["FFMPEG"]) == 30 and found["FFMPEG"][:12] == [*range(10), 9, 9]
same = same and found["FFMPEG"][-1] < 20
print("as described" if same else "the behaviour has changed")
sys.exit(0 if same else 1)
PYTHON
