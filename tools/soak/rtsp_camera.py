"""An RTSP camera on this computer, by GStreamer, that can be given trouble; camera.py starts it and speaks to it.

Run by the system's Python, which has GStreamer's bindings. One line on stdin is one command:

    size 1              pictures of the second file from the next key frame on
    stall 4             no picture for 4 s, in any connection
    password SECRET     another password; whoever is connected is sent away
    stop                send everybody away and end

It prints `port N` when it listens, and `given N` for every tenth picture that it gave, counted over all connections.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from pathlib import Path
from typing import Any

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402 # the versions come first

sys.path.append(str(Path(__file__).parents[2] / "tests"))
import rtp_units  # noqa: E402 # of the tests

USER = "viewer"
CAPS = "video/x-h264,stream-format=byte-stream,alignment=au"


class Pictures:
    """What is sent: H.264 pictures of several sizes, which have their key frames at the same places."""

    def __init__(self, files: list[Path], rate: int, key_frames: int) -> None:
        self._sizes = [rtp_units.read(path) for path in files]
        self._rate, self._key_frames = rate, key_frames
        self.size = 0
        self.stalled_until = 0.0
        self._given = 0
        self._lock = threading.Lock()

    def send(self, source: Any) -> None:
        """Each at its time, again and again, until nobody takes them. Time stamps go on through a stall."""
        began, number, pictures = time.monotonic(), 0, self._sizes[self.size]
        stalled = 0.0
        while True:
            time.sleep(max(0.0, began + stalled + number / self._rate - time.monotonic()))
            if (rest := self.stalled_until - time.monotonic()) > 0:
                time.sleep(rest)
                stalled += rest
            if number % self._key_frames == 0:
                pictures = self._sizes[self.size]
            buffer = Gst.Buffer.new_wrapped(pictures[number % len(pictures)])
            buffer.pts = buffer.dts = round((number / self._rate + stalled) * Gst.SECOND)
            buffer.duration = Gst.SECOND // self._rate
            if source.emit("push-buffer", buffer) != Gst.FlowReturn.OK:
                return
            number += 1
            self._count()

    def _count(self) -> None:
        with self._lock:
            self._given += 1
            if self._given % 10 == 0:
                say("given", self._given)


def say(*words: object) -> None:
    """One line to whoever started this."""
    print(*words, flush=True)  # it is how this program speaks


def factory(pictures: Pictures) -> Any:
    """What makes a pipeline for a connection."""
    live = GstRtspServer.RTSPMediaFactory()
    live.set_launch(f"( appsrc name=source is-live=true format=time caps={CAPS} ! rtph264pay name=pay0 pt=96 )")
    live.set_protocols(GstRtsp.RTSPLowerTrans.TCP)
    permissions = GstRtspServer.RTSPPermissions()
    permissions.add_role(USER)
    for permission in ("media.factory.access", "media.factory.construct"):
        permissions.add_permission_for_role(USER, permission, True)
    live.set_permissions(permissions)

    def configure(_: Any, media: Any) -> None:
        source = media.get_element().get_by_name("source")
        threading.Thread(target=pictures.send, args=(source,), daemon=True).start()

    live.connect("media-configure", configure)
    return live


def ask_for(server: Any, password: str) -> None:
    """Let in who knows the password, and nobody else."""
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", USER)
    auth = GstRtspServer.RTSPAuth()
    auth.add_basic(GstRtspServer.RTSPAuth.make_basic(USER, password), token)
    server.set_auth(auth)


def send_away(server: Any) -> None:
    """End all connections."""
    server.client_filter(lambda *_: GstRtspServer.RTSPFilterResult.REMOVE)


def obey(server: Any, pictures: Pictures, loop: Any) -> None:
    """Do what stdin says, in the main loop where it is about connections."""

    def change_password(password: str) -> None:
        ask_for(server, password)
        send_away(server)

    def stop() -> None:
        send_away(server)
        GLib.timeout_add(100, loop.quit)  # when they are gone

    for line in sys.stdin:
        command, _, value = line.strip().partition(" ")
        if command == "size":
            pictures.size = int(value)
        elif command == "stall":
            pictures.stalled_until = time.monotonic() + float(value)
        elif command == "password":
            GLib.idle_add(change_password, value)
        elif command == "stop":
            GLib.idle_add(stop)


def main() -> None:
    """Serve /live until told to stop."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("files", type=Path, nargs="+", help="one for each size")
    parser.add_argument("--port", default="0")
    parser.add_argument("--rate", type=int, required=True)
    parser.add_argument("--key-frames", type=int, required=True, help="one every so many pictures")
    parser.add_argument("--size", type=int, default=0, help="which of the files is sent first")
    given = parser.parse_args()
    password = sys.stdin.readline().strip()  # not an argument, which everybody on the computer could read

    Gst.init(None)
    pictures = Pictures(given.files, given.rate, given.key_frames)
    pictures.size = given.size
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(given.port)
    ask_for(server, password)
    server.get_mount_points().add_factory("/live", factory(pictures))
    server.attach(None)
    loop = GLib.MainLoop()
    threading.Thread(target=obey, args=(server, pictures, loop), daemon=True).start()
    say("port", server.get_bound_port())
    loop.run()


if __name__ == "__main__":
    main()
