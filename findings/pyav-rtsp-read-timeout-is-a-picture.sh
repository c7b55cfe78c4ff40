#!/bin/sh
# PyAV 18.1.0: the first read time-out of an RTSP stream raises nothing; a picture comes in its place, twice as late.
#
# av.open(..., timeout=(open, read)) is to raise av.error.ExitError where nothing comes for `read` seconds. An RTP packet
# does not tell FFmpeg's H.264 parser that its picture is whole, so the parser always holds the newest one. When the read
# is interrupted, av_read_frame() gives that picture instead of the error, and the next call waits for a whole time-out
# once more. A camera that is silent for less than two time-outs is never noticed: its stream goes on with a packet that
# has no time stamp.
#
# Seen with PyAV 18.1.0 (FFmpeg 8.1 in its wheel), Python 3.11, Linux x86-64, a read time-out of 1 s:
#   silent for 1.6 s: picture 40 after 1.0 s, then a packet without a time stamp after 0.6 s, and no error
#   silent for good: picture 40 after 1.0 s, then ExitError after 1.0 s
# Exits 0 as long as that is so, and 1 once the first time-out is raised.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --no-deps --target "$folder" av==18.1.0
PYTHONPATH="$folder" python3 - <<'PYTHON'
import re
import socketserver
import struct
import sys
import threading
import time
from fractions import Fraction

import av

av.logging.set_level(None)
RATE, BEFORE, READ = 25, 40, 1.0


def pictures():
    """60 H.264 pictures, each as its NAL units."""
    codec = av.CodecContext.create("libx264", "w")
    codec.width, codec.height, codec.pix_fmt, codec.time_base = 160, 120, "yuv420p", Fraction(1, RATE)
    codec.options = {"g": "10", "tune": "zerolatency", "qp": "30", "x264-params": "slices=1"}
    for pts in range(60):
        frame = av.VideoFrame(160, 120, "yuv420p")
        for plane in frame.planes:
            plane.update(bytes([pts * 4]) * plane.buffer_size)
        frame.pts = pts
        for packet in codec.encode(frame):
            yield [unit for unit in re.split(rb"\x00\x00\x00?\x01", bytes(packet)) if unit]


class Camera(socketserver.StreamRequestHandler):
    """An RTSP server over TCP, for one stream; silent for a while after 40 pictures."""

    def handle(self):
        while head := self.rfile.readline().decode():
            request = {"CSeq": "0"}
            while line := self.rfile.readline().decode().strip():
                key, _, value = line.partition(": ")
                request[key] = value
            method = head.split()[0]
            headers, body = ["Session: 1"], ""
            if method == "OPTIONS":
                headers = ["Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN"]
            elif method == "DESCRIBE":
                body = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\n"
                body += "a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\na=control:track\r\n"
                headers = ["Content-Type: application/sdp", f"Content-Length: {len(body)}"]
            elif method == "SETUP":
                headers.append("Transport: RTP/AVP/TCP;unicast;interleaved=0-1")
            answer = "\r\n".join(["RTSP/1.0 200 OK", f"CSeq: {request['CSeq']}", *headers, "", body])
            self.wfile.write(answer.encode())
            if method == "PLAY":
                threading.Thread(target=self.send, daemon=True).start()

    def send(self):
        sequence, late, began = 0, 0.0, time.monotonic()
        for number, units in enumerate(PICTURES):
            if number == BEFORE:
                late = self.server.silent
            time.sleep(max(0.0, began + number / RATE + late - time.monotonic()))
            stamp = round(90_000 * (number / RATE + late))
            for unit in units:
                packet = struct.pack(">BBHII", 0x80, 96 | 0x80 * (unit is units[-1]), sequence, stamp, 7) + unit
                sequence += 1
                try:
                    self.wfile.write(struct.pack(">cBH", b"$", 0, len(packet)) + packet)
                except (OSError, ValueError):
                    return


class Server(socketserver.ThreadingTCPServer):
    daemon_threads, allow_reuse_address = True, True

    def handle_error(self, *_):
        """Of a connection that the client has closed."""


def watched(silent):
    """Of a camera that is silent for so many seconds: what came after a second or more, and what came then."""
    server = Server(("127.0.0.1", 0), Camera)
    server.silent = silent
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"rtsp://127.0.0.1:{server.server_address[1]}/"
    found, count = [], 0
    with av.open(address, options={"rtsp_transport": "tcp", "fpsprobesize": "4"}, timeout=(10, READ)) as opened:
        packets = opened.demux(opened.streams.video[0])
        while len(found) < 2:
            asked, what = time.monotonic(), "the end"
            try:
                packet = next(packets)
                count += 1
                what = f"picture {count}" if packet.pts is not None else "a packet without a time stamp"
            except StopIteration:
                break
            except av.error.FFmpegError as error:
                what = type(error).__name__
            if (waited := time.monotonic() - asked) >= READ / 2 or found:
                found.append((what, waited))
            if not what.startswith(("picture", "a packet")):
                break
    return found


PICTURES = list(pictures())
short, long = watched(1.6), watched(60)
for name, found in (("1.6 s", short), ("good", long)):
    print(f"silent for {name}: " + ", then ".join(f"{what} after {waited:.1f} s" for what, waited in found))
hidden = short[0][1] >= READ and short[0][0].startswith("picture") and not any("Error" in what for what, _ in short)
late = [what for what, _ in long][1:] == ["ExitError"] and long[0][0].startswith("picture")
sys.exit(0 if hidden and late else 1)
PYTHON
