#!/bin/sh
# libsvtav1 in PyAV 18.1.0 (SVT-AV1 4.1.0): who encodes AV1 as root runs under real-time scheduling from then on.
#
# Opening the encoder puts the calling thread under SCHED_FIFO with priority 99, the highest there is, and closing it does
# not take that back. Threads and processes that this thread starts later inherit it, so that in a container, where
# programs run as root, a service that has encoded one clip comes before every other process on the cores from then on:
# others fail by time-outs, and tests by chance. libx264 leaves its caller as it was. A way round is to encode on a
# thread that ends afterwards, or to set the old policy again.
#
# Seen with PyAV 18.1.0, Python 3.11, Linux x86-64, as root: policy and priority of the thread
#   before: SCHED_OTHER 0; after libx264: SCHED_OTHER 0
#   after libsvtav1, its encoder closed and collected: SCHED_FIFO 99; a process that is started then: SCHED_FIFO 99
# Exits 0 as long as that is so, 1 otherwise, and 77 where this process may not be real-time.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --no-deps --target "$folder" av==18.1.0
PYTHONPATH="$folder" python3 - <<'PYTHON'
import gc
import os
import subprocess
import sys
import threading
from fractions import Fraction

import av

NAMES = {os.SCHED_OTHER: "SCHED_OTHER", os.SCHED_FIFO: "SCHED_FIFO", os.SCHED_RR: "SCHED_RR"}
CHILD = "import os; print(os.sched_getscheduler(0), os.sched_getparam(0).sched_priority)"


def state():
    return NAMES.get(os.sched_getscheduler(0), "another policy"), os.sched_getparam(0).sched_priority


def allowed():
    """Whether a thread of this process may be put under real-time scheduling; tried on one that ends."""
    found = []

    def attempt():
        try:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(99))
            found.append(True)
        except PermissionError:
            pass

    thread = threading.Thread(target=attempt)
    thread.start()
    thread.join()
    return bool(found)


def encode(codec):
    """Two pictures; the encoder is gone when this returns."""
    context = av.CodecContext.create(codec, "w")
    context.width, context.height, context.pix_fmt, context.time_base = 64, 64, "yuv420p", Fraction(1, 30)
    sizes = []
    for number in range(2):
        frame = av.VideoFrame(64, 64, "yuv420p")
        for plane in frame.planes:
            plane.update(bytes([100]) * plane.buffer_size)
        frame.pts = number
        sizes += [packet.size for packet in context.encode(frame)]
    return sizes + [packet.size for packet in context.encode(None)]


if not allowed():
    print("this process may not be real-time: nothing to see here")
    sys.exit(77)
before = state()
assert len(encode("libx264")) == 2
gc.collect()
x264 = state()
assert len(encode("libsvtav1")) == 2
gc.collect()
svt = state()
policy, priority = map(int, subprocess.run([sys.executable, "-c", CHILD], capture_output=True, check=True).stdout.split())
child = NAMES.get(policy, "another policy"), priority
print(f"before: {before}; after libx264: {x264}; after libsvtav1: {svt}; a process that is started then: {child}")
sys.exit((before, x264, svt, child) != (("SCHED_OTHER", 0), ("SCHED_OTHER", 0), ("SCHED_FIFO", 99), ("SCHED_FIFO", 99)))
PYTHON
