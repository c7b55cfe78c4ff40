#!/bin/sh
# PyAV 18.1.0 (FFmpeg 8.1): in an MP4 written in fragments, single pictures are not at the time that they were given.
#
# Pictures of a varying rate and their sound, the sound a tenth of a second ahead, go into an MP4 with frag_duration and a
# short max_interleave_delta. Where a packet of sound ends a fragment, the muxer does not know the next picture yet, and
# takes the last one's duration, which encoders state as one interval of the frame rate. The picture that follows is then
# read at the end of that duration, and not at its own time stamp; those behind it are right again. Nothing is said.
# With each packet's duration set to the distance to the next picture, all times are as given.
#
# Seen with PyAV 18.1.0, Python 3.11, Linux x86-64, times in 1/12800 s:
#   durations of the encoder: picture 28 given 14170, read 13835; picture 50 given 25034, read 24710
#   durations to the next picture: all as given
# Exits 0 as long as that is so.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --target "$folder" av==18.1.0 numpy==2.4.6
PYTHONPATH="$folder" python3 - "$folder" <<'PYTHON'
import random
import sys
from fractions import Fraction

import av
import numpy as np

TICKS, RATE, AHEAD = Fraction(1, 12_800), 48_000, Fraction(1, 10)
IN_FRAGMENTS = {
    "video_track_timescale": "12800", "movflags": "+delay_moov", "frag_duration": "200000",
    "max_interleave_delta": "100000",
}  # fmt: skip
VIDEO = {"bf": "0", "preset": "ultrafast", "tune": "zerolatency"}


def stamps():
    """The pictures' time stamps: from 8 to 70 ms apart."""
    dice, now = random.Random(0), 0
    for _ in range(100):
        yield now
        now += dice.randrange(100, 900)


def write(path, to_the_next):
    """Write pictures and sound; with `to_the_next`, packets of pictures have their true durations."""
    with av.open(path, "w", options=IN_FRAGMENTS) as out:
        video, sound = out.add_stream("libx264", rate=25, options=VIDEO), out.add_stream("aac", rate=RATE, layout="mono")
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        video.codec_context.time_base = TICKS
        heard, held = 0, None
        for pts in stamps():
            while Fraction(heard, RATE) <= pts * TICKS + AHEAD:
                silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
                silence.sample_rate, silence.pts, silence.time_base = RATE, heard, Fraction(1, RATE)
                out.mux(sound.encode(silence))
                heard += 1024
            picture = av.VideoFrame(64, 48, "yuv420p")
            picture.pts, picture.time_base = pts, TICKS
            [packet] = video.encode(picture)
            if not to_the_next:
                out.mux(packet)
                continue
            if held is not None:
                held.duration = packet.pts - held.pts
                out.mux(held)
            held = packet
        if held is not None:
            out.mux(held)


def moved(path):
    """Pictures that are read at another time than they were given."""
    with av.open(path) as container:
        read = [packet.pts for packet in container.demux(video=0) if packet.size]
    return [(index, given, found) for index, (given, found) in enumerate(zip(stamps(), read, strict=True)) if given != found]


found = []
for words, to_the_next in (("of the encoder", False), ("to the next picture", True)):
    path = f"{sys.argv[1]}/{to_the_next}.mp4"
    write(path, to_the_next)
    found.append(moved(path))
    told = "; ".join(f"picture {index} given {given}, read {read}" for index, given, read in found[-1])
    print(f"durations {words}: {told or 'all as given'}")
sys.exit(0 if found[0] and not found[1] else 1)
PYTHON
