#!/bin/sh
# sleap-io 0.9.5: rates in its NWB files are cut to whole numbers, so that a keypoint that is often hidden changes frames.
#
# A keypoint is stored without the frames in which it is missing. If the rest is evenly spaced, its rate goes into the
# file, as `float(int(rate))`. Two things come of it, both without a word. Given the clip's time stamps, 29.97 frames a
# second become 29: two seconds too long in a minute. And a keypoint that is seen in every second frame gets the rate 0:
# sleap-io itself reads all of its places back into one frame, where the last one wins, and the other frames lose it. The
# names of the tracks are not read back either: nobody is on a track.
#
# Seen with sleap-io 0.9.5, ndx-pose 0.4.0, pynwb 4.2.0, Python 3.11, Linux x86-64:
#   rate of a 29.97 Hz clip: 29.0
#   tail saved at {0: 100.0, 2: 102.0, 4: 104.0}, read at {0: 104.0}; tracks ['left', 'right'], read []
# Exits 0 as long as that is so, and 1 once it is not.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --target "$folder/site" \
    sleap-io==0.9.5 ndx-pose==0.4.0 pynwb==4.2.0 hdmf==6.2.0
PYTHONPATH="$folder/site" python3 - "$folder" <<'PYTHON'
import datetime
import sys
import warnings

import numpy as np
import sleap_io
from pynwb import NWBFile
from sleap_io.io.nwb_predictions import append_nwb_data

warnings.simplefilter("ignore")
FRAMES = 6
skeleton = sleap_io.Skeleton(nodes=["nose", "tail"], edges=[("nose", "tail")], name="mouse")
tracks = [sleap_io.Track("left"), sleap_io.Track("right")]
video = sleap_io.Video(filename="clip.mp4")


def mouse(frame, track, x):
    """One animal: its nose is always there, its tail in every second frame."""
    tail = [x, 20.0] if frame % 2 == 0 else [np.nan, np.nan]
    return sleap_io.PredictedInstance.from_numpy(
        np.array([[x, 10.0], tail]), skeleton=skeleton, point_scores=np.array([0.9, 0.8]), score=0.9, track=track
    )


labels = sleap_io.Labels(videos=[video], skeletons=[skeleton], tracks=tracks)
for frame in range(FRAMES):
    animals = [mouse(frame, track, x + frame) for track, x in zip(tracks, (100.0, 300.0))]
    labels.append(sleap_io.LabeledFrame(video=video, frame_idx=frame, instances=animals))

file = NWBFile("", "clip", datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc))
append_nwb_data(labels, file, {"video_timestamps": np.arange(FRAMES) * 1001 / 30000})
rate = file.processing["SLEAP_VIDEO_000_clip"]["track=left"]["nose"].rate
print(f"rate of a 29.97 Hz clip: {rate}")

path = f"{sys.argv[1]}/clip.nwb"
sleap_io.save_nwb(labels, path, nwb_format="predictions")
read = sleap_io.load_nwb(path)


def tails(those):
    """Where the first animal's tail is, by frame."""
    places = {frame.frame_idx: float(frame.instances[0].numpy()[1, 0]) for frame in those.labeled_frames}
    return {frame: x for frame, x in places.items() if not np.isnan(x)}


names = [[track.name for track in those.tracks] for those in (labels, read)]
print(f"tail saved at {tails(labels)}, read at {tails(read)}; tracks {names[0]}, read {names[1]}")
same = rate == 29.0 and tails(labels) == {0: 100.0, 2: 102.0, 4: 104.0} and tails(read) == {0: 104.0}
print("as described" if same and names[1] == [] else "the behaviour has changed")
sys.exit(0 if same and names[1] == [] else 1)
PYTHON
