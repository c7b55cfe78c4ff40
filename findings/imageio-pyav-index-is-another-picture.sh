#!/bin/sh
# imageio 2.38.1 with PyAV 18.1.0: `imread(clip, index=n)` is another picture than the n-th, if the video starts late.
#
# imageio's pyav plugin jumps to n divided by the frame rate, and does not add the time of the first picture. In a recording
# whose video starts half a second after its sound, as many phones' and screen recorders' do, index 5 gives picture 0,
# index 30 gives picture 15, and the last 15 pictures are not to be had. The frame rate is constant here, which the
# plugin's documentation asks for; where it is not, other numbers are wrong. Read one after the other (`imiter`), all
# pictures come in their order.
#
# Seen with imageio 2.38.1, PyAV 18.1.0, Python 3.11, Linux x86-64, for 40 pictures at 30 frames a second:
#   video from 0.0 s: indices 0 5 20 30 39 give pictures 0 5 20 30 39
#   video from 0.5 s: indices 0 5 20 30 39 give pictures 0 0 5 15 24
# Exits 0 as long as that is so, and 1 once it is not.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --no-deps --target "$folder/site" \
    imageio==2.38.1 av==18.1.0 numpy==2.4.6 pillow==13.0.0
PYTHONPATH="$folder/site" python3 - "$folder" <<'PYTHON'
import sys

import av
import imageio.v3 as iio
import numpy as np

INDICES = (0, 5, 20, 30, 39)


def clip(path, first):
    """40 pictures at 30 frames a second, each brighter than the one before by 5; the first one at frame `first`."""
    with av.open(path, "w") as out:
        stream = out.add_stream("libx264", rate=30, options={"bf": "0", "g": "12", "crf": "10"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(40):
            grey = np.full((48, 64), 20 + 5 * number, np.uint8)
            frame = av.VideoFrame.from_ndarray(grey, format="gray").reformat(format="yuv420p")
            frame.pts = first + number
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def number(picture):
    return round((picture.mean() - 20) / 5)


found = []
for first in (0, 15):
    path = clip(f"{sys.argv[1]}/{first}.mp4", first)
    assert [number(picture) for picture in iio.imiter(path, plugin="pyav")] == list(range(40))
    found.append([number(iio.imread(path, plugin="pyav", index=index)) for index in INDICES])
    print(f"video from {first / 30} s: indices", *INDICES, "give pictures", *found[-1])
same = found == [list(INDICES), [0, 0, 5, 15, 24]]
print("as described" if same else "the behaviour has changed")
sys.exit(0 if same else 1)
PYTHON
