#!/bin/sh
# PyAV 18.1.0: a frame whose side data was looked at is freed by Python's cyclic garbage collector only.
#
# `frame.side_data` keeps its container in the frame, and the container refers to the frame. A frame that nobody holds any
# more goes at once, but not after its side data was read, as for its display matrix: its picture, and with a hardware
# decoder the card's pool of pictures behind it, stay until the collector comes by, which does not know how large they
# are. `frame.rotation` makes no such cycle.
#
# Seen with PyAV 18.1.0, Python 3.11, Linux x86-64, the collector off, 50 frames of an MP4 that is to be turned:
#   rotation read: 1 frame left    side_data read: 51 frames left
# Exits 0 as long as that is so.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --no-deps --target "$folder" av==18.1.0
PYTHONPATH="$folder" python3 - <<'PYTHON'
import gc
import io
import sys

import av

av.logging.set_level(None)
content = io.BytesIO()
with av.open(content, "w", format="mp4") as out:
    stream = out.add_stream("libx264", rate=25)
    stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
    for number in range(50):
        frame = av.VideoFrame(64, 48, "yuv420p")
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        frame.pts = number
        out.mux(stream.encode(frame))
    out.mux(stream.encode(None))
del frame


def left(look):
    """Frames in memory after all were decoded, looked at and let go."""
    gc.collect()
    gc.disable()
    with av.open(io.BytesIO(content.getvalue())) as opened:
        for frame in opened.decode(video=0):
            look(frame)
        del frame
    count = sum(type(each) is av.VideoFrame for each in gc.get_objects())
    gc.enable()
    gc.collect()
    return count


rotation = left(lambda frame: frame.rotation)
side_data = left(lambda frame: frame.side_data)
print(f"PyAV {av.__version__}; rotation read: {rotation} frames left   side_data read: {side_data} frames left")
sys.exit(0 if rotation <= 1 and side_data >= 50 else 1)
PYTHON
