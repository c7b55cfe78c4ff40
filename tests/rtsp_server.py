"""An RTSP server on loopback, by GStreamer; run by the system's Python, which has its bindings (see stream_worlds.py).

Mounts `/live`, which never ends, and `/recording`, which has an end. One line on stdout tells the port.
"""

from __future__ import annotations

import argparse
import threading
import time
from pathlib import Path
from typing import Any

import gi  # type: ignore[import-not-found] # of the system's Python alone

import rtp_units

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # type: ignore[import-not-found] # noqa: E402 # as above

TRANSPORTS = {
    "tcp": GstRtsp.RTSPLowerTrans.TCP,
    "udp": GstRtsp.RTSPLowerTrans.UDP,
    "both": GstRtsp.RTSPLowerTrans.TCP | GstRtsp.RTSPLowerTrans.UDP,
}


def send(source: Any, pictures: list[bytes], rate: int, pause_at: int, pause: float) -> None:
    """Each picture at its time, again and again, until nobody takes them; one pause, in which none is sent."""
    began, number = time.monotonic(), 0
    while True:
        if number == pause_at:
            time.sleep(pause)
            began += pause
        time.sleep(max(0.0, began + number / rate - time.monotonic()))
        buffer = Gst.Buffer.new_wrapped(pictures[number % len(pictures)])
        late = pause if number >= pause_at >= 0 else 0.0
        buffer.pts = buffer.dts = round((number / rate + late) * Gst.SECOND)
        buffer.duration = Gst.SECOND // rate
        if source.emit("push-buffer", buffer) != Gst.FlowReturn.OK:
            return
        number += 1


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--units", type=Path, required=True)
    parser.add_argument("--file", type=Path, required=True)
    parser.add_argument("--port", default="0")
    parser.add_argument("--rate", type=int, default=25)
    parser.add_argument("--transport", choices=TRANSPORTS, default="both")
    parser.add_argument("--pause-at", type=int, default=-1)
    parser.add_argument("--pause", type=float, default=0.0)
    parser.add_argument("--login", default="")
    options = parser.parse_args()

    Gst.init(None)
    pictures = rtp_units.read(options.units)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(options.port)

    live = GstRtspServer.RTSPMediaFactory()
    caps = "video/x-h264,stream-format=byte-stream,alignment=au"
    live.set_launch(f"( appsrc name=source is-live=true format=time caps={caps} ! rtph264pay name=pay0 pt=96 )")

    def configure(_: Any, media: Any) -> None:
        source = media.get_element().get_by_name("source")
        arguments = (source, pictures, options.rate, options.pause_at, options.pause)
        threading.Thread(target=send, args=arguments, daemon=True).start()

    live.connect("media-configure", configure)
    recording = GstRtspServer.RTSPMediaFactory()
    recording.set_launch(f"( filesrc location={options.file} ! qtdemux ! rtph264pay name=pay0 pt=96 )")
    for path, factory in (("/live", live), ("/recording", recording)):
        factory.set_protocols(TRANSPORTS[options.transport])
        if options.login:
            permissions = GstRtspServer.RTSPPermissions()
            permissions.add_role("user")
            for permission in ("media.factory.access", "media.factory.construct"):
                permissions.add_permission_for_role("user", permission, True)
            factory.set_permissions(permissions)
        server.get_mount_points().add_factory(path, factory)
    if options.login:
        token = GstRtspServer.RTSPToken()
        token.set_string("media.factory.role", "user")
        auth = GstRtspServer.RTSPAuth()
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(*options.login.split(":", 1)), token)
        server.set_auth(auth)
    server.attach(None)
    print(server.get_bound_port(), flush=True)  # noqa: T201 # what the test waits for
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
