#!/bin/sh
# python-osc 1.10.2: a bundle whose time tag is in the future stops the server until then, and all that comes behind it.
#
# The OSC specification lets a receiver hold such a bundle back. python-osc's blocking server sleeps instead, so that every
# later datagram, of whatever sender, waits too. A sender whose clock is a second ahead of the receiver's, as those of
# cameras and of boards without a battery are, makes every motion arrive a second late. A time tag of "immediately" avoids
# it.
#
# Seen with python-osc 1.10.2, Python 3.11: a message sent right behind a bundle that is 1.5 s ahead is handled 1.5 s later.
# Exits 0 as long as it takes more than 1 s, and less than 0.5 s with "immediately".
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --no-deps --target "$folder" python-osc==1.10.2
PYTHONPATH="$folder" python3 - <<'PYTHON'
import sys
import threading
import time

from pythonosc import osc_bundle_builder, osc_message_builder, udp_client
from pythonosc.dispatcher import Dispatcher
from pythonosc.osc_server import BlockingOSCUDPServer


def delay(tag):
    """Seconds from sending a plain message, behind a bundle with this time tag, to its handling."""
    handled = threading.Event()
    dispatcher = Dispatcher()
    dispatcher.map("/plain", lambda *_: handled.set())
    with BlockingOSCUDPServer(("127.0.0.1", 0), dispatcher) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        client = udp_client.UDPClient(*server.server_address)
        bundle = osc_bundle_builder.OscBundleBuilder(tag)
        bundle.add_content(osc_message_builder.OscMessageBuilder("/first").build())
        client.send(bundle.build())
        began = time.monotonic()
        client.send(osc_message_builder.OscMessageBuilder("/plain").build())
        handled.wait(10)
        seconds = time.monotonic() - began
        server.shutdown()
    return seconds


ahead, at_once = delay(time.time() + 1.5), delay(osc_bundle_builder.IMMEDIATELY)
print(f"behind a bundle 1.5 s ahead: {ahead:.2f} s   behind one for immediately: {at_once:.2f} s")
sys.exit(0 if ahead > 1 and at_once < 0.5 else 1)
PYTHON
