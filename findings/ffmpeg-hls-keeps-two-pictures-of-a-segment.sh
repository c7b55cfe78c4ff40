#!/bin/sh
# PyAV 18.1.0: of each segment of a live HLS stream the last two pictures come only when the next segment is there.
#
# A segment is whole on the server when its list names it, so one would expect all of its packets at once. But neither
# FFmpeg's MPEG-TS demuxer nor its H.264 parser knows that a picture is whole before the next one begins, which would be
# one picture each; the end of a segment is no sign for them, and the list waits for the next one. So the newest two
# pictures are late by a whole segment, and a program that takes "late" for the connection's delay finds a jitter of a
# segment's length where there is none. In fragmented MP4, whose boxes state their sizes, none waits.
#
# Seen with PyAV 18.1.0 (FFmpeg 8.1 in its wheel), Python 3.11, Linux x86-64: segments of 25 pictures, the second of
# which the server has 3 s after the first:
#   MPEG-TS: 23 pictures at once, 2 after 3 s with the next segment
#   fragmented MP4: 25 pictures at once
# Exits 0 as long as that is so, and 1 once they come with their own segment.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --no-deps --target "$folder" av==18.1.0
PYTHONPATH="$folder" python3 - "$folder" <<'PYTHON'
import functools
import http.server
import pathlib
import sys
import threading
import time

import av

av.logging.set_level(None)
RATE, PICTURES, LATER = 25, 25, 3.0


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def write(folder, kind):
    """A whole stream of two segments; returns its list."""
    folder.mkdir()
    options = {"hls_time": "1", "hls_list_size": "0", "hls_segment_type": kind, "hls_playlist_type": "vod"}
    with av.open(str(folder / "list.m3u8"), "w", format="hls", options=options) as out:
        stream = out.add_stream("libx264", rate=RATE, options={"bf": "0", "g": str(PICTURES), "sc_threshold": "0"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(2 * PICTURES):
            frame = av.VideoFrame(64, 48, "yuv420p")
            for plane in frame.planes:
                plane.update(bytes([number * 4]) * plane.buffer_size)
            frame.pts = number
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return folder / "list.m3u8"


def arrivals(folder, kind):
    """Seconds after the opening at which each packet of the first segment came."""
    path = write(folder, kind)
    whole = path.read_text().replace("#EXT-X-PLAYLIST-TYPE:VOD\n", "")
    path.write_text(whole[: whole.rindex("#EXTINF")])  # the first segment alone, and the list is open
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    threading.Timer(LATER, path.write_text, [whole]).start()
    with av.open(f"http://127.0.0.1:{server.server_address[1]}/list.m3u8", timeout=30) as stream:
        began, seconds = time.monotonic(), []
        for packet in stream.demux(video=0):
            if packet.size:
                seconds.append(time.monotonic() - began)
    server.shutdown()
    return seconds[:PICTURES]


def counts(seconds):
    early = sum(each < LATER / 2 for each in seconds)
    return early, len(seconds) - early


found = {kind: counts(arrivals(pathlib.Path(sys.argv[1]) / kind, kind)) for kind in ("mpegts", "fmp4")}
for kind, (early, late) in found.items():
    print(f"{kind}: {early} pictures at once, {late} with the next segment")
sys.exit(found != {"mpegts": (23, 2), "fmp4": (25, 0)})
PYTHON
