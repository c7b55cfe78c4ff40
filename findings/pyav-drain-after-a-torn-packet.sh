#!/bin/sh
# PyAV 18.1.0: pictures are lost, without an error, at the end of a video whose last packet is torn.
#
# With threads (thread_type AUTO or FRAME), decode(None) asks for the packets that the threads still hold. The first one
# that cannot be decoded ends it: the pictures behind it never come, and with AUTO nothing is raised either. With one
# thread all come, and the torn packet raises InvalidDataError. A recording that was cut off is such a video.
#
# Seen with PyAV 18.1.0 (FFmpeg 8.1 in its wheel), Python 3.11, Linux x86-64, 4 threads:
#   49 whole packets and a torn one: NONE gives 49 pictures and 1 error, AUTO 47 pictures and 0 errors
# Exits 0 as long as that is so, and 1 once both give the same pictures.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --no-deps --target "$folder" av==18.1.0
PYTHONPATH="$folder" python3 - <<'PYTHON'
import io

import av

av.logging.set_level(None)
WHOLE = 49


def video():
    """60 H.264 pictures with B-frames, in an MP4; made of noise, so that packets are large."""
    content = io.BytesIO()
    with av.open(content, "w", format="mp4") as out:
        stream = out.add_stream("libx264", rate=25, options={"bf": "3", "g": "60", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        state = 1
        for number in range(60):
            frame = av.VideoFrame(320, 240, "yuv420p")
            for plane in frame.planes:
                state = (state * 1103515245 + 12345) % 2**31
                row = (state.to_bytes(4, "little") + bytes(range(256))) * (plane.buffer_size // 260 + 1)
                plane.update(row[: plane.buffer_size])
            frame.pts = number
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return content.getvalue()


def decoded(content, thread_type):
    """Pictures and errors of the first 49 packets, a torn one, and the end."""
    with av.open(io.BytesIO(content)) as opened:
        stream = opened.streams.video[0]
        stream.thread_type = thread_type
        if thread_type != "NONE":
            stream.codec_context.thread_count = 4
        packets = [packet for packet in opened.demux(stream) if packet.size][: WHOLE + 1]
        last = packets.pop()
        torn = av.Packet(bytes(last)[:8])
        torn.pts, torn.dts, torn.time_base = last.pts, last.dts, last.time_base
        pictures = errors = 0
        for packet in (*packets, torn, None):
            try:
                pictures += len(stream.codec_context.decode(packet))
            except av.error.EOFError:
                pass
            except av.error.FFmpegError:
                errors += 1
        return pictures, errors


content = video()
found = {thread_type: decoded(content, thread_type) for thread_type in ("NONE", "AUTO")}
for thread_type, (pictures, errors) in found.items():
    print(f"PyAV {av.__version__}, thread_type {thread_type}: {pictures} pictures, {errors} errors")
same = found["NONE"] == (WHOLE, 1) and found["AUTO"][0] < WHOLE and found["AUTO"][1] == 0
print("as described" if same else "the behaviour has changed")
raise SystemExit(not same)
PYTHON
