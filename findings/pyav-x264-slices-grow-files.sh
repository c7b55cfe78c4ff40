#!/bin/sh
# PyAV 18.1.0: what libx264 writes grows by a quarter with the number of threads, since each picture is cut into slices.
#
# x264's threads take a picture each, by FFmpeg's own choice, which costs next to nothing in size. PyAV's contexts have
# thread_type SLICE instead, for encoders too, and FFmpeg's libx264 takes that as an order: each thread takes a part of
# each picture, and nothing is predicted across the parts' borders. Where nobody gives a number of threads it is that of
# the cores, so the same program writes other and larger files of the same quality on a larger computer: measurements of
# size, and tests by damaged bytes, depend on the machine. `thread_type = "FRAME"` is the cure; x264 then holds back more
# pictures.
#
# Seen with PyAV 18.1.0 (libx264 in its wheel), Python 3.11, Linux x86-64: 60 pictures of 640x360, a texture that moves by
# 4 pixels a picture, veryfast, crf 23:
#   SLICE, as it is by itself: 1 thread 100 %, 1 slice; 4 threads 125 %, 4 slices a picture
#   FRAME:                     1 thread 100 %, 1 slice; 4 threads 100 %, 1 slice a picture
# Exits 0 as long as that is so, and 1 otherwise.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --target "$folder" av==18.1.0 'numpy>=2,<3'
PYTHONPATH="$folder" python3 - <<'PYTHON'
import re
import sys
from fractions import Fraction

import av
import numpy as np

WIDTH, HEIGHT, PICTURES, STEP = 640, 360, 60, 4


def texture():
    """Noise, made smooth by the mean over 9x9 pixels, twice."""
    made = np.random.default_rng(0).integers(0, 256, (HEIGHT + 16, WIDTH + PICTURES * STEP + 16)).astype(float)
    for axis in (0, 1, 0, 1):
        sums = np.cumsum(np.insert(made, 0, 0, axis=axis), axis=axis)
        count = sums.shape[axis]
        made = (sums.take(range(9, count), axis) - sums.take(range(count - 9), axis)) / 9
    made = (made - made.min()) / (made.max() - made.min())
    return (255 * made).astype(np.uint8)


def encoded(threads, thread_type):
    """The packets of all pictures."""
    context = av.CodecContext.create("libx264", "w")
    context.width, context.height, context.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    context.time_base, context.framerate = Fraction(1, 30), 30
    context.options, context.thread_count = {"preset": "veryfast", "crf": "23"}, threads
    if thread_type:
        context.thread_type = thread_type
    packets = []
    for number in range(PICTURES):
        planes = np.full((HEIGHT * 3 // 2, WIDTH), 128, np.uint8)
        planes[:HEIGHT] = TEXTURE[:HEIGHT, number * STEP : number * STEP + WIDTH]
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.pts = number
        packets += context.encode(frame)
    return [bytes(packet) for packet in packets + context.encode(None)]


def slices(packet):
    """NAL units of types 1 and 5."""
    return sum(match[1][0] & 31 in (1, 5) for match in re.finditer(b"\0\0\1(.)", packet, re.DOTALL))


TEXTURE, found = texture(), {}
for kind in ("", "FRAME"):
    for threads in (1, 4):
        packets = encoded(threads, kind)
        found[kind, threads] = sum(map(len, packets)), slices(packets[PICTURES // 2])
        share = 100 * found[kind, threads][0] / found["", 1][0]
        print(f"{kind or 'as it is by itself'}, {threads} threads: {share:.0f} %, {found[kind, threads][1]} slices a picture")
same = (
    found["", 4][0] > 1.15 * found["", 1][0]
    and found["FRAME", 4][0] < 1.02 * found["", 1][0]
    and (found["", 4][1], found["FRAME", 4][1]) == (4, 1)
)
sys.exit(not same)
PYTHON
