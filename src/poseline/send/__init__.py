"""Send: keypoints to other programs while a run goes on. One file a protocol; a new one is a line in `PROTOCOLS`."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from poseline.errors import SettingsError
from poseline.send.destination import WEBSOCKET, Destination, parse

if TYPE_CHECKING:
    from poseline.send.sender import Sender

PROTOCOLS = {
    "osc": "poseline.send.osc",
    "udp": "poseline.send.udp",
    "tcp": "poseline.send.tcp",
    "mqtt": "poseline.send.mqtt",
    "mqtts": "poseline.send.mqtt",
    "lsl": "poseline.send.lsl",
    "-": "poseline.send.stdout",
}
"""The module of each protocol, imported where it is asked for; its `make` builds the sender.

A WebSocket (`ws`) has none: the page's server sends by it, to whoever connects.
"""


def check(addresses: Sequence[str], served: bool = False) -> list[Destination]:
    """The destinations that `--send` names, before anything is opened.

    Args:
        addresses: as `--send` takes them.
        served: whether there is a page, whose server has the WebSocket.

    Raises:
        SettingsError: one of them cannot be understood, or needs a package that is not installed.
    """
    destinations = [parse(address) for address in addresses]
    for destination in destinations:
        if destination.protocol == WEBSOCKET:
            if not served:
                raise SettingsError("--send ws: the WebSocket is a part of the page's server; add --serve")
            continue
        import_module(PROTOCOLS[destination.protocol]).check(destination)
    return destinations


def senders(addresses: Sequence[str], camera: str, served: bool = False) -> list[Sender]:
    """A sink for each address but `ws`.

    Args:
        addresses: as `--send` takes them.
        camera: the source's short name, which stands in OSC addresses and topics.
        served: as `check`.

    Raises:
        SettingsError: as `check`.
    """
    made: list[Sender] = [
        import_module(PROTOCOLS[destination.protocol]).make(destination, camera)
        for destination in check(addresses, served)
        if destination.protocol != WEBSOCKET
    ]
    return made


__all__ = ["PROTOCOLS", "WEBSOCKET", "Destination", "check", "parse", "senders"]
