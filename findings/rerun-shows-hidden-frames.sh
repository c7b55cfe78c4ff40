#!/bin/sh
# rerun-sdk 0.41.0: of a trimmed MP4 its AssetVideo counts the frames that are trimmed away, and no start of the video.
#
# A phone, or `ffmpeg -ss ... -c copy`, trims a clip by an edit list: frames since the last key frame stay in the file to
# be decoded, and are not shown. Players, FFmpeg, PyAV and OpenCV leave them out. AssetVideo.read_frame_timestamps_nanos
# gives them, from 0 on: so poses that are logged at the times of the shown frames lie on pictures that are earlier, by up
# to a group of pictures. A video that starts behind its sound starts at 0 as well.
#
# Seen with rerun-sdk 0.41.0, PyAV 18.1.0, Python 3.11, Linux x86-64:
#   trimmed by 3 frames: PyAV 35 frames from 0.0 s, Rerun 38 from 0.0 s
#   starts 0.4 s late: PyAV 38 frames from 0.4 s, Rerun 38 from 0.0 s
# Exits 0 as long as that is so, and 1 once it is not.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --target "$folder/site" rerun-sdk==0.41.0 av==18.1.0 numpy==2.4.6
PYTHONPATH="$folder/site" python3 - "$folder" <<'PYTHON'
import sys

import av
import numpy as np
import rerun

av.logging.set_level(None)


def clip(name, first):
    """38 pictures at 25 frames a second, the first at frame `first`; the writer hides what is before 0."""
    path = f"{sys.argv[1]}/{name}.mp4"
    with av.open(path, "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"bf": "0", "g": "12"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(38):
            grey = np.full((48, 64), 20 + 5 * number, np.uint8)
            frame = av.VideoFrame.from_ndarray(grey, format="gray").reformat(format="yuv420p")
            frame.pts = first + number
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def counted(path):
    """Frames and the first one's time in seconds, by PyAV and by Rerun."""
    with av.open(path) as opened:
        shown = [float(frame.time) for frame in opened.decode(video=0)]
    stamps = [stamp / 1e9 for stamp in rerun.AssetVideo(path=path).read_frame_timestamps_nanos()]
    return [(len(times), round(min(times), 6)) for times in (shown, stamps)]


trimmed, late = counted(clip("trimmed", -3)), counted(clip("late", 10))
for name, ((shown, start), (stamps, first)) in (("trimmed by 3 frames", trimmed), ("starts 0.4 s late", late)):
    print(f"{name}: PyAV {shown} frames from {start} s, Rerun {stamps} from {first} s")
same = trimmed == [(35, 0.0), (38, 0.0)] and late == [(38, 0.4), (38, 0.0)]
print("as described" if same else "the behaviour has changed")
sys.exit(0 if same else 1)
PYTHON
